//! Alerts: fixtures as publishers would send them, and small ones to vary.

use std::path::PathBuf;

use rtir_relay::alert::Category;
use serde_json::{Value, json};

/// One fixture for each category, with the priority that the category gives it.
pub const CATEGORIES: [(&str, Category, u8); 7] = [
    ("ssl-problem", Category::SslProblem, 60),
    ("ssl-expires-soon", Category::SslExpiresSoon, 40),
    ("domain-problem", Category::DomainProblem, 65),
    ("domain-expires-soon", Category::DomainExpiresSoon, 45),
    ("defacement", Category::Defacement, 100),
    ("availability-problem", Category::AvailabilityProblem, 65),
    ("virustotal-flag", Category::VirusTotalFlag, 70),
];

/// Where the fixture `name` lies.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/alerts").join(name).with_extension("json")
}

/// The bytes of the fixture `name`.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{}: {error}", path(name).display()))
}

/// A small `ssl` alert.
pub fn ssl(id: &str) -> Value {
    of(id, "ssl")
}

/// A small alert of any type: what is required, and one focal point.
pub fn of(id: &str, alert_type: &str) -> Value {
    json!({
        "id": id,
        "type": alert_type,
        "detected_at": "2026-11-23T08:00:00Z",
        "platform": { "url": "https://www.water.example" },
        "entity": {
            "name": "Agency for Water",
            "focal_points": [{ "name": "Ada Mensah", "email": "ada@water.example" }]
        }
    })
}

/// `alert` with some pieces replaced: objects are merged, everything else stands for what was there.
pub fn with(mut alert: Value, pieces: Value) -> Value {
    merge(&mut alert, pieces);
    alert
}

fn merge(into: &mut Value, pieces: Value) {
    match (into, pieces) {
        (Value::Object(fields), Value::Object(pieces)) => {
            for (name, piece) in pieces {
                merge(fields.entry(name).or_insert(Value::Null), piece);
            }
        }
        (into, piece) => *into = piece,
    }
}

/// `alert` without the field at `path`: `entity.name`.
pub fn without(mut alert: Value, path: &str) -> Value {
    let (parent, field) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = parent.split('.').filter(|name| !name.is_empty()).fold(&mut alert, |object, name| &mut object[name]);
    let parent = parent.as_object_mut().expect("an object");
    parent.remove(field).expect("the field was there");
    alert
}

/// The message body of `alert`.
pub fn body(alert: &Value) -> Vec<u8> {
    alert.to_string().into_bytes()
}
