//! The schema that publishers are given, held against the parser that judges what they send.

use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use rtir_relay::alert::{self, Alert, AlertType};
use serde_json::{Value, json};

use super::alert::{NO_TIMES, NO_URLS, TIMES, URLS};
use super::properties::{any_json, mutated, valid};
use crate::support::alerts;
use crate::support::contract::document;

/// Times and URLs that no pattern tells from good ones: only the parser refuses them.
const BEYOND_A_PATTERN: [&str; 2] = ["2026-02-29T08:00:00Z", "https://water.example:99999"];

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path)
}

static SCHEMA: LazyLock<Value> = LazyLock::new(alert::schema);
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft202012::new(&SCHEMA).expect("a schema"));

/// What the schema says of the field at `path`, such as `details.changes[0].kind`, of an alert of that type.
fn field(alert_type: AlertType, path: &str) -> Option<&'static Value> {
    path.split('.').try_fold(&*SCHEMA, |object, name| {
        let name = name.split('[').next().unwrap_or_default();
        let object = object.get("items").unwrap_or(object);
        match object["properties"].get(name)? {
            _ if name == "details" => SCHEMA["$defs"].get(alert_type.as_str()),
            field => Some(field),
        }
    })
}

/// Whether every field that the schema knows was read as what it is, rather than shown as given.
fn is_taken_whole(body: &[u8]) -> bool {
    Alert::parse(body, None).is_ok_and(|alert| {
        let left = |path: &str| field(alert.alert_type(), path).is_some();
        alert.entity.focal_points.iter().all(Result::is_ok) && !alert.other.iter().any(|(path, _)| left(path))
    })
}

#[test]
fn the_committed_schema_is_what_the_declarations_say() {
    let schema = document("alert.schema.json");
    assert!(schema == *SCHEMA, "renew it and read the diff: cargo run schema > deploy/alert.schema.json");
    jsonschema::draft202012::meta::validate(&schema).expect("draft 2020-12");
}

#[test]
fn what_publishers_are_shown_is_valid() {
    let readme = file("README.md");
    let example =
        readme.split("\n    {\"id\": ").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("an example");
    let demo = file("deploy/demo/alerts.ndjson");
    for alert in demo.lines().map(str::to_owned).chain([format!("{{\"id\": {example}")]) {
        let alert: Value = serde_json::from_str(&alert).expect("JSON");
        if let Err(error) = VALIDATOR.validate(&alert) {
            panic!("{alert}: {}: {error}", error.instance_path());
        }
    }
}

#[test]
fn fixtures_are_valid_where_they_are_taken_whole() {
    let mut whole = 0;
    for entry in std::fs::read_dir(alerts::path("any").parent().expect("a directory")).expect("fixtures") {
        let body = std::fs::read(entry.expect("a fixture").path()).expect("a fixture");
        // Numbers that serde_json cannot hold are for the parser only.
        let Ok(alert) = serde_json::from_slice::<Value>(&body) else { continue };
        assert_eq!(VALIDATOR.is_valid(&alert), is_taken_whole(&body), "{alert}");
        whole += usize::from(is_taken_whole(&body));
    }
    assert!(whole >= 5, "{whole}");
}

/// A value that fits `schema`, with every field that it knows.
fn complete(schema: &Value) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return words[0].clone();
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match kind.unwrap_or("string") {
        "object" => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            Value::Object(properties.map(|(name, field)| (name.clone(), complete(field))).collect())
        }
        "array" => json!([complete(&schema["items"])]),
        "number" => json!(1),
        "boolean" => json!(true),
        _ => json!("x"),
    }
}

/// An alert of that type with every field of the schema.
fn complete_alert(alert_type: AlertType) -> Value {
    let pieces = json!({
        "id": "x", "type": alert_type.as_str(), "detected_at": TIMES[0], "platform": { "url": URLS[0] },
        "details": complete(&SCHEMA["$defs"][alert_type.as_str()])
    });
    alerts::with(complete(&SCHEMA), pieces)
}

