//! A bounded number of clients of RT, each with a session of its own; fewer where RT cannot keep up.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::rtir::Client;

/// A session that is left behind does no harm; a relay that does not stop does.
const LOG_OUT_WITHIN: Duration = Duration::from_secs(3);
/// So many successes let one more client work, where RT had been slow.
const SUCCESSES_TO_GROW: usize = 20;

/// The clients, and how many of them may work at once.
pub(super) struct Workers {
    pool: Mutex<Pool>,
    freed: Notify,
    /// `RTIR_CONCURRENCY`
    most: usize,
}

struct Pool {
    idle: Vec<Client>,
    working: usize,
    limit: usize,
    successes: usize,
    /// How often the limit was halved: only requests of the present round may halve it again.
    round: usize,
}

/// A client at work, back in the pool when dropped.
pub(super) struct Worker<'a> {
    client: Option<Client>,
    workers: &'a Workers,
    round: usize,
}

impl Workers {
    /// So many clients like `first`.
    pub(super) fn new(first: Client, most: usize) -> Self {
        let mut idle: Vec<_> = (1..most).map(|_| first.another()).collect();
        idle.push(first);
        let pool = Pool { idle, working: 0, limit: most, successes: 0, round: 0 };
        Self { pool: Mutex::new(pool), freed: Notify::new(), most }
    }

    /// Waits for a client. The one used last comes first, so that a quiet relay keeps one session warm.
    pub(super) async fn get(&self) -> Worker<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before looking, so that no wake-up is missed.
            freed.as_mut().enable();
            if let Some(worker) = self.try_get() {
                return worker;
            }
            freed.await;
        }
    }

    fn try_get(&self) -> Option<Worker<'_>> {
        let mut pool = self.pool();
        if pool.working >= pool.limit {
            return None;
        }
        let client = pool.idle.pop()?;
        pool.working += 1;
        Some(Worker { client: Some(client), workers: self, round: pool.round })
    }

    /// How many may work at once now.
    pub(super) fn limit(&self) -> usize {
        self.pool().limit
    }

    /// Ends the sessions of all clients that nobody uses, as far as RT answers soon.
    pub(super) async fn log_out(&self) {
        let idle = std::mem::take(&mut self.pool().idle);
        let all = join_all(idle.iter().map(Client::log_out));
        let _ = tokio::time::timeout(LOG_OUT_WITHIN, all).await;
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker<'_> {
    /// RT did what it was asked.
    pub(super) fn succeeded(&self) {
        let mut pool = self.workers.pool();
        pool.successes += 1;
        if pool.successes >= SUCCESSES_TO_GROW {
            pool.successes = 0;
            pool.limit = (pool.limit + 1).min(self.workers.most);
            self.workers.freed.notify_one();
        }
    }

    /// RT could not keep up: half as many from now on, once for all requests that were under way together.
    pub(super) fn congested(&self) {
        let mut pool = self.workers.pool();
        pool.successes = 0;
        if pool.round == self.round {
            pool.round += 1;
            pool.limit = (pool.limit / 2).max(1);
        }
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
        let mut pool = self.workers.pool();
        pool.idle.extend(self.client.take());
        pool.working -= 1;
        drop(pool);
        self.workers.freed.notify_one();
    }
}
