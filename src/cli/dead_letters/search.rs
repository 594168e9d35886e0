//! A walk through the dead letters that stops at those that are wanted.

use std::collections::HashSet;

use indicatif::ProgressBar;

use super::desk::{Desk, Failure};
use super::select::{Filters, Wanted};
use super::summary::Summary;
use crate::amqp::{Browser, Held, LetterId, Walk};
use crate::cli::progress;

/// So many walks may it take until removed letters are gone: each takes out some, however slow the broker.
const MOST_WALKS: usize = 50;

/// A walk. To be closed.
pub(super) struct Search<'a> {
    walk: Walk<'a>,
    desk: &'a Desk,
    wanted: Wanted<'a>,
    bar: ProgressBar,
    /// The IDs it has stopped at.
    pub found: HashSet<LetterId>,
}

/// A letter that is wanted.
pub(super) struct Found {
    pub held: Held,
    pub id: LetterId,
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
        Ok(Self { walk, desk, wanted, bar, found: HashSet::new() })
    }

    /// The next that is wanted; those before it stay. It has to be kept or removed before the next.
    pub(super) async fn next(&mut self) -> Result<Option<Found>, Failure> {
        while let Some(held) = self.walk.next().await? {
            self.bar.inc(1);
            let (id, summary) = (held.letter.id(), Summary::of(&held.letter, &self.desk.rules));
            if self.wanted.is(id, &summary) {
                self.found.insert(id);
                return Ok(Some(Found { held, id, summary }));
            }
            self.walk.keep(&held).await?;
        }
        Ok(None)
    }

    /// Leaves it where it is.
    pub(super) async fn keep(&mut self, found: &Found) -> Result<(), Failure> {
        Ok(self.walk.keep(&found.held).await?)
    }

    /// Removes it for good.
    pub(super) async fn remove(&mut self, found: &Found) -> Result<(), Failure> {
        Ok(self.walk.remove(&found.held).await?)
    }

    /// Prints to stderr without breaking the bar.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    /// Gives back all that was not removed.
    pub(super) async fn close(self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        Ok(self.walk.close().await?)
    }
}

/// Takes out of the queue what is left of `removed` letters, until a walk finds none: RabbitMQ may lose acknowledgements
/// when a channel closes after many (rabbitmq-server#10327), and those letters come back.
pub(super) async fn make_sure(desk: &Desk, browser: &Browser, removed: &HashSet<LetterId>) -> Result<(), Failure> {
    let filters = Filters::default();
    let wanted = Wanted { ids: Some(removed), filters: &filters };
    for _ in 0..MOST_WALKS {
        let mut search = Search::begin(desk, browser, wanted, progress::bar).await?;
        while let Some(found) = search.next().await? {
            search.remove(&found).await?;
        }
        let none_left = search.found.is_empty();
        search.close().await?;
        if none_left {
            return Ok(());
        }
    }
    Err(Failure::Failed(
        "Removed letters keep coming back to the queue. See the broker's log, then try again".to_owned(),
    ))
}
