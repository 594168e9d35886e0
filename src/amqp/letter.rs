//! A dead letter as it is read back: the relay's own, one that the broker dead-lettered by itself, or a message of
//! somebody else. Pure.

mod id;
mod json;

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;

use super::headers::{self, Headers};
pub use id::{Fingerprint, LetterId, ReplayId};
pub use json::NotAnExport;

/// A message in the dead-letter queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// The exchange that brought it into the queue.
    pub exchange: String,
    /// Its routing key there: that of the first time, where the relay or the broker dead-lettered it.
    pub routing_key: String,
    /// Its properties, the headers among them.
    pub properties: BasicProperties,
    /// Its body, byte for byte.
    pub body: Vec<u8>,
}

impl Letter {
    /// The property `message_id`.
    pub fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)
    }

    /// The property `content_type`.
    pub fn content_type(&self) -> Option<&str> {
        self.properties.content_type().as_ref().map(lapin::types::ShortString::as_str)
    }

    /// Why it is here: the relay's word, else the broker's (`delivery_limit`, `rejected`, …); absent if neither
    /// dead-lettered it.
    pub fn reason(&self) -> Option<String> {
        self.text(headers::REASON).or_else(|| headers::text(self.death()?.inner().get("reason")?))
    }

    /// What went wrong, why, and the cure.
    pub fn message(&self) -> Option<String> {
        self.text(headers::MESSAGE)
    }

    /// What had to be changed in it, before it could be read.
    pub fn altered(&self) -> Option<String> {
        self.text(headers::ALTERED)
    }

    /// When it was dead-lettered, in RFC 3339.
    pub fn time(&self) -> Option<String> {
        let by_broker = || match self.death()?.inner().get("time")? {
            AMQPValue::Timestamp(seconds) => Timestamp::from_second(i64::try_from(*seconds).ok()?).ok(),
            _ => None,
        };
        self.text(headers::TIME).or_else(|| by_broker().map(|time| time.to_string()))
    }

    /// Who dead-lettered it.
    pub fn service(&self) -> Option<String> {
        self.text(headers::SERVICE)
    }

    /// How many attempts on RT failed.
    pub fn attempts(&self) -> Option<i64> {
        self.number(headers::ATTEMPTS)
    }

    /// The newest of them, oldest first: when, and the cause.
    pub fn history(&self) -> Vec<(String, String)> {
        let entries = self.text(headers::HISTORY).and_then(|text| serde_json::from_str(&text).ok());
        let Some(Value::Array(entries)) = entries else { return Vec::new() };
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        entries.iter().map(|entry| (text(entry, "time"), text(entry, "cause"))).collect()
    }

    /// The HTTP status of RT's answer.
    pub fn http_status(&self) -> Option<i64> {
        self.number(headers::HTTP_STATUS)
    }

    /// RT's own words.
    pub fn response(&self) -> Option<String> {
        self.text(headers::RESPONSE)
    }

    /// The alert's key.
    pub fn alert_key(&self) -> Option<String> {
        self.text(headers::ALERT_KEY)
    }

    /// How often it was replayed.
    pub fn replays(&self) -> i64 {
        self.number(headers::REPLAY_COUNT).unwrap_or(0)
    }

    /// How often this queue has delivered it before.
    pub(super) fn looks(&self) -> i64 {
        self.number(headers::DELIVERY_COUNT).unwrap_or(0)
    }

    /// The exchange and routing key of its first publication, where they are known.
    pub fn origin(&self) -> Option<(String, String)> {
        let name = |name: &str| self.header(name).and_then(headers::name);
        let by_relay = || Some((name(headers::ORIGINAL_EXCHANGE)?, name(headers::ORIGINAL_ROUTING_KEY)?));
        by_relay().or_else(|| self.origin_by_broker())
    }

    /// Its headers, and how they are exported.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Value)> {
        let table = self.properties.headers().as_ref();
        table.into_iter().flat_map(FieldTable::inner).map(|(name, value)| (name.as_str(), json::of_value(value)))
    }

    /// Properties with which it is an alert again: without what made it a dead letter, its origin kept, counted, and named
    /// by `replay_id`.
    pub fn replayed(&self, replay_id: &ReplayId) -> BasicProperties {
        let mut headers = Headers::of(&self.properties);
        headers.forget_deliveries();
        headers.put_aside(&self.properties);
        if let Some((exchange, routing_key)) = self.origin() {
            headers.name_or(headers::ORIGINAL_EXCHANGE, &exchange);
            headers.name_or(headers::ORIGINAL_ROUTING_KEY, &routing_key);
        }
        headers.forget_failure();
        headers.number(headers::REPLAY_COUNT, self.replays().saturating_add(1));
        headers.text(headers::REPLAY_ID, replay_id.as_str());
        headers.into_properties(&self.properties)
    }

    /// Properties with which it is the same dead letter again, its deliveries not counted.
    pub(super) fn renewed(&self) -> BasicProperties {
        let mut headers = Headers::of(&self.properties);
        headers.forget_deliveries();
        headers.put_aside(&self.properties);
        headers.into_properties(&self.properties)
    }

    /// From the oldest record of the broker.
    fn origin_by_broker(&self) -> Option<(String, String)> {
        let oldest = self.deaths().last()?.inner();
        let exchange = headers::name(oldest.get("exchange")?)?;
        let AMQPValue::FieldArray(routing_keys) = oldest.get("routing-keys")? else { return None };
        Some((exchange, headers::name(routing_keys.as_slice().first()?)?))
    }

    /// The newest record of the broker.
    fn death(&self) -> Option<&FieldTable> {
        self.deaths().next()
    }

    /// The broker's records of dead-lettering, the newest first.
    fn deaths(&self) -> impl Iterator<Item = &FieldTable> {
        let records = match self.header(headers::DEATH) {
            Some(AMQPValue::FieldArray(records)) => records.as_slice(),
            _ => &[],
        };
        records.iter().filter_map(|record| match record {
            AMQPValue::FieldTable(table) => Some(table),
            _ => None,
        })
    }

    fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref()?.inner().get(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.header(name).and_then(headers::text)
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.header(name).and_then(headers::number)
    }
}
