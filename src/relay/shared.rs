//! The relay: what all alerts share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tracing::{error, info};

use super::gate::Gate;
use super::held::Held;
use super::later::Later;
use super::rt_state::{Condition, RtState};
use super::slots::Slots;
use super::turns::Turns;
use crate::diagnosis::Diagnosis;
use crate::mapping::Rules;
use crate::metrics::Metrics;
use crate::retry::Policy;
use crate::rtir::{Client, Error};
use crate::ticket::{AlertKey, TicketId};

/// How much of large alerts may be on its way to RT at once, in KiB.
const ROOM_KIB: usize = 32 * 1024;
/// A session that is left behind does no harm; a relay that does not stop does.
const LOG_OUT_WITHIN: Duration = Duration::from_secs(3);

/// Makes tickets of alerts; one for the process.
pub struct Relay {
    rules: Rules,
    pub(super) retry: Policy,
    /// As many requests at once, each with a client of its own.
    pub(super) slots: Slots<Client>,
    room: Semaphore,
    /// Probes RT, and waits for no alert.
    pub(super) prober: Client,
    pub(super) gate: Gate,
    pub(super) state: Arc<RtState>,
    pub(super) turns: Turns,
    pub(super) tickets_created: AtomicU64,
    pub(super) metrics: Arc<Metrics>,
    pub(super) held: Held,
    pub(super) later: Later,
    /// Held by whoever looks at RT; when the last look passed.
    pub(super) looking: Mutex<Option<Instant>>,
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
        let prober = client.another();
        let mut clients: Vec<_> = (1..concurrency).map(|_| client.another()).collect();
        clients.push(client);
        let state = Arc::new(RtState::new(pause_after));
        let tries_alone = Arc::clone(&state);
        Self {
            rules,
            retry,
            prober,
            slots: Slots::new(clients, move || tries_alone.is_half_open()),
            room: Semaphore::new(ROOM_KIB),
            gate: Gate::default(),
            state,
            turns: Turns::default(),
            tickets_created: AtomicU64::new(0),
            metrics,
            held: Held::default(),
            later: Later::default(),
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

    /// What decides about tickets, by what is known of RT now.
    pub(super) fn rules(&self) -> Rules {
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
        self.held.count()
    }

    /// How many of them failed or wait, rather than being on their way for the first time.
    pub fn in_flight_again(&self) -> usize {
        self.held.count_again()
    }

    /// How many requests to RT may be under way at once now.
    pub fn concurrency_limit(&self) -> usize {
        self.slots.limit()
    }

    /// To be called now and then: what failed before may be another relay's now.
    pub fn rest(&self) {
        self.state.nothing_to_try(&self.held);
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
        let count = self.later.count();
        if count > 0 {
            info!("{count} alerts that are done would have been looked for again, for tickets that RT made late");
        }
        let idle = self.slots.take_idle();
        let _ = tokio::time::timeout(LOG_OUT_WITHIN, join_all(idle.iter().map(Client::log_out))).await;
        self.prober.log_out().await;
    }

    /// Waits until there is room for `kib` of what RT is sent; none is needed for what is small.
    pub(super) async fn room(&self, kib: usize) -> Option<SemaphorePermit<'_>> {
        let kib = u32::try_from(kib.min(ROOM_KIB)).ok().filter(|kib| *kib > 0)?;
        self.room.acquire_many(kib).await.ok()
    }

    /// RT made a ticket of an alert: it is well.
    pub(super) fn ticket_made(&self) {
        self.tickets_created.fetch_add(1, Ordering::Relaxed);
        self.state.alert_succeeded();
    }

    /// `ticket` was made without its key, or cannot be found by it: nothing else is made until it can.
    pub(super) fn lost_key(&self, ticket: TicketId, key: &AlertKey, error: &Error) {
        self.gate.remember(ticket, key);
        self.state.is_down(error.diagnosis(), Duration::ZERO);
        error!(rt.ticket_id = ticket.0, "{}. Its alert key is {key}; a restart forgets that", error.diagnosis());
    }

    /// An alert failed although RT looks well.
    /// `while_others_succeed`: since its first failure others became tickets.
    pub(super) fn alert_failed(&self, key: &AlertKey, cause: Diagnosis, while_others_succeed: bool) {
        self.state.alert_failed(key, cause, while_others_succeed, &self.held);
    }
}
