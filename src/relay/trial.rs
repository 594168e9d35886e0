//! What is known of one alert's attempts so far.

use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use crate::diagnosis::{Diagnosis, Trouble};
use crate::outcome::{Attempt, Class, DeadLetter, Reason};
use crate::retry::Delays;
use crate::rtir::Error;
use crate::ticket::AlertKey;

/// How many failed attempts are remembered; the newest stay.
const MAX_HISTORY: usize = 32;

/// One alert's attempts.
pub(super) struct Trial {
    /// Attempts that failed while RT was otherwise well.
    attempts: u32,
    /// How many tickets the process had created when the first of them failed.
    created_before: Option<u64>,
    pub delays: Delays,
    /// How long to wait before the next.
    pub wait: Duration,
    /// RT was asked to make a ticket.
    pub asked: bool,
    /// Its ticket is counted among those created.
    pub counted: bool,
    /// Why the outcome of the last create is unknown. The next find tells whether it failed.
    pub unknown: Option<Diagnosis>,
    /// Why the last attempt failed.
    pub failure: Option<Error>,
    history: Vec<Attempt>,
    /// Why it waits, as last logged.
    logged: Option<Diagnosis>,
}

impl Trial {
    pub(super) fn new(delays: Delays) -> Self {
        Self {
            attempts: 0,
            created_before: None,
            delays,
            wait: Duration::ZERO,
            asked: false,
            counted: false,
            unknown: None,
            failure: None,
            history: Vec::new(),
            logged: None,
        }
    }

    /// Whether it fails although others succeed: an attempt that began after another alert's ticket was created failed as
    /// well. `created_at_start`: how many there were when the last one began.
    pub(super) fn fails_while_others_succeed(&self, created_at_start: u64) -> bool {
        // Its own is no other's.
        self.created_before.is_some_and(|before| before + u64::from(self.counted) < created_at_start)
    }

    /// Whether it has failed so often that it is given up, if it is this alert that fails.
    pub(super) fn has_failed_often(&self, max_attempts: u32) -> bool {
        self.attempts >= max_attempts
    }

    /// Counts an attempt that failed while RT was well.
    pub(super) fn count(&mut self, error: &Error, tickets_created: u64) {
        self.attempts += 1;
        self.created_before.get_or_insert(tickets_created);
        if self.history.len() == MAX_HISTORY {
            self.history.remove(0);
        }
        self.history.push(Attempt { time: Timestamp::now().to_string(), cause: error.to_string() });
    }

    /// Says why the alert waits, when that changes.
    pub(super) fn log(&mut self, alert_id: &str, because: Diagnosis) {
        if self.logged.as_ref() != Some(&because) {
            warn!("alert {alert_id} waits, its next attempt is in {:.1?}: {because}", self.wait);
            self.logged = Some(because);
        }
    }

    /// The dead letter of an alert that is given up because of `error`.
    pub(super) fn give_up(&self, reason: Reason, key: &AlertKey, error: &Error) -> Box<DeadLetter> {
        let diagnosis = error.diagnosis();
        let while_others = format!("{} {} times while other alerts became tickets", diagnosis.what, self.attempts);
        let diagnosis = match reason {
            Reason::Exhausted => Diagnosis {
                what: while_others,
                cure: "See RT's log for what it fails on, then replay the alert".to_owned(),
                ..diagnosis
            },
            _ if error.class() == Class::Doubtful => Diagnosis {
                trouble: Some(Trouble::RejectedData),
                what: while_others,
                cure: "Fix what RT names, in the alert or for its RT queue, then replay the alert".to_owned(),
                ..diagnosis
            },
            _ => diagnosis,
        };
        Box::new(DeadLetter {
            reason,
            diagnosis,
            key: Some(key.to_string()),
            attempts: self.attempts,
            history: self.history.clone(),
            answer: error.answer().cloned(),
        })
    }
}
