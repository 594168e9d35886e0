//! From an alert to the ticket that RT is asked for.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rtir_relay::alert::{Alert, Category};
use rtir_relay::mapping::{Rules, Unmappable};
use rtir_relay::rtir;
use rtir_relay::ticket::{EmailAddress, NewTicket, RtAddresses, RtQueueName};
use serde_json::{Value, json};

use crate::support::alerts;

fn rules() -> Rules {
    Rules {
        rt_queue: RtQueueName::parse("Incident Reports").unwrap(),
        fallback_requestor: None,
        namespace: None,
        rt_addresses: RtAddresses::default(),
    }
}

fn map(rules: &Rules, body: &[u8]) -> Result<NewTicket, Unmappable> {
    rules.ticket(&Alert::parse(body, None).unwrap(), &body.to_vec().into())
}

fn ticket(alert: &Value) -> NewTicket {
    map(&rules(), &alerts::body(alert)).unwrap_or_else(|error| panic!("{error}: {alert}"))
}

fn json_for_rt(ticket: &NewTicket) -> Value {
    serde_json::to_value(rtir::create_ticket(ticket)).unwrap()
}

/// An `ssl` alert whose `details.error` is `value`.
fn with_error(value: &str) -> Value {
    alerts::with(alerts::ssl("x"), json!({ "details": { "error": value } }))
}

/// How the text shows `value`.
fn shown(value: &str) -> String {
    let content = ticket(&with_error(value)).content;
    let lines = content.lines().skip_while(|line| !line.starts_with("Error: "));
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")[7..].to_owned()
}

fn with_focal_points(focal_points: &Value) -> Value {
    alerts::with(alerts::ssl("x"), json!({ "entity": { "focal_points": focal_points } }))
}

fn requestors(ticket: &NewTicket) -> Vec<&str> {
    ticket.requestors.iter().map(EmailAddress::as_str).collect()
}

/// The JSON for RT, with the text below it, where it can be read.
fn snapshot(fixture: &str) -> String {
    let ticket = map(&rules(), &alerts::fixture(fixture)).unwrap();
    let json = serde_json::to_string_pretty(&rtir::create_ticket(&ticket)).unwrap();
    let content = serde_json::to_string(&ticket.content).unwrap();
    assert!(json.contains(&content), "the content is in the JSON as it is");
    format!("{}\n\n{}", json.replace(&content, "(below)"), ticket.content)
}

#[test]
fn every_category_has_its_ticket() {
    for (fixture, ..) in alerts::CATEGORIES {
        insta::assert_snapshot!(fixture, snapshot(fixture));
    }
}

#[test]
fn odd_values_have_their_place_in_the_ticket() {
    insta::assert_snapshot!("odd-values", snapshot("odd-values"));
}

#[test]
fn nothing_of_an_alert_becomes_a_key() {
    let hostile = json!({
        "Queue": "General", "Owner": "root", "Creator": 1, "Cc": "eve@evil.example", "Status": "resolved",
        "CustomFields": { "Alert ID": "other" }, "details": { "Requestor": "eve@evil.example" }
    });
    let json = json_for_rt(&ticket(&alerts::with(alerts::ssl("x"), hostile)));
    let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["Queue", "Subject", "Content", "ContentType", "Requestor", "Priority", "Status", "CustomFields"];
    assert_eq!(keys, expected);
    assert_eq!(json["CustomFields"], json!({ "Alert ID": "x" }));
    assert_eq!(json["Queue"], "Incident Reports");
    assert_eq!(json["Requestor"], json!(["ada@water.example"]));
    assert_eq!((&json["Status"], &json["ContentType"]), (&json!("new"), &json!("text/plain")));
}

#[test]
fn rules_name_the_rt_queue_and_the_namespace() {
    let rt_queue = RtQueueName::parse("Alerts of the test").unwrap();
    let rules = Rules { rt_queue, namespace: Some("test".to_owned()), ..rules() };
    let json = json_for_rt(&map(&rules, &alerts::body(&alerts::ssl("ssl-1"))).unwrap());
    assert_eq!(
        (&json["Queue"], &json["CustomFields"]["Alert ID"]),
        (&json!("Alerts of the test"), &json!("test:ssl-1"))
    );
    assert!(json["Content"].as_str().unwrap().ends_with("\nAlert ID: ssl-1\n"), "the text has the publisher's own id");
}

