//! Which tickets are handed over, as RT is asked for them. Pure.

use crate::config::Trax;
use crate::rtir::query_of_queue;
use crate::ticket::{REPORTED_FIELD, RtQueueName, TicketId};

/// The tickets that are to be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    condition: String,
    release_field: Option<String>,
}

impl Selection {
    /// As configured, for the relay that makes tickets in `rt_queue`.
    pub fn new(settings: &Trax, rt_queue: &RtQueueName) -> Self {
        let default = || format!("{} AND Priority >= 60", query_of_queue(rt_queue));
        Self {
            condition: settings.condition.clone().unwrap_or_else(default),
            release_field: settings.release_field.clone(),
        }
    }

    /// The custom fields without which RT would find nothing, and not say so.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        [REPORTED_FIELD].into_iter().chain(self.release_field.as_deref())
    }

    /// The query that finds all of them.
    pub fn all(&self) -> String {
        let released = match &self.release_field {
            Some(field) => format!(" AND 'CF.{{{field}}}' IS NOT NULL"),
            None => String::new(),
        };
        format!("({}){released} AND {}", self.condition, not_reported())
    }

    /// The query that finds `ticket` if it is one of them.
    pub fn one(&self, ticket: TicketId) -> String {
        format!("id = {ticket} AND {}", self.all())
    }
}

/// The query that finds `ticket` unless it was handed over or is rejected: for an operator who wants just that one.
pub(super) fn wanted(ticket: TicketId) -> String {
    format!("id = {ticket} AND {}", not_reported())
}

/// A date that is emptied over REST becomes the first second of 1970, which RT shows as "Not set".
fn not_reported() -> String {
    let reported = format!("'CF.{{{REPORTED_FIELD}}}'");
    format!("({reported} IS NULL OR {reported} < '1971-01-01') AND Status != 'rejected'")
}
