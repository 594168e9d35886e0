//! Requests to RT, so many at a time, and fairly.
//!
//! A slot is the right to have requests under way at RT, with a client of its own. Two kinds of alerts want one: *fresh*
//! ones, and those that *come again* after they failed or waited. However many of the latter there are, and however long
//! each keeps its slot, fresh ones go on: the last slot is not for what comes again while a fresh one is there. Within that
//! neither kind starves: they alternate, and whoever has waited for long goes first. Where there is but one slot they share
//! it in turns.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// So many successes let one more slot be used, where RT had been slow.
const SUCCESSES_TO_GROW: usize = 20;
/// Who has waited for so long goes before who has not, whatever their kind.
const LONG: Duration = Duration::from_secs(30);

/// Who wants a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An alert that RT has not been asked about.
    Fresh,
    /// One that failed or waited.
    Again,
}

/// The slots, and how many of them may be used at once.
pub(super) struct Slots<T>(Arc<Shared<T>>);

struct Shared<T> {
    pool: Mutex<Pool<T>>,
    most: usize,
    fresh_first: Box<dyn Fn() -> bool + Send + Sync>,
}

struct Pool<T> {
    /// What is not used. The one used last is taken first, so that a quiet relay keeps one session warm.
    idle: Vec<T>,
    fresh: VecDeque<Waiting<T>>,
    again: VecDeque<Waiting<T>>,
    used: usize,
    /// How many of those are used by what comes again.
    used_again: usize,
    last: Kind,
    limit: usize,
    successes: usize,
    /// How often the limit was halved: only requests of the present round may halve it again.
    round: usize,
}

struct Waiting<T> {
    since: Instant,
    give: oneshot::Sender<Slot<T>>,
}

/// A slot that is used, free again when dropped.
pub(super) struct Slot<T> {
    client: Option<T>,
    shared: Arc<Shared<T>>,
    kind: Kind,
    round: usize,
}

impl<T> Slots<T> {
    /// A slot for each of `clients`. While `fresh_first`, fresh alerts go first, however long others have waited: while it
    /// is only one of them that can tell whether RT fails, or those that have failed.
    pub(super) fn new(clients: Vec<T>, fresh_first: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let most = clients.len();
        let pool = Pool {
            idle: clients,
            fresh: VecDeque::new(),
            again: VecDeque::new(),
            used: 0,
            used_again: 0,
            last: Kind::Again,
            limit: most,
            successes: 0,
            round: 0,
        };
        Self(Arc::new(Shared { pool: Mutex::new(pool), most, fresh_first: Box::new(fresh_first) }))
    }

