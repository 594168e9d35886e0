//! `rtir-relay render`

mod explain;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use jiff::Timestamp;
use url::Url;

use super::output::say;
use super::{Exit, input, output, report, terminal};
use crate::alert::Alert;
use crate::config::{Config, Environment};
use crate::mapping::Rules;
use crate::relay::{NoTicket, prepare};
use crate::rtir;
use crate::ticket::NewTicket;
use crate::trax::{Attributes, View};
use explain::Explanation;

/// What to render.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rtir-relay render alert.json\n  rtir-relay render - < alert.json | jq -r .Content\n  \
    rtir-relay render --explain alert.json\n  rtir-relay render --trax alert.json\n  rtir-relay render --explain --json alert.json | jq .not_notified\n\n\
    Exit code 1: the alert would be dead-lettered; stderr, or the explanation, says why."
)]
pub(super) struct Render {
    /// The alert; - is stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The content type the message would have; application/cloudevents+json for an envelope
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Show instead what decided the key, the category, the severity, the priority and who is notified
    #[arg(long)]
    explain: bool,
    /// Explain in JSON
    #[arg(long, requires = "explain")]
    json: bool,
    /// Show instead what trax would be sent of the ticket; the ticket's number, which only RT
    /// gives, is 0
    #[arg(long, conflicts_with = "explain")]
    trax: bool,
}

impl Render {
    pub(super) fn execute(&self, environment: &Environment) -> Exit {
        let loaded = if self.trax {
            Config::load_rules_of_hand_over(environment).map(|(rules, url, file)| (rules, Some((url, file))))
        } else {
            Config::load_rules(environment).map(|rules| (rules, None))
        };
        let (rules, hand_over) = match loaded {
            Ok(loaded) => loaded,
            Err(faults) => return report(&faults),
        };
        let body = match input::read(&self.file) {
            Ok(body) => Bytes::from(body),
            Err(exit) => return exit,
        };
        let prepared = prepare(&rules, &body, self.content_type.as_deref());
        let ticket = prepared.map_err(NoTicket::Impossible).and_then(|prepared| prepared.ticket);
        let printed = match (hand_over, &ticket) {
            (Some((url, file)), Ok(ticket)) => show_record(ticket, &url, file.as_deref()),
            _ if self.explain => self.explain(&rules, &body, &ticket),
            _ => show(&ticket),
        };
        match ticket {
            Err(NoTicket::Impossible(_)) => Exit::Failed,
            Ok(_) | Err(NoTicket::Ignored(_)) => printed,
        }
    }

    fn explain(&self, rules: &Rules, body: &[u8], ticket: &Result<NewTicket, NoTicket>) -> Exit {
        let alert = Alert::parse(body, self.content_type.as_deref()).ok();
        let explanation = Explanation::new(
            ticket,
            alert.map(|alert| {
                let decisions = rules.decide(&alert);
                (alert, decisions)
            }),
        );
        if self.json { output::print_json(&explanation) } else { output::print(explanation.to_text().as_bytes()) }
    }
}

/// Prints what trax would be sent of the ticket as soon as it is made.
fn show_record(ticket: &NewTicket, rt: &Url, attributes_file: Option<&Path>) -> Exit {
    let made = format!("{:.0}", Timestamp::now());
    let record = Attributes::load(attributes_file)
        .and_then(|attributes| attributes.record(&View::before_creation(ticket, made, rt)));
    match record {
        Ok(record) => output::print_json(&record),
        Err(fault) => {
            say!("{}", terminal::line(&fault.diagnosis().to_string()));
            Exit::Configuration
        }
    }
}

/// Prints the ticket; says why there is none.
fn show(ticket: &Result<NewTicket, NoTicket>) -> Exit {
    match ticket {
        Ok(ticket) => return output::print_json(&rtir::create_ticket(ticket)),
        Err(NoTicket::Ignored(rule)) => say!("This alert makes no ticket: ignored by rule {}", rule.as_str()),
        Err(NoTicket::Impossible(letter)) => {
            say!("{}", terminal::line(&format!("This alert would be dead-lettered as {letter}")));
        }
    }
    Exit::Well
}
