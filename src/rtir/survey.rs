//! What `check` asks RT for beyond what making tickets takes.

use jiff::Timestamp;
use reqwest::Method;
use serde::de::IgnoredAny;

use super::client::Client;
use super::error::{Error, Flaw, Operation};
use super::way::Way;
use super::wire::{self, Page, SetStatus, Version};
use crate::reach::tls::Certificate;
use crate::ticket::{ALERT_ID_FIELD, TicketId};

/// What shows without credentials.
#[derive(Debug)]
pub struct Reached {
    /// The clock of who answers.
    pub clock: Option<Timestamp>,
    /// What RT, or the web server in front of it, shows of itself by TLS.
    pub certificate: Option<Certificate>,
}

/// The RT queue, as far as the service user may read it.
#[derive(Debug)]
pub struct Surveyed {
    /// Which statuses its tickets can have.
    pub lifecycle: Lifecycle,
    /// Why its tickets cannot have a key, if they cannot.
    pub field_flaw: Option<Flaw>,
}

/// The name of an RT queue's lifecycle.
#[derive(Debug)]
pub struct Lifecycle(pub String);

impl Lifecycle {
    /// Whether tickets may start with the status `new`. RT does not show what is in a lifecycle, so this is known of
    /// those that RT and RTIR bring along. Source: RT 5, `RT_Config.pm`; RTIR 4 and 5, `RTIR_Config.pm`.
    pub fn starts_with_new(&self) -> Option<bool> {
        match self.0.as_str() {
            "default" | "approvals" | "incident_reports" => Some(true),
            "incidents" | "investigations" | "countermeasures" | "blocks" => Some(false),
            _ => None,
        }
    }
}

impl Client {
    /// Asks REST 2.0 without credentials, which it refuses in its own way.
    ///
    /// # Errors
    /// Nobody answers, or who answers is not REST 2.0.
    pub async fn reach(&self) -> Result<Reached, Error> {
        let operation = Operation::Look;
        let answer = self.session.knock().await?;
        let (clock, certificate) = (answer.date, answer.certificate.clone());
        match (answer.http_status, answer.is_json) {
            // With 200, a web server in front of RT has said who asks.
            (200 | 401, true) => Ok(Reached { clock, certificate }),
            (200..=299 | 401, _) => {
                let what = format!("HTTP status {}, and not from REST 2.0", answer.http_status);
                Err(Error::Answer { operation, what })
            }
            _ => Err(answer.into_error(operation)),
        }
    }

    /// RT's version, asked for with the credentials.
    ///
    /// # Errors
    /// RT refuses them or did not answer.
    pub async fn version(&self) -> Result<(String, Way), Error> {
        let answer = self.get(Operation::LogIn, self.rest(&["rt"])).await?;
        let Version { version } = answer.json(Operation::LogIn, 200)?;
        Ok((version, self.session.way().await))
    }

    /// The RT queue that tickets are made in.
    ///
    /// # Errors
    /// It would take none, or RT did not answer.
    pub async fn survey(&self) -> Result<Surveyed, Error> {
        let queue = self.queue().await?;
        let fields = queue.fields_named(ALERT_ID_FIELD);
        let field_flaw =
            if fields.is_empty() { Some(self.why_no_field().await?) } else { self.why_field_unfit(&fields).await? };
        Ok(Surveyed { lifecycle: Lifecycle(queue.lifecycle().to_owned()), field_flaw })
    }

    /// Whether tickets of the RT queue have a custom field of this name, as far as the service user may see.
    ///
    /// # Errors
    /// It would take no ticket, or RT did not answer.
    pub async fn survey_field(&self, name: &str) -> Result<bool, Error> {
        Ok(self.queue().await?.has_field(name))
    }

    /// Whether a ticket of the RT queue can be seen. Of an RT queue without tickets, nobody can.
    ///
    /// # Errors
    /// RT did not answer.
    pub async fn sees_a_ticket(&self) -> Result<bool, Error> {
        let mut url = self.rest(&["tickets"]);
        let query = wire::query_of_queue(&self.session.settings().rt_queue);
        url.query_pairs_mut().append_pair("query", &query).append_pair("per_page", "1");
        let page: Page<IgnoredAny> = self.get(Operation::Find, url).await?.json(Operation::Find, 200)?;
        Ok(!page.items.is_empty())
    }

    /// Resolves a ticket. RT answers 200 and a text whatever came of it, so the ticket is read back.
    ///
    /// # Errors
    /// It is not resolved, or RT did not answer.
    pub async fn resolve(&self, ticket: TicketId) -> Result<(), Error> {
        let operation = Operation::Resolve;
        let url = self.rest(&["ticket", &ticket.to_string()]);
        let answer = self.session.send(operation, Method::PUT, url, Some(&SetStatus::RESOLVED)).await?;
        if self.show_ticket(ticket).await?.is_resolved() {
            return Ok(());
        }
        Err(Error::Answer { operation, what: answer.message() })
    }
}
