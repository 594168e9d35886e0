//! Content headers: AMQP 0-9-1, sections 2.3.5.2 and 4.2.6.1.

use std::ops::Range;

use super::altered::Altered;
use super::table::{self, prefixed};

/// Class, weight, size of the body, and one word of flags.
const FIXED_BYTES: usize = 14;
const FLAGS: Range<usize> = 12..FIXED_BYTES;
/// How a property is written.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Short,
    Table,
    Number(usize),
}
use Kind::{Number, Short, Table};

/// The properties of class `basic`, by the order of their flags, the highest bit first.
const PROPERTIES: [(&str, Kind); 14] = [
    ("content_type", Short),
    ("content_encoding", Short),
    ("headers", Table),
    ("delivery_mode", Number(1)),
    ("priority", Number(1)),
    ("correlation_id", Short),
    ("reply_to", Short),
    ("expiration", Short),
    ("message_id", Short),
    ("timestamp", Number(8)),
    ("type", Short),
    ("user_id", Short),
    ("app_id", Short),
    ("cluster_id", Short),
];
/// The flags of two of them.
const HEADERS: u16 = 1 << 13;
const CLUSTER_ID: u16 = 1 << 2;
/// The most that a short string and its length take.
const MAX_SHORT_BYTES: usize = 256;

/// Makes the content header in `payload` one that can be read, if it has the fixed part of one. Where its properties do
/// not have the lengths that they say, their bytes are kept as a header's value, or as the `cluster_id`, which nobody
/// uses.
pub(super) fn repair(payload: &mut [u8], altered: &mut Altered) {
    if payload.len() < FIXED_BYTES {
        return;
    }
    let repaired = match locate(payload) {
        Some(places) => repair_each(payload, &places, altered),
        None => Err(table::Unreadable),
    };
    if repaired.is_err() {
        altered.note("the properties cannot be read: they are kept as bytes");
        replace_all(payload, altered);
    }
}

/// Where each property lies, without its length; empty where it is absent.
fn locate(payload: &[u8]) -> Option<[Range<usize>; 14]> {
    let flags = u16::from_be_bytes(*payload[FLAGS].first_chunk()?);
    let mut places: [Range<usize>; 14] = Default::default();
    let mut at = FIXED_BYTES;
    for (index, (_, kind)) in PROPERTIES.iter().enumerate() {
        if flags & (1 << (15 - index)) == 0 {
            continue;
        }
        places[index] = match kind {
            Short => at + 1..at + 1 + usize::from(*payload.get(at)?),
            Table => prefixed(payload, at)?,
            Number(bytes) => at..at + bytes,
        };
        at = places[index].end;
        if at > payload.len() {
            return None;
        }
    }
    (at == payload.len()).then_some(places)
}

fn repair_each(
    payload: &mut [u8],
    places: &[Range<usize>; 14],
    altered: &mut Altered,
) -> Result<(), table::Unreadable> {
    for ((name, kind), place) in PROPERTIES.iter().zip(places) {
        match kind {
            Short => altered.substitute(name, &mut payload[place.clone()]),
            Table => table::repair(payload, place.clone(), altered)?,
            Number(_) => {}
        }
    }
    Ok(())
}

fn replace_all(payload: &mut [u8], altered: &mut Altered) {
    let bytes = payload.len() - FIXED_BYTES;
    let flags = match bytes {
        0 => 0,
        1..=MAX_SHORT_BYTES => {
            // A length of at most 255.
            payload[FIXED_BYTES] = u8::try_from(bytes - 1).unwrap_or(u8::MAX);
            altered.substitute("cluster_id", &mut payload[FIXED_BYTES + 1..]);
            CLUSTER_ID
        }
        _ => {
            let content = FIXED_BYTES + 4..payload.len();
            let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
            payload[FIXED_BYTES..content.start].copy_from_slice(&length.to_be_bytes());
            // It is long enough.
            let _ = table::seal(payload, content.clone());
            let _ = table::repair(payload, content, altered);
            HEADERS
        }
    };
    payload[FLAGS].copy_from_slice(&flags.to_be_bytes());
}
