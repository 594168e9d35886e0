//! Methods with names that a publisher chose, or with words of the broker that may be cut within a character.
//! AMQP 0-9-1, section 1.8 and the class reference; `connection.blocked` is RabbitMQ's.

use std::ops::Range;

use super::altered::Altered;
use super::table::{self, prefixed};

/// `connection.start`, and where the server's properties begin in it: behind class, method, and the protocol's version.
const START: [u8; 4] = [0, 10, 0, 10];
const SERVER_PROPERTIES: usize = 6;
/// A longer version is none.
const MAX_VERSION_BYTES: usize = 64;

/// A part of a method's arguments.
enum Field {
    /// A short string, and what it is.
    Short(&'static str),
    /// So many bytes of something else.
    Other(usize),
    /// The number of a delivery on its channel.
    DeliveryTag,
}
use Field::{DeliveryTag, Other, Short};

/// The arguments of the methods that are looked at, by class and method.
fn arguments(class: u16, method: u16) -> &'static [Field] {
    match (class, method) {
        // connection.close, channel.close
        (10, 50) | (20, 40) => &[Other(2), Short("the reply text"), Other(4)],
        // connection.blocked
        (10, 60) => &[Short("the reason")],
        // basic.return
        (60, 50) => &[Other(2), Short("the reply text"), Short("the exchange"), Short("the routing key")],
        // basic.deliver
        (60, 60) => {
            &[Short("the consumer tag"), DeliveryTag, Other(1), Short("the exchange"), Short("the routing key")]
        }
        // basic.get-ok
        (60, 71) => &[DeliveryTag, Other(1), Short("the exchange"), Short("the routing key"), Other(4)],
        _ => &[],
    }
}

/// The major version of the server, if the method in `payload` is a `connection.start` that names it.
pub(super) fn server_major(payload: &[u8]) -> Option<u32> {
    let within = |range: &Range<usize>| payload.get(range.clone());
    let properties = prefixed(payload, SERVER_PROPERTIES).filter(|_| payload.starts_with(&START))?;
    within(&properties)?;
    let version = table::fields(payload, properties).find(|field| within(&field.name) == Some(b"version"))?;
    let version = version.text(payload).filter(|version| version.len() <= MAX_VERSION_BYTES)?;
    std::str::from_utf8(version).ok()?.split('.').next()?.parse().ok()
}

/// Makes the short strings of the method in `payload` UTF-8. `None`: it delivers nothing; else its delivery tag.
pub(super) fn repair(payload: &mut [u8], altered: &mut Altered) -> Option<u64> {
    let (ids, mut rest) = payload.split_first_chunk_mut::<4>()?;
    let [class_high, class_low, method_high, method_low] = *ids;
    let class = u16::from_be_bytes([class_high, class_low]);
    let mut tag = None;
    for field in arguments(class, u16::from_be_bytes([method_high, method_low])) {
        let length = match field {
            Short(_) => {
                let (length, behind) = rest.split_first_mut()?;
                rest = behind;
                usize::from(*length)
            }
            Other(length) => *length,
            DeliveryTag => 8,
        };
        let (value, behind) = rest.split_at_mut_checked(length)?;
        rest = behind;
        match field {
            Short(what) => altered.substitute(what, value),
            DeliveryTag => tag = value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)),
            Other(_) => {}
        }
    }
    tag
}
