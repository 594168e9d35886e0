//! What is shown to a person. Alerts and the words of servers come from outside: none of their bytes may steer a
//! terminal.

use std::fmt::Write as _;
use std::io::{IsTerminal, stdout};
use std::path::Path;

use serde::Serialize;

use crate::mapping::misleads;

/// Whether `stream` may get colours: only a terminal, and never with `NO_COLOR`. Source: no-color.org.
pub(super) fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Colours by number. Source: ECMA-48, "Select graphic rendition".
#[derive(Clone, Copy)]
pub(super) enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Grey = 90,
}

impl Colour {
    /// `text` in this colour.
    pub(super) fn paint(self, text: &str) -> String {
        format!("\x1b[{}m{text}\x1b[0m", self as u8)
    }
}

/// `text` on one line, all that misleads escaped: `\n`, `\u{1b}`.
pub(super) fn line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if misleads(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
        line
    })
}

/// As [`line()`], line breaks kept.
pub(super) fn lines(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Bytes that may be no text: as [`lines`], what is not UTF-8 as `\xff`.
pub(super) fn bytes(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::with_capacity(bytes.len()), |mut text, chunk| {
        text.push_str(&lines(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
        text
    })
}

/// The name of a file on one line, as [`bytes()`].
pub(super) fn path(path: &Path) -> String {
    line(&bytes(path.as_os_str().as_encoded_bytes()))
}

/// `value` as JSON on one line. It means the same with what misleads escaped, and stands in strings only.
pub(super) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(value)?;
    Ok(json.chars().fold(String::with_capacity(json.len()), |mut line, c| {
        if misleads(c) {
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
        line
    }))
}

/// How many columns stdout has; `None` where it is no terminal.
pub(super) fn columns() -> Option<usize> {
    let columns = || console::Term::stdout().size_checked().map_or(80, |(_, columns)| columns.into());
    stdout().is_terminal().then(columns)
}
