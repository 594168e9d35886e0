//! The steps that can be left out, to see what each is for. The protocol has no switch for that: it is told what is not
//! true, or not told what is.

use rtir_relay::outcome::Reason;
use rtir_relay::protocol::{Event, Heard, Hit, Protocol, Request, Verdict};
use rtir_relay::ticket::TicketId;

use crate::state::{Key, State};
use crate::world::World;

/// A step that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Search by key before the create.
    Find,
    /// Search again after it, and merge all but the lowest.
    Verify,
    /// Search once more after a wait, when RT may have been asked for the ticket before.
    SecondLook,
    /// The same for a ticket that a redelivered message finds.
    SecondLookAtFound,
    /// Search once more, much later, for an alert that is done.
    LaterLook,
    /// A second delivery of a key waits for the first.
    OneKeyAtATime,
    /// Merge the others even when the ticket just made is merged already.
    MergeTheOthers,
    /// A merge that failed is made again.
    MergeAgain,
    /// Merge a double only while it is still the ticket that the search showed.
    MergeOnlyOwn,
    /// Begin nothing for a delivery whose connection is lost.
    DropLost,
    /// Store the copy in the dead-letter queue before the ack.
    Store,
}

impl World {
    pub fn has(&self, step: Step) -> bool {
        !self.left_out.contains(&step)
    }

    /// What the protocol is told in place of RT's answer.
    pub fn told_without_asking(&self, protocol: &Protocol, request: Request) -> Option<Heard> {
        match (request, protocol.made()) {
            (Request::Search, None) if !self.has(Step::Find) => Some(Heard::Hits(Vec::new())),
            (Request::Search, Some(id)) if !self.has(Step::Verify) => {
                Some(Heard::Hits(vec![Hit { id, leads_to: id, shows_key: true }]))
            }
            (Request::Read(ticket), _) if !self.has(Step::MergeOnlyOwn) => Some(Heard::LeadsTo(ticket)),
            _ => None,
        }
    }

    /// What a search shows to who has `made` a ticket.
    pub fn shown(&self, state: &State, key: Key, made: Option<TicketId>) -> Vec<Hit> {
        let mut hits = state.hits(key);
        let is_merged = |hit: &Hit| hit.leads_to != hit.id;
        let own_is_merged = hits.iter().any(|hit| Some(hit.id) == made && is_merged(hit));
        if own_is_merged && !self.has(Step::MergeTheOthers) {
            hits.retain(is_merged);
        }
        hits
    }

    /// What is heard of a merge that RT did not make: where a ticket is `made`, even that the alert is to be given up,
    /// which is not to be heeded then.
    pub fn not_merged(&self, made: Option<TicketId>) -> Heard {
        match made {
            _ if !self.has(Step::MergeAgain) => Heard::Answered,
            Some(_) => Heard::Failed(Verdict::GiveUp(Reason::Exhausted)),
            None => Heard::Failed(Verdict::Again),
        }
    }

    /// Whether the alert is settled at `event`, whatever the protocol would do yet. It had `made` that ticket before.
    pub fn is_settled_at(&self, event: &Event, made: Option<TicketId>) -> bool {
        let looks = self.has(Step::SecondLook) && (made.is_some() || self.has(Step::SecondLookAtFound));
        *event == Event::SecondLook && !looks
    }
}