#[test]
fn the_default_priority_is_that_of_the_category() {
    for (fixture, category, priority) in alerts::CATEGORIES {
        let ticket = map(&rules(), &alerts::fixture(fixture)).unwrap();
        assert_eq!(ticket.priority, priority, "{fixture}");
        assert!(ticket.subject.as_str().starts_with(&format!("{category}: ")), "{fixture}");
    }
}

#[test]
fn the_priority_is_severity_plus_type() {
    let table = [
        // low, medium, high, critical
        ("ssl", [20, 40, 60, 100]),
        ("domain", [25, 45, 65, 100]),
        ("availability", [25, 45, 65, 100]),
        ("virustotal", [30, 50, 70, 100]),
        ("defacement", [35, 55, 75, 100]),
    ];
    for (alert_type, priorities) in table {
        for (severity, priority) in ["low", "medium", "high", "critical"].into_iter().zip(priorities) {
            let alert = alerts::with(alerts::of("x", alert_type), json!({ "severity": severity }));
            assert_eq!(ticket(&alert).priority, priority, "{alert_type} {severity}");
        }
    }
}

#[test]
fn something_that_expires_in_7_days_has_a_higher_priority() {
    for (alert_type, high, medium) in [("ssl", 60, 40), ("domain", 65, 45)] {
        for (days_left, priority) in [(-1, high), (7, high), (8, medium)] {
            let details = json!({ "details": { "problem": "expires_soon", "days_left": days_left } });
            assert_eq!(ticket(&alerts::with(alerts::of("x", alert_type), details)).priority, priority, "{days_left}");
        }
    }
}

#[test]
fn the_subject_is_category_and_url() {
    assert_eq!(ticket(&alerts::ssl("x")).subject.as_str(), "SSL problem: https://www.water.example");
    let url = format!("https://water.example/{}", "é".repeat(200));
    let subject = ticket(&alerts::with(alerts::ssl("x"), json!({ "platform": { "url": url } }))).subject;
    assert!((199..=200).contains(&subject.as_str().len()), "{subject:?}");
    assert!(format!("{}: {url}", Category::SslProblem).starts_with(subject.as_str()));
}

#[test]
fn the_first_line_says_what_is_wrong() {
    let cases = [
        ("ssl", json!({}), "There is a problem with the certificate"),
        ("ssl", json!({ "problem": "invalid" }), "The certificate is not valid"),
        ("ssl", json!({ "problem": "expired" }), "The certificate has expired"),
        ("ssl", json!({ "problem": "misconfigured" }), "The certificate is misconfigured"),
        ("ssl", json!({ "problem": "expires_soon" }), "The certificate expires soon"),
        ("ssl", json!({ "problem": "expires_soon", "days_left": 3 }), "The certificate expires soon (days left: 3)"),
        ("domain", json!({}), "There is a problem with the domain"),
        ("domain", json!({ "problem": "dns_failure" }), "The domain name does not resolve"),
        ("domain", json!({ "problem": "inaccessible" }), "The domain cannot be reached"),
        ("domain", json!({ "problem": "expired" }), "The domain's registration has expired"),
        ("domain", json!({ "problem": "expires_soon" }), "The domain's registration expires soon"),
        ("defacement", json!({}), "The site seems defaced"),
        ("defacement", json!({ "changes": [{ "kind": "file_moved" }] }), "The site seems defaced (1 change)"),
        ("availability", json!({}), "The site does not answer as it should"),
        ("availability", json!({ "problem": "unreachable" }), "The site cannot be reached"),
        ("availability", json!({ "problem": "timeout" }), "The site does not answer in time"),
        ("availability", json!({ "problem": "http_error" }), "The site answers with an error"),
        ("availability", json!({ "problem": "slow" }), "The site answers slowly"),
        ("virustotal", json!({}), "VirusTotal lists the site"),
        ("virustotal", json!({ "positives": 3 }), "VirusTotal lists the site (flagged by 3)"),
    ];
    for (alert_type, details, expected) in cases {
        let content = ticket(&alerts::with(alerts::of("x", alert_type), json!({ "details": details }))).content;
        assert_eq!(content.lines().next(), Some(&*format!("{expected}: https://www.water.example")), "{details}");
    }
}

