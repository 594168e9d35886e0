//! The relay: what all alerts share, and the way in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Span, debug, error, info};

use super::gate::Gate;
use super::prepare::{NoTicket, Prepared, prepare};
use super::rt_state::{Condition, RtState};
use super::turns::Turns;
use super::work::{Work, unless};
use super::workers::Workers;
use crate::alert::AlertType;
use crate::mapping::Rules;
use crate::metrics::Metrics;
use crate::outcome::{Class, Diagnosis, Fate};
use crate::retry::Policy;
use crate::rtir::{Client, Error};
use crate::ticket::{AlertKey, NewTicket};

/// Makes tickets of alerts; one for the process.
pub struct Relay {
    rules: Rules,
    pub(super) retry: Policy,
    pub(super) workers: Workers,
    /// Probes RT, and waits for no alert.
    prober: Client,
    pub(super) gate: Gate,
    pub(super) state: RtState,
    turns: Turns,
    pub(super) tickets_created: AtomicU64,
    pub(super) metrics: Arc<Metrics>,
    /// How many alerts are being worked on or wait.
    held: AtomicUsize,
    /// Held by whoever looks at RT; when the last look passed.
    looking: Mutex<Option<Instant>>,
}

/// What the broker delivered.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The body as it came.
    pub body: &'a [u8],
    /// The AMQP property `content_type`.
    pub content_type: Option<&'a str>,
    /// The broker had given it to somebody before: its ticket may have been asked for already.
    pub redelivered: bool,
}

/// What became of a message.
#[derive(Debug)]
pub struct Handled {
    /// The alert's type; absent where it makes no alert.
    pub alert_type: Option<AlertType>,
    /// When the alert's matter was detected, where that can be told.
    pub detected_at: Option<Timestamp>,
    /// What is to be done with the message.
    pub fate: Fate,
}

