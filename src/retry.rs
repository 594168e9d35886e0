//! Delays between attempts. The only file that names `backoff`, which is unmaintained (RUSTSEC-2025-0012): only its
//! arithmetic is used, and nothing of it shows.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;

/// How failed attempts are repeated: `RETRY_*`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The first delay.
    pub initial: Duration,
    /// No delay is longer.
    pub max: Duration,
    /// An alert that failed so often while others succeeded is given up.
    pub max_attempts: u32,
    /// How long RT gets to finish a create whose answer was lost.
    pub unknown_wait: Duration,
}

/// The delays of one alert.
#[derive(Debug)]
pub struct Delays(ExponentialBackoff);

impl Policy {
    /// Delays that double from `initial` to `max`, each spread by half to either side so that alerts do not march in
    /// step. They never end.
    pub fn delays(&self) -> Delays {
        let mut backoff = ExponentialBackoff {
            current_interval: self.initial,
            initial_interval: self.initial,
            multiplier: 2.0,
            randomization_factor: 0.5,
            max_interval: self.max,
            // The default gives up after 15 minutes: shorter than an outage.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        backoff.reset();
        Delays(backoff)
    }
}

impl Delays {
    /// The next delay, at most the policy's `max` but at least `at_least`, which is what RT asked for.
    pub fn next(&mut self, at_least: Duration) -> Duration {
        let max = self.0.max_interval;
        self.0.next_backoff().unwrap_or(max).min(max).max(at_least)
    }
}
