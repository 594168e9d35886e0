//! A load of alerts on a broker, a relay (or several), and what it comes to.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Resumed, Tally};
use crate::support::alerts;
use crate::support::amqp::AmqpScene;
use crate::support::eventually::eventually;
use crate::support::fake_rt::{FakeRt, Fault, Op};
use crate::support::health::{Scraped, address, get};
use crate::support::raw_publisher::{RawMessage, RawPublisher};
use crate::support::relay_process::{RelayProcess, run};

/// Names on a broker, and what a relay on them is given.
pub struct Stage {
    pub amqp: AmqpScene,
    environment: Vec<(String, String)>,
    /// The keys of the alerts that were published.
    published: Vec<String>,
    /// The bodies of those that cannot become a ticket.
    bad: BTreeSet<String>,
}

impl Stage {
    /// `rt` are the variables `RTIR_*`; of those given twice the last counts.
    pub fn new(amqp: AmqpScene, rt: Vec<(String, String)>, others: &[(&str, &str)]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut environment = rt;
        environment.extend(amqp.environment().into_iter().map(|(name, value)| (name.to_owned(), value)));
        let usual = [("LOG", "info"), ("HTTP_LISTEN", "127.0.0.1:0")];
        environment.extend(usual.into_iter().chain(others.iter().copied()).map(owned));
        Self { amqp, environment, published: Vec::new(), bad: BTreeSet::new() }
    }

    /// On the broker at `url`, with a scripted RT.
    pub async fn scripted(url: &str, what: &str, rt: &FakeRt, others: &[(&str, &str)]) -> Self {
        let amqp = AmqpScene::at(url, what).await;
        let mut environment = rt.environment(&[]);
        environment.retain(|(name, _)| name.starts_with("RTIR_"));
        // It has done what it was asked at once; a real RT needs the time that it is given by default.
        let short = [("RETRY_UNKNOWN_WAIT", "300ms")];
        Self::new(amqp, environment, &[&short, others].concat())
    }

    /// Runs `rtir-relay dead-letters`, which has to go well.
    pub fn operate(&self, arguments: &[&str]) {
        let arguments = [&["dead-letters"], arguments].concat();
        let (exit, _, said) = run(&self.environment, &arguments, b"");
        assert_eq!(exit, Some(0), "{arguments:?}: {said}");
    }

    /// A relay that has just been started.
    pub fn start(&self, others: &[(&str, &str)]) -> RelayProcess {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = self.environment.iter().cloned().chain(others.iter().map(owned)).collect();
        RelayProcess::start(&environment)
    }

    /// A relay that consumes.
    pub async fn relay(&self) -> RelayProcess {
        let relay = self.start(&[]);
        relay.logs("consuming queue").await;
        relay
    }

    /// Declares what the relay needs, as its first start does.
    pub async fn declare(&self) {
        self.relay().await.terminate().await;
    }

    /// Publishes so many alerts more, each confirmed.
    pub async fn publish(&mut self, count: usize) {
        for _ in 0..count {
            self.publish_alert(&format!("alert-{}", self.published.len())).await;
        }
    }

    /// Publishes an alert of this name.
    pub async fn publish_alert(&mut self, id: &str) {
        self.amqp.publish_alert(&alerts::ssl(id)).await;
        self.published.push(id.to_owned());
    }

    /// Publishes an alert with properties that lapin would not write.
    pub fn publish_raw(&mut self, publisher: &mut RawPublisher, message: &RawMessage) {
        let id = format!("alert-{}", self.published.len());
        publisher.publish(&self.amqp.exchange(), message, &alerts::body(&alerts::ssl(&id)));
        self.published.push(id);
    }

    /// The broker has dead-lettered the alert of this name, as it should.
    pub fn is_given_up(&mut self, id: &str) {
        self.published.retain(|published| published != id);
        self.bad.insert(String::from_utf8(alerts::body(&alerts::ssl(id))).unwrap());
    }

    /// How many alerts were published so far.
    pub fn published(&self) -> usize {
        self.published.len()
    }

    /// Publishes what can never become a ticket.
    pub async fn publish_bad(&mut self, body: &str) {
        self.amqp.publish(body.as_bytes()).await;
        self.bad.insert(body.to_owned());
    }

    /// Waits until at least `count` dead letters are there: a copy whose confirm was lost is stored once more.
    pub async fn has_dead_letters(&self, count: usize) {
        let letters = self.amqp.dead_letters_name();
        let stored = async || (self.amqp.ready(&letters).await as usize >= count).then_some(());
        eventually(&format!("{count} dead letters"), stored).await;
    }

