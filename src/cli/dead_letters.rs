//! `rtir-relay dead-letters`
//!
//! Every command looks at the letters in walks that give all of them back; `replay`, `discard` and `edit` walk a second
//! time for what was chosen in the first, and remove a letter only when what comes instead is stored.

mod body;
mod copies;
mod desk;
mod discard;
mod edit;
mod export;
mod file;
mod list;
mod outcome;
mod replay;
mod search;
mod select;
mod show;
mod summary;

use std::sync::Arc;

use clap::{Args, Subcommand};

use super::{Exit, block_on, report};
use crate::amqp::Broker;
use crate::config::{Config, Environment};
use desk::Desk;

/// What to do with the dead letters.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtir-relay dead-letters list\n  rtir-relay dead-letters show 3f2a9c01b7de\n  \
    rtir-relay dead-letters replay --all --dry-run\n\n\
    Looking loses nothing and changes nothing; one operator at a time, the relay may run. \
    IDs come from `list`.\n\
    Exit codes: 0 well; 1 not all could be done; 2 usage; 69 the broker cannot be reached; 78 configuration.")]
pub(super) struct DeadLetters {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters, the oldest first
    List(list::List),
    /// Show one in full, with the ticket it would make now
    Show(show::Show),
    /// Give alerts back to the relay, once what stopped them is mended
    Replay(replay::Replay),
    /// Remove dead letters for good, after a copy of them is in a file
    Discard(discard::Discard),
    /// Write dead letters to a file, which `publish --raw` takes back
    Export(export::Export),
    /// Mend one in an editor and give it back to the relay
    Edit(edit::Edit),
}

impl DeadLetters {
    pub(super) fn execute(&self, environment: &Environment) -> Exit {
        let (amqp, rules) = match Config::load_amqp_and_rules(environment) {
            Ok(loaded) => loaded,
            Err(faults) => return report(&faults),
        };
        let desk = Desk { broker: Arc::new(Broker::new(Arc::new(amqp))), rules };
        block_on(async {
            let done = match &self.command {
                Command::List(command) => command.run(&desk).await,
                Command::Show(command) => command.run(&desk).await,
                Command::Replay(command) => command.run(&desk).await,
                Command::Discard(command) => command.run(&desk).await,
                Command::Export(command) => command.run(&desk).await,
                Command::Edit(command) => command.run(&desk).await,
            };
            done.unwrap_or_else(desk::Failure::report)
        })
    }
}
