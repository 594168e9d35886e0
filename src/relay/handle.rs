//! One alert to its fate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{Span, error, info, warn};

use super::gate::Gate;
use super::prepare::{Prepared, prepare};
use super::turns::Turns;
use super::workers::Workers;
use crate::mapping::Rules;
use crate::outcome::{Attempt, Class, DeadLetter, Diagnosis, Done, Fate, Reason};
use crate::retry::{Delays, Policy};
use crate::rtir::{Client, Error, Found};
use crate::ticket::{AlertKey, NewTicket, TicketId};

/// How often RT is asked again while it is not the alert's fault.
const PROBE_EVERY: Duration = Duration::from_secs(5);
/// How many failed attempts are remembered; the newest stay.
const MAX_HISTORY: usize = 32;

/// Makes tickets of alerts; one for the process.
pub struct Relay {
    rules: Rules,
    retry: Policy,
    workers: Workers,
    gate: Gate,
    turns: Turns,
    tickets_created: AtomicU64,
    stop: CancellationToken,
}

/// What the broker delivered.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The body as it came.
    pub body: &'a [u8],
    /// The AMQP property `content_type`.
    pub content_type: Option<&'a str>,
}

/// Why an attempt ended without a ticket.
enum Failure {
    Rt(Error),
    /// The relay stops: nothing is under way at RT.
    Stopped,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Rt(error)
    }
}

/// What is known of one alert's attempts so far.
struct Trial {
    /// Attempts that failed while RT was otherwise well.
    attempts: u32,
    history: Vec<Attempt>,
    delays: Delays,
    /// How many tickets the process had created when the first counted attempt failed.
    created_before: Option<u64>,
    /// A ticket was made; only its proof is missing.
    made: Option<TicketId>,
    /// Why it waits, as last logged.
    logged: Option<Diagnosis>,
}

enum Verdict {
    Again { wait: Duration, because: Diagnosis },
    GiveUp(Reason),
}

impl Relay {
    /// A relay that makes tickets through `count` clients like `client`, until `stop`.
    pub fn new(rules: Rules, retry: Policy, client: Client, count: usize, stop: CancellationToken) -> Self {
        Self {
            rules,
            retry,
            workers: Workers::new(client, count),
            gate: Gate::default(),
            turns: Turns::default(),
            tickets_created: AtomicU64::new(0),
            stop,
        }
    }

    /// Logs in to RT once, to tell wrong credentials at start.
    ///
    /// # Errors
    /// RT refuses the credentials or cannot be asked.
    pub async fn log_in(&self) -> Result<(), Error> {
        self.workers.get().await.log_in().await
    }

    /// Brings one message to its fate, however long that takes. Ends early only when the relay stops: then a create
    /// that is under way is finished and proven first, and everything else is given back.
    pub async fn handle(&self, message: Message<'_>) -> Fate {
        let prepared = match prepare(&self.rules, message.body, message.content_type) {
            Ok(prepared) => prepared,
            Err(letter) => {
                Span::current().record("alert.id", letter.key.as_deref());
                return Fate::DeadLetter(letter);
            }
        };
        let Prepared { alert_id, alert_type, ticket } = prepared;
        Span::current().record("alert.id", &alert_id).record("alert.type", alert_type.as_str());
        let ticket = match ticket {
            Ok(ticket) => ticket,
            Err(rule) => return Fate::Ignored(rule),
        };
        let Ok(_turn) = self.unless_stopped(self.turns.take(&ticket.key)).await else { return Fate::Returned };
        self.deliver(&alert_id, &ticket).await
    }

    /// Ends all sessions, and names once more the tickets that the next start will not know of.
    pub async fn close(&self) {
        for (ticket, key) in self.gate.all_lost() {
            error!(
                rt.ticket_id = ticket.0,
                "ticket {ticket} still lacks its key: set its Alert ID to {key} by hand, or its alert makes another"
            );
        }
        self.workers.log_out().await;
    }

    /// Attempts until there is a ticket or a reason to give up.
    async fn deliver(&self, alert_id: &str, ticket: &NewTicket) -> Fate {
        let mut trial = Trial::new(self.retry.delays());
        loop {
            let error = match self.attempt(ticket, &mut trial.made).await {
                Ok((id, how)) => return Fate::Done { ticket: id.0, how },
                Err(Failure::Stopped) => return Fate::Returned,
                Err(Failure::Rt(error)) => error,
            };
            let Ok(verdict) = self.unless_stopped(self.judge(&error, &mut trial)).await else { return Fate::Returned };
            let wait = match verdict {
                Verdict::Again { wait, because } => {
                    trial.log(alert_id, because, wait);
                    wait
                }
                Verdict::GiveUp(reason) => {
                    return Fate::DeadLetter(Box::new(trial.give_up(reason, &ticket.key, &error)));
                }
            };
            if self.unless_stopped(tokio::time::sleep(wait)).await.is_err() {
                return Fate::Returned;
            }
        }
    }

