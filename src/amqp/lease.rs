//! One at a time: an exclusive queue, which stands as long as the connection of whoever declared it. Others ask its
//! holder through it, by messages that want an answer.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel};

use super::connect::{Broker, channel, close};
use super::error::{Error, call};
use super::probe::may_publish;
use super::wire::Connection;

/// Where the broker sends answers to whoever consumes it. Source: RabbitMQ, "Direct Reply-to".
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// What only one can hold, held until it is dropped or its connection is lost.
pub struct Lease {
    held: Held,
    connection: Connection,
}

/// A lease on somebody's connection.
pub(super) struct Held {
    channel: Channel,
    questions: lapin::Consumer,
}

/// A question to the holder of a lease.
pub struct Question {
    /// What is asked.
    pub body: Vec<u8>,
    reply_to: Option<ShortString>,
    channel: Channel,
}

impl Lease {
    /// Takes the lease `name`; `None` if another has it.
    ///
    /// # Errors
    /// The broker cannot be reached, does not let the user declare the queue, or does not answer.
    pub async fn take(broker: &Broker, name: &str) -> Result<Option<Self>, Error> {
        let connection = broker.connect("lease").await?;
        let held = Held::take(&connection, name).await?;
        Ok(held.map(|held| Self { held, connection }))
    }

    /// Takes the lease `name`, however long another has it: looks `every` so often, over one connection, and says by
    /// `taken` each time that it is taken.
    ///
    /// # Errors
    /// As for [`Lease::take`].
    pub async fn wait(broker: &Broker, name: &str, every: Duration, mut taken: impl FnMut()) -> Result<Self, Error> {
        let connection = broker.connect("lease").await?;
        loop {
            if let Some(held) = Held::take(&connection, name).await? {
                return Ok(Self { held, connection });
            }
            taken();
            tokio::time::sleep(every).await;
        }
    }

    /// Whether it is held, as far as is known.
    pub fn is_held(&self) -> bool {
        self.connection.status().connected() && self.held.channel.status().connected()
    }

    /// The next question.
    ///
    /// # Errors
    /// The lease is lost.
    pub async fn next(&mut self) -> Result<Question, Error> {
        self.held.next().await
    }

    /// Gives it back at once.
    pub async fn give_back(self) {
        close(&self.connection).await;
    }
}

impl Held {
    /// Takes the lease `name` on `connection`; `None` if another has it.
    pub(super) async fn take(connection: &Connection, name: &str) -> Result<Option<Self>, Error> {
        let owned = channel(connection).await?;
        let mut arguments = FieldTable::default();
        // Whatever type the vhost gives by default: only a classic queue can be exclusive.
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let declare = owned.queue_declare(name.into(), options, arguments);
        match call(format!("declaring the exclusive queue {name:?}"), declare).await {
            Ok(_) => Ok(Some(Self { questions: consume(&owned, name).await?, channel: owned })),
            Err(error) if error.is_soft(&AMQPSoftError::RESOURCELOCKED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The next question.
    pub(super) async fn next(&mut self) -> Result<Question, Error> {
        match self.questions.next().await {
            Some(Ok(message)) => Ok(Question {
                body: message.data,
                reply_to: message.properties.reply_to().clone(),
                channel: self.channel.clone(),
            }),
            Some(Err(source)) => Err(Error::Call { doing: "holding the lease".to_owned(), source }),
            None => Err(Error::Cancelled),
        }
    }
}

impl Question {
    /// Answers, if an answer is wanted.
    pub async fn answer(&self, answer: &[u8]) {
        let Some(reply_to) = self.reply_to.clone() else { return };
        let options = BasicPublishOptions::default();
        let answered = self.channel.basic_publish("".into(), reply_to, options, answer, BasicProperties::default());
        // Who asked and does not hear asks again.
        let _ = call("answering", answered).await;
    }
}

/// What the holder of the lease `name` answers to `question`; `None` if it does not within `limit`.
///
/// # Errors
/// The broker cannot be reached, or does not take the question.
pub async fn ask(broker: &Broker, name: &str, question: &[u8], limit: Duration) -> Result<Option<Vec<u8>>, Error> {
    let connection = broker.connect("question").await?;
    let answer = ask_on(&connection, name, question, limit).await;
    close(&connection).await;
    answer
}

/// Proves the right to ask the holder of a lease, and to answer. Nobody is asked.
///
/// # Errors
/// The broker cannot be reached, or the right is missing.
pub async fn may_ask(broker: &Broker) -> Result<(), Error> {
    let connection = broker.connect("question").await?;
    let proven = may_publish(&connection, "").await;
    close(&connection).await;
    proven
}

/// As [`ask`], on a connection that is there.
pub(super) async fn ask_on(
    connection: &Connection,
    name: &str,
    question: &[u8],
    limit: Duration,
) -> Result<Option<Vec<u8>>, Error> {
    let channel = channel(connection).await?;
    let mut answers = consume(&channel, REPLY_TO).await?;
    let properties = BasicProperties::default().with_reply_to(REPLY_TO.into());
    let publish = channel.basic_publish("".into(), name.into(), BasicPublishOptions::default(), question, properties);
    call(format!("asking the holder of {name:?}"), publish).await?;
    match tokio::time::timeout(limit, answers.next()).await {
        Ok(Some(Ok(answer))) => Ok(Some(answer.data)),
        Ok(Some(Err(source))) => Err(Error::Call { doing: format!("asking the holder of {name:?}"), source }),
        Ok(None) | Err(_) => Ok(None),
    }
}

async fn consume(channel: &Channel, amqp_queue: &str) -> Result<lapin::Consumer, Error> {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consume = channel.basic_consume(amqp_queue.into(), "".into(), options, FieldTable::default());
    call(format!("consuming queue {amqp_queue:?}"), consume).await
}
