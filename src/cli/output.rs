//! Printing what a command is asked for.

use std::io::{ErrorKind, Write, stderr, stdout};

use serde::Serialize;

use super::{Exit, terminal};

/// Says something to the person at stderr, as `say!` does. Where stderr takes nothing, nothing is said: the command
/// goes on, and its exit code still tells.
macro_rules! say {
    ($($argument:tt)*) => {
        $crate::cli::output::tell(&format!($($argument)*))
    };
}
pub(super) use say;

/// What [`say!`] does.
pub(super) fn tell(text: &str) {
    // Whatever it names may come from outside.
    let _ = stderr().write_all(format!("{}\n", terminal::lines(text)).as_bytes());
}

/// Prints `text` as it is.
pub(super) fn print(text: &[u8]) -> Exit {
    match stdout().write_all(text).and_then(|()| stdout().flush()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say!("The output cannot be written: {error}");
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
            say!("The output cannot be written as JSON: {error}");
            Exit::Failed
        }
    }
}
