//! JSON as the publisher wrote it.
//!
//! `serde_json::Value` would turn numbers into floats (or refuse `1e400`) and keep the last of two equal keys. A
//! ticket shows values as given, and equal keys are an error, so this small tree keeps the text of numbers, the order
//! of fields, and refuses what is ambiguous.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::malformed::{Malformed, join};

/// How deep objects and arrays may nest.
const MAX_DEPTH: usize = 64;

/// One JSON value as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`, which means absent.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// The digits as given.
    Number(String),
    /// The decoded text.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, its fields in the order given.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads one JSON text.
    ///
    /// # Errors
    /// The text is not JSON, an object has a key twice, or values nest deeper than 64.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| Malformed::new("", syntax_error(&error)))?;
        read(raw, "", 0)
    }

    /// What kind of value it is, with its article.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

/// As a ticket shows it: a string bare, everything else as compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(text),
            other => other.write_json(f),
        }
    }
}

impl Value {
    fn write_json(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(text) => f.write_str(text),
            Self::String(text) => write_json_string(text, f),
            Self::Array(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    item.write_json(f)?;
                }
                f.write_str("]")
            }
            Self::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    write_json_string(name, f)?;
                    f.write_str(":")?;
                    value.write_json(f)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_json_string(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&serde_json::to_string(text).map_err(|_| fmt::Error)?)
}

fn read(raw: &RawValue, path: &str, depth: usize) -> Result<Value, Malformed> {
    let text = raw.get();
    if depth == MAX_DEPTH && text.starts_with(['[', '{']) {
        return Err(Malformed::new(path, format!("nested deeper than {MAX_DEPTH}")));
    }
    let scalar = |error: serde_json::Error| Malformed::new(path, syntax_error(&error));
    match text.as_bytes().first() {
        Some(b'n') => Ok(Value::Null),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'"') => serde_json::from_str(text).map(Value::String).map_err(scalar),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(scalar)?;
            let item = |(index, raw): (usize, &&RawValue)| read(raw, &format!("{path}[{index}]"), depth + 1);
            items.iter().enumerate().map(item).collect::<Result<_, _>>().map(Value::Array)
        }
        Some(b'{') => {
            let fields = serde_json::Deserializer::from_str(text).deserialize_map(RawFields).map_err(scalar)?;
            let mut seen = HashSet::with_capacity(fields.len());
            let mut object = Vec::with_capacity(fields.len());
            for (name, raw) in fields {
                let path = join(path, &name);
                if !seen.insert(name.clone()) {
                    return Err(Malformed::new(&path, "given twice"));
                }
                let value = read(raw, &path, depth + 1)?;
                object.push((name, value));
            }
            Ok(Value::Object(object))
        }
        _ => Ok(Value::Number(text.to_owned())),
    }
}

/// The fields of one object in order, equal keys included.
struct RawFields;

impl<'de> Visitor<'de> for RawFields {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(fields)
    }
}

/// The reason without the words of the body that `serde_json` might quote.
fn syntax_error(error: &serde_json::Error) -> String {
    format!("not JSON: {error}")
}
