//! The relay is killed, or asked to stop, in the middle of its work.

use std::time::{Duration, Instant};

use super::stage::{LATENCY, Stage};
use super::{Form, Random, Resumed, Row};
use crate::support::eventually::eventually;
use crate::support::fake_rt::FakeRt;
use crate::support::lab::{Scene, setting};

/// Every moment is just after RT has got a request, in the middle of find, create, verify or a login.
pub async fn at_any_moment(form: Form) -> Row {
    let (kills, alerts) = form.of((12, 240), (100, 2000));
    let rt = FakeRt::start();
    rt.takes(LATENCY);
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "killed", &rt, &[]).await;
    stage.declare().await;
    stage.publish(alerts).await;
    let mut random = Random::new();
    // An alert takes three requests or four.
    let most = alerts / kills * 4;
    for _ in 0..kills {
        let relay = stage.start(&[]);
        assert!(rt.reaches(rt.requests_so_far() + 1 + random.below(most)).await, "there is work left at each kill");
        drop(relay); // by SIGKILL
    }
    stage.drain(stage.relay().await).await;
    Row {
        fault: "relay killed (scripted RT)",
        times: kills,
        tally: stage.tally_of(&rt).await,
        resumed: Resumed::default(),
    }
}

/// The same with a real RT.
pub async fn before_a_real_rt(form: Form) -> Row {
    let (kills, alerts) = form.of((4, 60), (10, 200));
    let scene = Scene::new("killed").await;
    // Few are held at once: others are fresh at the next kill, and not all wait for their second look.
    let mut stage = Stage::new(scene.again().await, scene.environment(&[]), &[("AMQP_PREFETCH", "4")]);
    stage.declare().await;
    stage.publish(alerts).await;
    let mut random = Random::new();
    for _ in 0..kills {
        let relay = stage.start(&[]);
        let tickets = 1 + random.below(6);
        eventually("some tickets", async || (relay.count("\"outcome\":") >= tickets).then_some(())).await;
        drop(relay);
    }
    stage.drain(stage.relay().await).await;
    let tickets = scene.rt.tickets().await;
    let tally = stage.tally(tickets.into_iter().map(|ticket| (ticket.key.clone(), ticket.is_merged()))).await;
    Row { fault: "relay killed (real RT)", times: kills, tally, resumed: Resumed::default() }
}

/// SIGTERM: the relay ends with 0 in its grace period, and what it was at is finished.
pub async fn asked_to_stop(form: Form) -> Row {
    const GRACE: Duration = Duration::from_secs(30);
    let (stops, alerts) = form.of((5, 200), (30, 1000));
    let rt = FakeRt::start();
    rt.takes(LATENCY);
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "stopped", &rt, &[]).await;
    stage.declare().await;
    stage.publish(alerts).await;
    let mut random = Random::new();
    let most = alerts / stops * 4;
    for _ in 0..stops {
        let relay = stage.relay().await;
        assert!(rt.reaches(rt.requests_so_far() + 1 + random.below(most)).await, "there is work left at each stop");
        let asked = Instant::now();
        let (status, log) = relay.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(asked.elapsed() < GRACE, "{log}");
        assert!(rt.is_idle(), "no request is left behind");
    }
    stage.drain(stage.relay().await).await;
    let tally = stage.tally_of(&rt).await;
    assert_eq!(tally.merged, 0, "a create that is under way is finished, so none is made twice");
    Row { fault: "relay asked to stop", times: stops, tally, resumed: Resumed::default() }
}
