//! AMQP 0-9-1 frames as bytes: lapin writes only what it could read.

/// A short string: AMQP 0-9-1, section 4.2.5.3.
pub fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// What has four bytes of length before it: a long string, a table, an array.
pub fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A field of a table; `value` has its tag.
pub fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&short(name), value].concat()
}

/// A value: a text, a table or an array, by its tag.
pub fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag], long(content).as_slice()].concat()
}

/// A value with tables in tables (`F`), or arrays in arrays (`A`), so deep; the innermost is empty.
pub fn nested(tag: u8, depth: usize) -> Vec<u8> {
    let (name, step) = if tag == b'F' { (&b"\x01t"[..], 7) } else { (&b""[..], 5) };
    let level = |below: usize| {
        let length = u32::try_from(below * step).unwrap().to_be_bytes();
        [&[tag][..], &length, if below == 0 { &[] } else { name }].concat()
    };
    (0..depth).rev().flat_map(level).collect()
}

/// A frame: section 2.3.5.
pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    [&[kind], channel.to_be_bytes().as_slice(), &long(payload), &[0xce]].concat()
}

/// A method of class `class`.
pub fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&class.to_be_bytes(), &method.to_be_bytes(), arguments].concat())
}

/// A content header of class `basic`. `properties` are those whose flags are given, in the order of their flags.
pub fn header(channel: u16, body_bytes: usize, flags: u16, properties: &[u8]) -> Vec<u8> {
    let body_bytes = u64::try_from(body_bytes).unwrap().to_be_bytes();
    frame(
        2,
        channel,
        &[&60_u16.to_be_bytes(), &[0; 2], body_bytes.as_slice(), &flags.to_be_bytes(), properties].concat(),
    )
}
