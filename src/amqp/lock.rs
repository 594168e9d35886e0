//! One operator at a time: a lease beside the dead letters. Whoever finds it taken asks its holder, who answers who they
//! are.

use std::time::Duration;

use lapin::protocol::AMQPSoftError;
use tokio::task::JoinHandle;

use super::error::Error;
use super::lease::{Held, ask_on};
use super::wire::Connection;

/// How long a holder may take to say who they are.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

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
        match Held::take(connection, &name).await {
            Ok(Some(held)) => Ok(Taken::Held(Self { answering: tokio::spawn(answer(held, who.to_owned())) })),
            Ok(None) => Ok(Taken::By(ask_who(connection, &name).await)),
            Err(error) if error.is_soft(&AMQPSoftError::ACCESSREFUSED) => Ok(Taken::NotAllowed),
            Err(error) => Err(error),
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
async fn answer(mut held: Held, who: String) {
    while let Ok(question) = held.next().await {
        question.answer(who.as_bytes()).await;
    }
}

/// Who holds `lock`; holders of an old version or a hung machine do not say.
async fn ask_who(connection: &Connection, lock: &str) -> String {
    let answer = ask_on(connection, lock, b"who", ANSWER_WITHIN).await.ok().flatten();
    answer.map_or_else(|| "somebody".to_owned(), |who| String::from_utf8_lossy(&who).into_owned())
}
