//! The alert as JSON Schema, draft 2020-12, for those who publish alerts.
//!
//! It is as strict everywhere as the relay is where it decides: what it passes becomes part of the ticket field by
//! field, and what it refuses elsewhere the relay takes all the same, under "Other details". The words and the
//! details come from the declarations that are read by; the rest stands here, and tests hold it against the parser.

use serde_json::{Value, json};

use super::object::{Kind, described, joined, object, or_null};
use super::parse::MAX_ID_CHARS;
use super::{AlertType, Availability, Defacement, Domain, Severity, Ssl, Status, VirusTotal};

/// A control character; written as escapes, since few dialects of regular expressions know it by a name.
const CONTROL: &str = r"[\u0000-\u001f\u007f-\u009f]";
/// RFC 3339, section 5.6, with its note. That a month has that day is left to `format`.
const TIME: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)\
                    (\\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";
/// The scheme, a host, perhaps with user and port, and its end. The relay reads a URL as browsers do, so it takes a few
/// odder spellings besides, such as `https:site.example`.
const SITE: &str =
    r"^[Hh][Tt][Tt][Pp][Ss]?://([^/?#\\]*@)?([^\s/?#:@<>\[\]\\^|]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{0,5})?([/?#\\]|$)";

/// The schema of an alert.
pub fn schema() -> Value {
    let head = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Alert of rtir-relay" });
    let about = "A security alert: the JSON text (UTF-8, at most 1 MiB, nested at most 64 deep, no key twice) of one \
                 message. null means absent. Unknown fields are welcome and shown in the ticket.";
    let fields = [
        ("id", id()),
        ("type", described("What kind of alert this is; decides what details mean.", AlertType::schema())),
        ("status", described("How far the matter has come; new if absent.", or_null(Status::schema()))),
        ("severity", described("How bad it is; by category if absent.", or_null(Severity::schema()))),
        ("detected_at", detected_at()),
        ("platform", platform()),
        ("entity", entity()),
        ("details", described("What was found, by type.", json!({ "type": ["object", "null"] }))),
    ];
    let required = ["id", "type", "detected_at", "platform", "entity"];
    let mut schema = joined(head, described(about, object(&required, fields)));
    schema["allOf"] = AlertType::ALL.iter().map(|alert_type| details_of(*alert_type)).collect();
    schema["$defs"] = AlertType::ALL.iter().map(|alert_type| (alert_type.to_string(), details(*alert_type))).collect();
    schema
}

fn id() -> Value {
    described(
        "Names the alert for good: the same id is the same alert.",
        json!({ "type": "string", "minLength": 1, "maxLength": MAX_ID_CHARS, "not": { "pattern": CONTROL } }),
    )
}

fn detected_at() -> Value {
    described("When it was detected, in RFC 3339.", json!({ "type": "string", "format": "date-time", "pattern": TIME }))
}

fn platform() -> Value {
    let url = json!({ "type": "string", "format": "iri", "pattern": SITE, "not": { "pattern": CONTROL } });
    described("The watched site.", object(&["url"], [("url", described("Its http or https URL.", url))]))
}

fn entity() -> Value {
    let focal_points = json!({ "type": ["array", "null"], "items": focal_point() });
    let fields = [
        ("name", described("Its name.", json!({ "type": "string", "pattern": r"\S" }))),
        ("description", described("What it is.", or_null(String::schema()))),
        ("focal_points", described("Whom it wants told; the active ones are notified by RT.", focal_points)),
    ];
    described("The organisation that the site belongs to.", object(&["name"], fields))
}

fn focal_point() -> Value {
    let fields = [
        ("name", described("The person's name.", or_null(String::schema()))),
        ("email", described("The address; one that RT cannot take is named in the ticket.", String::schema())),
        ("active", described("Whether to notify; true if absent.", json!({ "type": ["boolean", "null"] }))),
        ("function", described("What the person is in the organisation.", or_null(String::schema()))),
        ("phone", described("Never shown.", json!({}))),
    ];
    described("A person to notify.", object(&["email"], fields))
}

/// What `details` are where the alert is of this type.
fn details_of(alert_type: AlertType) -> Value {
    json!({
        "if": { "properties": { "type": { "const": alert_type.as_str() } } },
        "then": { "properties": { "details": { "$ref": format!("#/$defs/{alert_type}") } } }
    })
}

fn details(alert_type: AlertType) -> Value {
    match alert_type {
        AlertType::Ssl => Ssl::schema(),
        AlertType::Domain => Domain::schema(),
        AlertType::Defacement => Defacement::schema(),
        AlertType::Availability => Availability::schema(),
        AlertType::VirusTotal => VirusTotal::schema(),
    }
}
