//! What became of each letter, for people on stderr and for scripts on stdout.

use std::io::{Write, stdout};

use serde::Serialize;

use super::desk::Failure;
use super::search::{Found, Search};
use super::summary::Summary;
use crate::cli::terminal;

/// So many letters are named one by one to a person.
const NAMED: usize = 10;

/// Tells of each letter.
pub(super) struct Teller {
    json: bool,
    named: usize,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    alert_id: Option<&'a str>,
    outcome: &'a str,
    why: Option<&'a str>,
}

impl Teller {
    pub(super) fn new(json: bool) -> Self {
        Self { json, named: 0 }
    }

    /// All went well with this one; a person is told the sum.
    pub(super) fn done(&self, summary: &Summary, outcome: &str) -> Result<(), Failure> {
        self.line(summary, outcome, None)
    }

    /// This one stays, and why.
    pub(super) fn stays(
        &mut self,
        search: &Search<'_>,
        found: &Found,
        outcome: &str,
        why: &str,
    ) -> Result<(), Failure> {
        match self.named {
            _ if self.json => {}
            0..NAMED => search.say(&format!("  {} stays: {}", found.summary.name(), terminal::line(why))),
            NAMED => search.say("  and others; --json names all"),
            _ => {}
        }
        self.named += 1;
        self.line(&found.summary, outcome, Some(why))
    }

    fn line(&self, summary: &Summary, outcome: &str, why: Option<&str>) -> Result<(), Failure> {
        if self.json {
            let line = Line { id: &summary.id, alert_id: summary.alert_id.as_deref(), outcome, why };
            writeln!(stdout(), "{}", terminal::json(&line).map_err(std::io::Error::from)?)?;
        }
        Ok(())
    }
}
