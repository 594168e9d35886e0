//! What is measured, how long and how often; from the environment, that is from `make`.

use std::time::Duration;

/// One run of the benchmarks.
pub struct Settings {
    /// How often everything is measured, one contender after the other each time.
    pub rounds: usize,
    /// Only contenders with this word in their name are measured.
    pub only: String,
    /// How many alerts wait when a contender is started.
    pub backlog: usize,
    /// A rate is measured no longer.
    pub window: Duration,
    /// How often the start is measured in a round.
    pub starts: usize,
    /// How long an idle contender is watched.
    pub idle: Duration,
    /// How long 50 alerts are published a second.
    pub pace: Duration,
    /// The backlogs that show whether rate and memory depend on them.
    pub growth: Vec<usize>,
    /// As `window`, for those.
    pub growth_window: Duration,
    /// How many alerts each contender takes in a round, of a real RT.
    pub tickets: usize,
    /// How many tickets with a key a real RT has before.
    pub tickets_before: usize,
    /// The file of an earlier run to compare with.
    pub compare: Option<String>,
}

impl Settings {
    /// `QUICK=1` is everything once and briefly, to see that it works; other variables override it.
    pub fn read() -> Self {
        let quick = variable("QUICK").is_some();
        let mut growth = if quick { vec![1_000, 5_000] } else { vec![1_000, 10_000, 100_000] };
        if variable("MILLION").is_some() {
            growth.push(1_000_000);
        }
        let seconds = |usual, quickly| Duration::from_secs(if quick { quickly } else { usual });
        let count = |usual, quickly| if quick { quickly } else { usual };
        Self {
            rounds: number("ROUNDS", count(5, 1)),
            only: variable("ONLY").unwrap_or_default(),
            backlog: count(10_000, 1_000),
            window: seconds(10, 2),
            starts: count(3, 1),
            idle: seconds(5, 1),
            pace: seconds(8, 1),
            growth,
            growth_window: seconds(30, 3),
            tickets: number("ALERTS", count(60, 10)),
            tickets_before: number("TICKETS", count(2_000, 100)),
            compare: variable("COMPARE"),
        }
    }
}

/// A variable that is set to something.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str, default: usize) -> usize {
    variable(name).map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}: not a number: {value}")))
}
