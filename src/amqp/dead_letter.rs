//! The copy of an alert that goes to the dead-letter exchange: the body byte for byte, the reason in headers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gethostname::gethostname;
use jiff::Timestamp;
use lapin::BasicProperties;
use tracing::warn;

use super::connect::{Broker, close};
use super::consume::Delivery;
use super::error::Error;
use super::headers::{self, Headers};
use super::publish::{PublishError, Publisher};
use super::{topology, trim};
use crate::diagnosis::{Diagnosis, Trouble};
use crate::outcome::{Attempt, DeadLetter};

/// The longest message or answer in a header, in bytes.
const MAX_TEXT_BYTES: usize = 2 * 1024;
/// The longest history in a header, in bytes.
const MAX_HISTORY_BYTES: usize = 4 * 1024;

/// Publishes dead letters.
pub struct DeadLetters {
    publisher: Publisher,
    broker: Arc<Broker>,
    /// Whether it was said that dead letters come back as alerts.
    loop_is_named: AtomicBool,
}

/// What goes to the dead-letter exchange.
pub struct LetterCopy<'a> {
    properties: BasicProperties,
    routing_key: String,
    body: &'a [u8],
    /// The message is a dead-letter copy already, and was not replayed.
    came_back: bool,
}

/// The copy is not stored, so the original must stay.
#[derive(Debug, thiserror::Error)]
#[error("the dead letter is not stored: {0}")]
pub struct NotStored(#[from] pub PublishError);

impl NotStored {
    /// The error with what mends it.
    pub fn diagnosis(&self) -> Diagnosis {
        let (trouble, cure) = match &self.0 {
            PublishError::Unroutable { .. } => {
                (Some(Trouble::InvalidQueue), "Unless it is declared again, bind AMQP_DEAD_LETTER_QUEUE to it with #")
            }
            PublishError::NoExchange(_) => (Some(Trouble::InvalidQueue), "It is declared again"),
            PublishError::Refused(_) => {
                (Some(Trouble::InvalidQueue), "Take dead letters out of that queue, or raise its limit")
            }
            PublishError::Blocked => (None, "Free memory or disk on the broker, or raise its limits"),
            PublishError::Unconfirmed | PublishError::HeadersTooLarge { .. } => (None, "See the broker's log"),
            PublishError::Broker(error) => {
                let cause = error.diagnosis();
                return Diagnosis { what: format!("dead letters cannot be stored, {}", cause.what), ..cause };
            }
        };
        Diagnosis { trouble, ..Diagnosis::other("dead letters cannot be stored", self.0.to_string(), cure) }
    }
}

impl DeadLetters {
    /// Dead letters for the exchange of the broker's settings.
    pub fn new(broker: Arc<Broker>) -> Self {
        let publisher = Publisher::new(Arc::clone(&broker), "dead letters");
        Self { publisher, broker, loop_is_named: AtomicBool::new(false) }
    }

    /// Stores `copy`. Where it has no place any more, what vanished is declared for the next try.
    ///
    /// # Errors
    /// The copy is not known to be stored.
    pub async fn store(&self, copy: &LetterCopy<'_>) -> Result<(), NotStored> {
        let stored = match self.publish(copy, copy.properties.clone()).await {
            Err(PublishError::HeadersTooLarge { bytes, most }) => {
                let trimmed = trim::fit(copy.properties.clone(), most);
                warn!("the dead letter's headers have {bytes} bytes, the broker takes {most}: they are trimmed");
                self.publish(copy, trimmed).await
            }
            stored => stored,
        };
        if let Err(PublishError::NoExchange(_) | PublishError::Unroutable { .. }) = stored {
            self.declare_again().await.map_err(PublishError::from)?;
        }
        Ok(stored?)
    }

    /// To the dead-letter exchange; straight to the queue, where that exchange leads back to the relay.
    async fn publish(&self, copy: &LetterCopy<'_>, properties: BasicProperties) -> Result<(), PublishError> {
        let settings = self.broker.settings();
        let (exchange, routing_key) = if copy.came_back {
            self.name_loop();
            ("", &settings.dead_letter_queue)
        } else {
            (settings.dead_letter_exchange.as_str(), &copy.routing_key)
        };
        self.publisher.publish(exchange, routing_key, properties, copy.body).await
    }

    /// Once, however many come back.
    fn name_loop(&self) {
        if !self.loop_is_named.swap(true, Ordering::Relaxed) {
            let settings = self.broker.settings();
            warn!(
                "dead letters come back to queue {:?}: exchange {:?} or queue {:?} leads there, or somebody moved them. What \
                 fails again goes straight to queue {2:?}. Remove the binding, and replay with rtir-relay dead-letters replay",
                settings.amqp_queue, settings.dead_letter_exchange, settings.dead_letter_queue
            );
        }
    }

    /// Not on the publisher's connection, which the broker may block.
    async fn declare_again(&self) -> Result<(), Error> {
        let connection = self.broker.connect("dead letters' topology").await?;
        let declared = topology::ensure_dead_letters(&connection, self.broker.settings()).await;
        close(&connection).await;
        declared
    }
}

impl<'a> LetterCopy<'a> {
    /// A copy of `delivery`, which is not touched, with the reason. Its routing key is that of the first time, where the
    /// alert was replayed. However often it is stored, it is one letter: the time of its failure is that of now.
    pub fn of(delivery: &'a Delivery, letter: &DeadLetter) -> Self {
        let lapin::message::Delivery { exchange, routing_key, properties, .. } = &delivery.message;
        let mut headers = Headers::of(properties);
        // A replay has no such header any more.
        let came_back = headers.has(headers::REASON);
        headers.put_aside(properties);
        headers.name_or(headers::ORIGINAL_EXCHANGE, exchange.as_str());
        let routing_key = headers.name_or(headers::ORIGINAL_ROUTING_KEY, routing_key.as_str());
        add_failure(&mut headers, letter);
        let properties = headers.into_properties(properties);
        Self { properties, routing_key, body: delivery.body(), came_back }
    }
}

/// What an operator needs to know; what is unknown is absent, also where an earlier failure left it.
fn add_failure(headers: &mut Headers, letter: &DeadLetter) {
    let service =
        format!("{}/{}@{}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), gethostname().to_string_lossy());
    headers.text(headers::REASON, letter.reason.as_str());
    headers.text(headers::MESSAGE, cut(&letter.diagnosis.to_string(), MAX_TEXT_BYTES));
    headers.text(headers::TIME, &format!("{:.3}", Timestamp::now()));
    headers.text(headers::SERVICE, &service);
    headers.number(headers::ATTEMPTS, letter.attempts.into());
    headers.text(headers::HISTORY, &history(&letter.history));
    for name in [headers::HTTP_STATUS, headers::RESPONSE, headers::ALERT_KEY] {
        headers.remove(name);
    }
    if let Some(answer) = &letter.answer {
        headers.number(headers::HTTP_STATUS, answer.http_status.into());
        headers.text(headers::RESPONSE, cut(&answer.message, MAX_TEXT_BYTES));
    }
    if let Some(key) = &letter.key {
        headers.text(headers::ALERT_KEY, key);
    }
}

/// The newest attempts that fit, as a JSON array of `{time, cause}`.
fn history(attempts: &[Attempt]) -> String {
    let entry =
        |attempt: &Attempt| serde_json::json!({"time": attempt.time, "cause": cut(&attempt.cause, 512)}).to_string();
    let mut entries = Vec::new();
    let mut bytes = 2;
    for entry in attempts.iter().rev().map(entry) {
        bytes += entry.len() + 1;
        if bytes > MAX_HISTORY_BYTES {
            break;
        }
        entries.push(entry);
    }
    entries.reverse();
    format!("[{}]", entries.join(","))
}

fn cut(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}
