//! `rtir-relay man`

use std::io;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;

use super::output::say;
use super::{Cli, Exit, output, terminal};

/// Where to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtir-relay man | man -l -\n  rtir-relay man /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The directory to write the pages to, one for each command; without it, all go to stdout
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl Man {
    pub(super) fn execute(&self) -> Exit {
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let mut manual = Vec::new();
        let written = pages(&command).iter().try_for_each(|page| match &self.directory {
            Some(directory) => page.generate_to(directory).map(drop),
            None => page.render(&mut manual),
        });
        match written {
            Ok(()) => output::print(&manual),
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &io::Error) -> Exit {
        let place =
            self.directory.as_ref().map(|directory| format!(" to {}", terminal::path(directory))).unwrap_or_default();
        say!("The manual cannot be written{place}: {error}");
        Exit::Failed
    }
}

/// The page of `command`, then those of the commands under it.
fn pages(command: &Command) -> Vec<Page> {
    let page = Page::new(command.clone());
    std::iter::once(page).chain(command.get_subcommands().flat_map(pages)).collect()
}
