//! What a publisher may write into the frames of a message comes out as something that lapin reads.

use lapin::BasicProperties;
use lapin::protocol::basic::AMQPMethod;
use lapin::protocol::{AMQPClass, parse_class};
use lapin::types::{AMQPValue, FieldTable};
use proptest::collection::vec;
use proptest::prelude::*;
use rtir_relay::amqp::Filter;

use super::corpus::frame_checks::{frames, pass, properties, stream};
use crate::support::frames::{field, frame, header, long, method, nested, short, value};

const ALL: u16 = 0xfffc;
const HEADERS: u16 = 1 << 13;
const LATIN_1: &[u8] = b"caf\xe9";

/// The properties of a message with these, once they have passed.
fn passed(flags: u16, written: &[u8]) -> BasicProperties {
    let message = header(1, 0, flags, written);
    stream(&[&[7], message.as_slice()].concat());
    let passed = pass(&message, 0);
    let (kind, payload) = frames(&passed).remove(0);
    assert_eq!(kind, 2);
    properties(&passed[payload])
}

/// The headers of a message with these, once they have passed.
fn passed_headers(written: &[u8]) -> FieldTable {
    passed(HEADERS, &long(written)).headers().clone().unwrap()
}

fn value_of<'a>(table: &'a FieldTable, name: &str) -> &'a AMQPValue {
    table.inner().get(name).unwrap_or_else(|| panic!("{name:?} in {table:?}"))
}

/// All fourteen properties; the short strings are `text`.
fn all_properties(text: &[u8], headers: &[u8]) -> Vec<u8> {
    let texts = |count: usize| short(text).repeat(count);
    [texts(2), long(headers), vec![2, 3], texts(4), 7_u64.to_be_bytes().to_vec(), texts(4)].concat()
}

/// `connection.start` with these properties of the server.
fn start(properties: &[u8]) -> Vec<u8> {
    method(0, 10, 10, &[&[0, 9], long(properties).as_slice(), &long(b"PLAIN"), &long(b"en_US")].concat())
}

/// What the filter makes of the version of a server that begins with `bytes`, which pass as they are.
fn server_major(bytes: &[u8]) -> Option<u32> {
    let mut filter = Filter::default();
    let mut passed = bytes.to_vec();
    assert_eq!(filter.pass(&mut passed), bytes.len());
    assert_eq!(passed, bytes);
    filter.server_major()
}

#[test]
fn the_major_version_of_the_server_is_read_from_its_first_frame() {
    for (version, major) in [
        ("3.10.8", Some(3)),
        ("4.0.5", Some(4)),
        ("4", Some(4)),
        ("10.2.0-rc.1+git", Some(10)),
        ("", None),
        ("four", None),
        ("-1.0", None),
        ("99999999999999999999.0", None),
        (&"4".repeat(65), None),
        (&format!("4.{}", "0".repeat(100_000)), None),
    ] {
        let capabilities = field(b"capabilities", &value(b'F', &field(b"version", &value(b'S', b"9.9"))));
        let properties = [
            capabilities,
            field(b"product", &value(b'S', b"RabbitMQ")),
            field(b"version", &value(b'S', version.as_bytes())),
            field(b"version", &value(b'S', b"8.0")),
        ];
        assert_eq!(server_major(&start(&properties.concat())), major, "{version:.80}");
    }
}

#[test]
fn a_server_may_say_anything_of_its_version() {
    let version = field(b"version", &value(b'S', b"4.1.0"));
    for properties in [
        vec![],
        field(b"version", b"t\x01"),
        field(b"version", &value(b'x', b"4.1.0")),
        field(b"version", &value(b'S', b"\xff.1")),
        field(b"Version", &value(b'S', b"4.1.0")),
        version[..version.len() - 1].to_vec(),
        [field(b"odd", b"?"), version.clone()].concat(),
    ] {
        assert_eq!(server_major(&start(&properties)), None, "{properties:?}");
    }
    // Cut short, or of another method.
    let whole = [&[0, 10, 0, 10, 0, 9], long(&version).as_slice()].concat();
    assert_eq!(server_major(&frame(1, 0, &whole)), Some(4));
    for end in 0..whole.len() {
        assert_eq!(server_major(&frame(1, 0, &whole[..end])), None, "{end}");
    }
    assert_eq!(server_major(&method(0, 10, 11, &whole[4..])), None);
}

