//! RT drops a custom field silently. A wrong set-up costs one ticket, the log says what is wrong, and after the mend
//! that ticket has its key.

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::lab::{Scene, Ticket, rt_admin};

/// Starts a relay on a set-up that is broken so that the log says `cause`, publishes five alerts, mends, and asserts
/// that there was one ticket until then and five, each with its key, afterwards.
async fn one_ticket_until_mended(scene: &Scene, broken: &[&str], cause: &str, mend: &[&str]) {
    rt_admin(broken);
    let relay = scene.relay(&[]).await;
    for number in 0..5 {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    relay.logs(cause).await;
    // Long enough for the others to have been tried, had they been let through.
    relay.logs("a probe failed").await;
    let tickets = scene.rt.tickets().await;
    assert_eq!(tickets.len(), 1, "{tickets:?}");

    rt_admin(mend);
    let tickets = scene.tickets(5).await;
    eventually("an empty queue", async || (relay.count("\"outcome\":\"created\"") == 5).then_some(())).await;
    let log = scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    assert_eq!(log.matches("\"level\":\"ERROR\"").count(), 1, "the fault is named once: {log}");
    assert_keys(&scene.rt.tickets().await, 5);
    assert_eq!(tickets[0].id, scene.rt.tickets().await[0].id);
}

fn assert_keys(tickets: &[Ticket], count: usize) {
    let mut keys: Vec<_> = tickets.iter().map(|ticket| ticket.key.clone().expect("a key")).collect();
    keys.sort();
    assert_eq!(keys, (0..count).map(|number| format!("alert-{number}")).collect::<Vec<_>>());
    assert!(tickets.iter().all(|ticket| !ticket.is_merged()));
}

#[tokio::test]
async fn field_not_applied_to_the_queue() {
    let scene = Scene::new("no-field").await;
    let name = scene.name.clone();
    let cause = "the field is not applied to its RT queue";
    one_ticket_until_mended(&scene, &["remove-field", &name], cause, &["apply-field", &name]).await;
    scene.close().await;
}

#[tokio::test]
async fn no_right_to_write_the_field() {
    let scene = Scene::new("no-modify").await;
    let name = scene.name.clone();
    let right = "ModifyCustomField";
    let cause = "the right ModifyCustomField on the field is missing";
    one_ticket_until_mended(&scene, &["revoke-field", &name, right], cause, &["grant-field", &name, right]).await;
    scene.close().await;
}

#[tokio::test]
async fn no_right_to_see_the_field() {
    let scene = Scene::new("no-see").await;
    let name = scene.name.clone();
    let right = "SeeCustomField";
    let cause = "the right SeeCustomField on it is missing";
    one_ticket_until_mended(&scene, &["revoke-field", &name, right], cause, &["grant-field", &name, right]).await;
    scene.close().await;
}

#[tokio::test]
async fn no_right_to_see_tickets() {
    let scene = Scene::new("no-show").await;
    let name = scene.name.clone();
    let (revoke, grant) = (["revoke", &name, "ShowTicket", &name], ["grant", &name, "ShowTicket", &name]);
    one_ticket_until_mended(&scene, &revoke, "the right ShowTicket is missing", &grant).await;
    scene.close().await;
}

#[tokio::test]
async fn no_right_to_create_holds_the_alerts() {
    let scene = Scene::new("no-create").await;
    let name = scene.name.clone();
    rt_admin(&["revoke", &name, "CreateTicket", &name]);
    let relay = scene.relay(&[]).await;
    scene.publish_alert(&alerts::ssl("alert-0")).await;
    relay.logs("Grant the service user CreateTicket").await;
    rt_admin(&["grant", &name, "CreateTicket", &name]);
    assert_keys(&scene.tickets(1).await, 1);
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    scene.close().await;
}

#[tokio::test]
async fn a_right_removed_in_full_flight_costs_a_ticket_per_worker_and_all_are_mended() {
    const ALERTS: usize = 60;
    const CONCURRENCY: usize = 2;
    let scene = Scene::new("revoked").await;
    let name = scene.name.clone();
    let relay = scene.relay(&[]).await;
    for number in 0..ALERTS {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    eventually("full flight", async || (relay.count("\"outcome\":\"created\"") >= 10).then_some(())).await;
    rt_admin(&["revoke-field", &name, "ModifyCustomField"]);
    relay.logs("the right ModifyCustomField on the field is missing").await;
    relay.logs("a probe failed").await;
    let keyless: Vec<_> = scene.rt.tickets().await.into_iter().filter(|ticket| ticket.key.is_none()).collect();
    assert!((1..=CONCURRENCY).contains(&keyless.len()), "{keyless:?}");
    let log = relay.log();
    for ticket in &keyless {
        assert!(log.contains(&format!("ticket {} was made, but is not found again", ticket.id)), "{log}");
    }

    rt_admin(&["grant-field", &name, "ModifyCustomField"]);
    eventually("all tickets", async || (relay.count("\"outcome\":\"created\"") == ALERTS).then_some(())).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    let tickets = scene.rt.tickets().await;
    let mut keys: Vec<_> = tickets.iter().map(|ticket| ticket.key.clone().expect("a key")).collect();
    keys.sort();
    keys.dedup();
    assert_eq!((tickets.len(), keys.len()), (ALERTS, ALERTS));
    scene.close().await;
}
