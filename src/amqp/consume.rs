//! Taking deliveries and giving them back.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tracing::warn;

use super::connect::{Broker, channel, close};
use super::error::{CALL_TIMEOUT, Error, call};
use super::headers;
use super::topology;
use super::wire::Connection;

/// What was delivered so often may be what ends the relay each time.
const SUSPECT_RETURNS: i64 = 3;
/// A message that ends the relay does so soon: what has been held for so long does not.
const PROVEN_AFTER: Duration = Duration::from_secs(30);

/// A consumer of the relay's queue, with the connection it stands on.
///
/// It begins with one delivery at a time, and takes more once that one is none that has come back again and again, or
/// has proven harmless. So a message on which the relay crashes ages alone, and the broker's delivery limit meets none
/// of its neighbours.
pub struct Consumer {
    connection: Connection,
    channel: Channel,
    stream: lapin::Consumer,
    /// The stream before this one, until it is empty.
    before: Option<lapin::Consumer>,
    amqp_queue: String,
    prefetch: u16,
    /// It takes one at a time.
    is_narrow: bool,
    care: Care,
    /// The newest delivery, since when it is held, and whether it is suspect.
    newest: Option<(Instant, bool)>,
}

/// What may be the reason why the relay ends or loses its connection again and again, and is taken one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Nothing: this process has given back by itself what comes again.
    None,
    /// What the queue has counted to have come again and again.
    Counted,
    /// That, and all that comes again from a queue that does not count.
    All,
}

/// One delivery, to be settled exactly once.
#[derive(Debug)]
pub struct Delivery {
    /// As it came, but for the body.
    pub(super) message: lapin::message::Delivery,
    body: Bytes,
}

/// A connection to where there is all that is to be consumed. Nothing is taken yet.
pub struct Opened(Connection);

impl Opened {
    /// Connects and sees to the topology. A broker on which that fails counts as one that gives no connection.
    ///
    /// # Errors
    /// The broker cannot be reached, something is absent or not allowed, or the broker does not answer.
    pub async fn connect(broker: &Broker) -> Result<Self, Error> {
        let connection = broker.connect("consumer").await?;
        topology::ensure(&connection, broker.settings()).await.inspect_err(|_| broker.pass_over())?;
        Ok(Self(connection))
    }

    /// Whether the connection stands, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.0.status().connected()
    }

    /// Consumes with `care`, in the end holding at most `prefetch` deliveries that are not settled.
    ///
    /// # Errors
    /// As for [`Opened::connect`].
    pub async fn consume(self, broker: &Broker, prefetch: u16, care: Care) -> Result<Consumer, Error> {
        let Self(connection) = self;
        let amqp_queue = broker.settings().amqp_queue.clone();
        let begin = async {
            let channel = channel(&connection).await?;
            let stream = consume(&channel, &amqp_queue, if care == Care::None { prefetch } else { 1 }).await?;
            Ok((channel, stream))
        };
        let (channel, stream) = begin.await.inspect_err(|_| broker.pass_over())?;
        let is_narrow = prefetch > 1 && care != Care::None;
        Ok(Consumer { connection, channel, stream, before: None, amqp_queue, prefetch, is_narrow, care, newest: None })
    }
}

impl Consumer {
    /// Connects, sees to the topology and consumes: see [`Opened::connect`] and [`Opened::consume`].
    ///
    /// # Errors
    /// The broker cannot be reached, something is absent or not allowed, or the broker does not answer.
    pub async fn start(broker: &Broker, prefetch: u16, care: Care) -> Result<Self, Error> {
        Opened::connect(broker).await?.consume(broker, prefetch, care).await
    }

    /// Takes more than one delivery at a time, once there is no reason not to.
    ///
    /// # Errors
    /// As for [`Consumer::next`].
    pub async fn widen_when_proven(&mut self) -> Result<(), Error> {
        let proven = |(held_since, suspect): (Instant, bool)| !suspect || held_since.elapsed() > PROVEN_AFTER;
        if self.is_narrow && self.newest.is_some_and(proven) {
            // Large, and rarely needed.
            Box::pin(self.take_more()).await?;
        }
        Ok(())
    }

    /// Takes as many deliveries as it may hold, beside those that it holds already: the broker counts for each consumer
    /// what is not settled, and this begins with another. Returns whether it did.
    ///
    /// # Errors
    /// As for [`Consumer::next`].
    pub async fn take_more(&mut self) -> Result<bool, Error> {
        if self.before.is_some() {
            return Ok(false);
        }
        // Cancelled first: a queue with a single active consumer would not turn to the other.
        let cancel = self.channel.basic_cancel(self.stream.tag(), BasicCancelOptions::default());
        call("cancelling the consumer before another", cancel).await?;
        let next = consume(&self.channel, &self.amqp_queue, self.prefetch).await?;
        self.before = Some(mem::replace(&mut self.stream, next));
        self.is_narrow = false;
        Ok(true)
    }

