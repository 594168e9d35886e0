//! `rtir-relay dead-letters show`

use std::collections::HashSet;
use std::io::{Write, stdout};

use clap::Args;
use serde_json::{Map, Value, json};

use super::body::laid_out;
use super::desk::{Desk, Failure};
use super::search::Search;
use super::select::{Filters, Wanted};
use super::summary::Summary;
use crate::amqp::{Browser, Letter, LetterId};
use crate::cli::output::say;
use crate::cli::{Exit, progress, terminal};
use crate::outcome::DeadLetter;
use crate::relay::{NoTicket, Prepared};
use crate::rtir;
use crate::ticket::{EmailAddress, NewTicket};

/// What to show.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtir-relay dead-letters show 3f2a9c01b7de\n  \
    rtir-relay dead-letters show 3f2a9c01b7de --json | jq -r .body\n\n\
    The body is laid out for reading, where it is JSON; bytes that are not UTF-8 are shown as \\xff. --json has it as it \
    is: what `export` writes, what `list --json` has, and service, http_status, response, history, ticket (what RT would \
    be sent now) or no_ticket (why there is none).")]
pub(super) struct Show {
    /// The letter
    #[arg(value_name = "ID")]
    id: LetterId,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// What would become of a letter now.
enum Now {
    Ticket(Box<NewTicket>),
    Ignored(&'static str),
    DeadLetter(Box<DeadLetter>),
}

impl Show {
    pub(super) async fn run(&self, desk: &Desk) -> Result<Exit, Failure> {
        let browser = desk.open("show").await?;
        let Some(letter) = fetch(desk, &browser, self.id).await? else {
            say!("There is no dead letter {}", self.id);
            return Ok(Exit::Failed);
        };
        browser.close().await;
        let now = match desk.prepare(&letter) {
            Ok(Prepared { ticket: Ok(ticket), .. }) => Now::Ticket(Box::new(ticket)),
            Ok(Prepared { ticket: Err(NoTicket::Ignored(rule)), .. }) => Now::Ignored(rule.as_str()),
            Ok(Prepared { ticket: Err(NoTicket::Impossible(letter)), .. }) | Err(letter) => Now::DeadLetter(letter),
        };
        let summary = Summary::of(&letter, &desk.rules);
        let shown = if self.json {
            as_json(&letter, &summary, &now).and_then(|json| terminal::json(&json)).map_err(std::io::Error::from)?
        } else {
            as_text(&letter, &summary, &now)
        };
        writeln!(stdout(), "{shown}")?;
        Ok(Exit::Well)
    }
}

/// The letter, left where it is.
pub(super) async fn fetch(desk: &Desk, browser: &Browser, id: LetterId) -> Result<Option<Letter>, Failure> {
    let (ids, filters) = (HashSet::from([id]), Filters::default());
    let wanted = Wanted::Named { ids: Some(&ids), filters: &filters };
    let mut search = Search::begin(desk, browser, wanted, progress::bar).await?;
    let found = search.next().await?;
    if let Some(found) = &found {
        search.keep(found).await?;
    }
    search.close().await?;
    Ok(found.map(|found| found.held.letter))
}

fn as_json(letter: &Letter, summary: &Summary, now: &Now) -> serde_json::Result<Value> {
    let mut object = Map::new();
    for part in [serde_json::to_value(summary)?, letter.to_json()] {
        if let Value::Object(fields) = part {
            object.extend(fields);
        }
    }
    let history: Vec<_> =
        letter.history().into_iter().map(|(time, cause)| json!({ "time": time, "cause": cause })).collect();
    object.insert("service".to_owned(), letter.service().into());
    object.insert("http_status".to_owned(), letter.http_status().into());
    object.insert("response".to_owned(), letter.response().into());
    object.insert("history".to_owned(), history.into());
    let (ticket, no_ticket) = match now {
        Now::Ticket(ticket) => (serde_json::to_value(rtir::create_ticket(ticket))?, Value::Null),
        Now::Ignored(rule) => (Value::Null, format!("ignored by rule {rule}").into()),
        Now::DeadLetter(letter) => (Value::Null, letter.to_string().into()),
    };
    object.insert("ticket".to_owned(), ticket);
    object.insert("no_ticket".to_owned(), no_ticket);
    Ok(Value::Object(object))
}

fn as_text(letter: &Letter, summary: &Summary, now: &Now) -> String {
    let number = |number: i64| number.to_string();
    let mut lines = Vec::new();
    let mut field = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            lines.push(format!("{name:<14}{}", terminal::line(&value)));
        }
    };
    field("ID", Some(summary.id.clone()));
    field("Time", summary.time.clone());
    field("Reason", Some(summary.reason.clone().unwrap_or_else(|| "none".to_owned())));
    field("Message", summary.message.clone());
    field("Altered", summary.altered.clone());
    field("HTTP status", letter.http_status().map(number));
    field("RT's words", letter.response());
    field("Attempts", summary.attempts.map(number));
    for (time, cause) in letter.history() {
        field("", Some(format!("{time}  {cause}")));
    }
    field("Replays", Some(number(summary.replays)));
    field("By", letter.service());
    field("Alert", summary.alert_id.clone());
    field("Key", summary.key.clone());
    field("Type", summary.alert_type.clone());
    field("URL", summary.url.clone());
    field("Entity", summary.entity.clone());
    let origin = letter.origin();
    field("Published to", origin.map(|(exchange, key)| format!("exchange {exchange:?}, routing key {key:?}")));
    lines.push("\nHeaders".to_owned());
    for (name, value) in letter.headers() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        lines.push(format!("  {}: {}", terminal::line(name), terminal::line(&value)));
    }
    lines.push(format!("\nBody ({} bytes)", summary.size));
    lines.push(match laid_out(&letter.body) {
        Some(json) => terminal::lines(&json),
        None => terminal::bytes(&letter.body),
    });
    lines.push("\nNow".to_owned());
    lines.push(match now {
        Now::Ticket(ticket) => ticket_text(ticket),
        Now::Ignored(rule) => format!("It would be ignored by rule {rule}."),
        Now::DeadLetter(letter) => terminal::line(&format!("It would be dead-lettered as {letter}")),
    });
    lines.join("\n")
}

/// The ticket as RT's people would read it.
fn ticket_text(ticket: &NewTicket) -> String {
    let requestors: Vec<_> = ticket.requestors.iter().map(EmailAddress::as_str).collect();
    let head = [
        ("Queue", ticket.rt_queue.as_str().to_owned()),
        ("Subject", ticket.subject.as_str().to_owned()),
        ("Requestor", requestors.join(", ")),
        ("Priority", ticket.priority.to_string()),
    ];
    let head = head.map(|(name, value)| format!("{name:<14}{}", terminal::line(&value)));
    format!("It would become this ticket:\n{}\n\n{}", head.join("\n"), terminal::lines(&ticket.content).trim_end())
}
