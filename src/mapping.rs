//! From an alert to a ticket. Pure: the same alert and rules always give the same ticket.

mod content;
mod requestors;

use crate::alert::{Alert, AlertType, Severity};
use crate::ticket::{AlertKey, EmailAddress, NewTicket, RtQueueName, Subject};

/// What the operator decides about every ticket.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The RT queue that tickets are made in.
    pub rt_queue: RtQueueName,
    /// Who is notified where no focal point can be.
    pub fallback_requestor: Option<EmailAddress>,
    /// Keeps the ids of several publishers (or test and production) apart.
    pub namespace: Option<String>,
}

/// Why an alert has no ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmappable {
    /// No active focal point has an address that RT takes. Says for each why.
    #[error("{0}")]
    MissingFocalPoints(String),
}

impl Rules {
    /// The key of `alert`.
    pub fn key(&self, alert: &Alert) -> AlertKey {
        AlertKey::new(self.namespace.as_deref(), &alert.id)
    }

    /// The ticket of `alert`, whose message body is `body`.
    ///
    /// # Errors
    /// There is nobody to notify.
    pub fn ticket(&self, alert: &Alert, body: &[u8]) -> Result<NewTicket, Unmappable> {
        let notified = requestors::choose(&alert.entity.focal_points, self.fallback_requestor.as_ref())?;
        let content = content::render(alert, &notified);
        Ok(NewTicket {
            rt_queue: self.rt_queue.clone(),
            subject: Subject::new(&format!("{}: {}", alert.category(), alert.platform_url)),
            content: content.text,
            requestors: notified.requestors,
            priority: priority(alert),
            key: self.key(alert),
            attachment: content.cut.then(|| body.to_vec()),
        })
    }
}

/// RT's Priority: 100 for what is critical, else the severity made finer by the type.
/// RT 5 labels these Low < 50 <= Medium < 100 <= High.
fn priority(alert: &Alert) -> u8 {
    let by_severity = match alert.severity() {
        Severity::Critical => return 100,
        Severity::High => 60,
        Severity::Medium => 40,
        Severity::Low => 20,
    };
    by_severity
        + match alert.alert_type() {
            AlertType::Defacement => 15,
            AlertType::VirusTotal => 10,
            AlertType::Availability | AlertType::Domain => 5,
            AlertType::Ssl => 0,
        }
}
