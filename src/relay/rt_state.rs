//! Whether RT is well: one answer for the process, so that RT's troubles are never taken for an alert's.
//!
//! An attempt that fails makes the relay probe RT. If the probe fails, all alerts wait and none of their attempts counts;
//! one of them probes for all. If probes pass and yet creates fail, for several alerts with none succeeding in between,
//! RT is taken for unavailable too. Then alerts try one by one, ever more rarely: first those that have not failed yet,
//! since one of them that becomes a ticket tells that it is the others, and not RT.
//!
//! An outage lasts from the first attempt that failed to the next ticket that is made: probes that pass in between do
//! not make it younger.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use super::due::until_due;
use super::held::Held;
use super::outage::{FIRST_WAIT, MAX_WAIT, Outage, next_wait};
use crate::diagnosis::Diagnosis;
use crate::ticket::AlertKey;

/// So many alerts have to fail, with none succeeding in between, before it is RT that is at fault.
const ALERTS_THAT_TELL: usize = 3;
/// The longest wait before refused credentials are tried again: they may have been changed.
const LOGIN_WAIT: Duration = Duration::from_mins(5);
/// Alerts that would try one by one, and of which there has been none for so long, are another relay's.
const NOTHING_TO_TRY: Duration = Duration::from_secs(10);
/// Between two tries of an RT whose probes say nothing the outage grows by this part of its age.
const TRY_AFTER_PART: u32 = 5;

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
    failing: Mutex<Failing>,
    /// After this long alerts are better off with the broker, and a single alert failing tells that RT is at fault.
    pause_after: Duration,
}

/// When an outage began.
#[derive(Clone, Copy)]
struct Start {
    /// To show.
    since: Timestamp,
    /// To measure.
    began: Instant,
}

impl Start {
    fn now() -> Self {
        Self { since: Timestamp::now(), began: Instant::now() }
    }
}

/// What has failed since a ticket was last made.
#[derive(Default)]
struct Failing {
    /// When the first attempt did.
    since: Option<Start>,
    /// The alerts that did while probes passed, and whether others became tickets since each began to: then it says nothing
    /// of RT.
    alerts: HashMap<AlertKey, bool>,
    /// Creates fail although probes pass.
    despite_probes: bool,
    /// The wait before the next probe.
    probe_after: Duration,
    /// Since when alerts try one by one.
    half_open_since: Option<Instant>,
    /// The last wait after refused credentials: a directory behind RT may lock an account that is tried too often.
    login_after: Option<Duration>,
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
        Self { condition: watch::Sender::new(Condition::Well), failing: Mutex::default(), pause_after }
    }

    pub(super) fn condition(&self) -> Condition {
        self.condition.borrow().clone()
    }

    pub(super) fn is_open(&self) -> bool {
        self.condition.borrow().is_open()
    }

    /// Whether alerts try one by one, though probes pass.
    pub(super) fn is_half_open(&self) -> bool {
        matches!(*self.condition.borrow(), Condition::HalfOpen(_))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// An alert comes, and there was none: unless an outage goes on, what failed before says nothing any more.
    pub(super) fn begin_anew(&self) {
        if matches!(*self.condition.borrow(), Condition::Well) {
            *self.failing() = Failing::default();
        }
    }

    /// An alert's attempt failed.
    pub(super) fn attempt_failed(&self) {
        self.failing().since.get_or_insert_with(Start::now);
    }

    /// RT does not do what it should, as a probe or the set-up says. It wants to be left alone for `at_least`.
    pub(super) fn is_down(&self, cause: Diagnosis, at_least: Duration) {
        self.failing().probe_after = FIRST_WAIT.max(at_least).min(MAX_WAIT);
        self.go_down(cause);
    }

    /// RT refuses the credentials: they are tried again ever more rarely.
    pub(super) fn is_refused(&self, cause: Diagnosis) {
        let mut failing = self.failing();
        let wait = next_wait(failing.login_after).min(LOGIN_WAIT);
        failing.login_after = Some(wait);
        failing.probe_after = wait;
        drop(failing);
        self.go_down(cause);
    }

    /// An alert's attempt failed although a probe passed. `while_others_succeed`: since its first failure others became
    /// tickets.
    pub(super) fn alert_failed(&self, key: &AlertKey, cause: Diagnosis, while_others_succeed: bool, held: &Held) {
        let mut failing = self.failing();
        failing.alerts.insert(key.clone(), while_others_succeed);
        let age = failing.since.get_or_insert_with(Start::now).began.elapsed();
        let half_open = self.is_half_open();
        let all_failed = held.leave_held(&mut failing.alerts) == failing.alerts.len();
        let that_tell = failing.alerts.values().filter(|while_others_succeed| !**while_others_succeed).count();
        let telling = if half_open {
            // Held for longer, they would be taken back by the broker.
            let tried_for_long = failing.half_open_since.is_some_and(|since| since.elapsed() >= self.pause_after);
            that_tell > 0 && (all_failed || tried_for_long)
        } else {
            that_tell >= ALERTS_THAT_TELL || (that_tell > 0 && all_failed && age >= self.pause_after)
        };
        if !telling {
            return;
        }
        failing.despite_probes = true;
        failing.probe_after = (age / TRY_AFTER_PART).clamp(FIRST_WAIT, MAX_WAIT);
        drop(failing);
        self.go_down(cause);
    }

    /// Alerts try one by one, and none of those that failed is held any more: nothing is known to fail.
    pub(super) fn nothing_to_try(&self, held: &Held) {
        let mut failing = self.failing();
        let has_tried = failing.half_open_since.is_some_and(|since| since.elapsed() >= NOTHING_TO_TRY);
        held.leave_held(&mut failing.alerts);
        if has_tried && failing.alerts.is_empty() && self.is_half_open() {
            *failing = Failing::default();
            drop(failing);
            self.go_up();
        }
    }

    /// A ticket was created and proven.
    pub(super) fn alert_succeeded(&self) {
        *self.failing() = Failing::default();
        if self.is_half_open() {
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
        self.failing().probe_after
    }

    /// A probe passed. Where creates fail all the same that says little: alerts try one by one.
    pub(super) fn probe_passed(&self, held: &Held) {
        let mut failing = self.failing();
        failing.login_after = None;
        if !failing.despite_probes {
            failing.alerts.clear();
            if held.count() == 0 {
                failing.since = None;
            }
            drop(failing);
            return self.go_up();
        }
        failing.half_open_since = Some(Instant::now());
        drop(failing);
        self.condition.send_if_modified(|condition| {
            let Condition::Down(outage) = condition else { return false };
            *condition = Condition::HalfOpen(outage.clone());
            info!("probes of RT pass again: alerts try one by one");
            true
        });
    }

    /// Alerts wait from now on; an outage that goes on keeps its start. Logged when the cause changes.
    fn go_down(&self, cause: Diagnosis) {
        let Start { since, began } = *self.failing().since.get_or_insert_with(Start::now);
        self.condition.send_if_modified(|condition| {
            let outage = Outage::going_on(condition.outage(), cause, "alerts");
            *condition = Condition::Down(Outage { since, began, ..outage });
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

    fn failing(&self) -> std::sync::MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
