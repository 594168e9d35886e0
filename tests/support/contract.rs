//! The documents that say what the relay and its neighbours send each other.

use std::path::PathBuf;

use serde_json::Value;

/// One of the documents in `deploy/`.
pub fn document(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect(name)
}

/// What `deploy/asyncapi.json` says of the headers of a dead letter, as JSON Schema.
pub fn dead_letter_headers() -> Value {
    document("asyncapi.json")["components"]["messages"]["deadLetter"]["headers"].clone()
}
