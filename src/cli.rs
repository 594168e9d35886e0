//! The commands: one file each. Data goes to stdout, the rest to stderr.

mod check;
mod completions;
mod dead_letters;
mod healthcheck;
mod input;
mod man;
mod output;
mod progress;
mod publish;
mod render;
mod run;
mod terminal;
mod trax;

use std::io::stderr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::alert;
use crate::config::{Environment, Fault, Log};
use crate::telemetry;
use output::say;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Well = 0,
    /// The thing asked for failed.
    Failed = 1,
    /// Wrong usage, or a file that cannot be read. Also clap's.
    Usage = 2,
    /// The broker or RT cannot be reached. Source: sysexits.h, `EX_UNAVAILABLE`.
    Unavailable = 69,
    /// Wrong configuration. Source: sysexits.h, `EX_CONFIG`.
    Configuration = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Takes security alerts from RabbitMQ and makes exactly one ticket of each in RTIR.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  rtir-relay check\n  rtir-relay run\n  rtir-relay dead-letters list\n\n\
    Settings come from the environment; README lists them all.\n\
    Exit codes: 0 well, 1 the thing failed, 2 usage, 69 a server cannot be reached, 78 configuration."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Relay alerts until SIGTERM or SIGINT
    #[command(after_help = "Examples:\n  rtir-relay run\n  LOG=debug LOG_FORMAT=text rtir-relay run\n\n\
        Exit code 78: the configuration is wrong, or the broker or RT refuses the credentials at start.")]
    Run,
    /// Walk the whole way of an alert, and say what is wrong and what mends it
    Check(check::Check),
    /// Show the JSON that RT would be sent for an alert; asks no server
    Render(render::Render),
    /// Publish alerts to the exchange
    Publish(publish::Publish),
    /// List, inspect, mend, replay and discard what could not become a ticket
    DeadLetters(dead_letters::DeadLetters),
    /// See and drive the hand-over of tickets to TTS trax
    Trax(trax::Trax),
    /// Ask a running relay whether it is well; for containers
    Healthcheck(healthcheck::Healthcheck),
    /// Print the JSON Schema of an alert
    #[command(after_help = "Examples:\n  rtir-relay schema > alert.schema.json\n  \
        check-jsonschema --schemafile alert.schema.json alert.json\n\n\
        What the schema refuses in details and focal points, the relay takes all the same.")]
    Schema,
    /// Print what makes a shell complete commands and options
    Completions(completions::Completions),
    /// Print the manual, or write its pages to a directory
    Man(man::Man),
}

impl Cli {
    /// The command that the arguments of the process ask for.
    ///
    /// # Errors
    /// They ask for none; what is wrong was said, or the help that they ask for printed.
    pub fn from_arguments() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            let text = error.render().to_string();
            if text == terminal::lines(&text) {
                // Whoever reads it has seen enough.
                let _ = error.print();
            } else {
                say!("{}", text.trim_end());
            }
            u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        })
    }

    /// Runs the command.
    pub fn execute(self) -> ExitCode {
        let environment = Environment::of_process();
        // Faults of it are reported with those of the rest.
        telemetry::init(&Log::load(&environment).unwrap_or_default(), terminal::colours(&stderr()));
        match self.command {
            Command::Run => run::execute(&environment),
            Command::Check(command) => command.execute(&environment),
            Command::Render(command) => command.execute(&environment),
            Command::Publish(command) => command.execute(&environment),
            Command::DeadLetters(command) => command.execute(&environment),
            Command::Trax(command) => command.execute(&environment),
            Command::Healthcheck(command) => command.execute(&environment),
            Command::Schema => output::print_json(&alert::schema()),
            Command::Completions(command) => command.execute(),
            Command::Man(command) => command.execute(),
        }
        .into()
    }
}

/// Says all that is wrong with the configuration.
fn report(faults: &[Fault]) -> Exit {
    say!("The configuration has {} fault{}:", faults.len(), if faults.len() == 1 { "" } else { "s" });
    for fault in faults {
        say!("  {fault}");
    }
    Exit::Configuration
}

/// Runs `work` on a tokio runtime.
fn block_on(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            say!("The runtime cannot be started: {error}");
            Exit::Failed
        }
    }
}
