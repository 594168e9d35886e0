//! REST 2.0 as RT spells it. Source: RT 5, `RT::REST2`, and answers recorded from RT 5.0.3.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::Flaw;
use crate::ticket::{ALERT_ID_FIELD, AlertKey, EmailAddress, NewTicket, REPORTED_FIELD, RtQueueName, TicketId};

/// The body that creates `ticket`. RT takes any key it knows, even `id` and `Creator`: so the keys are fixed here, and
/// nothing of an alert ever becomes one.
pub fn create_ticket(ticket: &NewTicket) -> impl Serialize + '_ {
    CreateTicket {
        queue: ticket.rt_queue.as_str(),
        subject: ticket.subject.as_str(),
        content: &ticket.content,
        content_type: "text/plain",
        requestor: ticket.requestors.iter().map(EmailAddress::as_str).collect(),
        priority: ticket.priority,
        status: "new",
        custom_fields: CustomFields { alert_id: ticket.key.as_str() },
        attachments: ticket.attachment.as_deref().map(|alert| {
            [Attachment { name: "alert.json", content_type: "application/json", base64: BASE64_STANDARD.encode(alert) }]
        }),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateTicket<'a> {
    queue: &'a str,
    subject: &'a str,
    content: &'a str,
    content_type: &'static str,
    requestor: Vec<&'a str>,
    priority: u8,
    status: &'static str,
    custom_fields: CustomFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<[Attachment; 1]>,
}

#[derive(Serialize)]
pub(super) struct CustomFields<'a> {
    #[serde(rename = "Alert ID")]
    alert_id: &'a str,
}

#[derive(Serialize)]
struct Attachment {
    #[serde(rename = "FileName")]
    name: &'static str,
    #[serde(rename = "FileType")]
    content_type: &'static str,
    #[serde(rename = "FileContent")]
    base64: String,
}

/// The body that writes the key on a ticket.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetKey<'a> {
    custom_fields: CustomFields<'a>,
}

impl<'a> SetKey<'a> {
    pub(super) fn to(key: &'a AlertKey) -> Self {
        Self { custom_fields: CustomFields { alert_id: key.as_str() } }
    }
}

/// The body that writes when a ticket was handed over.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetReported {
    custom_fields: Reported,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Reported {
    reported: String,
}

impl SetReported {
    /// RT takes this form for fields of a date, and of date and time, whatever the user's time zone; in RFC 3339 it
    /// loses the time of day.
    pub(super) fn at(time: Timestamp) -> Self {
        Self { custom_fields: Reported { reported: time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string() } }
    }
}

/// The body that merges a ticket into another.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MergeInto {
    pub merge_into: u64,
}

/// The body that comments on a ticket.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Comment<'a> {
    subject: &'a str,
    content: &'a str,
    content_type: &'static str,
}

impl<'a> Comment<'a> {
    pub(super) fn plain(subject: &'a str, content: &'a str) -> Self {
        Self { subject, content, content_type: "text/plain" }
    }
}

/// The body that sets the status of a ticket.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetStatus {
    status: &'static str,
}

impl SetStatus {
    pub(super) const RESOLVED: Self = Self { status: "resolved" };
}

/// The query that finds the tickets of an RT queue. The name is quoted; its quotes are escaped by backslashes.
pub fn query_of_queue(rt_queue: &RtQueueName) -> String {
    format!("Queue = '{}'", rt_queue.as_str().replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The query that finds the tickets of any of `keys`. Their alphabet needs no quoting. No condition on Queue, since an
/// analyst may have moved the ticket; `EffectiveId > 0` makes RT return merged tickets too, which it else leaves out.
pub(super) fn query(keys: &[AlertKey]) -> String {
    let conditions: Vec<_> = keys.iter().map(|key| format!("'CF.{{{ALERT_ID_FIELD}}}' = '{key}'")).collect();
    let any = conditions.join(" OR ");
    if keys.len() > 1 { format!("({any}) AND EffectiveId > 0") } else { format!("{any} AND EffectiveId > 0") }
}

/// The most items RT puts on a page.
pub(super) const PER_PAGE: usize = 100;
/// A search is read so many pages far.
pub(super) const MAX_PAGES: usize = 100;

/// One page of a search. RT's `total` and `pages` may be null or a float: neither is read.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
}

/// RT's answer to who it is.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    pub version: String,
}

/// One condition of a search for anything but tickets.
#[derive(Serialize)]
pub(super) struct Condition<'a> {
    pub field: &'static str,
    pub value: &'a str,
}

/// A ticket as RT shows it: an object, never an array, which serde would take for a struct by the places of its items.
#[derive(Deserialize)]
pub struct Ticket(Map<String, Value>);

/// What a ticket shows of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShownKey {
    /// It has the field, and these values in it.
    Values(Vec<String>),
    /// It shows no such field.
    NoField,
}

impl Ticket {
    /// Its id, if it shows one.
    pub fn id(&self) -> Option<TicketId> {
        read_id(self.field("id"))
    }

    /// The ticket that this one is merged into, or itself.
    pub(super) fn effective_id(&self) -> Option<TicketId> {
        read_id(self.field("EffectiveId"))
    }

    pub(super) fn subject(&self) -> &str {
        self.field("Subject").as_str().unwrap_or_default()
    }

    /// RT's status `resolved`.
    pub(super) fn is_resolved(&self) -> bool {
        self.field("Status") == "resolved"
    }

    /// RT's status `deleted`.
    pub(super) fn is_deleted(&self) -> bool {
        self.field("Status") == "deleted"
    }

