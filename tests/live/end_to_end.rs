//! The main job: alerts become tickets, field by field, and RT notifies the focal points.

use crate::support::alerts;
use crate::support::lab::{Scene, mail};

#[tokio::test]
async fn each_category_becomes_one_ticket_with_every_field_and_its_mail() {
    let scene = Scene::new("categories").await;
    let relay = scene.relay(&[]).await;
    for (fixture, ..) in alerts::CATEGORIES {
        scene.publish(&alerts::fixture(fixture)).await;
    }
    let tickets = scene.tickets(alerts::CATEGORIES.len()).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;

    for (fixture, ..) in alerts::CATEGORIES {
        let body = alerts::fixture(fixture);
        // What `render` shows is what RT was sent; RT then has to have it all.
        let asked = render(&scene, &body);
        let key = asked["CustomFields"]["Alert ID"].as_str().unwrap();
        let ticket = tickets.iter().find(|ticket| ticket.key.as_deref() == Some(key)).expect("a ticket of this key");
        assert_eq!(ticket.subject, asked["Subject"].as_str().unwrap());
        assert_eq!(ticket.priority, asked["Priority"].to_string());
        assert_eq!(ticket.status, "new");
        assert!(!ticket.is_merged());
        let mut requestors: Vec<_> =
            asked["Requestor"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
        let mut stored: Vec<_> = ticket.requestors.iter().map(String::as_str).collect();
        requestors.sort_unstable();
        stored.sort_unstable();
        assert_eq!(stored, requestors, "{fixture}");

        let message = scene.rt.first_message(ticket.id).await;
        assert_eq!(message[0].0, "text/plain");
        assert_eq!(message[0].2, asked["Content"].as_str().unwrap(), "{fixture}");

        let mails = mail(ticket.id).join("\n");
        for requestor in requestors {
            assert!(mails.contains(requestor), "no autoreply to {requestor}:\n{mails}");
        }
    }
    scene.close().await;
}

#[tokio::test]
async fn a_token_serves_as_well_as_a_password() {
    let scene = Scene::new("token").await;
    let token = scene.token.clone();
    let relay = scene.relay(&[("RTIR_USERNAME", ""), ("RTIR_PASSWORD", ""), ("RTIR_TOKEN", &token)]).await;
    scene.publish_alert(&alerts::ssl("by-token")).await;
    scene.tickets(1).await;
    scene.stop(relay).await;
    scene.close().await;
}

#[tokio::test]
async fn resolved_and_false_positive_alerts_make_no_ticket() {
    let scene = Scene::new("not-open").await;
    let relay = scene.relay(&[]).await;
    for status in ["resolved", "false_positive"] {
        let mut alert = alerts::ssl(status);
        alert["status"] = status.into();
        scene.publish_alert(&alert).await;
    }
    scene.publish_alert(&alerts::ssl("open")).await;
    let tickets = scene.tickets(1).await;
    assert_eq!(tickets[0].key.as_deref(), Some("open"));
    let log = scene.stop(relay).await;
    assert_eq!(log.matches("ignored by rule not_open").count(), 2);
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    scene.close().await;
}

fn render(scene: &Scene, body: &[u8]) -> serde_json::Value {
    let (code, stdout, stderr) =
        crate::support::relay_process::run(&[("RTIR_QUEUE".to_owned(), scene.name.clone())], &["render"], body);
    assert_eq!(code, Some(0), "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}
