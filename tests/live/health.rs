//! What a running relay says of itself, and what it counts.

use std::net::SocketAddr;

use lapin::BasicProperties;
use lapin::options::QueueDeleteOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::health::{Scraped, address, get};
use crate::support::lab::{Scene, rt_admin, setting};
use crate::support::link::Link;
use crate::support::notify_socket::NotifySocket;
use crate::support::relay_process::{RelayProcess, run};

/// Waits until `/readyz` answers so, and gives its body.
pub(super) async fn ready(address: SocketAddr, state: &str, http_status: u16) -> Value {
    eventually(&format!("{state} {http_status}"), async || {
        let answer = get(address, "/readyz").await;
        let body = answer.json();
        (body["state"] == state && answer.http_status == http_status).then_some(body)
    })
    .await
}

pub(super) const ANY_PORT: (&str, &str) = ("HTTP_LISTEN", "127.0.0.1:0");

#[tokio::test]
async fn a_relay_that_consumes_is_ready_and_counts_what_becomes_of_alerts() {
    let scene = Scene::new("health").await;
    let relay = scene.relay(&[ANY_PORT]).await;
    let address = address(&relay).await;
    let body = ready(address, "consuming", 200).await;
    let well = json!({
        "state": "consuming",
        "broker": { "connected": true },
        "rt": { "ok": true, "cause": null, "since": null },
        "dead_letters": { "ok": true, "cause": null, "since": null, "waiting": 0 },
        "in_flight": 0,
    });
    assert_eq!(body, well);
    let listen = [("HTTP_LISTEN".to_owned(), address.to_string())];
    assert_eq!(run(&listen, &["healthcheck"], b"").0, Some(0));
    assert_eq!(run(&listen, &["healthcheck", "--ready"], b"").0, Some(0));

    for _ in 0..2 {
        scene.publish_alert(&alerts::ssl("twice")).await;
    }
    scene.publish_alert(&alerts::of("once", "domain")).await;
    scene.publish_alert(&alerts::with(alerts::ssl("over"), json!({ "status": "resolved" }))).await;
    scene.publish(b"no alert").await;
    let settled = |scraped: &Scraped, alert_type: &str, outcome: &str| {
        scraped.count(&format!("alerts_settled_total{{type=\"{alert_type}\",outcome=\"{outcome}\"}}"))
    };
    let scraped = eventually("five settled alerts", async || {
        let scraped = Scraped::from(address).await;
        let all = scraped.samples.iter().filter(|(sample, _)| sample.contains("alerts_settled_total"));
        (all.map(|(_, value)| value).sum::<f64>() > 4.5).then_some(scraped)
    })
    .await;
    for (alert_type, outcome, count) in [
        ("ssl", "created", 1),
        ("ssl", "found", 1),
        ("ssl", "ignored", 1),
        ("domain", "created", 1),
        ("unknown", "dead_letter", 1),
        ("unknown", "returned", 0),
    ] {
        assert_eq!(settled(&scraped, alert_type, outcome), count, "{alert_type} {outcome}: {scraped:#?}");
    }
    for (sample, count) in [
        ("alerts_received_total{type=\"ssl\"}", 3),
        ("alerts_received_total{type=\"domain\"}", 1),
        ("alerts_received_total{type=\"unknown\"}", 1),
        ("dead_letters_total{reason=\"malformed_alert\"}", 1),
        ("dead_letters_total{reason=\"exhausted\"}", 0),
        ("end_to_end_seconds_count", 2),
        ("rt_request_duration_seconds_count{operation=\"create\",status=\"2xx\"}", 2),
        ("in_flight", 0),
        ("rt_down", 0),
        ("dead_letters_down", 0),
        ("paused", 0),
        ("broker_connected", 1),
        ("concurrency_limit", 2),
    ] {
        assert_eq!(scraped.count(sample), count, "{sample}");
    }
    scene.assert_no_secret(&format!("{scraped:?}"));
    scene.stop(relay).await;
    scene.close().await;
}

