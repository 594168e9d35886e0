//! Every delivery is settled here, and only here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::handle::Handled;
use super::letter_state::{LetterState, Parked};
use super::outage::FIRST_WAIT;
use super::panics::without_panic;
use super::work::unless;
use crate::amqp::{DeadLetters, Delivery, Error, LetterCopy};
use crate::metrics::Metrics;
use crate::outcome::{DeadLetter, Done, Fate, Settled};
use crate::retry::Policy;

/// Tells the broker what became of each delivery.
pub(super) struct Settler {
    dead_letters: DeadLetters,
    pub(super) letter_state: LetterState,
    retry: Policy,
    metrics: Arc<Metrics>,
    /// Rings when an alert has its ticket.
    ticket_made: Arc<Notify>,
    /// A delivery was, since [`Settler::has_settled`] was asked last.
    settled: AtomicBool,
}

impl Settler {
    pub(super) fn new(
        dead_letters: DeadLetters,
        letter_state: LetterState,
        retry: Policy,
        metrics: Arc<Metrics>,
        ticket_made: Arc<Notify>,
    ) -> Self {
        Self { dead_letters, letter_state, retry, metrics, ticket_made, settled: AtomicBool::new(false) }
    }

    /// Whether a delivery was settled since this was asked last.
    pub(super) fn has_settled(&self) -> bool {
        self.settled.swap(false, Ordering::Relaxed)
    }

    /// Settles `delivery`. A fault of the relay in doing so gives it back, a while later: it would else keep its place until
    /// the broker takes it away.
    pub(super) async fn settle_surely(&self, delivery: &Delivery, handled: &Handled, released: &CancellationToken) {
        if without_panic(self.settle(delivery, handled, released)).await.is_none() {
            error!(
                "the relay failed on settling this alert, which goes back to its queue; the log says where it failed"
            );
            let _ = unless(released, tokio::time::sleep(FIRST_WAIT)).await;
            // Where it was settled before the fault, this does nothing.
            let _ = is_told(delivery.give_back().await);
            self.metrics.settled(handled.alert_type, Settled::Returned);
        }
    }

    /// Tells the broker what became of `delivery`: acknowledged only when its ticket or the copy in the dead-letter
    /// queue exists. Until the copy is stored the original is kept; when it is released first, it goes back.
    async fn settle(&self, delivery: &Delivery, handled: &Handled, released: &CancellationToken) {
        let (settled, told) = match &handled.fate {
            Fate::Done { ticket, how } => {
                info!(rt.ticket_id = ticket, outcome = how.as_str(), "ticket {ticket} {}", how.as_str());
                if let (Done::Created | Done::Merged, Some(detected_at)) = (how, handled.detected_at) {
                    self.metrics.ticket_made(detected_at);
                }
                let told = delivery.ack().await;
                self.ticket_made.notify_one();
                (Settled::Done(*how), told)
            }
            Fate::Ignored(rule) => {
                info!(outcome = "ignored", rule = rule.as_str(), "ignored by rule {}", rule.as_str());
                (Settled::Ignored, delivery.ack().await)
            }
            Fate::Returned => {
                debug!(outcome = "returned", "given back");
                (Settled::Returned, delivery.give_back().await)
            }
            Fate::DeadLetter(letter) => self.settle_dead_letter(delivery, letter, released).await,
        };
        // What the broker was not told comes back as well, and its ticket is found then.
        let settled = if is_told(told) { settled } else { Settled::Returned };
        if settled != Settled::Returned {
            self.settled.store(true, Ordering::Relaxed);
        }
        self.metrics.settled(handled.alert_type, settled);
    }

    async fn settle_dead_letter(
        &self,
        delivery: &Delivery,
        letter: &DeadLetter,
        released: &CancellationToken,
    ) -> (Settled, Result<bool, Error>) {
        let reason = letter.reason.as_str();
        if !self.store(delivery, letter, released).await {
            return (Settled::Returned, delivery.give_back().await);
        }
        warn!(outcome = "dead_letter", reason, "dead-lettered: {}", letter.diagnosis);
        self.metrics.dead_letter(letter.reason);
        (Settled::DeadLetter, delivery.ack().await)
    }

    /// Whether its copy is stored. While it cannot be, the alert waits, and holds up no other; it goes back to its queue when
    /// the relay wants its deliveries back, or before it has been held for too long.
    async fn store(&self, delivery: &Delivery, letter: &DeadLetter, released: &CancellationToken) -> bool {
        let copy = LetterCopy::of(delivery, letter);
        let identity = delivery.identity();
        let mut delays = self.retry.delays();
        let mut parked: Option<Parked<'_>> = None;
        while let Ok(turn) = unless(released, self.letter_state.turn()).await {
            match self.dead_letters.store(&copy).await {
                Ok(()) => {
                    self.letter_state.stored(identity);
                    return true;
                }
                Err(error) => parked.get_or_insert_with(|| self.letter_state.park(identity)).failed(error.diagnosis()),
            }
            drop(turn);
            let wait = unless(released, tokio::time::sleep(delays.next(Duration::ZERO))).await;
            if wait.is_err() || parked.as_ref().is_some_and(Parked::is_overdue) {
                break;
            }
        }
        false
    }
}

/// Whether the broker was told.
fn is_told(told: Result<bool, Error>) -> bool {
    match told {
        Ok(true) => return true,
        Ok(false) => debug!("the delivery's channel is gone; it comes again"),
        Err(error) => debug!("{error}; the delivery comes again"),
    }
    false
}
