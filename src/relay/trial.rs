//! What is known of one alert's attempts so far.

use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use crate::outcome::{Attempt, Class, DeadLetter, Diagnosis, Reason, Trouble};
use crate::retry::Delays;
use crate::rtir::Error;
use crate::ticket::{AlertKey, TicketId};

/// How many failed attempts are remembered; the newest stay.
const MAX_HISTORY: usize = 32;

/// Time for RT to finish what it was asked before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Grace {
    NotGiven,
    /// Before the next attempt.
    Owed,
    /// Since the delivery.
    Given,
}

/// One alert's attempts.
pub(super) struct Trial {
    /// Attempts that failed while RT was otherwise well.
    pub attempts: u32,
    /// How many tickets the process had created when the first of them failed.
    pub created_before: Option<u64>,
    /// And when the last attempt began: what failed just before others succeeded may have failed as they did before.
    pub created_at_start: u64,
    pub delays: Delays,
    /// A ticket was made; only its proof is missing.
    pub made: Option<TicketId>,
    /// RT may make, or have made, a ticket that no answer told of: in this process, or before a redelivery.
    pub uncertain: bool,
    /// The time that RT is given to finish such a ticket, before it is looked for.
    pub grace: Grace,
    /// RT was asked to make a ticket.
    pub asked: bool,
    /// Why the outcome of the last create is unknown. The next find tells whether it failed.
    pub unknown: Option<Diagnosis>,
    /// Its ticket is counted among those created.
    pub counted: bool,
    history: Vec<Attempt>,
    /// Why it waits, as last logged.
    logged: Option<Diagnosis>,
}

impl Trial {
    pub(super) fn new(delays: Delays, redelivered: bool) -> Self {
        Self {
            attempts: 0,
            created_before: None,
            created_at_start: 0,
            delays,
            made: None,
            uncertain: redelivered,
            grace: Grace::NotGiven,
            asked: false,
            unknown: None,
            counted: false,
            history: Vec::new(),
            logged: None,
        }
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
    pub(super) fn log(&mut self, alert_id: &str, because: Diagnosis, wait: Duration) {
        if self.logged.as_ref() != Some(&because) {
            warn!("alert {alert_id} waits, its next attempt is in {wait:.1?}: {because}");
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
