//! The connections that the relay makes, keeps and gives up.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use super::health::{ANY_PORT, ready};
use crate::scenarios::stage::Stage;
use crate::support::alerts;
use crate::support::broker_admin;
use crate::support::eventually::eventually;
use crate::support::fake_rt::{Answer, FakeRt, Fault, Op, PASSWORD};
use crate::support::health::address;
use crate::support::lab::{Scene, setting};
use crate::support::link::Link;
use crate::support::relay_process::RelayProcess;

#[tokio::test]
async fn an_rt_that_is_down_at_start_pauses_the_relay_before_anything_is_taken() {
    let rt = FakeRt::start();
    let url = setting("RELAY_LAB_AMQP_URL");
    let mut stage = Stage::scripted(&url, "down-at-start", &rt, &[ANY_PORT]).await;
    stage.declare().await;
    stage.publish(3).await;
    rt.keep(Op::Queues, Fault::Instead(Answer::message(500, "not yet")));
    let relay = stage.start(&[]);
    let address = address(&relay).await;
    let body = ready(address, "paused", 200).await;
    assert_eq!((&body["in_flight"], &body["broker"]["connected"]), (&json!(0), &json!(true)));
    let queue = stage.amqp.amqp_queue();
    assert_eq!(stage.amqp.ready(&queue).await, 3, "nothing is taken");
    rt.well();
    eventually("3 tickets", async || (rt.unmerged().len() == 3).then_some(())).await;
    ready(address, "consuming", 200).await;
    let (status, log) = relay.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    stage.amqp.close().await;
}

#[tokio::test]
async fn a_connection_that_is_cut_while_paused_is_made_anew() {
    let rt = FakeRt::start();
    let url = setting("RELAY_LAB_AMQP_URL");
    let link = Link::to(&url).await;
    let others = [ANY_PORT, ("PAUSE_AFTER", "1s")];
    let mut stage = Stage::scripted(&url, "cut-paused", &rt, &others).await;
    let way = link.url(&url);
    let relay = stage.start(&[("AMQP_URL", &way)]);
    relay.logs("consuming queue").await;
    let address = address(&relay).await;
    for op in [Op::Create, Op::Rt] {
        rt.keep(op, Fault::Instead(Answer::message(503, "away")));
    }
    stage.publish(2).await;
    ready(address, "paused", 200).await;
    link.cut();
    relay.logs("connected to the broker again").await;
    ready(address, "paused", 200).await;
    rt.well();
    eventually("2 tickets", async || (rt.unmerged().len() == 2).then_some(())).await;
    let (status, log) = relay.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    stage.amqp.close().await;
}

#[tokio::test]
async fn a_broker_that_is_silent_on_channels_is_passed_over() {
    let url = setting("RELAY_LAB_AMQP_URL");
    let scene = Scene::new("silent-channels").await;
    let silent = crate::support::silent::after_opening(&url).await;
    let brokers = format!("{silent},{url}");
    // Whichever is tried first.
    for _ in 0..2 {
        let relay = RelayProcess::start(&scene.environment(&[("AMQP_URL", &brokers)]));
        relay.logs("consuming queue").await;
        scene.stop(relay).await;
    }
    scene.close().await;
}

#[tokio::test]
async fn connects_that_time_out_leave_neither_threads_nor_descriptors_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("amqp://relay:{PASSWORD}@127.0.0.1:{}/%2f", listener.local_addr().unwrap().port());
    let held = tokio::spawn(async move {
        let mut streams = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            streams.push(stream);
        }
    });
    let scene = Scene::new("silent").await;
    let brokers = format!("{silent},{silent}");
    let relay = RelayProcess::start(&scene.environment(&[("AMQP_URL", &brokers)]));
    eventually("one round", async || (relay.count("trying the next broker") >= 2).then_some(())).await;
    let (threads, descriptors) = relay.threads_and_descriptors();
    eventually("three more", async || (relay.count("trying the next broker") >= 8).then_some(())).await;
    eventually("no more than before", async || {
        let (threads_now, descriptors_now) = relay.threads_and_descriptors();
        (threads_now <= threads + 1 && descriptors_now <= descriptors + 2).then_some(())
    })
    .await;
    scene.stop(relay).await;
    held.abort();
    scene.close().await;
}

#[tokio::test]
async fn a_vhost_that_is_full_of_connections_is_waited_for() {
    let scene = Scene::new("full").await;
    let vhost = scene.name.clone();
    broker_admin::make_vhost(&vhost).await;
    broker_admin::set_user(&vhost, "").await;
    broker_admin::permit(&vhost, &vhost, [".*"; 3]).await;
    broker_admin::limit_connections(&vhost, 0).await;
    let url = broker_admin::url_of(&vhost, &vhost);
    let relay = RelayProcess::start(&scene.environment(&[("AMQP_URL", &url)]));
    relay.logs("connection limit").await;
    broker_admin::limit_connections(&vhost, -1).await;
    relay.logs("consuming queue").await;
    scene.stop(relay).await;
    scene.close().await;
}

#[tokio::test]
async fn half_open_requests_for_health_take_nothing_from_the_relay() {
    let scene = Scene::new("half-open").await;
    let relay = scene.relay(&[ANY_PORT]).await;
    let address = address(&relay).await;
    let mut half_open = Vec::new();
    for _ in 0..200 {
        half_open.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    scene.publish_alert(&alerts::ssl("alert-1")).await;
    scene.tickets(1).await;
    // Each is closed in time, so who asks is answered in the end.
    let asked = tokio::time::timeout(Duration::from_mins(1), crate::support::health::get(address, "/livez"));
    assert_eq!(asked.await.expect("an answer").http_status, 200);
    let (_, descriptors) = relay.threads_and_descriptors();
    assert!(descriptors < 150, "{descriptors}");
    scene.stop(relay).await;
    scene.close().await;
}