#[test]
fn every_field_of_the_schema_is_one_that_the_parser_reads() {
    for alert_type in AlertType::ALL {
        let complete = complete_alert(*alert_type);
        assert!(VALIDATOR.is_valid(&complete), "{complete}");
        let alert = Alert::parse(&alerts::body(&complete), None).expect("an alert");
        assert_eq!(alert.other, [], "{alert_type}");
        assert!(alert.details.lines().len() >= 3, "{alert_type}");
    }
}

/// `alert` with `value` at `path`, or without it.
fn altered(alert: Value, path: &str, value: Option<&Value>) -> Value {
    match value {
        None => alerts::without(alert, path),
        Some(value) => alerts::with(alert, path.rsplit('.').fold(value.clone(), |value, name| json!({ name: value }))),
    }
}

#[test]
fn what_decides_is_refused_by_both_or_by_neither() {
    let long = ["x".repeat(200), "x".repeat(201), "é".repeat(200), "𝕏".repeat(201)];
    let texts: Vec<&str> = [
        "", " ", "x", "a\nb", "a\n", "\u{7f}", "\u{9f}", "\u{a0}", "é", "SSL", "ssl", "new ", "resolved", "High", "low",
    ]
    .into_iter()
    .chain(long.iter().map(String::as_str))
    .chain([TIMES, NO_TIMES, URLS, NO_URLS].concat())
    .filter(|text| !BEYOND_A_PATTERN.contains(text))
    .collect();
    let odd = [json!(null), json!(true), json!(7), json!(["x"]), json!({ "x": 1 })];
    let values: Vec<Option<Value>> =
        texts.iter().map(|text| Some(json!(text))).chain(odd.map(Some)).chain([None]).collect();
    let base = alerts::with(alerts::ssl("x"), json!({ "status": "new", "severity": "low" }));
    let (mut taken, mut refused) = (0, 0);
    for path in ["id", "type", "status", "severity", "detected_at", "platform", "platform.url", "entity", "entity.name"]
    {
        for value in &values {
            let alert = altered(base.clone(), path, value.as_ref());
            let parsed = Alert::parse(&alerts::body(&alert), None).is_ok();
            assert_eq!(VALIDATOR.is_valid(&alert), parsed, "{path}: {value:?}");
            *(if parsed { &mut taken } else { &mut refused }) += 1;
        }
    }
    assert!(taken > 100 && refused > 300, "{taken} and {refused}");
}

#[test]
fn a_validator_that_asserts_formats_passes_nothing_that_the_parser_refuses() {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    let validator = options.build(&SCHEMA).expect("a schema");
    let decided = [("detected_at", TIMES, NO_TIMES), ("platform.url", URLS, NO_URLS)];
    for (path, good, bad) in decided {
        let is_valid = |text: &&&str| validator.is_valid(&altered(alerts::ssl("x"), path, Some(&json!(text))));
        let passed: Vec<_> = bad.iter().filter(is_valid).collect();
        assert_eq!(passed, if path == "detected_at" { vec![] } else { vec![&BEYOND_A_PATTERN[1]] });
        // The note of RFC 3339 that allows a space is not in its grammar.
        let missed: Vec<_> = good.iter().filter(|text| !is_valid(text)).collect();
        assert_eq!(missed, if path == "detected_at" { vec![&"2026-11-23 08:00:00Z"] } else { vec![] });
    }
}

/// A complete alert with one field replaced, of those that the schema knows.
fn with_one_field_replaced() -> impl Strategy<Value = Value> {
    let alert_type = prop::sample::select(AlertType::ALL);
    (alert_type, any::<prop::sample::Index>(), any_json()).prop_map(|(alert_type, place, value)| {
        let mut alert = complete_alert(alert_type);
        let places = super::properties::places(&alert, "");
        if let Some(there) = alert.pointer_mut(place.get::<String>(&places)) {
            *there = value;
        }
        alert
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn an_alert_is_valid_where_it_is_taken_whole(alert in prop_oneof![with_one_field_replaced(), mutated(), valid()]) {
        let whole = is_taken_whole(&alerts::body(&alert));
        prop_assert_eq!(VALIDATOR.is_valid(&alert), whole);
    }
}
