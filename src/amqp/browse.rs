//! Looking into the dead-letter queue without harm: letters are delivered and never acknowledged, so that all of them
//! are back when the channel closes. The one way out of the queue is [`Walk::remove`].

mod window;

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::BasicAckOptions;
use tracing::debug;

use super::connect::{Broker, channel};
use super::error::{CALL_TIMEOUT, Error, call};
use super::headers;
use super::letter::Letter;
use super::lock::{Lock, Taken};
use super::publish::Publisher;
use super::topology::{self, DeliveryLimit};
use super::wire::Connection;
use window::{Window, ready};

/// Letters are fetched in windows, each on a channel of its own: to acknowledge one, the broker looks through all that
/// its channel holds, and of several consumers on a channel it gives the letters back in no order. So many are in a
/// window: how large their bodies are is known only when all of them are here.
const WINDOW: u32 = 32;
/// The most bytes of bodies in a window, as far as the largest body so far tells.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// The most channels of a walk; brokers allow 2047 by default. For more letters than fit, windows are larger.
const MOST_CHANNELS: u32 = 1500;
/// How soon the broker is asked again whether it has taken letters back.
const GIVEN_BACK_WITHIN: Duration = Duration::from_millis(5);
/// How long the broker gets for what was removed of a window. AMQP confirms no acknowledgement: whether it was enough, only
/// another walk tells.
const REMOVED_WITHIN: Duration = Duration::from_millis(250);

/// A connection to the dead letters, for one operator at a time.
pub struct Browser {
    connection: Connection,
    lock: Option<Lock>,
    publisher: Publisher,
    amqp_queue: String,
    delivery_limit: DeliveryLimit,
}

/// Why there is no browser.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// Another operator is at the letters.
    #[error("{0}")]
    Locked(String),
    /// The broker fails, refuses or does not answer.
    #[error(transparent)]
    Broker(#[from] Error),
}

/// All letters that were in the queue when it began, each once, in the queue's order. To be closed.
pub struct Walk<'a> {
    browser: &'a Browser,
    windows: Vec<Window>,
    /// What was fetched into the newest window and is not handed out yet.
    fetched: VecDeque<Delivery>,
    /// How many were not fetched yet.
    left: u32,
    /// The size of the largest body so far.
    largest: usize,
}

/// A letter that the walk holds.
pub struct Held {
    /// The letter.
    pub letter: Letter,
    /// Whether it was handed out before. It may be left over only then.
    pub redelivered: bool,
    /// What is left of its delivery: the means to acknowledge it.
    delivery: Delivery,
    /// The index of its window.
    window: usize,
}

impl Browser {
    /// Connects and takes the letters' lock for `who`. Changes nothing on the broker but that.
    ///
    /// # Errors
    /// The lock is taken, there is no dead-letter queue, or the broker fails.
    pub async fn open(broker: &Arc<Broker>, who: &str) -> Result<Self, NotOpened> {
        let connection = broker.connect("dead-letters").await?;
        let amqp_queue = broker.settings().dead_letter_queue.clone();
        let lock = match Lock::take(&connection, &amqp_queue, who).await? {
            Taken::Held(lock) => Some(lock),
            Taken::By(whom) => return Err(NotOpened::Locked(whom)),
            Taken::NotAllowed => None,
        };
        let delivery_limit = topology::delivery_limit(&connection, broker.settings()).await?;
        debug!("delivery limit of queue {amqp_queue:?}: {delivery_limit:?}");
        let publisher = Publisher::new(Arc::clone(broker), "dead-letters");
        Ok(Self { connection, lock, publisher, amqp_queue, delivery_limit })
    }

    /// Whether other operators are kept out.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// How often a letter may be looked at before the broker drops it.
    pub fn delivery_limit(&self) -> DeliveryLimit {
        self.delivery_limit
    }

    /// Publishes on a connection of its own.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Begins at the oldest letter.
    ///
    /// # Errors
    /// There is no dead-letter queue, or the broker fails.
    pub async fn walk(&self) -> Result<Walk<'_>, Error> {
        let channel = channel(&self.connection).await?;
        let left = ready(&channel, &self.amqp_queue).await?;
        Ok(Walk { browser: self, windows: Vec::new(), fetched: VecDeque::new(), left, largest: 0 })
    }

    /// Ends the connection, and the lock with it.
    pub async fn close(self) {
        let _ = call("closing the connection", self.connection.close(200, "done".into())).await;
    }

    /// Letters that have had half of the looks that the broker allows are stored anew, which sets their count to
    /// zero: the broker would drop them in the end. `true` if that was done.
    async fn renew(&self, letter: &Letter) -> bool {
        let Some(most) = self.delivery_limit.most() else { return false };
        if letter.looks() < most / 2 {
            return false;
        }
        let stored = self.publisher.publish("", &self.amqp_queue, letter.renewed(), &letter.body).await;
        if let Err(error) = &stored {
            debug!("letter {} cannot be stored anew: {error}", letter.id());
        }
        stored.is_ok()
    }
}

