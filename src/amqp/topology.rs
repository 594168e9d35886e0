//! The exchanges, queues and bindings that the relay needs.
//!
//! Each is looked for first and declared only if it is absent: what an operator made is used as it is, since a
//! declaration with other arguments would be refused.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{ErrorKind, ExchangeKind};
use tracing::info;

use super::connect::channel;
use super::error::{Error, call};
use super::wire::Connection;
use crate::config::{Amqp, Topology};

/// How often an alert may come back before the broker itself dead-letters it: the net under a crash loop.
const DELIVERY_LIMIT: i64 = 100;
/// Looking into the dead-letter queue counts as delivery; 4.x would drop a letter after 20 looks, and 3.x takes -1
/// (no limit) for one already passed.
const DEAD_LETTER_DELIVERY_LIMIT: i64 = 1_000_000;
/// From this major version of RabbitMQ on, a delivery limit below 0 is none.
const UNLIMITED_BELOW_0_SINCE: u32 = 4;

/// Sees to it that everything is there.
///
/// # Errors
/// Something is absent and may not be declared ([`Error::Absent`]), or the broker refuses it or does not answer.
pub async fn ensure(connection: &Connection, settings: &Amqp) -> Result<(), Error> {
    // The net first: dead letters have a place before an alert can be taken.
    ensure_dead_letters(connection, settings).await?;
    Route::of_alerts(settings).ensure(connection, settings.topology).await
}

/// Sees to it that dead letters have a place.
///
/// # Errors
/// As for [`ensure`].
pub async fn ensure_dead_letters(connection: &Connection, settings: &Amqp) -> Result<(), Error> {
    Route::of_dead_letters(settings).ensure(connection, settings.topology).await
}

/// How often a message may be delivered before the broker drops it. Looking at a dead letter is a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryLimit {
    /// However often: a classic queue, or from RabbitMQ 4 on a limit below 0.
    Uncounted,
    /// So often, by the queue's arguments; below 0, what is looked at once is dropped when it goes back. A policy may set fewer, which AMQP does not tell.
    Known(i64),
    /// The arguments name none, or may not be asked for.
    Unknown,
}

impl DeliveryLimit {
    /// What has to be reckoned with: where nothing is known, what RabbitMQ sets from 4.0 on.
    pub fn most(self) -> Option<i64> {
        match self {
            Self::Uncounted => None,
            Self::Known(most) => Some(most),
            Self::Unknown => Some(20),
        }
    }

    /// What it means to a server of this major version. One that is not known may be an old one.
    fn as_of(self, server_major: Option<u32>) -> Self {
        match self {
            Self::Known(..0) if server_major.is_some_and(|major| major >= UNLIMITED_BELOW_0_SINCE) => Self::Uncounted,
            limit => limit,
        }
    }
}

/// The delivery limit of the dead-letter queue. AMQP cannot be asked for it: but a declaration changes nothing where
/// the queue is there, and the broker refuses one that differs with the name and value of what differs.
///
/// # Errors
/// The queue is not there, or the broker fails.
pub(super) async fn delivery_limit(connection: &Connection, settings: &Amqp) -> Result<DeliveryLimit, Error> {
    let letters = Route::of_dead_letters(settings);
    if !queue_is_there(connection, letters.amqp_queue).await? {
        return Err(Error::Absent(format!("queue {:?}", letters.amqp_queue)));
    }
    if settings.topology == Topology::Passive {
        return Ok(DeliveryLimit::Unknown);
    }
    match letters.declare_queue(connection).await {
        Ok(()) => Ok(DeliveryLimit::Known(DEAD_LETTER_DELIVERY_LIMIT)),
        Err(Error::Call { source, .. }) => match source.kind() {
            ErrorKind::ProtocolError(error) => {
                Ok(limit_in(error.get_message().as_str()).as_of(connection.server_major()))
            }
            _ => Err(Error::Call { doing: "looking at the dead-letter queue".to_owned(), source }),
        },
        Err(error) => Err(error),
    }
}

/// The limit in `PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'q' in vhost '/': received the
/// value '1000000' of type 'long' but current is '20'`.
fn limit_in(refusal: &str) -> DeliveryLimit {
    let differs = |argument: &str| refusal.contains(&format!("inequivalent arg '{argument}'"));
    let current = refusal.rsplit_once("but current is").and_then(|(_, current)| current.split('\'').nth(1));
    match current {
        // Where another type is the default, the broker adds it to the arguments.
        None | Some("classic") if differs("x-queue-type") => DeliveryLimit::Uncounted,
        Some(current) if differs("x-delivery-limit") => {
            current.parse().map_or(DeliveryLimit::Unknown, DeliveryLimit::Known)
        }
        _ => DeliveryLimit::Unknown,
    }
}

