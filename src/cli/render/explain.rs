//! What decided a ticket, for people and for scripts.

use serde::Serialize;

use crate::alert::Alert;
use crate::cli::terminal;
use crate::mapping::{self, Decisions};
use crate::relay::NoTicket;
use crate::ticket::NewTicket;

/// What becomes of an alert, and what decided it.
#[derive(Serialize)]
pub(super) struct Explanation {
    /// `ticket`, `ignored` or `dead_letter`.
    fate: &'static str,
    /// The rule that ignores it, or the reason in the dead letter.
    reason: Option<&'static str>,
    because: String,
    /// Absent where the message is not an alert.
    #[serde(flatten)]
    decided: Option<Decided>,
}

/// What was decided about an alert.
#[derive(Serialize)]
struct Decided {
    alert_id: String,
    key: Because<String>,
    category: Because<&'static str>,
    severity: Because<&'static str>,
    priority: Because<u8>,
    notified: Vec<Notified>,
    not_notified: Vec<NotNotified>,
}

/// A value, and what decided it.
#[derive(Serialize)]
struct Because<T> {
    value: T,
    because: String,
}

/// Somebody who is notified; two may share an address, which is one requestor.
#[derive(Serialize)]
struct Notified {
    address: String,
    who: String,
    because: &'static str,
}

/// Somebody who is not.
#[derive(Serialize)]
struct NotNotified {
    /// Its place in the alert, from 1.
    focal_point: usize,
    who: String,
    because: String,
}

impl Explanation {
    /// Of a ticket or the want of it, and of the decisions about the alert, where there is one.
    pub(super) fn new(ticket: &Result<NewTicket, NoTicket>, alert: Option<(Alert, Decisions)>) -> Self {
        let status = alert.as_ref().map(|(alert, _)| format!("status {}", alert.status)).unwrap_or_default();
        let (fate, reason, because) = match ticket {
            Ok(_) => ("ticket", None, status),
            Err(NoTicket::Ignored(rule)) => ("ignored", Some(rule.as_str()), status),
            Err(NoTicket::Impossible(letter)) => {
                ("dead_letter", Some(letter.reason.as_str()), letter.diagnosis.to_string())
            }
        };
        let decided = alert.map(|(alert, decisions)| Decided::new(alert.id, decisions));
        Self { fate, reason, because, decided }
    }

    /// One line each: the name, the value, what decided it.
    pub(super) fn to_text(&self) -> String {
        let fate = self.reason.map_or_else(|| self.fate.to_owned(), |reason| format!("{}: {reason}", self.fate));
        let mut text = String::new();
        line(&mut text, "Fate", &fate, &self.because);
        if let Some(decided) = &self.decided {
            decided.write(&mut text);
        }
        text
    }
}

impl Decided {
    fn new(alert_id: String, decisions: Decisions) -> Self {
        let Decisions { category, severity, priority, key, notified } = decisions;
        let told = |person: mapping::Person| Notified {
            address: person.address.as_str().to_owned(),
            who: person.who,
            because: person.because,
        };
        let left_out =
            |left: mapping::LeftOut| NotNotified { focal_point: left.position, who: left.who, because: left.why };
        Self {
            alert_id,
            key: Because { value: key.0.to_string(), because: key.1 },
            category: Because { value: category.0.as_str(), because: category.1.to_owned() },
            severity: Because { value: severity.0.as_str(), because: severity.1 },
            priority: Because { value: priority.0, because: priority.1 },
            notified: notified.people.into_iter().map(told).collect(),
            not_notified: notified.left_out.into_iter().map(left_out).collect(),
        }
    }

    fn write(&self, text: &mut String) {
        line(text, "Key", &self.key.value, &self.key.because);
        line(text, "Category", self.category.value, &self.category.because);
        line(text, "Severity", self.severity.value, &self.severity.because);
        line(text, "Priority", &self.priority.value.to_string(), &self.priority.because);
        for Notified { address, who, because } in &self.notified {
            line(text, "Notified", address, &format!("{because}: {who}"));
        }
        for NotNotified { focal_point, who, because } in &self.not_notified {
            line(text, "Not notified", &format!("focal point {focal_point}"), &format!("{because}: {who}"));
        }
    }
}

/// A line that stays one, and controls no terminal, whatever the alert holds.
fn line(text: &mut String, name: &str, value: &str, because: &str) {
    text.push_str(&terminal::line(&format!("{name:<12} {value} ({because})")));
    text.push('\n');
}
