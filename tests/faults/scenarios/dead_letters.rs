//! Dead letters have no place to go to: their alerts stay, good ones become tickets, and after the mend each arrives.

use std::time::Instant;

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions};
use lapin::types::FieldTable;
use serde_json::json;

use super::stage::{LATENCY, Stage, names_dead_letter_cause};
use super::{Form, Resumed, Row};
use crate::support::broker_admin::{bind, delete_queue, make_queue};
use crate::support::fake_rt::FakeRt;
use crate::support::lab::setting;
use crate::support::servers::Server;

/// What an operator, or who was one, did to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    ExchangeMissing,
    QueueFull,
    NoRight,
}

impl Fault {
    pub const ALL: [Self; 3] = [Self::ExchangeMissing, Self::QueueFull, Self::NoRight];

    fn name(self) -> &'static str {
        match self {
            Self::ExchangeMissing => "dead-letter exchange missing (passive)",
            Self::QueueFull => "dead-letter queue full",
            Self::NoRight => "no right to write dead letters",
        }
    }

    /// What `/readyz` has to say meanwhile.
    fn cause(self) -> &'static str {
        match self {
            Self::ExchangeMissing => "does not exist",
            Self::QueueFull => "is full",
            Self::NoRight => "missing permission",
        }
    }

    async fn is_made(self, stage: &Stage, broker: &Server) {
        let name = stage.amqp.dead_letters_name();
        match self {
            Self::ExchangeMissing => {
                let delete = stage.amqp.channel.exchange_delete(name.into(), ExchangeDeleteOptions::default());
                delete.await.unwrap();
            }
            Self::QueueFull => {
                let full = r#"{"max-length": 0, "overflow": "reject-publish"}"#;
                broker.ctl(&["set_policy", "--apply-to", "queues", &name, &format!("^{name}$"), full]).await;
            }
            Self::NoRight => {
                let user = &stage.amqp.name;
                broker.ctl(&["set_permissions", user, "", "^$", ".*"]).await;
                // A channel goes on with the rights that it has used.
                broker.ctl(&["close_all_user_connections", user, "rights"]).await;
            }
        }
    }

    async fn is_mended(self, stage: &Stage, broker: &Server) {
        let name = stage.amqp.dead_letters_name();
        match self {
            Self::ExchangeMissing => {
                let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
                let (exchange, table) = (name.as_str(), FieldTable::default());
                let channel = &stage.amqp.channel;
                channel.exchange_declare(exchange.into(), ExchangeKind::Topic, options, table.clone()).await.unwrap();
                let bind = QueueBindOptions::default();
                channel.queue_bind(exchange.into(), exchange.into(), "#".into(), bind, table).await.unwrap();
            }
            Self::QueueFull => drop(broker.ctl(&["clear_policy", &name]).await),
            Self::NoRight => drop(broker.ctl(&["set_permissions", &stage.amqp.name, "", ".*", ".*"]).await),
        }
    }
}

/// One of them in the middle of good and bad alerts.
pub async fn without_a_place(fault: Fault, form: Form) -> Row {
    // Fewer bad ones than the relay holds, so that good ones have room beside them.
    let (good, bad) = form.of((20, 3), (200, 3));
    let broker = Server::shared_rabbitmq();
    let rt = FakeRt::start();
    rt.takes(LATENCY);
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "no-place", &rt, &[]).await;
    stage.declare().await;
    let user = stage.amqp.name.clone();
    broker.ctl(&["add_user", &user, "password"]).await;
    broker.ctl(&["set_permissions", &user, "", ".*", ".*"]).await;
    let mut url = url::Url::parse(&setting("RELAY_LAB_AMQP_URL")).unwrap();
    url.set_username(&user).unwrap();
    url.set_password(Some("password")).unwrap();
    let others =
        [("AMQP_URL", url.as_str()), ("AMQP_TOPOLOGY", "passive"), ("PAUSE_AFTER", "30m"), ("RETRY_MAX", "1s")];
    let relay = stage.start(&others);
    relay.logs("consuming queue").await;

    // One lies there already.
    stage.publish_bad("bad").await;
    stage.has_dead_letters(1).await;
    fault.is_made(&stage, &broker).await;
    for number in 0..bad {
        stage.publish_bad(&format!("bad {number}")).await;
    }
    stage.publish(good).await;
    names_dead_letter_cause(&relay, fault.cause()).await;
    rt.has_tickets(good).await;
    assert_eq!(relay.count("\"outcome\":\"dead_letter\""), 1, "nothing is settled without its copy");
    let mended = Instant::now();
    fault.is_mended(&stage, &broker).await;
    stage.has_dead_letters(1 + bad).await;
    let resumed = Resumed(vec![mended.elapsed()]);
    stage.drain(relay).await;
    broker.ctl(&["delete_user", &user]).await;
    Row { fault: fault.name(), times: 1, tally: stage.tally_of(&rt).await, resumed }
}

/// Dead letters are replayed, at a slow rate and with no relay, into a queue in which they expire: each is a dead letter
/// again before the replay is over.
pub async fn replayed_into_expiry(form: Form) -> Row {
    let (alerts, rate) = form.of((12, "10/s"), (200, "20/s"));
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "expiry", &rt, &[]).await;
    stage.declare().await;
    let (work, letters) = (stage.amqp.amqp_queue(), stage.amqp.dead_letters_name());
    delete_queue(&work).await;
    let arguments = json!({ "x-queue-type": "quorum", "x-message-ttl": 300, "x-dead-letter-exchange": letters });
    make_queue(&work, arguments).await;
    bind(&stage.amqp.exchange(), &work).await;
    stage.publish(alerts).await;
    let times = form.of(2, 3);
    for _ in 0..times {
        stage.has_dead_letters(alerts).await;
        stage.operate(&["replay", "--all", "--yes", "--rate", rate]);
    }
    stage.has_dead_letters(alerts).await;
    let relay = stage.relay().await;
    let mended = Instant::now();
    let mut resumed = Resumed::default();
    stage.operate(&["replay", "--all", "--yes"]);
    resumed.next_ticket_after(mended, &rt).await;
    rt.has_tickets(alerts).await;
    stage.drain(relay).await;
    Row { fault: "replay into a queue that expires", times, tally: stage.tally_of(&rt).await, resumed }
}
