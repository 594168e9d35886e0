//! Printing what a command is asked for.

use std::io::{ErrorKind, Write, stdout};

use serde::Serialize;

use super::Exit;

/// Prints `text` as it is.
pub(super) fn print(text: &[u8]) -> Exit {
    match stdout().write_all(text).and_then(|()| stdout().flush()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("The output cannot be written: {error}");
            Exit::Failed
        }
        _ => Exit::Well,
    }
}

/// Prints `value` as JSON for people and scripts.
pub(super) fn print_json(value: &impl Serialize) -> Exit {
    match serde_json::to_string_pretty(value) {
        Ok(json) => print(format!("{json}\n").as_bytes()),
        Err(error) => {
            eprintln!("The output cannot be written as JSON: {error}");
            Exit::Failed
        }
    }
}
