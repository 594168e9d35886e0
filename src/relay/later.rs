//! Alerts that are done, and of which RT may yet make another ticket: looked for again much later, and merged.
//!
//! An alert is acknowledged after its second look, and RT may commit what it was asked before even later: after a freeze of
//! minutes, say. So alerts of which that can be are looked for again, several in one search, and hold up none meanwhile.
//! This is known to this process only: a restart forgets it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::ticket::AlertKey;

/// How long after an alert was done, and after each look, until the next: after 1, 5 and 15 minutes, where RT is healthy.
const WAITS: [Duration; 3] = [Duration::from_mins(1), Duration::from_mins(4), Duration::from_mins(10)];
/// The most that are remembered; of more, the one that was done first is forgotten.
const MOST: usize = 1000;
/// The most that go together in one search.
const MOST_IN_A_SEARCH: usize = 20;
/// Those that are due so soon after another go with it.
const TOGETHER: Duration = Duration::from_secs(10);

/// The alerts to look for again.
#[derive(Default)]
pub(super) struct Later {
    due: Mutex<HashMap<AlertKey, Due>>,
    added: Notify,
}

/// The next look for an alert.
struct Due {
    at: Instant,
    done: Instant,
    /// How often it was looked for.
    looks: usize,
}

impl Later {
    /// The alert of `key` is done, and another ticket of it may appear.
    pub(super) fn remember(&self, key: &AlertKey) {
        let mut due = self.due();
        let done = Instant::now();
        due.insert(key.clone(), Due { at: done + WAITS[0], done, looks: 0 });
        if due.len() > MOST
            && let Some(first) = due.iter().min_by_key(|(_, due)| due.done).map(|(key, _)| key.clone())
        {
            debug!("{first} is not looked for again: there are more than {MOST}");
            due.remove(&first);
        }
        drop(due);
        self.added.notify_one();
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.due().len()
    }

    /// Waits until one is due.
    pub(super) async fn until_due(&self) {
        loop {
            let added = self.added.notified();
            let first = self.due().values().map(|due| due.at).min();
            match first {
                Some(first) => return sleep_until(first).await,
                None => added.await,
            }
        }
    }

    /// Those that are due, as many as go together in one search; this look of theirs is counted. After its last one an alert
    /// is forgotten.
    pub(super) fn take_due(&self) -> Vec<AlertKey> {
        let (mut all, now) = (self.due(), Instant::now());
        let due = all.iter_mut().filter(|(_, due)| due.at <= now + TOGETHER).take(MOST_IN_A_SEARCH);
        let keys = due.map(|(key, due)| {
            due.looks += 1;
            due.at = now + WAITS.get(due.looks).copied().unwrap_or_default();
            key.clone()
        });
        let keys = keys.collect();
        all.retain(|_, due| due.looks < WAITS.len());
        keys
    }

    fn due(&self) -> MutexGuard<'_, HashMap<AlertKey, Due>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
