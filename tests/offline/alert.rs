//! Reading an alert: strict where it decides, tolerant everywhere else.

use rtir_relay::alert::{Alert, AlertType, Category, Details, Malformed, Severity, Status};
use serde_json::{Value, json};

use crate::support::alerts;

/// Times that are taken.
pub const TIMES: &[&str] = &[
    "2026-11-23T08:00:00Z",
    "2026-11-23t08:00:00z",
    "2026-11-23 08:00:00Z",
    "2026-11-23T08:00:00.5Z",
    "2026-11-23T08:00:00.123456789Z",
    "2026-11-23T08:00:00.1234567890123Z",
    "2026-11-23T08:00:00+01:00",
    "2026-11-23T08:00:00.25-03:30",
    "2026-11-23T08:00:00-00:00",
    "2026-11-23T08:00:00+23:59",
    "2016-12-31T23:59:60Z",
    "2024-02-29T00:00:00Z",
];

/// Times that are refused.
pub const NO_TIMES: &[&str] = &[
    "",
    "yesterday",
    "1795420800",
    "2026-11-23",
    "2026-11-23T08:00Z",
    "2026-11-23T08:00:00",
    "2026-11-23T08:00:00.Z",
    "2026-11-23T08:00:00,5Z",
    "2026-11-23T08:00:00+01",
    "2026-11-23T08:00:00+0100",
    "2026-11-23T08:00:00+24:00",
    "2026-11-23T08:00:00+01:60",
    "2026-11-23T08:00:00Z[Africa/Porto-Novo]",
    "2026-11-23T08:00:00 Z",
    " 2026-11-23T08:00:00Z",
    "2026-11-23T08:00:00Z\n",
    "20261123T080000Z",
    "+002026-11-23T08:00:00Z",
    "2026-13-23T08:00:00Z",
    "2026-02-29T08:00:00Z",
    "2026-11-23T24:00:00Z",
    "2026-11-23T08:60:00Z",
    "٢٠٢٦-11-23T08:00:00Z",
];

/// URLs of sites that are taken.
pub const URLS: &[&str] = &[
    "http://water.example",
    "HTTPS://WATER.EXAMPLE/",
    "https://école.example/é?q=ü#x",
    "https://192.0.2.1:8443/",
    "https://[2001:db8::1]/",
    "http://localhost",
];

/// URLs of sites that are refused.
pub const NO_URLS: &[&str] = &[
    "",
    "water.example",
    "//water.example",
    "/portal",
    "https://",
    "http://:80",
    "https://water.example:99999",
    "https://wa ter.example",
    "https://[2001:db8::g]/",
    "https://water.example/\n",
    "https://water.\texample/",
    "ftp://water.example",
    "mailto:ada@water.example",
    "javascript:alert(1)",
    "file:///etc/passwd",
];

/// Every field that decides, given.
fn complete() -> Value {
    alerts::with(alerts::ssl("ssl-1"), json!({ "status": "new", "severity": "low" }))
}

/// `complete()` with `value` at `path`.
fn complete_but(path: &str, value: Value) -> Value {
    let pieces = path.rsplit('.').fold(value, |value, name| json!({ name: value }));
    alerts::with(complete(), pieces)
}

fn parse(alert: &Value) -> Result<Alert, Malformed> {
    Alert::parse(&alerts::body(alert), None)
}

fn alert(value: &Value) -> Alert {
    parse(value).unwrap_or_else(|malformed| panic!("{malformed} in {value}"))
}

fn malformed(value: &Value) -> String {
    parse(value).map(|_| ()).expect_err(&value.to_string()).to_string()
}

fn malformed_text(body: impl AsRef<[u8]>) -> String {
    Alert::parse(body.as_ref(), None).expect_err("malformed").to_string()
}

/// `complete()` as text, with `json` for one more field of the top.
fn with_raw(json: &str) -> String {
    complete().to_string().replacen('{', &format!("{{{json},"), 1)
}

fn other(alert: &Alert) -> Vec<(&str, String)> {
    alert.other.iter().map(|(path, value)| (path.as_str(), value.to_string())).collect()
}

