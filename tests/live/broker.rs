//! Topology and TLS.

use std::net::TcpListener;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::support::alerts;
use crate::support::eventually::eventually;
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
    for (exchange, queue, binding) in [
        (scene.exchange(), scene.amqp_queue(), "alert.ssl.#"),
        (scene.dead_letters_name(), scene.dead_letters_name(), "#"),
    ] {
        declare_exchange(&scene, &exchange).await;
        declare_queue(&scene, &queue, &[]).await;
        let bind = scene.channel.queue_bind(
            queue.into(),
            exchange.into(),
            binding.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bind.await.unwrap();
    }
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
