//! The loop: connect, consume, one task for each delivery, until asked to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error_span, field, info, warn};

use super::handle::Message;
use super::held::Taken;
use super::letter_state::LetterState;
use super::losses::Losses;
use super::outage::Outage;
use super::panics::caught;
use super::settle::Settler;
use super::shared::Relay;
use super::status::{State, Status, next_beat};
use super::work::unless;
use crate::amqp::{self, Broker, Care, Consumer, DeadLetters, Delivery};
use crate::diagnosis::Diagnosis;
use crate::outcome::PausedBy;
use crate::retry::Policy;

/// So many times the prefetch are held at most, while most of them wait.
const MOST_HELD: usize = 3;
/// None are taken beside the prefetch while so much is held, in bytes.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What the loop needs to know.
pub struct Settings {
    /// Where alerts come from.
    pub broker: Arc<Broker>,
    /// How many alerts are held at once: see [`Config::prefetch`](crate::config::Config::prefetch).
    pub prefetch: u16,
    /// The pauses after failures.
    pub retry: Policy,
    /// How long dead letters may wait before the relay gives back what it holds.
    pub pause_after: Duration,
    /// How long creates in flight may take once asked to stop.
    pub grace: Duration,
    /// Rings when an alert has its ticket.
    pub ticket_made: Arc<Notify>,
}

/// The relay with its broker: all that the tasks share.
pub struct Service {
    pub(super) relay: Relay,
    pub(super) status: Status,
    pub(super) settler: Settler,
    pub(super) broker: Arc<Broker>,
    pub(super) prefetch: u16,
    taken: Arc<Taken>,
    pub(super) retry: Policy,
    grace: Duration,
    pub(super) stop: CancellationToken,
}

impl Service {
    /// `relay` before a broker, to run until `stop`. Asks no server.
    pub fn new(relay: Relay, settings: Settings, stop: CancellationToken) -> Arc<Self> {
        let Settings { broker, prefetch, retry, pause_after, grace, ticket_made } = settings;
        let metrics = Arc::clone(&relay.metrics);
        let dead_letters = DeadLetters::new(Arc::clone(&broker));
        Arc::new(Self {
            status: Status::new(stop.clone(), Arc::clone(&metrics)),
            settler: Settler::new(dead_letters, LetterState::new(pause_after), retry.clone(), metrics, ticket_made),
            relay,
            broker,
            prefetch,
            taken: Arc::default(),
            retry,
            grace,
            stop,
        })
    }

    /// Relays alerts until asked to stop; then settles what is under way, gives the rest back and ends its sessions.
    ///
    /// # Errors
    /// At start only: the servers are there, and the configuration does not work with them.
    pub async fn run(self: &Arc<Self>) -> Result<(), Diagnosis> {
        // Both at once: whichever is wrong, it is known soon, and before anything is taken from the queue.
        let first = async { tokio::try_join!(self.open(amqp::Error::is_configuration), self.check_credentials()) };
        let (opened, ()) = self.status.beating(State::Starting, || false, first).await?;
        if let Some(opened) = opened
            && let Some(consumer) = self.first_consumer(opened).await?
        {
            Box::pin(self.relay_until_stopped(consumer)).await;
        }
        self.relay.close().await;
        info!("stopped");
        Ok(())
    }

    /// The way of an alert, and how RT is.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Why dead letters wait, and since when, if they do.
    pub fn dead_letter_outage(&self) -> Option<Outage> {
        self.settler.letter_state.outage()
    }

    /// How many dead letters wait, for that or each for itself.
    pub fn waiting_dead_letters(&self) -> usize {
        self.settler.letter_state.waiting()
    }

    /// What it is doing.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Wrong credentials at start are a fault of the configuration; later the alerts wait.
    async fn check_credentials(&self) -> Result<(), Diagnosis> {
        tokio::select! {
            () = self.stop.cancelled() => Ok(()),
            checked = self.relay.check_credentials() => checked.map_err(|error| error.diagnosis()),
        }
    }

