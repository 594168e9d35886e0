//! A walk through the dead letters that stops at those that are wanted.

use std::collections::HashSet;

use indicatif::ProgressBar;

use super::copies::{Copies, Removed};
use super::desk::{Desk, Failure};
use super::select::Wanted;
use super::summary::Summary;
use crate::amqp::{Browser, Held, LetterId, Walk};
use crate::cli::output::say;
use crate::cli::progress;

/// So many walks may it take until removed letters are gone: each takes out some, however slow the broker.
const MOST_WALKS: usize = 50;

/// A walk. To be closed.
pub(super) struct Search<'a> {
    walk: Walk<'a>,
    desk: &'a Desk,
    wanted: Wanted<'a>,
    bar: ProgressBar,
    removed: Removed,
    /// The IDs it has stopped at.
    pub found: HashSet<LetterId>,
}

/// A letter that is wanted.
pub(super) struct Found {
    pub held: Held,
    pub summary: Summary,
}

impl<'a> Search<'a> {
    pub(super) async fn begin(
        desk: &'a Desk,
        browser: &'a Browser,
        wanted: Wanted<'a>,
        bar: impl FnOnce(u64) -> ProgressBar,
    ) -> Result<Self, Failure> {
        let walk = browser.walk().await?;
        let bar = bar(walk.left() as u64);
        Ok(Self { walk, desk, wanted, bar, removed: Removed::default(), found: HashSet::new() })
    }

    /// The next that is wanted; those before it stay. It has to be kept or removed before the next.
    pub(super) async fn next(&mut self) -> Result<Option<Found>, Failure> {
        while let Some(held) = self.walk.next().await? {
            self.bar.inc(1);
            let (id, summary) = (held.letter.id(), Summary::of(&held.letter, &self.desk.rules));
            if self.wanted.takes(&held.letter, id, &summary) {
                self.found.insert(id);
                return Ok(Some(Found { held, summary }));
            }
            self.leave(&held).await?;
        }
        Ok(None)
    }

    /// Leaves it where it is.
    pub(super) async fn keep(&mut self, found: &Found) -> Result<(), Failure> {
        self.leave(&found.held).await
    }

    /// Removes it for good. Once the walk is closed, [`make_sure`] has to see to it.
    pub(super) async fn remove(&mut self, found: &Found) -> Result<(), Failure> {
        self.walk.remove(&found.held).await?;
        self.removed.removed(found.held.letter.fingerprint());
        Ok(())
    }

    /// Prints to stderr without breaking the bar.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| say!("{text}"));
    }

    /// Gives back all that was not removed; says what was.
    pub(super) async fn close(self) -> Result<Removed, Failure> {
        self.bar.finish_and_clear();
        self.walk.close().await?;
        Ok(self.removed)
    }

    async fn leave(&mut self, held: &Held) -> Result<(), Failure> {
        if matches!(self.wanted, Wanted::Chosen(_)) {
            self.removed.stays(held.letter.fingerprint());
        }
        Ok(self.walk.keep(held).await?)
    }
}

/// Takes out of the queue what is left of what was `removed`, until a walk finds none: RabbitMQ may lose acknowledgements
/// when a channel closes after many (rabbitmq-server#10327), and those letters come back. A letter that is identical and
/// has come since stays, as do those of `chosen`.
pub(super) async fn make_sure(browser: &Browser, mut removed: Removed, chosen: &Copies) -> Result<(), Failure> {
    removed.all_stay(chosen);
    for _ in 0..MOST_WALKS {
        if removed.is_empty() {
            return Ok(());
        }
        let mut walk = browser.walk().await?;
        let bar = progress::bar(walk.left() as u64);
        while let Some(held) = walk.next().await? {
            bar.inc(1);
            if removed.is_left_over(held.letter.fingerprint(), held.redelivered) {
                walk.remove(&held).await?;
            } else {
                walk.keep(&held).await?;
            }
        }
        bar.finish_and_clear();
        walk.close().await?;
        removed.next_walk();
    }
    Err(Failure::Failed(
        "Removed dead letters keep coming back to the queue. See the broker's log, then try again".to_owned(),
    ))
}
