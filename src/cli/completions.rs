//! `rtir-relay completions`

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::{Cli, Exit, output};

/// For which shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rtir-relay completions bash > /usr/share/bash-completion/completions/rtir-relay\n  \
    rtir-relay completions zsh > /usr/local/share/zsh/site-functions/_rtir-relay\n  \
    rtir-relay completions fish > ~/.config/fish/completions/rtir-relay.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(&self) -> Exit {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        generate(self.shell, &mut command, name, &mut script);
        output::print(&script)
    }
}