#[test]
fn each_address_is_notified_once_without_regard_to_case() {
    let ticket = ticket(&with_focal_points(&json!([
        { "email": "ada@water.example" },
        { "email": "bako@eau.example", "active": true },
        { "email": "ADA@Water.Example" },
        { "email": "contact@école.example" },
        { "email": "Contact@XN--COLE-9OA.example" },
        { "email": "off@water.example", "active": false }
    ])));
    let expected = ["ada@water.example", "bako@eau.example", "contact@xn--cole-9oa.example"];
    assert_eq!(requestors(&ticket), expected);
}

#[test]
fn who_cannot_be_notified_is_named_with_the_reason() {
    let content = ticket(&with_focal_points(&json!([
        { "name": "Ada Mensah", "email": "ada@water.example", "function": "CISO" },
        { "email": "bako@water.example" },
        { "name": "Off", "email": "off@water.example", "active": false },
        { "name": "Two", "email": "a@water.example,b@water.example" },
        { "name": "None" },
        "somebody"
    ])))
    .content;
    let people = "\
Notified:
  Ada Mensah, CISO <ada[at]water[.]example>
  bako[at]water[.]example

Not notified:
  Off <off[at]water[.]example> (not active)
  Two <a[at]water[.]example,b[at]water[.]example> (more than one @ in the address)
  None (email: missing)
  focal point 6 (expected an object, got a string)
";
    assert!(content.contains(people), "{content}");
}

#[test]
fn nobody_to_notify_makes_no_ticket() {
    let missing = |focal_points: Value| match map(&rules(), &alerts::body(&with_focal_points(&focal_points))) {
        Err(Unmappable::MissingFocalPoints(message)) => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(json!([])), "the alert names no focal point");
    assert_eq!(missing(Value::Null), "the alert names no focal point");
    assert_eq!(
        missing(json!([{ "name": "Ada", "email": "ada@x.example", "active": false }, { "email": "ada" }, 7])),
        "focal point 1 (not active), focal point 2 (no @ in the address), \
         focal point 3 (expected an object, got a number)"
    );
    let many = missing(json!(vec![json!({ "email": "ada" }); 6]));
    assert!(many.starts_with("focal point 1 (no @ in the address), focal point 2 "), "{many}");
    assert!(many.ends_with("focal point 5 (no @ in the address) and 1 more"), "{many}");
    assert!(missing(json!("ada@x.example")).contains("expected an array, got a string"));
}

#[test]
fn the_reason_for_no_ticket_names_people_by_position_only() {
    let hostile = json!([
        { "name": "Eve\n\u{1b}[31m", "email": "eve@x.example\r\n", "phone": "+229 90" },
        { "name": "Eve", "email": "eve@x.example", "active": "Eve" },
        { "name": "Eve", "email": 7 }
    ]);
    let error = map(&rules(), &alerts::body(&with_focal_points(&hostile))).unwrap_err().to_string();
    assert!(!error.to_lowercase().contains("eve") && !error.contains(char::is_control), "{error:?}");
}

#[test]
fn the_fallback_requestor_is_notified_where_nobody_else_is() {
    let fallback = EmailAddress::parse("csirt@team.example").unwrap();
    let rules = Rules { fallback_requestor: Some(fallback), ..rules() };
    for focal_points in [json!([]), json!([{ "email": "off@water.example", "active": false }]), json!("x")] {
        let ticket = map(&rules, &alerts::body(&with_focal_points(&focal_points))).unwrap();
        assert_eq!(requestors(&ticket), ["csirt@team.example"]);
        let line = "\n  csirt[at]team[.]example (fallback: no focal point could be notified)\n";
        assert!(ticket.content.contains(line), "{}", ticket.content);
    }
    let ticket = map(&rules, &alerts::body(&alerts::ssl("x"))).unwrap();
    assert_eq!(requestors(&ticket), ["ada@water.example"], "not needed");
    assert!(!ticket.content.contains("fallback"));
}

#[test]
fn addresses_are_shown_defanged() {
    let cases = [
        ("write to ada@water.example now", "write to ada[at]water[.]example now"),
        ("<ada@water.example>", "<ada[at]water[.]example>"),
        ("a@b.example,c@d.example", "a[at]b[.]example,c[at]d[.]example"),
        ("mailto:ada@water.example", "mailto:ada[at]water[.]example"),
        ("ada@water.example see https://water.example/", "ada[at]water[.]example see https://water.example/"),
        // No addresses, and a link that has to go on working.
        ("@handle, 3 @ 5, x@", "@handle, 3 @ 5, x@"),
        ("https://social.example/@ada", "https://social.example/@ada"),
    ];
    for (value, expected) in cases {
        assert_eq!(shown(value), expected);
    }
}

