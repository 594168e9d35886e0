//! A dead letter that cannot be stored waits with its alert until it can: nothing is acknowledged without its copy, and
//! good alerts go on.

use lapin::ExchangeKind;
use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use super::health::{ANY_PORT, ready};
use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::health::{Scraped, address, get};
use crate::support::lab::{Scene, setting};
use crate::support::relay_process::RelayProcess;
use crate::support::servers::Server;

/// Good alerts become tickets, and nothing more is dead-lettered.
async fn good_alerts_go_on(scene: &Scene, relay: &RelayProcess) {
    let letters = relay.count("\"outcome\":\"dead_letter\"");
    for number in 0..6 {
        scene.publish_alert(&alerts::ssl(&format!("good-{number}"))).await;
    }
    scene.tickets(6).await;
    eventually("six acknowledged", async || (relay.count("\"outcome\":\"created\"") == 6).then_some(())).await;
    assert_eq!(relay.count("\"outcome\":\"dead_letter\""), letters);
}

#[tokio::test]
async fn a_dead_letter_exchange_or_queue_that_vanishes_is_declared_again() {
    let scene = Scene::new("vanished").await;
    let relay = scene.relay(&[]).await;
    let name = scene.dead_letters_name();
    scene.channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
    scene.publish(b"bad without exchange").await;
    assert_eq!(scene.dead_letters(1).await[0].body, b"bad without exchange");

    scene.channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    scene.publish(b"bad without queue").await;
    // There is no queue to look into before.
    relay.logs("declared queue").await;
    eventually("two dead letters", async || (relay.count("\"outcome\":\"dead_letter\"") == 2).then_some(())).await;
    assert_eq!(scene.dead_letters(1).await[0].body, b"bad without queue");
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.close().await;
}

#[tokio::test]
async fn a_passive_relay_declares_nothing_again_and_names_what_is_missing() {
    let scene = Scene::new("passive").await;
    let relay = scene.relay(&[]).await;
    scene.stop(relay).await;
    let relay = scene.relay(&[("AMQP_TOPOLOGY", "passive")]).await;
    let name = scene.dead_letters_name();
    scene.channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
    scene.publish(b"bad").await;
    relay.logs("does not exist. Check its name in the AMQP_ settings; let an operator declare it").await;
    good_alerts_go_on(&scene, &relay).await;
    let log = scene.stop(relay).await;
    assert!(!log.contains("declared exchange"), "{log}");
    assert_eq!(scene.ready(&scene.amqp_queue()).await, 1, "the original is back in its queue");
    // The next start declares what is absent.
    let relay = scene.relay(&[]).await;
    assert_eq!(scene.dead_letters(1).await[0].body, b"bad");
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.close().await;
}

#[tokio::test]
async fn a_dead_letter_queue_that_is_not_bound_is_left_so_and_the_cure_is_named() {
    let scene = Scene::new("unbound").await;
    let relay = scene.relay(&[]).await;
    let name = scene.dead_letters_name();
    let unbind =
        scene.channel.queue_unbind(name.as_str().into(), name.as_str().into(), "#".into(), FieldTable::default());
    unbind.await.unwrap();
    scene.publish(b"bad").await;
    relay.logs("bind AMQP_DEAD_LETTER_QUEUE to it with #").await;
    good_alerts_go_on(&scene, &relay).await;
    bind(&scene, "#").await;
    assert_eq!(scene.dead_letters(1).await[0].body, b"bad");
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.close().await;
}

#[tokio::test]
async fn a_full_dead_letter_queue_keeps_the_alert_until_there_is_room() {
    let scene = Scene::new("full").await;
    dead_letter_queue_for_one(&scene).await;
    let relay = scene.relay(&[]).await;
    scene.publish(b"first").await;
    eventually("the first", async || (relay.count("\"outcome\":\"dead_letter\"") == 1).then_some(())).await;
    scene.publish(b"second").await;
    relay.logs("is full. Take dead letters out of that queue").await;
    good_alerts_go_on(&scene, &relay).await;
    assert_eq!(scene.dead_letters(1).await[0].body, b"first");
    assert_eq!(scene.dead_letters(1).await[0].body, b"second");
    relay.logs("dead letters are stored again").await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.close().await;
}

