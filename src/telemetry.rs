//! Logs: to stderr, as text on a terminal and JSON elsewhere.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Starts logging as `log` says, in colours if they may be. Call once.
pub fn init(log: &Log, colours: bool) {
    let filter = EnvFilter::new(&log.filter).and(filter_fn(keeps_secrets));
    let text = log.format.map_or_else(|| stderr().is_terminal(), |format| format == LogFormat::Text);
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines = if text {
        lines.with_ansi(colours).boxed()
    } else {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

/// Libraries log what goes over the wire at their finer levels, the broker's password among it: those stay off, also
/// if `LOG` asks for them. lapin stays off whole: it reports as an error what the relay expects or handles itself.
fn keeps_secrets(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target.starts_with(env!("CARGO_CRATE_NAME")) || (*metadata.level() <= Level::INFO && !target.starts_with("lapin"))
}