/// Counts an alert as held, until dropped.
pub(super) struct Held<'a>(&'a AtomicUsize);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Relay {
    /// A relay that makes tickets through at most `concurrency` clients like `client`, and counts in `metrics`.
    pub fn new(
        rules: Rules,
        retry: Policy,
        pause_after: Duration,
        client: Client,
        concurrency: usize,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            rules,
            retry,
            prober: client.another(),
            workers: Workers::new(client, concurrency),
            gate: Gate::default(),
            state: RtState::new(pause_after),
            turns: Turns::default(),
            tickets_created: AtomicU64::new(0),
            metrics,
            held: AtomicUsize::new(0),
            looking: Mutex::new(None),
        }
    }

    /// Proves that RT takes the credentials. If RT cannot be asked, alerts wait.
    ///
    /// # Errors
    /// RT refuses them.
    pub async fn check_credentials(&self) -> Result<(), Error> {
        match self.prober.log_in().await {
            Err(error @ Error::Credentials(_)) => Err(error),
            Err(error) => {
                self.state.is_down(error.diagnosis(), error.retry_after().unwrap_or_default());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Brings one message to its fate, however long that takes. Ends early only when it is `released`: then a create
    /// that is under way is finished and proven first, and everything else is given back.
    pub async fn handle(&self, message: Message<'_>, released: &CancellationToken) -> Handled {
        let prepared = match prepare(&self.rules(), message.body, message.content_type) {
            Ok(prepared) => prepared,
            Err(letter) => {
                self.metrics.received(None);
                return Handled { alert_type: None, detected_at: None, fate: Fate::DeadLetter(letter) };
            }
        };
        let Prepared { alert_id, alert_type, detected_at, ticket } = prepared;
        self.metrics.received(Some(alert_type));
        Span::current().record("alert.id", &alert_id).record("alert.type", alert_type.as_str());
        let fate = match ticket {
            Ok(ticket) => self.make(&alert_id, &ticket, message.redelivered, released).await,
            Err(NoTicket::Ignored(rule)) => Fate::Ignored(rule),
            Err(NoTicket::Impossible(letter)) => Fate::DeadLetter(letter),
        };
        Handled { alert_type: Some(alert_type), detected_at, fate }
    }

    async fn make(&self, alert_id: &str, ticket: &NewTicket, redelivered: bool, released: &CancellationToken) -> Fate {
        let Ok(_turn) = unless(released, self.turns.take(&ticket.key)).await else { return Fate::Returned };
        Work::new(self, released, alert_id, ticket, redelivered).run().await
    }

    /// What decides about tickets, by what is known of RT now.
    fn rules(&self) -> Rules {
        let site = self.prober.known_site();
        let rt_addresses = site.map(|site| site.addresses().clone()).unwrap_or_default();
        Rules { rt_addresses, ..self.rules.clone() }
    }

    /// How RT is.
    pub fn condition(&self) -> Condition {
        self.state.condition()
    }

    /// How many alerts are being worked on or wait.
    pub fn in_flight(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How many requests to RT may be under way at once now.
    pub fn concurrency_limit(&self) -> usize {
        self.workers.limit()
    }

    /// Waits until attempts may be made. Whoever waits longest probes for all.
    pub async fn until_open(&self) {
        let mut condition = self.state.watch();
        while !condition.borrow_and_update().is_open() {
            tokio::select! {
                changed = condition.changed() => debug_assert!(changed.is_ok(), "the state lives as long as the relay"),
                mut looking = self.looking.lock() => {
                    tokio::time::sleep(self.state.probe_after()).await;
                    if !self.state.is_open() {
                        *looking = self.probe().await;
                    }
                }
            }
        }
    }

    /// Waits until RT has been down for so long that alerts are better off with the broker.
    pub async fn until_pause_is_due(&self) {
        self.state.until_pause_is_due().await;
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
        self.prober.log_out().await;
    }

    pub(super) fn hold(&self) -> Held<'_> {
        if self.held.fetch_add(1, Ordering::Relaxed) == 0 {
            self.state.begin_anew();
        }
        Held(&self.held)
    }

    /// After an attempt failed with `error`: whether RT is well otherwise. One looks for all that failed by then.
    pub(super) async fn look_after(&self, error: &Error) -> bool {
        self.state.attempt_failed();
        if error.class() == Class::SetUp {
            self.gate.close();
            self.state.is_down(error.diagnosis(), error.retry_after().unwrap_or_default());
            return false;
        }
        let failed = Instant::now();
        if !self.state.is_open() {
            return false;
        }
        let mut looking = self.looking.lock().await;
        if !self.state.is_open() {
            return false;
        }
        if looking.is_some_and(|passed| passed > failed) {
            return true;
        }
        *looking = self.look(error.retry_after().unwrap_or_default()).await;
        looking.is_some()
    }

    /// An alert failed although RT looks well.
    pub(super) fn alert_failed(&self, key: &AlertKey, cause: Diagnosis) {
        self.state.alert_failed(key, cause, self.in_flight());
    }

    /// A look at RT; when it passed.
    async fn look(&self, at_least: Duration) -> Option<Instant> {
        match self.prober.probe().await {
            Ok(()) => Some(Instant::now()),
            Err(fault @ Error::Credentials(_)) => {
                self.gate.close();
                self.state.is_refused(fault.diagnosis());
                None
            }
            Err(fault) => {
                if fault.class() == Class::SetUp {
                    self.gate.close();
                }
                self.state.is_down(fault.diagnosis(), at_least.max(fault.retry_after().unwrap_or_default()));
                None
            }
        }
    }

    /// Whether RT is well again, which it is not before every ticket that lost its key has it.
    async fn probe(&self) -> Option<Instant> {
        let Some(passed) = self.look(Duration::ZERO).await else {
            debug!("a probe failed: RT is not well yet");
            return None;
        };
        while let Some((ticket, key)) = self.gate.lost() {
            if let Err(error) = self.prober.mend(ticket, &key).await {
                if matches!(error, Error::Gone(_)) {
                    info!(rt.ticket_id = ticket.0, "ticket {ticket} is gone: its alert makes another");
                    self.gate.forget(ticket);
                    continue;
                }
                debug!("a probe failed: ticket {ticket} is not found by its key yet");
                self.state.is_down(error.diagnosis(), error.retry_after().unwrap_or_default());
                return None;
            }
            info!(rt.ticket_id = ticket.0, "ticket {ticket} is found by its key now: {key}");
            self.gate.forget(ticket);
        }
        // One at a time, where looks have said "well" before while creates failed.
        self.gate.close();
        self.state.probe_passed(self.in_flight());
        Some(passed)
    }
}
