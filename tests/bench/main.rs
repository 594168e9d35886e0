//! Benchmarks: the relay beside others that do the same, and in front of a real RT. See README.md.
//!
//!     make bench       # against an RT that answers at once: what the relay itself costs
//!     make bench-rt    # against a real RT: what RT pays for a ticket

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod bare;
mod contender;
mod instant;
mod instant_rt;
mod machine;
mod process;
mod publisher;
mod real;
mod report;
mod rt_database;
mod settings;
mod summary;

use settings::Settings;

fn main() {
    let word = std::env::args().nth(1).unwrap_or_default();
    match word.as_str() {
        // The two that are measured, or measured with, are this program too, each in a process of its own.
        instant_rt::WORD => runtime(true).block_on(instant_rt::serve()),
        bare::WORD => runtime(true).block_on(bare::consume()),
        "instant" => runtime(false).block_on(instant::run(&Settings::read())),
        "real" => runtime(false).block_on(real::run(&Settings::read())),
        _ => panic!("run it by `make bench` or `make bench-rt`"),
    }
}

fn runtime(on_one_thread: bool) -> tokio::runtime::Runtime {
    let mut builder = if on_one_thread {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build().unwrap()
}
