//! A letter as one JSON object, and back without loss: what `export` writes and `publish --raw` takes.
//!
//! The body is `body` where it is UTF-8, else `body_base64`. Headers are JSON where JSON has the type (text, whole
//! numbers of 64 bits, booleans, arrays, tables, nothing); any other value is `{"amqp": {TYPE: VALUE}}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldArray, FieldTable, ShortString};
use serde_json::{Map, Value, json};

use super::Letter;

/// Marks a value that JSON has no type for.
const TAG: &str = "amqp";

/// Why a line is not an exported letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an exported dead letter: {0}")]
pub struct NotAnExport(String);

/// Properties that are texts, and those that are numbers: both ways from one list.
macro_rules! properties {
    ($each:ident) => {
        $each! {
            content_type with_content_type, content_encoding with_content_encoding,
            correlation_id with_correlation_id, reply_to with_reply_to, expiration with_expiration,
            message_id with_message_id, kind with_type, user_id with_user_id, app_id with_app_id,
            cluster_id with_cluster_id;
            delivery_mode with_delivery_mode, priority with_priority, timestamp with_timestamp
        }
    };
}

impl Letter {
    /// The letter as JSON.
    pub fn to_json(&self) -> Value {
        let mut object = json!({
            "id": self.id().to_string(),
            "exchange": self.exchange,
            "routing_key": self.routing_key,
            "properties": of_properties(&self.properties),
            "headers": self.properties.headers().as_ref().map(of_table),
        });
        match std::str::from_utf8(&self.body) {
            Ok(text) => object["body"] = text.into(),
            Err(_) => object["body_base64"] = BASE64_STANDARD.encode(&self.body).into(),
        }
        object
    }

    /// The letter that was exported as `json`.
    ///
    /// # Errors
    /// Something is missing, or not as [`Letter::to_json`] writes it.
    pub fn from_json(json: &[u8]) -> Result<Self, NotAnExport> {
        let object: Value = serde_json::from_slice(json).map_err(|error| NotAnExport(error.to_string()))?;
        let text = |name: &str| object[name].as_str().ok_or_else(|| NotAnExport(format!("{name}: expected a string")));
        let body = match (object.get("body"), object.get("body_base64")) {
            (Some(_), None) => text("body")?.as_bytes().to_vec(),
            (None, Some(_)) => BASE64_STANDARD
                .decode(text("body_base64")?)
                .map_err(|error| NotAnExport(format!("body_base64: {error}")))?,
            _ => return Err(NotAnExport("expected one of body and body_base64".to_owned())),
        };
        let mut properties = to_properties(&object["properties"])?;
        match &object["headers"] {
            Value::Null => {}
            headers => properties = properties.with_headers(to_table(headers)?),
        }
        let (exchange, routing_key) = (text("exchange")?.to_owned(), short("routing_key", text("routing_key")?)?);
        Ok(Self { exchange, routing_key: routing_key.to_string(), properties, body })
    }
}

pub(super) fn of_properties(properties: &BasicProperties) -> Value {
    let mut object = Map::new();
    macro_rules! put {
        ($($text:ident $with_text:ident),*; $($number:ident $with_number:ident),*) => {
            $(if let Some(value) = properties.$text() { object.insert(stringify!($text).to_owned(), value.as_str().into()); })*
            $(if let Some(value) = properties.$number() { object.insert(stringify!($number).to_owned(), (*value).into()); })*
        };
    }
    properties!(put);
    Value::Object(object)
}

fn to_properties(object: &Value) -> Result<BasicProperties, NotAnExport> {
    let mut properties = BasicProperties::default();
    macro_rules! take {
        ($($text:ident $with_text:ident),*; $($number:ident $with_number:ident),*) => {
            $(if let Some(value) = object.get(stringify!($text)) {
                let name = concat!("properties.", stringify!($text));
                let text = value.as_str().ok_or_else(|| NotAnExport(format!("{name}: expected a string")))?;
                properties = properties.$with_text(short(name, text)?);
            })*
            $(if let Some(value) = object.get(stringify!($number)) {
                let number = value.as_u64().and_then(|number| number.try_into().ok());
                let wrong = || NotAnExport(concat!("properties.", stringify!($number), ": expected a number").to_owned());
                properties = properties.$with_number(number.ok_or_else(wrong)?);
            })*
        };
    }
    properties!(take);
    Ok(properties)
}

fn short(name: &str, text: &str) -> Result<ShortString, NotAnExport> {
    ShortString::try_new(text).map_err(|error| NotAnExport(format!("{name}: {error}")))
}

/// A header's value as JSON.
pub(super) fn of_value(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(yes) => (*yes).into(),
        AMQPValue::LongLongInt(number) => (*number).into(),
        AMQPValue::LongString(text) => match std::str::from_utf8(text.as_bytes()) {
            Ok(text) => text.into(),
            Err(_) => json!({ TAG: value }),
        },
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(of_value).collect(),
        AMQPValue::FieldTable(table) if !table.inner().contains_key(TAG) => of_table(table),
        AMQPValue::Void => Value::Null,
        other => json!({ TAG: other }),
    }
}

pub(super) fn of_table(table: &FieldTable) -> Value {
    table.inner().iter().map(|(name, value)| (name.to_string(), of_value(value))).collect()
}

fn to_value(json: &Value) -> Result<AMQPValue, NotAnExport> {
    Ok(match json {
        Value::Null => AMQPValue::Void,
        Value::Bool(yes) => AMQPValue::Boolean(*yes),
        Value::Number(number) => AMQPValue::LongLongInt(
            number.as_i64().ok_or_else(|| NotAnExport(format!("headers: {number} is not a whole number")))?,
        ),
        Value::String(text) => AMQPValue::LongString(text.as_str().into()),
        Value::Array(values) => {
            AMQPValue::FieldArray(FieldArray::from(values.iter().map(to_value).collect::<Result<Vec<_>, _>>()?))
        }
        Value::Object(object) => match object.get(TAG) {
            Some(value) => {
                serde_json::from_value(value.clone()).map_err(|error| NotAnExport(format!("headers: {error}")))?
            }
            None => AMQPValue::FieldTable(to_table(json)?),
        },
    })
}

fn to_table(json: &Value) -> Result<FieldTable, NotAnExport> {
    let object = json.as_object().ok_or_else(|| NotAnExport("headers: expected an object".to_owned()))?;
    let mut table = FieldTable::default();
    for (name, value) in object {
        table.insert(short("headers", name)?, to_value(value)?);
    }
    Ok(table)
}
