//! Nothing lost, nothing twice, whatever breaks: the short form. "Doubled" counts tickets of one alert beyond one that
//! are not merged.

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::lab::{Scene, rt_admin, setting};
use crate::support::link::Link;
use crate::support::relay_process::RelayProcess;

impl Scene {
    async fn publish_many(&self, count: usize) {
        for number in 0..count {
            self.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
        }
    }

    /// Waits until the queue is empty and `relay` holds nothing, then stops it and asserts that each of `count` alerts
    /// has exactly one unmerged ticket, and that nothing was dead-lettered.
    async fn ends_with_one_ticket_each(&self, relay: RelayProcess, count: usize) -> String {
        let queue = self.amqp_queue();
        eventually("one unmerged ticket for each alert", async || {
            let keys = self.unmerged_keys().await;
            (keys.len() >= count && self.ready(&queue).await == 0).then_some(())
        })
        .await;
        // What waits for its second look holds its delivery; stopping gives it back, and another life finds its ticket.
        let log = self.stop(relay).await;
        let left = self.ready(&queue).await as usize;
        let relay = self.relay(&[]).await;
        eventually("all that was left is settled", async || (relay.count("\"outcome\":") == left).then_some(())).await;
        self.stop(relay).await;
        self.assert_queue_empty().await;
        self.dead_letters(0).await;
        let mut wanted: Vec<_> = (0..count).map(|number| format!("alert-{number}")).collect();
        wanted.sort();
        assert_eq!(self.unmerged_keys().await, wanted);
        log
    }

    async fn unmerged_keys(&self) -> Vec<String> {
        let tickets = self.rt.tickets().await;
        let mut keys: Vec<_> = tickets.into_iter().filter(|t| !t.is_merged()).filter_map(|t| t.key).collect();
        keys.sort();
        keys
    }
}

#[tokio::test]
async fn a_relay_killed_at_any_moment_loses_and_doubles_nothing() {
    const ALERTS: usize = 60;
    let scene = Scene::new("kill").await;
    let wait = [("RETRY_UNKNOWN_WAIT", "300ms")];
    let relay = scene.relay(&wait).await;
    scene.publish_many(ALERTS).await;
    drop(relay);
    for kill in 0..8 {
        let relay = scene.relay(&wait).await;
        let enough = 1 + kill % 4;
        eventually("some tickets", async || (relay.count("\"outcome\":") >= enough).then_some(())).await;
        // Killed when dropped, in the middle of what it does then.
        drop(relay);
    }
    let relay = scene.relay(&wait).await;
    scene.ends_with_one_ticket_each(relay, ALERTS).await;
    scene.close().await;
}

#[tokio::test]
async fn answers_lost_after_rt_made_the_ticket_double_nothing() {
    const LOST: usize = 20;
    let scene = Scene::new("lost-answers").await;
    let url = setting("RELAY_LAB_RT_URL");
    let link = Link::to(&url).await;
    let relay = scene.relay(&[("RTIR_URL", &link.url(&url)), ("RETRY_UNKNOWN_WAIT", "300ms")]).await;
    link.lose_answers(LOST);
    scene.publish_many(30).await;
    scene.ends_with_one_ticket_each(relay, 30).await;
    assert_eq!(link.lost(), LOST);
    assert!(scene.rt.tickets().await.iter().all(|ticket| !ticket.is_merged()), "each was found, none made twice");
    scene.close().await;
}

