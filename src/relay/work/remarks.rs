//! What is said of an alert's ticket beside its fate, to operators and on the ticket.

use tracing::warn;

use super::Work;
use crate::mapping::missing_requestors;
use crate::rtir::{Client, Hit};
use crate::ticket::TicketId;

/// The subject of the comment that names whom RT did not take as a requestor.
const NOT_NOTIFIED: &str = "rtir-relay: not notified";

impl Work<'_> {
    /// RT drops a Requestor that it does not take without a word, and the ticket says that they were notified.
    /// So a comment names them, once.
    pub(super) async fn name_missing_requestors(&mut self, client: &Client, ticket: TicketId, hit: &Hit) {
        let Some(stored) = &hit.requestors else { return };
        let missing = self.ticket.requestors_missing_in(stored);
        if missing.is_empty() || std::mem::replace(&mut self.named_missing, true) {
            return;
        }
        if client.has_comment(ticket, NOT_NOTIFIED).await.unwrap_or(false) {
            return;
        }
        self.relay.metrics.requestors_missing(missing.len());
        warn!(
            rt.ticket_id = ticket.0,
            "RT made ticket {ticket} without {} of its {} requestors: a comment on it names who is not notified",
            missing.len(),
            self.ticket.requestors.len()
        );
        if let Err(error) = client.comment(ticket, NOT_NOTIFIED, &missing_requestors(&missing)).await {
            warn!(rt.ticket_id = ticket.0, "that comment cannot be written: {}", error.diagnosis());
        }
    }

    /// The same id on another platform: the publisher may be reusing ids, and then this alert got no ticket of its own.
    pub(super) fn warn_of_other_platform(&self, ticket: TicketId) {
        let Some(hit) = &self.hit else { return };
        let platform = |subject: &str| subject.find("http").map(|at| subject[at..].to_owned());
        let (ours, theirs) = (platform(self.ticket.subject.as_str()), platform(&hit.subject));
        if theirs.is_some() && ours != theirs {
            self.relay.metrics.id_reused();
            warn!(
                rt.ticket_id = ticket.0,
                "ticket {ticket} has the key {} but names another platform: does the publisher reuse ids?",
                self.ticket.key
            );
        }
    }
}
