//! Why something waits, since when, and for how long until it is tried again.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::warn;

use crate::diagnosis::Diagnosis;

/// How long what is down is left alone, at first.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait between tries, also where RT asks for more: an odd header must not hold alerts for a year.
pub(super) const MAX_WAIT: Duration = Duration::from_mins(30);

/// What is down, since when.
#[derive(Clone, Debug)]
pub struct Outage {
    /// What is wrong.
    pub cause: Diagnosis,
    /// Since when, to show.
    pub since: Timestamp,
    /// Since when, to measure.
    pub began: Instant,
}

impl Outage {
    /// One that begins now, which is not logged.
    pub fn begins(cause: Diagnosis) -> Self {
        Self { cause, since: Timestamp::now(), began: Instant::now() }
    }

    /// The same with this cause, which is logged.
    pub fn named(self, cause: Diagnosis, who_waits: &str) -> Self {
        warn!("{who_waits} wait: {cause}");
        Self { cause, ..self }
    }

    /// An outage that begins now, or that of `before` going on with this cause. `who_waits` is logged when the cause
    /// changes.
    pub fn going_on(before: Option<&Self>, cause: Diagnosis, who_waits: &str) -> Self {
        if before.is_none_or(|before| before.cause != cause) {
            warn!("{who_waits} wait: {cause}");
        }
        match before {
            Some(before) => Self { cause, ..before.clone() },
            None => Self::begins(cause),
        }
    }
}

/// The wait after one of `last`, or the first one.
pub(super) fn next_wait(last: Option<Duration>) -> Duration {
    last.map_or(FIRST_WAIT, |last| (last * 2).min(MAX_WAIT))
}
