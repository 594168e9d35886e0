//! `rtir-relay dead-letters list`

use std::io::{self, Write, stdout};
use std::mem;

use clap::Args;
use console::{Alignment, measure_text_width, pad_str};

use super::desk::{Desk, Failure, count};
use super::search::Search;
use super::select::{Filters, Wanted};
use super::summary::Summary;
use crate::cli::output::say;
use crate::cli::{Exit, terminal};

const HEAD: [&str; 8] = ["ID", "TIME", "REASON", "TYPE", "ATT", "REP", "ALERT", "URL"];
/// How many lines are seen before the widths of the columns are fixed.
const SAMPLE: usize = 100;
/// Which columns give way on a narrow terminal, in this order, and how far.
const GIVE_WAY: [(usize, usize); 7] = [(7, 30), (6, 20), (1, 11), (7, 16), (6, 10), (3, 6), (2, 10)];
const GAP: usize = 2;

/// What to list.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtir-relay dead-letters list --reason missing_focal_points --since '2h ago'\n  \
    rtir-relay dead-letters list --json | jq -r .message | sort | uniq -c\n\n\
    Columns: ATT attempts on RT, REP replays. What neither relay nor broker dead-lettered has the reason `none`.\n\
    --json prints one object a line: id time reason message altered alert_id key type url entity attempts replays size; \
    what is not known is null.")]
pub(super) struct List {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filters: Filters,
}

impl List {
    pub(super) async fn run(&self, desk: &Desk) -> Result<Exit, Failure> {
        let browser = desk.open("list").await?;
        let wanted = Wanted::Named { ids: None, filters: &self.filters };
        // The lines themselves show that it goes on.
        let mut search = Search::begin(desk, &browser, wanted, |_| indicatif::ProgressBar::hidden()).await?;
        let mut out = stdout().lock();
        let mut table = Table { columns: terminal::columns(), waiting: Vec::new(), widths: None };
        let mut listed = 0;
        while let Some(found) = search.next().await? {
            if self.json {
                writeln!(out, "{}", terminal::json(&found.summary).map_err(io::Error::from)?)?;
            } else {
                table.add(&mut out, cells(&found.summary))?;
            }
            listed += 1;
            search.keep(&found).await?;
        }
        table.finish(&mut out)?;
        search.close().await?;
        browser.close().await;
        say!("{}", count(listed));
        Ok(Exit::Well)
    }
}

fn cells(summary: &Summary) -> [String; 8] {
    let text = |text: &Option<String>, absent: &str| text.as_deref().map_or(absent.to_owned(), terminal::line);
    // To the second.
    let time = text(&summary.time, "-");
    [
        summary.id.clone(),
        time.split_once('.').map_or(time.clone(), |(seconds, _)| format!("{seconds}Z")),
        text(&summary.reason, "none"),
        text(&summary.alert_type, "-"),
        summary.attempts.map_or("-".to_owned(), |attempts| attempts.to_string()),
        summary.replays.to_string(),
        text(&summary.alert_id, "-"),
        text(&summary.url, "-"),
    ]
}

/// Lines in columns, printed as they come once the first have shown how wide the columns are.
struct Table {
    /// Of the terminal; `None` where nothing is cut.
    columns: Option<usize>,
    waiting: Vec<[String; 8]>,
    widths: Option<[usize; 8]>,
}

impl Table {
    fn add(&mut self, out: &mut impl Write, cells: [String; 8]) -> io::Result<()> {
        if let Some(widths) = &self.widths {
            return self.print(out, &cells, widths);
        }
        self.waiting.push(cells);
        if self.waiting.len() < SAMPLE { Ok(()) } else { self.finish(out) }
    }

    /// Prints what waits.
    fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut lines = mem::take(&mut self.waiting);
        lines.insert(0, HEAD.map(str::to_owned));
        let widths = self.fit(&lines);
        self.widths = Some(widths);
        lines.iter().try_for_each(|cells| self.print(out, cells, &widths))
    }

    fn fit(&self, lines: &[[String; 8]]) -> [usize; 8] {
        let mut widths = [0; 8];
        for cells in lines {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = measure_text_width(cell).max(*width);
            }
        }
        for (column, least) in GIVE_WAY {
            let all = widths.iter().sum::<usize>() + GAP * (widths.len() - 1);
            let over = all.saturating_sub(self.columns.unwrap_or(usize::MAX));
            widths[column] = widths[column].saturating_sub(over).max(least.min(widths[column]));
        }
        widths
    }

    fn print(&self, out: &mut impl Write, cells: &[String; 8], widths: &[usize; 8]) -> io::Result<()> {
        let cut = self.columns.map(|_| "…");
        let cells = cells.iter().zip(widths).map(|(cell, width)| pad_str(cell, *width, Alignment::Left, cut));
        let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
        writeln!(out, "{}", line.trim_end())
    }
}
