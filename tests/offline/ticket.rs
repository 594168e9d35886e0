//! The values of a ticket that RT takes as they are.

use rtir_relay::ticket::{AlertKey, EmailAddress, RtQueueName, Subject};

fn key(id: &str) -> String {
    AlertKey::new(None, id).to_string()
}

#[test]
fn a_plain_id_is_the_key_itself() {
    let longest = "x".repeat(64);
    for id in ["a", "0", "ssl-2026-11-23.000187", "A_b.c:d-e", "SHA256:x", "sha256", "sha256-x", ":", longest.as_str()]
    {
        assert_eq!(key(id), id);
    }
}

#[test]
fn any_other_id_is_hashed() {
    let too_long = "x".repeat(65);
    let ids = ["a b", "a/b", "é", "a'b", "a\"b", "%", "*", "a,b", "sha256:", "sha256:abc", too_long.as_str()];
    for id in ids {
        let key = key(id);
        let hex = key.strip_prefix("sha256:").unwrap_or_else(|| panic!("{id:?} is not hashed: {key}"));
        assert_eq!(hex.len(), 56, "{id:?}");
        assert!(hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{key}");
    }
    // printf 'a b' | sha256sum
    assert_eq!(key("a b"), "sha256:c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e");
    // A key that looks hashed cannot be forged by an id that looks like it.
    assert_ne!(key(&key("a b")), key("a b"));
}

#[test]
fn ids_that_differ_have_keys_that_differ() {
    assert_ne!(key("alert"), key("Alert"));
    assert_ne!(key("a b"), key("A b"));
    assert_ne!(key(&"x".repeat(65)), key(&"x".repeat(66)));
}

#[test]
fn a_namespace_stands_before_the_id() {
    let key = |namespace: &str, id: &str| AlertKey::new(Some(namespace), id).to_string();
    assert_eq!(key("test", "ssl-1"), "test:ssl-1");
    assert_eq!(key("test", &"x".repeat(59)), format!("test:{}", "x".repeat(59)));
    assert!(key("test", &"x".repeat(60)).starts_with("sha256:"), "65 characters with the namespace");
    assert_eq!(key("a", " b"), AlertKey::new(None, "a: b").to_string(), "hashed with the namespace");
    assert!(key("sha256", "x").len() == 63, "a namespace cannot forge a hashed key");
    assert_ne!(key("test", "x"), key("production", "x"));
}

#[test]
fn an_address_that_rt_takes_is_taken() {
    let cases = [
        ("ada@water.example", "ada@water.example"),
        ("Ada.Mensah+alerts@Water.Example", "Ada.Mensah+alerts@water.example"),
        ("a@b", "a@b"),
        ("o'brien_x-1@water.example", "o'brien_x-1@water.example"),
        ("42@water.example", "42@water.example"),
        ("contact@école.example", "contact@xn--cole-9oa.example"),
        ("contact@ÉCOLE.example", "contact@xn--cole-9oa.example"),
        ("contact@xn--cole-9oa.example", "contact@xn--cole-9oa.example"),
        ("contact@学校。example", "contact@xn--48s290a.example"),
    ];
    for (given, sent) in cases {
        match EmailAddress::parse(given) {
            Ok(address) => assert_eq!(address.as_str(), sent),
            Err(why) => panic!("{given}: {why}"),
        }
    }
}

#[test]
fn an_address_that_rt_would_misread_is_refused() {
    let refused = [
        "",
        "ada",
        "@",
        "@water.example",
        "ada@",
        "ada@@water.example",
        "ada@water.example@evil.example",
        "ada@water.example,eve@evil.example",
        "ada@water.example, eve@evil.example",
        "ada,eve@water.example",
        "ada@water,example",
        " ada@water.example",
        "ada@water.example ",
        "ada mensah@water.example",
        "ada@water .example",
        "\"ada\"@water.example",
        "ada@\"water.example\"",
        "<ada@water.example>",
        "Ada <ada@water.example>",
        "ada@water.example>",
        "ada@water.example\n",
        "ada@water.example\r\nBcc: eve@evil.example",
        "ada\0@water.example",
        "ada\u{7f}@water.example",
        "adä@water.example",
        "ada\u{ff20}water.example",
        "ada@water\u{ff0c}example",
        "ada@water\u{ff20}example",
        "ada@water\u{ad}.example\u{202e}",
        "ada@-water.example",
        "ada@water..example",
        "ada@.water.example",
        "ada@wa_ter.example",
        "ada@[192.0.2.1]",
    ];
    for text in refused {
        assert!(EmailAddress::parse(text).is_err(), "{text:?} is taken as {:?}", EmailAddress::parse(text));
    }
    for character in (0..=0x20).chain(0x7f..0xa0).filter_map(char::from_u32) {
        assert!(EmailAddress::parse(&format!("a{character}b@water.example")).is_err(), "{character:?}");
        assert!(EmailAddress::parse(&format!("ab@water{character}x.example")).is_err(), "{character:?}");
    }
}

#[test]
fn an_address_has_at_most_120_bytes_as_rt_gets_it() {
    let of = |bytes: usize| format!("{}@water.example", "x".repeat(bytes - "@water.example".len()));
    assert!(EmailAddress::parse(&of(120)).is_ok());
    assert_eq!(EmailAddress::parse(&of(121)), Err("the address is longer than 120 bytes"));
    // 30 bytes more as an A-label than as given.
    let idn = format!("{}@{}.example", "x".repeat(70), "ñü".repeat(10));
    assert!(idn.len() <= 120 && EmailAddress::parse(&idn).is_ok_and(|address| address.as_str().len() <= 120));
}

#[test]
fn addresses_are_equal_without_regard_to_case() {
    let parse = |text: &str| EmailAddress::parse(text).unwrap();
    assert_eq!(parse("Ada@Water.example"), parse("aDA@WATER.EXAMPLE"));
    assert_eq!(parse("a@École.example"), parse("a@xn--cole-9oa.example"));
    assert_ne!(parse("ada@water.example"), parse("ada@waters.example"));
}

#[test]
fn a_subject_is_cut_at_200_bytes_on_a_character_boundary() {
    let cases = [
        ("x".repeat(200), 200),
        ("x".repeat(201), 200),
        ("é".repeat(150), 200),
        (format!("x{}", "é".repeat(150)), 199),
        ("💧".repeat(60), 200),
        (format!("xxx{}", "💧".repeat(60)), 199),
        (format!("{}  tail", "x".repeat(198)), 198),
    ];
    for (text, bytes) in cases {
        let subject = Subject::new(&text);
        assert_eq!(subject.as_str().len(), bytes, "{text}");
        assert!(text.starts_with(subject.as_str()), "{text}");
    }
}

#[test]
fn a_subject_has_no_control_characters() {
    assert_eq!(Subject::new("a\r\nBcc: b\tc\0d\u{85}e\u{7f}").as_str(), "aBcc: bcde");
    assert_eq!(Subject::new("text \n").as_str(), "text", "nor white space at the end, which RT drops");
}

#[test]
fn an_rt_queue_has_a_name() {
    assert_eq!(RtQueueName::parse("Incident Reports").unwrap().as_str(), "Incident Reports");
    for name in ["", "  ", "a\nb", "a\0"] {
        assert!(RtQueueName::parse(name).is_err(), "{name:?}");
    }
}
