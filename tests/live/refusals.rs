//! What RT refuses, or leaves out without a word, in whatever language: the alerts' fault only where others succeed.

use serde_json::json;

use super::health::{ANY_PORT, ready};
use crate::scenarios::stage::Stage;
use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::fake_rt::{Answer, FakeRt, Fault, Op};
use crate::support::health::address;
use crate::support::lab::{Scene, mail, rt_admin, setting};

/// Waits until every create was refused often enough to be dead-lettered, were it the alerts' fault.
async fn refused(relay: &crate::support::relay_process::RelayProcess, times: usize) {
    eventually("refusals", async || (relay.count("alerts wait: ") >= times).then_some(())).await;
}

#[tokio::test]
async fn a_database_that_takes_no_ticket_for_a_while_costs_no_alert() {
    let scene = Scene::new("no-insert").await;
    let name = scene.name.clone();
    rt_admin(&["refuse-tickets", &name]);
    let relay = scene.relay(&[("RETRY_MAX_ATTEMPTS", "3")]).await;
    for number in 0..4 {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    refused(&relay, 1).await;
    rt_admin(&["take-tickets", &name]);
    scene.tickets(4).await;
    eventually("all are settled", async || (relay.count("\"outcome\":\"created\"") == 4).then_some(())).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    scene.close().await;
}

#[tokio::test]
async fn a_lifecycle_that_does_not_start_with_new_costs_no_alert() {
    let scene = Scene::new("lifecycle").await;
    let name = scene.name.clone();
    rt_admin(&["set-lifecycle", &name, "investigations"]);
    let relay = scene.relay(&[("RETRY_MAX_ATTEMPTS", "3")]).await;
    for number in 0..5 {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    refused(&relay, 1).await;
    // RT's own, as the scene had it: with RTIR's, the users of other scenes would see its tickets.
    rt_admin(&["set-lifecycle", &name, "default"]);
    scene.tickets(5).await;
    eventually("all are settled", async || (relay.count("\"outcome\":\"created\"") == 5).then_some(())).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    scene.close().await;
}

#[tokio::test]
async fn creates_refused_while_probes_pass_pause_the_relay_until_they_are_taken() {
    let answers = [Answer::message(403, "Pas de droit"), Answer::html(403, "<h1>Blocked</h1>")];
    for (number, answer) in answers.into_iter().enumerate() {
        let rt = FakeRt::start();
        let url = setting("RELAY_LAB_AMQP_URL");
        let others = [ANY_PORT, ("PAUSE_AFTER", "3s")];
        let mut stage = Stage::scripted(&url, &format!("refused-{number}"), &rt, &others).await;
        rt.keep(Op::Create, Fault::Instead(answer));
        let relay = stage.relay().await;
        let address = address(&relay).await;
        stage.publish(12).await;
        let body = ready(address, "paused", 200).await;
        assert_eq!((&body["in_flight"], &body["rt"]["ok"]), (&json!(0), &json!(false)), "{body}");
        let cause = body["rt"]["cause"].as_str().unwrap();
        assert!(cause.contains("creating the ticket failed: RT answered 403"), "{cause}");
        let queue = stage.amqp.amqp_queue();
        eventually("nothing is held", async || (stage.amqp.ready(&queue).await == 12).then_some(())).await;
        rt.well();
        eventually("12 tickets", async || (rt.unmerged().len() == 12).then_some(())).await;
        ready(address, "consuming", 200).await;
        let (status, log) = relay.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(log.matches("\"outcome\":\"dead_letter\"").count(), 0, "{log}");
        stage.amqp.close().await;
    }
}

#[tokio::test]
async fn a_requestor_that_rt_drops_is_named_in_a_comment_and_a_warning() {
    let scene = Scene::new("dropped").await;
    // RT takes an address for the name of a user, too, and there is one of that name with another address.
    let dropped = format!("dropped-{}@water.example", scene.name.to_lowercase());
    rt_admin(&["add-user", &dropped, &format!("another-{dropped}")]);
    let relay = scene.relay(&[]).await;
    let people = json!([{ "email": "ada@water.example" }, { "email": dropped }]);
    scene.publish_alert(&alerts::with(alerts::ssl("alert-1"), json!({ "entity": { "focal_points": people } }))).await;
    let ticket = scene.tickets(1).await.remove(0);
    assert!(!ticket.requestors.contains(&dropped), "{:?}", ticket.requestors);
    let shown = dropped.replace('.', "[.]").replace('@', "[at]");
    let comment = eventually("a comment", async || {
        let history = scene.rt.get(&format!("ticket/{}/attachments?fields=Content", ticket.id)).await.to_string();
        history.contains("did not take these addresses").then_some(history)
    })
    .await;
    assert!(comment.contains(&format!("  {shown}")), "{comment}");
    let log = scene.stop(relay).await;
    assert!(log.contains("without 1 of its 2 requestors"), "{log}");
    assert_eq!(mail(ticket.id).len(), 1, "the comment is not mailed to requestors");
    scene.assert_queue_empty().await;
    scene.close().await;
}

#[tokio::test]
async fn an_address_of_rt_itself_is_nobody_to_notify() {
    let scene = Scene::new("own-address").await;
    let people = |email: &str| json!({ "entity": { "focal_points": [{ "email": email }] } });
    let own = format!("{}@rt.example", scene.name);
    rt_admin(&["set-address", &scene.name, &own]);
    let relay = scene.relay(&[]).await;
    scene.publish_alert(&alerts::with(alerts::ssl("own"), people(&own))).await;
    assert_eq!(scene.dead_letters(1).await[0].reason(), "missing_focal_points");
    scene.stop(relay).await;
    assert_eq!(scene.rt.tickets().await.len(), 0);
    scene.close().await;
}

#[tokio::test]
async fn a_queue_with_a_slash_in_its_name_takes_alerts() {
    let scene = Scene::new("slash").await;
    let name = format!("CSIRT/{}", scene.name);
    rt_admin(&["fixture", &name]);
    let password = format!("{name}-password");
    let there = [("RTIR_QUEUE", name.as_str()), ("RTIR_USERNAME", &name), ("RTIR_PASSWORD", &password)];
    let relay = scene.relay(&there).await;
    scene.publish_alert(&alerts::ssl("alert-1")).await;
    let query = format!("Queue = '{name}'");
    eventually("a ticket", async || (scene.rt.search(&query).await.len() == 1).then_some(())).await;
    let (status, log) = relay.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    scene.close().await;
}
