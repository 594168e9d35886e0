//! What a terminal is shown.

use std::io::IsTerminal;

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
