//! The alert as publishers send it: what it holds, and how tolerantly it is read.
//!
//! [`Alert::parse`] is strict about the few fields that decide what becomes of an alert and tolerant everywhere else:
//! whatever it cannot use is kept in [`Alert::other`], so that the ticket shows it as given. Pure: no I/O, no clock.

mod availability;
mod choice;
mod defacement;
mod defang;
mod domain;
mod fields;
mod glance;
mod json;
mod malformed;
mod object;
mod parse;
mod schema;
mod ssl;
mod virustotal;

pub use availability::{Availability, AvailabilityProblem};
pub use defacement::{Change, ChangeKind, Defacement};
pub(crate) use defang::{defang, defang_addresses};
pub use domain::{DnsAnswer, Domain, DomainProblem};
pub use glance::Glance;
pub use json::Value;
pub use malformed::Malformed;
pub use schema::schema;
pub use ssl::{Ssl, SslProblem};
pub use virustotal::{Vendor, VirusTotal};

use choice::choices;

/// The largest message body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// One security alert of a monitoring worker.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Names the alert for good: the same id is the same alert. 1 to 200 characters, none of them a control character.
    pub id: String,
    /// How far the matter has come, as the platform sees it.
    pub status: Status,
    /// As the publisher rates it; see [`Alert::severity`] for the default.
    pub given_severity: Option<Severity>,
    /// RFC 3339, as given.
    pub detected_at: String,
    /// `http` or `https` URL of the watched site, as given.
    pub platform_url: String,
    /// The organisation concerned.
    pub entity: Entity,
    /// What the worker found, by the alert's type.
    pub details: Details,
    /// Everything that was given but has no field above, or not a shape that fits: path and value, in the order given.
    pub other: Vec<(String, Value)>,
}

/// The organisation that the watched site belongs to.
#[derive(Clone, Debug)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Whom it wants told. An `Err` names a focal point of a wrong shape and says what is wrong with it.
    pub focal_points: Vec<Result<FocalPoint, MisshapenFocalPoint>>,
}

/// A person whom the organisation wants told. The phone number is read past: it belongs into no ticket.
#[derive(Clone, Debug)]
pub struct FocalPoint {
    /// The person's name; may be absent.
    pub name: Option<String>,
    /// The address as given; whether RT will take it is judged in mapping.
    pub email: String,
    /// Only active focal points are notified.
    pub active: bool,
    /// What the person is in the organisation.
    pub function: Option<String>,
}

/// A focal point that cannot be read as one.
#[derive(Clone, Debug)]
pub struct MisshapenFocalPoint {
    /// Name or address where there is one, else its position: `focal point 3`.
    pub who: String,
    /// What is wrong with it.
    pub why: String,
}

choices! {
    /// What kind of alert this is.
    AlertType {
        /// Something about the site's certificate.
        Ssl = "ssl",
        /// Something about the site's domain name.
        Domain = "domain",
        /// The site's content was changed.
        Defacement = "defacement",
        /// The site does not answer as it should.
        Availability = "availability",
        /// VirusTotal lists the site.
        VirusTotal = "virustotal",
    }
}

choices! {
    /// How far the matter has come.
    Status {
        /// Just raised.
        New = "new",
        /// Somebody is at it.
        InProgress = "in_progress",
        /// It is over.
        Resolved = "resolved",
        /// It was nothing.
        FalsePositive = "false_positive",
    }
}

choices! {
    /// How bad it is, in rising order.
    Severity {
        /// Low.
        Low = "low",
        /// Medium.
        Medium = "medium",
        /// High.
        High = "high",
        /// Critical.
        Critical = "critical",
    }
}

choices! {
    /// What the ticket is called: the alert's type, made finer by its problem.
    Category {
        /// A certificate that does not hold.
        SslProblem = "SSL problem",
        /// A certificate that will soon not hold.
        SslExpiresSoon = "SSL expires soon",
        /// A domain that does not work.
        DomainProblem = "Domain problem",
        /// A domain that will soon not be registered.
        DomainExpiresSoon = "Domain expires soon",
        /// Changed content.
        Defacement = "Defacement",
        /// A site out of reach.
        AvailabilityProblem = "Availability problem",
        /// A site that scanners flag.
        VirusTotalFlag = "VirusTotal flag",
    }
}

/// What the worker found. Every field is optional; a value of an unexpected type stands in [`Alert::other`].
#[derive(Clone, Debug)]
pub enum Details {
    /// Of an `ssl` alert.
    Ssl(Ssl),
    /// Of a `domain` alert.
    Domain(Domain),
    /// Of a `defacement` alert.
    Defacement(Defacement),
    /// Of an `availability` alert.
    Availability(Availability),
    /// Of a `virustotal` alert.
    VirusTotal(VirusTotal),
}

