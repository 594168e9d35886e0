//! The alerts that the relay holds: taken from the broker, and not settled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ticket::AlertKey;

/// How many alerts are held, of which keys, and how many of them come again.
#[derive(Default)]
pub(super) struct Held {
    /// How many alerts there are of each key.
    keys: Mutex<HashMap<AlertKey, usize>>,
    /// Those that failed or wait, rather than being on their way for the first time.
    again: AtomicUsize,
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
    /// One more; and whether it is the only one.
    pub(super) fn hold(&self, key: &AlertKey) -> (Holding<'_>, bool) {
        let mut keys = self.keys();
        let is_only_one = keys.is_empty();
        *keys.entry(key.clone()).or_default() += 1;
        (Holding { held: self, key: key.clone() }, is_only_one)
    }

    /// One that is held failed, or waits.
    pub(super) fn again(&self) -> Again<'_> {
        self.again.fetch_add(1, Ordering::Relaxed);
        Again(self)
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.keys().values().sum()
    }

    /// How many of them failed or wait.
    pub(super) fn count_again(&self) -> usize {
        self.again.load(Ordering::Relaxed)
    }

    /// Removes those of `alerts` that are not held any more. Returns how many keys are held.
    pub(super) fn leave_held(&self, alerts: &mut HashMap<AlertKey, bool>) -> usize {
        let keys = self.keys();
        alerts.retain(|key, _| keys.contains_key(key));
        keys.len()
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<AlertKey, usize>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        let mut keys = self.held.keys();
        if let Some(count) = keys.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

impl Drop for Again<'_> {
    fn drop(&mut self) {
        self.0.again.fetch_sub(1, Ordering::Relaxed);
    }
}
