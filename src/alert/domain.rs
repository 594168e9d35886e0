//! Details of a `domain` alert.

use super::choice::choices;
use super::defang::{defang, defang_server};
use super::object::{details, item};
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

details! {
    /// Details of a `domain` alert, each as given.
    Domain {
        /// What is wrong with the domain.
        problem: Option<DomainProblem>,
        /// The domain's name.
        domain: Option<String>,
        /// Where it is registered.
        registrar: Option<String>,
        /// When its registration expires.
        expires_at: Option<String>,
        /// How many days until then. With 7 or fewer, what expires soon is high by default, else medium.
        days_left: Option<Number>,
        /// What its name servers answered.
        dns_servers: Vec<DnsAnswer>,
        /// What the worker saw.
        error: Option<String>,
    }
}

item! {
    /// What one name server answered.
    DnsAnswer {
        /// The name server asked.
        server: String;
        /// Its answer.
        result: Option<String>,
    }
}

impl Domain {
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
            ("Registrar", self.registrar.as_deref().map(defang).as_deref()),
            ("Expires at", self.expires_at.as_deref()),
            ("Days left", self.days_left.as_ref().map(|days| days.text.as_str())),
            ("Error", self.error.as_deref()),
        ]);
        lines.extend(self.dns_servers.iter().map(|answer| {
            let result = answer.result.as_deref().unwrap_or("no result given");
            ("Name server".to_owned(), format!("{}: {result}", defang_server(&answer.server)))
        }));
        lines
    }
}
