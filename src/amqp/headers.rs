//! The headers of dead letters: their names, once for those who write and those who read them, and what happens to
//! headers and properties whenever a message is published again.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::wire::Altered;

/// The reason in one word.
pub(super) const REASON: &str = "x-failure-reason";
/// What, why, and the cure.
pub(super) const MESSAGE: &str = "x-failure-message";
/// When, in RFC 3339.
pub(super) const TIME: &str = "x-failure-time";
/// Who dead-lettered it: name/version@host.
pub(super) const SERVICE: &str = "x-failure-service";
/// How many attempts on RT failed.
pub(super) const ATTEMPTS: &str = "x-failure-attempts";
/// The newest of them: JSON array of `{time, cause}`.
pub(super) const HISTORY: &str = "x-failure-history";
/// What RT answered.
pub(super) const HTTP_STATUS: &str = "x-failure-http-status";
/// RT's own words.
pub(super) const RESPONSE: &str = "x-failure-response";
/// The alert's key.
pub(super) const ALERT_KEY: &str = "x-alert-key";
/// How often it was replayed.
pub(super) const REPLAY_COUNT: &str = "x-replay-count";
/// Names one replay: what comes back of it is told by this from what was replayed.
pub(super) const REPLAY_ID: &str = "x-replay-id";
/// What the copy of a dead letter lacks, where not all of it fits into a frame.
pub(super) const TRIMMED: &str = "x-failure-trimmed";
/// Where it was first published.
pub(super) const ORIGINAL_EXCHANGE: &str = "x-original-exchange";
/// With what routing key.
pub(super) const ORIGINAL_ROUTING_KEY: &str = "x-original-routing-key";

/// What had to be changed in it, before it could be read.
pub(super) const ALTERED: &str = "x-altered";

/// The broker's own record of dead-lettering: an array of tables, the newest first.
pub(super) const DEATH: &str = "x-death";
/// The broker's count of deliveries: absent at the first.
pub(super) const DELIVERY_COUNT: &str = "x-delivery-count";
/// The broker's count of hand-outs, from RabbitMQ 4.3 on.
pub(super) const ACQUIRED_COUNT: &str = "x-acquired-count";
/// What a dead letter has and an alert has not, by how the name begins.
const OF_A_DEAD_LETTER: [&str; 4] = ["x-failure-", "x-first-death-", "x-last-death-", DEATH];

/// Headers that the broker would act on, or that mean something else on a copy: name, and where it moves.
const MOVED: [(&str, &str); 4] = [
    ("CC", "x-original-CC"),
    ("BCC", "x-original-BCC"),
    (DELIVERY_COUNT, "x-original-delivery-count"),
    (ACQUIRED_COUNT, "x-original-acquired-count"),
];

/// The headers of a message that is to be published again.
pub(super) struct Headers(BTreeMap<ShortString, AMQPValue>);

impl Headers {
    /// Those of `properties`.
    pub(super) fn of(properties: &BasicProperties) -> Self {
        Self(properties.headers().clone().unwrap_or_default().inner().clone())
    }

    /// Puts aside, under `x-original-…`, what the broker would act on.
    pub(super) fn put_aside(&mut self, properties: &BasicProperties) {
        for (name, moved) in MOVED {
            if let Some(value) = self.0.remove(name) {
                self.set(moved, value);
            }
        }
        if let Some(expiration) = properties.expiration() {
            self.text("x-original-expiration", expiration.as_str());
        }
        if let Some(user_id) = properties.user_id() {
            self.text("x-original-user-id", user_id.as_str());
        }
    }

    /// Drops what counts deliveries from the queue it was taken from.
    pub(super) fn forget_deliveries(&mut self) {
        self.0.remove(DELIVERY_COUNT);
        self.0.remove(ACQUIRED_COUNT);
    }

