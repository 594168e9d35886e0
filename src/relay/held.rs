//! The alerts that the relay holds: taken from the broker, and not settled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ticket::AlertKey;

/// How many alerts are held, of which keys, and how many of them come again.
pub(super) struct Held {
    keys: Mutex<Keys>,
    /// Those that failed or wait, rather than being on their way for the first time.
    again: AtomicUsize,
}

struct Keys {
    /// How many alerts there are of each.
    counts: HashMap<AlertKey, usize>,
    /// Since when there is none.
    empty_since: Instant,
}

/// The deliveries that are not settled, whatever they are: how many, and how large.
#[derive(Debug, Default)]
pub(super) struct Taken {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

/// Counts a delivery as taken, until dropped.
pub(super) struct Taking {
    taken: Arc<Taken>,
    bytes: usize,
}

/// Counts an alert as held, until dropped.
pub(super) struct Holding<'a> {
    held: &'a Held,
    key: AlertKey,
}

/// Counts an alert as one that comes again, until dropped.
pub(super) struct Again<'a>(&'a Held);

impl Taken {
    /// One more, whose body has so many `bytes`.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Taking {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Taking { taken: Arc::clone(self), bytes }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How large they are together, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.taken.count.fetch_sub(1, Ordering::Relaxed);
        self.taken.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Held {
    /// None.
    pub(super) fn new() -> Self {
        let keys = Keys { counts: HashMap::new(), empty_since: Instant::now() };
        Self { keys: Mutex::new(keys), again: AtomicUsize::new(0) }
    }

    /// One more; and whether it is the only one.
    pub(super) fn hold(&self, key: &AlertKey) -> (Holding<'_>, bool) {
        let mut keys = self.keys();
        let is_only_one = keys.counts.is_empty();
        *keys.counts.entry(key.clone()).or_default() += 1;
        (Holding { held: self, key: key.clone() }, is_only_one)
    }

    /// One that is held failed, or waits.
    pub(super) fn again(&self) -> Again<'_> {
        self.again.fetch_add(1, Ordering::Relaxed);
        Again(self)
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.keys().counts.values().sum()
    }

    /// How many of them failed or wait.
    pub(super) fn count_again(&self) -> usize {
        self.again.load(Ordering::Relaxed)
    }

    /// For how long there has been none; zero while there is one.
    pub(super) fn empty_for(&self) -> Duration {
        let keys = self.keys();
        if keys.counts.is_empty() { keys.empty_since.elapsed() } else { Duration::ZERO }
    }

    /// Whether there is none but of `alerts`, from which those are removed that are not held any more.
    pub(super) fn are_all_among(&self, alerts: &mut HashMap<AlertKey, bool>) -> bool {
        let keys = self.keys();
        alerts.retain(|key, _| keys.counts.contains_key(key));
        alerts.len() == keys.counts.len()
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        let mut keys = self.held.keys();
        if let Some(count) = keys.counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                keys.counts.remove(&self.key);
            }
        }
        if keys.counts.is_empty() {
            keys.empty_since = Instant::now();
        }
    }
}

impl Drop for Again<'_> {
    fn drop(&mut self) {
        self.0.again.fetch_sub(1, Ordering::Relaxed);
    }
}
