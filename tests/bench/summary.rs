//! What was measured: a value for each round, and what is said of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One thing that is measured.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name in the file.
    pub name: &'static str,
    /// The head of its column.
    pub head: &'static str,
    /// It is also shown as a multiple of the table's reference.
    pub is_related: bool,
}

/// A metric that stands alone.
pub const fn metric(name: &'static str, head: &'static str) -> Metric {
    Metric { name, head, is_related: false }
}

/// A metric that is also related to the table's reference.
pub const fn related(name: &'static str, head: &'static str) -> Metric {
    Metric { name, head, is_related: true }
}

/// The values of one metric, one for each round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Values(pub Vec<f64>);

impl Values {
    pub fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(sorted[middle]),
            _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
        }
    }

    /// The multiples of `others`, round by round: what both had of the machine is the same within a round only.
    pub fn over(&self, others: &Self) -> Self {
        Self(self.0.iter().zip(&others.0).map(|(own, other)| own / other).collect())
    }

    /// The median, and the least and the greatest in brackets.
    pub fn show(&self) -> String {
        let Some(median) = self.median() else { return "-".to_owned() };
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.0.len() == 1 {
            figure(median)
        } else {
            format!("{} [{}-{}]", figure(median), figure(least), figure(greatest))
        }
    }
}

/// A number with about three digits that count.
pub fn figure(number: f64) -> String {
    match number.abs() {
        0.0 => "0".to_owned(),
        large if large >= 100.0 => format!("{number:.0}"),
        large if large >= 10.0 => format!("{number:.1}"),
        large if large >= 0.1 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// The value below which `percent` of `values` are.
pub fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() * percent).div_ceil(100).saturating_sub(1)]
}

/// What one contender made of the metrics.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub values: BTreeMap<String, Values>,
}

impl Row {
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), values: BTreeMap::new() }
    }

    /// Adds the value of one round.
    pub fn add(&mut self, metric: &str, value: f64) {
        self.values.entry(metric.to_owned()).or_default().0.push(value);
    }

    pub fn get(&self, metric: &str) -> Values {
        self.values.get(metric).cloned().unwrap_or_default()
    }
}

/// What was measured together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    pub title: String,
    pub rows: Vec<Row>,
}
