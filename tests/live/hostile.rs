//! Hostile alerts end as the contract says, and RT shows them as plain text.

use std::collections::HashSet;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::lab::{Scene, mail};

/// Publishes `alerts` and gives back the tickets, which have to be one for each, in the order of their keys.
async fn tickets_of(scene: &Scene, alerts: &[Value]) -> Vec<crate::support::lab::Ticket> {
    let relay = scene.relay(&[]).await;
    for alert in alerts {
        scene.publish_alert(alert).await;
    }
    let tickets = scene.tickets(alerts.len()).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    tickets
}

#[tokio::test]
async fn hostile_ids_stay_apart_and_find_only_their_own_ticket() {
    let scene = Scene::new("ids").await;
    let ids = [
        "Case",
        "case",
        "CASE",
        "null",
        "NULL",
        "sha256:0000000000000000000000000000000000000000000000000000000000",
        "' OR id > 0 OR 'CF.{Alert ID}' = '",
        "\\' OR 1=1 --",
        "}' OR id > 0",
        "%",
        "_",
        "*",
        "<script>alert(1)</script>",
        "id with spaces",
        "é",
        "0",
        "x-delivery-count",
    ];
    let alerts: Vec<_> = ids.iter().map(|id| alerts::ssl(id)).collect();
    let tickets = tickets_of(&scene, &alerts).await;
    let relay = scene.relay(&[]).await;
    for alert in &alerts {
        scene.publish_alert(alert).await;
    }
    let found = async || (relay.count("\"outcome\":\"found\"") == ids.len()).then_some(());
    eventually("all found", found).await;
    scene.stop(relay).await;
    assert_eq!(scene.rt.tickets().await, tickets, "nothing new, nothing merged");
    scene.close().await;
}