    /// The id of the ticket's queue.
    pub(super) fn queue(&self) -> Option<u64> {
        read_id(self.field("Queue")).map(|id| id.0)
    }

    /// Where reading the ticket `asked` for leads, if that is another: RT shows what it is merged into.
    pub fn merged_into(&self, asked: TicketId) -> Option<TicketId> {
        self.id().filter(|shown| *shown != asked)
    }

    /// Whether it shows exactly this key.
    pub fn has_key(&self, key: &AlertKey) -> bool {
        matches!(self.key(), ShownKey::Values(values) if values.iter().any(|value| value == key.as_str()))
    }

    /// What it shows of its key. `CustomFields` is `""` where its queue has no field that the user may see.
    pub(super) fn key(&self) -> ShownKey {
        self.values_of(ALERT_ID_FIELD).map_or(ShownKey::NoField, ShownKey::Values)
    }

    /// The values of a custom field; `None` where it shows no such field. Of several fields of the name, which RT lists
    /// in any order, those of all.
    pub(super) fn values_of(&self, custom_field: &str) -> Option<Vec<String>> {
        let fields = self.custom_fields().filter(|(name, _)| *name == custom_field);
        fields.map(|(_, values)| values).reduce(|all, values| [all, values].concat())
    }

    /// The custom fields it shows, with their values.
    pub(super) fn custom_fields(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        let fields = self.field("CustomFields").as_array().map(Vec::as_slice).unwrap_or_default();
        fields.iter().filter_map(|field| {
            let values = field["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            Some((
                field["name"].as_str()?,
                values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect(),
            ))
        })
    }

    /// Whether it says when it was handed over, in any field of the name. RT keeps a date that is emptied over REST as
    /// 1970.
    pub(super) fn is_reported(&self) -> bool {
        let mut times = self.custom_fields().filter(|(name, _)| *name == REPORTED_FIELD).flat_map(|(_, times)| times);
        times.any(|time| !time.is_empty() && !time.starts_with("1970-"))
    }

    /// The text in one of its plain fields.
    pub(super) fn text(&self, field: &str) -> String {
        self.field(field).as_str().unwrap_or_default().to_owned()
    }

    /// RT's Priority, a number or the text of one.
    pub(super) fn priority(&self) -> i64 {
        let priority = self.field("Priority");
        priority.as_i64().or_else(|| priority.as_str()?.parse().ok()).unwrap_or_default()
    }

    /// The e-mail addresses of its Requestors, as far as they have one; `None` where RT does not show them. (What RT
    /// calls their `id` is the name of an RT user.)
    pub(super) fn requestors(&self) -> Option<Vec<String>> {
        let people = self.field("Requestor").as_array()?;
        let addresses = people.iter().map(|person| person.get("EmailAddress")?.as_str());
        let addresses: Option<Vec<_>> = addresses.collect();
        Some(addresses?.into_iter().filter(|address| !address.is_empty()).map(str::to_owned).collect())
    }

    fn field(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }
}

/// An id as RT writes it: a number, the text of one, or an object that has it.
pub(super) fn read_id(value: &Value) -> Option<TicketId> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        Value::Object(object) => return read_id(object.get("id")?),
        _ => None,
    }
    .filter(|id| *id > 0)
    .map(TicketId)
}

/// What is read of an RT queue.
#[derive(Deserialize)]
pub struct RtQueue {
    #[serde(rename = "Disabled", default)]
    disabled: Value,
    #[serde(rename = "TicketCustomFields", default)]
    ticket_custom_fields: Value,
    #[serde(rename = "_hyperlinks", default)]
    hyperlinks: Value,
    #[serde(rename = "Lifecycle", default)]
    lifecycle: Value,
}

impl RtQueue {
    pub(super) fn enabled(&self) -> bool {
        matches!(&self.disabled, Value::String(text) if text == "0") || self.disabled == 0
    }

    /// Whether the user may create tickets in it.
    pub(super) fn takes_tickets(&self) -> bool {
        let links = self.hyperlinks.as_array().map(Vec::as_slice).unwrap_or_default();
        links.iter().any(|link| link["ref"] == "create" && link["type"] == "ticket")
    }

    /// The name of its lifecycle.
    pub(super) fn lifecycle(&self) -> &str {
        self.lifecycle.as_str().unwrap_or_default()
    }

    /// Whether its tickets have a custom field of this name, as far as the user may see.
    pub(super) fn has_field(&self, name: &str) -> bool {
        !self.fields_named(name).is_empty()
    }

    /// The numbers of its tickets' custom fields of this name, as far as the user may see.
    pub(super) fn fields_named(&self, name: &str) -> Vec<u64> {
        let fields = self.ticket_custom_fields.as_array().map(Vec::as_slice).unwrap_or_default();
        let named = fields.iter().filter(|field| field["name"] == name);
        named.filter_map(|field| read_id(&field["id"])).map(|id| id.0).collect()
    }
}

/// RT's pattern for any text but none. Source: RT 5, `RT::CustomField::FriendlyPattern`.
const MANDATORY: &str = "(?#Mandatory).";

/// What is read of a custom field.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CustomField {
    #[serde(default)]
    r#type: Value,
    #[serde(default)]
    pattern: Value,
}

impl CustomField {
    /// Why RT would drop a key that is written on it; `None` if it would not.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        if self.r#type.as_str().is_some_and(|kind| kind != "Freeform") {
            return Some(Flaw::FieldType);
        }
        let any = |pattern: &str| pattern.is_empty() || pattern == MANDATORY;
        self.pattern.as_str().is_some_and(|pattern| !any(pattern)).then_some(Flaw::FieldPattern)
    }
}
