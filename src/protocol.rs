//! How an alert gets exactly one ticket: what RT is asked next, by what it was asked and what was heard.
//!
//! An *attempt* is find, create, verify; a retry repeats the whole attempt, never the create alone:
//!
//! 1. **Find.** Search by key. A hit is the ticket; nothing is created.
//! 2. **Create.** A ticket id is the proof that RT made one, nothing else is.
//! 3. **Verify.** Search again. The own ticket being found proves that its key is stored and that the relay may see it. What
//!    another relay made of the same alert meanwhile is found, too.
//!
//! Whenever a search finds several unmerged tickets of the key, the lowest is kept and every other merged into it, after a
//! look that it still is itself: RT leads whatever is done to a merged ticket to the one that it is merged into.
//!
//! Where RT may yet make a ticket that no answer told of (an answer was lost; or an earlier life of the relay, before a
//! redelivery, may have asked for one), RT is given time, and looked at a second time before the alert is done. RT may take
//! longer still: such an alert is looked for again when it is long done, and what appeared late is merged
//! ([`Protocol::of_late_duplicates`]).
//!
//! [`Protocol`] is a pure state machine: it does no I/O, knows no clock, counts nothing, and holds no error. Whether RT is
//! well and whether an alert has failed often enough is told to it as a [`Verdict`]. `tests/model` explores this very code
//! with replicas, crashes and lost answers, and shows for each step what happens without it.

mod alphabet;

use std::collections::BTreeSet;

pub use alphabet::{End, Event, Heard, Hit, Next, Request, Verdict, Wait, standing_for};

use crate::outcome::Done;
use crate::ticket::TicketId;
use alphabet::unmerged;

/// The work on one alert, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol {
    at: At,
    /// The ticket that it made: only to be proven from then on.
    made: Option<TicketId>,
    doubt: Doubt,
    /// RT was given time since the delivery.
    waited: bool,
    /// The last find found a ticket.
    found: bool,
    released: bool,
}

/// Whether RT may make, or have made, a ticket that no answer told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Doubt {
    None,
    /// It may.
    Open,
    /// It was given time, and may take even longer.
    Waited,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum At {
    Find,
    Create,
    Verify(TicketId),
    /// The search does not find the own ticket: somebody may just have merged it.
    Unfound(TicketId),
    Unexplained(TicketId),
    Merge(Merging),
    Wait(Wait),
    End(End),
}

/// Several tickets of the alert are becoming one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Merging {
    double: TicketId,
    /// What is to be merged after it, the lowest first.
    others: BTreeSet<TicketId>,
    into: TicketId,
    step: Step,
    /// What is done once they are merged.
    ticket: TicketId,
    how: Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Step {
    /// Whether the double still is itself.
    Look,
    Merge,
    /// What came of it.
    Judge,
    /// The same, where it failed: perhaps only because somebody else has merged it meanwhile.
    Failed(Verdict),
}

impl Protocol {
    /// The work on a delivery. `redelivered`: somebody had it before, and may have asked RT for its ticket.
    pub fn new(redelivered: bool) -> Self {
        Self {
            at: At::Find,
            made: None,
            doubt: if redelivered { Doubt::Open } else { Doubt::None },
            waited: false,
            found: false,
            released: false,
        }
    }

    /// What is left to do where a later look finds `hits` of an alert that is done; `None` where they are one ticket.
    pub fn of_late_duplicates(hits: &[Hit]) -> Option<Self> {
        let mut protocol = Self::new(false);
        protocol.found(hits);
        matches!(protocol.at, At::Merge(_)).then_some(protocol)
    }

    /// What to do now.
    pub fn next(&self) -> Next {
        match &self.at {
            At::Find | At::Verify(_) => Next::Ask(Request::Search),
            At::Create => Next::Ask(Request::Create),
            At::Unfound(ticket) => Next::Ask(Request::Read(*ticket)),
            At::Unexplained(ticket) => Next::Ask(Request::Explain(*ticket)),
            At::Merge(merging) => Next::Ask(merging.request()),
            At::Wait(wait) => Next::Wait(*wait),
            At::End(end) => Next::End(*end),
        }
    }

    /// Whether it ends at once when it is released: all that RT was asked to make is proven, or nothing was asked.
    pub fn ends_when_released(&self) -> bool {
        match &self.at {
            At::Find | At::Create | At::Wait(_) | At::End(_) => true,
            At::Verify(_) | At::Unfound(_) | At::Unexplained(_) => false,
            At::Merge(merging) => merging.how == Done::Found,
        }
    }

    /// The ticket that it made.
    pub fn made(&self) -> Option<TicketId> {
        self.made
    }

