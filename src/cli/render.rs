//! `rtir-relay render`

use std::path::PathBuf;

use clap::Args;

use super::{Exit, input, output, report};
use crate::config::{Config, Environment};
use crate::relay::{NoTicket, Prepared, prepare};
use crate::rtir;

/// What to render.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rtir-relay render alert.json\n  rtir-relay render - < alert.json | jq -r .Content\n\n\
    Exit code 1: the alert would be dead-lettered; stderr says why."
)]
pub(super) struct Render {
    /// The alert; - is stdin
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The content type the message would have; application/cloudevents+json for an envelope
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
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
        let ticket = match prepare(&rules, &body, self.content_type.as_deref()) {
            Ok(Prepared { ticket: Ok(ticket), .. }) => ticket,
            Ok(Prepared { ticket: Err(NoTicket::Ignored(rule)), .. }) => {
                eprintln!("This alert makes no ticket: ignored by rule {}", rule.as_str());
                return Exit::Well;
            }
            Ok(Prepared { ticket: Err(NoTicket::Impossible(letter)), .. }) | Err(letter) => {
                eprintln!("This alert would be dead-lettered as {}. {}", letter.reason, letter.diagnosis);
                return Exit::Failed;
            }
        };
        output::print_json(&rtir::create_ticket(&ticket))
    }
}