    /// Consumes, on one connection after the other, until asked to stop; then lets what is under way finish.
    async fn relay_until_stopped(self: &Arc<Self>, mut consumer: Consumer) {
        let tasks = TaskTracker::new();
        let (service, stop) = (Arc::clone(self), self.stop.clone());
        tasks.spawn(async move { unless(&stop, service.relay.keep_probing()).await });
        let (service, stop) = (Arc::clone(self), self.stop.clone());
        tasks.spawn(async move { unless(&stop, Box::pin(service.relay.keep_looking_later())).await });
        let mut losses = Losses::new(&self.retry);
        loop {
            let released = self.stop.child_token();
            let (mut wait, mut care) = (Duration::ZERO, Care::None);
            let state = match self.consume(&mut consumer, &tasks, &released).await {
                End::Stopped => break,
                End::Paused(by) => {
                    released.cancel();
                    let over = self.until_pause_is_over(by);
                    if self.pause(State::Paused(by), || consumer.is_connected(), over).await.is_err() {
                        break;
                    }
                    State::Paused(by)
                }
                // What was not acknowledged is delivered again; its turn comes when the task that has it now is done,
                // which finishes what is under way and begins nothing.
                End::Lost => {
                    released.cancel();
                    wait = losses.lost(self.settler.has_settled());
                    care = losses.care();
                    State::Connecting
                }
            };
            let next = async {
                let _ = unless(&self.stop, tokio::time::sleep(wait)).await;
                self.connect(|_| false, care).await
            };
            match self.status.beating(state, || consumer.is_connected(), next).await {
                Ok(Some(next)) => consumer = next,
                Ok(None) | Err(_) => break,
            }
            losses.connected();
        }
        tasks.close();
        let settled = tokio::time::timeout(self.grace, tasks.wait());
        if self.status.beating(State::Stopping, || consumer.is_connected(), settled).await.is_err() {
            warn!("{} alerts are still under way after SHUTDOWN_GRACE; they come again", tasks.len());
        }
        consumer.close().await;
    }

    /// Waits until alerts are to be taken again.
    async fn until_pause_is_over(&self, by: PausedBy) {
        match by {
            PausedBy::Rt => {
                warn!("RT is down for long: alerts go back to their queue until it is well");
                self.relay.until_open().await;
            }
            PausedBy::DeadLetters => tokio::time::sleep(self.settler.letter_state.pause()).await,
        }
    }

    /// One task for each delivery, until the consumer ends or is to end.
    async fn consume(
        self: &Arc<Self>,
        consumer: &mut Consumer,
        tasks: &TaskTracker,
        released: &CancellationToken,
    ) -> End {
        self.settler.letter_state.consuming();
        // Held by whatever this consumer has delivered, until it is settled.
        let mut delivered = Arc::new(());
        let end = loop {
            self.status.beat(State::Consuming, consumer.is_connected());
            self.relay.rest();
            if let Err(error) = self.widen(consumer, &mut delivered).await {
                warn!("{}; connecting anew", error.diagnosis());
                return End::Lost;
            }
            let delivery = tokio::select! {
                biased;
                () = self.stop.cancelled() => break End::Stopped,
                () = self.relay.until_pause_is_due() => break End::Paused(PausedBy::Rt),
                () = self.settler.letter_state.until_pause_is_due() => break End::Paused(PausedBy::DeadLetters),
                delivery = consumer.next() => delivery,
                () = next_beat() => continue,
            };
            match delivery {
                Ok(delivery) if delivery.is_live() => {
                    let span = error_span!(
                        "delivery",
                        amqp.delivery_tag = delivery.tag(),
                        alert.id = field::Empty,
                        alert.type = field::Empty
                    );
                    let (service, released) = (Arc::clone(self), released.clone());
                    let held = (self.taken.take(delivery.body().len()), Arc::clone(&delivered));
                    let process = async move {
                        service.process(delivery, released).await;
                        drop(held);
                    };
                    tasks.spawn(process.instrument(span));
                }
                Ok(_) => {}
                Err(error) => {
                    warn!("{}; connecting anew", error.diagnosis());
                    return End::Lost;
                }
            }
        };
        consumer.give_back_buffered().await;
        end
    }

    /// Takes more deliveries where there is no reason not to: the first one proves harmless; or most of those that are held
    /// only wait, and would keep the others from their turn.
    async fn widen(&self, consumer: &mut Consumer, delivered: &mut Arc<()>) -> Result<(), amqp::Error> {
        consumer.widen_when_proven().await?;
        let prefetch = usize::from(self.prefetch);
        let (held, waiting) = (self.taken.count(), self.relay.in_flight_again() + self.waiting_dead_letters());
        let is_full = Arc::strong_count(delivered) > prefetch;
        let most_wait = waiting * 4 >= held * 3;
        let has_room = held + prefetch <= MOST_HELD * prefetch && self.taken.bytes() < MOST_BYTES;
        if is_full && most_wait && has_room && consumer.take_more().await? {
            debug!("{waiting} alerts wait: as many again are taken");
            *delivered = Arc::default();
        }
        Ok(())
    }

    /// One delivery to its end.
    async fn process(self: Arc<Self>, delivery: Delivery, released: CancellationToken) {
        let message = Message {
            body: delivery.body(),
            content_type: delivery.content_type(),
            redelivered: delivery.was_delivered_before(),
        };
        let handled = caught(self.relay.handle(message, &released)).await;
        self.settler.settle_surely(&delivery, &handled, &released).await;
    }
}

/// Why a consumer is not read any more.
enum End {
    Stopped,
    Paused(PausedBy),
    Lost,
}
