//! One alert to its fate: asks RT what the protocol wants to know, tells it what was heard, and waits between attempts.

mod remarks;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::attempt::Attempt;
use super::held::Again;
use super::merge::Merge;
use super::outage::MAX_WAIT;
use super::shared::Relay;
use super::slots::Kind;
use super::trial::Trial;
use crate::diagnosis::Diagnosis;
use crate::outcome::{Class, Done, Fate, Reason};
use crate::protocol::{self, End, Event, Heard, Next, Protocol, Request, Verdict, Wait};
use crate::rtir::{Error, Hit};
use crate::ticket::NewTicket;

/// The relay wants its deliveries back, and nothing is under way at RT.
pub(super) struct Released;

/// The work on one alert.
pub(super) struct Work<'a> {
    relay: &'a Relay,
    /// The relay wants its deliveries back: whatever only waits or looks ends.
    released: &'a CancellationToken,
    alert_id: &'a str,
    ticket: &'a NewTicket,
    redelivered: bool,
    protocol: Protocol,
    trial: Trial,
    /// Set once it failed or waited.
    again: Option<Again<'a>>,
    /// The ticket that the last search showed of this alert.
    hit: Option<Hit>,
    merge: Merge,
    /// Whom RT dropped of its requestors is named.
    named_missing: bool,
    /// RT does not merge a duplicate, which is named for somebody to do it.
    has_unmerged: bool,
}

impl<'a> Work<'a> {
    /// `redelivered`: an earlier life of the relay may have asked RT for this ticket already.
    pub(super) fn new(
        relay: &'a Relay,
        released: &'a CancellationToken,
        alert_id: &'a str,
        ticket: &'a NewTicket,
        redelivered: bool,
    ) -> Self {
        Self {
            relay,
            released,
            alert_id,
            ticket,
            redelivered,
            protocol: Protocol::new(redelivered),
            trial: Trial::new(relay.retry.delays()),
            again: None,
            hit: None,
            merge: Merge::default(),
            named_missing: false,
            has_unmerged: false,
        }
    }

    /// Goes on until the fate is known. A create that is under way is always finished and proven first.
    pub(super) async fn run(mut self) -> Fate {
        let mut attempt: Option<Attempt<'a>> = None;
        loop {
            if self.released.is_cancelled() {
                self.protocol.hear(Heard::Released);
            }
            let heard = match self.protocol.next() {
                Next::End(end) => return self.fate(end),
                Next::Wait(wait) => {
                    // Slots are for what is under way.
                    attempt = None;
                    self.wait(wait).await
                }
                Next::Ask(request) => {
                    if let Some(asking) = attempt.take() {
                        let (heard, asked) = self.ask(request, asking).await;
                        attempt = asked;
                        heard
                    } else {
                        attempt = unless(self.released, self.admitted()).await.ok();
                        // Looked at anew, now that it may go on.
                        if attempt.is_some() || self.protocol.ends_when_released() {
                            continue;
                        }
                        // What is made is proven by who gets it next.
                        Heard::Failed(Verdict::Again)
                    }
                }
            };
            for event in self.protocol.hear(heard) {
                self.has_unmerged |= matches!(event, Event::Unmerged { .. });
                self.merge.note(event, &self.relay.metrics);
            }
        }
    }

