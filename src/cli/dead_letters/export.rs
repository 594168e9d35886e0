//! `rtir-relay dead-letters export`

use std::io::{BufWriter, IsTerminal, Write, stdout};
use std::path::PathBuf;

use clap::Args;
use indicatif::ProgressBar;

use super::desk::{Desk, Failure, count};
use super::file::{LettersFile, write_letter};
use super::replay::tell_missing;
use super::search::Search;
use super::select::Selection;
use crate::cli::output::say;
use crate::cli::{Exit, progress};

/// What to export; nothing said is all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtir-relay dead-letters export --output letters.ndjson\n  \
    rtir-relay dead-letters export --type ssl | jq -r .body\n  rtir-relay publish --raw letters.ndjson\n\n\
    One JSON object a line: id exchange routing_key properties headers, and body, or body_base64 where it is not \
    UTF-8. Nothing is removed from the queue.")]
pub(super) struct Export {
    #[command(flatten)]
    selection: Selection,
    /// A new file; else stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(&self, desk: &Desk) -> Result<Exit, Failure> {
        let mut file = self.output.as_deref().map(LettersFile::create).transpose()?;
        let browser = desk.open("export").await?;
        let named = self.selection.ids();
        let wanted = self.selection.wanted(&named);
        let on_terminal = file.is_none() && stdout().is_terminal();
        let bar = |length| if on_terminal { ProgressBar::hidden() } else { progress::bar(length) };
        let mut search = Search::begin(desk, &browser, wanted, bar).await?;
        let mut out = BufWriter::new(stdout().lock());
        let mut exported = 0;
        while let Some(found) = search.next().await? {
            match &mut file {
                Some(file) => file.add(&found.held.letter)?,
                None => write_letter(&mut out, &found.held.letter)?,
            }
            exported += 1;
            search.keep(&found).await?;
        }
        out.flush()?;
        if let Some(file) = &mut file {
            file.sync()?;
        }
        let all_found = tell_missing(&named, &search.found);
        search.close().await?;
        browser.close().await;
        say!("{} exported", count(exported));
        Ok(if all_found { Exit::Well } else { Exit::Failed })
    }
}
