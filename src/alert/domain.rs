//! Details of a `domain` alert.

use super::choice::choices;
use super::fields::Fields;
use super::{Line, Number, present};

choices! {
    /// What is wrong with the domain.
    DomainProblem {
        /// Name servers do not answer for it as they should.
        DnsFailure = "dns_failure",
        /// It resolves, but nothing can be reached there.
        Inaccessible = "inaccessible",
        /// Its registration has expired.
        Expired = "expired",
        /// Its registration will expire soon.
        ExpiresSoon = "expires_soon",
    }
}

/// Details of a `domain` alert, each as given.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names are those of a domain's registration")]
pub struct Domain {
    pub problem: Option<DomainProblem>,
    pub domain: Option<String>,
    pub registrar: Option<String>,
    pub expires_at: Option<String>,
    pub days_left: Option<Number>,
    pub dns_servers: Vec<DnsAnswer>,
    pub error: Option<String>,
}

/// What one name server answered.
#[derive(Clone, Debug)]
pub struct DnsAnswer {
    /// The name server asked.
    pub server: String,
    /// Its answer.
    pub result: Option<String>,
}

impl Domain {
    pub(super) fn read(fields: &mut Fields) -> Self {
        Self {
            problem: fields.known("problem"),
            domain: fields.text("domain"),
            registrar: fields.text("registrar"),
            expires_at: fields.text("expires_at"),
            days_left: fields.number("days_left"),
            dns_servers: fields.items("dns_servers", |answer| {
                Some(DnsAnswer { server: answer.text("server")?, result: answer.text("result") })
            }),
            error: fields.text("error"),
        }
    }

    pub(super) fn what_is_wrong(&self) -> String {
        match (self.problem, &self.days_left) {
            (Some(DomainProblem::DnsFailure), _) => "The domain name does not resolve".to_owned(),
            (Some(DomainProblem::Inaccessible), _) => "The domain cannot be reached".to_owned(),
            (Some(DomainProblem::Expired), _) => "The domain's registration has expired".to_owned(),
            (Some(DomainProblem::ExpiresSoon), Some(days)) => {
                format!("The domain's registration expires soon (days left: {})", days.text)
            }
            (Some(DomainProblem::ExpiresSoon), None) => "The domain's registration expires soon".to_owned(),
            (None, _) => "There is a problem with the domain".to_owned(),
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = present([
            ("Problem", self.problem.map(DomainProblem::as_str)),
            ("Domain", self.domain.as_deref()),
            ("Registrar", self.registrar.as_deref()),
            ("Expires at", self.expires_at.as_deref()),
            ("Days left", self.days_left.as_ref().map(|days| days.text.as_str())),
            ("Error", self.error.as_deref()),
        ]);
        lines.extend(self.dns_servers.iter().map(|answer| {
            let result = answer.result.as_deref().unwrap_or("no result given");
            ("Name server".to_owned(), format!("{}: {result}", answer.server))
        }));
        lines
    }
}
