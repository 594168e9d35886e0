//! What the relay is doing, for whoever asks from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::outcome::PausedBy;

/// How often the loop shows that it turns, at least.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A loop that has not turned for so long hangs.
const ALIVE_WITHIN: Duration = Duration::from_secs(30);

/// What the relay is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has not consumed yet.
    Starting,
    /// It takes alerts as they come.
    Consuming,
    /// Something is down for long: the alerts were given back.
    Paused(PausedBy),
    /// It has lost the broker, or what it consumes, and tries to get it back.
    Connecting,
    /// It was asked to stop.
    Stopping,
}

impl State {
    /// The word for `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Consuming => "consuming",
            Self::Paused(_) => "paused",
            Self::Connecting => "connecting",
            Self::Stopping => "stopping",
        }
    }
}

/// What the loop has said of itself. Nobody else speaks for it: when it hangs, its beat grows old.
#[derive(Debug)]
pub struct Status {
    said: Mutex<Said>,
    stop: CancellationToken,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Said {
    state: State,
    broker_connected: bool,
    beat: Instant,
}

impl Status {
    pub(super) fn new(stop: CancellationToken, metrics: Arc<Metrics>) -> Self {
        let said = Said { state: State::Starting, broker_connected: false, beat: Instant::now() };
        Self { said: Mutex::new(said), stop, metrics }
    }

    /// What the relay is doing.
    pub fn state(&self) -> State {
        if self.stop.is_cancelled() { State::Stopping } else { self.said().state }
    }

    /// Whether there is a connection to consume from, as of the last beat.
    pub fn is_broker_connected(&self) -> bool {
        self.said().broker_connected
    }

    /// How long ago the loop last showed that it turns.
    pub fn since_beat(&self) -> Duration {
        self.said().beat.elapsed()
    }

    /// Whether the loop turns. RT or the broker being away is no reason to start the relay anew.
    pub fn is_alive(&self) -> bool {
        self.since_beat() < ALIVE_WITHIN
    }

    /// Whether alerts are taken care of: consumed, or left with the broker on purpose.
    pub fn is_ready(&self) -> bool {
        self.is_broker_connected() && matches!(self.state(), State::Consuming | State::Paused(_))
    }

    /// The loop turns, in `state`.
    pub fn beat(&self, state: State, broker_connected: bool) {
        let mut said = self.said();
        let now = Instant::now();
        if let State::Paused(by) = said.state {
            self.metrics.paused(by, now - said.beat);
        }
        *said = Said { state, broker_connected, beat: now };
    }

    /// Does `work`, which may rightly take long, while the loop turns in `state`.
    pub(super) async fn beating<T>(
        &self,
        state: State,
        broker_connected: impl Fn() -> bool,
        work: impl Future<Output = T>,
    ) -> T {
        tokio::pin!(work);
        loop {
            self.beat(state, broker_connected());
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = next_beat() => {}
            }
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Until the loop has to turn, if nothing else makes it.
pub(super) async fn next_beat() {
    sleep(BEAT_EVERY).await;
}