    /// Whether RT may yet make a ticket of the alert, which is done: then it is looked at again, much later.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt != Doubt::None
    }

    /// Goes on by what was heard, which has to answer what was asked.
    pub fn hear(&mut self, heard: Heard) -> Vec<Event> {
        match (&mut self.at, heard) {
            (At::End(_), _) => {}
            (_, Heard::Released) => {
                self.released = true;
                if self.ends_when_released() {
                    self.at = At::End(End::Returned);
                }
            }
            (At::Find, Heard::Hits(hits)) if hits.is_empty() => {
                self.found = false;
                self.at = At::Create;
            }
            (At::Find, Heard::Hits(hits)) => return self.found(&hits),
            (At::Create, Heard::Created(ticket)) => {
                self.made = Some(ticket);
                self.at = At::Verify(ticket);
            }
            (At::Create, Heard::Lost) => {
                self.doubt = Doubt::Open;
                self.wait(Wait::Grace);
            }
            (&mut At::Verify(made), Heard::Hits(hits)) => return self.verified(made, &hits),
            (At::Unfound(ticket), Heard::LeadsTo(to)) if to == *ticket => self.at = At::Unexplained(to),
            (At::Unfound(_), Heard::LeadsTo(to)) => return self.has(to, Done::Merged),
            (At::Unfound(ticket), Heard::Hidden) => self.at = At::Unexplained(*ticket),
            (At::Unfound(_) | At::Unexplained(_), Heard::Gone(verdict)) => {
                self.made = None;
                self.failed(verdict);
            }
            (At::Merge(merging), Heard::Answered) => merging.step = Step::Judge,
            (At::Merge(merging), Heard::LeadsTo(to)) if to == merging.double && merging.step == Step::Look => {
                merging.step = Step::Merge;
            }
            (At::Merge(merging), Heard::Failed(verdict)) if merging.step == Step::Merge => {
                merging.step = Step::Failed(verdict);
            }
            (&mut At::Merge(Merging { double, step: Step::Failed(verdict), .. }), Heard::LeadsTo(to))
                if to == double =>
            {
                self.failed(verdict);
            }
            (At::Merge(_), heard @ (Heard::LeadsTo(_) | Heard::Gone(_) | Heard::Hidden)) => {
                return self.next_double(&heard);
            }
            (At::Wait(wait), Heard::Waited) => {
                self.waited |= *wait == Wait::Grace;
                self.begin();
            }
            (_, Heard::Failed(verdict)) => self.failed(verdict),
            (at, heard) => debug_assert!(false, "{heard:?} answers nothing that is asked at {at:?}"),
        }
        Vec::new()
    }

    /// Another attempt. A ticket that is made is proven, not made again.
    fn begin(&mut self) {
        self.at = self.made.map_or(At::Find, At::Verify);
    }

    fn failed(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::GiveUp(reason) if self.made.is_none() && !self.found => self.at = At::End(End::GivenUp(reason)),
            _ => self.wait(Wait::Retry),
        }
    }

    fn wait(&mut self, wait: Wait) {
        self.at = if self.released { At::End(End::Returned) } else { At::Wait(wait) };
    }

    /// The find found something.
    fn found(&mut self, hits: &[Hit]) -> Vec<Event> {
        self.found = true;
        standing_for(hits).map(|hit| self.tidy(hits, hit.leads_to, Done::Found)).unwrap_or_default()
    }

    /// The verify found `hits`.
    fn verified(&mut self, made: TicketId, hits: &[Hit]) -> Vec<Event> {
        let Some(own) = hits.iter().find(|hit| hit.id == made) else {
            self.at = At::Unfound(made);
            return Vec::new();
        };
        let lowest = unmerged(hits).first().copied();
        let ticket = if own.is_merged() { own.leads_to } else { lowest.unwrap_or(made) };
        let how = if ticket == made { Done::Created } else { Done::Merged };
        self.tidy(hits, ticket, how)
    }

    /// Merges what is double among `hits`, then has the ticket.
    fn tidy(&mut self, hits: &[Hit], ticket: TicketId, how: Done) -> Vec<Event> {
        let mut others = unmerged(hits);
        match (others.pop_first(), others.pop_first()) {
            (Some(into), Some(double)) => {
                self.at = At::Merge(Merging { double, others, into, step: Step::Look, ticket, how });
                Vec::new()
            }
            _ => self.has(ticket, how),
        }
    }

    /// A double is done with, as `heard` of it; on to the next, or to the ticket.
    fn next_double(&mut self, heard: &Heard) -> Vec<Event> {
        let At::Merge(merging) = &mut self.at else { return Vec::new() };
        let mut events: Vec<_> = merging.event(heard).into_iter().collect();
        if let Some(next) = merging.others.pop_first() {
            (merging.double, merging.step) = (next, Step::Look);
        } else {
            let (ticket, how) = (merging.ticket, merging.how);
            events.extend(self.has(ticket, how));
        }
        events
    }

    /// The ticket is there: done, or looked at once more.
    fn has(&mut self, ticket: TicketId, how: Done) -> Vec<Event> {
        // What is found after RT had its time is all that there will be.
        let is_certain = self.doubt != Doubt::Open || (how == Done::Found && self.waited);
        if is_certain {
            self.at = At::End(End::Done { ticket, how });
            return Vec::new();
        }
        self.doubt = Doubt::Waited;
        self.wait(Wait::Grace);
        if self.released { Vec::new() } else { vec![Event::SecondLook] }
    }
}

impl Merging {
    fn request(&self) -> Request {
        match self.step {
            Step::Look | Step::Judge | Step::Failed(_) => Request::Read(self.double),
            Step::Merge => Request::Merge { double: self.double, into: self.into },
        }
    }

    /// What `heard` says of the double, after which it is done with.
    fn event(&self, heard: &Heard) -> Option<Event> {
        let (double, into) = (self.double, self.into);
        match heard {
            Heard::LeadsTo(to) if *to == double => Some(Event::Unmerged { double, into }),
            Heard::Hidden => Some(Event::Unmerged { double, into }),
            Heard::LeadsTo(_) if self.step == Step::Judge => Some(Event::Merged { double, into }),
            // Its answer was lost.
            Heard::LeadsTo(to) if matches!(self.step, Step::Failed(_)) && *to == into => {
                Some(Event::Merged { double, into })
            }
            // Somebody has merged or deleted it since the search.
            _ => None,
        }
    }
}
