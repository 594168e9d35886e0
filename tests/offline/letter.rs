//! Dead letters as they are read back: their names, what they say, what a replay makes of them, and their export.

use std::collections::BTreeMap;

use lapin::types::{AMQPValue, DecimalValue, FieldTable};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use rtir_relay::amqp::{BasicProperties, Letter, ReplayId};

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn table(fields: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> FieldTable {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<BTreeMap<_, _>>().into()
}

fn letter(headers: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> Letter {
    Letter {
        exchange: "dlx".to_owned(),
        routing_key: "alert.ssl.high".to_owned(),
        properties: BasicProperties::default().with_message_id("m-1".into()).with_headers(table(headers)),
        body: b"body".to_vec(),
    }
}

fn death(reason: &str, exchange: &str, key: &str, seconds: u64) -> AMQPValue {
    AMQPValue::FieldTable(table([
        ("reason", text(reason)),
        ("exchange", text(exchange)),
        ("routing-keys", AMQPValue::FieldArray(vec![text(key), text("second")].into())),
        ("time", AMQPValue::Timestamp(seconds)),
        ("count", AMQPValue::LongLongInt(1)),
    ]))
}

#[test]
fn an_id_is_what_the_documented_command_computes() {
    // { printf '3:m-1,24:2026-11-23T08:00:00.000Z,0:,0:,'; printf body; } | sha256sum | cut -c1-12
    assert_eq!(letter([("x-failure-time", text("2026-11-23T08:00:00.000Z"))]).id().to_string(), "dcca9c715d4a");
    // { printf '3:m-1,0:,0:,0:,'; printf body; } | sha256sum | cut -c1-12
    assert_eq!(letter([]).id().to_string(), "9d5128f04391");
    // { printf '3:m-1,0:,2:r1,0:,'; printf body; } | sha256sum | cut -c1-12
    assert_eq!(letter([("x-replay-id", text("r1"))]).id().to_string(), "7da3e29124d2");
    // { printf '3:m-1,0:,0:,13:/rejected/1/7,'; printf body; } | sha256sum | cut -c1-12
    let death = AMQPValue::FieldArray(vec![death("rejected", "alerts", "key", 7)].into());
    assert_eq!(letter([("x-death", death)]).id().to_string(), "1fac87392306");
    let id = letter([]).id();
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in ["", "12345678901", "1234567890123", "+23456789012", "12345678901g"] {
        assert!(wrong.parse::<rtir_relay::amqp::LetterId>().is_err(), "{wrong}");
    }
}

#[test]
fn an_id_tells_its_parts_apart_and_nothing_else() {
    let base = letter([("x-failure-time", text("t"))]);
    let looked_at = letter([("x-failure-time", text("t")), ("x-delivery-count", AMQPValue::LongLongInt(7))]);
    assert_eq!(base.id(), looked_at.id(), "a look does not change it");
    let mut moved = letter([("x-failure-time", text(""))]);
    moved.body = b"tbody".to_vec();
    assert_ne!(base.id(), moved.id());
}

/// What `letter` is when it was replayed and died again.
fn back(letter: &Letter, died: u64) -> Letter {
    let replayed = letter.replayed(&ReplayId::unique());
    let mut headers = replayed.headers().clone().unwrap();
    headers.insert("x-death".into(), AMQPValue::FieldArray(vec![death("expired", "alerts", "key", died)].into()));
    Letter { properties: replayed.with_headers(headers), ..letter.clone() }
}

#[test]
fn what_comes_back_of_a_replay_is_another_letter_however_soon() {
    let first = letter([("x-death", AMQPValue::FieldArray(vec![death("expired", "alerts", "key", 7)].into()))]);
    let [second, also_second] = [back(&first, 7), back(&first, 7)];
    let third = back(&second, 7);
    let all = [&first, &second, &also_second, &third];
    for (index, one) in all.iter().enumerate() {
        for other in &all[..index] {
            assert_ne!(one.id(), other.id());
            assert_ne!(one.fingerprint(), other.fingerprint());
        }
    }
}

#[test]
fn a_fingerprint_is_that_of_all_but_the_looks() {
    let base = letter([("a", text("1")), ("CC", AMQPValue::FieldArray(vec![text("x")].into()))]);
    let looked_at = letter([
        ("a", text("1")),
        ("CC", AMQPValue::FieldArray(vec![text("x")].into())),
        ("x-delivery-count", AMQPValue::LongLongInt(7)),
        ("x-acquired-count", AMQPValue::LongLongInt(8)),
    ]);
    assert_eq!(base.fingerprint(), looked_at.fingerprint());
    let elsewhere = Letter { exchange: String::new(), routing_key: "queue".to_owned(), ..base.clone() };
    assert_eq!(base.fingerprint(), elsewhere.fingerprint(), "stored anew, another exchange brings it");
    let mut body = base.clone();
    body.body.push(0);
    let mut property = base.clone();
    property.properties = property.properties.with_priority(3);
    for other in [letter([("a", text("1"))]), letter([("a", text("2"))]), body, property] {
        assert_ne!(base.fingerprint(), other.fingerprint());
    }
}

#[test]
fn the_relays_word_counts_before_the_brokers() {
    let by_broker = AMQPValue::FieldArray(
        vec![
            death("delivery_limit", "", "rtir-relay", 1_795_000_000),
            death("rejected", "alerts", "alert.ssl.high", 7),
        ]
        .into(),
    );
    let broker = letter([("x-death", by_broker.clone())]);
    assert_eq!(broker.reason().as_deref(), Some("delivery_limit"), "the newest");
    assert_eq!(broker.time().as_deref(), Some("2026-11-18T11:06:40Z"));
    assert_eq!(broker.origin(), Some(("alerts".to_owned(), "alert.ssl.high".to_owned())), "the oldest");
    let relay = letter([
        ("x-death", by_broker),
        ("x-failure-reason", text("exhausted")),
        ("x-failure-time", text("2026-11-23T08:00:00.000Z")),
        ("x-original-exchange", text("first")),
        ("x-original-routing-key", text("key")),
        ("x-failure-attempts", AMQPValue::ShortInt(8)),
        ("x-failure-history", text(r#"[{"time":"t1","cause":"c1"},{"cause":"c2"},7]"#)),
    ]);
    assert_eq!(relay.reason().as_deref(), Some("exhausted"));
    assert_eq!(relay.time().as_deref(), Some("2026-11-23T08:00:00.000Z"));
    assert_eq!(relay.origin(), Some(("first".to_owned(), "key".to_owned())));
    assert_eq!(relay.attempts(), Some(8));
    let own = |(time, cause): (&str, &str)| (time.to_owned(), cause.to_owned());
    assert_eq!(relay.history(), [("t1", "c1"), ("", "c2"), ("", "")].map(own));
    let long = letter([("x-original-exchange", text("first")), ("x-original-routing-key", text(&"k".repeat(256)))]);
    assert_eq!(long.origin(), None, "AMQP takes no such routing key");
    let foreign = letter([("x-death", text("odd")), ("x-failure-attempts", text("many"))]);
    assert_eq!((foreign.reason(), foreign.time(), foreign.origin(), foreign.attempts()), (None, None, None, None));
}

#[test]
fn a_replay_is_an_alert_again_that_keeps_its_origin() {
    let mut letter = letter([
        ("traceparent", text("00-a-b-01")),
        ("x-failure-reason", text("exhausted")),
        ("x-failure-anything", text("later versions")),
        ("x-death", AMQPValue::FieldArray(vec![death("rejected", "alerts", "alert.ssl.high", 7)].into())),
        ("x-first-death-queue", text("q")),
        ("x-last-death-reason", text("r")),
        ("x-delivery-count", AMQPValue::LongLongInt(3)),
        ("x-acquired-count", AMQPValue::LongLongInt(3)),
        ("CC", AMQPValue::FieldArray(vec![text("elsewhere")].into())),
        ("x-replay-count", AMQPValue::LongInt(1)),
    ]);
    letter.properties = letter.properties.with_user_id("somebody".into()).with_expiration("1".into()).with_priority(2);
    let replay_id = ReplayId::unique();
    let replayed = letter.replayed(&replay_id);
    let expected = table([
        ("traceparent", text("00-a-b-01")),
        ("x-original-CC", AMQPValue::FieldArray(vec![text("elsewhere")].into())),
        ("x-original-user-id", text("somebody")),
        ("x-original-expiration", text("1")),
        ("x-original-exchange", text("alerts")),
        ("x-original-routing-key", text("alert.ssl.high")),
        ("x-replay-count", AMQPValue::LongLongInt(2)),
        ("x-replay-id", text(replay_id.as_str())),
    ]);
    assert_eq!(replayed.headers(), &Some(expected));
    assert_eq!((replayed.user_id(), replayed.expiration(), replayed.priority()), (&None, &None, &Some(2)));
    assert_eq!((replayed.message_id(), replayed.delivery_mode()), (letter.properties.message_id(), &Some(2)));
}

fn any_value() -> impl Strategy<Value = AMQPValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(AMQPValue::Boolean),
        any::<i8>().prop_map(AMQPValue::ShortShortInt),
        any::<u8>().prop_map(AMQPValue::ShortShortUInt),
        any::<i16>().prop_map(AMQPValue::ShortInt),
        any::<u16>().prop_map(AMQPValue::ShortUInt),
        any::<i32>().prop_map(AMQPValue::LongInt),
        any::<u32>().prop_map(AMQPValue::LongUInt),
        any::<i64>().prop_map(AMQPValue::LongLongInt),
        any::<i32>().prop_map(|number| AMQPValue::Double(f64::from(number) / 8.0)),
        any::<u8>().prop_map(|scale| AMQPValue::DecimalValue(DecimalValue { scale, value: 7 })),
        vec(any::<u8>(), 0..20).prop_map(|bytes| AMQPValue::LongString(bytes.into())),
        any::<String>().prop_map(|text| AMQPValue::LongString(text.into())),
        any::<u64>().prop_map(AMQPValue::Timestamp),
        vec(any::<u8>(), 0..20).prop_map(|bytes| AMQPValue::ByteArray(bytes.into())),
        Just(AMQPValue::Void),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| AMQPValue::FieldArray(values.into())),
            any_table(inner).prop_map(AMQPValue::FieldTable),
        ]
    })
}

