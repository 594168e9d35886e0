//! Letters that are fetched together and held on one channel.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use crate::amqp::connect::channel;
use crate::amqp::error::{CALL_TIMEOUT, Error, call};
use crate::amqp::wire::Connection;

/// How long the broker may take for a letter before it is asked whether there are more.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is held on one channel.
pub(super) struct Window {
    /// What was delivered on it is held as long as it is open.
    pub(super) channel: Channel,
    /// How many letters that is now.
    pub(super) held: u32,
    /// Whether a letter of it was removed.
    pub(super) removed: bool,
}

impl Window {
    /// Takes `wanted` letters of `amqp_queue`; fewer, if there are no more.
    ///
    /// # Errors
    /// The channel fails: all that it holds is back in the queue then.
    pub(super) async fn fetch(
        connection: &Connection,
        amqp_queue: &str,
        wanted: u32,
    ) -> Result<(Self, Vec<Delivery>), Error> {
        let channel = channel(connection).await?;
        let wanted = u16::try_from(wanted).unwrap_or(u16::MAX);
        // The broker sends no more than this, and what is worked on slowly does not pile up in memory.
        call("setting the prefetch", channel.basic_qos(wanted, BasicQosOptions::default())).await?;
        let consume =
            channel.basic_consume(amqp_queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
        let mut stream = call(format!("consuming queue {amqp_queue:?}"), consume).await?;
        let mut fetched = Vec::with_capacity(usize::from(wanted));
        while fetched.len() < usize::from(wanted)
            && let Some(delivery) = receive(&channel, &mut stream, amqp_queue).await?
        {
            fetched.push(delivery);
        }
        // Else it would be sent another for each that is removed. What is still under way comes before the answer.
        call("cancelling a consumer", channel.basic_cancel(stream.tag(), BasicCancelOptions::default())).await?;
        while let Ok(Some(Ok(delivery))) = tokio::time::timeout(CALL_TIMEOUT, stream.next()).await {
            fetched.push(delivery);
        }
        let held = u32::try_from(fetched.len()).unwrap_or(u32::MAX);
        Ok((Self { channel, held, removed: false }, fetched))
    }
}

/// The next delivery; `None` if the queue has no more that were not sent.
async fn receive(channel: &Channel, stream: &mut lapin::Consumer, amqp_queue: &str) -> Result<Option<Delivery>, Error> {
    let begun = Instant::now();
    loop {
        match tokio::time::timeout(PATIENCE, stream.next()).await {
            Ok(Some(Ok(delivery))) => return Ok(Some(delivery)),
            Ok(Some(Err(source))) => return Err(Error::Call { doing: "consuming".to_owned(), source }),
            Ok(None) => return Err(Error::Cancelled),
            Err(_) if ready(channel, amqp_queue).await? == 0 => return Ok(None),
            Err(_) if begun.elapsed() > CALL_TIMEOUT => {
                return Err(Error::Timeout { doing: "reading the dead letters".to_owned(), limit: CALL_TIMEOUT });
            }
            Err(_) => {}
        }
    }
}

/// How many messages are ready in `amqp_queue`.
pub(super) async fn ready(channel: &Channel, amqp_queue: &str) -> Result<u32, Error> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let look = channel.queue_declare(amqp_queue.into(), options, FieldTable::default());
    Ok(call(format!("looking for queue {amqp_queue:?}"), look).await?.message_count())
}
