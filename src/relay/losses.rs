//! Connections that are lost one after the other with nothing settled: what is taken may be the reason.

use std::time::Duration;

use tokio::time::Instant;

use crate::amqp::Care;
use crate::retry::{Delays, Policy};

/// From so many on, what a queue without a count delivers again is taken one by one.
const MANY: u32 = 3;

/// How often a connection was lost since the last alert was settled.
pub(super) struct Losses {
    policy: Policy,
    delays: Delays,
    in_a_row: u32,
    connected: Instant,
}

impl Losses {
    /// None yet; there is a connection since now.
    pub(super) fn new(policy: &Policy) -> Self {
        Self { policy: policy.clone(), delays: policy.delays(), in_a_row: 0, connected: Instant::now() }
    }

    /// There is a connection again.
    pub(super) fn connected(&mut self) {
        self.connected = Instant::now();
    }

    /// A connection was lost: how long to wait before the next. `settled`: an alert was, since the one before. One that
    /// stood for long was lost for another reason.
    pub(super) fn lost(&mut self, settled: bool) -> Duration {
        if settled || self.connected.elapsed() > self.policy.max {
            *self = Self::new(&self.policy);
            return Duration::ZERO;
        }
        self.in_a_row += 1;
        self.delays.next(Duration::ZERO)
    }

    /// How carefully to consume on the next one.
    pub(super) fn care(&self) -> Care {
        if self.in_a_row >= MANY { Care::All } else { Care::Counted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn losses() -> Losses {
        let policy = Policy { initial: SECOND, max: SECOND * 30, max_attempts: 8, unknown_wait: SECOND };
        Losses::new(&policy)
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_while_nothing_is_settled() {
        let mut losses = losses();
        // Each is spread by half to either side.
        for (number, around) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
            let pause = losses.lost(false);
            assert!(pause >= SECOND * around / 2 && pause <= SECOND * 30, "{number}: {pause:?}");
            assert_eq!(losses.care() == Care::All, number >= 2);
            tokio::time::advance(pause).await;
            losses.connected();
        }
        assert_eq!((losses.lost(true), losses.care()), (Duration::ZERO, Care::Counted));
        assert!(losses.lost(false) <= SECOND * 3 / 2, "they begin anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_stood_for_long_is_made_anew_at_once() {
        let mut losses = losses();
        assert!(losses.lost(false) > Duration::ZERO);
        losses.connected();
        tokio::time::advance(SECOND * 31).await;
        assert_eq!(losses.lost(false), Duration::ZERO);
    }
}
