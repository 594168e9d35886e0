//! `rtir-relay publish` against a real broker.

use lapin::types::FieldTable;
use serde_json::Value;

use crate::support::alerts;
use crate::support::lab::Scene;
use crate::support::relay_process::run;

fn publish(scene: &Scene, arguments: &[&str], input: &[u8]) -> (Option<i32>, String) {
    let environment = scene.environment(&[("LOG", "warn")]);
    let (code, stdout, stderr) = run(&environment, &[&["publish"], arguments].concat(), input);
    assert_eq!(stdout, "");
    scene.assert_no_secret(&stderr);
    (code, stderr)
}

#[tokio::test]
async fn one_object_an_array_and_lines_are_all_stored_as_written() {
    let scene = Scene::declared("publish").await;
    let [one, two, three] = ["one", "two", "three"].map(alerts::ssl);
    let pretty = serde_json::to_string_pretty(&one).unwrap();
    for input in [pretty.clone(), format!("[{one}, {two}]"), format!("{one}\n{two}\n\n{three}\n")] {
        assert_eq!(publish(&scene, &[], input.as_bytes()).0, Some(0));
    }
    assert_eq!(scene.ready(&scene.amqp_queue()).await, 6);
    let options = lapin::options::BasicGetOptions { no_ack: true };
    let first = scene.channel.basic_get(scene.amqp_queue().into(), options).await.unwrap().unwrap().delivery;
    assert_eq!(first.data, pretty.as_bytes());
    assert_eq!(first.routing_key.as_str(), "alert.ssl.high");
    assert_eq!(first.properties.message_id().as_ref().unwrap().as_str(), "one");
    assert_eq!(*first.properties.delivery_mode(), Some(2));
    assert_eq!(first.properties.content_type().as_ref().unwrap().as_str(), "application/json");
    scene.close().await;
}

#[tokio::test]
async fn invalid_alerts_are_named_and_the_others_stored() {
    let scene = Scene::declared("publish-invalid").await;
    let mut invalid: Value = alerts::ssl("invalid");
    invalid["entity"]["name"] = 5.into();
    let (code, said) = publish(&scene, &[], format!("{}\n{invalid}\n", alerts::ssl("valid")).as_bytes());
    assert_eq!(code, Some(1));
    assert!(said.contains("alert 2: entity.name: expected a string"), "{said}");
    assert!(said.contains("1 of 2 stored"), "{said}");
    assert_eq!(scene.ready(&scene.amqp_queue()).await, 1);
    scene.close().await;
}

#[tokio::test]
async fn raw_bytes_are_sent_as_they_are() {
    let scene = Scene::declared("publish-raw").await;
    assert_eq!(publish(&scene, &["--raw", "--routing-key", "odd.key"], b"\xff\x00 not an alert").0, Some(0));
    let options = lapin::options::BasicGetOptions { no_ack: true };
    let message = scene.channel.basic_get(scene.amqp_queue().into(), options).await.unwrap().unwrap().delivery;
    assert_eq!(message.data, b"\xff\x00 not an alert");
    assert_eq!(message.routing_key.as_str(), "odd.key");
    scene.close().await;
}

#[tokio::test]
async fn it_declares_nothing_and_says_when_nothing_is_bound() {
    let scene = Scene::new("publish-unbound").await;
    let alert = serde_json::to_vec(&alerts::ssl("lost")).unwrap();
    let (code, said) = publish(&scene, &[], &alert);
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no exchange") && said.contains("0 of 1 stored"), "{said}");
    let options = lapin::options::ExchangeDeclareOptions { durable: true, ..Default::default() };
    let kind = lapin::ExchangeKind::Topic;
    scene.channel.exchange_declare(scene.exchange().into(), kind, options, FieldTable::default()).await.unwrap();
    let (code, said) = publish(&scene, &[], &alert);
    assert_eq!(code, Some(1));
    let unbound = format!("no queue is bound to exchange {:?} for routing key \"alert.ssl.high\"", scene.exchange());
    assert!(said.contains(&unbound), "{said}");
    scene.close().await;
}