fn any_table(value: impl Strategy<Value = AMQPValue>) -> impl Strategy<Value = FieldTable> {
    let name = prop_oneof![4 => "[a-z-]{0,8}", 1 => Just("amqp".to_owned())];
    btree_map(name, value, 0..4).prop_map(|fields| {
        fields.into_iter().map(|(name, value)| (name.into(), value)).collect::<BTreeMap<_, _>>().into()
    })
}

fn any_letter() -> impl Strategy<Value = Letter> {
    let names = ("[ -~é]{0,20}", "[ -~é]{0,20}", proptest::option::of("[ -~é]{0,20}"));
    let rest = (vec(any::<u8>(), 0..40), any_table(any_value()), any::<(u64, u8)>());
    (names, rest, any::<Option<String>>()).prop_map(|((exchange, routing_key, id), (bytes, headers, numbers), body)| {
        let mut properties = BasicProperties::default().with_headers(headers).with_timestamp(numbers.0);
        properties = properties.with_priority(numbers.1).with_type("alert".into()).with_app_id("worker".into());
        if let Some(id) = id {
            properties = properties.with_message_id(id.into());
        }
        Letter { exchange, routing_key, properties, body: body.map_or(bytes, String::into_bytes) }
    })
}

proptest! {
    #[test]
    fn what_is_exported_comes_back_as_it_was(letter in any_letter()) {
        let json = letter.to_json().to_string();
        prop_assert_eq!(Letter::from_json(json.as_bytes()), Ok(letter));
    }

    #[test]
    fn no_input_makes_reading_an_export_panic(json in vec(any::<u8>(), 0..60)) {
        let _ = Letter::from_json(&json);
    }
}

#[test]
fn what_is_no_export_is_named() {
    let good = letter([("h", text("v"))]).to_json();
    for (pointer, wrong, says) in [
        ("/body", serde_json::json!(7), "body: expected a string"),
        ("/routing_key", serde_json::json!(null), "routing_key: expected a string"),
        ("/routing_key", serde_json::json!("x".repeat(256)), "routing_key: "),
        ("/properties/message_id", serde_json::json!(1), "properties.message_id: expected a string"),
        ("/headers", serde_json::json!([]), "headers: expected an object"),
        ("/headers/h", serde_json::json!(1.5), "headers: 1.5 is not a whole number"),
        ("/headers/h", serde_json::json!({"amqp": {"Nonsense": 1}}), "headers: unknown variant"),
    ] {
        let mut json = good.clone();
        *json.pointer_mut(pointer).unwrap() = wrong;
        let error = Letter::from_json(json.to_string().as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("not an exported dead letter: ") && error.contains(says), "{error}");
    }
    let mut both = good;
    both["body_base64"] = "".into();
    assert!(Letter::from_json(both.to_string().as_bytes()).is_err());
    assert!(Letter::from_json(b"{}").is_err());
}