#[tokio::test]
async fn doubles_reused_ids_and_second_looks_are_counted() {
    let scene = Scene::new("counts").await;
    let relay = scene.relay(&[ANY_PORT, ("RETRY_UNKNOWN_WAIT", "100ms")]).await;
    let address = address(&relay).await;
    let counts = async |sample: &str, count: u64| {
        eventually(&format!("{sample} {count}"), async || {
            (Scraped::from(address).await.count(sample) == count).then_some(())
        })
        .await;
    };
    let mut headers = FieldTable::default();
    headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(1));
    let redelivered = BasicProperties::default().with_headers(headers);
    scene.publish_with(&alerts::body(&alerts::ssl("first")), redelivered).await;
    counts("second_looks_total", 1).await;

    let elsewhere = json!({ "platform": { "url": "https://elsewhere.example" } });
    scene.publish_alert(&alerts::with(alerts::ssl("first"), elsewhere)).await;
    counts("ids_reused_total", 1).await;

    // A double as a crash or another relay may leave it.
    scene.publish_alert(&alerts::ssl("second")).await;
    let tickets = scene.tickets(2).await;
    counts("alerts_settled_total{type=\"ssl\",outcome=\"created\"}", 2).await;
    scene.rt.put(tickets[1].id, &json!({ "CustomFields": { "Alert ID": "first" } })).await;
    rt_admin(&["revoke", &scene.name, "ModifyTicket", &scene.name]);
    scene.publish_alert(&alerts::ssl("first")).await;
    counts("doubles_unmerged_total", 1).await;
    rt_admin(&["grant", &scene.name, "ModifyTicket", &scene.name]);
    scene.publish_alert(&alerts::ssl("first")).await;
    counts("doubles_merged_total", 1).await;
    scene.stop(relay).await;
    assert_eq!(scene.tickets(2).await.iter().filter(|ticket| ticket.is_merged()).count(), 1);
    scene.close().await;
}

