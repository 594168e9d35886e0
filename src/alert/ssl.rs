//! Details of an `ssl` alert.

use super::choice::choices;
use super::fields::Fields;
use super::{Line, Number, present};

choices! {
    /// What is wrong with the certificate.
    SslProblem {
        /// It does not verify.
        Invalid = "invalid",
        /// It has expired.
        Expired = "expired",
        /// The server presents it wrongly.
        Misconfigured = "misconfigured",
        /// It will expire soon.
        ExpiresSoon = "expires_soon",
    }
}

/// Details of an `ssl` alert, each as given.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of an X.509 certificate")]
pub struct Ssl {
    pub problem: Option<SslProblem>,
    pub error: Option<String>,
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub serial: Option<String>,
    pub not_before: Option<String>,
    pub not_after: Option<String>,
    pub days_left: Option<Number>,
}

impl Ssl {
    pub(super) fn read(fields: &mut Fields) -> Self {
        Self {
            problem: fields.known("problem"),
            error: fields.text("error"),
            issuer: fields.text("issuer"),
            subject: fields.text("subject"),
            serial: fields.text("serial"),
            not_before: fields.text("not_before"),
            not_after: fields.text("not_after"),
            days_left: fields.number("days_left"),
        }
    }

    pub(super) fn what_is_wrong(&self) -> String {
        match (self.problem, &self.days_left) {
            (Some(SslProblem::Invalid), _) => "The certificate is not valid".to_owned(),
            (Some(SslProblem::Expired), _) => "The certificate has expired".to_owned(),
            (Some(SslProblem::Misconfigured), _) => "The certificate is misconfigured".to_owned(),
            (Some(SslProblem::ExpiresSoon), Some(days)) => {
                format!("The certificate expires soon (days left: {})", days.text)
            }
            (Some(SslProblem::ExpiresSoon), None) => "The certificate expires soon".to_owned(),
            (None, _) => "There is a problem with the certificate".to_owned(),
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        present([
            ("Problem", self.problem.map(SslProblem::as_str)),
            ("Error", self.error.as_deref()),
            ("Issuer", self.issuer.as_deref()),
            ("Certificate of", self.subject.as_deref()),
            ("Serial", self.serial.as_deref()),
            ("Not before", self.not_before.as_deref()),
            ("Not after", self.not_after.as_deref()),
            ("Days left", self.days_left.as_ref().map(|days| days.text.as_str())),
        ])
    }
}
