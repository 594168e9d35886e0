//! Looking for tickets that RT made long after their alert was done, and merging them.

use tracing::{debug, warn};

use super::merge::Merge;
use super::shared::Relay;
use super::slots::Kind;
use crate::protocol::{Event, Heard, Next, Protocol, Request, Verdict};
use crate::rtir::{Client, Error};
use crate::ticket::AlertKey;

impl Relay {
    /// Looks for what appears late, for as long as it is polled.
    pub async fn keep_looking_later(&self) {
        loop {
            self.later.until_due().await;
            // Only then: looks that are counted while RT is unavailable would all be over before it has finished.
            self.until_open().await;
            let client = self.slots.get(Kind::Again).await;
            let keys = self.later.take_due();
            if keys.is_empty() {
                continue;
            }
            if let Err(error) = self.look_later(&client, &keys).await {
                debug!("{} alerts that are done could not be looked for again: {}", keys.len(), error.diagnosis());
            }
        }
    }

    async fn look_later(&self, client: &Client, keys: &[AlertKey]) -> Result<(), Error> {
        for (key, hits) in keys.iter().zip(client.search_each(keys).await?) {
            let hits: Vec<_> = hits.iter().map(|hit| hit.seen).collect();
            let Some(protocol) = Protocol::of_late_duplicates(&hits) else { continue };
            warn!("another ticket of the alert {key} appeared long after it was done");
            if let Err(error) = self.merge_late(client, protocol).await {
                warn!(
                    "the tickets of the alert {key} could not be merged: {}. Unless one of the looks of the next minutes does, \
                     merge them by hand",
                    error.diagnosis()
                );
            }
        }
        Ok(())
    }

    /// Merges, as far as RT does.
    async fn merge_late(&self, client: &Client, mut protocol: Protocol) -> Result<(), Error> {
        let mut merge = Merge::default();
        let mut failure = None;
        while let Next::Ask(request) = protocol.next() {
            let heard = match request {
                Request::Read(ticket) => match merge.read(client, ticket).await {
                    Err(Error::Gone(_)) => Heard::Gone(Verdict::Again),
                    heard => heard?,
                },
                Request::Merge { double, into } => match merge.merge(client, double, into).await {
                    Ok(heard) => heard,
                    Err(error) => {
                        failure = Some(error);
                        Heard::Failed(Verdict::Again)
                    }
                },
                Request::Search | Request::Create | Request::Explain(_) => break,
            };
            for event in protocol.hear(heard) {
                if matches!(event, Event::Merged { .. }) {
                    self.metrics.late_duplicate();
                }
                merge.note(event, &self.metrics);
            }
        }
        match (protocol.next(), failure) {
            // A merge that failed only as somebody else had merged it meanwhile is none.
            (Next::End(_), _) | (_, None) => Ok(()),
            (_, Some(failure)) => Err(failure),
        }
    }
}
