//! What holds for every input.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use rtir_relay::alert::Alert;
use rtir_relay::mapping::Rules;
use rtir_relay::retry::Policy;
use rtir_relay::ticket::{AlertKey, EmailAddress, RtAddresses, RtQueueName, Subject};
use serde_json::{Value, json};

use crate::support::alerts;

fn rules() -> Rules {
    let fallback_requestor = EmailAddress::parse("csirt@team.example").ok();
    Rules {
        rt_queue: RtQueueName::parse("Incident Reports").unwrap(),
        fallback_requestor,
        namespace: None,
        rt_addresses: RtAddresses::default(),
    }
}

/// Characters that make trouble, more often than chance has it.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => any::<char>(),
        2 => prop::sample::select("@,<>\" \n\r\t\0\u{1b}\u{202e}.:-[]{}\\/%é漢💧".chars().collect::<Vec<_>>()),
        4 => prop::char::range('a', 'z'),
    ];
    prop_oneof![
        6 => vec(character, 0..30).prop_map(String::from_iter),
        1 => (any::<char>(), 0_usize..6000).prop_map(|(c, count)| c.to_string().repeat(count)),
    ]
}

pub fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(), inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn fixture() -> impl Strategy<Value = Value> {
    let read = |(name, ..): (&str, _, _)| serde_json::from_slice(&alerts::fixture(name)).expect("a fixture is JSON");
    prop::sample::select(alerts::CATEGORIES.map(read).to_vec())
}

/// Where each value of `value` stands, as JSON pointers.
pub fn places(value: &Value, at: &str) -> Vec<String> {
    let inner: Vec<_> = match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| places(value, &format!("{at}/{name}"))).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, value)| places(value, &format!("{at}/{index}"))).collect()
        }
        _ => Vec::new(),
    };
    std::iter::once(at.to_owned()).chain(inner).collect()
}

/// A fixture with some of its values replaced, wherever they stand.
pub fn mutated() -> impl Strategy<Value = Value> {
    let mutations = vec((any::<prop::sample::Index>(), any_json()), 1..4);
    (fixture(), mutations).prop_map(|(mut alert, mutations)| {
        for (place, value) in mutations {
            let places = places(&alert, "");
            if let Some(there) = alert.pointer_mut(place.get::<String>(&places)) {
                *there = value;
            }
        }
        alert
    })
}

/// An alert that stays valid: only what does not decide is arbitrary.
pub fn valid() -> impl Strategy<Value = Value> {
    let person = (text(), text(), any::<bool>(), any_json())
        .prop_map(|(name, email, active, function)| json!({ "name": name, "email": email, "active": active, "function": function }));
    let people = vec(prop_oneof![3 => person, 1 => any_json()], 0..5);
    (fixture(), any_json(), any_json(), people, vec((text(), any_json()), 0..4), "[^\\p{Cc}]{1,200}").prop_map(
        |(alert, problem, details, people, unknown, id)| {
            let unknown: serde_json::Map<_, _> = unknown.into_iter().collect();
            let pieces = json!({
                "id": id, "unknown": unknown, "details": { "problem": problem, "more": details },
                "entity": { "focal_points": people }
            });
            alerts::with(alert, pieces)
        },
    )
}

/// A body that is JSON up to one byte.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    (fixture(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(alert, place, byte)| {
        let mut body = alerts::body(&alert);
        let place = place.index(body.len());
        body[place] = byte;
        body
    })
}

fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_parser_never_panics(body in prop_oneof![vec(any::<u8>(), 0..200), nearly_json(), text().prop_map(String::into_bytes)]) {
        let _ = Alert::parse(&body, None);
        let _ = Alert::parse(&body, Some("application/cloudevents+json"));
    }

    #[test]
    fn a_mutated_alert_is_mapped_or_malformed_at_a_path(alert in mutated()) {
        let body = alerts::body(&alert);
        match Alert::parse(&body, None) {
            Ok(alert) => drop(rules().ticket(&alert, &body.into())),
            Err(malformed) => {
                let decides = ["id", "type", "status", "severity", "detected_at", "platform", "entity", ""];
                let top = malformed.path.split(['.', '[']).next().unwrap_or_default();
                prop_assert!(decides.contains(&top), "{malformed}");
            }
        }
    }

    #[test]
    fn mapping_is_total_and_deterministic(alert in valid()) {
        let body = alerts::body(&alert);
        let map = || rules().ticket(&Alert::parse(&body, None).expect("valid"), &body.clone().into()).expect("a fallback is notified");
        let ticket = map();
        prop_assert_eq!(&ticket, &map());
        prop_assert!(ticket.subject.as_str().len() <= 200);
        prop_assert!(ticket.content.len() <= 64 * 1024);
        prop_assert!(!ticket.content.contains(|c: char| c.is_control() && !"\n\t".contains(c)));
        prop_assert!(ticket.attachment.is_none_or(|attached| attached == body));
        prop_assert!(is_key(ticket.key.as_str()));
        prop_assert!((20..=100).contains(&ticket.priority));
        prop_assert!(!ticket.requestors.is_empty());
        for (index, requestor) in ticket.requestors.iter().enumerate() {
            let text = requestor.as_str();
            prop_assert!(text.is_ascii() && text.len() <= 120 && text.matches('@').count() == 1, "{}", text);
            prop_assert!(!ticket.requestors[..index].contains(requestor), "{} is notified twice", text);
        }
    }

    #[test]
    fn a_subject_is_the_start_of_its_text_without_control_characters(text in text()) {
        let subject = Subject::new(&text);
        let visible: String = text.chars().filter(|c| !c.is_control()).collect();
        prop_assert!(subject.as_str().len() <= 200);
        prop_assert!(visible.starts_with(subject.as_str()));
        prop_assert!(subject.as_str().len() >= 196 || visible.trim_end() == subject.as_str() || visible.len() > 200);
    }

    #[test]
    fn a_key_matches_its_pattern_and_is_stable(id in text(), namespace in prop::option::of("[A-Za-z0-9._-]{1,40}")) {
        let key = AlertKey::new(namespace.as_deref(), &id);
        prop_assert!(is_key(key.as_str()), "{}", key);
        prop_assert_eq!(&key, &AlertKey::new(namespace.as_deref(), &id));
        prop_assert!(!key.as_str().starts_with("sha256:") || key.as_str().len() == 63);
    }

    #[test]
    fn different_ids_have_different_keys(one in key_like(), other in key_like(), namespace in prop::option::of("[a-c]{1,2}")) {
        let key = |id: &str| AlertKey::new(namespace.as_deref(), id);
        prop_assert_eq!(one == other, key(&one) == key(&other));
        // An id that is another's key is another alert all the same.
        let plain = AlertKey::new(None, &one);
        prop_assert!(plain.as_str() == one || AlertKey::new(None, plain.as_str()) != plain);
    }

    #[test]
    fn an_address_that_is_taken_is_safe(text in prop_oneof![text(), "[a-z.@, <>\"é]{1,12}", "[ -~]{1,10}@[a-z.\\-é。＠]{1,80}"]) {
        if let Ok(address) = EmailAddress::parse(&text) {
            let address = address.as_str();
            prop_assert!(address.is_ascii() && address.len() <= 120, "{}", address);
            prop_assert!(address.matches('@').count() == 1, "{}", address);
            prop_assert!(!address.contains(|c: char| c.is_control() || " ,\"<>".contains(c)), "{:?}", address);
            prop_assert!(!address.starts_with('@') && !address.ends_with('@'), "{}", address);
            prop_assert!(EmailAddress::parse(address).is_ok_and(|again| again.as_str() == address), "{} is not stable", address);
        }
    }

    #[test]
    fn delays_never_exceed_the_maximum_and_never_end(initial_ms in 1_u64..100_000, max_ms in 1_u64..10_000_000, at_least_ms in 0_u64..10_000) {
        let max = Duration::from_millis(max_ms);
        let policy = Policy { initial: Duration::from_millis(initial_ms), max, max_attempts: 8, unknown_wait: max };
        let (mut delays, mut later) = (policy.delays(), policy.delays());
        let at_least = Duration::from_millis(at_least_ms);
        for attempt in 0..100 {
            let delay = delays.next(Duration::ZERO);
            prop_assert!(delay <= max && !delay.is_zero(), "{:?} at {}", delay, attempt);
            let shortest = (policy.initial.min(max) / 2).saturating_sub(Duration::from_millis(1));
            prop_assert!(delay >= shortest, "{:?} at {}", delay, attempt);
            if attempt == 0 {
                prop_assert!(delay <= policy.initial * 3 / 2, "{:?} at first", delay);
            }
            if attempt > 40 {
                prop_assert!(delay >= max / 100 * 49, "{:?} has not grown to {:?}", delay, max);
            }
            let delay = later.next(at_least);
            prop_assert!(delay >= at_least && delay <= max.max(at_least), "{:?} with at least {:?}", delay, at_least);
        }
    }
}

/// Ids that are near each other and near the limits of a key.
fn key_like() -> impl Strategy<Value = String> {
    prop_oneof![
        "[aA:]{1,3}",
        "[a ]{1,3}",
        (62_usize..68).prop_map(|count| "x".repeat(count)),
        "(sha256:)?[a-f0-9]{1,2}",
        "[ab]".prop_map(|id| AlertKey::new(None, &format!("{id} ")).to_string()),
        "[ab] ",
        text(),
    ]
}
