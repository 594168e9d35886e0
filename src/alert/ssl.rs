//! Details of an `ssl` alert.

use super::choice::choices;
use super::defang::defang;
use super::object::details;
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

details! {
    /// Details of an `ssl` alert, each as given.
    Ssl {
        /// What is wrong with the certificate.
        problem: Option<SslProblem>,
        /// What the worker saw.
        error: Option<String>,
        /// Who issued the certificate.
        issuer: Option<String>,
        /// Whose certificate it is.
        subject: Option<String>,
        /// Its serial number, as text.
        serial: Option<String>,
        /// When it becomes valid.
        not_before: Option<String>,
        /// When it expires.
        not_after: Option<String>,
        /// How many days until then. With 7 or fewer, what expires soon is high by default, else medium.
        days_left: Option<Number>,
    }
}

impl Ssl {
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
            ("Issuer", self.issuer.as_deref().map(defang).as_deref()),
            ("Certificate of", self.subject.as_deref()),
            ("Serial", self.serial.as_deref()),
            ("Not before", self.not_before.as_deref()),
            ("Not after", self.not_after.as_deref()),
            ("Days left", self.days_left.as_ref().map(|days| days.text.as_str())),
        ])
    }
}
