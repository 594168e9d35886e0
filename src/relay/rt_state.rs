//! Whether RT is well: one answer for the process, so that RT's troubles are never taken for an alert's.
//!
//! An attempt that fails makes the relay look at RT. If RT is not well, all alerts wait and none of their attempts
//! counts; one of them probes for all. If RT looks well and yet creates fail, for several alerts with none succeeding in
//! between, RT is taken for down too, and let try again alert by alert, ever more rarely.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use super::outage::{FIRST_WAIT, MAX_WAIT, Outage, next_wait, until_due};
use crate::outcome::Diagnosis;
use crate::ticket::AlertKey;

/// So many alerts have to fail, with none succeeding in between, before it is RT that is at fault.
const ALERTS_THAT_TELL: usize = 3;

/// How RT is.
#[derive(Clone, Debug)]
pub enum Condition {
    /// As far as is known, well.
    Well,
    /// Alerts wait.
    Down(Outage),
    /// Creates failed although RT looked well: alerts try one by one until one succeeds.
    HalfOpen(Outage),
}

/// The condition and what leads from one to the next.
pub(super) struct RtState {
    condition: watch::Sender<Condition>,
    trouble: Mutex<Trouble>,
    /// After this long alerts are better off with the broker, and a single alert failing tells that RT is at fault.
    pause_after: Duration,
}

#[derive(Default)]
struct Trouble {
    /// The alerts that failed since the last success while RT looked well, and when the first of them did.
    failing: HashSet<AlertKey>,
    failing_since: Option<Instant>,
    /// How long to wait before the next try, where looks say nothing.
    try_after: Option<Duration>,
    /// The wait before the next probe.
    probe_after: Duration,
}

impl Condition {
    /// Whether attempts may be made.
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::Down(_))
    }

    /// Why alerts wait, or try one by one.
    pub fn outage(&self) -> Option<&Outage> {
        match self {
            Self::Well => None,
            Self::Down(outage) | Self::HalfOpen(outage) => Some(outage),
        }
    }
}

impl RtState {
    pub(super) fn new(pause_after: Duration) -> Self {
        Self { condition: watch::Sender::new(Condition::Well), trouble: Mutex::default(), pause_after }
    }

    pub(super) fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    pub(super) fn is_open(&self) -> bool {
        self.condition.borrow().is_open()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// RT does not do what it should, as a look or the set-up says. It wants to be left alone for `at_least`.
    pub(super) fn is_down(&self, cause: Diagnosis, at_least: Duration) {
        self.trouble().probe_after = FIRST_WAIT.max(at_least).min(MAX_WAIT);
        self.go_down(cause);
    }

    /// An alert's attempt failed although RT looks well; `held` alerts are being worked on in all.
    pub(super) fn alert_failed(&self, key: &AlertKey, cause: Diagnosis, held: usize) {
        let mut trouble = self.trouble();
        trouble.failing.insert(key.clone());
        let since = *trouble.failing_since.get_or_insert_with(Instant::now);
        let half_open = matches!(*self.condition.borrow(), Condition::HalfOpen(_));
        let all_failed = trouble.failing.len() >= held;
        let telling = trouble.failing.len() >= ALERTS_THAT_TELL
            || (all_failed && (half_open || since.elapsed() >= self.pause_after));
        if !telling {
            return;
        }
        let wait = next_wait(trouble.try_after);
        trouble.try_after = Some(wait);
        trouble.probe_after = wait;
        drop(trouble);
        self.go_down(cause);
    }

    /// A ticket was created and proven.
    pub(super) fn alert_succeeded(&self) {
        {
            let mut trouble = self.trouble();
            trouble.failing.clear();
            trouble.failing_since = None;
            trouble.try_after = None;
        }
        if matches!(*self.condition.borrow(), Condition::HalfOpen(_)) {
            self.go_up();
        }
    }

    /// Waits until RT has been down for so long that alerts are better off with the broker.
    pub(super) async fn until_pause_is_due(&self) {
        let due = |condition: &Condition| match condition {
            Condition::Down(outage) => Some(outage.began + self.pause_after),
            Condition::Well | Condition::HalfOpen(_) => None,
        };
        until_due(self.watch(), due).await;
    }

    /// How long to wait before the next probe.
    pub(super) fn probe_after(&self) -> Duration {
        self.trouble().probe_after
    }

    /// A probe found RT well. After failing creates that says little: alerts try one by one.
    pub(super) fn probe_passed(&self) {
        let mut trouble = self.trouble();
        trouble.failing.clear();
        trouble.failing_since = None;
        if trouble.try_after.is_none() {
            drop(trouble);
            return self.go_up();
        }
        drop(trouble);
        self.condition.send_if_modified(|condition| {
            let Condition::Down(outage) = condition else { return false };
            *condition = Condition::HalfOpen(outage.clone());
            info!("RT looks well again: alerts try one by one");
            true
        });
    }

    /// Alerts wait from now on; an outage that goes on keeps its beginning. Logged when the cause changes.
    fn go_down(&self, cause: Diagnosis) {
        self.condition.send_if_modified(|condition| {
            *condition = Condition::Down(Outage::going_on(condition.outage(), cause, "alerts"));
            true
        });
    }

    fn go_up(&self) {
        self.condition.send_if_modified(|condition| {
            let Some(outage) = condition.outage() else { return false };
            info!("RT is well again after {:.1?}", outage.began.elapsed());
            *condition = Condition::Well;
            true
        });
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
