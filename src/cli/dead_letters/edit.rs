//! `rtir-relay dead-letters edit`

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use clap::Args;
use tempfile::NamedTempFile;
use tokio::signal::unix::{SignalKind, signal};

use super::body::laid_out;
use super::copies::Copies;
use super::desk::{Desk, Failure};
use super::replay::not_stored;
use super::search::{Search, make_sure};
use super::select::{Filters, Wanted};
use super::show::fetch;
use crate::amqp::{Letter, LetterId, ReplayId};
use crate::cli::output::say;
use crate::cli::{Exit, progress, terminal};

/// What to mend.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  EDITOR='code --wait' rtir-relay dead-letters edit 3f2a9c01b7de\n\n\
    Opens the body in $VISUAL or $EDITOR, JSON laid out for reading. If it was changed and the relay would take it now, it \
    is published to the relay's queue, and only then the dead letter is removed. If it would be dead-lettered again, \
    nothing happens, and the file is kept. The dead letters are not locked while the editor is open.")]
pub(super) struct Edit {
    /// The letter
    #[arg(value_name = "ID")]
    id: LetterId,
}

impl Edit {
    pub(super) async fn run(&self, desk: &Desk) -> Result<Exit, Failure> {
        let editor = editor()?;
        let browser = desk.open("edit").await?;
        let letter = fetch(desk, &browser, self.id).await?;
        browser.close().await;
        let Some(mut letter) = letter else {
            say!("There is no dead letter {}", self.id);
            return Ok(Exit::Failed);
        };
        let before =
            laid_out(&letter.body).map_or_else(|| letter.body.clone(), |json| format!("{json}\n").into_bytes());
        let file = tempfile::Builder::new().prefix("dead-letter-").suffix(".json").tempfile()?;
        file.as_file().write_all(&before)?;
        open(&editor, file.path())?;
        let after = std::fs::read(file.path())?;
        // Editors end the last line.
        if text(&after) == text(&before) {
            say!("The body is as it was: nothing is changed");
            return Ok(Exit::Well);
        }
        text(&after).clone_into(&mut letter.body);
        match self.exchange(desk, &letter).await {
            Ok(()) => Ok(Exit::Well),
            Err(failure) => {
                let exit = failure.report();
                keep(file)?;
                Ok(exit)
            }
        }
    }

    /// Publishes the mended letter, then removes the one that it was.
    async fn exchange(&self, desk: &Desk, mended: &Letter) -> Result<(), Failure> {
        if let Some(letter) = desk.would_fail(mended) {
            let why = terminal::line(&letter.to_string());
            return Err(Failure::Failed(format!("It would be dead-lettered again as {why}")));
        }
        let browser = desk.open("edit").await?;
        let (ids, filters) = (HashSet::from([self.id]), Filters::default());
        let wanted = Wanted::Named { ids: Some(&ids), filters: &filters };
        let mut search = Search::begin(desk, &browser, wanted, progress::bar).await?;
        let amqp_queue = &desk.amqp().amqp_queue;
        let mut published = false;
        // Identical copies, too: one mended alert stands for all.
        while let Some(found) = search.next().await? {
            if !published {
                let publish =
                    browser.publisher().publish("", amqp_queue, mended.replayed(&ReplayId::unique()), &mended.body);
                publish.await.map_err(|error| Failure::Failed(not_stored(&error, "", amqp_queue)))?;
                say!("Published to queue {amqp_queue:?}");
                published = true;
            }
            search.remove(&found).await?;
        }
        let removed = search.close().await?;
        make_sure(&browser, removed, &Copies::default()).await?;
        browser.close().await;
        if !published {
            return Err(Failure::Failed(format!("Somebody has removed the dead letter {} meanwhile", self.id)));
        }
        say!("Dead letter {} removed", self.id);
        Ok(())
    }
}

/// What was edited is not lost with a failure.
fn keep(file: NamedTempFile) -> Result<(), Failure> {
    let (_, path) = file.keep().map_err(|error| error.error)?;
    say!(
        "What you wrote is kept in {}. Once it is mended: rtir-relay publish FILE, then discard the dead letter",
        terminal::path(&path)
    );
    Ok(())
}

fn editor() -> Result<String, Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    set("VISUAL")
        .or_else(|| set("EDITOR"))
        .ok_or_else(|| Failure::Usage("Set VISUAL or EDITOR to the editor to use, such as EDITOR=vi".to_owned()))
}

/// Waits until the editor is closed. What stands in `$EDITOR` is a command of the shell, as others take it.
fn open(editor: &str, file: &Path) -> Result<(), Failure> {
    // A Ctrl-C in the editor is the editor's.
    let _ours = signal(SignalKind::interrupt())?;
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status()?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Failed(format!("The editor ended with {status}: nothing is changed")))
}

/// Without the line break at the end.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}
