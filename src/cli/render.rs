//! `rtir-relay render`

mod explain;

use std::path::PathBuf;

use clap::Args;

use super::{Exit, input, output, report, terminal};
use crate::alert::Alert;
use crate::config::{Config, Environment};
use crate::mapping::Rules;
use crate::relay::{NoTicket, prepare};
use crate::rtir;
use crate::ticket::NewTicket;
use explain::Explanation;

/// What to render.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rtir-relay render alert.json\n  rtir-relay render - < alert.json | jq -r .Content\n  \
    rtir-relay render --explain alert.json\n  rtir-relay render --explain --json alert.json | jq .not_notified\n\n\
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
}

impl Render {
    pub(super) fn execute(&self, environment: &Environment) -> Exit {
        let rules = match Config::load_rules(environment) {
            Ok(rules) => rules,
            Err(faults) => return report(&faults),
        };
        let body = match input::read(&self.file) {
            Ok(body) => body,
            Err(exit) => return exit,
        };
        let prepared = prepare(&rules, &body, self.content_type.as_deref());
        let ticket = prepared.map_err(NoTicket::Impossible).and_then(|prepared| prepared.ticket);
        let printed = if self.explain { self.explain(&rules, &body, &ticket) } else { show(&ticket) };
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

/// Prints the ticket; says why there is none.
fn show(ticket: &Result<NewTicket, NoTicket>) -> Exit {
    match ticket {
        Ok(ticket) => return output::print_json(&rtir::create_ticket(ticket)),
        Err(NoTicket::Ignored(rule)) => eprintln!("This alert makes no ticket: ignored by rule {}", rule.as_str()),
        Err(NoTicket::Impossible(letter)) => {
            eprintln!("{}", terminal::line(&format!("This alert would be dead-lettered as {letter}")));
        }
    }
    Exit::Well
}
