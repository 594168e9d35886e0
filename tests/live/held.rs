//! Alerts that are held at once: those that wait keep no other from its turn, and all fit into the memory that is given.

use lapin::BasicProperties;
use lapin::options::ExchangeDeleteOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use crate::scenarios::stage::{Stage, names_dead_letter_cause};
use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::fake_rt::FakeRt;
use crate::support::lab::setting;

#[tokio::test]
async fn alerts_that_wait_for_a_second_look_hold_up_no_other() {
    const ALERTS: usize = 60;
    let rt = FakeRt::start();
    // It takes long.
    let others = [("RETRY_UNKNOWN_WAIT", "10m")];
    let stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "second-looks", &rt, &others).await;
    stage.declare().await;
    for number in 0..ALERTS {
        let mut headers = FieldTable::default();
        headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(1));
        let given_before = BasicProperties::default().with_headers(headers);
        stage.amqp.publish_with(&alerts::body(&alerts::ssl(&format!("alert-{number}"))), given_before).await;
    }
    let relay = stage.relay().await;
    rt.has_tickets(ALERTS).await;
    eventually("all wait", async || rt.is_idle().then_some(())).await;
    assert_eq!(relay.count("\"outcome\""), 0);
    let (status, log) = relay.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(stage.amqp.ready(&stage.amqp.amqp_queue()).await as usize, ALERTS);
    assert_eq!(rt.tickets().len(), ALERTS);
}

#[tokio::test]
async fn large_alerts_all_at_once_stay_within_the_memory_that_is_given() {
    const ALERTS: usize = 64;
    const MIB: u64 = 1024 * 1024;
    let rt = FakeRt::start();
    let others = [("RTIR_CONCURRENCY", "64"), ("RTIR_TIMEOUT", "60s"), ("SHUTDOWN_GRACE", "70s")];
    let stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "large", &rt, &others).await;
    stage.declare().await;
    for number in 0..ALERTS {
        let details = json!({ "details": { "log": "x".repeat(1_000_000) } });
        stage.amqp.publish_alert(&alerts::with(alerts::ssl(&format!("alert-{number}")), details)).await;
    }
    let relay = stage.relay().await;
    rt.has_tickets(ALERTS).await;
    let peak = relay.peak_memory();
    assert!(peak < 128 * MIB, "{} MiB", peak / MIB);
    stage.drain(relay).await;
}

#[tokio::test]
async fn no_more_than_three_times_the_prefetch_is_held_while_dead_letters_cannot_be_stored() {
    const BAD: usize = 60;
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "bound", &rt, &[]).await;
    stage.declare().await;
    let relay = stage.start(&[("AMQP_TOPOLOGY", "passive"), ("AMQP_PREFETCH", "10"), ("RETRY_MAX", "1s")]);
    relay.logs("consuming queue").await;
    let name = stage.amqp.dead_letters_name();
    let delete = stage.amqp.channel.exchange_delete(name.as_str().into(), ExchangeDeleteOptions::default());
    delete.await.unwrap();
    for number in 0..BAD {
        stage.publish_bad(&format!("bad {number}")).await;
    }
    names_dead_letter_cause(&relay, "does not exist").await;
    let queue = stage.amqp.amqp_queue();
    let held = async || BAD - stage.amqp.ready(&queue).await as usize;
    // The first alone, then twice the prefetch; as many again would be too many.
    eventually("more than the prefetch is held", async || (held().await > 20).then_some(())).await;
    // For some turns of the loop that would take more.
    let mut turns = 0;
    eventually("some turns", async || {
        let held = held().await;
        assert!(held <= 30, "{held}");
        turns += 1;
        (turns > 60).then_some(())
    })
    .await;
    let (status, log) = relay.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(held().await, 0, "all are back");
}
