//! One key at a time: two deliveries of the same alert must not both find nothing and create.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::ticket::AlertKey;

/// The keys that are being worked on in this process.
#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<HashSet<AlertKey>>,
    freed: Notify,
}

/// The right to work on a key, until dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    key: AlertKey,
}

impl Turns {
    /// The turn, if nobody works on `key`.
    pub(super) fn try_take(&self, key: &AlertKey) -> Option<Turn<'_>> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        taken.then(|| Turn { turns: self, key: key.clone() })
    }

    /// Waits until nobody works on `key`.
    pub(super) async fn take(&self, key: &AlertKey) -> Turn<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before looking, so that no wake-up is missed.
            freed.as_mut().enable();
            if let Some(turn) = self.try_take(key) {
                return turn;
            }
            freed.await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.turns.freed.notify_waiters();
    }
}
