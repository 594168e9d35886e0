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
            let keys = self.later.next().await;
            self.until_open().await;
            let client = self.slots.get(Kind::Again).await;
            if let Err(error) = self.look_later(&client, &keys).await {
                debug!("{} alerts that are done could not be looked for again: {}", keys.len(), error.diagnosis());
            }
        }
    }

    async fn look_later(&self, client: &Client, keys: &[AlertKey]) -> Result<(), Error> {
        for (key, hits) in keys.iter().zip(client.search_each(keys).await?) {
            let hits: Vec<_> = hits.iter().map(|hit| hit.seen).collect();
            if let Some(protocol) = Protocol::of_late_duplicates(&hits) {
                warn!("another ticket of the alert {key} appeared long after it was done");
                self.merge_late(client, protocol).await?;
            }
        }
        Ok(())
    }

    /// What cannot be merged now is looked for again with the next look.
    async fn merge_late(&self, client: &Client, mut protocol: Protocol) -> Result<(), Error> {
        let mut merge = Merge::default();
        while let Next::Ask(request) = protocol.next() {
            let heard = match request {
                Request::Read(ticket) => match merge.read(client, ticket).await {
                    Err(Error::Gone(_)) => Heard::Gone(Verdict::Again),
                    heard => heard?,
                },
                Request::Merge { double, into } => {
                    merge.merge(client, double, into).await.unwrap_or(Heard::Failed(Verdict::Again))
                }
                Request::Search | Request::Create | Request::Explain(_) => break,
            };
            for event in protocol.hear(heard) {
                if matches!(event, Event::Merged { .. }) {
                    self.metrics.late_duplicate();
                }
                merge.note(event, &self.metrics);
            }
        }
        Ok(())
    }
}
