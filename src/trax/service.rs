//! The loop: hold the lease, hand over what there is, wait for more or for an operator's wish.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::hand_over::{HandOver, Outcome, Round};
use crate::amqp::{Broker, Lease, Question};
use crate::diagnosis::Diagnosis;
use crate::relay::Outage;
use crate::retry::{Delays, Policy};
use crate::ticket::TicketId;

/// So long after a ticket was made it is looked for, so that several made together are found together.
const SOON: Duration = Duration::from_secs(1);
/// How often a relay that does not hold the lease looks whether it is free.
const STANDBY: Duration = Duration::from_secs(5);

/// The hand-over beside the relay; one for the process.
pub struct Service {
    settings: Settings,
    state: Mutex<State>,
    stop: CancellationToken,
}

/// What the loop needs to know.
pub struct Settings {
    /// Where the lease is.
    pub broker: Arc<Broker>,
    /// The pauses after failures.
    pub retry: Policy,
    /// How often tickets are looked for, at least.
    pub interval: Duration,
    /// How long what somebody else began under the lease may still be under way: see [`in_flight`].
    pub in_flight: Duration,
    /// Rings when a ticket was made.
    pub ticket_made: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    outage: Option<Outage>,
    pending: usize,
}

/// What an operator wants of the holder of the lease, on its way through the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The ticket to hand over.
    pub send: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether trax has the ticket, and it is marked.
    pub handed_over: bool,
    /// What there is to say of it.
    pub what: String,
}

/// The name of the lease of the relays that consume `amqp_queue`; AMQP takes 255 bytes.
pub fn lease_name(amqp_queue: &str) -> String {
    format!("{}.trax", &amqp_queue[..amqp_queue.floor_char_boundary(240)])
}

/// How long a post and its mark may take, if nothing fails: the mark is a look at the ticket and the writing. Who gets
/// the lease waits so long, since the one before may have lost it with the connection, in the middle of both.
pub fn in_flight(trax_timeout: Duration, rtir_timeout: Duration) -> Duration {
    trax_timeout + rtir_timeout * 2
}

impl Reply {
    /// What became of `ticket`, in words.
    pub fn of(ticket: u64, done: Result<Outcome, Diagnosis>) -> Self {
        let (handed_over, what) = match done {
            Ok(Outcome::HandedOver) => (true, format!("ticket {ticket} is handed over")),
            Ok(Outcome::Refused(why)) => (false, format!("trax refuses ticket {ticket}: {why}")),
            Ok(Outcome::Waits) => (false, format!("ticket {ticket} waits: trax refused it, and it has not changed")),
            Ok(Outcome::NotNow(why)) => (false, format!("ticket {ticket} is not handed over: {why}")),
            Err(diagnosis) => (false, diagnosis.to_string()),
        };
        Self { handed_over, what }
    }
}

impl Service {
    /// A hand-over that is to run until `stop`.
    pub fn new(settings: Settings, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { settings, state: Mutex::default(), stop })
    }

    /// Why tickets wait for trax, and since when, if they do.
    pub fn outage(&self) -> Option<Outage> {
        self.state().outage.clone()
    }

    /// How many tickets are to be handed over, as of the last look. 0 where another relay looks.
    pub fn pending(&self) -> usize {
        self.state().pending
    }

    /// Hands over until asked to stop, and finishes what is under way then.
    pub async fn run(self: Arc<Self>, mut hand_over: HandOver) {
        // What somebody else had begun may still be under way where somebody else had the lease.
        let mut had_another = false;
        while let Some(mut lease) = self.lease(&mut had_another).await {
            info!("this relay hands over to trax");
            let wait = if had_another { self.settings.in_flight } else { Duration::ZERO };
            self.hold(&mut lease, &mut hand_over, wait).await;
            if self.stop.is_cancelled() {
                lease.give_back().await;
                break;
            }
            warn!("the lease of the hand-over is lost; taking it anew");
            had_another = true;
        }
        hand_over.client().log_out().await;
    }

    /// The lease, however long that takes, and whether another had it before; `None` if asked to stop before.
    async fn lease(&self, had_another: &mut bool) -> Option<Lease> {
        let name = lease_name(&self.settings.broker.settings().amqp_queue);
        let mut delays = self.settings.retry.delays();
        loop {
            let error = tokio::select! {
                () = self.stop.cancelled() => return None,
                lease = Lease::wait(&self.settings.broker, &name, STANDBY, || {
                    *had_another = true;
                    self.well(0);
                }) => match lease {
                    Ok(lease) => return Some(lease),
                    Err(error) => error,
                },
            };
            self.unwell(error.diagnosis());
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = sleep(delays.next(Duration::ZERO)) => {}
            }
        }
    }

    /// Hands over, after a `wait`, until the lease is lost or the relay stops. A round that is under way is finished first.
    async fn hold(&self, lease: &mut Lease, hand_over: &mut HandOver, wait: Duration) {
        let mut delays = self.settings.retry.delays();
        let mut due = Instant::now() + wait;
        let mut began = false;
        loop {
            let is_well = self.state().outage.is_none();
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                question = lease.next(), if began => match question {
                    Ok(question) => self.answer(&question, lease, hand_over).await,
                    Err(_) => return,
                },
                () = sleep_until(due) => {
                    began = true;
                    due = Instant::now() + self.round(lease, hand_over, &mut delays).await;
                }
                () = self.settings.ticket_made.notified(), if began && is_well => due = due.min(Instant::now() + SOON),
            }
        }
    }

    /// One round; how long to wait after it.
    async fn round(&self, lease: &Lease, hand_over: &mut HandOver, delays: &mut Delays) -> Duration {
        let goes_on = || self.goes_on(lease);
        let round = AssertUnwindSafe(hand_over.round(&goes_on)).catch_unwind().await;
        let Round { pending, failure } = round.unwrap_or_else(|_| Round { pending: None, failure: Some(panicked()) });
        let pending = pending.unwrap_or_else(|| self.pending());
        let Some(failure) = failure else {
            self.well(pending);
            *delays = self.settings.retry.delays();
            return self.settings.interval;
        };
        self.state().pending = pending;
        self.unwell(failure);
        delays.next(Duration::ZERO).min(self.settings.interval)
    }

    /// Does what an operator wants.
    async fn answer(&self, question: &Question, lease: &Lease, hand_over: &mut HandOver) {
        let reply = match serde_json::from_slice(&question.body) {
            Ok(Wish { send }) => {
                let goes_on = || self.goes_on(lease);
                let sent = AssertUnwindSafe(hand_over.send(TicketId(send), &goes_on)).catch_unwind().await;
                Reply::of(send, sent.unwrap_or_else(|_| Err(panicked())))
            }
            Err(error) => Reply { handed_over: false, what: format!("this relay does not understand: {error}") },
        };
        if let Ok(reply) = serde_json::to_vec(&reply) {
            question.answer(&reply).await;
        }
    }

    fn goes_on(&self, lease: &Lease) -> bool {
        !self.stop.is_cancelled() && lease.is_held()
    }

    fn well(&self, pending: usize) {
        let mut state = self.state();
        state.pending = pending;
        if let Some(outage) = state.outage.take() {
            info!("the hand-over to trax is well again after {:.1?}", outage.began.elapsed());
        }
    }

    fn unwell(&self, cause: Diagnosis) {
        let mut state = self.state();
        state.outage = Some(Outage::going_on(state.outage.as_ref(), cause, "tickets for trax"));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panicked() -> Diagnosis {
    Diagnosis::other(
        "The hand-over to trax failed",
        "a fault of the relay itself; its log says where",
        "Report it with that log; it is tried again",
    )
}
