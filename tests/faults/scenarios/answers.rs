//! RT makes the ticket, and its answer gets lost.

use super::stage::Stage;
use super::{Form, Resumed, Row};
use crate::support::fake_rt::FakeRt;
use crate::support::lab::{Scene, setting};
use crate::support::link::Link;

pub async fn lost(form: Form) -> Row {
    let (lost, alerts) = form.of((40, 60), (200, 300));
    let rt = FakeRt::start();
    let link = Link::to(&rt.url()).await;
    let others = [("RTIR_URL", link.url(&rt.url()))];
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "lost", &rt, &as_refs(&others)).await;
    let relay = stage.relay().await;
    link.lose_answers(lost);
    stage.publish(alerts).await;
    stage.drain(relay).await;
    assert_eq!(link.lost(), lost);
    let tally = stage.tally_of(&rt).await;
    assert_eq!(tally.merged, 0, "each was found, none made twice");
    Row { fault: "answer to a create lost (scripted RT)", times: lost, tally, resumed: Resumed::default() }
}

pub async fn lost_by_a_real_rt(form: Form) -> Row {
    let (lost, alerts) = form.of((10, 20), (20, 30));
    let scene = Scene::new("lost").await;
    let link = Link::to(scene.rt.url()).await;
    let others = [("RTIR_URL", link.url(scene.rt.url()))];
    let mut stage = Stage::new(scene.again().await, scene.environment(&[]), &as_refs(&others));
    let relay = stage.relay().await;
    link.lose_answers(lost);
    stage.publish(alerts).await;
    stage.drain(relay).await;
    assert_eq!(link.lost(), lost);
    let tickets = scene.rt.tickets().await;
    let tally = stage.tally(tickets.into_iter().map(|ticket| (ticket.key.clone(), ticket.is_merged()))).await;
    assert_eq!(tally.merged, 0, "each was found, none made twice");
    Row { fault: "answer to a create lost (real RT)", times: lost, tally, resumed: Resumed::default() }
}

pub fn as_refs<'a, const N: usize>(pairs: &'a [(&'a str, String); N]) -> [(&'a str, &'a str); N] {
    pairs.each_ref().map(|(name, value)| (*name, value.as_str()))
}
