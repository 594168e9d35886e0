//! One operator at a time: an exclusive queue beside the dead letters, which stands as long as its connection. Whoever
//! finds it taken sends it a question, and its holder answers who they are.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ErrorKind};
use tokio::task::JoinHandle;

use super::connect::channel;
use super::error::{Error, call};

/// How long a holder may take to say who they are.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Where the broker sends answers to whoever consumes it. Source: RabbitMQ, "Direct Reply-to".
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// The lock of one dead-letter queue, held until dropped with its connection.
pub(super) struct Lock {
    answering: JoinHandle<()>,
}

/// What became of the wish to hold it.
pub(super) enum Taken {
    /// It is ours.
    Held(Lock),
    /// Somebody else has it.
    By(String),
    /// The user may not declare it.
    NotAllowed,
}

impl Lock {
    /// Takes the lock of `amqp_queue` for `who`, or says who has it.
    ///
    /// # Errors
    /// The broker fails, or does not answer.
    pub(super) async fn take(connection: &Connection, amqp_queue: &str, who: &str) -> Result<Taken, Error> {
        let name = name(amqp_queue);
        let owned = channel(connection).await?;
        let mut arguments = FieldTable::default();
        // Whatever type the vhost gives by default: only a classic queue can be exclusive.
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let declare = owned.queue_declare(name.as_str().into(), options, arguments);
        match call(format!("locking {name:?}"), declare).await {
            Ok(_) => Ok(Taken::Held(Self { answering: answer(&owned, &name, who.to_owned()).await? })),
            Err(error) => match refusal(&error) {
                Some(AMQPSoftError::RESOURCELOCKED) => Ok(Taken::By(ask(connection, &name).await)),
                Some(AMQPSoftError::ACCESSREFUSED) => Ok(Taken::NotAllowed),
                _ => Err(error),
            },
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

/// The name of the lock of `amqp_queue`; AMQP takes 255 bytes.
fn name(amqp_queue: &str) -> String {
    format!("{}.operator", &amqp_queue[..amqp_queue.floor_char_boundary(240)])
}

/// Answers every question with `who`.
async fn answer(channel: &Channel, lock: &str, who: String) -> Result<JoinHandle<()>, Error> {
    let mut questions = consume(channel, lock).await?;
    let channel = channel.clone();
    Ok(tokio::spawn(async move {
        while let Some(Ok(question)) = questions.next().await {
            let Some(reply_to) = question.properties.reply_to().clone() else { continue };
            let options = BasicPublishOptions::default();
            let _ =
                channel.basic_publish("".into(), reply_to, options, who.as_bytes(), BasicProperties::default()).await;
        }
    }))
}

/// Who holds `lock`; holders of an old version or a hung machine do not say.
async fn ask(connection: &Connection, lock: &str) -> String {
    let asked = async {
        let channel = channel(connection).await.ok()?;
        let mut answers = consume(&channel, REPLY_TO).await.ok()?;
        let properties = BasicProperties::default().with_reply_to(REPLY_TO.into());
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), lock.into(), options, b"who", properties).await.ok()?;
        let answer = answers.next().await?.ok()?;
        Some(String::from_utf8_lossy(&answer.data).into_owned())
    };
    let answered = tokio::time::timeout(ANSWER_WITHIN, asked).await;
    answered.ok().flatten().unwrap_or_else(|| "somebody".to_owned())
}

async fn consume(channel: &Channel, amqp_queue: &str) -> Result<lapin::Consumer, Error> {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consume = channel.basic_consume(amqp_queue.into(), "".into(), options, FieldTable::default());
    call(format!("consuming queue {amqp_queue:?}"), consume).await
}

/// How the broker refused.
fn refusal(error: &Error) -> Option<&AMQPSoftError> {
    let Error::Call { source, .. } = error else { return None };
    let ErrorKind::ProtocolError(error) = source.kind() else { return None };
    match error.kind() {
        AMQPErrorKind::Soft(error) => Some(error),
        AMQPErrorKind::Hard(_) => None,
    }
}
