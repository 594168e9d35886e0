//! Whether dead letters can be stored: one answer for the process.
//!
//! While no copy can be stored the alerts are kept, but neither for longer than the broker lets a delivery be held, nor
//! so that good alerts starve. So the relay consumes in windows of `PAUSE_AFTER`, and pauses between them ever longer,
//! until a copy is stored.

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::outage::{Outage, next_wait, until_due};
use crate::outcome::Diagnosis;

/// Whether copies are stored, and what leads from one to the other.
pub(super) struct LetterState {
    trouble: watch::Sender<Option<Trouble>>,
    /// Held by whoever stores a copy.
    storing: Mutex<()>,
    /// After this long without a copy stored the relay pauses.
    pause_after: Duration,
}

/// No copy was stored since the outage began.
struct Trouble {
    outage: Outage,
    window: Window,
    /// How long the last pause is.
    last_pause: Option<Duration>,
}

/// A time in which the relay consumes.
struct Window {
    /// Counted from the first copy that failed, else from when it began to consume.
    began: Instant,
    failed: bool,
}

impl LetterState {
    pub(super) fn new(pause_after: Duration) -> Self {
        Self { trouble: watch::Sender::new(None), storing: Mutex::default(), pause_after }
    }

    /// Why dead letters wait, and since when.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.trouble.borrow().as_ref().map(|trouble| trouble.outage.clone())
    }

    /// Waits until no other copy is being stored. That may take long, and who only waits can still be released.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.storing.lock().await
    }

    /// A copy was stored.
    pub(super) fn stored(&self) {
        if let Some(trouble) = self.trouble.send_replace(None) {
            info!("dead letters are stored again after {:.1?}", trouble.outage.began.elapsed());
        }
    }

    /// A copy could not be stored.
    pub(super) fn failed(&self, cause: Diagnosis) {
        self.trouble.send_modify(|trouble| {
            let before = trouble.take();
            let outage = Outage::going_on(before.as_ref().map(|before| &before.outage), cause, "dead letters");
            let first = Window { began: Instant::now(), failed: true };
            *trouble = Some(match before {
                Some(before) if before.window.failed => Trouble { outage, ..before },
                Some(before) => Trouble { outage, window: first, ..before },
                None => Trouble { outage, window: first, last_pause: None },
            });
        });
    }

    /// The relay consumes from now on: another window.
    pub(super) fn consuming(&self) {
        self.trouble.send_modify(|trouble| {
            if let Some(trouble) = trouble {
                trouble.window = Window { began: Instant::now(), failed: false };
            }
        });
    }

    /// Waits until no copy could be stored for so long that their alerts are better off with the broker.
    pub(super) async fn until_pause_is_due(&self) {
        loop {
            let due = |trouble: &Option<Trouble>| Some(trouble.as_ref()?.window.began + self.pause_after);
            until_due(self.trouble.subscribe(), due).await;
            // Where none failed in a window there is none that waits: another relay may have stored it.
            let over = |trouble: &mut Option<Trouble>| trouble.take_if(|trouble| !trouble.window.failed).is_some();
            if !self.trouble.send_if_modified(over) {
                return;
            }
            info!("no dead letter waits any more");
        }
    }

    /// How long the relay is to pause now.
    pub(super) fn pause(&self) -> Duration {
        let mut pause = next_wait(None);
        self.trouble.send_modify(|trouble| {
            if let Some(trouble) = trouble {
                pause = next_wait(trouble.last_pause);
                trouble.last_pause = Some(pause);
                warn!(
                    "no dead letter could be stored since {:.3}: alerts go back to their queue, next try in {pause:.0?}",
                    trouble.outage.since
                );
            }
        });
        pause
    }
}
