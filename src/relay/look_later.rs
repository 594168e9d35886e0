//! Looking for tickets that RT made long after their alert was done, and merging them.

use std::collections::BTreeSet;

use tracing::{debug, warn};

use super::merge::Merge;
use super::shared::Relay;
use super::slots::Kind;
use crate::protocol::{Event, Heard, Next, Protocol, Request, Verdict};
use crate::rtir::{Client, Error, Hit};
use crate::ticket::AlertKey;

impl Relay {
    /// Looks for what appears late, for as long as it is polled.
    pub async fn keep_looking_later(&self) {
        loop {
            self.later.until_due().await;
            // Only then: looks while RT is unavailable would all be over before it has finished what it was asked.
            self.until_open().await;
            let client = self.slots.get(Kind::Again).await;
            if !self.state.is_open() {
                continue;
            }
            let keys = self.later.all_due();
            // It may have been done once more meanwhile, and be due later.
            if keys.is_empty() {
                continue;
            }
            let found = client.search_each(&keys).await;
            if let Err(error) = found {
                drop(client);
                debug!("{} alerts that are done could not be looked for again: {}", keys.len(), error.diagnosis());
                self.later.put_off(&keys);
                self.look_after(&error).await;
                continue;
            }
            self.later.looked_for(&keys);
            for (key, hits) in keys.iter().zip(found.into_iter().flatten()) {
                self.merge_late(&client, key, &hits).await;
            }
        }
    }

    /// Merges what `found` shows to have appeared late.
    async fn merge_late(&self, client: &Client, key: &AlertKey, found: &[Hit]) {
        let seen = |hits: &[Hit]| hits.iter().map(|hit| hit.seen).collect::<Vec<_>>();
        let stand: BTreeSet<_> = found.iter().map(|hit| hit.seen.leads_to).collect();
        if stand.len() < 2 {
            return;
        }
        warn!("another ticket of the alert {key} appeared long after it was done: there are {stand:?}");
        // The search may be older than what somebody has done with them meanwhile.
        let merged = match client.search(key).await.map(|hits| Protocol::of_late_duplicates(&seen(&hits))) {
            Ok(None) => {
                warn!("they are not merged, since somebody has merged one of them into a ticket of theirs");
                return self.later.forget(key);
            }
            Ok(Some(protocol)) => self.merge(client, key, protocol).await,
            Err(error) => Err(error),
        };
        if let Err(error) = merged {
            warn!(
                "the tickets of the alert {key} could not be merged: {}. Unless one of the looks of the next minutes does, \
                 merge them by hand",
                error.diagnosis()
            );
        }
    }

    /// Merges, as far as RT does.
    async fn merge(&self, client: &Client, key: &AlertKey, mut protocol: Protocol) -> Result<(), Error> {
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
                match event {
                    Event::Merged { .. } => self.metrics.late_duplicate(),
                    Event::Unmerged { .. } => self.later.forget(key),
                    Event::SecondLook => {}
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
