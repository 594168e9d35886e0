//! `rtir-relay dead-letters replay`

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, Instant};

use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use super::copies::Copies;
use super::desk::{Desk, Failure, Manner, count};
use super::outcome::Teller;
use super::search::{Found, Search, make_sure};
use super::select::{Selection, Wanted};
use crate::amqp::{Browser, Letter, LetterId, PublishError, ReplayId};
use crate::cli::output::say;
use crate::cli::publish::{in_full, why_hopeless};
use crate::cli::{Exit, progress};
use crate::config::Amqp;

/// How long letters are held at a time: the broker takes them back from whoever holds them for half an hour.
const HOLD_FOR: Duration = Duration::from_mins(5);

/// What to replay.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  rtir-relay dead-letters replay --reason missing_focal_points --dry-run\n  \
    rtir-relay dead-letters replay --all --yes --rate 5/s\n  rtir-relay dead-letters replay 3f2a9c01b7de --force\n\n\
    Each alert is rendered first, with the settings of now. One that would be dead-lettered again stays, and the exit \
    code is 1. A letter is removed only when the broker has stored the replay; replaying twice does no harm.\n\
    --json prints one object a line: id alert_id outcome (replayed would_replay would_fail not_stored) why.")]
pub(super) struct Replay {
    #[command(flatten)]
    selection: Selection,
    /// Replay also what would fail again
    #[arg(long)]
    force: bool,
    /// To the exchange of alerts with the routing key of the first publication, so that other queues there get it again; else
    /// straight to the relay's queue
    #[arg(long)]
    to_exchange: bool,
    /// To whatever exchange the dead letter names as that of its first publication. Its publisher can have written any name
    /// there, and it is published with your rights on the broker
    #[arg(long, conflicts_with = "to_exchange")]
    to_origin: bool,
    /// At most so many: 5/s, 100/m
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<Duration>,
    #[command(flatten)]
    manner: Manner,
}

/// A replay under way.
struct Run<'a> {
    how: &'a Replay,
    desk: &'a Desk,
    browser: &'a Browser,
    teller: Teller,
    /// What is still to be replayed.
    chosen: Copies,
    /// The exchanges that it goes to, with `--to-origin`.
    origins: BTreeSet<String>,
    /// How many letters that were at first.
    passing: usize,
    /// How many would fail again, and stay.
    failing: usize,
    replayed: usize,
    /// How many the broker did not take.
    refused: usize,
}

impl Replay {
    pub(super) async fn run(&self, desk: &Desk) -> Result<Exit, Failure> {
        self.selection.check()?;
        self.manner.check()?;
        let browser = desk.open("replay").await?;
        let mut run = Run {
            how: self,
            desk,
            browser: &browser,
            teller: Teller::new(self.manner.json),
            chosen: Copies::default(),
            origins: BTreeSet::new(),
            passing: 0,
            failing: 0,
            replayed: 0,
            refused: 0,
        };
        let all_found = run.choose().await?;
        let mut stopped = None;
        if !self.manner.dry_run && run.passing > 0 {
            if !self.manner.ask(&format!("Replay {} to {}?", count(run.passing), run.where_to()))? {
                return Ok(Exit::Failed);
            }
            stopped = run.replay().await?;
            say!("{} replayed to {}", count(run.replayed), run.where_to());
        }
        let all = all_found && run.failing == 0 && (self.manner.dry_run || (run.refused == 0 && run.chosen.is_empty()));
        browser.close().await;
        Ok(stopped.unwrap_or(if all { Exit::Well } else { Exit::Failed }))
    }
}

