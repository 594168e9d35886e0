//! How far the world is from rest.

use rtir_relay::protocol::{Event, Heard, Hit, Next, Protocol, Request, Verdict, Wait};
use rtir_relay::ticket::TicketId;

use crate::state::{At, FOREIGN, Message, Place, Shape, State, Task, Ticket, id_of, ticket_id};
use crate::world::after;

/// More than all the steps that another task's attempt takes again because this ticket was merged.
const TICKET: u32 = 200;
/// More than a task with all that it makes.
const MESSAGE: u32 = 2 * TICKET;
/// More than what any fault brings back.
const FAULT: u32 = 100 * TICKET;
/// More than a wait and a verify, with the merges after it.
const SECOND_LOOK: u32 = 40;
/// More than a later look, with its merges and the ack before it.
const LATER_LOOK: u32 = 40;

impl State {
    /// How far it is to rest, at most. Every step makes it less, so every run comes to rest.
    pub fn way_to_rest(&self) -> u32 {
        let message = |message: &Message| match message.place {
            Place::Unpublished => MESSAGE + 1,
            Place::Queued { .. } => MESSAGE,
            Place::Delivered | Place::Acked => 0,
        };
        let ticket = |ticket: &Ticket| match ticket.shape {
            Shape::Begun | Shape::Late => TICKET + 1,
            Shape::Unmerged => TICKET,
            Shape::MergedInto(_) => 0,
        };
        self.messages.iter().map(message).sum::<u32>()
            + self.tasks.iter().map(|task| self.way_of(task)).sum::<u32>()
            + self.tickets.iter().map(ticket).sum::<u32>()
            + FAULT * self.left.count()
    }

    fn way_of(&self, task: &Task) -> u32 {
        let (protocol, has_begun) = match &task.at {
            At::StoreCopy => return 2,
            At::Settle => return 1,
            At::Later { .. } => return 33 + u32::from(task.message.is_some()),
            At::Asks { protocol, later } => (protocol, *later || protocol.made().is_some()),
            At::Waits { protocol, .. } => (protocol, protocol.made().is_some()),
            At::Creating { protocol, .. } => (protocol, true),
        };
        let steps = match protocol.next() {
            Next::Ask(request) if self.begins_again(task, protocol, request) => 34,
            Next::Wait(_) => 33,
            Next::Ask(Request::Search) if !has_begun => 30,
            Next::Ask(Request::Create) if !has_begun => 28,
            Next::Ask(Request::Create) => 26,
            Next::Ask(Request::Search) => 25,
            Next::Ask(_) => 2 + merging(protocol),
            Next::End(_) => 0,
        };
        let second_look = if looks_again(protocol) { SECOND_LOOK } else { 0 };
        let later_look = if protocol.is_in_doubt() { LATER_LOOK } else { 0 };
        let create = if has_begun { 0 } else { TICKET + 1 };
        steps + second_look + later_look + create
    }

    /// Whether the attempt has failed by what RT would say now of a double.
    fn begins_again(&self, task: &Task, protocol: &Protocol, request: Request) -> bool {
        let leads_to = |double| ticket_id(self.effective(task.key, id_of(double)));
        let heard = match request {
            Request::Read(double) => Heard::LeadsTo(leads_to(double)),
            Request::Merge { double, .. } if leads_to(double) == double => Heard::Answered,
            Request::Merge { .. } => Heard::Failed(Verdict::Again),
            Request::Search | Request::Create | Request::Explain(_) => return false,
        };
        after(protocol, heard).next() == Next::Wait(Wait::Retry)
    }
}

/// How many requests the merges take, at most.
fn merging(protocol: &Protocol) -> u32 {
    let next = match protocol.next() {
        Next::Ask(Request::Read(double)) => {
            let itself = after(protocol, Heard::LeadsTo(double));
            let asks_on = matches!(itself.next(), Next::Ask(_));
            if asks_on { itself } else { after(protocol, Heard::LeadsTo(ticket_id(FOREIGN))) }
        }
        Next::Ask(Request::Merge { .. }) => after(protocol, Heard::Answered),
        _ => return 0,
    };
    1 + merging(&next)
}

/// Whether there will be a second look, if another attempt is made that finds nothing but what it makes.
fn looks_again(protocol: &Protocol) -> bool {
    let mut protocol = protocol.clone();
    loop {
        let heard = match (protocol.next(), protocol.made()) {
            (Next::End(_), _) => return false,
            (Next::Ask(Request::Search), None) => Heard::Hits(Vec::new()),
            (Next::Ask(Request::Search), Some(id)) => Heard::Hits(vec![Hit { id, leads_to: id, shows_key: true }]),
            (Next::Ask(Request::Create), _) => Heard::Created(TicketId(1)),
            (Next::Ask(_), _) => Heard::Failed(Verdict::Again),
            (Next::Wait(_), _) => Heard::Waited,
        };
        if protocol.hear(heard).contains(&Event::SecondLook) {
            return true;
        }
    }
}
