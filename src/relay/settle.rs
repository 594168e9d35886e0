//! Every delivery is settled here, and only here.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::handle::Handled;
use super::run::Service;
use super::work::unless;
use crate::amqp::{Delivery, Error, LetterCopy, PublishError};
use crate::outcome::{DeadLetter, Done, Fate, Settled};

impl Service {
    /// Tells the broker what became of `delivery`: acknowledged only when its ticket or the copy in the dead-letter
    /// queue exists. Until the copy is stored the original is kept; when it is released first, it goes back.
    pub(super) async fn settle(&self, delivery: &Delivery, handled: &Handled, released: &CancellationToken) {
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
        match self.store(delivery, letter, released).await {
            Stored::Copy => {
                warn!(outcome = "dead_letter", reason, "dead-lettered: {}", letter.diagnosis);
                self.metrics.dead_letter(letter.reason);
                (Settled::DeadLetter, delivery.ack().await)
            }
            Stored::ByBroker => {
                error!(outcome = "dead_letter", reason, "no copy fits: {}", letter.diagnosis);
                self.metrics.dead_letter(letter.reason);
                (Settled::DeadLetter, delivery.reject().await)
            }
            Stored::NotYet => (Settled::Returned, delivery.give_back().await),
        }
    }

    async fn store(&self, delivery: &Delivery, letter: &DeadLetter, released: &CancellationToken) -> Stored {
        let copy = LetterCopy::of(delivery, letter);
        let mut delays = self.retry.delays();
        while let Ok(turn) = unless(released, self.letter_state.turn()).await {
            match self.dead_letters.store(&copy).await {
                Ok(()) => {
                    self.letter_state.stored();
                    return Stored::Copy;
                }
                Err(error) if matches!(error.0, PublishError::HeadersTooLarge(_)) => return Stored::ByBroker,
                Err(error) => self.letter_state.failed(error.diagnosis()),
            }
            drop(turn);
            if unless(released, tokio::time::sleep(delays.next(Duration::ZERO))).await.is_err() {
                break;
            }
        }
        Stored::NotYet
    }
}

/// How a dead letter is kept.
enum Stored {
    /// As a copy with its reason.
    Copy,
    /// It cannot be copied: the broker has to dead-letter it, without a reason.
    ByBroker,
    /// Not at all, and the relay wants its deliveries back.
    NotYet,
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