/// An exchange, a queue, and what binds them.
pub(super) struct Route<'a> {
    pub exchange: &'a str,
    pub amqp_queue: &'a str,
    pub binding: &'a str,
    pub arguments: FieldTable,
}

impl<'a> Route<'a> {
    /// The way of alerts.
    pub(super) fn of_alerts(settings: &'a Amqp) -> Self {
        let text = |text: &str| AMQPValue::LongString(text.into());
        Self {
            exchange: &settings.exchange,
            amqp_queue: &settings.amqp_queue,
            binding: &settings.binding,
            arguments: quorum([
                ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
                ("x-dead-letter-exchange", text(&settings.dead_letter_exchange)),
                // At-least-once needs reject-publish; with another overflow the broker falls back silently.
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-overflow", text("reject-publish")),
            ]),
        }
    }

    /// The way of dead letters.
    pub(super) fn of_dead_letters(settings: &'a Amqp) -> Self {
        Self {
            exchange: &settings.dead_letter_exchange,
            amqp_queue: &settings.dead_letter_queue,
            binding: "#",
            arguments: quorum([("x-delivery-limit", AMQPValue::LongLongInt(DEAD_LETTER_DELIVERY_LIMIT))]),
        }
    }

    async fn ensure(&self, connection: &Connection, topology: Topology) -> Result<(), Error> {
        let exchange_there = exchange_is_there(connection, self.exchange).await?;
        let queue_there = queue_is_there(connection, self.amqp_queue).await?;
        if exchange_there && queue_there {
            return Ok(());
        }
        if topology == Topology::Passive {
            return Err(Error::Absent(if exchange_there {
                format!("queue {:?}", self.amqp_queue)
            } else {
                format!("exchange {:?}", self.exchange)
            }));
        }
        if !exchange_there {
            self.declare_exchange(connection).await?;
        }
        if !queue_there {
            self.declare_queue(connection).await?;
            info!("declared queue {:?}", self.amqp_queue);
        }
        // A binding cannot be looked for. Where both ends were there, an operator may have bound them more narrowly.
        self.bind(connection).await
    }

    async fn declare_exchange(&self, connection: &Connection) -> Result<(), Error> {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let channel = channel(connection).await?;
        let declare =
            channel.exchange_declare(self.exchange.into(), ExchangeKind::Topic, options, FieldTable::default());
        call(format!("declaring exchange {:?}", self.exchange), declare).await?;
        info!("declared exchange {:?}", self.exchange);
        Ok(())
    }

    async fn declare_queue(&self, connection: &Connection) -> Result<(), Error> {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let channel = channel(connection).await?;
        let declare = channel.queue_declare(self.amqp_queue.into(), options, self.arguments.clone());
        call(format!("declaring queue {:?}", self.amqp_queue), declare).await.map(drop)
    }

    async fn bind(&self, connection: &Connection) -> Result<(), Error> {
        let (queue, exchange, binding) = (self.amqp_queue, self.exchange, self.binding);
        let channel = channel(connection).await?;
        let options = QueueBindOptions::default();
        let bind = channel.queue_bind(queue.into(), exchange.into(), binding.into(), options, FieldTable::default());
        call(format!("binding queue {queue:?} to exchange {exchange:?}"), bind).await
    }
}

// A missing exchange or queue closes the channel, so each look has its own.

/// Whether there is such an exchange. Needs no right.
pub(super) async fn exchange_is_there(connection: &Connection, exchange: &str) -> Result<bool, Error> {
    let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let channel = channel(connection).await?;
    let look = channel.exchange_declare(exchange.into(), ExchangeKind::Topic, options, FieldTable::default());
    is_there(call(format!("looking for exchange {exchange:?}"), look).await)
}

/// Whether there is such a queue. Needs no right.
pub(super) async fn queue_is_there(connection: &Connection, amqp_queue: &str) -> Result<bool, Error> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let channel = channel(connection).await?;
    let look = channel.queue_declare(amqp_queue.into(), options, FieldTable::default());
    is_there(call(format!("looking for queue {amqp_queue:?}"), look).await.map(drop))
}

fn is_there(looked: Result<(), Error>) -> Result<bool, Error> {
    match looked {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

fn quorum<const N: usize>(arguments: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    for (name, value) in arguments {
        table.insert(name.into(), value);
    }
    table
}
