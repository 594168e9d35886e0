//! Tickets of one alert that are becoming one: what RT is asked for that, and what is said of it.

use tracing::{error, info};

use crate::metrics::Metrics;
use crate::protocol::{Event, Heard};
use crate::rtir::{Client, Error, Read};
use crate::ticket::TicketId;

/// What is remembered from one request of a merge to the next.
#[derive(Default)]
pub(super) struct Merge {
    /// The duplicate as it was read last.
    read: Option<Read>,
    /// RT's words on merging it.
    words: String,
}

impl Merge {
    /// Reads `ticket`.
    ///
    /// # Errors
    /// It is deleted, or RT did not answer.
    pub(super) async fn read(&mut self, client: &Client, ticket: TicketId) -> Result<Heard, Error> {
        match client.read(ticket).await {
            Ok(read) => Ok(Heard::LeadsTo(self.read.insert(read).leads_to)),
            Err(Error::Unproven { .. }) => Ok(Heard::Hidden),
            Err(error) => Err(error),
        }
    }

    /// Merges `double`, which was read right before.
    ///
    /// # Errors
    /// RT did not answer, or the ticket has changed since.
    pub(super) async fn merge(&mut self, client: &Client, double: TicketId, into: TicketId) -> Result<Heard, Error> {
        self.words = client.merge(double, into, self.read.as_ref()).await?;
        Ok(Heard::Answered)
    }

    /// Says and counts what the protocol has seen.
    pub(super) fn note(&self, event: Event, metrics: &Metrics) {
        match event {
            Event::SecondLook => metrics.second_look(),
            Event::Merged { double, into } => {
                metrics.double_merged();
                info!(rt.ticket_id = into.0, "merged ticket {double} into {into}: both of one alert");
            }
            Event::Unmerged { double, into } => {
                metrics.double_unmerged();
                error!(
                    rt.ticket_id = into.0,
                    "ticket {double} is a double of {into} and could not be merged: RT says {:?}. Merge it by hand, and \
                     grant the service user ModifyTicket on its RT queue",
                    self.words
                );
            }
        }
    }
}
