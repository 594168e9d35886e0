//! What a certificate shows.

use super::Verdict;
use crate::diagnosis::{Diagnosis, Trouble};
use crate::reach::Settings;
use crate::reach::tls::{Certificate, Seen};

/// So many days before the end, there is time to renew it.
const DAYS_TO_RENEW: i64 = 30;

/// What came of a handshake; `what` failed if it did.
pub(super) fn judge_handshake(seen: &Seen, what: String, settings: &Settings) -> Verdict {
    match (&seen.fault, &seen.certificate) {
        (Some(fault), shown) => Verdict::Failed(fault.diagnosis(what, shown.as_ref(), settings)),
        (None, Some(certificate)) => judge(certificate),
        (None, None) => Verdict::Well("trusted".to_owned()),
    }
}

/// A certificate that is trusted.
pub(super) fn judge(certificate: &Certificate) -> Verdict {
    if certificate.days_left() >= DAYS_TO_RENEW {
        return Verdict::Well(format!("trusted: {certificate}"));
    }
    Verdict::Warning(Diagnosis::of(
        Trouble::Certificate,
        "the certificate ends soon",
        certificate.to_string(),
        "Renew it in time",
    ))
}
