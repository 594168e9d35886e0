//! A scene on the real servers: its own exchange and queues, its own RT queue and service user.

use std::ops::Deref;

use serde_json::Value;

use super::amqp::AmqpScene;
use super::eventually::eventually;
use super::relay_process::RelayProcess;
use super::rt::{Rt, RtServer};

pub use super::amqp::Letter;
pub use super::rt::{Ticket, mail, rt_admin};

/// One variable of the servers that the test command starts.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: the live tests need a RabbitMQ and an RT; `make test` starts them and runs all tests"
        )
    })
}

/// Everything that one test needs of the servers, under a name that no other has.
pub struct Scene {
    amqp: AmqpScene,
    pub rt: Rt,
    pub token: String,
}

impl Deref for Scene {
    type Target = AmqpScene;

    fn deref(&self) -> &AmqpScene {
        &self.amqp
    }
}

impl Scene {
    /// A fresh RT queue with the field, a fresh service user with the least rights, unused names on the broker.
    pub async fn new(what: &str) -> Self {
        Self::on(&setting("RELAY_LAB_AMQP_URL"), &RtServer::shared(), what).await
    }

    /// The same with what the hand-over to trax takes; the release field is named `Hand over`.
    pub async fn for_trax(what: &str) -> Self {
        Self::for_trax_on(&setting("RELAY_LAB_AMQP_URL"), &RtServer::shared(), what).await
    }

    /// The same on servers that the test has for itself.
    pub async fn for_trax_on(amqp_url: &str, rt: &RtServer, what: &str) -> Self {
        Self::made_by("fixture-trax", amqp_url, rt, what).await
    }

    /// As the first on servers that the test has for itself.
    pub async fn on(amqp_url: &str, rt: &RtServer, what: &str) -> Self {
        Self::made_by("fixture", amqp_url, rt, what).await
    }

    async fn made_by(fixture: &str, amqp_url: &str, rt: &RtServer, what: &str) -> Self {
        let amqp = AmqpScene::at(amqp_url, what).await;
        let fixture: Value = serde_json::from_str(&rt.admin(&[fixture, &amqp.name])).expect("rt-admin answers JSON");
        let token = fixture["token"].as_str().unwrap().to_owned();
        Self { rt: rt.queue(&amqp.name), token, amqp }
    }

    pub fn password(&self) -> String {
        format!("{}-password", self.name)
    }

    /// What the relay is given, and `others`.
    pub fn environment(&self, others: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut environment = self.amqp.environment();
        environment.extend([
            ("RTIR_URL", self.rt.url().to_owned()),
            ("RTIR_QUEUE", self.name.clone()),
            ("RTIR_USERNAME", self.name.clone()),
            ("RTIR_PASSWORD", self.password()),
        ]);
        environment.extend(others.iter().map(|(name, value)| (*name, (*value).to_owned())));
        environment.into_iter().filter(|(_, value)| !value.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect()
    }

    /// A relay that consumes.
    pub async fn relay(&self, others: &[(&str, &str)]) -> RelayProcess {
        let relay = RelayProcess::start(&self.environment(others));
        relay.logs("consuming queue").await;
        relay
    }

    /// Stops `relay` as an operator would, and looks at what it left behind.
    pub async fn stop(&self, relay: RelayProcess) -> String {
        let (status, log) = relay.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");
        self.assert_no_secret(&log);
        log
    }

    pub fn assert_no_secret(&self, output: &str) {
        let broker = url::Url::parse(self.url()).unwrap();
        for secret in [&self.password(), &self.token, broker.password().unwrap(), "RT_SID_"] {
            assert!(!output.contains(secret), "{secret} stands in:\n{output}");
        }
    }

    /// Waits for the RT queue to have `count` tickets, merged ones counted too, and gives them.
    pub async fn tickets(&self, count: usize) -> Vec<Ticket> {
        eventually(&format!("{count} tickets"), async || {
            let tickets = self.rt.tickets().await;
            assert!(tickets.len() <= count, "{} tickets, not {count}: {tickets:?}", tickets.len());
            (tickets.len() == count).then_some(tickets)
        })
        .await
    }

    pub async fn close(self) {
        self.amqp.close().await;
    }
}