#[test]
fn every_field_of_a_fixture_is_read_or_kept() {
    for (fixture, category, _) in alerts::CATEGORIES {
        let alert = Alert::parse(&alerts::fixture(fixture), None).expect(fixture);
        assert_eq!(alert.category(), category, "{fixture}");
        assert!(!alert.other.is_empty(), "{fixture} has unknown fields");
    }
    let alert = Alert::parse(&alerts::fixture("ssl-problem"), None).unwrap();
    assert_eq!(alert.id, "ssl-2026-11-23-000187");
    assert_eq!((alert.alert_type(), alert.status), (AlertType::Ssl, Status::New));
    assert_eq!((alert.given_severity, alert.severity()), (None, Severity::High));
    assert_eq!(alert.detected_at, "2026-11-23T08:14:05Z");
    assert_eq!(alert.platform_url, "https://www.water.example/portal");
    assert_eq!(alert.entity.name, "Agency for Water");
    assert_eq!(
        other(&alert),
        [
            ("platform.label", "Citizen portal".to_owned()),
            ("entity.sector", "utilities".to_owned()),
            ("entity.focal_points[3].languages", r#"["fr","fon"]"#.to_owned()),
            ("details.chain_length", "1".to_owned()),
            ("details.protocols", r#"{"TLSv1.2":true,"TLSv1.3":false}"#.to_owned()),
            ("worker", "ssl-07".to_owned()),
        ]
    );
}

#[test]
fn required_fields_are_required() {
    for path in ["id", "type", "detected_at", "platform", "platform.url", "entity", "entity.name"] {
        assert_eq!(malformed(&alerts::without(complete(), path)), format!("{path}: missing"));
        assert_eq!(malformed(&complete_but(path, Value::Null)), format!("{path}: missing"));
    }
}

#[test]
fn null_means_absent() {
    let all_null = json!({
        "status": null, "severity": null, "unknown": null,
        "platform": { "label": null },
        "entity": { "description": null, "focal_points": null, "sector": null },
        "details": { "problem": null, "days_left": null, "chain": null }
    });
    let alert = alert(&alerts::with(complete(), all_null));
    assert_eq!((alert.status, alert.given_severity), (Status::New, None));
    assert!(alert.entity.description.is_none() && alert.entity.focal_points.is_empty());
    assert_eq!(other(&alert), []);
}

#[test]
fn a_field_that_decides_has_its_type() {
    let kinds = [
        (json!(true), "a boolean"),
        (json!(7), "a number"),
        (json!("7"), "a string"),
        (json!(["x"]), "an array"),
        (json!({ "x": 1 }), "an object"),
    ];
    for (value, kind) in kinds {
        for path in ["id", "type", "status", "severity", "detected_at", "platform.url", "entity.name"] {
            if kind != "a string" {
                let expected = format!("{path}: expected a string, got {kind}");
                assert_eq!(malformed(&complete_but(path, value.clone())), expected);
            }
        }
        for path in ["platform", "entity"] {
            if kind != "an object" {
                let expected = format!("{path}: expected an object, got {kind}");
                assert_eq!(malformed(&complete_but(path, value.clone())), expected);
            }
        }
    }
}

#[test]
fn a_field_that_decides_has_a_known_value() {
    let cases = [
        ("type", "SSL", "unknown value; expected one of ssl, domain, defacement, availability, virustotal"),
        ("type", "", "unknown value; expected one of ssl, domain, defacement, availability, virustotal"),
        ("status", "open", "unknown value; expected one of new, in_progress, resolved, false_positive"),
        ("status", "new ", "unknown value; expected one of new, in_progress, resolved, false_positive"),
        ("severity", "High", "unknown value; expected one of low, medium, high, critical"),
        ("id", "", "empty"),
        ("entity.name", "", "empty"),
        ("entity.name", " \t", "empty"),
    ];
    for (path, value, cause) in cases {
        assert_eq!(malformed(&complete_but(path, json!(value))), format!("{path}: {cause}"), "{value:?}");
    }
}

#[test]
fn an_id_has_1_to_200_characters_and_none_that_controls() {
    for id in ["x".repeat(200), "é".repeat(200), "𝕏".repeat(200), " ".to_owned(), "a b/c\"d'\\".to_owned()] {
        assert_eq!(alert(&complete_but("id", json!(id))).id, id);
    }
    for id in ["x".repeat(201), "é".repeat(201)] {
        let cause = malformed(&complete_but("id", json!(id)));
        assert_eq!(cause, "id: 201 characters long; at most 200 are taken");
    }
    for id in ["a\nb", "a\0", "\u{7f}", "\u{85}"] {
        assert_eq!(malformed(&complete_but("id", json!(id))), "id: contains a control character", "{id:?}");
    }
}

#[test]
fn detected_at_is_rfc_3339() {
    let parsed = |time: &&str| parse(&complete_but("detected_at", json!(time)));
    let wrongly: Vec<_> = TIMES.iter().filter(|time| !parsed(time).is_ok_and(|a| a.detected_at == **time)).collect();
    assert!(wrongly.is_empty(), "refused: {wrongly:?}");
    let wrongly: Vec<_> =
        NO_TIMES.iter().filter(|time| !parsed(time).is_err_and(|m| m.path == "detected_at")).collect();
    assert!(wrongly.is_empty(), "accepted: {wrongly:?}");
    let cause = malformed(&complete_but("detected_at", json!("2026-11-23")));
    assert_eq!(cause, "detected_at: expected an RFC 3339 time such as 2026-11-23T08:00:00Z");
    assert_eq!(malformed(&complete_but("detected_at", json!("2026-02-29T08:00:00Z"))), "detected_at: no such time");
}

#[test]
fn platform_url_is_http_or_https() {
    for url in URLS {
        assert_eq!(alert(&complete_but("platform.url", json!(url))).platform_url, *url, "as given");
    }
    for url in NO_URLS {
        let Err(malformed) = parse(&complete_but("platform.url", json!(url))) else { panic!("{url:?} is accepted") };
        assert_eq!(malformed.path, "platform.url", "{url:?}");
    }
}

#[test]
fn a_body_that_is_no_object_is_malformed() {
    let cases = [
        ("[]", "expected an object, got an array"),
        (r#""ssl""#, "expected an object, got a string"),
        ("7", "expected an object, got a number"),
        ("true", "expected an object, got a boolean"),
        ("null", "expected an object, got null"),
        ("{}", "id: missing"),
    ];
    for (body, expected) in cases {
        assert_eq!(malformed_text(body), expected, "{body}");
    }
    let not_json = ["", " ", "{", "{'id': 1}", "{\"id\": 1,}", "{} {}", "{\"id\": 01}", "{\"id\": NaN}", "<alert/>"];
    for body in not_json {
        assert!(malformed_text(body).starts_with("not JSON: "), "{body:?}");
    }
}

#[test]
fn a_body_that_is_not_utf_8_is_malformed() {
    let mut body = alerts::body(&complete());
    let at = body.iter().position(|byte| *byte == b'W').unwrap();
    body[at] = 0xff;
    assert_eq!(malformed_text(body), format!("not UTF-8 from byte {at} on"));
}

#[test]
fn half_a_surrogate_pair_is_malformed() {
    let cause = malformed_text(with_raw(r#""x": {"y": "\ud800"}"#));
    assert!(cause.starts_with("x.y: not JSON: "), "{cause}");
}

#[test]
fn duplicate_keys_are_malformed_wherever_they_stand() {
    let cases = [
        (r#""id": "ssl-1""#, "id: given twice"),
        (r#""i\u0064": null"#, "id: given twice"),
        (r#""x": 1, "x": 1"#, "x: given twice"),
        (r#""details": {"error": "a", "error": "a"}"#, "details.error: given twice"),
        (r#""x": [0, {"y": {"z": 1, "z": 2}}]"#, "x[1].y.z: given twice"),
    ];
    for (json, expected) in cases {
        assert_eq!(malformed_text(with_raw(json)), expected, "{json}");
    }
    let in_a_focal_point = complete().to_string().replace(r#""email""#, r#""name": "x", "email""#);
    assert_eq!(malformed_text(in_a_focal_point), "entity.focal_points[0].name: given twice");
}

#[test]
fn nesting_goes_64_deep() {
    // The alert itself is the first level.
    let nested = |depth: usize, inner: &str| {
        with_raw(&format!(r#""x": {}{inner}{}"#, "[".repeat(depth - 1), "]".repeat(depth - 1)))
    };
    for inner in ["", "1", r#""text""#] {
        assert!(Alert::parse(nested(64, inner).as_bytes(), None).is_ok(), "64 around {inner:?}");
        let cause = malformed_text(nested(65, inner));
        assert!(cause.ends_with("nested deeper than 64"), "65 around {inner:?}: {cause}");
    }
    assert!(malformed_text(nested(100_000, "")).ends_with("nested deeper than 64"));
}

#[test]
fn a_malformed_message_quotes_no_value() {
    const VALUE: &str = "hunter2";
    let alert = complete();
    let mut bodies =
        vec![format!("{VALUE}{{"), format!(r#"{{"id": {VALUE}}}"#), format!("[\"{VALUE}\"]"), format!("{{\"{VALUE}")];
    for path in ["id", "type", "status", "severity", "detected_at", "platform.url", "platform", "entity.name", "entity"]
    {
        for value in
            [json!(VALUE), json!([VALUE]), json!({ "x": VALUE }), json!(VALUE.repeat(100)), json!(format!("{VALUE}\n"))]
        {
            bodies.push(complete_but(path, value).to_string());
        }
    }
    bodies.push(alert.to_string().replace("Agency", &format!("{VALUE}\\ud800")));
    bodies.push(with_raw(&format!(r#""id": "{VALUE}""#)));
    let malformed: Vec<_> = bodies.iter().filter_map(|body| Alert::parse(body.as_bytes(), None).err()).collect();
    assert!(malformed.len() > 35, "{}", malformed.len());
    for malformed in malformed {
        assert!(!format!("{malformed} {malformed:?}").contains(VALUE), "{malformed}");
    }
}

#[test]
fn a_malformed_message_is_short_and_one_line() {
    let long = "k\n".repeat(1000);
    let twice = json!(long).to_string();
    let cause = malformed_text(with_raw(&format!("{twice}: 1, {twice}: 2")));
    assert!(cause.len() < 1000 && cause.ends_with("given twice"), "{cause}");
    assert!(!cause.contains(char::is_control), "{cause:?}");
}

#[test]
fn a_detail_of_an_unexpected_type_is_kept_as_given() {
    let cases = [
        ("ssl", json!({ "problem": "sleepy" }), ("details.problem", "sleepy")),
        ("ssl", json!({ "problem": 1 }), ("details.problem", "1")),
        ("ssl", json!({ "days_left": "7" }), ("details.days_left", "7")),
        ("ssl", json!({ "issuer": { "CN": "R11" } }), ("details.issuer", r#"{"CN":"R11"}"#)),
        ("ssl", json!({ "serial": 17 }), ("details.serial", "17")),
        ("ssl", json!({ "chain": [1, null] }), ("details.chain", "[1,null]")),
        ("ssl", json!(["x"]), ("details", r#"["x"]"#)),
        ("domain", json!("x"), ("details", "x")),
        ("domain", json!({ "dns_servers": { "server": "a" } }), ("details.dns_servers", r#"{"server":"a"}"#)),
        ("domain", json!({ "dns_servers": ["a"] }), ("details.dns_servers[0]", "a")),
        ("domain", json!({ "dns_servers": [{ "server": 1 }] }), ("details.dns_servers[0]", r#"{"server":1}"#)),
        (
            "domain",
            json!({ "dns_servers": [{ "server": "a" }, { "server": "b", "result": 5 }] }),
            ("details.dns_servers[1].result", "5"),
        ),
        ("defacement", json!({ "changes": "many" }), ("details.changes", "many")),
        ("defacement", json!({ "changes": [{ "kind": "x" }] }), ("details.changes[0]", r#"{"kind":"x"}"#)),
        ("defacement", json!({ "capture_url": 1 }), ("details.capture_url", "1")),
        ("availability", json!({ "http_status": "503" }), ("details.http_status", "503")),
        ("availability", json!({ "response_time_ms": [30] }), ("details.response_time_ms", "[30]")),
        ("virustotal", json!({ "positives": "3/94" }), ("details.positives", "3/94")),
        ("virustotal", json!({ "vendors": [{ "result": "x" }] }), ("details.vendors[0]", r#"{"result":"x"}"#)),
        (
            "virustotal",
            json!({ "vendors": [{ "name": "Acme", "contact": { "mail": "a" } }] }),
            ("details.vendors[0].contact", r#"{"mail":"a"}"#),
        ),
    ];
    for (alert_type, details, kept) in cases {
        let alert = alert(&alerts::with(alerts::of("x", alert_type), json!({ "details": details })));
        assert_eq!(other(&alert), [(kept.0, kept.1.to_owned())], "{alert_type} {details}");
    }
}

#[test]
fn odd_values_never_fail_an_alert_and_are_all_kept() {
    let alert = Alert::parse(&alerts::fixture("odd-values"), None).unwrap();
    assert_eq!(
        other(&alert),
        [
            ("platform.ports", "[80,443]".to_owned()),
            ("entity.description", r#"["not","a","text"]"#.to_owned()),
            ("entity.focal_points[0].function", "7".to_owned()),
            ("details.problem", "sleepy".to_owned()),
            ("details.http_status", "five hundred".to_owned()),
            ("details.error", r#"{"code":12345678901234567890}"#.to_owned()),
            ("x", r#"{"deep":[1.0,"1.0",-0,null,"café \"quoted\"\n"]}"#.to_owned()),
        ]
    );
    let Details::Availability(details) = &alert.details else { panic!("{:?}", alert.details) };
    assert_eq!(details.response_time_ms.as_ref().unwrap().text, "1e400");
    assert_eq!(details.threshold_ms.as_ref().unwrap().text, "1.50");
}

#[test]
fn numbers_stand_as_given() {
    for number in ["1e400", "1.50", "12345678901234567890", "-0", "0.1", "1E+2"] {
        let body = with_raw(&format!(r#""x": {number}, "details": {{"days_left": {number}}}"#));
        let alert = Alert::parse(body.as_bytes(), None).unwrap();
        assert_eq!(other(&alert), [("x", number.to_owned())]);
        let Details::Ssl(details) = alert.details else { panic!("not ssl") };
        assert_eq!(details.days_left.unwrap().text, number);
    }
}

#[test]
fn a_focal_point_of_a_wrong_shape_is_left_out_and_named() {
    let cases = [
        (json!(null), "focal point 2", "expected an object, got null"),
        (json!("ada@water.example"), "focal point 2", "expected an object, got a string"),
        (json!(["ada@water.example"]), "focal point 2", "expected an object, got an array"),
        (json!({}), "focal point 2", "email: missing"),
        (json!({ "name": " ", "email": null }), "focal point 2", "email: missing"),
        (json!({ "name": "Ada" }), "Ada", "email: missing"),
        (json!({ "name": "Ada", "email": 7 }), "Ada", "email: expected a string, got a number"),
        (json!({ "name": "Ada", "email": ["a@b.c"] }), "Ada", "email: expected a string, got an array"),
        (json!({ "name": 7, "email": "a@b.c" }), "a@b.c", "name: expected a string, got a number"),
        (json!({ "email": "a@b.c", "active": "yes" }), "a@b.c", "active: expected true or false, got a string"),
        (
            json!({ "name": "Ada", "email": "a@b.c", "active": 1 }),
            "Ada",
            "active: expected true or false, got a number",
        ),
    ];
    let good = json!({ "email": "good@water.example" });
    for (focal_point, who, why) in cases {
        let given = complete_but("entity.focal_points", json!([good, focal_point]));
        let alert = alert(&given);
        let [Ok(first), Err(second)] = &alert.entity.focal_points[..] else { panic!("{:?}", alert.entity) };
        assert_eq!(first.email, "good@water.example");
        assert_eq!((second.who.as_str(), second.why.as_str()), (who, why), "{focal_point}");
    }
    for (value, kind) in [(json!({ "email": "a@b.c" }), "an object"), (json!("a@b.c"), "a string")] {
        let alert = alert(&complete_but("entity.focal_points", value));
        let [Err(all)] = &alert.entity.focal_points[..] else { panic!("{:?}", alert.entity) };
        assert_eq!(format!("{}: {}", all.who, all.why), format!("focal_points: expected an array, got {kind}"));
    }
}

#[test]
fn a_focal_point_is_active_unless_it_says_no() {
    for (active, expected) in [(json!(null), true), (json!(true), true), (json!(false), false)] {
        let focal_point = json!({ "name": null, "email": "a@b.c", "active": active });
        let alert = alert(&complete_but("entity.focal_points", json!([focal_point])));
        assert_eq!(alert.entity.focal_points[0].as_ref().unwrap().active, expected, "{active}");
    }
}

#[test]
fn what_else_a_focal_point_has_is_kept_but_its_phone_number() {
    for phone in [json!("+229 90 55 01 02"), json!(22_990_550_102_u64), json!(["+229"])] {
        let focal_point = json!({ "email": "a@b.c", "function": ["CISO"], "phone": phone, "team": "blue" });
        let alert = alert(&complete_but("entity.focal_points", json!([focal_point])));
        assert!(alert.entity.focal_points[0].is_ok());
        let expected = [("entity.focal_points[0].function", r#"["CISO"]"#), ("entity.focal_points[0].team", "blue")];
        assert_eq!(other(&alert), expected.map(|(path, value)| (path, value.to_owned())));
    }
}

#[test]
fn the_data_of_a_cloud_event_is_the_alert() {
    let envelope = alerts::fixture("cloud-event");
    let content_types = [
        "application/cloudevents+json",
        "application/cloudevents+json; charset=UTF-8",
        "Application/CloudEvents+JSON;charset=utf-8",
        " application/cloudevents+json ; x=y",
    ];
    for content_type in content_types {
        let alert = Alert::parse(&envelope, Some(content_type)).expect(content_type);
        assert_eq!(alert.id, "ssl-2026-11-23-000192", "the alert's own id");
        assert_eq!(alert.category(), Category::SslProblem);
        assert_eq!(other(&alert), [], "the envelope is no part of the alert");
    }
    for content_type in [None, Some("application/json"), Some("application/cloudevents"), Some("")] {
        let malformed = Alert::parse(&envelope, content_type).expect_err("an envelope is no alert");
        assert_eq!(malformed.path, "type", "{content_type:?}");
    }
}

#[test]
fn what_else_an_alert_has_is_named_alike_in_a_cloud_event() {
    for (fixture, ..) in alerts::CATEGORIES {
        let bare: Value = serde_json::from_slice(&alerts::fixture(fixture)).unwrap();
        let envelope = json!({ "specversion": "1.0", "data": bare });
        let bare = alert(&bare);
        let enveloped = Alert::parse(&alerts::body(&envelope), Some("application/cloudevents+json")).unwrap();
        assert_eq!(other(&enveloped), other(&bare));
    }
}

#[test]
fn a_cloud_event_without_an_alert_is_malformed() {
    let parse = |envelope: Value| {
        let malformed = Alert::parse(envelope.to_string().as_bytes(), Some("application/cloudevents+json"));
        malformed.expect_err("malformed").to_string()
    };
    assert_eq!(parse(json!({ "specversion": "1.0", "id": "x" })), "data: missing");
    assert_eq!(parse(json!({ "data": "text" })), "data: expected an object, got a string");
    assert_eq!(parse(json!({ "data": alerts::without(complete(), "entity.name") })), "data.entity.name: missing");
}

#[test]
fn the_severity_defaults_to_that_of_the_category() {
    for (fixture, category, _) in alerts::CATEGORIES {
        let alert = Alert::parse(&alerts::fixture(fixture), None).unwrap();
        let expected = match category {
            Category::Defacement => Severity::Critical,
            Category::SslExpiresSoon | Category::DomainExpiresSoon => Severity::Medium,
            _ => Severity::High,
        };
        assert_eq!(alert.severity(), expected, "{fixture}");
    }
}

#[test]
fn what_expires_in_7_days_or_fewer_is_high() {
    let severity = |alert_type: &str, days_left: &str| {
        let details = format!(r#"{{"problem": "expires_soon", "days_left": {days_left}}}"#);
        let body = alerts::of("x", alert_type).to_string().replacen('{', &format!("{{\"details\": {details},"), 1);
        Alert::parse(body.as_bytes(), None).unwrap().severity()
    };
    for alert_type in ["ssl", "domain"] {
        for days_left in ["7", "6", "0", "-1", "7.0", "6.5", "-1e400", "-99999999999999999999"] {
            assert_eq!(severity(alert_type, days_left), Severity::High, "{alert_type}, {days_left} days left");
        }
        for days_left in ["8", "7.5", "30", "1e400", "99999999999999999999", "null", "\"7\""] {
            assert_eq!(severity(alert_type, days_left), Severity::Medium, "{alert_type}, {days_left} days left");
        }
    }
}

#[test]
fn the_given_severity_counts() {
    for (fixture, ..) in alerts::CATEGORIES {
        for severity in Severity::ALL {
            let given: Value = serde_json::from_slice(&alerts::fixture(fixture)).unwrap();
            let given = alerts::with(given, json!({ "severity": severity.as_str(), "details": { "days_left": 1 } }));
            assert_eq!(alert(&given).severity(), *severity, "{fixture}");
        }
    }
}
