//! What trax takes: one record of a ticket, its attributes made by templates.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use minijinja::value::{Object, Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, context};
use serde::Serialize;
use serde_json::Map;
use url::Url;

use crate::diagnosis::Diagnosis;
use crate::rtir::{Shown, page_of};
use crate::ticket::{ALERT_ID_FIELD, NewTicket, TicketId};

/// What is handed over where `TRAX_ATTRIBUTES_FILE` says nothing else. Source: trax, "Example: Integrating issue
/// trackers".
pub const DEFAULT_ATTRIBUTES: &str = include_str!("attributes.toml");
/// How many steps one template may take; the built-in ones take fewer than ten.
const FUEL: u64 = 100_000;

/// The body of a request to the postbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    data: [Issue; 1],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Issue {
    /// The ticket's number: a record that comes again is known by it.
    id: u64,
    attributes: Map<String, serde_json::Value>,
}

/// What templates see of a ticket.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    id: u64,
    subject: String,
    content: String,
    priority: i64,
    status: String,
    created: String,
    requestors: Vec<String>,
    url: String,
    /// Several values of one field are joined by commas.
    custom_fields: BTreeMap<String, String>,
}

impl View {
    /// The ticket as RT shows it, with its first message and its page.
    pub fn of(ticket: &Shown, content: String, page: &Url) -> Self {
        let custom_fields = ticket.custom_fields.iter().map(|(name, values)| (name.clone(), values.join(", ")));
        Self {
            id: ticket.id.0,
            subject: ticket.subject.clone(),
            content,
            priority: ticket.priority,
            status: ticket.status.clone(),
            created: ticket.created.clone(),
            requestors: ticket.requestors.clone(),
            url: page.to_string(),
            custom_fields: custom_fields.collect(),
        }
    }

    /// The ticket that an alert would make now in the RT at `base`, under the number 0, which RT gives to none.
    pub fn before_creation(ticket: &NewTicket, created: String, base: &Url) -> Self {
        let id = TicketId(0);
        Self {
            id: id.0,
            subject: ticket.subject.as_str().to_owned(),
            content: ticket.content.clone(),
            priority: ticket.priority.into(),
            status: "new".to_owned(),
            created,
            requestors: ticket.requestors.iter().map(|requestor| requestor.as_str().to_owned()).collect(),
            url: page_of(base, id).to_string(),
            custom_fields: BTreeMap::from([(ALERT_ID_FIELD.to_owned(), ticket.key.to_string())]),
        }
    }

    /// A ticket to try templates on.
    fn sample(requestors: Vec<String>) -> Self {
        Self {
            id: 1,
            subject: "Defacement: https://www.example.org/".to_owned(),
            content: "The page has changed.".to_owned(),
            priority: 100,
            status: "new".to_owned(),
            created: "2026-01-02T03:04:05Z".to_owned(),
            requestors,
            url: "https://rt.example.org/Ticket/Display.html?id=1".to_owned(),
            custom_fields: BTreeMap::new(),
        }
    }
}

/// Templates that make the attributes of a record.
pub struct Attributes {
    environment: Environment<'static>,
    /// In the order of the file.
    names: Vec<String>,
}

/// The attributes cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl Fault {
    /// The fault with what mends it.
    pub fn diagnosis(&self) -> Diagnosis {
        let cure = "Mend the file; `rtir-relay render --trax` shows what it makes of an alert";
        Diagnosis::other("TRAX_ATTRIBUTES_FILE cannot be used", &self.0, cure)
    }
}

impl Attributes {
    /// Those of `file`, or the built-in ones.
    ///
    /// # Errors
    /// As for [`Attributes::parse`], or the file cannot be read.
    pub fn load(file: Option<&Path>) -> Result<Self, Fault> {
        let Some(path) = file else { return Self::parse(DEFAULT_ATTRIBUTES) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| Fault(format!("{} cannot be read: {error}", path.display())))?;
        Self::parse(&text).map_err(|Fault(why)| Fault(format!("{}: {why}", path.display())))
    }

    /// Reads a TOML table of templates, and tries each on a ticket with and one without requestors.
    ///
    /// # Errors
    /// It is no such table, or a template fails.
    pub fn parse(toml: &str) -> Result<Self, Fault> {
        let table: toml::Table = toml::from_str(toml).map_err(|error| Fault(one_line(&error.to_string())))?;
        if table.is_empty() {
            return Err(Fault("it names no attribute".to_owned()));
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // By default an attribute whose name ends in .html would be escaped.
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        let mut names = Vec::with_capacity(table.len());
        for (name, template) in table {
            let toml::Value::String(template) = template else {
                return Err(Fault(format!("{name}: takes a template in quotes, such as \"{{{{ subject }}}}\"")));
            };
            environment.add_template_owned(name.clone(), template).map_err(|error| fault_of(&name, &error))?;
            names.push(name);
        }
        let attributes = Self { environment, names };
        for (requestors, of) in [(vec!["a@example.org".to_owned()], ""), (vec![], " of a ticket without requestors")] {
            let sample = View::sample(requestors);
            // Which custom fields tickets have, only RT knows.
            let sample = context! { custom_fields => Value::from_object(AnyField), ..Value::from(Serde(sample)) };
            attributes.make(&sample).map_err(|Fault(why)| Fault(why + of))?;
        }
        Ok(attributes)
    }

    /// The record of a ticket.
    ///
    /// # Errors
    /// A template fails on it.
    pub fn record(&self, ticket: &View) -> Result<Record, Fault> {
        let attributes = self.make(&Value::from(Serde(ticket)))?;
        Ok(Record { data: [Issue { id: ticket.id, attributes }] })
    }

    fn make(&self, ticket: &Value) -> Result<Map<String, serde_json::Value>, Fault> {
        let make = |name: &String| {
            let made = self.environment.get_template(name).and_then(|template| template.render(ticket));
            Ok((name.clone(), made.map_err(|error| fault_of(name, &error))?.into()))
        };
        self.names.iter().map(make).collect()
    }
}

/// A ticket's custom fields, whatever they are called.
#[derive(Debug)]
struct AnyField;

impl Object for AnyField {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some("a value".into())
    }
}

fn fault_of(name: &str, error: &minijinja::Error) -> Fault {
    Fault(format!("{name}: {}", one_line(&error.to_string())))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