#[tokio::test]
async fn an_rt_that_is_down_for_long_gets_all_its_tickets_afterwards() {
    let scene = Scene::new("rt-down").await;
    let url = setting("RELAY_LAB_RT_URL");
    let link = Link::to(&url).await;
    let relay = scene.relay(&[("RTIR_URL", &link.url(&url)), ("PAUSE_AFTER", "2s")]).await;
    scene.publish_many(5).await;
    scene.tickets(5).await;
    link.down();
    for number in 5..20 {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    relay.logs("alerts wait: ").await;
    relay.logs("alerts go back to their queue").await;
    let queue = scene.amqp_queue();
    eventually("all alerts back in the queue", async || (scene.ready(&queue).await >= 15).then_some(())).await;
    link.up();
    relay.logs("RT is well again").await;
    let log = scene.ends_with_one_ticket_each(relay, 20).await;
    assert!(!log.contains("\"outcome\":\"dead_letter\""), "{log}");
    scene.close().await;
}

#[tokio::test]
async fn an_rt_frozen_with_creates_inside_doubles_nothing() {
    let scene = Scene::new("frozen").await;
    let url = setting("RELAY_LAB_RT_URL");
    let link = Link::to(&url).await;
    let others = [("RTIR_URL", link.url(&url)), ("RTIR_TIMEOUT", "2s".into()), ("SHUTDOWN_GRACE", "5s".into())];
    let others: Vec<_> = others.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let relay = scene.relay(&others).await;
    scene.publish_many(20).await;
    for round in 1..=2 {
        eventually("some tickets", async || (relay.count("\"outcome\":") >= round * 3).then_some(())).await;
        let before = relay.count("no answer in time");
        link.freeze();
        eventually("a timeout", async || (relay.count("no answer in time") > before).then_some(())).await;
        link.up();
    }
    scene.ends_with_one_ticket_each(relay, 20).await;
    scene.close().await;
}

#[tokio::test]
async fn a_broker_connection_that_is_cut_or_frozen_is_made_anew() {
    let scene = Scene::new("cut").await;
    let url = setting("RELAY_LAB_AMQP_URL");
    let link = Link::to(&url).await;
    let others =
        [("AMQP_URL", link.url(&url)), ("AMQP_HEARTBEAT", "1s".into()), ("RETRY_UNKNOWN_WAIT", "300ms".into())];
    let others: Vec<_> = others.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let relay = scene.relay(&others).await;
    scene.publish_many(40).await;
    for cut in 1..=5 {
        eventually("some tickets", async || (relay.count("\"outcome\":") >= cut * 3).then_some(())).await;
        link.cut();
        let consuming = async || (relay.count("consuming queue") > cut).then_some(());
        eventually("the relay consumes again", consuming).await;
    }
    link.freeze();
    relay.logs("the broker gave no sign of life").await;
    link.up();
    scene.ends_with_one_ticket_each(relay, 40).await;
    scene.close().await;
}

#[tokio::test]
async fn a_password_that_is_changed_pauses_the_relay_until_it_has_the_new_one() {
    let scene = Scene::new("password").await;
    let file = std::env::temp_dir().join(format!("{}.password", scene.name));
    std::fs::write(&file, scene.password()).unwrap();
    let relay = scene.relay(&[("RTIR_PASSWORD", ""), ("RTIR_PASSWORD_FILE", file.to_str().unwrap())]).await;
    scene.publish_many(3).await;
    scene.tickets(3).await;

    rt_admin(&["set-password", &scene.name, "another-password"]);
    rt_admin(&["delete-sessions", &scene.name]);
    for number in 3..6 {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    relay.logs("RT refuses the credentials").await;
    relay.logs("a probe failed").await;
    assert_eq!(scene.rt.tickets().await.len(), 3);
    std::fs::write(&file, "another-password").unwrap();
    scene.ends_with_the_password(relay, 6, &file).await;
    scene.close().await;
}

impl Scene {
    async fn ends_with_the_password(&self, relay: RelayProcess, count: usize, file: &std::path::Path) {
        self.tickets(count).await;
        eventually("all settled", async || (relay.count("\"outcome\":") == count).then_some(())).await;
        let log = self.stop(relay).await;
        assert!(!log.contains("another-password"), "{log}");
        std::fs::remove_file(file).unwrap();
        self.assert_queue_empty().await;
        self.dead_letters(0).await;
    }
}

#[tokio::test]
async fn an_rt_queue_that_is_disabled_for_a_while_holds_the_alerts() {
    let scene = Scene::new("disabled").await;
    let relay = scene.relay(&[]).await;
    scene.publish_many(3).await;
    scene.tickets(3).await;
    rt_admin(&["disable-queue", &scene.name]);
    scene.publish_alert(&alerts::ssl("alert-3")).await;
    relay.logs("is disabled").await;
    rt_admin(&["enable-queue", &scene.name]);
    scene.ends_with_one_ticket_each(relay, 4).await;
    scene.close().await;
}
