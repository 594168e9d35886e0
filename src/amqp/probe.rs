//! Whether the relay may do what it will have to, without doing it.
//!
//! A look needs no right, and consuming or publishing for a try would move messages. So the broker is asked for what it
//! must refuse for one wrong value, which it finds only after it has looked at the user's rights: then a refusal of the
//! value proves the right, and nothing has happened. Source: RabbitMQ, `rabbit_channel`; observed on 3.10.

use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, ExchangeKind};

use super::connect::{Address, Broker, channel};
use super::error::{CALL_TIMEOUT, Error, call};
use super::topology::{self, Route};
use super::wire::Connection;

/// No number and no duration.
const WRONG: &str = "wrong on purpose";

/// A connection for looking around.
pub struct Probe {
    connection: Connection,
}

impl Probe {
    /// Connects to one of the brokers.
    ///
    /// # Errors
    /// It cannot be reached, or refuses certificate, credentials or vhost.
    pub async fn start(broker: &Broker, address: &Address) -> Result<Self, Error> {
        Ok(Self { connection: broker.connect_to(address, "check", CALL_TIMEOUT).await? })
    }

    /// Whether there is such an exchange.
    ///
    /// # Errors
    /// The broker did not answer.
    pub async fn exchange_is_there(&self, exchange: &str) -> Result<bool, Error> {
        topology::exchange_is_there(&self.connection, exchange).await
    }

    /// Whether there is such a queue.
    ///
    /// # Errors
    /// The broker did not answer, or the queue is down.
    pub async fn queue_is_there(&self, amqp_queue: &str) -> Result<bool, Error> {
        topology::queue_is_there(&self.connection, amqp_queue).await
    }

    /// Proves the right to consume a queue that is there. No message is delivered.
    ///
    /// # Errors
    /// The right is missing, or the broker did not answer.
    pub async fn may_consume(&self, amqp_queue: &str) -> Result<(), Error> {
        let channel = channel(&self.connection).await?;
        let options = BasicConsumeOptions::default();
        let consume = channel.basic_consume(amqp_queue.into(), "".into(), options, wrong("x-priority"));
        refused_for_the_value(call(format!("consuming queue {amqp_queue:?}"), consume).await.map(drop))
    }

    /// Proves the right to publish to an exchange that is there. Nothing is published.
    ///
    /// # Errors
    /// The right is missing, or the broker did not answer.
    pub async fn may_publish(&self, exchange: &str) -> Result<(), Error> {
        may_publish(&self.connection, exchange).await
    }

    /// Proves the right to declare an exchange that is not there. It is not declared.
    ///
    /// # Errors
    /// The right is missing, or the broker did not answer.
    pub async fn may_declare_exchange(&self, exchange: &str) -> Result<(), Error> {
        let channel = channel(&self.connection).await?;
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let arguments = with_wrong(FieldTable::default(), "alternate-exchange", AMQPValue::Boolean(false));
        let declare = channel.exchange_declare(exchange.into(), ExchangeKind::Topic, options, arguments);
        refused_for_the_value(call(format!("declaring exchange {exchange:?}"), declare).await)
    }

    /// Proves the rights to declare the queue of alerts, which is not there. It is not declared.
    ///
    /// # Errors
    /// A right is missing, or the broker did not answer.
    pub async fn may_declare_queue(&self, broker: &Broker) -> Result<(), Error> {
        self.may_declare(&Route::of_alerts(broker.settings())).await
    }

    /// Proves the rights to declare the queue of dead letters, which is not there. It is not declared.
    ///
    /// # Errors
    /// A right is missing, or the broker did not answer.
    pub async fn may_declare_dead_letter_queue(&self, broker: &Broker) -> Result<(), Error> {
        self.may_declare(&Route::of_dead_letters(broker.settings())).await
    }

    async fn may_declare(&self, route: &Route<'_>) -> Result<(), Error> {
        let channel = channel(&self.connection).await?;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let wrong = AMQPValue::LongString(WRONG.into());
        let arguments = with_wrong(route.arguments.clone(), "x-max-length", wrong);
        let declare = channel.queue_declare(route.amqp_queue.into(), options, arguments);
        let doing = format!("declaring queue {:?}", route.amqp_queue);
        refused_for_the_value(call(doing, declare).await.map(drop))
    }

    /// Closes the connection.
    pub async fn close(self) {
        let _ = call("closing the connection", self.connection.close(200, "".into())).await;
    }
}

/// As [`Probe::may_publish`], on any connection.
pub(super) async fn may_publish(connection: &Connection, exchange: &str) -> Result<(), Error> {
    let channel = channel(connection).await?;
    call("asking for confirms", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    let properties = BasicProperties::default().with_expiration(WRONG.into());
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let publish = async {
        channel.basic_publish(exchange.into(), "check".into(), options, b"", properties).await?.await.map(drop)
    };
    refused_for_the_value(call(format!("publishing to exchange {exchange:?}"), publish).await)
}

fn with_wrong(mut arguments: FieldTable, name: &str, value: AMQPValue) -> FieldTable {
    arguments.insert(name.into(), value);
    arguments
}

fn wrong(name: &str) -> FieldTable {
    with_wrong(FieldTable::default(), name, AMQPValue::LongString(WRONG.into()))
}

fn refused_for_the_value(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(error) if error.is_precondition() => Ok(()),
        answer => answer,
    }
}
