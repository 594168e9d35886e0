//! A bounded number of clients of RT, each with a session of its own.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::rtir::Client;

/// A session that is left behind does no harm; a relay that does not stop does.
const LOG_OUT_WITHIN: Duration = Duration::from_secs(3);

/// The clients that nobody uses, and how many may be used.
pub(super) struct Workers {
    idle: Mutex<Vec<Client>>,
    free: Semaphore,
}

/// A client, back in the pool when dropped.
pub(super) struct Worker<'a> {
    client: Option<Client>,
    workers: &'a Workers,
    _permit: SemaphorePermit<'a>,
}

impl Workers {
    /// So many clients like `first`.
    pub(super) fn new(first: Client, count: usize) -> Self {
        let mut idle: Vec<_> = (1..count).map(|_| first.another()).collect();
        idle.push(first);
        Self { idle: Mutex::new(idle), free: Semaphore::new(count) }
    }

    /// Waits for a client. The one used last comes first, so that a quiet relay keeps one session warm.
    pub(super) async fn get(&self) -> Worker<'_> {
        loop {
            // The semaphore is never closed; were it, there would be a client or none all the same.
            let Ok(permit) = self.free.acquire().await else { continue };
            if let Some(client) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
                return Worker { client: Some(client), workers: self, _permit: permit };
            }
        }
    }

    /// Ends the sessions of all clients that nobody uses, as far as RT answers soon.
    pub(super) async fn log_out(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let all = join_all(idle.iter().map(Client::log_out));
        let _ = tokio::time::timeout(LOG_OUT_WITHIN, all).await;
    }
}

impl Deref for Worker<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        // Taken only on drop.
        self.client.as_ref().unwrap_or_else(|| unreachable!("a worker has its client until dropped"))
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        let mut idle = self.workers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.client.take());
    }
}
