//! The first create runs alone.
//!
//! RT drops a custom field silently where it is not applied or a right is missing, and then no alert ever finds its
//! ticket again. So after start, and after any fault of the set-up, one create runs alone until it is proven that its
//! ticket is found; only then may others go on side by side. A wrong set-up costs one ticket, not a queue of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::ticket::{AlertKey, TicketId};

/// Lets attempts through: all of them while the set-up is proven, else one.
#[derive(Default)]
pub(super) struct Gate {
    passage: RwLock<()>,
    proven: AtomicBool,
    /// Tickets that were made but are not found by their key. A restart forgets them.
    lost: Mutex<BTreeMap<TicketId, AlertKey>>,
}

/// The right to make an attempt, until dropped.
pub(super) enum Pass<'a> {
    /// Beside others.
    Shared { _guard: RwLockReadGuard<'a, ()> },
    /// Alone.
    Alone { _guard: RwLockWriteGuard<'a, ()> },
}

impl Gate {
    /// Waits until an attempt may be made.
    pub(super) async fn enter(&self) -> Pass<'_> {
        if self.is_proven() {
            let guard = self.passage.read().await;
            if self.is_proven() {
                return Pass::Shared { _guard: guard };
            }
        }
        let guard = self.passage.write().await;
        if self.is_proven() { Pass::Shared { _guard: guard.downgrade() } } else { Pass::Alone { _guard: guard } }
    }

    /// A ticket was made and found again. Only an attempt that ran alone proves the set-up: one beside others may have
    /// got through before the fault that made the gate close.
    pub(super) fn prove(&self, pass: &Pass<'_>) {
        if matches!(pass, Pass::Alone { .. }) && self.lost().is_none() {
            self.proven.store(true, Ordering::SeqCst);
        }
    }

    /// The set-up is at fault: from now on one at a time.
    pub(super) fn close(&self) {
        self.proven.store(false, Ordering::SeqCst);
    }

    /// Remembers a ticket that is not found by its key, and closes.
    pub(super) fn remember(&self, ticket: TicketId, key: &AlertKey) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).insert(ticket, key.clone());
        self.close();
    }

    /// The ticket is found now.
    pub(super) fn forget(&self, ticket: TicketId) {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).remove(&ticket);
    }

    /// The next ticket to mend before any create goes out.
    pub(super) fn lost(&self) -> Option<(TicketId, AlertKey)> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.first_key_value().map(|(ticket, key)| (*ticket, key.clone()))
    }

    /// All tickets that are not found by their key.
    pub(super) fn all_lost(&self) -> Vec<(TicketId, AlertKey)> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.iter().map(|(ticket, key)| (*ticket, key.clone())).collect()
    }

    fn is_proven(&self) -> bool {
        self.proven.load(Ordering::SeqCst)
    }
}
