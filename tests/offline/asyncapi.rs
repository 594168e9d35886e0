//! `deploy/asyncapi.json`, held against the code. `tests/live/asyncapi.rs` holds its headers against dead letters.

use rtir_relay::alert::{self, AlertType, Severity};
use rtir_relay::config::{Config, Environment};
use rtir_relay::outcome::Reason;
use serde_json::{Value, json};

use crate::support::contract::{self, dead_letter_headers, document};

#[test]
fn its_names_are_the_defaults() {
    let environment: Environment = [("AMQP_URL", "amqp://broker.example")].into_iter().collect();
    let amqp = Config::load_amqp(&environment).expect("nothing else is required");
    let document = document("asyncapi.json");
    let binding = |channel: &str| document["channels"][channel]["bindings"]["amqp"].clone();
    for (channel, exchange) in [("alerts", amqp.exchange), ("deadLetters", amqp.dead_letter_exchange)] {
        assert_eq!(binding(channel)["is"], "routingKey", "{channel}");
        let expected = json!({ "name": exchange, "type": "topic", "durable": true, "autoDelete": false });
        assert_eq!(binding(channel)["exchange"], expected);
    }
    for (channel, queue) in [("alertQueue", amqp.amqp_queue), ("deadLetterQueue", amqp.dead_letter_queue)] {
        assert_eq!(binding(channel)["is"], "queue", "{channel}");
        let expected = json!({ "name": queue, "durable": true, "exclusive": false, "autoDelete": false });
        assert_eq!(binding(channel)["queue"], expected);
        assert_eq!(document["channels"][channel]["address"], queue.as_str());
    }
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn its_words_are_those_of_the_code() {
    let routing_key = &document("asyncapi.json")["channels"]["alerts"]["parameters"];
    let types: Vec<_> = AlertType::ALL.iter().map(|alert_type| alert_type.as_str()).collect();
    let severities: Vec<_> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
    assert_eq!((&routing_key["type"]["enum"], &routing_key["severity"]["enum"]), (&json!(types), &json!(severities)));
    let reasons = Reason::ALL.map(Reason::as_str);
    assert_eq!(dead_letter_headers()["properties"]["x-failure-reason"]["enum"], json!(reasons));
}

/// All that `value` refers to.
fn references(value: &Value) -> Vec<&str> {
    let own = value.get("$ref").and_then(Value::as_str);
    let inner: Vec<_> = match value {
        Value::Object(fields) => fields.values().flat_map(references).collect(),
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    };
    own.into_iter().chain(inner).collect()
}

#[test]
fn what_it_refers_to_is_there_and_an_alert_is_what_the_schema_says() {
    let document = document("asyncapi.json");
    let (mut inside, mut schema) = (0, 0);
    for reference in references(&document) {
        if let Some(pointer) = reference.strip_prefix('#') {
            assert!(document.pointer(pointer).is_some(), "{reference}");
            inside += 1;
        } else {
            let name = reference.strip_prefix("./").expect("a neighbour");
            assert_eq!(contract::document(name), alert::schema(), "{reference}");
            schema += 1;
        }
    }
    assert_eq!((inside, schema), (9, 2));
}

#[test]
fn headers_that_are_required_are_described() {
    let headers = dead_letter_headers();
    jsonschema::draft7::new(&headers).expect("a schema");
    for required in headers["required"].as_array().unwrap() {
        assert!(headers["properties"].get(required.as_str().unwrap()).is_some(), "{required}");
    }
}