#[tokio::test]
async fn dead_letters_that_cannot_be_stored_pause_a_relay_again_and_again_until_they_can() {
    let scene = Scene::new("letters-down").await;
    dead_letter_queue_for_one(&scene).await;
    let relay = scene.relay(&[ANY_PORT, ("PAUSE_AFTER", "2s")]).await;
    let address = address(&relay).await;
    for body in [b"bad 1", b"bad 2", b"bad 3", b"bad 4"] {
        scene.publish(body).await;
    }
    let down = async || {
        let body = ready(address, "consuming", 200).await;
        (body["dead_letters"]["ok"] == false).then_some(body)
    };
    let waiting = eventually("dead letters wait", down).await;
    let body = ready(address, "paused", 200).await;
    assert_eq!(body["rt"]["ok"], json!(true));
    for field in ["ok", "cause", "since"] {
        assert_eq!(body["dead_letters"][field], waiting["dead_letters"][field], "{field}");
    }
    let cause = body["dead_letters"]["cause"].as_str().unwrap();
    assert!(cause.starts_with("invalid queue: ") && cause.contains("is full. Take dead letters out"), "{cause}");
    body["dead_letters"]["since"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let scraped = Scraped::from(address).await;
    assert_eq!((scraped.count("dead_letters_down"), scraped.count("rt_down"), scraped.count("paused")), (1, 0, 1));
    let queue = scene.amqp_queue();
    eventually("all three back in the queue", async || (scene.ready(&queue).await == 3).then_some(())).await;
    scene.publish_alert(&alerts::ssl("good")).await;
    relay.logs("alerts go back to their queue, next try in 5s").await;
    assert_eq!(scene.rt.tickets().await.len(), 0, "nothing is consumed while it is paused");

    // Between two pauses good alerts go on.
    scene.tickets(1).await;
    relay.logs("alerts go back to their queue, next try in 10s").await;
    assert_eq!(relay.count("dead letters wait: "), 1, "logged when it changes");
    for number in 1..=4 {
        let letters = scene.dead_letters(1).await;
        assert!(letters[0].body.starts_with(b"bad"), "dead letter {number}");
    }
    let well = async || (get(address, "/readyz").await.json()["dead_letters"]["ok"] == true).then_some(());
    eventually("dead letters are stored", well).await;
    ready(address, "consuming", 200).await;
    let scraped = Scraped::from(address).await;
    assert_eq!((scraped.count("dead_letters_down"), scraped.count("paused")), (0, 0));
    let paused = scraped.value("paused_seconds_total{cause=\"dead_letters\"}");
    assert!(paused > 5.0 && scraped.value("paused_seconds_total{cause=\"rt\"}") < 0.1, "{paused}");
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.close().await;
}

#[tokio::test]
async fn without_the_right_to_write_dead_letters_the_alert_stays_until_it_is_given() {
    let scene = Scene::new("no-right").await;
    let relay = scene.relay(&[]).await;
    scene.stop(relay).await;
    let broker = Server::shared_rabbitmq();
    broker.ctl(&["add_user", &scene.name, &scene.password()]).await;
    broker.ctl(&["set_permissions", &scene.name, "", "", ".*"]).await;
    let mut url = url::Url::parse(&setting("RELAY_LAB_AMQP_URL")).unwrap();
    url.set_username(&scene.name).unwrap();
    url.set_password(Some(&scene.password())).unwrap();
    let relay = scene.relay(&[("AMQP_URL", url.as_str())]).await;
    scene.publish(b"bad").await;
    relay.logs("Grant the user of AMQP_URL the right on what is named").await;
    good_alerts_go_on(&scene, &relay).await;
    broker.ctl(&["set_permissions", &scene.name, "", ".*", ".*"]).await;
    assert_eq!(scene.dead_letters(1).await[0].body, b"bad");
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    broker.ctl(&["delete_user", &scene.name]).await;
    scene.close().await;
}

/// As an operator may have made it.
async fn dead_letter_queue_for_one(scene: &Scene) {
    let name = scene.dead_letters_name();
    let exchange = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let declare =
        scene.channel.exchange_declare(name.as_str().into(), ExchangeKind::Topic, exchange, FieldTable::default());
    declare.await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let queue = QueueDeclareOptions { durable: true, ..Default::default() };
    scene.channel.queue_declare(name.as_str().into(), queue, arguments).await.unwrap();
    bind(scene, "#").await;
}

async fn bind(scene: &Scene, binding: &str) {
    let name = scene.dead_letters_name();
    let (queue, exchange) = (name.as_str().into(), name.as_str().into());
    let bind =
        scene.channel.queue_bind(queue, exchange, binding.into(), QueueBindOptions::default(), FieldTable::default());
    bind.await.unwrap();
}
