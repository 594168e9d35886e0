//! Taking deliveries and giving them back.

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection};

use super::connect::{Broker, channel, close};
use super::error::{CALL_TIMEOUT, Error, call};
use super::topology;

/// A consumer of the relay's queue, with the connection it stands on.
pub struct Consumer {
    connection: Connection,
    channel: Channel,
    stream: lapin::Consumer,
}

/// One delivery, to be settled exactly once.
#[derive(Debug)]
pub struct Delivery(pub(super) lapin::message::Delivery);

impl Consumer {
    /// Connects, sees to the topology and consumes, holding at most `prefetch` deliveries that are not settled.
    ///
    /// # Errors
    /// The broker cannot be reached, something is absent or not allowed, or the broker does not answer.
    pub async fn start(broker: &Broker, prefetch: u16) -> Result<Self, Error> {
        let connection = broker.connect("consumer").await?;
        topology::ensure(&connection, broker.settings()).await?;
        let channel = channel(&connection).await?;
        // Before consuming: the broker would else send the whole queue.
        call("setting the prefetch", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let amqp_queue = broker.settings().amqp_queue.as_str();
        let options = BasicConsumeOptions::default();
        let consume = channel.basic_consume(amqp_queue.into(), "".into(), options, FieldTable::default());
        let stream = call(format!("consuming queue {amqp_queue:?}"), consume).await?;
        Ok(Self { connection, channel, stream })
    }

    /// The next delivery.
    ///
    /// # Errors
    /// There will be no other: the channel or connection failed, or the broker cancelled the consumer, for instance
    /// as its queue was deleted. What was delivered and not settled comes back by itself.
    pub async fn next(&mut self) -> Result<Delivery, Error> {
        match self.stream.next().await {
            Some(Ok(delivery)) => Ok(Delivery(delivery)),
            Some(Err(source)) => Err(Error::Call { doing: "consuming".to_owned(), source }),
            None => Err(Error::Cancelled),
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

impl Delivery {
    /// The body as it came.
    pub fn body(&self) -> &[u8] {
        &self.0.data
    }

    /// The property `content_type`.
    pub fn content_type(&self) -> Option<&str> {
        self.0.properties.content_type().as_ref().map(lapin::types::ShortString::as_str)
    }

    /// The number of the delivery on its channel.
    pub fn tag(&self) -> u64 {
        self.0.delivery_tag
    }

    /// Whether the broker has given it to somebody before.
    pub fn was_delivered_before(&self) -> bool {
        let headers = self.0.properties.headers().as_ref();
        self.0.redelivered || headers.is_some_and(|headers| headers.contains_key(super::headers::DELIVERY_COUNT))
    }

    /// Whether it can still be settled. After the loss of a connection lapin hands out what it had buffered; that is
    /// delivered again and must not be worked on.
    pub fn is_live(&self) -> bool {
        self.0.acker.usable()
    }

    /// The alert is settled.
    ///
    /// # Errors
    /// The acknowledgement was not sent; `Ok(false)`: its channel is gone. Either way the broker delivers again.
    pub async fn ack(&self) -> Result<bool, Error> {
        call("acknowledging", self.0.acker.ack(BasicAckOptions::default())).await
    }

    /// Back into its queue.
    ///
    /// # Errors
    /// As for [`Delivery::ack`].
    pub async fn give_back(&self) -> Result<bool, Error> {
        let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        call("giving back", self.0.acker.nack(options)).await
    }

    /// To where the broker dead-letters, without a reason.
    ///
    /// # Errors
    /// As for [`Delivery::ack`].
    pub async fn reject(&self) -> Result<bool, Error> {
        call("rejecting", self.0.acker.reject(BasicRejectOptions { requeue: false })).await
    }
}
