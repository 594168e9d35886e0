//! What tells one dead letter from another: a short name for people, and a fingerprint of all that it is for whoever
//! removes it.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::time::SystemTime;

use lapin::types::{AMQPValue, FieldTable};
use sha2::{Digest, Sha256};

use super::{Letter, headers, json};

/// Names a dead letter: the first 12 hex digits of a SHA-256. Identical copies share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId([u8; 6]);

/// A SHA-256 of all that a dead letter is, but for what the broker counts and where the queue got it from. Letters that
/// share it are identical copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// Names one replay of one dead letter: 16 hex digits that no other has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayId(String);

impl Letter {
    /// Its name: of `message_id`, `x-failure-time`, `x-replay-id` and the broker's records of its deaths, each as a netstring
    /// (`5:abcde,`, empty where absent), and the body.
    pub fn id(&self) -> LetterId {
        let message_id = self.message_id().unwrap_or_default();
        let [time, replay] = [headers::TIME, headers::REPLAY_ID].map(|name| self.text(name).unwrap_or_default());
        let deaths: Vec<_> = self.deaths().map(death).collect();
        let mut hash = Sha256::new();
        for part in [message_id, &time, &replay, &deaths.join(",")] {
            hash.update(format!("{}:{part},", part.len()));
        }
        hash.update(&self.body);
        let digest = hash.finalize();
        let mut id = [0; 6];
        id.copy_from_slice(&digest[..6]);
        LetterId(id)
    }

    /// What only identical copies have in common. It stays when the letter is stored anew.
    pub fn fingerprint(&self) -> Fingerprint {
        let properties = self.renewed();
        let mut hash = Sha256::new();
        // No byte of JSON is zero.
        hash.update(json::of_properties(&properties).to_string());
        hash.update([0]);
        hash.update(properties.headers().as_ref().map(json::of_table).unwrap_or_default().to_string());
        hash.update([0]);
        hash.update(&self.body);
        Fingerprint(hash.finalize().into())
    }
}

/// `queue/reason/count/time`, the time in seconds since 1970.
fn death(record: &FieldTable) -> String {
    let field = |name: &str| record.inner().get(name);
    let text = |name: &str| field(name).and_then(headers::text).unwrap_or_default();
    let count = field("count").and_then(headers::number).unwrap_or_default();
    let time = match field("time") {
        Some(AMQPValue::Timestamp(seconds)) => *seconds,
        _ => 0,
    };
    format!("{}/{}/{count}/{time}", text("queue"), text("reason"))
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for LetterId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "an ID has 12 hexadecimal digits; `rtir-relay dead-letters list` shows them";
        if text.len() != 12 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| wrong)?;
        let mut id = [0; 6];
        id.copy_from_slice(&number.to_be_bytes()[2..]);
        Ok(Self(id))
    }
}

impl ReplayId {
    /// One that was never given before: the standard library seeds such a hash with random keys.
    pub fn unique() -> Self {
        let hash = RandomState::new().hash_one((SystemTime::now(), std::process::id()));
        Self(format!("{hash:016x}"))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