#[test]
fn an_address_beside_a_link_is_shown_defanged() {
    for value in ["ada@water.example,https://water.example/", "https://water.example/<ada@water.example>"] {
        assert!(!shown(value).contains("ada@water.example"), "{}", shown(value));
    }
    // Without a space between them, as JSON inside a ticket has none.
    let contact = json!({ "contact": { "mail": "ada@water.example", "site": "https://water.example/" } });
    let content = ticket(&alerts::with(alerts::ssl("x"), contact)).content;
    assert!(content.contains("ada[at]water[.]example\""), "{content}");
}

#[test]
fn an_address_inside_a_link_is_shown_defanged() {
    let details = json!({ "vendors": [{ "name": "Acme", "contact": "https://acme.example/?mail=fp@acme.example" }] });
    let content = ticket(&alerts::with(alerts::of("x", "virustotal"), json!({ "details": details }))).content;
    assert!(!content.contains("fp@acme.example"), "{content}");
}

#[test]
fn no_ticket_shows_an_address_or_a_phone_number() {
    for (fixture, ..) in alerts::CATEGORIES {
        let body = alerts::fixture(fixture);
        let alert: Value = serde_json::from_slice(&body).unwrap();
        let content = map(&rules(), &body).unwrap().content;
        // The reasons speak of an @, with spaces around it.
        assert!(!content.replace(" @ ", "").contains('@'), "{fixture}: {content}");
        let focal_points = alert["entity"]["focal_points"].as_array().unwrap();
        for phone in focal_points.iter().filter_map(|focal_point| focal_point["phone"].as_str()) {
            assert!(!content.contains(phone), "{fixture}: {content}");
        }
    }
}

#[test]
fn a_value_is_cut_at_4_kib_and_the_alert_attached_whole() {
    let whole = ticket(&with_error(&"é".repeat(2048)));
    assert!(whole.content.contains(&"é".repeat(2048)) && !whole.content.contains("[cut"));
    assert!(whole.attachment.is_none() && json_for_rt(&whole).get("Attachments").is_none());

    // Spaces and order as no serializer would write them: what is attached is the body, not a copy of its meaning.
    let body = with_error(&format!("x{}", "é".repeat(2048))).to_string().replacen('{', "{  \"z\" : 1.50 , ", 1);
    let cut = map(&rules(), body.as_bytes()).unwrap();
    let expected = format!("Error: x{} [cut; the alert is attached whole as alert.json]\n", "é".repeat(2047));
    assert!(cut.content.contains(&expected), "cut on a character boundary");
    let json = json_for_rt(&cut);
    let [attachment] = &json["Attachments"].as_array().unwrap()[..] else { panic!("{json}") };
    assert_eq!((&attachment["FileName"], &attachment["FileType"]), (&json!("alert.json"), &json!("application/json")));
    assert_eq!(BASE64_STANDARD.decode(attachment["FileContent"].as_str().unwrap()).unwrap(), body.as_bytes());
}

#[test]
fn every_part_of_the_text_that_can_be_long_is_cut() {
    let long = "x".repeat(5000);
    let pieces = [
        json!({ "entity": { "name": long } }),
        json!({ "entity": { "description": long } }),
        json!({ "entity": { "focal_points": [{ "name": long, "email": "ada@water.example" }] } }),
        json!({ "platform": { "url": format!("https://water.example/{long}") } }),
        json!({ "details": { "error": long } }),
        json!({ "unknown": [long] }),
        json!({ long.clone(): 1 }),
    ];
    for piece in pieces {
        let alert = alerts::with(alerts::ssl("x"), piece);
        let ticket = ticket(&alert);
        assert!(ticket.content.lines().all(|line| line.len() < 4300), "{}", ticket.content);
        assert!(ticket.content.contains("[cut; "), "{}", ticket.content);
        assert_eq!(ticket.attachment.as_deref(), Some(&*alerts::body(&alert)));
    }
}

