//! What analysts do with tickets does not make the relay lose sight of them.

use serde_json::json;

use crate::support::alerts;
use crate::support::lab::{Scene, rt_admin};
use crate::support::servers::Server;

const INITIALDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rt/initialdata.pl");

/// Makes a ticket of the alert `id`, lets an analyst handle it, publishes the alert again, and asserts that the ticket
/// is found and no other made.
async fn is_found_after(scene: &Scene, id: &str, analyst: impl AsyncFnOnce(u64)) {
    let relay = scene.relay(&[]).await;
    scene.publish_alert(&alerts::ssl(id)).await;
    relay.logs("\"outcome\":\"created\"").await;
    let ticket = scene.tickets(1).await[0].id;
    analyst(ticket).await;
    scene.publish_alert(&alerts::ssl(id)).await;
    relay.logs("\"outcome\":\"found\"").await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    let made = scene.rt.search(&format!("EffectiveId > 0 AND Creator = '{}'", scene.name)).await;
    assert_eq!(made.iter().map(|ticket| ticket.id).collect::<Vec<_>>(), [ticket]);
}

/// Moves a ticket to another queue of RT.
async fn move_to(scene: &Scene, ticket: u64, rt_queue: &str) {
    let said = scene.rt.put(ticket, &json!({ "Queue": rt_queue })).await;
    let moved = scene.rt.search(&format!("id = {ticket} AND Queue = '{rt_queue}'")).await;
    assert_eq!(moved.len(), 1, "{said}");
}

/// The one command of `deploy/rt/README.md`, once more.
async fn set_up_again(scene: &Scene, show_ticket: &str) {
    let environment = [("RTIR_QUEUE", &*scene.name), ("RTIR_USERNAME", &*scene.name), ("SHOW_TICKET", show_ticket)];
    Server::shared_rt().load(INITIALDATA, &environment).await.unwrap();
}

#[tokio::test]
async fn a_ticket_merged_into_another_is_found() {
    let scene = Scene::new("merged").await;
    let other = Scene::new("merge-target").await;
    let relay = other.relay(&[]).await;
    other.publish_alert(&alerts::ssl("other")).await;
    let target = other.tickets(1).await[0].id;
    other.stop(relay).await;
    is_found_after(&scene, "merged", async |ticket| {
        let said = scene.rt.put(ticket, &json!({ "MergeInto": target })).await;
        let merged = scene.rt.search(&format!("EffectiveId = {target} AND id = {ticket}")).await;
        assert_eq!(merged.len(), 1, "{said}");
        // The service user has to see the RT queue that the ticket is in now.
        rt_admin(&["grant", &scene.name, "ShowTicket", &other.name]);
    })
    .await;
    scene.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_ticket_moved_to_a_queue_with_the_field_is_found() {
    let scene = Scene::new("moved").await;
    let other = Scene::new("moved-to").await;
    rt_admin(&["grant", &scene.name, "ShowTicket", &other.name]);
    is_found_after(&scene, "moved", async |ticket| {
        move_to(&scene, ticket, &other.name).await;
    })
    .await;
    scene.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_ticket_moved_to_a_queue_without_the_field_is_found() {
    let scene = Scene::new("moved-away").await;
    let other = Scene::new("fieldless").await;
    rt_admin(&["remove-field", &other.name]);
    rt_admin(&["grant", &scene.name, "ShowTicket", &other.name]);
    is_found_after(&scene, "moved-away", async |ticket| {
        move_to(&scene, ticket, &other.name).await;
    })
    .await;
    scene.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_ticket_moved_to_another_queue_of_rtir_is_found_with_the_rights_of_the_initialdata() {
    let scene = Scene::new("investigated").await;
    // All scenes see that queue.
    is_found_after(&scene, &scene.name, async |ticket| {
        move_to(&scene, ticket, "Investigations").await;
    })
    .await;
    scene.close().await;
}

#[tokio::test]
async fn a_ticket_moved_to_a_constituency_made_later_is_found_after_the_one_command() {
    // The second as RTIR's incidents: without the field.
    for (what, lifecycle) in [("constituency", "incident_reports"), ("constituency-incidents", "investigations")] {
        let scene = Scene::new(what).await;
        let later = format!("{} - EDUNET", scene.name);
        is_found_after(&scene, &scene.name, async |ticket| {
            rt_admin(&["add-queue", &later, lifecycle]);
            set_up_again(&scene, "").await;
            move_to(&scene, ticket, &later).await;
        })
        .await;
        scene.close().await;
    }
}

#[tokio::test]
async fn a_ticket_moved_to_any_queue_made_later_is_found_with_the_right_on_all() {
    let scene = Scene::new("sees-all").await;
    set_up_again(&scene, "all").await;
    let later = format!("{} elsewhere", scene.name);
    is_found_after(&scene, &scene.name, async |ticket| {
        rt_admin(&["add-queue", &later, "default"]);
        move_to(&scene, ticket, &later).await;
    })
    .await;
    scene.close().await;
}