#[test]
fn every_short_string_of_a_content_header_becomes_utf_8() {
    let read = passed(ALL, &all_properties(LATIN_1, &field(LATIN_1, &value(b'S', LATIN_1))));
    let texts = [
        read.content_type(),
        read.content_encoding(),
        read.correlation_id(),
        read.reply_to(),
        read.expiration(),
        read.message_id(),
        read.kind(),
        read.user_id(),
        read.app_id(),
        read.cluster_id(),
    ];
    assert!(texts.iter().all(|text| text.as_ref().unwrap().as_str() == "caf?"), "{read:?}");
    assert_eq!((*read.delivery_mode(), *read.priority(), *read.timestamp()), (Some(2), Some(3), Some(7)));
    // A long string is bytes: nobody asks that it be UTF-8.
    let AMQPValue::LongString(kept) = value_of(read.headers().as_ref().unwrap(), "caf?") else { panic!("{read:?}") };
    assert_eq!(kept.as_bytes(), LATIN_1);
}

#[test]
fn every_name_of_a_method_that_brings_content_becomes_utf_8() {
    let name = short(LATIN_1);
    let tag = 9_u64.to_be_bytes();
    let read = |number, arguments: &[&[u8]]| {
        let written = method(3, 60, number, &arguments.concat());
        stream(&[&[3], written.as_slice()].concat());
        let passed = pass(&written, 0);
        let (_, payload) = frames(&passed).remove(0);
        match parse_class(&passed[payload]).expect("a method that lapin can read") {
            ([], AMQPClass::Basic(method)) => method,
            other => panic!("{other:?}"),
        }
    };
    let AMQPMethod::Deliver(deliver) = read(60, &[&name, &tag, &[1], &name, &name]) else { panic!("basic.deliver") };
    for text in [&deliver.consumer_tag, &deliver.exchange, &deliver.routing_key] {
        assert_eq!(text.as_str(), "caf?");
    }
    assert_eq!((deliver.delivery_tag, deliver.redelivered), (9, true));
    let AMQPMethod::GetOk(got) = read(71, &[&tag, &[0], &name, &name, &[0; 4]]) else { panic!("basic.get-ok") };
    assert_eq!((got.exchange.as_str(), got.routing_key.as_str(), got.delivery_tag), ("caf?", "caf?", 9));
    let AMQPMethod::Return(back) = read(50, &[&[1, 56], &name, &name, &name]) else { panic!("basic.return") };
    for text in [&back.reply_text, &back.exchange, &back.routing_key] {
        assert_eq!(text.as_str(), "caf?");
    }
}

#[test]
fn words_of_the_broker_that_are_cut_within_a_character_are_read() {
    for (class, number, arguments) in [
        (10, 50, [&[1, 64], short(b"no exchange 'caf\xc3").as_slice(), &[0; 4]].concat()),
        (20, 40, [&[1, 148], short(b"no queue 'caf\xc3").as_slice(), &[0; 4]].concat()),
    ] {
        let passed = pass(&method(1, class, number, &arguments), 0);
        let (_, payload) = frames(&passed).remove(0);
        parse_class(&passed[payload]).expect("a method that lapin can read");
    }
}

#[test]
fn names_that_would_become_equal_stay_apart_at_every_depth() {
    let void = |name: &[u8]| field(name, b"V");
    let table = [void(b"a\xe9"), void(b"a?"), void(b"a\xea"), void(b"a0"), void(b"\xff"), void(b"\xfe")].concat();
    let inner = value(b'F', &table);
    let headers = passed_headers(&[table, field(b"t", &inner), field(b"a", &value(b'A', &inner))].concat());
    let AMQPValue::FieldTable(below) = value_of(&headers, "t") else { panic!("{headers:?}") };
    let AMQPValue::FieldArray(values) = value_of(&headers, "a") else { panic!("{headers:?}") };
    let [AMQPValue::FieldTable(in_array)] = values.as_slice() else { panic!("{headers:?}") };
    for (table, count) in [(&headers, 8), (below, 6), (in_array, 6)] {
        assert_eq!(table.inner().len(), count, "{table:?}");
        assert!(table.inner().contains_key("a?") && table.inner().contains_key("a0"), "what was readable is kept");
    }
}