#[tokio::test]
async fn names_addresses_and_text_inject_nothing() {
    let scene = Scene::new("injection").await;
    let mut alert = alerts::of("hostile", "defacement");
    alert["entity"]["name"] = "Org\r\nBcc: everyone@victim.example\r\n\r\n<b>bold</b>".into();
    alert["entity"]["description"] = "\u{1b}[31mred\u{0} \u{202e}gnp.exe \u{7f}".into();
    alert["entity"]["focal_points"] = json!([
        {"name": "Good\r\nCc: other@victim.example", "email": "good@example.org"},
        {"name": "a", "email": "a@example.org\r\nBcc: b@victim.example"},
        {"name": "b", "email": "b@example.org, c@victim.example"},
        {"name": "c", "email": "\"x\" <d@victim.example>"},
        {"name": "d", "email": "root"},
        {"name": "e", "email": "12"},
        {"name": "f", "email": format!("{}@victim.example", "x".repeat(120))},
        {"name": "g", "email": "GOOD@example.org"},
    ]);
    alert["details"] = json!({
        "changes": [{"kind": "title_changed", "path": "/", "after": "<script>alert(1)</script>\nAlert ID: faked"}],
        "Queue": "General", "Requestor": "victim@victim.example", "id": 1, "Creator": "root",
        "large": 1e300, "{{template}}": "${x}",
    });
    alert["Status"] = "resolved".into();
    alert["CustomFields"] = json!({"Alert ID": "faked"});
    let tickets = tickets_of(&scene, &[alert]).await;
    let ticket = &tickets[0];
    assert_eq!(ticket.key.as_deref(), Some("hostile"));
    assert_eq!(ticket.requestors, ["good@example.org"]);
    assert_eq!((ticket.status.as_str(), ticket.priority.as_str()), ("new", "100"));
    let message = scene.rt.first_message(ticket.id).await;
    assert_eq!(message[0].0, "text/plain");
    let text = &message[0].2;
    assert_eq!(text.lines().filter(|line| line.starts_with("Alert ID:")).count(), 1, "{text}");
    assert!(!text.lines().any(|line| line.starts_with("Bcc:") || line.starts_with("Cc:")), "{text}");
    assert!(text.contains("<script>alert(1)</script>"), "shown as given: {text}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert!(!text.contains('\u{202e}'));
    for mail in mail(ticket.id) {
        let headers = mail.split("\n\n").next().unwrap();
        assert!(!headers.contains("victim"), "{headers}");
    }
    scene.close().await;
}

#[tokio::test]
async fn a_megabyte_of_details_becomes_a_ticket_with_the_whole_alert_attached() {
    let scene = Scene::new("megabyte").await;
    let mut alert = alerts::ssl("large");
    alert["details"]["error"] = "€".repeat(5000).into();
    alert["details"]["dump"] = "x".repeat(1_000_000).into();
    let body = serde_json::to_vec(&alert).unwrap();
    let tickets = tickets_of(&scene, &[alert]).await;
    let message = scene.rt.first_message(tickets[0].id).await;
    let text = message.iter().find(|(kind, ..)| kind == "text/plain").expect("the text");
    assert!(text.2.len() <= 64 * 1024 && text.2.contains("Alert ID: large"), "{}", text.2.len());
    let attached = message.iter().find(|(_, name, _)| name == "alert.json").expect("the alert");
    // RT's JSON has each byte of an attachment as a character.
    let bytes: Vec<u8> = attached.2.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect();
    assert!(bytes == body, "whole: {} bytes of {}", bytes.len(), body.len());
    scene.close().await;
}

#[tokio::test]
async fn what_is_no_alert_is_dead_lettered() {
    let scene = Scene::new("no-alert").await;
    let relay = scene.relay(&[]).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut url = alerts::ssl("url");
    url["platform"]["url"] = "https://x.example/\r\nBcc: b@victim.example".into();
    let good = alerts::ssl("x").to_string();
    let bodies: Vec<Vec<u8>> = vec![
        deep.into_bytes(),
        good.replacen("{\"", "{\"deep\":{\"a\":{\"a\":{\"a\":0}}},\"id\":\"second\",\"", 1).into_bytes(),
        url.to_string().into_bytes(),
        b"".to_vec(),
        b"null".to_vec(),
        b"\xff".to_vec(),
        good.replace("https://", "javascript:").into_bytes(),
        good.trim_end_matches('}').as_bytes().to_vec(),
    ];
    for body in &bodies {
        scene.publish(body).await;
    }
    let letters = scene.dead_letters(u32::try_from(bodies.len()).unwrap()).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    assert_eq!(scene.rt.tickets().await.len(), 0);
    for body in bodies {
        let letter = letters.iter().find(|letter| letter.body == body).expect("byte for byte");
        assert_eq!(letter.reason(), "malformed_alert");
    }
    scene.close().await;
}

#[tokio::test]
async fn a_cloud_event_is_read_by_its_data() {
    let scene = Scene::new("cloud-event").await;
    let relay = scene.relay(&[]).await;
    let event = json!({
        "specversion": "1.0", "id": "of-the-event", "source": "/monitoring", "type": "alert",
        "data": alerts::ssl("of-the-alert"),
    });
    let kind = "application/cloudevents+json; charset=utf-8";
    let properties = BasicProperties::default().with_content_type(kind.into());
    scene.publish_with(&serde_json::to_vec(&event).unwrap(), properties).await;
    assert_eq!(scene.tickets(1).await[0].key.as_deref(), Some("of-the-alert"));
    scene.stop(relay).await;
    scene.close().await;
}

#[tokio::test]
async fn an_origin_in_a_header_that_is_longer_than_amqp_takes_is_not_believed() {
    let scene = Scene::new("long-origin").await;
    let relay = scene.relay(&[]).await;
    let mut headers = FieldTable::default();
    // As long in characters as it may be, and longer in bytes.
    headers.insert("x-original-routing-key".into(), AMQPValue::LongString("é".repeat(255).into()));
    headers.insert("x-original-exchange".into(), AMQPValue::LongString("e".repeat(300).into()));
    scene.publish_with(b"bad", BasicProperties::default().with_headers(headers)).await;
    let letters = scene.dead_letters_name();
    eventually("the dead letter", async || (scene.ready(&letters).await == 1).then_some(())).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.operate(&["replay", "--all", "--force", "--to-exchange", "--yes"]).well();
    let replayed = scene.take(&scene.amqp_queue()).await;
    assert_eq!((replayed.body.as_slice(), replayed.routing_key.as_str()), (b"bad".as_slice(), "alert.test.high"));
    assert_eq!(replayed.header("x-original-exchange"), Some(scene.exchange().as_str()));
    scene.close().await;
}

/// A message that is no alert, unlike any other; every 34th is large.
fn no_alert(number: usize) -> Vec<u8> {
    let mut body = format!("{number} is no alert").into_bytes();
    if number.is_multiple_of(34) {
        body.resize(8 * 1024 * 1024, u8::try_from(number % 251).unwrap());
    }
    body
}

#[tokio::test]
async fn memory_stays_bounded_whatever_arrives() {
    const MESSAGES: usize = 1020;
    const MIB: u64 = 1024 * 1024;
    let scene = Scene::new("memory").await;
    // It declares the queue, and finds it full afterwards.
    scene.stop(scene.relay(&[]).await).await;
    for number in 0..MESSAGES {
        scene.publish(&no_alert(number)).await;
    }
    // At its finest level the log would take the memory.
    let relay = scene.relay(&[("LOG", "info")]).await;
    let (queue, all) = (scene.dead_letters_name(), u32::try_from(MESSAGES).unwrap());
    eventually("all dead letters", async || (scene.ready(&queue).await == all).then_some(())).await;
    let peak = relay.peak_memory();
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    let mut numbers = HashSet::new();
    for _ in 0..MESSAGES {
        let letter = scene.take_dead_letter().await;
        let digits = letter.body.iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        assert!(letter.body == no_alert(number) && numbers.insert(number), "byte for byte, each once");
        let large = letter.body.len() as u64 > MIB;
        assert_eq!(letter.reason(), if large { "too_large" } else { "malformed_alert" });
    }
    assert!(peak < 128 * MIB, "{} MiB", peak / MIB);
    scene.close().await;
}
