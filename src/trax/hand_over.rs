//! One ticket after the other to trax: post, then mark. Whoever does this holds the lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tracing::{debug, error, info};

use super::diagnosis::{no_field, no_field_on, several_fields_on};
use super::postbox::{NotTaken, Postbox};
use super::record::{Attributes, View};
use super::refusals::{Refusals, is_refusal, retry};
use super::selection::{Selection, wanted};
use crate::config::Trax;
use crate::diagnosis::Diagnosis;
use crate::metrics::Metrics;
use crate::outcome::Posted;
use crate::protocol;
use crate::rtir::{Client, Error, FirstMessage, Listed, Marked, Shown};
use crate::ticket::{REPORTED_FIELD, RtQueueName, TicketId};

/// What trax gets in place of a first message that the relay does not read.
const TOO_LARGE: &str = "The first message of this ticket is too large to be handed over. It stands in RT.";
/// After so many failures in a row the others are left for later: the postbox fails, not their records.
const FAILURES_IN_A_ROW: usize = 3;

/// The way of a ticket to trax, and what is remembered of those that did not get there.
pub struct HandOver {
    client: Client,
    postbox: Postbox,
    attributes: Attributes,
    selection: Selection,
    metrics: Arc<Metrics>,
    /// Taken by trax, and not marked yet: they are marked before anything else is posted of them.
    taken: BTreeSet<TicketId>,
    /// Refused by trax.
    refused: Refusals,
    /// Those that failed, each with the number of its last failure: their turn comes after the others', the one that
    /// has waited longest first.
    failed: BTreeMap<TicketId, u64>,
    failures: u64,
    /// So many failed in a row that one more tells: each costs RT a few requests.
    is_down: bool,
}

/// What became of a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Trax has it, and it is marked.
    HandedOver,
    /// Trax refuses it: in trax's words. It waits for a change.
    Refused(String),
    /// Trax refused it, and it has not changed.
    Waits,
    /// It is not one of those to hand over now: why.
    NotNow(&'static str),
}

/// Whether whoever hands over still holds the lease, and is not asked to stop.
pub type GoesOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// How a round ended.
#[derive(Clone, Debug)]
pub struct Round {
    /// How many tickets are still to be handed over; `None` where they could not be looked for.
    pub pending: Option<usize>,
    /// What has to be tried again soon.
    pub failure: Option<Diagnosis>,
}

/// A ticket that waits, for a person to look at.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The ticket.
    pub ticket: Listed,
    /// Whether trax refused it as it is.
    pub refused: bool,
}

