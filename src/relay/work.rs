//! One ticket's way: attempts until it exists, or until there is a reason to give up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::gate::Pass;
use super::handle::Relay;
use super::outage::MAX_WAIT;
use super::trial::{Grace, Trial};
use super::workers::Worker;
use crate::mapping::missing_requestors;
use crate::outcome::{Class, Done, Fate, Reason};
use crate::rtir::{Error, Found};
use crate::ticket::{NewTicket, TicketId};

/// The subject of the comment that names whom RT did not take as a requestor.
const NOT_NOTIFIED: &str = "rtir-relay: not notified";

/// The work on one alert.
pub(super) struct Work<'a> {
    relay: &'a Relay,
    /// The relay wants its deliveries back: whatever only waits or looks ends.
    released: &'a CancellationToken,
    alert_id: &'a str,
    ticket: &'a NewTicket,
    redelivered: bool,
    /// Whom RT dropped of its requestors is named.
    named_missing: bool,
    trial: Trial,
}

/// The relay wants its deliveries back, and nothing is under way at RT.
pub(super) struct Released;

/// Why an attempt ended without a ticket.
enum Failure {
    Rt(Error),
    /// This alert showed that RT is at fault.
    RtIsDown,
    Released,
}

impl From<Released> for Failure {
    fn from(_: Released) -> Self {
        Self::Released
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Rt(error)
    }
}

