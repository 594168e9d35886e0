//! Which dead letters are meant.

use std::collections::HashSet;

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::copies::Copies;
use super::desk::Failure;
use super::summary::Summary;
use crate::amqp::{Letter, LetterId};

/// Where `--help` lists the filters.
const FILTERS: &str = "Filters";

/// Filters: a letter has to pass all that are given.
#[derive(Debug, Default, Args)]
pub(super) struct Filters {
    /// Reasons, as `list` shows them; several separated by commas
    #[arg(help_heading = FILTERS, long, value_name = "REASON", value_delimiter = ',')]
    reason: Vec<String>,
    /// Types of alert; several separated by commas
    #[arg(help_heading = FILTERS, long = "type", value_name = "TYPE", value_delimiter = ',')]
    alert_type: Vec<String>,
    /// A part of the entity's name, in any case
    #[arg(help_heading = FILTERS, long, value_name = "NAME")]
    entity: Option<String>,
    /// The alert's id, as it is
    #[arg(help_heading = FILTERS, long, value_name = "ID")]
    alert_id: Option<String>,
    /// Dead-lettered at this time or later: 2026-11-23T08:00:00Z, 2026-11-23 (UTC), or "2h ago"
    #[arg(help_heading = FILTERS, long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Dead-lettered before this time
    #[arg(help_heading = FILTERS, long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

/// Letters by their IDs, by filters, or all.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// IDs; identical copies of a letter share one
    #[arg(value_name = "ID")]
    pub ids: Vec<LetterId>,
    /// All dead letters
    #[arg(long, conflicts_with_all = ["ids", "reason", "alert_type", "entity", "alert_id", "since", "until"])]
    pub all: bool,
    #[command(flatten)]
    pub filters: Filters,
}

/// What a walk looks for.
pub(super) enum Wanted<'a> {
    /// What an operator names.
    Named {
        /// Any of these; `None` is any.
        ids: Option<&'a HashSet<LetterId>>,
        filters: &'a Filters,
    },
    /// What was chosen in a walk before: no more copies of each than there were then.
    Chosen(&'a mut Copies),
}

impl Selection {
    /// Refuses to take "nothing said" for "all".
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.all || !self.ids.is_empty() || self.filters.is_given() {
            return Ok(());
        }
        Err(Failure::Usage("Say which dead letters: IDs, filters, or --all".to_owned()))
    }

    /// What to look for, where `named` are its IDs.
    pub(super) fn wanted<'a>(&'a self, named: &'a HashSet<LetterId>) -> Wanted<'a> {
        Wanted::Named { ids: (!named.is_empty()).then_some(named), filters: &self.filters }
    }

    /// The IDs that are named.
    pub(super) fn ids(&self) -> HashSet<LetterId> {
        self.ids.iter().copied().collect()
    }
}

impl Filters {
    fn is_given(&self) -> bool {
        let Self { reason, alert_type, entity, alert_id, since, until } = self;
        !reason.is_empty()
            || !alert_type.is_empty()
            || entity.is_some()
            || alert_id.is_some()
            || since.is_some()
            || until.is_some()
    }

    /// Whether a letter passes. One without the thing asked for does not.
    pub(super) fn pass(&self, summary: &Summary) -> bool {
        let one_of = |wanted: &[String], given: Option<&str>| {
            wanted.is_empty() || wanted.iter().any(|wanted| Some(wanted.as_str()) == given)
        };
        let time = || summary.time.as_ref()?.parse::<Timestamp>().ok();
        one_of(&self.reason, Some(summary.reason.as_deref().unwrap_or("none")))
            && one_of(&self.alert_type, summary.alert_type.as_deref())
            && self.alert_id.as_ref().is_none_or(|wanted| summary.alert_id.as_ref() == Some(wanted))
            && self.entity.as_ref().is_none_or(|wanted| {
                let entity = summary.entity.as_deref().unwrap_or_default().to_lowercase();
                entity.contains(&wanted.to_lowercase())
            })
            && self.since.is_none_or(|since| time().is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| time().is_some_and(|time| time < until))
    }
}

impl Wanted<'_> {
    /// Whether `letter` is it.
    pub(super) fn takes(&mut self, letter: &Letter, id: LetterId, summary: &Summary) -> bool {
        match self {
            Self::Named { ids, filters } => ids.is_none_or(|ids| ids.contains(&id)) && filters.pass(summary),
            Self::Chosen(copies) => copies.take(letter.fingerprint()),
        }
    }
}

/// RFC 3339, a day, or a time ago.
fn time(text: &str) -> Result<Timestamp, String> {
    let ago = |span: Span| {
        let back = if span.is_positive() { -span } else { span };
        Timestamp::now().to_zoned(TimeZone::UTC).checked_add(back).ok().map(|time| time.timestamp())
    };
    let day = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    (text.parse::<Timestamp>().ok())
        .or_else(|| text.parse().ok().and_then(ago))
        .or_else(|| text.parse().ok().and_then(day))
        .ok_or_else(|| "a time such as 2026-11-23T08:00:00Z, a day such as 2026-11-23, or \"2h ago\"".to_owned())
}