    /// Drops all that makes it a dead letter.
    pub(super) fn forget_failure(&mut self) {
        self.0.retain(|name, _| !OF_A_DEAD_LETTER.iter().any(|prefix| name.as_str().starts_with(prefix)));
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub(super) fn set(&mut self, name: &str, value: AMQPValue) {
        self.0.insert(name.into(), value);
    }

    pub(super) fn number(&mut self, name: &str, value: i64) {
        self.set(name, AMQPValue::LongLongInt(value));
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.set(name, AMQPValue::LongString(value.into()));
    }

    /// The name in a header. Where there is none, `now` is put there.
    pub(super) fn name_or(&mut self, name: &str, now: &str) -> String {
        self.0.get(name).and_then(self::name).unwrap_or_else(|| {
            self.text(name, now);
            now.to_owned()
        })
    }

    /// `given` with these headers; without what [`Headers::put_aside`] has put aside, since a copy that expired would
    /// be lost, and the broker refuses the name of another user.
    pub(super) fn into_properties(self, given: &BasicProperties) -> BasicProperties {
        let mut kept = BasicProperties::default();
        macro_rules! keep {
            ($($property:ident, $with:ident;)*) => { $(
                if let Some(value) = given.$property().clone() { kept = kept.$with(value); }
            )* };
        }
        keep! {
            content_type, with_content_type;
            content_encoding, with_content_encoding;
            priority, with_priority;
            correlation_id, with_correlation_id;
            reply_to, with_reply_to;
            message_id, with_message_id;
            timestamp, with_timestamp;
            kind, with_type;
            app_id, with_app_id;
            cluster_id, with_cluster_id;
        }
        kept.with_headers(self.0.into()).with_delivery_mode(2)
    }
}

/// Says in `properties` what had to be changed in their message, so that every copy says it, too.
pub(super) fn say_altered(properties: &mut BasicProperties, altered: &Altered) {
    let mut headers = Headers::of(properties);
    headers.text(ALTERED, &altered.to_string());
    *properties = std::mem::take(properties).with_headers(headers.0.into());
}

/// A header's text; AMQP does not promise that it is UTF-8.
pub(super) fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A header's text where it can name an exchange or be a routing key, of which AMQP takes 255 bytes.
pub(super) fn name(value: &AMQPValue) -> Option<String> {
    text(value).filter(|name| ShortString::try_new(name.as_str()).is_ok())
}

/// A header's number, of whatever width.
pub(super) fn number(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(number) => Some(number.into()),
        AMQPValue::ShortShortUInt(number) => Some(number.into()),
        AMQPValue::ShortInt(number) => Some(number.into()),
        AMQPValue::ShortUInt(number) => Some(number.into()),
        AMQPValue::LongInt(number) => Some(number.into()),
        AMQPValue::LongUInt(number) => Some(number.into()),
        AMQPValue::LongLongInt(number) => Some(number),
        _ => None,
    }
}

/// An upper bound of the content header frame of a message with `properties`. Source: AMQP 0-9-1, sections 2.3.5.2 and 4.2.6.
pub(super) fn frame_size(properties: &BasicProperties) -> usize {
    /// The frame's own ends; class, weight, body size and flags; delivery mode, priority and timestamp.
    const FIXED: usize = 8 + 14 + 10;
    let texts = [
        properties.content_type(),
        properties.content_encoding(),
        properties.correlation_id(),
        properties.reply_to(),
        properties.expiration(),
        properties.message_id(),
        properties.kind(),
        properties.user_id(),
        properties.app_id(),
        properties.cluster_id(),
    ];
    let texts = texts.into_iter().flatten().map(|text| 1 + text.as_str().len()).sum::<usize>();
    FIXED + texts + properties.headers().as_ref().map_or(0, size)
}

/// An upper bound of the bytes that `table` takes in a frame. Source: AMQP 0-9-1, section 4.2.5.
fn size(table: &FieldTable) -> usize {
    let fields = table.inner().iter();
    4 + fields.map(|(name, value)| 1 + name.as_str().len() + value_size(value)).sum::<usize>()
}

/// As [`size`], of one value.
pub(super) fn value_size(value: &AMQPValue) -> usize {
    1 + match value {
        AMQPValue::LongString(text) => 4 + text.as_bytes().len(),
        AMQPValue::ShortString(text) => 1 + text.as_str().len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.len(),
        AMQPValue::FieldArray(values) => 4 + values.as_slice().iter().map(value_size).sum::<usize>(),
        AMQPValue::FieldTable(table) => size(table),
        _ => 8,
    }
}
