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

/// When, from the time an alert was done.
const LOOKS: [Duration; 3] = [Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(15)];
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

struct Due {
    done: Instant,
    /// How often it was looked for since.
    looks: usize,
}

impl Due {
    fn at(&self) -> Option<Instant> {
        LOOKS.get(self.looks).map(|after| self.done + *after)
    }
}

impl Later {
    /// The alert of `key` is done, and another ticket of it may appear.
    pub(super) fn remember(&self, key: &AlertKey) {
        let mut due = self.due();
        due.insert(key.clone(), Due { done: Instant::now(), looks: 0 });
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

    /// Waits until some are due, and counts their look.
    pub(super) async fn next(&self) -> Vec<AlertKey> {
        loop {
            let added = self.added.notified();
            let Some(first) = self.due().values().filter_map(Due::at).min() else {
                added.await;
                continue;
            };
            sleep_until(first).await;
            let keys = self.take(first + TOGETHER);
            if !keys.is_empty() {
                return keys;
            }
        }
    }

    /// Those that are due by `until`, as many as go together. After its last look one is forgotten.
    fn take(&self, until: Instant) -> Vec<AlertKey> {
        let mut all = self.due();
        let is_due = |due: &Due| due.at().is_some_and(|at| at <= until);
        let keys = all.iter_mut().filter(|(_, due)| is_due(due)).take(MOST_IN_A_SEARCH);
        let keys = keys.map(|(key, due)| {
            due.looks += 1;
            key.clone()
        });
        let keys = keys.collect();
        all.retain(|_, due| due.at().is_some());
        keys
    }

    fn due(&self) -> MutexGuard<'_, HashMap<AlertKey, Due>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
