//! `rtir-relay check`

use std::io::{Write, stdout};

use clap::Args;
use serde::Serialize;

use super::terminal::{self, Colour, colours};
use super::{Exit, block_on};
use crate::check::{Findings, Step, Verdict, Walk};
use crate::config::{Config, Environment, Fault};
use crate::diagnosis::{Diagnosis, Trouble};

/// What to look at.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rtir-relay check\n  rtir-relay check --offline   # before a start, asks no server\n  \
    rtir-relay check --write     # makes a test ticket and resolves it\n  \
    rtir-relay check --json | jq 'select(.status == \"FAIL\")'\n\n\
    Changes nothing without --write. Exit codes: 0 nothing failed; 1 a step failed; 78 the configuration is wrong."
)]
pub(super) struct Check {
    /// Look at the configuration only
    #[arg(long, conflicts_with = "write")]
    offline: bool,
    /// Prove what reading cannot: make a ticket, marked as a test and without requestors, find it, comment on it,
    /// resolve it; and store a test dead letter that expires as soon as no other is before it
    #[arg(long)]
    write: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn execute(&self, environment: &Environment) -> Exit {
        let printer = Printer { json: self.json, colours: colours(&stdout()) };
        let print = |step, verdict: &Verdict| printer.print(step, verdict);
        let mut findings = Findings::new(&print);
        let config = Config::load(environment).map_err(|faults| faults.iter().map(diagnosis_of).collect());
        let walk = match config.and_then(|config| Walk::new(config).map_err(|diagnosis| vec![diagnosis])) {
            Ok(walk) => walk,
            Err(diagnoses) => {
                for diagnosis in diagnoses {
                    findings.fail(Step::Configuration, diagnosis);
                }
                return Exit::Configuration;
            }
        };
        walk.configuration(&mut findings);
        if self.offline {
            return Exit::Well;
        }
        block_on(async {
            walk.servers(self.write, &mut findings).await;
            if findings.have_failed() { Exit::Failed } else { Exit::Well }
        })
    }
}

fn diagnosis_of(fault: &Fault) -> Diagnosis {
    let what = format!("{} cannot be used", fault.variable);
    match &fault.got {
        Some(got) => Diagnosis::other(what, format!("it is {got:?}"), format!("It takes {}", fault.takes)),
        None => Diagnosis::other(what, &fault.takes, "Set it as README says, or not at all"),
    }
}

/// Prints each step as it ends.
struct Printer {
    json: bool,
    colours: bool,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    step: &'static str,
    status: &'static str,
    trouble: Option<&'static str>,
    what: &'a str,
    why: Option<&'a str>,
    cure: Option<&'a str>,
}

impl Printer {
    fn print(&self, step: Step, verdict: &Verdict) {
        let text = if self.json { json(step, verdict) } else { self.text(step, verdict) };
        // Whoever reads it has seen enough, and the exit code still tells.
        let _ = writeln!(stdout(), "{text}");
    }

    fn text(&self, step: Step, verdict: &Verdict) -> String {
        let status = format!("{:<14}", verdict.as_str());
        let status = if self.colours { colour(verdict).paint(&status) } else { status };
        let head = format!("{status}  {:<23}", step.as_str());
        match verdict {
            Verdict::Well(seen) | Verdict::Skipped(seen) => format!("{head}  {}", terminal::line(seen)),
            Verdict::Warning(diagnosis) | Verdict::Failed(diagnosis) | Verdict::NotVerifiable(diagnosis) => {
                let Diagnosis { trouble, what, why, cure } = diagnosis;
                let trouble = trouble.map(|trouble| format!("{trouble}: ")).unwrap_or_default();
                let [what, why, cure] = [what, why, cure].map(|text| terminal::line(text));
                format!("{head}  {trouble}{what}\n{:16}why   {why}\n{:16}cure  {cure}", "", "")
            }
        }
    }
}

fn json(step: Step, verdict: &Verdict) -> String {
    let (step, status) = (step.as_str(), verdict.as_str());
    let line = match verdict {
        Verdict::Well(what) | Verdict::Skipped(what) => {
            Line { step, status, trouble: None, what, why: None, cure: None }
        }
        Verdict::Warning(diagnosis) | Verdict::Failed(diagnosis) | Verdict::NotVerifiable(diagnosis) => {
            let Diagnosis { trouble, what, why, cure } = diagnosis;
            Line { step, status, trouble: trouble.map(Trouble::as_str), what, why: Some(why), cure: Some(cure) }
        }
    };
    terminal::json(&line).unwrap_or_default()
}

fn colour(verdict: &Verdict) -> Colour {
    match verdict {
        Verdict::Well(_) => Colour::Green,
        Verdict::Warning(_) => Colour::Yellow,
        Verdict::Failed(_) => Colour::Red,
        Verdict::Skipped(_) | Verdict::NotVerifiable(_) => Colour::Grey,
    }
}
