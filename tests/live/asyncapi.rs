//! Dead letters as they lie on a real broker, held against `deploy/asyncapi.json`.

use std::collections::BTreeSet;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::support::alerts;
use crate::support::amqp::AmqpScene;
use crate::support::contract::dead_letter_headers;
use crate::support::fake_rt::{Answer, FakeRt, Fault, Op};
use crate::support::lab::setting;
use crate::support::relay_process::RelayProcess;

/// Headers that none of the letters below has: RabbitMQ takes `BCC` out before it delivers.
const NOT_HERE: [&str; 3] = ["x-altered", "x-original-BCC", "x-failure-trimmed"];

fn json(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::LongString(text) => json!(String::from_utf8_lossy(text.as_bytes())),
        AMQPValue::LongLongInt(number) => json!(number),
        AMQPValue::LongInt(number) => json!(number),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(json).collect(),
        other => panic!("{other:?}"),
    }
}

/// What a publisher or an earlier replay may have left, and the broker would act on.
fn hostile() -> BasicProperties {
    let mut headers = FieldTable::default();
    let copies = AMQPValue::FieldArray(vec![AMQPValue::LongString("copy.to".into())].into());
    headers.insert("CC".into(), copies);
    for name in ["x-delivery-count", "x-acquired-count", "x-replay-count"] {
        headers.insert(name.into(), AMQPValue::LongInt(2));
    }
    headers.insert("x-replay-id".into(), AMQPValue::LongString("0123456789abcdef".into()));
    BasicProperties::default().with_expiration("600000".into()).with_user_id("relay".into()).with_headers(headers)
}

#[tokio::test]
async fn a_dead_letter_has_the_headers_that_the_document_describes() {
    let schema = dead_letter_headers();
    let validator = jsonschema::draft7::options().should_validate_formats(true).build(&schema).unwrap();
    let scene = AmqpScene::at(&setting("RELAY_LAB_AMQP_URL"), "asyncapi").await;
    // RT is scripted, since a real one refuses no alert that is read.
    let rt = FakeRt::start();
    rt.keep(Op::Create, Fault::Instead(Answer::message(422, "no such ticket")));
    let mut environment = rt.environment(&[]);
    environment.extend(scene.environment().into_iter().map(|(name, value)| (name.to_owned(), value)));
    let relay = RelayProcess::start(&environment);
    relay.logs("consuming queue").await;
    scene.publish_alert(&alerts::ssl("refused")).await;
    scene.publish_with(b"no alert", hostile()).await;
    let letters = scene.dead_letters(2).await;
    relay.terminate().await;

    let mut seen = BTreeSet::new();
    for letter in letters {
        let headers = letter.properties.headers().clone().unwrap();
        // The broker's count of this queue, which `basic.get` shows from the first time on.
        let written = headers.inner().iter().filter(|(name, _)| name.as_str() != "x-delivery-count");
        let headers: Value = written.map(|(name, value)| (name.to_string(), json(value))).collect();
        if let Err(error) = validator.validate(&headers) {
            panic!("{headers}: {}: {error}", error.instance_path());
        }
        seen.extend(headers.as_object().unwrap().keys().cloned());
    }
    let described = schema["properties"].as_object().unwrap().keys().cloned();
    let described: BTreeSet<_> = described.filter(|name| !NOT_HERE.contains(&name.as_str())).collect();
    assert_eq!(seen, described);
    scene.close().await;
}