    /// Waits until all alerts are settled, and for `relay`, the only one there was, to have counted each as done once.
    pub async fn counts_each_once(&self, relay: &RelayProcess) {
        let address = address(relay).await;
        self.are_settled(address).await;
        let counted = async || {
            let scraped = Scraped::from(address).await;
            let outcomes = ["created", "found", "merged"];
            let samples = outcomes.map(|outcome| format!("alerts_settled_total{{type=\"ssl\",outcome=\"{outcome}\"}}"));
            let done: u64 = samples.iter().map(|sample| scraped.count(sample)).sum();
            (usize::try_from(done).unwrap() == self.published.len()).then_some(())
        };
        eventually("each alert is counted once", counted).await;
    }

    /// Waits until the queue is empty and the relay at `address` holds nothing.
    async fn are_settled(&self, address: SocketAddr) {
        let queue = self.amqp.amqp_queue();
        eventually("all alerts are settled", async || {
            let held = get(address, "/readyz").await.json();
            (self.amqp.ready(&queue).await == 0 && held["in_flight"] == 0 && held["state"] == "consuming").then_some(())
        })
        .await;
    }

    /// Lets `relay`, and others like it, work until the queue is empty and nobody holds anything.
    pub async fn drain(&self, relay: RelayProcess) {
        let queue = self.amqp.amqp_queue();
        let mut relay = relay;
        loop {
            self.are_settled(address(&relay).await).await;
            let (status, log) = relay.terminate().await;
            assert_eq!(status.code(), Some(0), "{log}");
            // What was delivered in the last moment has gone back.
            if self.amqp.ready(&queue).await == 0 {
                return;
            }
            relay = self.relay().await;
        }
    }

    /// What it came to. No relay may be running.
    pub async fn tally(&self, tickets: impl IntoIterator<Item = (Option<String>, bool)>) -> Tally {
        self.amqp.assert_queue_empty().await;
        let letters = self.amqp.ready(&self.amqp.dead_letters_name()).await;
        let letters = self.amqp.dead_letters(letters).await.into_iter().map(|letter| letter.body);
        let letters = letters.map(|body| String::from_utf8(body).expect("text")).collect();
        let keyed = tickets.into_iter().map(|(key, merged)| (key.expect("every ticket has its key"), merged));
        Tally::of(&self.published, keyed, &self.bad, &letters)
    }

    pub async fn tally_of(&self, rt: &FakeRt) -> Tally {
        self.tally(rt.tickets().into_iter().map(|ticket| (ticket.key.clone(), ticket.is_merged()))).await
    }
}

impl FakeRt {
    /// Holds every create from now on, and waits until there is one: so what takes a while to break is broken in the
    /// middle of the work.
    pub async fn holds_creates(&self) {
        self.keep(Op::Create, Fault::FreezeBefore);
        eventually("a create under way", async || (self.frozen() > 0).then_some(())).await;
    }

    /// Goes on with what it holds.
    pub fn goes_on(&self) {
        self.well();
        self.thaw();
    }

    /// Waits until it has `count` tickets.
    pub async fn has_tickets(&self, count: usize) {
        eventually(&format!("{count} tickets"), async || (self.tickets().len() >= count).then_some(())).await;
    }
}

impl Resumed {
    /// Waits for the first ticket that is made after `mended`, and notes how long that took.
    pub async fn next_ticket_after(&mut self, mended: Instant, rt: &FakeRt) {
        let made_at = eventually("the next ticket", async || {
            rt.tickets().into_iter().map(|ticket| ticket.made_at).filter(|made_at| *made_at > mended).min()
        })
        .await;
        self.0.push(made_at - mended);
    }
}

/// Waits until `/readyz` says of RT something that has `words`.
pub async fn names_cause(relay: &RelayProcess, words: &str) {
    names(relay, "rt", words).await;
}

/// Waits until `/readyz` says of dead letters something that has `words`.
pub async fn names_dead_letter_cause(relay: &RelayProcess, words: &str) {
    names(relay, "dead_letters", words).await;
}

async fn names(relay: &RelayProcess, of: &str, words: &str) {
    let address = address(relay).await;
    eventually(&format!("/readyz names {words:?}"), async || {
        let body = get(address, "/readyz").await.json();
        body[of]["cause"].as_str().is_some_and(|cause| cause.contains(words)).then_some(())
    })
    .await;
}

/// What a scripted RT takes over a request, so that faults find something under way.
pub const LATENCY: Duration = Duration::from_millis(10);
