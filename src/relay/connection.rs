//! The connection to consume from: made, made anew, and kept while nothing is taken.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::run::Service;
use super::status::{State, next_beat};
use super::work::Released;
use crate::amqp::{Care, Consumer, Error, Opened};
use crate::diagnosis::Diagnosis;
use crate::outcome::PausedBy;

impl Service {
    /// A connection to consume from, however long that takes; `None` if asked to stop before. Ends with an error only if
    /// `hopeless`.
    pub(super) async fn open(&self, hopeless: fn(&Error) -> bool) -> Result<Option<Opened>, Diagnosis> {
        self.until_done(|| Opened::connect(&self.broker), hopeless).await
    }

    /// A consumer, likewise.
    pub(super) async fn connect(
        &self,
        hopeless: fn(&Error) -> bool,
        care: Care,
    ) -> Result<Option<Consumer>, Diagnosis> {
        let start = || Box::pin(Consumer::start(&self.broker, self.prefetch, care));
        let consumer = self.until_done(start, hopeless).await?;
        self.say_consuming(consumer.is_some());
        Ok(consumer)
    }

    /// The first consumer, on `opened`. Nothing is taken before RT has answered and taken the credentials; until then the
    /// relay is paused.
    pub(super) async fn first_consumer(&self, opened: Opened) -> Result<Option<Consumer>, Diagnosis> {
        let mut opened = opened;
        if !self.relay.condition().is_open() {
            warn!("nothing is taken from the queue before RT answers");
            let over = self.relay.until_open();
            match self.pause(State::Paused(PausedBy::Rt), || opened.is_connected(), over).await {
                Err(Released) => return Ok(None),
                Ok(anew) => opened = anew.unwrap_or(opened),
            }
        }
        let first = opened.consume(&self.broker, self.prefetch, Care::Counted);
        match self.status.beating(State::Starting, || true, first).await {
            Ok(consumer) => {
                self.say_consuming(true);
                Ok(Some(consumer))
            }
            Err(error) if error.is_configuration() => Err(error.diagnosis()),
            Err(error) => {
                warn!("{}; connecting anew", error.diagnosis());
                let next = self.connect(Error::is_configuration, Care::Counted);
                self.status.beating(State::Connecting, || false, next).await
            }
        }
    }

    /// Waits until `over`, while the loop turns in `state`. There is a connection as long as `is_connected`; a lost one is
    /// made anew, and given.
    pub(super) async fn pause(
        &self,
        state: State,
        is_connected: impl Fn() -> bool,
        over: impl Future<Output = ()>,
    ) -> Result<Option<Opened>, Released> {
        tokio::pin!(over);
        let mut anew: Option<Opened> = None;
        let (mut delays, mut next_try) = (self.retry.delays(), Instant::now());
        loop {
            let stands = anew.as_ref().map_or_else(&is_connected, Opened::is_connected);
            self.status.beat(state, stands);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Released),
                () = &mut over => return Ok(anew),
                () = next_beat() => {}
            }
            if stands || Instant::now() < next_try {
                continue;
            }
            match self.status.beating(state, || false, Opened::connect(&self.broker)).await {
                Ok(opened) => {
                    info!("connected to the broker again");
                    (anew, delays) = (Some(opened), self.retry.delays());
                }
                Err(error) => {
                    debug!("{error}");
                    next_try = Instant::now() + delays.next(Duration::ZERO);
                }
            }
        }
    }

    /// Does `start` until it is done; `None` if asked to stop before. Ends with an error only if `hopeless`.
    async fn until_done<T, F: Future<Output = Result<T, Error>>>(
        &self,
        start: impl Fn() -> F,
        hopeless: fn(&Error) -> bool,
    ) -> Result<Option<T>, Diagnosis> {
        let mut delays = self.retry.delays();
        let mut logged = None;
        loop {
            let error = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(None),
                started = start() => match started {
                    Ok(started) => return Ok(Some(started)),
                    Err(error) => error,
                },
            };
            let diagnosis = error.diagnosis();
            if hopeless(&error) {
                return Err(diagnosis);
            }
            if logged.as_ref() != Some(&diagnosis) {
                warn!("{diagnosis}; trying again until it can");
                logged = Some(diagnosis);
            }
            tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                () = tokio::time::sleep(delays.next(Duration::ZERO)) => {}
            }
        }
    }

    fn say_consuming(&self, consuming: bool) {
        if consuming {
            info!("consuming queue {:?}", self.broker.settings().amqp_queue);
        }
    }
}
