//! What holds for every stream of bytes that a broker sends: for the fuzzer and for `make test`.
#![allow(dead_code, clippy::unwrap_used, reason = "each target uses its part; a check that cannot go on has failed")]

use std::ops::Range;

use lapin::BasicProperties;
use lapin::protocol::basic::parse_properties;
use lapin::types::AMQPValue;
use rtir_relay::amqp::Filter;

/// How deep the tables of a message are nested at most, once it has passed.
const MAX_DEPTH: usize = 32;
/// Before the properties of a content header: class, weight and size of the body.
const PROPERTIES: usize = 12;

/// The first byte says in what portions the others come.
pub fn stream(bytes: &[u8]) {
    let Some((seed, stream)) = bytes.split_first() else { return };
    let passed = pass(stream, *seed);
    assert!(passed == pass(stream, 0), "portions make no difference");
    assert!(passed == pass(&passed, 0), "what has passed once passes as it is");
    assert_eq!(passed.len(), stream.len());
    let mut looked_at = Vec::new();
    for (kind, payload) in frames(stream) {
        if kind == 2 && payload.len() > PROPERTIES + 1 {
            check_depth(&properties(&passed[payload.clone()]));
        }
        if matches!(kind, 1 | 2) {
            looked_at.push(payload);
        }
    }
    let mut begin = 0;
    for payload in looked_at {
        assert!(passed[begin..payload.start] == stream[begin..payload.start], "frames are as they were");
        begin = payload.end;
    }
    assert!(passed[begin..] == stream[begin..], "bodies, and what is no frame, are as they were");
}

/// What comes out of a filter that is given `stream` in portions; with 0 it is a single one.
pub fn pass(stream: &[u8], mut seed: u8) -> Vec<u8> {
    let mut filter = Filter::default();
    let (mut passed, mut waiting) = (Vec::new(), Vec::new());
    let mut rest = stream;
    while !rest.is_empty() {
        let portion = if seed == 0 { rest.len() } else { rest.len().min(usize::from(seed % 23) + 1) };
        seed = if seed == 0 { 0 } else { seed.wrapping_mul(5).wrapping_add(17).max(1) };
        waiting.extend_from_slice(&rest[..portion]);
        rest = &rest[portion..];
        let ready = filter.pass(&mut waiting);
        passed.extend(waiting.drain(..ready));
    }
    // The end of the stream: the reader gives on what waits.
    passed.extend(waiting);
    passed
}

/// The whole frames in `stream`, up to what is none: their types, and where their payloads lie.
pub fn frames(stream: &[u8]) -> Vec<(u8, Range<usize>)> {
    let mut frames = Vec::new();
    let mut begin = 0;
    while let Some([kind @ (1 | 2 | 3 | 8), _, _, size @ ..]) = stream.get(begin..).and_then(<[u8]>::first_chunk::<7>) {
        let payload = begin + 7..begin + 7 + u32::from_be_bytes(*size) as usize;
        if stream.get(payload.end) != Some(&0xce) {
            break;
        }
        begin = payload.end + 1;
        frames.push((*kind, payload));
    }
    frames
}

/// The properties in the payload of a content header, read as lapin does.
pub fn properties(payload: &[u8]) -> BasicProperties {
    let (rest, properties) = parse_properties(&payload[PROPERTIES..]).expect("properties that lapin can read");
    assert!(rest.is_empty(), "{} bytes behind the properties", rest.len());
    properties
}

fn check_depth(properties: &BasicProperties) {
    let headers = properties.headers().clone().unwrap_or_default();
    let mut values: Vec<_> = children(&AMQPValue::FieldTable(headers)).into_iter().map(|value| (2, value)).collect();
    while let Some((depth, value)) = values.pop() {
        let is_nested = matches!(value, AMQPValue::FieldTable(_) | AMQPValue::FieldArray(_));
        assert!(!is_nested || depth <= MAX_DEPTH);
        values.extend(children(&value).into_iter().map(|value| (depth + 1, value)));
    }
}

fn children(value: &AMQPValue) -> Vec<AMQPValue> {
    match value {
        AMQPValue::FieldTable(table) => table.inner().values().cloned().collect(),
        AMQPValue::FieldArray(values) => values.as_slice().to_vec(),
        _ => Vec::new(),
    }
}
