//! What trax refuses: a comment on the ticket says so, and by it the ticket is known, also after a restart and by another
//! relay, until somebody changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{error, warn};

use crate::rtir::{Client, Error, Listed, Transaction};
use crate::ticket::TicketId;

/// The subject of the comment that says why trax refuses a ticket. While it is the last thing that happened to the
/// ticket, the ticket waits.
const REFUSED: &str = "rtir-relay: refused by trax";
/// The subject of the comment by which an operator wants a ticket handed over again.
const RETRY: &str = "rtir-relay: hand over to trax again";
/// RT tells the time of the last change to the second: so long another change may have the same.
const SAME_TIME: Duration = Duration::from_secs(2);

/// What is remembered of the tickets that trax refused, so that RT need not be asked for their history each time.
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<TicketId, Refusal>);

/// How a ticket was when it last waited.
struct Refusal {
    /// The last thing that happened to it, as far as the relay may see.
    transaction: Option<u64>,
    seen: Option<Seen>,
}

/// A ticket in a list.
struct Seen {
    last_updated: String,
    /// When it was first seen so.
    since: Instant,
    /// Its history was read when nothing could happen at that time any more.
    is_settled: bool,
}

impl Refusals {
    /// Whether trax refused the ticket as it is now.
    ///
    /// # Errors
    /// RT did not answer.
    pub(super) async fn waits(&mut self, client: &Client, ticket: &Listed) -> Result<bool, Error> {
        let before = self.0.get(&ticket.id);
        let seen = before.and_then(|refusal| refusal.seen.as_ref());
        let seen = seen.filter(|seen| seen.last_updated == ticket.last_updated);
        if seen.is_some_and(|seen| seen.is_settled) {
            return Ok(true);
        }
        let since = seen.map_or_else(Instant::now, |seen| seen.since);
        let remembered = before.map(|refusal| refusal.transaction);
        let last = client.last_transaction(ticket.id).await?;
        let transaction = last.as_ref().map(|last| last.id);
        if remembered != Some(transaction) && !last.as_ref().is_some_and(is_refusal) {
            self.0.remove(&ticket.id);
            return Ok(false);
        }
        let is_settled = since.elapsed() >= SAME_TIME;
        let seen = Some(Seen { last_updated: ticket.last_updated.clone(), since, is_settled });
        self.0.insert(ticket.id, Refusal { transaction, seen });
        Ok(true)
    }

    /// Says on the ticket that trax does not take it.
    ///
    /// # Errors
    /// RT did not answer.
    pub(super) async fn say(&mut self, client: &Client, id: TicketId, why: &str) -> Result<(), Error> {
        warn!(
            rt.ticket_id = id.0,
            "trax refuses ticket {id}: {why}. It waits for a change, or `rtir-relay trax retry {id}`"
        );
        let text = format!(
            "TTS trax refuses this ticket: {why}\n\nIt is handed over again once it changes, or after `rtir-relay trax \
             retry {id}`."
        );
        let commented = client.comment(id, REFUSED, &text).await;
        let last = client.last_transaction(id).await?;
        if !last.as_ref().is_some_and(is_refusal) {
            let why = match commented {
                Ok(()) => "the comment is not visible to the service user".to_owned(),
                Err(error) => error.to_string(),
            };
            error!(
                rt.ticket_id = id.0,
                "ticket {id} does not say that trax refused it: {why}. Grant the service user \
                 ShowTicketComments on the RT queue, or each restart posts the ticket again"
            );
        }
        self.0.insert(id, Refusal { transaction: last.map(|last| last.id), seen: None });
        Ok(())
    }
}

/// Has a refused ticket handed over again: a comment is a change.
///
/// # Errors
/// RT did not take it.
pub(super) async fn retry(client: &Client, ticket: TicketId, who: &str) -> Result<(), Error> {
    client.comment(ticket, RETRY, &format!("{who} wants this ticket handed over to trax again.")).await
}

/// Whether it is the comment that says that trax refuses the ticket.
pub(super) fn is_refusal(last: &Transaction) -> bool {
    last.comment.as_deref() == Some(REFUSED)
}