    /// Waits until RT is well and this alert may go on, alone or beside others.
    async fn admitted(&self) -> Attempt<'a> {
        let kind = if self.again.is_some() { Kind::Again } else { Kind::Fresh };
        loop {
            self.relay.until_open().await;
            let attempt = Attempt::begin(self.relay, kind, self.ticket.attachment.as_ref().map_or(0, Bytes::len)).await;
            // RT may have gone down while this alert waited for its turn.
            if self.relay.condition().is_open() {
                return attempt;
            }
        }
    }

    /// What RT says to `request`, and the attempt where it goes on. When the relay is released, what only looks ends; the
    /// answer to what RT is asked to do has to be known.
    async fn ask(&mut self, request: Request, attempt: Attempt<'a>) -> (Heard, Option<Attempt<'a>>) {
        let only_looks = self.protocol.ends_when_released() && request != Request::Create;
        let released = self.released;
        let asked = self.request(request, &attempt);
        let answer = if only_looks {
            let Ok(answer) = unless(released, asked).await else { return (Heard::Released, None) };
            answer
        } else {
            asked.await
        };
        match answer {
            Ok(heard) => (heard, Some(attempt)),
            Err(error) => (self.judge(error, attempt).await, None),
        }
    }

    async fn request(&mut self, request: Request, attempt: &Attempt<'a>) -> Result<Heard, Error> {
        let (client, key) = (attempt.client(), &self.ticket.key);
        Ok(match request {
            Request::Search => {
                let hits = client.search(key).await?;
                let seen: Vec<_> = hits.iter().map(|hit| hit.seen).collect();
                self.looked(&hits, attempt).await.unwrap_or(Heard::Hits(seen))
            }
            Request::Create => {
                self.trial.asked = true;
                Heard::Created(client.create(self.ticket).await?)
            }
            Request::Read(ticket) => match self.merge.read(client, ticket).await {
                Err(Error::Gone(_)) if self.protocol.made() != Some(ticket) => Heard::Gone(Verdict::Again),
                heard => {
                    let heard = heard?;
                    let is_merged = matches!(heard, Heard::LeadsTo(to) if to != ticket);
                    if is_merged && self.protocol.made() == Some(ticket) {
                        self.succeeded();
                    }
                    heard
                }
            },
            Request::Merge { double, into } => self.merge.merge(client, double, into).await?,
            Request::Explain(ticket) => return Err(client.why_not_found(ticket, key).await),
        })
    }

    /// What a search showed beside what the protocol hears of it; or what it hears instead, where nothing is found although
    /// RT was asked and has had its time.
    async fn looked(&mut self, hits: &[Hit], attempt: &Attempt<'a>) -> Option<Heard> {
        if let Some(made) = self.protocol.made() {
            let own = hits.iter().find(|hit| hit.seen.id == made)?;
            if !self.trial.counted {
                attempt.proved();
            }
            self.succeeded();
            self.name_missing_requestors(attempt.client(), made, own).await;
            return None;
        }
        let unknown = self.trial.unknown.take();
        let seen: Vec<_> = hits.iter().map(|hit| hit.seen).collect();
        let standing = protocol::standing_for(&seen).map(|seen| seen.id);
        self.hit = hits.iter().find(|hit| Some(hit.seen.id) == standing).cloned();
        let Some(hit) = self.hit.clone() else {
            return self.not_done(unknown?, attempt);
        };
        // RT did what it was asked, whatever it answered.
        if self.trial.asked {
            self.succeeded();
        }
        // An answer that was lost, or an earlier life of the relay, may have left that out.
        if self.trial.asked || self.redelivered {
            self.name_missing_requestors(attempt.client(), hit.seen.leads_to, &hit).await;
        }
        None
    }

    /// RT was given its time, and has not done what it was asked, because of `cause`.
    fn not_done(&mut self, cause: Diagnosis, attempt: &Attempt<'a>) -> Option<Heard> {
        let while_others_succeed = self.trial.fails_while_others_succeed(attempt.created_at_start);
        if while_others_succeed && self.trial.has_failed_often(self.relay.retry.max_attempts) {
            return Some(Heard::Failed(Verdict::GiveUp(Reason::Exhausted)));
        }
        let tries_alone = self.relay.state.is_half_open();
        self.relay.alert_failed(&self.ticket.key, cause, while_others_succeed);
        if self.relay.condition().is_open() && !tries_alone {
            return None;
        }
        // Another has the next try.
        self.trial.wait = self.trial.delays.next(Duration::ZERO);
        Some(Heard::Failed(Verdict::Again))
    }

    /// RT made a ticket of this alert.
    fn succeeded(&mut self) {
        if !std::mem::replace(&mut self.trial.counted, true) {
            self.relay.ticket_made();
        }
    }

    /// What an error means for the alert. A look at RT tells a fault of RT from one of this alert: only what fails
    /// while RT is well is counted.
    async fn judge(&mut self, error: Error, attempt: Attempt<'a>) -> Heard {
        if let Error::Unproven { ticket, .. } = &error {
            // While this attempt still has its pass: the next one must not get through.
            self.relay.lost_key(*ticket, &self.ticket.key, &error);
        }
        if error.is_congestion() {
            attempt.congested();
        }
        let created_at_start = attempt.created_at_start;
        // Slots are for what is under way.
        drop(attempt);
        let lost = error.class() == Class::Unknown;
        if lost {
            self.trial.unknown = Some(error.diagnosis());
        }
        self.trial.wait = Duration::ZERO;
        let well = unless(self.released, self.relay.look_after(&error)).await.unwrap_or(false);
        let verdict = if well { self.verdict(&error, created_at_start) } else { Verdict::Again };
        let gone = matches!(error, Error::Gone(_));
        self.trial.failure = Some(error);
        match verdict {
            _ if lost => Heard::Lost,
            verdict if gone => Heard::Gone(verdict),
            verdict => Heard::Failed(verdict),
        }
    }

    fn verdict(&mut self, error: &Error, created_at_start: u64) -> Verdict {
        self.trial.count(error, self.relay.tickets_created.load(Ordering::Relaxed));
        let while_others_succeed = self.trial.fails_while_others_succeed(created_at_start);
        let is_exhausted = while_others_succeed && self.trial.has_failed_often(self.relay.retry.max_attempts);
        match error.class() {
            // The next search tells whether it failed.
            Class::Unknown => {}
            Class::Refused => return Verdict::GiveUp(Reason::RejectedByRt),
            Class::Doubtful if is_exhausted => return Verdict::GiveUp(Reason::RejectedByRt),
            _ if is_exhausted => return Verdict::GiveUp(Reason::Exhausted),
            _ => self.relay.alert_failed(&self.ticket.key, error.diagnosis(), while_others_succeed),
        }
        self.trial.wait = self.trial.delays.next(error.retry_after().unwrap_or_default().min(MAX_WAIT));
        self.trial.log(self.alert_id, error.diagnosis());
        Verdict::Again
    }

    /// Waits; ends early when the relay is released.
    async fn wait(&mut self, wait: Wait) -> Heard {
        let relay = self.relay;
        self.again.get_or_insert_with(|| relay.held.again());
        let backoff = std::mem::take(&mut self.trial.wait);
        let waiting = async {
            match wait {
                Wait::Retry => tokio::time::sleep(backoff).await,
                // Counted from when RT answers again: it may only then finish what it was asked before.
                Wait::Grace => {
                    relay.until_open().await;
                    tokio::time::sleep(backoff.max(relay.retry.unknown_wait)).await;
                }
            }
        };
        if unless(self.released, waiting).await.is_err() { Heard::Released } else { Heard::Waited }
    }

    fn fate(&self, end: End) -> Fate {
        if end != End::Returned && self.protocol.is_in_doubt() && !self.has_unmerged {
            self.relay.later.remember(&self.ticket.key);
        }
        match (end, &self.trial.failure) {
            (End::Done { ticket, how }, _) => {
                if how == Done::Found {
                    self.warn_of_other_platform(ticket);
                }
                Fate::Done { ticket: ticket.0, how }
            }
            (End::GivenUp(reason), Some(error)) => {
                Fate::DeadLetter(self.trial.give_up(reason, &self.ticket.key, error))
            }
            (End::GivenUp(_), None) | (End::Returned, _) => Fate::Returned,
        }
    }
}

/// Does `work`, unless the relay wants its deliveries back first.
pub(super) async fn unless<T>(released: &CancellationToken, work: impl Future<Output = T>) -> Result<T, Released> {
    tokio::select! {
        biased;
        () = released.cancelled() => Err(Released),
        done = work => Ok(done),
    }
}
