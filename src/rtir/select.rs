//! Tickets chosen by a condition, whoever made them: listed, shown, and marked.

use jiff::Timestamp;
use reqwest::Method;
use serde::de::IgnoredAny;
use url::Url;

use super::client::Client;
use super::error::{Error, Operation};
use super::wire::{self, MAX_PAGES, PER_PAGE, Page, SetReported, Ticket};
use crate::ticket::{ALERT_ID_FIELD, AlertKey, REPORTED_FIELD, TicketId};

/// A ticket in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The ticket.
    pub id: TicketId,
    /// Its subject.
    pub subject: String,
    /// RT's time of its last change, to the second.
    pub last_updated: String,
}

/// A ticket as RT shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The ticket.
    pub id: TicketId,
    /// RT's Subject.
    pub subject: String,
    /// RT's Status.
    pub status: String,
    /// RT's Priority, as a number.
    pub priority: i64,
    /// When it was made, in RFC 3339.
    pub created: String,
    /// The e-mail addresses of its Requestors.
    pub requestors: Vec<String>,
    /// The custom fields that the service user may see, each with its values.
    pub custom_fields: Vec<(String, Vec<String>)>,
    /// Whether it says when it was handed over.
    pub is_reported: bool,
}

/// What became of the mark on a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// It stands there.
    Reported,
    /// Somebody has merged the ticket. On the one that it is merged into nothing is written: that one was not handed
    /// over.
    MergedInto(TicketId),
    /// Somebody has moved the ticket to an RT queue without the field.
    NoField,
}

impl Shown {
    fn of(ticket: &Ticket) -> Option<Self> {
        Some(Self {
            id: ticket.id()?,
            subject: ticket.subject().to_owned(),
            status: ticket.text("Status"),
            priority: ticket.priority(),
            created: ticket.text("Created"),
            requestors: ticket.requestors().unwrap_or_default(),
            custom_fields: ticket.custom_fields().map(|(name, values)| (name.to_owned(), values)).collect(),
            is_reported: ticket.is_reported(),
        })
    }

    /// The values of a custom field; `None` where it shows no such field.
    pub fn values_of(&self, custom_field: &str) -> Option<&[String]> {
        let field = self.custom_fields.iter().find(|(name, _)| name == custom_field);
        field.map(|(_, values)| values.as_slice())
    }

    /// Its alert key, if an alert made it.
    pub fn key(&self) -> Option<AlertKey> {
        self.values_of(ALERT_ID_FIELD)?.first().and_then(|value| AlertKey::shown(value))
    }
}

impl Client {
    /// The tickets that `query` finds, lowest id first. Merged tickets are not among them.
    ///
    /// # Errors
    /// RT does not take the query, or did not answer.
    pub async fn select(&self, query: &str) -> Result<Vec<Listed>, Error> {
        let mut listed = Vec::new();
        for page in 1..=MAX_PAGES {
            let items = self.page(query, "Subject,LastUpdated", page).await?;
            listed.extend(items.iter().filter_map(|ticket| {
                let last_updated = ticket.text("LastUpdated");
                Some(Listed { id: ticket.id()?, subject: ticket.subject().to_owned(), last_updated })
            }));
            if items.len() < PER_PAGE {
                break;
            }
        }
        listed.sort_by_key(|ticket| ticket.id);
        Ok(listed)
    }

    /// The ticket that `query` finds, if it finds one, with all that it shows.
    ///
    /// # Errors
    /// RT does not take the query, or did not answer.
    pub async fn show(&self, query: &str) -> Result<Option<Shown>, Error> {
        let fields = "Subject,Status,Priority,Created,Requestor,CustomFields";
        let items = self.page(query, fields, 1).await?;
        Ok(items.iter().find_map(Shown::of))
    }

    /// Writes on a ticket when it was handed over, and sees that it stands there: RT answers 200 whatever came of it.
    ///
    /// # Errors
    /// It does not stand there, or RT did not answer.
    pub async fn set_reported(&self, ticket: TicketId, time: Timestamp) -> Result<Marked, Error> {
        let operation = Operation::SetReported;
        if let Some(into) = self.show_ticket(ticket).await?.merged_into(ticket) {
            return Ok(Marked::MergedInto(into));
        }
        let url = self.rest(&["ticket", &ticket.to_string()]);
        let answer = self.session.send(operation, Method::PUT, url, Some(&SetReported::at(time))).await?;
        let shown = self.show_ticket(ticket).await?;
        if shown.is_reported() {
            return Ok(Marked::Reported);
        }
        if shown.values_of(REPORTED_FIELD).is_none() && self.sees_field(REPORTED_FIELD).await? {
            return Ok(Marked::NoField);
        }
        Err(Error::Answer { operation, what: answer.message() })
    }

    /// Whether there is a custom field of this name that the service user may see. Of one that is not, RT's search
    /// finds nothing and says nothing.
    ///
    /// # Errors
    /// RT did not answer.
    pub async fn sees_field(&self, name: &str) -> Result<bool, Error> {
        let operation = Operation::Select;
        let named = [wire::Condition { field: "Name", value: name }];
        let fields = self.session.send(operation, Method::POST, self.rest(&["customfields"]), Some(&named)).await?;
        let Page::<IgnoredAny> { items } = fields.json(operation, 200)?;
        Ok(!items.is_empty())
    }

    /// The page of a ticket in RT's web interface.
    pub fn page_of(&self, ticket: TicketId) -> Url {
        page_of(&self.session.settings().url, ticket)
    }

    async fn page(&self, query: &str, fields: &str, page: usize) -> Result<Vec<Ticket>, Error> {
        let operation = Operation::Select;
        let Page { items } = self.get(operation, self.tickets(query, fields, page)).await?.json(operation, 200)?;
        Ok(items)
    }
}

/// The page of a ticket in the web interface of the RT at `base`.
pub fn page_of(base: &Url, ticket: TicketId) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(["Ticket", "Display.html"]);
    }
    url.query_pairs_mut().append_pair("id", &ticket.to_string());
    url
}