impl Run<'_> {
    /// Looks which letters would become tickets now, and says so. `true` if all that were named are there.
    async fn choose(&mut self) -> Result<bool, Failure> {
        let named = self.how.selection.ids();
        let wanted = self.how.selection.wanted(&named);
        let mut search = Search::begin(self.desk, self.browser, wanted, progress::bar).await?;
        while let Some(found) = search.next().await? {
            match self.desk.would_fail(&found.held.letter) {
                Some(letter) if !self.how.force => {
                    self.teller.stays(&search, &found, "would_fail", &letter.to_string())?;
                    self.failing += 1;
                }
                _ => {
                    self.passing += 1;
                    self.chosen.add(found.held.letter.fingerprint());
                    self.origins.insert(self.destination(&found.held.letter).0);
                    if self.how.manner.dry_run {
                        self.teller.done(&found.summary, "would_replay")?;
                    }
                }
            }
            search.keep(&found).await?;
        }
        let all_found = tell_missing(&named, &search.found);
        search.close().await?;
        self.sum_up();
        Ok(all_found)
    }

    fn sum_up(&self) {
        let verb = if self.how.force { "to be replayed, whatever becomes of them" } else { "would pass now" };
        let failing = match self.failing {
            0 => String::new(),
            1 => "; 1 would fail again and stays".to_owned(),
            failing => format!("; {failing} would fail again and stay"),
        };
        say!("{} found: {} {verb}{failing}", count(self.passing + self.failing), self.passing);
    }

    /// Replays what was chosen, in walks that do not hold letters for too long. Gives the reason to stop early.
    async fn replay(&mut self) -> Result<Option<Exit>, Failure> {
        let mut pace = self.how.rate.map(|period| {
            let mut pace = interval(period);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        });
        let mut chosen = std::mem::take(&mut self.chosen);
        loop {
            let begun = Instant::now();
            let wanted = Wanted::Chosen(&mut chosen);
            let mut search = Search::begin(self.desk, self.browser, wanted, progress::bar).await?;
            let mut stopped = None;
            while begun.elapsed() < HOLD_FOR && stopped.is_none() {
                let Some(found) = search.next().await? else { break };
                if let Some(pace) = &mut pace {
                    pace.tick().await;
                }
                stopped = self.replay_one(&mut search, found).await?;
            }
            let over = begun.elapsed() < HOLD_FOR;
            let removed = search.close().await?;
            // What is replayed must not be found by the next walk, nor by anybody later.
            make_sure(self.browser, removed, &chosen).await?;
            if stopped.is_some() || over {
                self.chosen = chosen;
                return Ok(stopped);
            }
        }
    }

    /// Publishes, and only then removes. Gives the reason to stop, if the next would fare no better.
    async fn replay_one(&mut self, search: &mut Search<'_>, found: Found) -> Result<Option<Exit>, Failure> {
        let letter = &found.held.letter;
        let (exchange, routing_key) = self.destination(letter);
        match self
            .browser
            .publisher()
            .publish(&exchange, &routing_key, letter.replayed(&ReplayId::unique()), &letter.body)
            .await
        {
            Ok(()) => {
                search.remove(&found).await?;
                self.replayed += 1;
                self.teller.done(&found.summary, "replayed")?;
                Ok(None)
            }
            Err(error) => {
                search.keep(&found).await?;
                self.refused += 1;
                self.teller.stays(search, &found, "not_stored", &not_stored(&error, &exchange, &routing_key))?;
                let to_one_queue = !self.how.to_exchange && !self.how.to_origin;
                let for_all =
                    to_one_queue && matches!(error, PublishError::Unroutable { .. } | PublishError::Refused(_));
                // Elsewhere the next may go to another exchange.
                let hopeless = why_hopeless(&error)
                    .filter(|_| !(self.how.to_origin && matches!(error, PublishError::NoExchange(_))));
                Ok(hopeless.or_else(|| for_all.then_some(Exit::Failed)))
            }
        }
    }

    fn destination(&self, letter: &Letter) -> (String, String) {
        let Amqp { exchange, amqp_queue, .. } = self.desk.amqp();
        if !self.how.to_exchange && !self.how.to_origin {
            return (String::new(), amqp_queue.clone());
        }
        let (origin, routing_key) = letter.origin().unwrap_or_else(|| (exchange.clone(), letter.routing_key.clone()));
        (if self.how.to_origin { origin } else { exchange.clone() }, routing_key)
    }

    fn where_to(&self) -> String {
        if self.how.to_exchange {
            return format!("exchange {:?}", self.desk.amqp().exchange);
        }
        if self.how.to_origin {
            let names: Vec<_> = self.origins.iter().map(|exchange| format!("{exchange:?}")).collect();
            return format!("exchange {}", names.join(", "));
        }
        format!("queue {:?}", self.desk.amqp().amqp_queue)
    }
}

/// Says which of the IDs that were named are not there; `true` if all are.
pub(super) fn tell_missing(named: &HashSet<LetterId>, found: &HashSet<LetterId>) -> bool {
    let mut missing: Vec<_> = named.difference(found).collect();
    missing.sort();
    for id in &missing {
        say!("There is no dead letter {id} that matches");
    }
    missing.is_empty()
}

/// Why a replay is not stored, and the cure.
pub(super) fn not_stored(error: &PublishError, exchange: &str, routing_key: &str) -> String {
    match error {
        PublishError::Unroutable { .. } if exchange.is_empty() => {
            format!("there is no queue {routing_key:?}. Start the relay once, which declares it, or check AMQP_QUEUE")
        }
        error => in_full(error),
    }
}

/// The time between two, from so many a second or minute.
fn rate(text: &str) -> Result<Duration, &'static str> {
    let takes = "a rate such as 5/s or 100/m";
    let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
    let unit = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        _ => return Err(takes),
    };
    let number: u32 = number.trim().parse().map_err(|_| takes)?;
    unit.checked_div(number).filter(|period| !period.is_zero()).ok_or(takes)
}
