//! A bar for long work.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget};

/// From how many messages on a terminal shows a bar.
const BAR_FROM: u64 = 20;

/// A bar for `length` messages, on stderr; hidden where it is no terminal, or the work is short.
pub(super) fn bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::hidden());
    if stderr().is_terminal() && length > BAR_FROM {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    bar
}
