//! The `rtir-relay` command.

use std::process::ExitCode;

use rtir_relay::cli::Cli;

fn main() -> ExitCode {
    Cli::from_arguments().map_or_else(|exit| exit, Cli::execute)
}
