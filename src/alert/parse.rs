//! From the bytes of a message to an [`Alert`].

use jiff::Timestamp;
use url::Url;

use super::fields::Fields;
use super::json::Value;
use super::malformed::Malformed;
use super::{
    Alert, AlertType, Availability, Defacement, Details, Domain, Entity, FocalPoint, MisshapenFocalPoint, Severity,
    Ssl, Status, VirusTotal,
};

/// A CloudEvents envelope in structured mode, with or without parameters.
/// Source: CloudEvents JSON format 1.0, section 3.
const CLOUD_EVENT: &str = "application/cloudevents+json";

/// How many characters an id has at most.
pub(super) const MAX_ID_CHARS: usize = 200;

impl Alert {
    /// Reads the body of a message. With the content type of a CloudEvents envelope, the alert is its `data`.
    ///
    /// # Errors
    /// The body can never become a ticket as it is: not JSON, or a field that decides is missing, has the wrong type
    /// or an unknown value.
    pub fn parse(body: &[u8], content_type: Option<&str>) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(body)
            .map_err(|error| Malformed::new("", format!("not UTF-8 from byte {} on", error.valid_up_to())))?;
        let value = Value::parse(text)?;
        match content_type {
            Some(content_type) if is_cloud_event(content_type) => {
                let data = Fields::of("", value)?.required("data")?;
                read_alert(data).map_err(|malformed| malformed.within("data"))
            }
            _ => read_alert(value),
        }
    }
}

/// Whether the alert is the `data` of an envelope.
pub(super) fn is_cloud_event(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(CLOUD_EVENT)
}

fn read_alert(value: Value) -> Result<Alert, Malformed> {
    let mut fields = Fields::of("", value)?;
    let id = fields.required_string("id")?;
    check_id(&id).map_err(|cause| fields.fault("id", cause))?;
    let alert_type = fields.choice("type")?.ok_or_else(|| fields.fault("type", "missing"))?;
    let status = fields.choice("status")?.unwrap_or(Status::New);
    let given_severity = fields.choice::<Severity>("severity")?;
    let detected_at = fields.required_string("detected_at")?;
    check_rfc3339(&detected_at).map_err(|cause| fields.fault("detected_at", cause))?;

    let mut platform = fields.required_object("platform")?;
    let platform_url = platform.required_string("url")?;
    check_url(&platform_url).map_err(|cause| platform.fault("url", cause))?;

    let mut other = Vec::new();
    let mut entity_fields = fields.required_object("entity")?;
    let entity = read_entity(&mut entity_fields, &mut other)?;

    let details = read_details(alert_type, &mut fields, &mut other);
    other.splice(0..0, platform.rest().chain(entity_fields.rest()));
    other.extend(fields.rest());
    Ok(Alert { id, status, given_severity, detected_at, platform_url, entity, details, other })
}

fn read_entity(fields: &mut Fields, other: &mut Vec<(String, Value)>) -> Result<Entity, Malformed> {
    let name = fields.required_string("name")?;
    if name.trim().is_empty() {
        return Err(fields.fault("name", "empty"));
    }
    let description = fields.text("description");
    let focal_points = match fields.take("focal_points") {
        None => Vec::new(),
        Some(Value::Array(items)) => {
            let read = |(index, item)| read_focal_point(index, item, other);
            items.into_iter().enumerate().map(read).collect()
        }
        Some(value) => {
            let why = format!("expected an array, got {}", value.kind());
            vec![Err(MisshapenFocalPoint { who: "focal_points".to_owned(), why })]
        }
    };
    Ok(Entity { name, description, focal_points })
}

fn read_focal_point(
    index: usize,
    value: Value,
    other: &mut Vec<(String, Value)>,
) -> Result<FocalPoint, MisshapenFocalPoint> {
    let position = format!("focal point {}", index + 1);
    let path = format!("entity.focal_points[{index}]");
    let mut fields =
        Fields::of(&path, value).map_err(|fault| MisshapenFocalPoint { who: position.clone(), why: fault.cause })?;
    // Whoever it is, they are named by the best there is.
    let name = fields.string("name");
    let email = fields.required_string("email");
    let who = [name.as_ref().ok().and_then(|name| name.as_ref()), email.as_ref().ok()];
    let who = who.into_iter().flatten().find(|text| !text.trim().is_empty()).unwrap_or(&position).clone();
    let misshapen = |what: &str, why: String| MisshapenFocalPoint { who: who.clone(), why: format!("{what}: {why}") };

    let name = name.map_err(|fault| misshapen("name", fault.cause))?;
    let email = email.map_err(|fault| misshapen("email", fault.cause))?;
    let active = match fields.take("active") {
        None => true,
        Some(Value::Bool(active)) => active,
        Some(value) => return Err(misshapen("active", format!("expected true or false, got {}", value.kind()))),
    };
    let function = fields.text("function");
    fields.take("phone");
    other.extend(fields.rest());
    Ok(FocalPoint { name, email, active, function })
}

fn read_details(alert_type: AlertType, fields: &mut Fields, other: &mut Vec<(String, Value)>) -> Details {
    let mut fields = fields.object("details");
    let details = match alert_type {
        AlertType::Ssl => Details::Ssl(Ssl::read(&mut fields)),
        AlertType::Domain => Details::Domain(Domain::read(&mut fields)),
        AlertType::Defacement => Details::Defacement(Defacement::read(&mut fields)),
        AlertType::Availability => Details::Availability(Availability::read(&mut fields)),
        AlertType::VirusTotal => Details::VirusTotal(VirusTotal::read(&mut fields)),
    };
    other.extend(fields.rest());
    details
}

fn check_id(id: &str) -> Result<(), String> {
    match id.chars().count() {
        0 => Err("empty".to_owned()),
        1..=MAX_ID_CHARS if id.chars().any(char::is_control) => Err("contains a control character".to_owned()),
        1..=MAX_ID_CHARS => Ok(()),
        length => Err(format!("{length} characters long; at most {MAX_ID_CHARS} are taken")),
    }
}

/// RFC 3339, section 5.6: jiff reads more than that (no seconds, no offset), so the shape is looked at first.
fn check_rfc3339(text: &str) -> Result<(), String> {
    let expected = || "expected an RFC 3339 time such as 2026-11-23T08:00:00Z".to_owned();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c.to_ascii_uppercase() }).collect();
    let time = shape.strip_prefix("0000-00-00").and_then(|rest| rest.strip_prefix(['T', ' ']));
    let rest = time.and_then(|rest| rest.strip_prefix("00:00:00")).ok_or_else(expected)?;
    let offset = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with('0') => fraction.trim_start_matches('0'),
        Some(_) => return Err(expected()),
        None => rest,
    };
    // jiff reads an offset of 24 hours and more; RFC 3339 has none.
    let given = &text[text.len() - offset.len()..];
    if !matches!(offset, "Z" | "+00:00" | "-00:00") || given.get(1..3).is_some_and(|hours| hours > "23") {
        return Err(expected());
    }
    // jiff takes 9 digits of a fraction at most; they do not decide whether there is such a time. All is ASCII here.
    let whole = format!("{}{}", &text[..19], given);
    whole.parse::<Timestamp>().map(drop).map_err(|_| "no such time".to_owned())
}

fn check_url(text: &str) -> Result<(), String> {
    // The URL standard drops line breaks and tabs silently; a URL that needs that is not one.
    if text.chars().any(char::is_control) {
        return Err("contains a control character".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(()),
        _ => Err("expected an http or https URL".to_owned()),
    }
}