#[test]
fn the_text_is_cut_at_64_kib_and_still_names_the_alert_and_the_people() {
    let many: Value = (0..400)
        .map(|number| (format!("field {number}"), json!("é".repeat(1000))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let alert = alerts::with(alerts::ssl("the-id"), json!({ "details": many }));
    let ticket = ticket(&alert);
    assert!((60 * 1024..=64 * 1024).contains(&ticket.content.len()), "{}", ticket.content.len());
    assert!(ticket.content.starts_with("There is a problem with the certificate: https://www.water.example\n"));
    assert!(ticket.content.contains("[cut; the alert is attached whole as alert.json]\n"));
    assert!(ticket.content.contains("\nNotified:\n  Ada Mensah <ada[at]water[.]example>\n"));
    assert!(ticket.content.ends_with("\nAlert ID: the-id\n"));
    assert_eq!(ticket.attachment, Some(alerts::body(&alert).into()));
}

#[test]
fn many_people_leave_room_for_the_alert() {
    let people: Vec<_> = (0..2000).map(|number| json!({ "email": format!("person-{number}@water.example") })).collect();
    let alert = alerts::with(with_focal_points(&json!(people)), json!({ "details": { "error": "no issuer" } }));
    let ticket = ticket(&alert);
    assert_eq!(ticket.requestors.len(), 2000);
    assert!(ticket.content.len() <= 64 * 1024);
    assert!(ticket.content.contains("\nError: no issuer\n"), "the details are there");
    assert!(ticket.content.contains("  person-0[at]water[.]example\n"));
    assert!(ticket.content.ends_with("\nAlert ID: x\n"));
    assert_eq!(ticket.attachment, Some(alerts::body(&alert).into()));
}

/// The lines that are not indented: what a reader takes for the relay's own words.
fn own_words(content: &str) -> Vec<String> {
    let own = content.lines().filter(|line| !line.is_empty() && !line.starts_with(' '));
    own.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn no_value_can_fake_a_line() {
    const FAKE: &str =
        "x\nSeverity: low\r\n\nNotified:\n  Eve\u{2028}Alert ID: y\u{85}Platform: z\u{b}Status: resolved";
    let with = |value: &str| {
        vec![
            json!({ "entity": { "name": value } }),
            json!({ "entity": { "description": value } }),
            json!({ "entity": { "focal_points": [{ "name": value, "email": "ada@water.example" }] } }),
            json!({ "entity": { "focal_points": [{ "function": value, "email": "ada@water.example" }] } }),
            json!({ "entity": { "focal_points": [{ "email": "ada@water.example" }, { "email": value }] } }),
            json!({ "entity": { "focal_points": [{ "email": "ada@water.example" }, { "name": value }] } }),
            json!({ "details": { "error": value, "unknown": value, "problem": value } }),
            json!({ "details": { "unknown": [{ "deep": value }] } }),
            json!({ "a name that is longer than any other": value }),
            json!({ value: 1 }),
            json!({ "details": { value: value } }),
        ]
    };
    for (plain, hostile) in with("x").into_iter().zip(with(FAKE)) {
        let content = ticket(&alerts::with(alerts::ssl("x"), hostile.clone())).content;
        let plain = ticket(&alerts::with(alerts::ssl("x"), plain)).content;
        let count = |content: &str| own_words(content).len();
        assert_eq!(count(&content), count(&plain), "{content}");
        for name in ["Severity", "Notified", "Alert ID", "Platform"] {
            assert_eq!(own_words(&content).iter().filter(|own| *own == name).count(), 1, "{name} in\n{content}");
        }
        assert!(!content.contains(['\r', '\u{2028}', '\u{85}', '\u{b}']), "{content:?}");
    }
}

#[test]
fn a_value_of_several_lines_stays_in_its_column() {
    assert_eq!(shown("first\nsecond\n  third"), "first\n       second\n         third");
}

#[test]
fn characters_that_control_or_reorder_are_shown_escaped() {
    let invisible = "\u{0}\u{1}\u{7}\u{8}\u{b}\u{c}\u{1b}\u{7f}\u{80}\u{85}\u{9f}\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\
                     \u{202c}\u{202d}\u{202e}\u{2028}\u{2029}\u{2066}\u{2067}\u{2068}\u{2069}";
    for c in invisible.chars() {
        assert_eq!(shown(&format!("a{c}b")), format!("a\\u{:04x}b", u32::from(c)));
    }
    assert_eq!(shown("a\rb"), "a\\rb");
    let as_given = "tab\t\"quotes\" \\u0041 \\n é 漢字 🙂 مرحبا";
    assert_eq!(shown(as_given), as_given);
}

#[test]
fn html_stays_text() {
    let html = "<script>alert(1)</script> <b>bold</b> &amp; &lt;";
    assert_eq!(shown(html), html);
    assert_eq!(json_for_rt(&ticket(&with_error(html)))["ContentType"], "text/plain");
}

/// What RTIR collects from a text into its field `Domain`. Source: RTIR 5 and 6, `RT::Action::RTIR_FindDomain`; with any
/// ending of letters where RTIR asks for a known one.
fn domains_in(content: &str) -> Vec<String> {
    let is_label = |label: &str| label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let words = content.split(|c: char| !is_inside(c)).map(|word| word.trim_matches(['.', '-']));
    let is_domain = |word: &&str| {
        let last = word.rsplit('.').next().unwrap_or_default();
        let is_name = last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic());
        word.contains('.') && is_name && word.split('.').all(|label| !label.is_empty() && is_label(label))
    };
    words.filter(is_domain).map(str::to_owned).collect()
}

#[test]
fn rtir_collects_the_site_and_nobody_elses_domain() {
    let people = json!([
        { "name": "rachida.bio", "function": "me.work", "email": "rachida.bio@univ.example" },
        { "name": "old.contact", "email": "old.contact@gmail.com", "active": false },
        { "name": "Mx.life", "email": "not an address.name" },
        { "name": "jp.life", "email": 7 }
    ]);
    let details = [
        (
            "virustotal",
            json!({ "permalink": "https://www.virustotal.com/gui/domain/x.pro",
            "vendors": [{ "name": "Dr.Web", "result": "bad.site", "contact": "fp.desk@vendor.name" }, "alpha.ai"] }),
        ),
        (
            "domain",
            json!({ "registrar": "registrar.shop", "dns_servers": [{ "server": "ns1.resolver.net" },
            { "server": "9.9.9.9", "result": "NXDOMAIN" }, { "server": "2001:4860:4860::8888" }, "8.8.8.8"] }),
        ),
        ("ssl", json!({ "issuer": "O=GoDaddy.com, OU=http://certs.godaddy.com/x/", "error": "ask ada.b@water.email" })),
        ("defacement", json!({ "capture_url": "https://monitor.tools/1.png" })),
        ("availability", json!({ "unknown.name": 1, "contact": "see a.b@c.org, or <d@e.info>." })),
    ];
    for (kind, details) in details {
        let alert = alerts::with(alerts::of("x", kind), json!({ "details": details }));
        let alert = alerts::with(alert, json!({ "entity": { "focal_points": people }, "some.site": "x" }));
        let content = ticket(&alert).content;
        let domains = domains_in(&content);
        assert!(
            !domains.is_empty() && domains.iter().all(|domain| domain == "www.water.example"),
            "{domains:?} {content}"
        );
        for server in ["9.9.9.9", "8.8.8.8", "2001:4860"] {
            assert!(!content.contains(server), "{content}");
        }
    }
}

#[test]
fn an_address_of_rt_itself_is_left_out_with_its_reason() {
    let address = |text| EmailAddress::parse(text).unwrap();
    let rt_addresses = [address("Reports@rt.example")].into_iter().collect();
    let rules = Rules { rt_addresses, fallback_requestor: Some(address("reports@RT.example")), ..rules() };
    let people = json!([{ "email": "ada@water.example" }, { "email": "reports@rt.example" }]);
    let ticket = map(&rules, &alerts::body(&with_focal_points(&people))).unwrap();
    assert_eq!(requestors(&ticket), ["ada@water.example"]);
    let left_out = "\nNot notified:\n  reports[at]rt[.]example (an address of RT itself, which RT does not mail to)\n";
    assert!(ticket.content.contains(left_out), "{}", ticket.content);
    let alone = map(&rules, &alerts::body(&with_focal_points(&json!([{ "email": "reports@rt.example" }]))));
    let Err(Unmappable::MissingFocalPoints(why)) = alone else { panic!("{alone:?}") };
    assert!(why.contains("an address of RT itself"), "the fallback is one of them, too: {why}");
}

#[test]
fn an_address_with_a_dot_where_rt_takes_none_is_left_out() {
    for email in ["ada..x@water.example", ".ada@water.example", "ada.@water.example", ".@water.example"] {
        let people = json!([{ "email": email }, { "email": "bako@water.example" }]);
        let ticket = map(&rules(), &alerts::body(&with_focal_points(&people))).unwrap();
        assert_eq!(requestors(&ticket), ["bako@water.example"], "{email}");
        assert!(ticket.content.contains("(the part before the @ begins or ends with a dot, or has two in a row)"));
    }
}
