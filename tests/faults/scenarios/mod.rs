//! Faults that are made for real while a load of alerts is under way: the short form is part of `make test`, the long
//! one is `make faults`.

pub mod answers;
pub mod broker;
pub mod cluster;
pub mod dead_letters;
pub mod fairness;
pub mod killed;
pub mod restarts;
pub mod rt;
pub mod stage;
pub mod trax;
pub mod unreadable;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Short,
    Long,
}

impl Form {
    pub fn of<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// What became of the alerts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All that were published, those that cannot become a ticket too.
    pub alerts: usize,
    /// Those with neither ticket nor dead letter.
    pub lost: usize,
    /// Tickets of an alert beyond one that are not merged.
    pub doubled: usize,
    /// Tickets that were made twice and merged.
    pub merged: usize,
    /// Alerts that lie there and should have become tickets.
    pub dead_letters: usize,
}

impl Tally {
    /// Of the alerts with the keys `good` and the bodies `bad`, from the tickets that RT has in the end (key, and whether
    /// merged) and the bodies in the dead-letter queue.
    fn of(
        good: &[String],
        tickets: impl IntoIterator<Item = (String, bool)>,
        bad: &BTreeSet<String>,
        letters: &BTreeSet<String>,
    ) -> Self {
        let mut unmerged: BTreeMap<_, usize> = good.iter().map(|key| (key.clone(), 0)).collect();
        let mut merged = 0;
        for (key, is_merged) in tickets {
            let count = unmerged.get_mut(&key).unwrap_or_else(|| panic!("a ticket of no alert: {key}"));
            if is_merged {
                merged += 1;
            } else {
                *count += 1;
            }
        }
        let dead_letters = letters.difference(bad).count();
        let without_ticket = unmerged.values().filter(|count| **count == 0).count();
        Self {
            alerts: good.len() + bad.len(),
            lost: without_ticket.saturating_sub(dead_letters) + bad.difference(letters).count(),
            doubled: unmerged.values().map(|count| count.saturating_sub(1)).sum(),
            merged,
            dead_letters,
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    pub fault: &'static str,
    /// How often it was made.
    pub times: usize,
    pub tally: Tally,
    /// How long it took to go on each time, and from when.
    pub resumed: Resumed,
}

/// Times from a mend (or a fault that mends itself) to the next ticket.
#[derive(Debug, Default)]
pub struct Resumed(pub Vec<Duration>);

impl Row {
    /// # Panics
    /// Something was lost, doubled or dead-lettered.
    pub fn assert_clean(&self) {
        let Tally { lost, doubled, dead_letters, .. } = self.tally;
        assert_eq!((lost, doubled, dead_letters), (0, 0, 0), "lost, doubled, dead letters: {self:?}");
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, times, tally, resumed } = self;
        let Tally { alerts, lost, doubled, merged, dead_letters } = tally;
        write!(f, "| {fault} | {times} | {alerts} | {lost} | {doubled} | {merged} | {dead_letters} | {resumed} |")
    }
}

impl fmt::Display for Resumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |time: &Duration| format!("{:.1} s", time.as_secs_f64());
        match (self.0.iter().min(), self.0.iter().max()) {
            (Some(least), Some(most)) if self.0.len() > 1 => write!(f, "{} to {}", seconds(least), seconds(most)),
            (Some(only), _) => f.write_str(&seconds(only)),
            _ => f.write_str("-"),
        }
    }
}

/// Small, fast, the same on every run. Source: xorshift64, Marsaglia 2003.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// From 0 to `end`, without it.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}
