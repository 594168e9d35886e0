//! What holds for every message and every answer of RT, whatever its bytes: for the fuzzer and for `make test`.
#![allow(dead_code, clippy::unwrap_used, reason = "each target uses its part; a check that cannot go on has failed")]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use rtir_relay::mapping::Rules;
use rtir_relay::outcome::{Class, DeadLetter, Reason};
use rtir_relay::relay::{NoTicket, prepare};
use rtir_relay::rtir::{Answer, Error, Operation, create_ticket};
use rtir_relay::ticket::{AlertKey, EmailAddress, NewTicket, RtAddresses, RtQueueName, TicketId};
use secrecy::SecretString;
use serde_json::Value;

/// What the headers of a dead letter hold of a text.
const MAX_TEXT_BYTES: usize = 2048;
/// Stands in some answers, and must not be shown.
const SECRET: &str = "s3cret";

/// A message becomes a ticket that RT takes as it is, or a dead letter with its reason.
pub fn alert(body: &[u8]) {
    let rt_queue = RtQueueName::parse("Incident Reports").unwrap();
    let strict = Rules { rt_queue, fallback_requestor: None, namespace: None, rt_addresses: RtAddresses::default() };
    let fallback_requestor = EmailAddress::parse("csirt@team.example").ok();
    let lenient = Rules { fallback_requestor, namespace: Some("test".to_owned()), ..strict.clone() };
    for (rules, content_type) in [(strict, None), (lenient, Some("application/cloudevents+json"))] {
        match prepare(&rules, &body.to_vec().into(), content_type) {
            Ok(prepared) => {
                assert!((1..=200).contains(&prepared.alert_id.chars().count()));
                assert!(!prepared.alert_id.contains(char::is_control));
                match prepared.ticket {
                    Ok(ticket) => check_ticket(&ticket, body),
                    Err(NoTicket::Ignored(_)) => {}
                    Err(NoTicket::Impossible(letter)) => {
                        check_letter(&letter);
                        assert_eq!(letter.reason, Reason::MissingFocalPoints);
                        assert!(letter.key.is_some() && rules.fallback_requestor.is_none());
                    }
                }
            }
            Err(letter) => {
                check_letter(&letter);
                assert!(matches!(letter.reason, Reason::MalformedAlert | Reason::TooLarge));
            }
        }
    }
}

/// The operator sees what is wrong, whole and on one line.
fn check_letter(letter: &DeadLetter) {
    check_text(&letter.diagnosis.to_string());
    assert_eq!((letter.attempts, letter.history.len(), &letter.answer), (0, 0, &None));
}

fn check_text(text: &str) {
    assert!(text.len() <= MAX_TEXT_BYTES, "{} bytes: {text}", text.len());
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// The JSON that RT gets has exactly the fixed keys, and values within what RT takes.
fn check_ticket(ticket: &NewTicket, body: &[u8]) {
    let sent: Value = serde_json::from_slice(&serde_json::to_vec(&create_ticket(ticket)).unwrap()).unwrap();
    let keys: BTreeSet<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    let fixed = ["Content", "ContentType", "CustomFields", "Priority", "Queue", "Requestor", "Status", "Subject"];
    assert_eq!(keys.iter().filter(|key| **key != "Attachments").copied().collect::<Vec<_>>(), fixed);

    let text = |name: &str| sent[name].as_str().unwrap();
    assert_eq!((text("Queue"), text("ContentType"), text("Status")), ("Incident Reports", "text/plain", "new"));
    assert!((20..=100).contains(&sent["Priority"].as_u64().unwrap()));
    let subject = text("Subject");
    assert!((1..=200).contains(&subject.len()) && !subject.contains(char::is_control), "{subject:?}");
    check_content(text("Content"));
    check_requestors(&sent["Requestor"]);

    let fields = sent["CustomFields"].as_object().unwrap();
    let key = fields["Alert ID"].as_str().unwrap();
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    assert!(fields.len() == 1 && (1..=64).contains(&key.len()) && key.bytes().all(safe), "{fields:?}");
    if let Some(attachments) = sent.get("Attachments") {
        let [attachment] = attachments.as_array().unwrap().as_slice() else { panic!("{attachments}") };
        assert_eq!(attachment.as_object().unwrap().len(), 3);
        let attached = attachment["FileContent"].as_str().unwrap();
        assert!(BASE64_STANDARD.decode(attached).unwrap() == body, "attached whole");
    }
}

/// Plain text within bounds, the alert's id in its last line.
fn check_content(content: &str) {
    assert!(content.len() <= 64 * 1024, "{}", content.len());
    let odd = |c: char| (c.is_control() && !"\n\t".contains(c)) || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!content.contains(odd), "{content:?}");
    assert!(content.lines().next_back().is_some_and(|last| last.starts_with("Alert ID:")), "{content}");
}

