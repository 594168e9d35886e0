//! Who takes the alerts: the relay, and what it is compared with.

use std::path::Path;
use std::process::Command;

use super::bare;
use super::process::Process;
use super::settings::variable;
use crate::support::eventually::eventually;

/// The variables that all contenders read.
pub type Environment = Vec<(String, String)>;

/// A way to make tickets of alerts.
pub struct Contender {
    pub name: &'static str,
    program: Program,
    /// What it is given beside what all are.
    others: &'static [(&'static str, &'static str)],
    /// How many of it run at once.
    copies: usize,
}

#[derive(Clone, Copy)]
enum Program {
    Relay,
    Bare,
    Python,
    Node,
}

/// As many requests at once as the relay has at most, over connections that stay.
const WIDE: [(&str, &str); 2] = [("RTIR_CONCURRENCY", "64"), ("RTIR_KEEP_ALIVE", "true")];
const WIDE_3: &[(&str, &str)] = &[WIDE[0], WIDE[1], ("BENCH_REQUESTS", "3")];
const WIDE_1: &[(&str, &str)] = &[WIDE[0], WIDE[1], ("BENCH_REQUESTS", "1")];
/// As the relay does by itself: two requests at once, each over a connection of its own.
const NARROW: [(&str, &str); 2] = [("RTIR_CONCURRENCY", "2"), ("RTIR_KEEP_ALIVE", "false")];
const NARROW_3: &[(&str, &str)] = &[NARROW[0], NARROW[1], ("BENCH_REQUESTS", "3")];
const NARROW_1: &[(&str, &str)] = &[NARROW[0], NARROW[1], ("BENCH_REQUESTS", "1")];
const TRAX_DOWN: &[(&str, &str)] = &[("TRAX_URL", "http://127.0.0.1:1/"), ("TRAX_TOKEN", "token")];

/// Whose rates the others' are compared with.
pub const BARE_3: &str = "bare loop, 3 requests";
/// The relay as it is started by default.
const RELAY: Contender = one("relay, defaults", Program::Relay, &[]);
/// The relay where it has most to do.
pub const RELAY_WIDE: Contender = one("relay, 64 at once", Program::Relay, &WIDE);

/// Those that are set before an RT that answers at once.
pub const INSTANT: [Contender; 9] = [
    RELAY,
    one("bare loop, 3 requests, 2 at once", Program::Bare, NARROW_3),
    RELAY_WIDE,
    one(BARE_3, Program::Bare, WIDE_3),
    one("bare loop, create only", Program::Bare, WIDE_1),
    one("Node.js, 3 requests", Program::Node, WIDE_3),
    one("Node.js, create only", Program::Node, WIDE_1),
    one("Python, 3 requests", Program::Python, WIDE_3),
    one("Python, create only", Program::Python, WIDE_1),
];

/// The least that RT can be asked.
pub const BOUND: &str = "bound: create only, session";

/// Those that are set before a real RT.
pub const REAL: [Contender; 4] = [
    RELAY,
    Contender { name: "plain script: create only, Basic", program: Program::Python, others: NARROW_1, copies: 2 },
    one(BOUND, Program::Bare, NARROW_1),
    one("relay, trax down", Program::Relay, TRAX_DOWN),
];

const fn one(name: &'static str, program: Program, others: &'static [(&'static str, &'static str)]) -> Contender {
    Contender { name, program, others, copies: 1 }
}

impl Contender {
    /// Starts it; what it says goes into `log`, in place of what was there.
    pub fn start(&self, environment: &Environment, log: &Path) -> Contest {
        std::fs::write(log, "").unwrap();
        let start = |_| Process::start(&mut self.command(environment), log);
        Contest((0..self.copies).map(start).collect())
    }

    fn command(&self, environment: &Environment) -> Command {
        let mut command = match self.program {
            Program::Relay => Command::new(variable("RELAY").unwrap()),
            Program::Bare => Command::new(std::env::current_exe().unwrap()),
            Program::Python => Command::new(variable("BENCH_PYTHON").unwrap()),
            Program::Node => Command::new("node"),
        };
        let peers = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/peers");
        command.arg(match self.program {
            Program::Relay => "run".to_owned(),
            Program::Bare => bare::WORD.to_owned(),
            Program::Python => format!("{peers}/consumer.py"),
            Program::Node => format!("{peers}/consumer.js"),
        });
        let inherited = ["PATH", "NODE_PATH"].into_iter().filter_map(|name| Some((name, variable(name)?)));
        command.env_clear().envs(inherited).envs(environment.iter().cloned()).envs(self.others.iter().copied());
        if matches!(self.program, Program::Relay) {
            // It takes one of the two; a token for one whose sessions this RT refuses.
            let by_token = variable("TOKEN").is_some();
            let unused: &[&str] = if by_token { &["RTIR_USERNAME", "RTIR_PASSWORD"] } else { &["RTIR_TOKEN"] };
            for name in unused {
                command.env_remove(name);
            }
        }
        command
    }
}

/// Has the relay declare its exchanges and queues, as it does when it is first started.
pub async fn declare_topology(environment: &Environment, log: &Path) {
    let relay = RELAY.start(environment, log);
    let consumes = || std::fs::read_to_string(log).unwrap().contains("consuming queue");
    eventually("the relay to consume", async || consumes().then_some(())).await;
    relay.stop().await;
}

/// A contender at work.
pub struct Contest(Vec<Process>);

impl Contest {
    pub fn cpu(&self) -> f64 {
        self.0.iter().map(Process::cpu).sum()
    }

    pub fn cpu_of_threads(&self) -> f64 {
        self.0.iter().map(Process::cpu_of_threads).sum()
    }

    pub fn memory(&self) -> f64 {
        self.0.iter().map(Process::memory).sum()
    }

    pub fn peak_memory(&self) -> f64 {
        self.0.iter().map(Process::peak_memory).sum()
    }

    pub async fn stop(self) {
        for process in self.0 {
            process.stop().await;
        }
    }
}