impl HandOver {
    /// The way from RT, by `client`, to the postbox of `settings`. Asks nobody.
    ///
    /// # Errors
    /// The settings cannot work.
    pub fn new(
        settings: Arc<Trax>,
        rt_queue: &RtQueueName,
        client: Client,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Diagnosis> {
        let attributes = Attributes::load(settings.attributes_file.as_deref()).map_err(|fault| fault.diagnosis())?;
        let selection = Selection::new(&settings, rt_queue);
        let postbox = Postbox::new(settings)?;
        Ok(Self {
            client,
            postbox,
            attributes,
            selection,
            metrics,
            taken: BTreeSet::new(),
            refused: Refusals::default(),
            failed: BTreeMap::new(),
            failures: 0,
            is_down: false,
        })
    }

    /// Which tickets are handed over.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The way to RT.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The way to trax.
    pub fn postbox(&self) -> &Postbox {
        &self.postbox
    }

    /// Hands over all tickets that are to be, one after the other, as long as `goes_on`.
    pub async fn round(&mut self, goes_on: GoesOn<'_>) -> Round {
        let tickets = match self.mark_taken().await {
            Ok(()) => self.tickets().await,
            Err(failure) => Err(failure),
        };
        let mut tickets = match tickets {
            Ok(tickets) => tickets,
            Err(failure) => return Round { pending: None, failure: Some(failure) },
        };
        let mut pending = tickets.len();
        let mut last_failure = None;
        let listed: BTreeSet<_> = tickets.iter().map(|ticket| ticket.id).collect();
        self.failed.retain(|id, _| listed.contains(id));
        tickets.sort_by_key(|ticket| (self.failed.get(&ticket.id).copied().unwrap_or_default(), ticket.id));
        let (mut in_a_row, mut most) = (0, if self.is_down { 1 } else { FAILURES_IN_A_ROW });
        for ticket in tickets {
            // What trax has taken is marked before anything else is posted, so that a wrong set-up costs one record.
            if !goes_on() || in_a_row == most || !self.taken.is_empty() {
                break;
            }
            match self.hand_over(&ticket, goes_on).await {
                Ok(outcome) => {
                    self.failed.remove(&ticket.id);
                    if matches!(outcome, Outcome::HandedOver | Outcome::Refused(_)) {
                        (in_a_row, most, self.is_down) = (0, FAILURES_IN_A_ROW, false);
                    }
                    pending -= usize::from(outcome == Outcome::HandedOver);
                }
                Err(failure) => {
                    debug!(rt.ticket_id = ticket.id.0, "{failure}");
                    in_a_row += 1;
                    self.failures += 1;
                    self.failed.insert(ticket.id, self.failures);
                    last_failure = Some(failure);
                }
            }
        }
        self.is_down |= in_a_row == FAILURES_IN_A_ROW;
        Round { pending: Some(pending), failure: last_failure }
    }

    /// The tickets that are to be handed over, the refused ones too.
    ///
    /// # Errors
    /// RT did not answer, or shows nothing of a field without which it finds nothing.
    pub async fn tickets(&self) -> Result<Vec<Listed>, Diagnosis> {
        let tickets = self.client.select(&self.selection.all()).await.map_err(|error| error.diagnosis())?;
        if tickets.is_empty() {
            for field in self.selection.fields() {
                if !self.client.sees_field(field).await.map_err(|error| error.diagnosis())? {
                    return Err(no_field(field));
                }
            }
        }
        Ok(tickets)
    }

    /// The tickets that are to be handed over, and which of them trax refused.
    ///
    /// # Errors
    /// As for [`HandOver::tickets`].
    pub async fn pending(&self) -> Result<Vec<Pending>, Diagnosis> {
        let mut pending = Vec::new();
        for ticket in self.tickets().await? {
            let last = self.client.last_transaction(ticket.id).await.map_err(|error| error.diagnosis())?;
            pending.push(Pending { ticket, refused: last.is_some_and(|last| is_refusal(&last)) });
        }
        Ok(pending)
    }

    /// Hands over one ticket that an operator names, whether or not the condition and the release take it.
    ///
    /// # Errors
    /// RT or trax failed.
    pub async fn send(&mut self, ticket: TicketId, goes_on: GoesOn<'_>) -> Result<Outcome, Diagnosis> {
        self.mark_taken().await?;
        self.post_and_mark(ticket, &wanted(ticket), goes_on).await
    }

    /// Has a refused ticket handed over again, by a comment that changes it.
    ///
    /// # Errors
    /// RT did not take the comment.
    pub async fn retry(&self, ticket: TicketId, who: &str) -> Result<(), Diagnosis> {
        retry(&self.client, ticket, who).await.map_err(|error| error.diagnosis())
    }

    async fn hand_over(&mut self, ticket: &Listed, goes_on: GoesOn<'_>) -> Result<Outcome, Diagnosis> {
        if self.refused.waits(&self.client, ticket).await.map_err(|error| error.diagnosis())? {
            return Ok(Outcome::Waits);
        }
        let query = self.selection.one(ticket.id);
        self.post_and_mark(ticket.id, &query, goes_on).await
    }

    /// Posts the ticket that `query` still finds, and marks it.
    async fn post_and_mark(&mut self, id: TicketId, query: &str, goes_on: GoesOn<'_>) -> Result<Outcome, Diagnosis> {
        let rt = |error: Error| error.diagnosis();
        // Somebody may have changed it since it was listed.
        let Some(ticket) = self.client.show(query).await.map_err(rt)? else {
            return Ok(Outcome::NotNow("it was handed over, is rejected, or is not to be handed over any more"));
        };
        if let Some(field) = self.selection.fields().find(|field| ticket.values_of(field).is_none()) {
            let exists = self.client.sees_field(field).await.map_err(rt)?;
            return Err(if exists { no_field_on(&ticket, field) } else { no_field(field) });
        }
        if ticket.is_reported {
            return Err(several_fields_on(id));
        }
        if self.is_double(&ticket).await.map_err(rt)? {
            return Ok(Outcome::NotNow("it is a duplicate of another ticket of its alert"));
        }
        let content = match self.client.first_message(id).await.map_err(rt)? {
            FirstMessage::Text(text) => text,
            FirstMessage::TooLarge => TOO_LARGE.to_owned(),
        };
        // Reading may have taken long.
        if !goes_on() {
            return Ok(Outcome::NotNow("the relay stops, or another hands over now"));
        }
        let view = View::of(&ticket, content, &self.client.page_of(id));
        let posted = match self.attributes.record(&view) {
            Ok(record) => self.postbox.post(&record).await,
            Err(fault) => Err(NotTaken::Refused(format!("its record cannot be made: {fault}"))),
        };
        match posted {
            Ok(()) => {
                self.metrics.posted(Posted::Taken);
                self.taken.insert(id);
                self.mark_taken().await?;
                Ok(Outcome::HandedOver)
            }
            Err(NotTaken::Refused(why)) => {
                self.metrics.posted(Posted::Refused);
                self.refused.say(&self.client, id, &why).await.map_err(rt)?;
                Ok(Outcome::Refused(why))
            }
            Err(NotTaken::Failed(diagnosis)) => {
                self.metrics.posted(Posted::Failed);
                Err(diagnosis)
            }
        }
    }

    /// Marks what trax has taken.
    async fn mark_taken(&mut self) -> Result<(), Diagnosis> {
        while let Some(id) = self.taken.first().copied() {
            match self.client.set_reported(id, Timestamp::now()).await {
                Ok(Marked::Reported) => info!(rt.ticket_id = id.0, "ticket {id} is handed over to trax"),
                // It is not found any more; the other goes by itself, if it is to.
                Ok(Marked::MergedInto(into)) => {
                    info!(rt.ticket_id = id.0, "ticket {id} is handed over to trax, and merged into {into} meanwhile");
                }
                // While it is there nothing posts it.
                Ok(Marked::NoField) => error!(
                    rt.ticket_id = id.0,
                    "trax has ticket {id}, which was moved to an RT queue without {REPORTED_FIELD}: it cannot be marked, \
                     and would go again if it was moved back. Apply the field there, and set it by hand"
                ),
                // It will not be found again either.
                Err(error @ (Error::Gone(_) | Error::Unproven { .. })) => {
                    error!(rt.ticket_id = id.0, "trax has ticket {id}, which cannot be marked any more: {error}");
                }
                Err(error) => {
                    let diagnosis = error.diagnosis();
                    return Err(Diagnosis {
                        what: format!("trax has ticket {id}, and marking it failed"),
                        ..diagnosis
                    });
                }
            }
            self.taken.remove(&id);
        }
        Ok(())
    }

    /// Whether another ticket of the same alert stands for it.
    async fn is_double(&self, ticket: &Shown) -> Result<bool, Error> {
        let Some(key) = ticket.key() else { return Ok(false) };
        let hits = self.client.search(&key).await?;
        let seen: Vec<_> = hits.iter().map(|hit| hit.seen).collect();
        Ok(protocol::standing_for(&seen).is_some_and(|hit| hit.leads_to != ticket.id))
    }
}
