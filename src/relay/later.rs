//! Alerts that are done, and of which RT may yet make another ticket: looked for again much later, and merged.
//!
//! An alert is acknowledged after its second look, and RT may commit what it was asked before even later: after a freeze of
//! minutes, say. So alerts of which that can be are looked for again, several in one search, and hold up none meanwhile.
//! This is known to this process only: a restart forgets it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use super::due::until_due;
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
    due: watch::Sender<HashMap<AlertKey, Due>>,
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
        self.due.send_modify(|all| {
            let done = Instant::now();
            all.insert(key.clone(), Due { at: done + WAITS[0], done, looks: 0 });
            if all.len() > MOST
                && let Some(first) = all.iter().min_by_key(|(_, due)| due.done).map(|(key, _)| key.clone())
            {
                debug!("{first} is not looked for again: there are more than {MOST}");
                all.remove(&first);
            }
        });
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.due.borrow().len()
    }

    /// Waits until one is due.
    pub(super) async fn until_due(&self) {
        until_due(self.due.subscribe(), |all| all.values().map(|due| due.at).min()).await;
    }

    /// Those that are due, as many as go together in one search.
    pub(super) fn all_due(&self) -> Vec<AlertKey> {
        let until = Instant::now() + TOGETHER;
        let all = self.due.borrow();
        let due = all.iter().filter(|(_, due)| due.at <= until).take(MOST_IN_A_SEARCH);
        due.map(|(key, _)| key.clone()).collect()
    }

    /// They were looked for. After its last look an alert is forgotten.
    pub(super) fn looked_for(&self, keys: &[AlertKey]) {
        let now = Instant::now();
        self.due.send_modify(|all| {
            for key in keys {
                let Some(due) = all.get_mut(key) else { continue };
                due.looks += 1;
                if let Some(wait) = WAITS.get(due.looks) {
                    due.at = now + *wait;
                } else {
                    all.remove(key);
                }
            }
        });
    }

    /// They could not be looked for: the same look is made a little later.
    pub(super) fn put_off(&self, keys: &[AlertKey]) {
        let at = Instant::now() + WAITS[0];
        self.due.send_modify(|all| {
            for key in keys {
                if let Some(due) = all.get_mut(key) {
                    due.at = at;
                }
            }
        });
    }

    /// Another look at it would not help.
    pub(super) fn forget(&self, key: &AlertKey) {
        self.due.send_modify(|all| {
            all.remove(key);
        });
    }
}