enum Verdict {
    /// After a wait, and when RT is well.
    Again(Duration),
    GiveUp(Reason),
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
        let trial = Trial::new(relay.retry.delays(), redelivered);
        Self { relay, released, alert_id, ticket, redelivered, named_missing: false, trial }
    }

    /// Attempts until the fate is known. A create that is under way is always finished and proven first.
    pub(super) async fn run(mut self) -> Fate {
        let _held = self.relay.hold();
        self.attempts().await.unwrap_or(Fate::Returned)
    }

    async fn attempts(&mut self) -> Result<Fate, Released> {
        loop {
            if self.trial.grace == Grace::Owed {
                // Counted from when RT answers again: it may only then finish what it was asked before.
                self.unless_released(self.relay.until_open()).await?;
                self.wait(self.relay.retry.unknown_wait).await?;
                self.trial.grace = Grace::Given;
            }
            match self.attempt().await {
                Ok((id, how)) if !self.trial.uncertain || (how == Done::Found && self.trial.grace == Grace::Given) => {
                    return Ok(Fate::Done { ticket: id.0, how });
                }
                Ok(_) => {
                    // Another ticket of this alert may yet appear, begun in an earlier life: RT is looked at once more,
                    // later. Other alerts go on meanwhile.
                    self.relay.metrics.second_look();
                    self.trial.uncertain = false;
                    self.trial.grace = Grace::Owed;
                }
                Err(Failure::Released) => return Err(Released),
                Err(Failure::RtIsDown) => {}
                Err(Failure::Rt(error)) => match self.judge(&error).await? {
                    Verdict::Again(wait) => self.wait(wait).await?,
                    Verdict::GiveUp(reason) => {
                        return Ok(Fate::DeadLetter(self.trial.give_up(reason, &self.ticket.key, &error)));
                    }
                },
            }
        }
    }

    /// Find, create, verify. A ticket that an earlier attempt made is proven rather than made again.
    async fn attempt(&mut self) -> Result<(TicketId, Done), Failure> {
        let (worker, pass) = self.unless_released(self.admitted()).await?;
        self.trial.created_at_start = self.relay.tickets_created.load(Ordering::Relaxed);
        let done = self.find_create_verify(&worker).await;
        match &done {
            Ok((_, Done::Found)) | Err(Failure::Released | Failure::RtIsDown) => {}
            Ok(_) => {
                self.relay.gate.prove(&pass);
                self.succeeded();
                worker.succeeded();
            }
            Err(Failure::Rt(error)) if error.is_congestion() => worker.congested(),
            Err(Failure::Rt(_)) => {}
        }
        done
    }

    /// Waits until RT is well and this alert may go on, alone or beside others.
    async fn admitted(&self) -> (Worker<'a>, Pass<'a>) {
        loop {
            self.relay.until_open().await;
            // In this order: so there are never more passes than workers, which bounds what a fault of the set-up costs.
            let worker = self.relay.workers.get().await;
            let pass = self.relay.gate.enter().await;
            // RT may have gone down while this alert waited for its turn.
            if self.relay.condition().is_open() {
                return (worker, pass);
            }
        }
    }

    async fn find_create_verify(&mut self, worker: &Worker<'_>) -> Result<(TicketId, Done), Failure> {
        let id = if let Some(id) = self.trial.made {
            id
        } else {
            if let Some(found) = self.unless_released(worker.find(&self.ticket.key)).await?? {
                self.warn_of_other_platform(&found);
                // An answer that was lost, or an earlier life of the relay, may have left that out.
                if self.trial.asked || self.redelivered {
                    self.name_missing_requestors(worker, found.ticket, found.requestors.as_deref()).await;
                }
                self.trial.unknown = None;
                // RT did what it was asked, whatever it answered.
                if self.trial.asked && !self.trial.counted {
                    self.succeeded();
                }
                return Ok((found.ticket, Done::Found));
            }
            if let Some(cause) = self.trial.unknown.take() {
                self.relay.alert_failed(&self.ticket.key, cause);
                if !self.relay.condition().is_open() {
                    return Err(Failure::RtIsDown);
                }
            }
            if self.released.is_cancelled() {
                return Err(Failure::Released);
            }
            // From here on nothing is given up: the answer has to be known.
            self.trial.asked = true;
            *self.trial.made.insert(worker.create(self.ticket).await?)
        };
        match worker.verify(id, &self.ticket.key).await {
            Ok(kept) => {
                self.name_missing_requestors(worker, kept.ticket, kept.requestors.as_deref()).await;
                Ok((kept.ticket, if kept.merged { Done::Merged } else { Done::Created }))
            }
            Err(error) => {
                self.keep_in_mind(&error);
                Err(error.into())
            }
        }
    }

    /// RT drops a Requestor that it does not take without a word, and the ticket says that they were notified.
    /// So a comment names them, once.
    async fn name_missing_requestors(&mut self, worker: &Worker<'_>, ticket: TicketId, stored: Option<&[String]>) {
        let missing = stored.map(|stored| self.ticket.requestors_missing_in(stored)).unwrap_or_default();
        if missing.is_empty() || std::mem::replace(&mut self.named_missing, true) {
            return;
        }
        if worker.has_comment(ticket, NOT_NOTIFIED).await.unwrap_or(false) {
            return;
        }
        self.relay.metrics.requestors_missing(missing.len());
        warn!(
            rt.ticket_id = ticket.0,
            "RT made ticket {ticket} without {} of its {} requestors: a comment on it names who is not notified",
            missing.len(),
            self.ticket.requestors.len()
        );
        let text = missing_requestors(&missing);
        if let Err(error) = worker.comment(ticket, NOT_NOTIFIED, &text).await {
            warn!(rt.ticket_id = ticket.0, "that comment cannot be written: {}", error.diagnosis());
        }
    }

    /// RT made a ticket of this alert.
    fn succeeded(&mut self) {
        if !std::mem::replace(&mut self.trial.counted, true) {
            self.relay.tickets_created.fetch_add(1, Ordering::Relaxed);
        }
        self.relay.state.alert_succeeded();
    }

    /// A ticket was made and its proof failed: for good, or for now.
    fn keep_in_mind(&mut self, error: &Error) {
        match error {
            Error::Unproven { ticket, .. } => {
                let key = &self.ticket.key;
                // Both while this attempt still has its pass: the next one must not get through.
                self.relay.gate.remember(*ticket, key);
                self.relay.state.is_down(error.diagnosis(), Duration::ZERO);
                error!(
                    rt.ticket_id = ticket.0,
                    "{}. Its alert key is {key}; a restart forgets that",
                    error.diagnosis()
                );
            }
            Error::Gone(_) => self.trial.made = None,
            _ => {}
        }
    }

    /// What an error means for the alert. A look at RT tells a fault of RT from one of this alert: only what fails
    /// while RT is well is counted.
    async fn judge(&mut self, error: &Error) -> Result<Verdict, Released> {
        let class = error.class();
        if class == Class::Unknown {
            self.trial.uncertain = true;
            self.trial.grace = Grace::Owed;
            self.trial.unknown = Some(error.diagnosis());
        }
        let well = self.unless_released(self.relay.look_after(error)).await?;
        if !well {
            return Ok(Verdict::Again(Duration::ZERO));
        }
        self.trial.count(error, self.relay.tickets_created.load(Ordering::Relaxed));
        if class == Class::Refused {
            return Ok(Verdict::GiveUp(Reason::RejectedByRt));
        }
        if self.is_exhausted() {
            let refused = class == Class::Doubtful;
            return Ok(Verdict::GiveUp(if refused { Reason::RejectedByRt } else { Reason::Exhausted }));
        }
        if class != Class::Unknown {
            self.relay.alert_failed(&self.ticket.key, error.diagnosis());
        }
        let wait = self.trial.delays.next(error.retry_after().unwrap_or_default().min(MAX_WAIT));
        self.trial.log(self.alert_id, error.diagnosis(), wait);
        Ok(Verdict::Again(wait))
    }

    /// Whether it is this alert that fails: often enough, and once more after another alert's ticket was created. One whose
    /// ticket is made and only not proven is not given up.
    fn is_exhausted(&self) -> bool {
        let others_succeeded = self.trial.created_before.is_some_and(|before| before < self.trial.created_at_start);
        let has_ticket = self.trial.made.is_some();
        self.trial.attempts >= self.relay.retry.max_attempts && others_succeeded && !has_ticket
    }

    /// The same id on another platform: the publisher may be reusing ids, and then this alert got no ticket of its own.
    fn warn_of_other_platform(&self, found: &Found) {
        let platform = |subject: &str| subject.find("http").map(|at| subject[at..].to_owned());
        let (ours, theirs) = (platform(self.ticket.subject.as_str()), platform(&found.subject));
        if theirs.is_some() && ours != theirs {
            self.relay.metrics.id_reused();
            warn!(
                rt.ticket_id = found.ticket.0,
                "ticket {} has the key {} but names another platform: does the publisher reuse ids?",
                found.ticket,
                self.ticket.key
            );
        }
    }

    async fn wait(&self, time: Duration) -> Result<(), Released> {
        self.unless_released(tokio::time::sleep(time)).await
    }

    async fn unless_released<T>(&self, work: impl Future<Output = T>) -> Result<T, Released> {
        unless(self.released, work).await
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
