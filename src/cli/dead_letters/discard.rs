//! `rtir-relay dead-letters discard`

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;

use super::copies::{Copies, Removed};
use super::desk::{Desk, Failure, Manner, count};
use super::file::LettersFile;
use super::outcome::Teller;
use super::replay::tell_missing;
use super::search::{Found, Search, make_sure};
use super::select::{Selection, Wanted};
use crate::amqp::Browser;
use crate::cli::output::say;
use crate::cli::{Exit, progress, terminal};

/// So many letters, or bytes of their bodies, are written to disk at a time before they are removed.
const BATCH_LETTERS: usize = 256;
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What to remove for good.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtir-relay dead-letters discard 3f2a9c01b7de\n  \
    rtir-relay dead-letters discard --reason malformed_alert --until '30 days ago' --yes\n\n\
    What is removed is first written to a new file, as `export` does; `publish --raw` takes it back.\n\
    --json prints one object a line: id alert_id outcome (discarded would_discard) why.")]
pub(super) struct Discard {
    #[command(flatten)]
    selection: Selection,
    /// The new file that keeps what is removed; by default discarded-TIME.ndjson in the working directory
    #[arg(long, value_name = "FILE", conflicts_with = "no_backup")]
    backup: Option<PathBuf>,
    /// Keep no copy
    #[arg(long)]
    no_backup: bool,
    #[command(flatten)]
    manner: Manner,
}

impl Discard {
    pub(super) async fn run(&self, desk: &Desk) -> Result<Exit, Failure> {
        self.selection.check()?;
        self.manner.check()?;
        let browser = desk.open("discard").await?;
        let teller = Teller::new(self.manner.json);
        let (mut chosen, letters, all_found) = self.choose(desk, &browser, &teller).await?;
        let exit = if all_found { Exit::Well } else { Exit::Failed };
        if self.manner.dry_run || letters == 0 {
            return Ok(exit);
        }
        let without_copy = if self.no_backup { " without keeping a copy" } else { "" };
        if !self.manner.ask(&format!("Discard {} for good{without_copy}?", count(letters)))? {
            return Ok(Exit::Failed);
        }
        let mut backup = self.backup()?;
        let (discarded, removed) = discard(desk, &browser, &mut chosen, backup.as_mut(), &teller).await?;
        make_sure(&browser, removed, &chosen).await?;
        browser.close().await;
        match backup {
            Some(file) => say!("{} discarded, and kept in {}", count(discarded), terminal::path(file.path())),
            None => say!("{} discarded", count(discarded)),
        }
        Ok(exit)
    }

    async fn choose(&self, desk: &Desk, browser: &Browser, teller: &Teller) -> Result<(Copies, usize, bool), Failure> {
        let named = self.selection.ids();
        let wanted = self.selection.wanted(&named);
        let mut search = Search::begin(desk, browser, wanted, progress::bar).await?;
        let (mut chosen, mut letters) = (Copies::default(), 0);
        while let Some(found) = search.next().await? {
            letters += 1;
            chosen.add(found.held.letter.fingerprint());
            if self.manner.dry_run {
                teller.done(&found.summary, "would_discard")?;
            }
            search.keep(&found).await?;
        }
        let all_found = tell_missing(&named, &search.found);
        search.close().await?;
        say!("{} found", count(letters));
        Ok((chosen, letters, all_found))
    }

    fn backup(&self) -> Result<Option<LettersFile>, Failure> {
        if self.no_backup {
            return Ok(None);
        }
        let by_default = || format!("discarded-{}.ndjson", Timestamp::now().strftime("%Y%m%dT%H%M%SZ")).into();
        LettersFile::create(&self.backup.clone().unwrap_or_else(by_default)).map(Some)
    }
}

/// Removes what was chosen, each letter only when it is on the disk. How many that were, and what has to be gone.
async fn discard(
    desk: &Desk,
    browser: &Browser,
    chosen: &mut Copies,
    mut backup: Option<&mut LettersFile>,
    teller: &Teller,
) -> Result<(usize, Removed), Failure> {
    let mut search = Search::begin(desk, browser, Wanted::Chosen(chosen), progress::bar).await?;
    let (mut batch, mut bytes, mut discarded) = (Vec::new(), 0, 0);
    loop {
        let found = search.next().await?;
        let over = found.is_none();
        if let Some(found) = found {
            if let Some(file) = &mut backup {
                file.add(&found.held.letter)?;
            }
            bytes += found.held.letter.body.len();
            batch.push(found);
        }
        if over || batch.len() >= BATCH_LETTERS || bytes >= BATCH_BYTES {
            if let Some(file) = &mut backup {
                file.sync()?;
            }
            discarded += batch.len();
            remove_all(&mut search, batch.drain(..), teller).await?;
            bytes = 0;
        }
        if over {
            return Ok((discarded, search.close().await?));
        }
    }
}

async fn remove_all(
    search: &mut Search<'_>,
    batch: impl Iterator<Item = Found>,
    teller: &Teller,
) -> Result<(), Failure> {
    for found in batch {
        search.remove(&found).await?;
        teller.done(&found.summary, "discarded")?;
    }
    Ok(())
}