#[tokio::test]
async fn rt_being_down_pauses_a_relay_that_stays_ready_and_names_the_cause() {
    let scene = Scene::new("rt-down").await;
    // Nothing listens on port 1.
    let down = [ANY_PORT, ("RTIR_URL", "http://127.0.0.1:1"), ("PAUSE_AFTER", "100ms")];
    let relay = RelayProcess::start(&scene.environment(&down));
    let address = address(&relay).await;
    let body = ready(address, "paused", 200).await;
    assert_eq!((&body["broker"]["connected"], &body["rt"]["ok"]), (&json!(true), &json!(false)));
    assert!(body["rt"]["cause"].as_str().unwrap().contains("Check that RT runs"), "{body}");
    body["rt"]["since"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(body["dead_letters"]["ok"], true);
    assert_eq!(body.as_object().unwrap().len(), 5, "{body}");
    assert_eq!(get(address, "/livez").await.http_status, 200);
    let scraped = Scraped::from(address).await;
    assert_eq!((scraped.count("rt_down"), scraped.count("paused")), (1, 1));
    let paused = async || {
        let scraped = Scraped::from(address).await;
        (scraped.value("paused_seconds_total{cause=\"rt\"}") > 0.5).then_some(())
    };
    eventually("the time is counted", paused).await;
    scene.assert_no_secret(&body.to_string());
    scene.stop(relay).await;
    scene.close().await;
}

#[tokio::test]
async fn without_a_broker_a_relay_is_alive_but_not_ready_and_its_health_ends_with_it() {
    let scene = Scene::new("broker-down").await;
    let down = [ANY_PORT, ("AMQP_URL", "amqp://relay:relay-broker-password@127.0.0.1:1/%2f")];
    let relay = RelayProcess::start(&scene.environment(&down));
    let address = address(&relay).await;
    let body = ready(address, "starting", 503).await;
    assert_eq!(body["broker"]["connected"], false);
    assert_eq!(get(address, "/livez").await.http_status, 200);
    let listen = [("HTTP_LISTEN".to_owned(), address.to_string())];
    assert_eq!(run(&listen, &["healthcheck", "--ready"], b"").0, Some(1));
    assert_eq!(Scraped::from(address).await.count("broker_connected"), 0);
    scene.stop(relay).await;
    assert!(std::net::TcpStream::connect(address).is_err());
    scene.close().await;
}

#[tokio::test]
async fn what_is_consumed_being_lost_is_told_until_it_is_back() {
    let scene = Scene::new("queue-lost").await;
    // Absent, it is not declared again, so the relay goes on trying.
    let relay = scene.relay(&[ANY_PORT]).await;
    scene.stop(relay).await;
    let relay = scene.relay(&[ANY_PORT, ("AMQP_TOPOLOGY", "passive")]).await;
    let address = address(&relay).await;
    ready(address, "consuming", 200).await;
    scene.channel.queue_delete(scene.amqp_queue().into(), QueueDeleteOptions::default()).await.unwrap();
    ready(address, "connecting", 503).await;
    assert_eq!(get(address, "/livez").await.http_status, 200);
    let other = scene.relay(&[]).await;
    ready(address, "consuming", 200).await;
    scene.stop(other).await;
    scene.stop(relay).await;
    scene.close().await;
}

#[tokio::test]
async fn what_waits_is_given_up_with_the_connection_that_it_came_by() {
    let scene = Scene::new("given-up").await;
    let link = Link::to(&setting("RELAY_LAB_AMQP_URL")).await;
    let by_link = link.url(&setting("RELAY_LAB_AMQP_URL"));
    let rt = Link::to(scene.rt.url()).await;
    let (by_link, rt_url) = (("AMQP_URL", by_link.as_str()), rt.url(scene.rt.url()));
    let relay = scene.relay(&[ANY_PORT, by_link, ("RTIR_URL", &rt_url), ("AMQP_PREFETCH", "4")]).await;
    let address = address(&relay).await;
    let holds = async |state: &str, count: u64| {
        eventually(&format!("{count} alerts while {state}"), async || {
            let body = get(address, "/readyz").await.json();
            (body["state"] == state && body["in_flight"] == count).then_some(())
        })
        .await;
    };
    // RT goes away once alerts are taken as they come, so that they wait: as many as may be held, and on a new connection the
    // one beside them that was taken first.
    scene.publish_alert(&alerts::ssl("alert-0")).await;
    eventually("the first is settled", async || (relay.count("\"outcome\":\"created\"") == 1).then_some(())).await;
    rt.down();
    for number in 1..=6 {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    holds("consuming", 4).await;
    link.down();
    holds("connecting", 0).await;
    link.up();
    holds("consuming", 5).await;
    scene.stop(relay).await;
    assert_eq!(scene.ready(&scene.amqp_queue()).await, 6);
    scene.close().await;
}

#[tokio::test]
async fn a_second_relay_on_a_host_relays_without_an_address_of_its_own() {
    let scene = Scene::new("second").await;
    // Unset, so both would take the default.
    let unset = [("HTTP_LISTEN", "")];
    let first = scene.relay(&unset).await;
    let second = scene.relay(&unset).await;
    assert_eq!(second.count("goes on without health and metrics"), 1);
    scene.stop(first).await;
    scene.stop(second).await;
    scene.close().await;
}

#[tokio::test]
async fn systemd_hears_when_a_relay_is_ready_that_its_loop_turns_and_that_it_stops() {
    let scene = Scene::new("systemd").await;
    let systemd = NotifySocket::new();
    let path = systemd.path();
    let notify = ("NOTIFY_SOCKET", path.to_str().unwrap());
    // Nothing listens on port 1, so that it waits for RT.
    let down = [notify, ("RTIR_URL", "http://127.0.0.1:1"), ("PAUSE_AFTER", "100ms")];
    for (others, state) in [(&[notify][..], "consuming"), (&down, "paused; alerts wait: server unreachable")] {
        let relay = RelayProcess::start(&scene.environment(others));
        let mut heard = systemd.hears("READY", "1").await;
        if !heard["STATUS"].starts_with(state) {
            heard = systemd.hears("STATUS", state).await;
        }
        scene.assert_no_secret(&format!("{heard:?}"));
        systemd.hears("WATCHDOG", "1").await;
        systemd.hears("WATCHDOG", "1").await;
        scene.stop(relay).await;
        assert!(systemd.hears("STOPPING", "1").await["STATUS"].starts_with("stopping"));
    }
    scene.close().await;
}