    /// Waits for a slot.
    pub(super) async fn get(&self, kind: Kind) -> Slot<T> {
        let (give, given) = oneshot::channel();
        self.0.pool().waiting(kind).push_back(Waiting { since: Instant::now(), give });
        self.0.grant();
        match given.await {
            Ok(slot) => slot,
            // Who waits is only left out when nobody listens any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// How many may be used at once now.
    pub(super) fn limit(&self) -> usize {
        self.0.pool().limit
    }

    /// The clients that are not used, for good.
    pub(super) fn take_idle(&self) -> Vec<T> {
        std::mem::take(&mut self.0.pool().idle)
    }
}

impl<T> Shared<T> {
    /// Gives free slots to who waits.
    fn grant(self: &Arc<Self>) {
        while let Some((give, slot)) = self.next() {
            // Where nobody waits any more the slot is dropped, which is free then.
            drop(give.send(slot));
        }
    }

    fn next(self: &Arc<Self>) -> Option<(oneshot::Sender<Slot<T>>, Slot<T>)> {
        let mut pool = self.pool();
        pool.forget_gone();
        let kind = pool.next((self.fresh_first)())?;
        let client = pool.idle.pop()?;
        let Some(Waiting { give, .. }) = pool.waiting(kind).pop_front() else {
            pool.idle.push(client);
            return None;
        };
        pool.last = kind;
        pool.used += 1;
        pool.used_again += usize::from(kind == Kind::Again);
        Some((give, Slot { client: Some(client), shared: Arc::clone(self), kind, round: pool.round }))
    }

    fn pool(&self) -> MutexGuard<'_, Pool<T>> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Pool<T> {
    fn waiting(&mut self, kind: Kind) -> &mut VecDeque<Waiting<T>> {
        match kind {
            Kind::Fresh => &mut self.fresh,
            Kind::Again => &mut self.again,
        }
    }

    /// Leaves out who waits no more, at the head of each queue.
    fn forget_gone(&mut self) {
        for waiting in [&mut self.fresh, &mut self.again] {
            while waiting.front().is_some_and(|waiting| waiting.give.is_closed()) {
                waiting.pop_front();
            }
        }
    }

    /// Who gets a slot now, if anybody.
    fn next(&self, fresh_first: bool) -> Option<Kind> {
        if self.used >= self.limit {
            return None;
        }
        match (self.fresh.front(), self.again.front()) {
            (None, None) => None,
            (Some(_), None) => Some(Kind::Fresh),
            (None, Some(_)) => Some(Kind::Again),
            (Some(_), Some(_)) if fresh_first => Some(Kind::Fresh),
            (Some(_), Some(_)) if self.limit > 1 && self.used_again + 1 >= self.limit => Some(Kind::Fresh),
            (Some(fresh), Some(again)) if fresh.since.min(again.since).elapsed() >= LONG => {
                Some(if fresh.since <= again.since { Kind::Fresh } else { Kind::Again })
            }
            (Some(_), Some(_)) => Some(if self.last == Kind::Fresh { Kind::Again } else { Kind::Fresh }),
        }
    }
}

impl<T> Slot<T> {
    /// RT did what it was asked.
    pub(super) fn succeeded(&self) {
        let mut pool = self.shared.pool();
        pool.successes += 1;
        if pool.successes >= SUCCESSES_TO_GROW {
            pool.successes = 0;
            pool.limit = (pool.limit + 1).min(self.shared.most);
            drop(pool);
            self.shared.grant();
        }
    }

    /// RT could not keep up: half as many from now on, once for all requests that were under way together. What comes again
    /// says nothing of that: it may be the alert that takes so long.
    pub(super) fn congested(&self) {
        if self.kind == Kind::Again {
            return;
        }
        let mut pool = self.shared.pool();
        pool.successes = 0;
        if pool.round == self.round {
            pool.round += 1;
            pool.limit = (pool.limit / 2).max(1);
        }
    }
}

impl<T> Deref for Slot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // Taken only on drop.
        self.client.as_ref().unwrap_or_else(|| unreachable!("a slot has its client until dropped"))
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        let mut pool = self.shared.pool();
        pool.idle.extend(self.client.take());
        pool.used -= 1;
        pool.used_again -= usize::from(self.kind == Kind::Again);
        drop(pool);
        self.shared.grant();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::task::JoinSet;

    use super::*;

    /// Nobody waits longer where all that waits together is done within that time.
    const LONGEST_WAIT: Duration = Duration::from_mins(1);

    /// Somebody who comes, wants a slot, and keeps it.
    #[derive(Clone, Debug)]
    struct Visit {
        comes: u64,
        kind: Kind,
        keeps: u64,
        /// Goes away instead, when it has waited for so long.
        patience: Option<u64>,
        congested: bool,
    }

    fn visit() -> impl Strategy<Value = Visit> {
        let kind = prop_oneof![Just(Kind::Fresh), Just(Kind::Again)];
        (0..20_000_u64, kind, 0..900_u64, proptest::option::weighted(0.2, 0..2000_u64), proptest::bool::weighted(0.1))
            .prop_map(|(comes, kind, keeps, patience, congested)| Visit { comes, kind, keeps, patience, congested })
    }

    /// Lets all of them come, and gives the longest wait of any.
    async fn visited(slots: usize, visits: Vec<Visit>) -> Duration {
        let slots = Arc::new(Slots::new((0..slots).collect(), || false));
        let mut all = JoinSet::new();
        for Visit { comes, kind, keeps, patience, congested } in visits {
            let slots = Arc::clone(&slots);
            all.spawn(async move {
                tokio::time::sleep(Duration::from_millis(comes)).await;
                let came = Instant::now();
                let patience = patience.map_or(LONGEST_WAIT * 100, Duration::from_millis);
                let slot = tokio::time::timeout(patience, slots.get(kind)).await;
                let waited = came.elapsed();
                let Ok(slot) = slot else { return waited };
                {
                    let pool = slots.0.pool();
                    assert!(pool.used_again <= pool.used && pool.used <= slots.0.most);
                }
                tokio::time::sleep(Duration::from_millis(keeps)).await;
                if congested {
                    slot.congested();
                } else {
                    slot.succeeded();
                }
                waited
            });
        }
        let mut longest = Duration::ZERO;
        while let Some(waited) = all.join_next().await {
            longest = longest.max(waited.unwrap());
        }
        let pool = slots.0.pool();
        assert_eq!((pool.used, pool.used_again, pool.idle.len()), (0, 0, slots.0.most), "none is lost");
        assert!(pool.fresh.is_empty() && pool.again.is_empty());
        longest
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nobody_starves_and_no_slot_is_lost(slots in 1..5_usize, visits in vec(visit(), 0..64)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let longest = runtime.block_on(visited(slots, visits));
            prop_assert!(longest <= LONGEST_WAIT, "{longest:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn neither_kind_starves_however_many_of_the_other_there_are() {
        for (stream, waits) in [(Kind::Fresh, Kind::Again), (Kind::Again, Kind::Fresh)] {
            for count in [1, 2, 4] {
                let slots = Arc::new(Slots::new((0..count).collect(), || false));
                let mut endless = JoinSet::new();
                for _ in 0..64 {
                    let slots = Arc::clone(&slots);
                    endless.spawn(async move {
                        loop {
                            let _slot = slots.get(stream).await;
                            tokio::time::sleep(Duration::from_secs(2)).await;
                        }
                    });
                }
                tokio::time::sleep(Duration::from_secs(10)).await;
                let slot = tokio::time::timeout(LONGEST_WAIT, slots.get(waits)).await;
                assert!(slot.is_ok(), "{waits:?} among {stream:?} on {count} slots");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_slot_is_not_for_what_comes_again_while_a_fresh_one_waits() {
        let slots = Slots::new(vec![1, 2], || false);
        let again = slots.get(Kind::Again).await;
        let other = slots.get(Kind::Again).await;
        let mut fresh = Box::pin(slots.get(Kind::Fresh));
        let mut more = Box::pin(slots.get(Kind::Again));
        assert!(futures_util::poll!(&mut more).is_pending() && futures_util::poll!(&mut fresh).is_pending());
        // Even one that has waited for long.
        tokio::time::advance(LONG * 2).await;
        drop(other);
        let fresh = fresh.await;
        assert!(futures_util::poll!(&mut more).is_pending());
        drop(again);
        drop((more.await, fresh));
    }

    #[tokio::test(start_paused = true)]
    async fn fresh_ones_go_first_while_only_they_can_tell() {
        let fresh_first = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&fresh_first);
        let slots = Slots::new(vec![1], move || asked.load(Ordering::Relaxed));
        let mut held = slots.get(Kind::Fresh).await;
        let mut again = Box::pin(slots.get(Kind::Again));
        assert!(futures_util::poll!(&mut again).is_pending());
        tokio::time::advance(LONG * 2).await;
        for _ in 0..3 {
            let mut fresh = Box::pin(slots.get(Kind::Fresh));
            assert!(futures_util::poll!(&mut fresh).is_pending());
            drop(held);
            held = fresh.await;
        }
        fresh_first.store(false, Ordering::Relaxed);
        let mut fresh = Box::pin(slots.get(Kind::Fresh));
        assert!(futures_util::poll!(&mut fresh).is_pending());
        drop(held);
        drop(again.await);
        drop(fresh.await);
    }

    #[tokio::test(start_paused = true)]
    async fn with_one_slot_both_kinds_alternate() {
        let slots = Arc::new(Slots::new(vec![1], || false));
        let held = slots.get(Kind::Fresh).await;
        let mut waiting = JoinSet::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        for kind in [Kind::Fresh, Kind::Fresh, Kind::Fresh, Kind::Again, Kind::Again, Kind::Again] {
            let (slots, order) = (Arc::clone(&slots), Arc::clone(&order));
            waiting.spawn(async move {
                let slot = slots.get(kind).await;
                order.lock().unwrap().push(kind);
                drop(slot);
            });
        }
        tokio::task::yield_now().await;
        drop(held);
        while waiting.join_next().await.is_some() {}
        let order = order.lock().unwrap();
        assert!(order.windows(2).all(|pair| pair[0] != pair[1]), "{order:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_is_given_to_who_has_gone_is_free() {
        let slots = Slots::new(vec![1], || false);
        let held = slots.get(Kind::Fresh).await;
        let mut gone = Box::pin(slots.get(Kind::Fresh));
        assert!(futures_util::poll!(&mut gone).is_pending());
        drop(held);
        drop(gone);
        assert!(tokio::time::timeout(Duration::from_millis(1), slots.get(Kind::Again)).await.is_ok());
    }
}
