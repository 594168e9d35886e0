//! Whether dead letters can be stored: one answer for the process.
//!
//! One that cannot be stored waits with its alert, while others go on: it may be that one only. When three different ones
//! cannot be stored and none was in between, it is an outage. Alerts are kept meanwhile, but neither for longer than the
//! broker lets a delivery be held, nor so that good alerts starve: the relay consumes in windows of `PAUSE_AFTER`, and
//! pauses between them ever longer, until a copy is stored.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::Instant;
use tracing::{info, warn};

use super::due::until_due;
use super::outage::{Outage, next_wait};
use crate::diagnosis::Diagnosis;

/// So many different copies that cannot be stored make an outage.
const DIFFERENT: usize = 3;

/// Whether copies are stored, and what leads from one to the other.
pub(super) struct LetterState {
    trouble: watch::Sender<Option<Trouble>>,
    /// Held by whoever stores a copy.
    storing: Mutex<()>,
    /// How many copies wait.
    waiting: AtomicUsize,
    /// After this long without a copy stored the relay pauses.
    pause_after: Duration,
}

/// A copy that could not be stored, until it is or its alert is given back.
pub(super) struct Parked<'a> {
    state: &'a LetterState,
    identity: u64,
    since: Instant,
    cause: Option<Diagnosis>,
}

impl Parked<'_> {
    /// It could not be stored, again.
    pub(super) fn failed(&mut self, cause: Diagnosis) {
        let is_outage = self.state.failed(self.identity, cause.clone());
        if !is_outage && self.cause.as_ref() != Some(&cause) {
            warn!("the dead letter of this alert waits, others go on: {cause}");
        }
        self.cause = Some(cause);
    }

    /// Whether it was held for as long as is safe. In an outage the relay pauses in place of that.
    pub(super) fn is_overdue(&self) -> bool {
        self.since.elapsed() >= self.state.pause_after && self.state.outage().is_none()
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        self.state.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// No copy was stored since it began.
struct Trouble {
    /// Which could not be stored.
    different: HashSet<u64>,
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

impl Trouble {
    fn is_outage(&self) -> bool {
        self.different.len() >= DIFFERENT
    }
}

impl LetterState {
    pub(super) fn new(pause_after: Duration) -> Self {
        Self { trouble: watch::Sender::new(None), storing: Mutex::default(), waiting: AtomicUsize::new(0), pause_after }
    }

    /// Why no dead letter can be stored, and since when.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.trouble.borrow().as_ref().filter(|trouble| trouble.is_outage()).map(|trouble| trouble.outage.clone())
    }

    /// How many copies wait, in an outage or each for itself.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A copy that waits from now on.
    pub(super) fn park(&self, identity: u64) -> Parked<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Parked { state: self, identity, since: Instant::now(), cause: None }
    }

    /// Waits until no other copy is being stored. That may take long, and who only waits can still be released.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.storing.lock().await
    }

    /// A copy was stored.
    pub(super) fn stored(&self, identity: u64) {
        if let Some(trouble) = self.trouble.send_replace(None)
            && (trouble.is_outage() || trouble.different.contains(&identity))
        {
            info!("dead letters are stored again after {:.1?}", trouble.outage.began.elapsed());
        }
    }

    /// A copy could not be stored. `true` if that is an outage.
    fn failed(&self, identity: u64, cause: Diagnosis) -> bool {
        let mut is_outage = false;
        self.trouble.send_modify(|trouble| {
            let mut now = trouble.take().unwrap_or_else(|| Trouble {
                different: HashSet::new(),
                outage: Outage::begins(cause.clone()),
                window: Window { began: Instant::now(), failed: false },
                last_pause: None,
            });
            if !now.window.failed {
                now.window = Window { began: Instant::now(), failed: true };
            }
            let before = now.is_outage().then(|| now.outage.clone());
            if now.different.len() < DIFFERENT {
                now.different.insert(identity);
            }
            is_outage = now.is_outage();
            now.outage = match (is_outage, before) {
                (true, Some(before)) => Outage::going_on(Some(&before), cause, "dead letters"),
                (true, None) => now.outage.named(cause, "dead letters"),
                (false, _) => Outage { cause, ..now.outage },
            };
            *trouble = Some(now);
        });
        is_outage
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
            let due = |trouble: &Option<Trouble>| {
                let outage = trouble.as_ref().filter(|trouble| trouble.is_outage())?;
                Some(outage.window.began + self.pause_after)
            };
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