#[test]
fn a_table_with_more_odd_names_than_there_are_others_is_read_soon() {
    for name in [&b"\xe9"[..], b"\xe9\xe9"] {
        let headers = passed_headers(&field(name, b"V").repeat(120_000 / (name.len() + 2)));
        assert!(headers.inner().len() >= 36, "{}", headers.inner().len());
    }
}

#[test]
fn what_is_nested_too_deep_becomes_bytes_with_all_that_is_in_it() {
    for tag in [b'F', b'A'] {
        let step = if tag == b'F' { 7 } else { 5 };
        for depth in [1, 30, 31, 32, 33, 1500, 18_000] {
            let headers = passed_headers(&[field(b"deep", &nested(tag, depth)), field(b"after", b"V")].concat());
            assert_eq!(value_of(&headers, "after"), &AMQPValue::Void);
            let mut at = value_of(&headers, "deep").clone();
            let mut levels = 0;
            let bytes = loop {
                levels += 1;
                at = match at {
                    AMQPValue::FieldTable(table) if table.inner().is_empty() => break 0,
                    AMQPValue::FieldTable(table) => value_of(&table, "t").clone(),
                    AMQPValue::FieldArray(values) if values.as_slice().is_empty() => break 0,
                    AMQPValue::FieldArray(values) => values.as_slice()[0].clone(),
                    AMQPValue::ByteArray(bytes) => break bytes.len(),
                    other => panic!("{other:?}"),
                };
            };
            // The headers themselves are the first level.
            assert_eq!(levels, depth.min(32), "depth {depth}");
            let below = if depth < 32 { 0 } else { (depth - 32) * step };
            assert_eq!(bytes, below, "depth {depth}");
        }
    }
}

#[test]
fn whatever_is_wrong_in_a_table_costs_no_more_than_that_table() {
    let unknown_tag = field(b"odd", b"Z");
    let too_long = field(b"odd", &[b"S", 900_u32.to_be_bytes().as_slice(), b"short"].concat());
    let cut = field(b"odd", b"l123");
    let no_tag = short(b"odd");
    for wrong in [unknown_tag, too_long, cut, no_tag, vec![200]] {
        // Below, the nearest table or array becomes bytes.
        let inner = [field(b"good", b"V"), wrong.clone()].concat();
        let headers = passed_headers(&[field(b"t", &value(b'F', &inner)), field(b"after", b"t\x01")].concat());
        assert_eq!(value_of(&headers, "t"), &AMQPValue::ByteArray(inner.clone().into()), "{wrong:?}");
        assert_eq!(value_of(&headers, "after"), &AMQPValue::Boolean(true));
        // In the headers themselves all fields before it are kept, and so are the other properties.
        let written = all_properties(b"text", &inner);
        let read = passed(ALL, &written);
        assert_eq!(read.message_id().as_ref().unwrap().as_str(), "text");
        let headers = read.headers().as_ref().unwrap();
        match wrong.len() {
            1 => assert_eq!(headers.inner().len(), 1),
            _ => assert_eq!((value_of(headers, "good"), headers.inner().len()), (&AMQPValue::Void, 2), "{wrong:?}"),
        }
    }
}

#[test]
fn properties_whose_lengths_are_wrong_become_bytes() {
    for rest in [0, 1, 2, 200, 256, 257, 300, 5000] {
        let read = passed(ALL, &vec![0xe9; rest]);
        let kept = read.cluster_id().as_ref().map_or(0, |text| text.as_str().len() + 1)
            + read.headers().as_ref().map_or(0, |headers| match value_of(headers, "?") {
                AMQPValue::ByteArray(bytes) => bytes.len() + 4 + 7,
                other => panic!("{other:?}"),
            });
        assert_eq!(kept, rest);
        assert_eq!(read.message_id(), &None);
    }
}

