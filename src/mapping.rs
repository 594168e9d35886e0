//! From an alert to a ticket. Pure: the same alert and rules always give the same ticket.

mod content;
mod requestors;

pub(crate) use content::misleads;
pub use requestors::{LeftOut, Notified, Person, missing_requestors};

use bytes::Bytes;

use crate::alert::{Alert, AlertType, Category, Severity};
use crate::ticket::{AlertKey, EmailAddress, NewTicket, RtAddresses, RtQueueName, Subject};

/// What decides about every ticket beside its alert: the operator, and the RT that it is made in.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The RT queue that tickets are made in.
    pub rt_queue: RtQueueName,
    /// Who is notified where no focal point can be.
    pub fallback_requestor: Option<EmailAddress>,
    /// Keeps the ids of several publishers (or test and production) apart.
    pub namespace: Option<String>,
    /// Where nobody is notified; empty as long as RT was not asked.
    pub rt_addresses: RtAddresses,
}

/// Why an alert has no ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmappable {
    /// No active focal point has an address that RT takes. Says for each why.
    #[error("{0}")]
    MissingFocalPoints(String),
}

/// What a ticket will say, each with what decided it.
pub struct Decisions {
    /// What the ticket is called.
    pub category: (Category, &'static str),
    /// How bad it is.
    pub severity: (Severity, String),
    /// RT's Priority.
    pub priority: (u8, String),
    /// What names the alert in RT.
    pub key: (AlertKey, String),
    /// Who is notified, and who is not.
    pub notified: Notified,
}

impl Rules {
    /// The key of `alert`.
    pub fn key(&self, alert: &Alert) -> AlertKey {
        AlertKey::new(self.namespace.as_deref(), &alert.id)
    }

    /// All that is decided about `alert`, whether or not it can become a ticket.
    pub fn decide(&self, alert: &Alert) -> Decisions {
        Decisions {
            category: alert.category_because(),
            severity: alert.severity_because(),
            priority: priority(alert),
            key: AlertKey::because(self.namespace.as_deref(), &alert.id),
            notified: Notified::choose(
                &alert.entity.focal_points,
                self.fallback_requestor.as_ref(),
                &self.rt_addresses,
            ),
        }
    }

    /// The ticket of `alert`, whose message body is `body`.
    ///
    /// # Errors
    /// There is nobody to notify.
    pub fn ticket(&self, alert: &Alert, body: &Bytes) -> Result<NewTicket, Unmappable> {
        let Decisions { category: (category, _), priority: (priority, _), key: (key, _), notified, .. } =
            self.decide(alert);
        if notified.requestors.is_empty() {
            return Err(Unmappable::MissingFocalPoints(notified.why_nobody()));
        }
        let content = content::render(alert, &notified);
        Ok(NewTicket {
            rt_queue: self.rt_queue.clone(),
            subject: Subject::new(&format!("{category}: {}", alert.platform_url)),
            content: content.text,
            requestors: notified.requestors,
            priority,
            key,
            attachment: content.cut.then(|| body.clone()),
        })
    }
}

/// RT's Priority, and what decided it: 100 for what is critical, else the severity made finer by the type.
/// RT 5 labels these Low < 50 <= Medium < 100 <= High.
fn priority(alert: &Alert) -> (u8, String) {
    let (severity, alert_type) = (alert.severity(), alert.alert_type());
    let by_severity = match severity {
        Severity::Critical => return (100, "severity critical, whatever the type".to_owned()),
        Severity::High => 60,
        Severity::Medium => 40,
        Severity::Low => 20,
    };
    let by_type = match alert_type {
        AlertType::Defacement => 15,
        AlertType::VirusTotal => 10,
        AlertType::Availability | AlertType::Domain => 5,
        AlertType::Ssl => 0,
    };
    (by_severity + by_type, format!("{by_severity} for severity {severity} and {by_type} for type {alert_type}"))
}
