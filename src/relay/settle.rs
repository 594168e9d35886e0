//! Every delivery is settled here, and only here.

use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::amqp::{DeadLetters, Delivery, Error, PublishError};
use crate::outcome::{DeadLetter, Fate};
use crate::retry::Policy;

/// Tells the broker what became of `delivery`: acknowledged only when its ticket or the copy in the dead-letter queue
/// exists. Until the copy is stored the original is kept; when the relay stops first, it goes back.
pub(super) async fn settle(
    delivery: &Delivery,
    fate: &Fate,
    dead_letters: &DeadLetters,
    retry: &Policy,
    stop: &CancellationToken,
) {
    let settled = match fate {
        Fate::Done { ticket, how } => {
            info!(rt.ticket_id = ticket, outcome = how.as_str(), "ticket {ticket} {}", how.as_str());
            delivery.ack().await
        }
        Fate::Ignored(rule) => {
            info!(outcome = "ignored", rule = rule.as_str(), "ignored by rule {}", rule.as_str());
            delivery.ack().await
        }
        Fate::Returned => {
            debug!(outcome = "returned", "given back");
            delivery.give_back().await
        }
        Fate::DeadLetter(letter) => match store(delivery, letter, dead_letters, retry, stop).await {
            Stored::Copy => {
                warn!(outcome = "dead_letter", reason = letter.reason.as_str(), "dead-lettered: {}", letter.diagnosis);
                delivery.ack().await
            }
            Stored::ByBroker => {
                error!(outcome = "dead_letter", reason = letter.reason.as_str(), "no copy fits: {}", letter.diagnosis);
                delivery.reject().await
            }
            Stored::NotYet => delivery.give_back().await,
        },
    };
    log_unsettled(settled);
}

/// How a dead letter is kept.
enum Stored {
    /// As a copy with its reason.
    Copy,
    /// It cannot be copied: the broker has to dead-letter it, without a reason.
    ByBroker,
    /// Not at all, and the relay stops.
    NotYet,
}

async fn store(
    delivery: &Delivery,
    letter: &DeadLetter,
    dead_letters: &DeadLetters,
    retry: &Policy,
    stop: &CancellationToken,
) -> Stored {
    let mut delays = retry.delays();
    let mut logged = String::new();
    loop {
        let error = match dead_letters.store(delivery, letter).await {
            Ok(()) => return Stored::Copy,
            Err(error) if matches!(error.0, PublishError::HeadersTooLarge(_)) => return Stored::ByBroker,
            Err(error) => error.to_string(),
        };
        if error != logged {
            error!("{error}; the alert is kept and the copy tried again");
            logged = error;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Stored::NotYet,
            () = tokio::time::sleep(delays.next(std::time::Duration::ZERO)) => {}
        }
    }
}

/// What was not acknowledged comes back, and its ticket is found then.
fn log_unsettled(settled: Result<bool, Error>) {
    match settled {
        Ok(true) => {}
        Ok(false) => debug!("the delivery's channel is gone; it comes again"),
        Err(error) => debug!("{error}; the delivery comes again"),
    }
}