#[test]
fn what_is_no_frame_passes_at_once_and_unchanged() {
    for peer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n\xe9"[..], b"AMQP\x00\x00\x09\x01", b"\x15\x03\x01\x00\x02\x02\x28"]
    {
        let mut bytes = peer.to_vec();
        assert_eq!(rtir_relay::amqp::Filter::default().pass(&mut bytes), peer.len());
        assert_eq!(bytes, peer);
    }
    // Its last byte is wrong: whatever it is, it is not changed, and nothing that follows is.
    let mut broken = header(1, 0, 1 << 15, &short(LATIN_1));
    *broken.last_mut().unwrap() = 0;
    let bytes = [broken.clone(), header(1, 0, 1 << 15, &short(LATIN_1))].concat();
    assert_eq!(pass(&bytes, 0), bytes);
    assert_eq!(pass(&frame(3, 1, LATIN_1), 0), frame(3, 1, LATIN_1));
}

/// Bytes that are often no UTF-8, and often alike.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => prop::sample::select(b"ab?0\xc3\xa9\xe9\xff\xf0\x9f".to_vec()), 1 => any::<u8>()];
    prop_oneof![8 => vec(byte.clone(), 0..5), 1 => vec(byte, 200..256)]
}

/// A value with its tag, tables with names as above among them.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let fixed = prop::sample::select(vec![
        b"V".to_vec(),
        b"t\x01".to_vec(),
        b"s\xe9\xe9".to_vec(),
        b"I\0\0\xe9\xe9".to_vec(),
        b"D\x02\0\0\0\x07".to_vec(),
        b"T\0\0\0\0\0\0\0\x07".to_vec(),
    ]);
    let leaf =
        prop_oneof![fixed, name().prop_map(|text| value(b'S', &text)), name().prop_map(|text| value(b'x', &text))];
    leaf.prop_recursive(6, 40, 6, |inner| {
        let fields = vec((name(), inner.clone()), 0..6);
        prop_oneof![
            fields.prop_map(|fields| value(b'F', &fields.iter().flat_map(|(n, v)| field(n, v)).collect::<Vec<_>>())),
            vec(inner, 0..6).prop_map(|values| value(b'A', &values.concat())),
        ]
    })
}

fn any_table() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    vec((name(), any_value()), 0..8)
}

proptest! {
    #[test]
    fn any_message_is_read(
        flags in prop_oneof![Just(ALL), any::<u16>()],
        text in name(),
        table in any_table(),
        body in vec(any::<u8>(), 0..40),
        seed in any::<u8>(),
    ) {
        let headers: Vec<u8> = table.iter().flat_map(|(name, value)| field(name, value)).collect();
        let name = short(&text);
        let delivered = [
            method(5, 60, 60, &[name.as_slice(), &[0; 9], &name, &name].concat()),
            header(5, body.len(), flags, &all_properties(&text, &headers)),
            frame(3, 5, &body),
            method(5, 60, 71, &[[0; 9].as_slice(), &name, &name, &[0; 4]].concat()),
        ].concat();
        stream(&[&[seed], delivered.as_slice()].concat());
        let passed = pass(&delivered, seed);
        let read: Vec<_> = frames(&passed);
        prop_assert_eq!(read.len(), 4);
        prop_assert_eq!(parse_class(&passed[read[0].1.clone()]).expect("basic.deliver").0.len(), 0);
        prop_assert_eq!(parse_class(&passed[read[3].1.clone()]).expect("basic.get-ok").0.len(), 0);
        if flags == ALL {
            let properties = properties(&passed[read[1].1.clone()]);
            let mut names: Vec<_> = table.iter().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            // What the publisher wrote twice is read once, if it is readable.
            prop_assert!(properties.headers().as_ref().unwrap().inner().len() >= names.len());
            if let Ok(text) = std::str::from_utf8(&text) {
                prop_assert_eq!(properties.message_id().as_ref().unwrap().as_str(), text);
            }
        }
    }

    #[test]
    fn any_bytes_in_a_content_header_are_read(flags in any::<u16>(), written in vec(any::<u8>(), 0..400)) {
        passed(flags, &written);
    }

    #[test]
    fn any_bytes_pass(bytes in vec(prop_oneof![any::<u8>(), prop::sample::select(vec![1, 2, 3, 8, 0, 0xce])], 0..300)) {
        stream(&bytes);
    }
}
