//! Messages that would end the connection, or the relay: RabbitMQ stores what its clients cannot read.

use super::stage::{LATENCY, Stage};
use super::{Form, Resumed, Row};
use crate::support::eventually::eventually;
use crate::support::fake_rt::{FakeRt, Fault, Op};
use crate::support::frames::{field, nested, short, value};
use crate::support::lab::setting;
use crate::support::raw_publisher::{RawMessage, RawPublisher};
use crate::support::relay_process::RelayProcess;
use crate::support::servers::Server;

/// Every tenth alert has a name that is not UTF-8, or headers nested without end.
pub async fn among_many(form: Form) -> Row {
    let alerts = form.of(200, 2000);
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "unreadable", &rt, &[]).await;
    stage.declare().await;
    let odd = [
        RawMessage::with(1 << 7, &short(b"m\xe9t\xe9o")),
        RawMessage::with(1 << 5, &short(b"\xff")),
        RawMessage::with_headers(&field(b"m\xe9t\xe9o", b"V")),
        RawMessage::with_headers(&field(b"n", &value(b'F', &field(b"\xe9", b"V")))),
        RawMessage::with_headers(&field(b"n", &nested(b'A', 1500))),
        RawMessage { routing_key: b"alert.\xe9".to_vec(), ..RawMessage::with(0, &[]) },
    ];
    let mut publisher = RawPublisher::connect(stage.amqp.url());
    for number in 0..alerts / 10 {
        stage.publish(9).await;
        stage.publish_raw(&mut publisher, &odd[number % odd.len()]);
    }
    let relay = stage.relay().await;
    rt.has_tickets(alerts).await;
    assert_eq!(relay.count("connecting anew"), 0, "no connection is lost");
    stage.drain(relay).await;
    let times = alerts / 10;
    Row { fault: "undecodable messages", times, tally: stage.tally_of(&rt).await, resumed: Resumed::default() }
}

/// The relay is killed each time it has taken one message. The broker gives that one up when it has come back more often
/// than the limit of deliveries that all of them share, and no other; with fewer kills, another becomes a ticket.
pub async fn crash_loop(form: Form) -> Row {
    let (limit, survived, alerts) = form.of((5, 4, 20), (100, 49, 200));
    let broker = Server::shared_rabbitmq();
    let rt = FakeRt::start();
    rt.takes(LATENCY);
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "crash-loop", &rt, &[]).await;
    stage.declare().await;
    let amqp_queue = stage.amqp.amqp_queue();
    let policy = format!(r#"{{"delivery-limit": {limit}}}"#);
    broker.ctl(&["set_policy", "--apply-to", "queues", &amqp_queue, &format!("^{amqp_queue}$"), &policy]).await;
    rt.keep_for(Op::Create, CRASH, Fault::CutBefore);

    let given_up = format!("{CRASH}-given-up");
    // It has neighbours on either side.
    stage.publish(alerts / 2).await;
    stage.publish_alert(&given_up).await;
    stage.publish(alerts - alerts / 2).await;
    let mut times = 0;
    let relay = loop {
        match outlives(&stage, &rt, 0).await {
            None => times += 1,
            Some(relay) => break relay,
        }
    };
    assert!(times > limit, "given up after {times} kills, with a limit of {limit}");
    stage.is_given_up(&given_up);
    stage.drain(relay).await;

    stage.publish_alert(&format!("{CRASH}-survived")).await;
    stage.publish(alerts).await;
    for kill in 0..survived {
        assert!(outlives(&stage, &rt, 1).await.is_none(), "given up after {kill} kills, with a limit of {limit}");
    }
    rt.well();
    stage.drain(stage.relay().await).await;
    let tally = stage.tally_of(&rt).await;
    broker.ctl(&["clear_policy", &amqp_queue]).await;
    Row { fault: "process aborts on one message", times: times + survived, tally, resumed: Resumed::default() }
}

/// Starts a relay and kills it when it has taken the message that is its end; else the broker has given that up.
async fn outlives(stage: &Stage, rt: &FakeRt, given_up: u32) -> Option<RelayProcess> {
    let asked =
        || rt.asked(Op::Create).iter().filter(|request| String::from_utf8_lossy(&request.body).contains(CRASH)).count();
    let before = asked();
    let relay = stage.start(&[]);
    let is_given_up = eventually("the message that ends the relay", async || {
        let is_given_up = stage.amqp.ready(&stage.amqp.dead_letters_name()).await > given_up;
        (asked() > before || is_given_up).then_some(is_given_up)
    });
    // Dropped, it is killed.
    is_given_up.await.then_some(relay)
}

/// Begins the name of each alert that ends the relay.
const CRASH: &str = "the-crash";
