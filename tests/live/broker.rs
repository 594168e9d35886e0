//! Topology and TLS.

use std::net::TcpListener;

use lapin::options::{
    BasicGetOptions, BasicNackOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};

use super::health::ANY_PORT;
use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::health::{Scraped, address};
use crate::support::lab::{Scene, setting};
use crate::support::relay_process::{RelayProcess, run};

#[tokio::test]
async fn what_is_absent_is_declared_as_documented() {
    let scene = Scene::new("declare").await;
    let relay = scene.relay(&[]).await;
    scene.stop(relay).await;
    // The broker refuses a declaration that differs in anything.
    let long = AMQPValue::LongLongInt;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let letters = scene.dead_letters_name();
    declare_queue(&scene, &letters, &[("x-queue-type", text("quorum")), ("x-delivery-limit", long(1_000_000))]).await;
    let arguments = [
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", long(100)),
        ("x-dead-letter-exchange", text(&letters)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ];
    declare_queue(&scene, &scene.amqp_queue(), &arguments).await;
    for exchange in [scene.exchange(), letters] {
        declare_exchange(&scene, &exchange).await;
    }
    scene.close().await;
}

#[tokio::test]
async fn what_an_operator_made_is_used_as_it_is() {
    let scene = Scene::new("operators").await;
    make_as_operator(&scene, "alert.ssl.#").await;
    for topology in ["declare", "passive"] {
        let relay = scene.relay(&[("AMQP_TOPOLOGY", topology)]).await;
        // The binding was left alone: what it does not let through is still unroutable.
        scene.publish_alert(&alerts::ssl("not-routed")).await;
        let alert = serde_json::to_vec(&alerts::ssl(topology)).unwrap();
        let (code, _, stderr) = run(&scene.environment(&[("LOG", "warn")]), &["publish"], &alert);
        assert_eq!(code, Some(0), "{stderr}");
        eventually("the ticket", async || (relay.count("\"outcome\":\"created\"") == 1).then_some(())).await;
        scene.stop(relay).await;
    }
    assert_eq!(scene.rt.tickets().await.len(), 2);
    scene.close().await;
}

#[tokio::test]
async fn what_a_classic_queue_delivers_again_is_looked_at_twice() {
    let scene = Scene::new("classic").await;
    make_as_operator(&scene, "#").await;
    scene.publish_alert(&alerts::ssl("again")).await;
    // It marks what it delivers again, but does not count how often.
    let get = scene.channel.basic_get(scene.amqp_queue().into(), BasicGetOptions::default());
    let delivery = get.await.unwrap().expect("the alert");
    delivery.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
    let relay = scene.relay(&[ANY_PORT, ("RETRY_UNKNOWN_WAIT", "100ms")]).await;
    let address = address(&relay).await;
    let looked = async || (Scraped::from(address).await.count("second_looks_total") == 1).then_some(());
    eventually("a second look", looked).await;
    scene.stop(relay).await;
    scene.close().await;
}

#[tokio::test]
async fn the_broker_is_reached_by_tls_with_a_private_ca() {
    let scene = Scene::new("tls").await;
    let url = setting("RELAY_LAB_AMQPS_URL");
    let ca = |name: &str| format!("{}/{name}", setting("RELAY_LAB_CERTIFICATES"));
    let relay = scene.relay(&[("AMQP_URL", &url), ("AMQP_CA_FILE", &ca("ca.pem"))]).await;
    scene.publish_alert(&alerts::ssl("by-tls")).await;
    scene.tickets(1).await;
    scene.stop(relay).await;

    let other = scene.environment(&[("AMQP_URL", &url), ("AMQP_CA_FILE", &ca("other-ca.pem"))]);
    let (status, log) = RelayProcess::start(&other).ended().await;
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains("AMQP_CA_FILE"), "{log}");
    scene.assert_no_secret(&log);
    scene.close().await;
}

#[tokio::test]
async fn of_several_brokers_not_all_relays_try_the_same_first() {
    let scene = Scene::new("order").await;
    let relay = scene.relay(&[]).await;
    scene.stop(relay).await;
    // Nothing listens on port 1.
    let list = format!("amqp://127.0.0.1:1/%2f,{}", setting("RELAY_LAB_AMQP_URL"));
    let environment = scene.environment(&[("AMQP_URL", &list), ("LOG", "warn")]);
    let mut dead_one_first = [false; 2];
    for _ in 0..60 {
        let (code, _, stderr) = run(&environment, &["publish"], &alerts::body(&alerts::ssl("order")));
        assert_eq!(code, Some(0), "{stderr}");
        dead_one_first[usize::from(stderr.contains("trying the next broker"))] = true;
        if dead_one_first == [true; 2] {
            break;
        }
    }
    assert_eq!(dead_one_first, [true; 2]);
    scene.close().await;
}

#[tokio::test]
async fn a_broker_that_says_nothing_costs_little_where_there_is_another() {
    let scene = Scene::new("silent").await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let list = format!("amqp://{}/%2f,{}", silent.local_addr().unwrap(), setting("RELAY_LAB_AMQP_URL"));
    let mut silent_one_first = false;
    for _ in 0..60 {
        let relay = scene.relay(&[("AMQP_URL", &list)]).await;
        let log = scene.stop(relay).await;
        assert!(!log.contains("no answer in 10s"), "{log}");
        silent_one_first = log.contains("no answer in 5s; trying the next broker");
        if silent_one_first {
            break;
        }
    }
    assert!(silent_one_first);
    scene.close().await;
}

/// Exchanges and classic queues, where the relay's are quorum queues.
async fn make_as_operator(scene: &Scene, binding: &str) {
    let letters = scene.dead_letters_name();
    for (exchange, queue, binding) in [(scene.exchange(), scene.amqp_queue(), binding), (letters.clone(), letters, "#")]
    {
        declare_exchange(scene, &exchange).await;
        declare_queue(scene, &queue, &[]).await;
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let bind = scene.channel.queue_bind(queue.into(), exchange.into(), binding.into(), options, arguments);
        bind.await.unwrap();
    }
}

async fn declare_exchange(scene: &Scene, exchange: &str) {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let kind = lapin::ExchangeKind::Topic;
    scene.channel.exchange_declare(exchange.into(), kind, options, FieldTable::default()).await.unwrap();
}

async fn declare_queue(scene: &Scene, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    scene.channel.queue_declare(queue.into(), options, table).await.unwrap();
}
