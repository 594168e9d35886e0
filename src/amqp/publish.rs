//! Publishing so that one knows: persistent, mandatory, one unconfirmed message at a time.

use std::sync::Arc;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::Mutex;

use super::connect::{Broker, channel};
use super::error::{CALL_TIMEOUT, Error, call};
use super::headers;
use super::wire::Connection;

/// A connection of its own for publishing. The broker blocks a connection that publishes when memory runs low, and
/// acknowledgements must not be blocked with it.
pub struct Publisher {
    broker: Arc<Broker>,
    purpose: &'static str,
    /// Held during a publish: with several mandatory ones under way, lapin may report a return for the wrong one.
    open: Mutex<Option<Open>>,
}

struct Open {
    connection: Connection,
    /// None where it was left in an unknown state: the next publish opens another.
    channel: Option<Channel>,
}

/// A message is not known to be stored.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No queue would get it.
    #[error("no queue is bound to exchange {exchange:?} for routing key {routing_key:?}")]
    Unroutable {
        /// Where it was published.
        exchange: String,
        /// With what key.
        routing_key: String,
    },
    /// There is no such exchange.
    #[error("there is no exchange {0:?}")]
    NoExchange(String),
    /// A queue refused it, as it is full.
    #[error("the broker refuses it: a queue bound to exchange {0:?} is full")]
    Refused(String),
    /// The broker did not confirm in time; it may have stored it all the same.
    #[error("the broker did not confirm in {CALL_TIMEOUT:?}")]
    Unconfirmed,
    /// The broker takes nothing from publishers, to save memory or disk. It was not sent.
    #[error("the broker takes no messages: it is low on memory or disk")]
    Blocked,
    /// Its headers and properties are larger than a frame of this connection. It was not sent.
    #[error("its headers are larger than the broker takes ({bytes} bytes, at most {most})")]
    HeadersTooLarge {
        /// How large they are.
        bytes: usize,
        /// How large they may be.
        most: usize,
    },
    /// The broker or the way to it failed.
    #[error(transparent)]
    Broker(#[from] Error),
}

impl PublishError {
    /// Whether the channel can be used again. RabbitMQ 3.10 goes on refusing on a channel what a quorum queue has refused
    /// once, when its limit is taken away.
    fn leaves_channel_well(&self) -> bool {
        matches!(self, Self::Unroutable { .. } | Self::HeadersTooLarge { .. })
    }
}

impl Publisher {
    /// A publisher that connects when first needed.
    pub fn new(broker: Arc<Broker>, purpose: &'static str) -> Self {
        Self { broker, purpose, open: Mutex::new(None) }
    }

    /// Publishes a message and waits until the broker has stored it.
    ///
    /// # Errors
    /// It is not known to be stored. Where that leaves the channel in an unknown state, the next publish opens another.
    pub async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), PublishError> {
        let mut slot = self.open.lock().await;
        let mut open = match slot.take().filter(Open::is_usable) {
            Some(open) => open,
            None => Open { connection: self.broker.connect(self.purpose).await?, channel: None },
        };
        let stored = open.publish(exchange, routing_key, properties, body).await;
        // A blocked connection cannot even be closed, and what it holds is sent once the broker goes on. So it is kept
        // and given no more: else every try would leave a connection behind, and another copy.
        if open.channel.is_some() || open.is_blocked() {
            *slot = Some(open);
        }
        stored
    }
}

impl Open {
    fn is_usable(&self) -> bool {
        let channel = self.channel.as_ref();
        self.connection.status().connected() && channel.is_none_or(|channel| channel.status().connected())
    }

    fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// A channel that confirms.
    async fn new_channel(&self) -> Result<Channel, Error> {
        let channel = channel(&self.connection).await?;
        call("asking for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }

    /// The broker closes the connection over a header frame that is too large.
    fn check_headers(&self, properties: &BasicProperties) -> Result<(), PublishError> {
        let most = usize::try_from(self.connection.configuration().frame_max()).unwrap_or(usize::MAX);
        let bytes = headers::frame_size(properties);
        if most > 0 && bytes > most { Err(PublishError::HeadersTooLarge { bytes, most }) } else { Ok(()) }
    }

    async fn publish(
        &mut self,
        exchange: &str,
        routing_key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<(), PublishError> {
        if self.is_blocked() {
            return Err(PublishError::Blocked);
        }
        let channel = match self.channel.take() {
            Some(channel) => channel,
            None => self.new_channel().await?,
        };
        let stored = match self.check_headers(&properties) {
            Ok(()) => confirmed(&channel, exchange, routing_key, properties, body).await,
            Err(error) => Err(error),
        };
        if stored.as_ref().map_or_else(PublishError::leaves_channel_well, |()| true) {
            self.channel = Some(channel);
        }
        stored
    }
}

async fn confirmed(
    channel: &Channel,
    exchange: &str,
    routing_key: &str,
    properties: BasicProperties,
    body: &[u8],
) -> Result<(), PublishError> {
    let doing = format!("publishing to exchange {exchange:?}");
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = properties.with_delivery_mode(2);
    let publish =
        async { channel.basic_publish(exchange.into(), routing_key.into(), options, body, properties).await?.await };
    match tokio::time::timeout(CALL_TIMEOUT, publish).await {
        // An acknowledgement that carries the message says that it came back, unroutable.
        Ok(Ok(Confirmation::Ack(None))) => Ok(()),
        Ok(Ok(Confirmation::Ack(Some(_)))) => {
            Err(PublishError::Unroutable { exchange: exchange.to_owned(), routing_key: routing_key.to_owned() })
        }
        Ok(Ok(Confirmation::Nack(_))) => Err(PublishError::Refused(exchange.to_owned())),
        Ok(Ok(Confirmation::NotRequested)) | Err(_) => Err(PublishError::Unconfirmed),
        Ok(Err(source)) => Err(match (Error::Call { doing, source }) {
            error if error.is_not_found() => PublishError::NoExchange(exchange.to_owned()),
            error => error.into(),
        }),
    }
}