impl Walk<'_> {
    /// How many letters are still to come, at most.
    pub fn left(&self) -> usize {
        self.fetched.len() + self.left as usize
    }

    /// The next letter, or `None` after the last of those that were there at the start. It is to be kept or removed.
    ///
    /// # Errors
    /// A channel or the connection failed; all letters are back in the queue then.
    pub async fn next(&mut self) -> Result<Option<Held>, Error> {
        while self.fetched.is_empty() && self.left > 0 {
            self.fetch().await?;
        }
        let Some(mut delivery) = self.fetched.pop_front() else { return Ok(None) };
        let window = self.windows.len() - 1;
        let channel = self.windows[window].channel.id();
        if let Some(altered) = self.browser.connection.take_altered(channel, delivery.delivery_tag) {
            headers::say_altered(&mut delivery.properties, &altered);
        }
        let letter = Letter {
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
            properties: mem::take(&mut delivery.properties),
            body: mem::take(&mut delivery.data),
        };
        let redelivered = delivery.redelivered || letter.looks() > 0;
        Ok(Some(Held { letter, redelivered, delivery, window }))
    }

    /// Takes a letter out of the queue. AMQP does not confirm it: another walk tells whether the broker has done it.
    ///
    /// # Errors
    /// The broker was not told: the letter is back in the queue.
    pub async fn remove(&mut self, held: &Held) -> Result<(), Error> {
        match call("removing a dead letter", held.delivery.acker.ack(BasicAckOptions::default())).await {
            Ok(true) => {
                let window = &mut self.windows[held.window];
                (window.held, window.removed) = (window.held - 1, true);
                Ok(())
            }
            Ok(false) => Err(Error::Cancelled),
            Err(error) => Err(error),
        }
    }

    /// Leaves a letter in the queue.
    ///
    /// # Errors
    /// As for [`Walk::remove`], where it had to be stored anew.
    pub async fn keep(&mut self, held: &Held) -> Result<(), Error> {
        if self.browser.renew(&held.letter).await {
            self.remove(held).await?;
        }
        Ok(())
    }

    /// Gives back all letters that were not removed, and waits until the next look would find them.
    ///
    /// # Errors
    /// The broker fails; it gives them back by itself then.
    pub async fn close(mut self) -> Result<(), Error> {
        // What was sent counts as looked at, read or not.
        self.left = 0;
        while let Some(held) = self.next().await? {
            self.keep(&held).await?;
        }
        let observer = channel(&self.browser.connection).await?;
        self.settle_removals().await?;
        for window in &self.windows {
            self.give_back(window, &observer).await?;
        }
        Ok(())
    }

    /// A quorum queue takes acknowledgements in portions, and forgets those that wait when their channel closes.
    async fn settle_removals(&self) -> Result<(), Error> {
        let mut removed = false;
        for window in self.windows.iter().filter(|window| window.removed) {
            ready(&window.channel, &self.browser.amqp_queue).await?;
            removed = true;
        }
        if removed {
            tokio::time::sleep(REMOVED_WITHIN).await;
        }
        Ok(())
    }

    /// Closes a window and waits until its letters are back: the broker confirms the one before it has done the other, and
    /// letters of two windows that go back at once would change places.
    async fn give_back(&self, window: &Window, observer: &Channel) -> Result<(), Error> {
        let amqp_queue = &self.browser.amqp_queue;
        let back = ready(observer, amqp_queue).await? + window.held;
        call("closing a channel", window.channel.close(200, "done".into())).await?;
        let begun = Instant::now();
        while ready(observer, amqp_queue).await? < back && begun.elapsed() < CALL_TIMEOUT {
            tokio::time::sleep(GIVEN_BACK_WITHIN).await;
        }
        Ok(())
    }

    /// Fetches the next letters, as many as memory has room for.
    async fn fetch(&mut self) -> Result<(), Error> {
        let opened = u32::try_from(self.windows.len()).unwrap_or(u32::MAX);
        let share = self.left.div_ceil(MOST_CHANNELS.saturating_sub(opened).max(1));
        let fits = u32::try_from(WINDOW_BYTES / self.largest.max(1)).unwrap_or(u32::MAX).max(1);
        let wanted = share.max(WINDOW).min(fits).min(self.left);
        let (window, fetched) = Window::fetch(&self.browser.connection, &self.browser.amqp_queue, wanted).await?;
        // Fewer than asked for: there are no more.
        self.left = if window.held < wanted { 0 } else { self.left.saturating_sub(window.held) };
        self.largest = fetched.iter().map(|delivery| delivery.data.len()).fold(self.largest, usize::max);
        self.windows.push(window);
        self.fetched.extend(fetched);
        Ok(())
    }
}