    /// Find, create, verify. A ticket that an earlier attempt `made` is proven rather than made again.
    async fn attempt(&self, ticket: &NewTicket, made: &mut Option<TicketId>) -> Result<(TicketId, Done), Failure> {
        let pass = self.unless_stopped(self.gate.enter()).await?;
        let worker = self.unless_stopped(self.workers.get()).await?;
        while let Some((lost, key)) = self.gate.lost() {
            self.unless_stopped(worker.mend(lost, &key)).await??;
            info!(rt.ticket_id = lost.0, "ticket {lost} is found by its key now: {key}");
            self.gate.forget(lost);
        }
        let id = if let Some(id) = *made {
            id
        } else {
            if let Some(found) = self.unless_stopped(worker.find(&ticket.key)).await?? {
                warn_of_other_platform(ticket, &found);
                return Ok((found.ticket, Done::Found));
            }
            // From here on nothing is given up: the answer has to be known.
            *made.insert(worker.create(ticket).await?)
        };
        match worker.verify(id, &ticket.key).await {
            Ok(kept) => {
                self.gate.prove(&pass);
                self.tickets_created.fetch_add(1, Ordering::Relaxed);
                Ok((kept.ticket, if kept.merged { Done::Merged } else { Done::Created }))
            }
            Err(error) => {
                self.keep_in_mind(&error, &ticket.key, made);
                Err(error.into())
            }
        }
    }

    /// A ticket was made and its proof failed: for good, or for now.
    fn keep_in_mind(&self, error: &Error, key: &AlertKey, made: &mut Option<TicketId>) {
        match error {
            Error::Unproven { ticket, .. } => {
                self.gate.remember(*ticket, key);
                let Diagnosis { why, cure, .. } = error.diagnosis();
                error!(rt.ticket_id = ticket.0, "{why}. Its alert key is {key}; a restart forgets that. {cure}");
            }
            // Somebody has deleted it.
            Error::Status { answer, .. } if answer.http_status == 404 => *made = None,
            _ => {}
        }
    }

    /// What an error means for the alert. A look at RT tells a fault of RT from one of this alert: only what fails
    /// while RT is well is counted.
    async fn judge(&self, error: &Error, trial: &mut Trial) -> Verdict {
        let class = error.class();
        let at_least = error.retry_after().unwrap_or_default();
        let again = |wait| Verdict::Again { wait, because: error.diagnosis() };
        if class == Class::SetUp {
            self.gate.close();
            return again(PROBE_EVERY.max(at_least));
        }
        if let Err(fault) = self.workers.get().await.look().await {
            if fault.class() == Class::SetUp {
                self.gate.close();
            }
            let at_least = at_least.max(fault.retry_after().unwrap_or_default());
            return Verdict::Again { wait: PROBE_EVERY.max(at_least), because: fault.diagnosis() };
        }
        trial.count(error, self.tickets_created.load(Ordering::Relaxed));
        match class {
            Class::Refused => Verdict::GiveUp(Reason::RejectedByRt),
            _ if self.is_exhausted(trial) => Verdict::GiveUp(Reason::Exhausted),
            Class::Unknown => again(trial.delays.next(at_least.max(self.retry.unknown_wait))),
            Class::Sink | Class::SetUp => again(trial.delays.next(at_least)),
        }
    }

    /// Whether it is this alert that fails: often enough, and while another alert's ticket was created.
    fn is_exhausted(&self, trial: &Trial) -> bool {
        let others_succeeded =
            trial.created_before.is_some_and(|then| then < self.tickets_created.load(Ordering::Relaxed));
        trial.attempts >= self.retry.max_attempts && others_succeeded
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Failure::Stopped),
            done = work => Ok(done),
        }
    }
}

impl Trial {
    fn new(delays: Delays) -> Self {
        Self { attempts: 0, history: Vec::new(), delays, created_before: None, made: None, logged: None }
    }

    fn count(&mut self, error: &Error, tickets_created: u64) {
        self.attempts += 1;
        self.created_before.get_or_insert(tickets_created);
        if self.history.len() == MAX_HISTORY {
            self.history.remove(0);
        }
        self.history.push(Attempt { time: Timestamp::now().to_string(), cause: error.to_string() });
    }

    /// Says why it waits, when that changes.
    fn log(&mut self, alert_id: &str, because: Diagnosis, wait: Duration) {
        if self.logged.as_ref() != Some(&because) {
            warn!("alert {alert_id} waits, its next attempt is in {wait:.1?}: {because}");
            self.logged = Some(because);
        }
    }

    fn give_up(self, reason: Reason, key: &AlertKey, error: &Error) -> DeadLetter {
        let diagnosis = error.diagnosis();
        let diagnosis = match reason {
            Reason::Exhausted => Diagnosis {
                what: format!("{} {} times while other alerts became tickets", diagnosis.what, self.attempts),
                cure: "See RT's log for what it fails on, then replay the alert".to_owned(),
                ..diagnosis
            },
            _ => diagnosis,
        };
        DeadLetter {
            reason,
            diagnosis,
            key: Some(key.to_string()),
            attempts: self.attempts,
            history: self.history,
            answer: error.answer().cloned(),
        }
    }
}

/// The same id on another platform: the publisher may be reusing ids, and then this alert got no ticket of its own.
fn warn_of_other_platform(ticket: &NewTicket, found: &Found) {
    let platform = |subject: &str| subject.find("http").map(|at| subject[at..].to_owned());
    let (ours, theirs) = (platform(ticket.subject.as_str()), platform(&found.subject));
    if theirs.is_some() && ours != theirs {
        warn!(
            rt.ticket_id = found.ticket.0,
            "ticket {} has the key {} but names another platform: does the publisher reuse ids?",
            found.ticket,
            ticket.key
        );
    }
}