/// A number as the publisher wrote it: `1e400` stays `1e400`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The text as given.
    pub text: String,
}

impl Number {
    /// Whether it is at most `limit`; what is too large for a float counts as infinite.
    fn is_at_most(&self, limit: f64) -> bool {
        self.text.parse::<f64>().is_ok_and(|value| value <= limit)
    }
}

/// One line of a ticket: a name and its value.
pub type Line = (String, String);

impl Alert {
    /// The severity that counts: the one given, else the default of the category. Something that expires soon is
    /// high with 7 days left or fewer, else medium; a defacement is critical; all else is high.
    pub fn severity(&self) -> Severity {
        self.severity_because().0
    }

    /// The severity, and what decided it.
    pub fn severity_because(&self) -> (Severity, String) {
        if let Some(severity) = self.given_severity {
            return (severity, "given by the alert".to_owned());
        }
        let category = self.category();
        let (severity, where_it_holds) = match category {
            Category::Defacement => (Severity::Critical, ""),
            Category::SslExpiresSoon | Category::DomainExpiresSoon => match self.details.days_left() {
                Some(days) if days.is_at_most(7.0) => (Severity::High, " with days_left of 7 or fewer"),
                Some(_) => (Severity::Medium, " with days_left of more than 7"),
                None => (Severity::Medium, " without days_left"),
            },
            Category::SslProblem
            | Category::DomainProblem
            | Category::AvailabilityProblem
            | Category::VirusTotalFlag => (Severity::High, ""),
        };
        (severity, format!("not given; the default of {category}{where_it_holds}"))
    }

    /// The alert's category, from its type and problem.
    pub fn category(&self) -> Category {
        self.category_because().0
    }

    /// The category, and what decided it.
    pub fn category_because(&self) -> (Category, &'static str) {
        match &self.details {
            Details::Ssl(ssl) if ssl.problem == Some(SslProblem::ExpiresSoon) => {
                (Category::SslExpiresSoon, "type ssl with problem expires_soon")
            }
            Details::Ssl(_) => (Category::SslProblem, "type ssl with any other problem, or none"),
            Details::Domain(domain) if domain.problem == Some(DomainProblem::ExpiresSoon) => {
                (Category::DomainExpiresSoon, "type domain with problem expires_soon")
            }
            Details::Domain(_) => (Category::DomainProblem, "type domain with any other problem, or none"),
            Details::Defacement(_) => (Category::Defacement, "type defacement"),
            Details::Availability(_) => (Category::AvailabilityProblem, "type availability"),
            Details::VirusTotal(_) => (Category::VirusTotalFlag, "type virustotal"),
        }
    }

    /// The alert's type.
    pub fn alert_type(&self) -> AlertType {
        match self.details {
            Details::Ssl(_) => AlertType::Ssl,
            Details::Domain(_) => AlertType::Domain,
            Details::Defacement(_) => AlertType::Defacement,
            Details::Availability(_) => AlertType::Availability,
            Details::VirusTotal(_) => AlertType::VirusTotal,
        }
    }
}

impl Details {
    /// What is wrong, as the first words of a sentence that goes on with the platform's URL.
    pub fn what_is_wrong(&self) -> String {
        match self {
            Self::Ssl(ssl) => ssl.what_is_wrong(),
            Self::Domain(domain) => domain.what_is_wrong(),
            Self::Defacement(defacement) => defacement.what_is_wrong(),
            Self::Availability(availability) => availability.what_is_wrong(),
            Self::VirusTotal(virustotal) => virustotal.what_is_wrong(),
        }
    }

    /// The details by name, in the order a reader wants them.
    pub fn lines(&self) -> Vec<Line> {
        match self {
            Self::Ssl(ssl) => ssl.lines(),
            Self::Domain(domain) => domain.lines(),
            Self::Defacement(defacement) => defacement.lines(),
            Self::Availability(availability) => availability.lines(),
            Self::VirusTotal(virustotal) => virustotal.lines(),
        }
    }

    fn days_left(&self) -> Option<&Number> {
        match self {
            Self::Ssl(ssl) => ssl.days_left.as_ref(),
            Self::Domain(domain) => domain.days_left.as_ref(),
            Self::Defacement(_) | Self::Availability(_) | Self::VirusTotal(_) => None,
        }
    }
}

/// The lines of those fields that are there.
fn present<const N: usize>(fields: [(&str, Option<&str>); N]) -> Vec<Line> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}