fn check_requestors(requestors: &Value) {
    let requestors = requestors.as_array().unwrap();
    let each: BTreeSet<_> = requestors.iter().map(|each| each.as_str().unwrap().to_ascii_lowercase()).collect();
    assert!(!requestors.is_empty() && each.len() == requestors.len(), "{requestors:?}");
    for address in each {
        assert!(address.is_ascii() && address.len() <= 120 && address.matches('@').count() == 1, "{address}");
        assert!(!address.contains(|c: char| c.is_control() || " ,\"<>".contains(c)), "{address:?}");
    }
}

/// An answer, written as the fixtures are, is what was asked for or an error that can be shown.
pub fn rt_answer(bytes: &[u8]) {
    let (http_status, headers, body) = read_http(bytes);
    let answer = || {
        let answer = Answer::new(http_status, &headers, body.to_vec());
        answer.without(&[SecretString::from(SECRET), SecretString::from(String::new())])
    };
    check_shown(&answer().message());
    let is_object = body.trim_ascii_start().starts_with(b"{");
    let key = AlertKey::new(None, "x");
    let rt_queue = RtQueueName::parse("Incident Reports").unwrap();

    let created = answer().created();
    assert!(created.as_ref().map_or(true, |ticket| ticket.0 > 0 && http_status == 201 && is_object));
    check_create(http_status, created.err());
    if let Some((found, tickets)) = check(answer().hits(std::slice::from_ref(&key))) {
        let [hits] = found.as_slice() else { panic!("one key, and the hits of {}", found.len()) };
        assert!(http_status == 200 && is_object && hits.len() <= tickets);
        assert!(hits.iter().all(|hit| hit.seen.id.0 > 0 && hit.seen.leads_to.0 > 0));
    }
    if let Some(ticket) = check(answer().ticket(TicketId(7))) {
        assert!(http_status == 200 && ticket.merged_into(TicketId(7)) != Some(TicketId(7)));
        assert!(ticket.id().is_none_or(|id| ticket.merged_into(id).is_none()));
        ticket.has_key(&key);
    }
    assert!(check(answer().takes_tickets(&rt_queue)).is_none() || (http_status == 200 && is_object));
    for operation in [Operation::LogIn, Operation::Look] {
        assert!(check(answer().well(operation)).is_none() || http_status == 200);
    }
    check(answer().merge_words());
    for error in [answer().into_error(Operation::Merge), answer().into_error(Operation::Read)] {
        assert_ne!(check_error(&error), Class::Refused);
    }
}

/// Only what RT refuses for good may give an alert up.
fn check_create(http_status: u16, error: Option<Error>) {
    if let Some(class) = error.map(|error| check_error(&error)) {
        assert!(class != Class::Refused || [400, 406, 409, 413, 415, 422].contains(&http_status), "{http_status}");
        assert!(class == Class::Unknown || !(200..300).contains(&http_status), "{http_status}: {class:?}");
    }
}

fn check<T>(read: Result<T, Error>) -> Option<T> {
    read.map_err(|error| assert_ne!(check_error(&error), Class::Refused)).ok()
}

fn check_error(error: &Error) -> Class {
    let answer = error.answer().map(|answer| answer.message.as_str()).unwrap_or_default();
    check_shown(answer);
    // What is done, and the cure, are the relay's own words and come on top.
    for shown in [error.to_string(), error.diagnosis().to_string(), format!("{error:?}")] {
        assert!(shown.len() <= answer.len() + MAX_TEXT_BYTES * 2, "{} bytes: {shown}", shown.len());
        assert!(!shown.contains(char::is_control) && !shown.contains(SECRET), "{shown:?}");
    }
    error.class()
}

fn check_shown(text: &str) {
    check_text(text);
    assert!(!text.contains(SECRET), "{text}");
}

/// Status, headers and body, as `tests/fixtures/rt` has them; whatever the bytes are.
fn read_http(bytes: &[u8]) -> (u16, HeaderMap, &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((bytes, &b""[..]), |end| (&bytes[..end], &bytes[end + 2..]));
    let mut lines = head.split(|byte| *byte == b'\n');
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let http_status = first.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(200);
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii())) {
            headers.append(name, value);
        }
    }
    (http_status, headers, body)
}