    /// The next delivery.
    ///
    /// # Errors
    /// There will be no other: the channel or connection failed, or the broker cancelled the consumer, for instance
    /// as its queue was deleted. What was delivered and not settled comes back by itself.
    pub async fn next(&mut self) -> Result<Delivery, Error> {
        if let Some(before) = &mut self.before {
            // Cancelled, so it ends behind what it was sent already.
            match before.next().await {
                Some(delivered) => return self.take(delivered),
                None => self.before = None,
            }
        }
        match self.stream.next().await {
            Some(delivered) => self.take(delivered),
            None => Err(Error::Cancelled),
        }
    }

    fn take(&mut self, delivered: lapin::Result<lapin::message::Delivery>) -> Result<Delivery, Error> {
        match delivered {
            Ok(mut delivery) => {
                self.newest = Some((Instant::now(), is_suspect(&delivery, self.care)));
                if let Some(altered) = self.connection.take_altered(self.channel.id(), delivery.delivery_tag) {
                    warn!(amqp.delivery_tag = delivery.delivery_tag, "a message could not be read as it is: {altered}");
                    headers::say_altered(&mut delivery.properties, &altered);
                }
                let mut message = delivery;
                let body = std::mem::take(&mut message.data).into();
                Ok(Delivery { message, body })
            }
            Err(source) => Err(Error::Call { doing: "consuming".to_owned(), source }),
        }
    }

    /// Whether its connection stands, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Asks the broker for no more, and gives back what it had sent already. What was handed out before can still be
    /// settled.
    pub async fn give_back_buffered(&mut self) {
        let cancel = self.channel.basic_cancel(self.stream.tag(), BasicCancelOptions::default());
        if call("cancelling the consumer", cancel).await.is_err() {
            return; // without a channel nothing can be given back: it goes back by itself
        }
        let give_back = async {
            while let Ok(delivery) = self.next().await {
                let _ = delivery.give_back().await;
            }
        };
        // What is not given back by then goes back with the channel.
        let _ = tokio::time::timeout(CALL_TIMEOUT, give_back).await;
    }

    /// Closes the connection, so that the broker has got every acknowledgement.
    pub async fn close(&self) {
        close(&self.connection).await;
    }
}

/// Consumes `amqp_queue`, holding at most `prefetch` deliveries of it.
async fn consume(channel: &Channel, amqp_queue: &str, prefetch: u16) -> Result<lapin::Consumer, Error> {
    // Before consuming: the broker would else send the whole queue.
    call("setting the prefetch", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions::default();
    let consume = channel.basic_consume(amqp_queue.into(), "".into(), options, FieldTable::default());
    call(format!("consuming queue {amqp_queue:?}"), consume).await
}

/// Whether `delivery` has come back so often that it may be the reason.
fn is_suspect(delivery: &lapin::message::Delivery, care: Care) -> bool {
    let headers = delivery.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(headers::DELIVERY_COUNT)).and_then(headers::number) {
        Some(returns) => returns >= SUSPECT_RETURNS,
        None => care == Care::All && delivery.redelivered,
    }
}

impl Delivery {
    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The property `content_type`.
    pub fn content_type(&self) -> Option<&str> {
        self.message.properties.content_type().as_ref().map(lapin::types::ShortString::as_str)
    }

    /// The same for each delivery of the same message, as far as can be told.
    pub fn identity(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        let message_id = self.message.properties.message_id().as_ref().map(lapin::types::ShortString::as_str);
        (message_id, self.message.routing_key.as_str(), &self.body).hash(&mut hash);
        hash.finish()
    }

    /// The number of the delivery on its channel.
    pub fn tag(&self) -> u64 {
        self.message.delivery_tag
    }

    /// Whether the broker has given it to somebody before.
    pub fn was_delivered_before(&self) -> bool {
        let headers = self.message.properties.headers().as_ref();
        self.message.redelivered || headers.is_some_and(|headers| headers.contains_key(super::headers::DELIVERY_COUNT))
    }

    /// Whether it can still be settled. After the loss of a connection lapin hands out what it had buffered; that is
    /// delivered again and must not be worked on.
    pub fn is_live(&self) -> bool {
        self.message.acker.usable()
    }

    /// The alert is settled.
    ///
    /// # Errors
    /// The acknowledgement was not sent; `Ok(false)`: its channel is gone. Either way the broker delivers again.
    pub async fn ack(&self) -> Result<bool, Error> {
        call("acknowledging", self.message.acker.ack(BasicAckOptions::default())).await
    }

    /// Back into its queue.
    ///
    /// # Errors
    /// As for [`Delivery::ack`].
    pub async fn give_back(&self) -> Result<bool, Error> {
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        call("giving back", self.message.acker.nack(options)).await
    }
}
