//! A run as one Markdown table (or a few) and one JSON file, and how it compares with an earlier one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::machine;
use super::settings::{Settings, variable};
use super::summary::{Metric, Row, Table, figure};

/// How a table is shown.
pub struct Shown {
    pub metrics: &'static [Metric],
    /// The row that others are related to.
    pub reference: &'static str,
}

/// One run, as the file has it.
#[derive(Serialize, Deserialize)]
struct Run {
    about: BTreeMap<String, String>,
    rounds: usize,
    tables: Vec<Table>,
}

/// Prints the tables, writes both files, and compares with an earlier run if that is asked for.
pub fn publish(kind: &str, about: BTreeMap<String, String>, settings: &Settings, tables: Vec<(Table, Shown)>) {
    let (tables, shown): (Vec<_>, Vec<_>) = tables.into_iter().filter(|(table, _)| !table.rows.is_empty()).unzip();
    let run = Run { about, rounds: settings.rounds, tables };
    let mut text = String::new();
    for (name, value) in &run.about {
        let _ = writeln!(text, "- {name}: {value}");
    }
    let _ = writeln!(text, "- rounds: {}; medians, with the least and the greatest in brackets", run.rounds);
    for (table, shown) in run.tables.iter().zip(&shown) {
        let _ = write!(text, "\n{}:\n\n{}", table.title, markdown(table, shown));
    }
    if let Some(path) = &settings.compare {
        let earlier = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let earlier: Run = serde_json::from_slice(&earlier).unwrap_or_else(|error| panic!("{path}: {error}"));
        text += &comparison(path, &run, &earlier, &shown);
    }
    let now = run.about["taken"].replace([' ', ':'], "-");
    let file = directory().join(format!("{kind}-{now}.json"));
    fs::write(&file, serde_json::to_vec_pretty(&run).unwrap()).unwrap();
    fs::write(file.with_extension("md"), &text).unwrap();
    println!("{text}\nIn {} and .md", file.display());
}

fn markdown(table: &Table, shown: &Shown) -> String {
    let reference = table.rows.iter().find(|row| row.name == shown.reference);
    let mut lines = vec!["| |".to_owned(), "|---|".to_owned()];
    for metric in shown.metrics {
        let heads = [metric.head, "x"];
        for head in &heads[..=usize::from(metric.is_related && reference.is_some())] {
            let _ = write!(lines[0], " {head} |");
            lines[1] += "--:|";
        }
    }
    for row in &table.rows {
        let mut line = format!("| {} |", row.name);
        for metric in shown.metrics {
            let values = row.get(metric.name);
            let _ = write!(line, " {} |", values.show());
            if let Some(reference) = reference.filter(|_| metric.is_related) {
                let _ = write!(line, " {} |", values.over(&reference.get(metric.name)).show());
            }
        }
        lines.push(line);
    }
    let note = if reference.is_some() && table.rows.len() > 1 {
        format!("\nx: multiples of \"{}\", round by round.\n", shown.reference)
    } else {
        String::new()
    };
    lines.join("\n") + "\n" + &note
}

/// This run's medians as multiples of an earlier run's.
fn comparison(path: &str, run: &Run, earlier: &Run, shown: &[Shown]) -> String {
    let mut text = format!("\nMultiples of {path} (its machine: {}, its relay: ", earlier.about["machine"]);
    let _ = writeln!(text, "{}):", earlier.about["relay"]);
    for (table, shown) in run.tables.iter().zip(shown) {
        let Some(before) = earlier.tables.iter().find(|before| before.title == table.title) else { continue };
        let heads: Vec<_> = shown.metrics.iter().map(|metric| metric.head).collect();
        let _ = writeln!(text, "\n| {} | {} |", table.title, heads.join(" | "));
        let _ = writeln!(text, "|---|{}", "--:|".repeat(heads.len()));
        for row in &table.rows {
            let Some(before) = before.rows.iter().find(|before| before.name == row.name) else { continue };
            let ratios = shown.metrics.iter().map(|metric| ratio(row, before, metric));
            let _ = writeln!(text, "| {} | {} |", row.name, ratios.collect::<Vec<_>>().join(" | "));
        }
    }
    text
}

fn ratio(row: &Row, before: &Row, metric: &Metric) -> String {
    let medians = (row.get(metric.name).median(), before.get(metric.name).median());
    match medians {
        (Some(now), Some(then)) if then != 0.0 => figure(now / then),
        _ => "-".to_owned(),
    }
}

/// Where the files go.
pub fn directory() -> PathBuf {
    variable("BENCH_DIR").unwrap().into()
}

/// What a run was made on.
pub fn about(setting: String) -> BTreeMap<String, String> {
    let mut about = machine::description();
    about.insert("settings".to_owned(), setting);
    about
}
