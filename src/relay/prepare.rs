//! From the bytes of a message to the ticket that RT is asked to create.

use bytes::Bytes;
use jiff::Timestamp;

use crate::alert::{Alert, AlertType, MAX_BODY_BYTES, Status};
use crate::diagnosis::{Diagnosis, Trouble};
use crate::mapping::{Rules, Unmappable};
use crate::outcome::{DeadLetter, Reason, Rule};
use crate::ticket::NewTicket;

/// What a message asks for.
#[derive(Debug)]
pub struct Prepared {
    /// The alert's id.
    pub alert_id: String,
    /// The alert's type.
    pub alert_type: AlertType,
    /// When its matter was detected; absent where the fraction of a second has more digits than are read.
    pub detected_at: Option<Timestamp>,
    /// The ticket to make, or why there is none.
    pub ticket: Result<NewTicket, NoTicket>,
}

/// Why an alert makes no ticket.
#[derive(Debug)]
pub enum NoTicket {
    /// There is nothing to do, by this rule.
    Ignored(Rule),
    /// It can never become one as it is.
    Impossible(Box<DeadLetter>),
}

/// Reads, judges and maps a message, without asking anybody.
///
/// # Errors
/// The message is no alert that can be read.
pub fn prepare(rules: &Rules, body: &Bytes, content_type: Option<&str>) -> Result<Prepared, Box<DeadLetter>> {
    if body.len() > MAX_BODY_BYTES {
        return Err(too_large(body.len()));
    }
    let alert = Alert::parse(body, content_type).map_err(|malformed| {
        let diagnosis = Diagnosis {
            trouble: Some(Trouble::RejectedData),
            what: "The message is not an alert".to_owned(),
            why: malformed.to_string(),
            cure: "Mend the alert where it is published, or edit this copy, then replay it".to_owned(),
        };
        Box::new(DeadLetter::unasked(Reason::MalformedAlert, None, diagnosis))
    })?;
    let ticket = match alert.status {
        Status::Resolved | Status::FalsePositive => Err(NoTicket::Ignored(Rule::NotOpen)),
        Status::New | Status::InProgress => {
            rules.ticket(&alert, body).map_err(|error| NoTicket::Impossible(unmappable(rules, &alert, &error)))
        }
    };
    let detected_at = alert.detected_at.parse().ok();
    Ok(Prepared { alert_type: alert.alert_type(), alert_id: alert.id, detected_at, ticket })
}

fn too_large(bytes: usize) -> Box<DeadLetter> {
    let diagnosis = Diagnosis {
        trouble: Some(Trouble::RejectedData),
        what: "The message is too large".to_owned(),
        why: format!("it has {bytes} bytes, at most {MAX_BODY_BYTES} are read"),
        cure: "Publish the alert with less in its details".to_owned(),
    };
    Box::new(DeadLetter::unasked(Reason::TooLarge, None, diagnosis))
}

fn unmappable(rules: &Rules, alert: &Alert, error: &Unmappable) -> Box<DeadLetter> {
    let (reason, cure) = match error {
        Unmappable::MissingFocalPoints(_) => (
            Reason::MissingFocalPoints,
            "Give the entity an active focal point with a valid e-mail address where the alert is published, or set \
             RTIR_FALLBACK_REQUESTOR, then replay the alert",
        ),
    };
    let diagnosis = Diagnosis::of(Trouble::MissingFocalPoints, "Nobody can be notified", error.to_string(), cure);
    Box::new(DeadLetter::unasked(reason, Some(rules.key(alert).to_string()), diagnosis))
}
