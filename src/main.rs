//! The `rtir-relay` command.

use std::process::ExitCode;

use clap::Parser;
use rtir_relay::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().execute()
}
