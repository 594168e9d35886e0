//! What the protocol asks, what it hears, and how it ends: its only ties to RT.

use std::collections::BTreeSet;

use crate::outcome::{Done, Reason};
use crate::ticket::TicketId;

/// What RT is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Request {
    /// All tickets of the key, merged ones included.
    Search,
    /// A new ticket.
    Create,
    /// The ticket that this one leads to: itself, or the one that it is merged into.
    Read(TicketId),
    /// That `double`, which was just read and led to itself, be merged, unless it has changed since.
    Merge {
        /// The ticket to merge.
        double: TicketId,
        /// The ticket to merge it into.
        into: TicketId,
    },
    /// Why the search does not find this ticket, which RT made. The answer is a failure.
    Explain(TicketId),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Next {
    /// Ask RT, and hear what it says.
    Ask(Request),
    /// Wait, then hear [`Heard::Waited`]. Nothing is under way at RT.
    Wait(Wait),
    /// The alert's fate is known.
    End(End),
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wait {
    /// The next attempt, after one that failed.
    Retry,
    /// RT, which may be making a ticket that no answer told of: `RETRY_UNKNOWN_WAIT` from its first answer on.
    Grace,
}

/// What was heard of the last thing that was to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The tickets that a search found, lowest id first.
    Hits(Vec<Hit>),
    /// RT made this ticket.
    Created(TicketId),
    /// The ticket that was read leads to this one.
    LeadsTo(TicketId),
    /// The ticket that was asked for is deleted.
    Gone(Verdict),
    /// The ticket that was read may not be seen.
    Hidden,
    /// RT answered a merge. It answers alike whether it merged or would not.
    Answered,
    /// There is no answer that helps, and RT did nothing, or nothing that a search would not show.
    Failed(Verdict),
    /// The answer to a create is lost: RT may make the ticket, now or later. What that means is known by the next search.
    Lost,
    /// The wait is over.
    Waited,
    /// The relay wants its delivery back. Heard between requests, never while one is under way.
    Released,
}

/// A ticket that a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hit {
    /// The ticket.
    pub id: TicketId,
    /// The one that it is merged into, or itself.
    pub leads_to: TicketId,
    /// Whether it shows its key. One that shows no such field was moved to where there is none, and is never merged.
    pub shows_key: bool,
}

/// What an attempt that failed means for the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Another is made.
    Again,
    /// It is the alert that fails. Not heeded where there is a ticket of it that is only not proven, or not the only one yet.
    GiveUp(Reason),
}

/// How the work on an alert ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// It has its one ticket.
    Done {
        /// The ticket.
        ticket: TicketId,
        /// How it came to be there.
        how: Done,
    },
    /// It never becomes one.
    GivenUp(Reason),
    /// Its delivery is given back. Whatever RT was asked to make is proven, or looked for by who gets it next.
    Returned,
}

/// What those beside the protocol want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A double was merged, and is found to be.
    Merged {
        /// The double.
        double: TicketId,
        /// The ticket that is kept.
        into: TicketId,
    },
    /// RT answered, and did not merge: somebody has to, by hand.
    Unmerged {
        /// The double.
        double: TicketId,
        /// The ticket that is kept.
        into: TicketId,
    },
    /// There is a ticket, and RT is looked at a second time before the alert is done.
    SecondLook,
}

impl Hit {
    pub(super) fn is_merged(self) -> bool {
        self.id != self.leads_to
    }
}

/// The one among `hits` that stands for the alert: one that shows its key, where there is one.
pub fn standing_for(hits: &[Hit]) -> Option<&Hit> {
    hits.iter().find(|hit| hit.shows_key).or(hits.first())
}

/// The tickets among `hits` of which there has to be one only.
pub(super) fn unmerged(hits: &[Hit]) -> BTreeSet<TicketId> {
    hits.iter().filter(|hit| hit.shows_key && !hit.is_merged()).map(|hit| hit.id).collect()
}
