//! SIGTERM in the middle of the work: what RT is creating is finished, the rest goes back.

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::lab::Scene;

#[tokio::test]
async fn sigterm_in_the_middle_of_a_load_loses_and_doubles_nothing() {
    const ALERTS: u32 = 40;
    let scene = Scene::new("sigterm").await;
    let relay = scene.relay(&[]).await;
    scene.stop(relay).await;
    for number in 0..ALERTS {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    for round in 1..=3 {
        let relay = scene.relay(&[]).await;
        eventually("some tickets", async || (relay.count("\"outcome\":\"created\"") >= 3).then_some(())).await;
        scene.stop(relay).await;
        let (tickets, ready) = (scene.rt.tickets().await.len(), scene.ready(&scene.amqp_queue()).await);
        // Some are both: those whose ticket was to be proven a second time.
        let all = u32::try_from(tickets).unwrap() + ready;
        assert!((ALERTS..=ALERTS + 4).contains(&all), "round {round}: {tickets} tickets, {ready} in the queue");
    }
    let left = scene.ready(&scene.amqp_queue()).await as usize;
    let relay = scene.relay(&[]).await;
    let settled = async || (relay.count("\"outcome\":") == left).then_some(());
    eventually("all that was left is settled", settled).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    assert_eq!(scene.rt.tickets().await.len(), ALERTS as usize);
    assert!(scene.rt.tickets().await.iter().all(|ticket| !ticket.is_merged()));
    scene.close().await;
}

#[tokio::test]
async fn sigterm_while_the_broker_is_not_there_ends_at_once() {
    let scene = Scene::new("no-broker").await;
    // Nothing listens on port 1.
    let relay = crate::support::relay_process::RelayProcess::start(
        &scene.environment(&[("AMQP_URL", "amqp://relay:relay-broker-password@127.0.0.1:1/%2f")]),
    );
    relay.logs("trying again").await;
    scene.stop(relay).await;
    scene.close().await;
}
