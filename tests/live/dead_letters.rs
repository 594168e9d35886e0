//! What can never become a ticket lies in the dead-letter queue, byte for byte, with its reason in headers.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use crate::support::alerts;
use crate::support::lab::{Letter, Scene};

#[tokio::test]
async fn bad_alerts_are_dead_lettered_byte_for_byte_with_the_reason() {
    let scene = Scene::new("bad").await;
    let relay = scene.relay(&[]).await;
    let mut nobody = alerts::ssl("nobody");
    nobody["entity"]["focal_points"] = json!([]);
    let large = [b"[".as_slice(), &vec![b' '; 1024 * 1024], b"]"].concat();
    let bad: [(&str, Vec<u8>, &str); 4] = [
        ("malformed_alert", b"\xff\xfe not JSON \x00".to_vec(), "not UTF-8"),
        ("malformed_alert", br#"{"id":"x","type":"ssl"}"#.to_vec(), "detected_at: missing"),
        ("missing_focal_points", serde_json::to_vec(&nobody).unwrap(), "names no focal point"),
        ("too_large", large, "1048578 bytes"),
    ];
    for (_, body, _) in &bad {
        scene.publish(body).await;
    }
    let letters = scene.dead_letters(4).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    assert_eq!(scene.rt.tickets().await.len(), 0);
    for (reason, body, why) in bad {
        let letter = letters.iter().find(|letter| letter.body == body).expect("the body, byte for byte");
        assert_eq!(letter.reason(), reason);
        let message = letter.header("x-failure-message").unwrap();
        assert!(message.contains(why) && message.len() <= 2048, "{message}");
        assert_contract(&scene, letter);
        let key = (reason == "missing_focal_points").then_some("nobody");
        assert_eq!(letter.header("x-alert-key"), key);
        for asked in ["x-failure-http-status", "x-failure-response", "x-replay-count"] {
            assert_eq!(letter.header(asked), None);
        }
    }
    scene.close().await;
}

/// What every dead letter has.
fn assert_contract(scene: &Scene, letter: &Letter) {
    assert_eq!(letter.exchange, scene.dead_letters_name());
    assert_eq!(letter.routing_key, "alert.test.high");
    assert_eq!(letter.header("x-original-exchange"), Some(scene.exchange().as_str()));
    assert_eq!(letter.header("x-original-routing-key"), Some("alert.test.high"));
    assert_eq!(*letter.properties.delivery_mode(), Some(2));
    letter.header("x-failure-time").unwrap().parse::<jiff::Timestamp>().expect("RFC 3339");
    let service = letter.header("x-failure-service").unwrap();
    assert!(service.starts_with(concat!("rtir-relay/", env!("CARGO_PKG_VERSION"), "@")), "{service}");
    assert_eq!(letter.header("x-failure-attempts"), Some("0"));
    assert_eq!(letter.header("x-failure-history"), Some("[]"));
}

#[tokio::test]
async fn properties_and_headers_are_kept_and_those_the_broker_acts_on_are_moved() {
    let scene = Scene::new("headers").await;
    let relay = scene.relay(&[]).await;
    let mut headers = FieldTable::default();
    let text = |text: &str| AMQPValue::LongString(text.into());
    headers.insert("traceparent".into(), text("00-abc-def-01"));
    headers.insert("number".into(), AMQPValue::LongInt(7));
    headers.insert("CC".into(), AMQPValue::FieldArray(vec![text("copy.to")].into()));
    headers.insert("x-original-exchange".into(), text("the-first-exchange"));
    headers.insert("x-original-routing-key".into(), text("the.first.key"));
    headers.insert("x-replay-count".into(), AMQPValue::LongInt(2));
    headers.insert("x-failure-response".into(), text("of an earlier failure"));
    let properties = BasicProperties::default()
        .with_message_id("m-1".into())
        .with_correlation_id("c-1".into())
        .with_content_type("application/json".into())
        .with_content_encoding("identity".into())
        .with_timestamp(1_700_000_000)
        .with_app_id("worker".into())
        .with_type("alert".into())
        .with_reply_to("answers".into())
        .with_priority(3)
        .with_expiration("600000".into())
        .with_user_id("relay".into())
        .with_headers(headers);
    scene.publish_with(b"bad", properties.clone()).await;
    let letters = scene.dead_letters(1).await;
    scene.stop(relay).await;
    for letter in letters {
        let kept = &letter.properties;
        assert_eq!(kept.message_id(), properties.message_id());
        assert_eq!(kept.correlation_id(), properties.correlation_id());
        assert_eq!(kept.content_type(), properties.content_type());
        assert_eq!(kept.content_encoding(), properties.content_encoding());
        assert_eq!(kept.timestamp(), properties.timestamp());
        assert_eq!(kept.app_id(), properties.app_id());
        assert_eq!(kept.kind(), properties.kind());
        assert_eq!(kept.reply_to(), properties.reply_to());
        assert_eq!(kept.priority(), properties.priority());
        assert_eq!((kept.expiration(), kept.user_id()), (&None, &None));
        assert_eq!(letter.header("x-original-expiration"), Some("600000"));
        assert_eq!(letter.header("x-original-user-id"), Some("relay"));
        assert_eq!(letter.header("traceparent"), Some("00-abc-def-01"));
        assert_eq!(letter.header("number"), Some("7"));
        assert_eq!(letter.header("CC"), None);
        assert!(letter.header("x-original-CC").unwrap().contains("copy.to"));
        assert_eq!(letter.header("x-original-exchange"), Some("the-first-exchange"));
        assert_eq!(letter.routing_key, "the.first.key");
        assert_eq!(letter.header("x-replay-count"), Some("2"));
        assert_eq!(letter.header("x-failure-response"), None, "RT was not asked this time");
    }
    scene.close().await;
}
