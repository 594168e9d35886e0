//! What is true at one moment: of the broker's messages, of the work in the replicas, of RT's tickets.

use std::hash::{Hash, Hasher};

use rtir_relay::protocol::{Hit, Protocol};
use rtir_relay::ticket::TicketId;

/// One of the alerts, by its key.
pub type Key = u8;
/// One of the relay's processes.
pub type Replica = u8;
/// A ticket's id, counted for each alert: the order of two alerts' tickets does not matter.
pub type Id = u8;

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub messages: Vec<Message>,
    pub tasks: Vec<Task>,
    pub tickets: Vec<Ticket>,
    /// The faults that may still come.
    pub left: Faults,
    /// A relay merged a ticket that is not of its alert.
    pub foreign_merged: bool,
    /// How far it is to rest, as [`State::way_to_rest`] says.
    pub way: u32,
}

/// A message at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub key: Key,
    pub place: Place,
    /// Its copy with the reason is in the dead-letter queue.
    pub copied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Unpublished,
    Queued { redelivered: bool },
    Delivered,
    Acked,
}

/// A replica's work on one delivery, and what it remembers of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Task {
    pub replica: Replica,
    pub key: Key,
    /// `None` once it is acked, or the connection it came over is lost: it cannot be acked any more.
    pub message: Option<u8>,
    pub at: At,
}

/// What a task does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// Asks RT what the protocol wants to know; `later`, to merge what a later look found.
    Asks {
        protocol: Protocol,
        later: bool,
    },
    /// RT was asked for a ticket, and has not answered.
    Creating {
        protocol: Protocol,
        id: Id,
    },
    /// Gives RT time to finish what it has `begun`.
    Waits {
        protocol: Protocol,
        begun: Ids,
    },
    StoreCopy,
    Settle,
    /// Settles, then looks for the alert again, when RT has had far more time for what it has `begun`.
    Later {
        begun: Ids,
    },
}

impl Task {
    /// Whether it only looks for its alert again, which is done. That holds up no delivery.
    pub fn looks_later(&self) -> bool {
        self.message.is_none() && matches!(self.at, At::Later { .. } | At::Asks { later: true, .. })
    }
}

/// A ticket in RT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    pub key: Key,
    pub id: Id,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// RT works on it, and somebody waits for the answer. No search shows it.
    Begun,
    /// RT works on it still, and nobody waits any more.
    Late,
    Unmerged,
    MergedInto(Id),
}

impl Shape {
    /// RT has it in work.
    pub fn is_begun(self) -> bool {
        matches!(self, Self::Begun | Self::Late)
    }
}

/// A ticket of somebody else's, into which analysts merge. It is no alert's.
pub const FOREIGN: Id = 0;

/// The ticket as the protocol names it.
pub fn ticket_id(id: Id) -> TicketId {
    TicketId(id.into())
}

/// The ticket that the protocol names.
pub fn id_of(ticket: TicketId) -> Id {
    Id::try_from(ticket.0).expect("the model made it")
}

/// A set of tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ids(u32);

impl Ids {
    pub fn has(self, id: Id) -> bool {
        self.0 & (1 << id) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Id> {
        (0..32).filter(move |id| self.has(*id))
    }
}

impl FromIterator<Id> for Ids {
    fn from_iter<T: IntoIterator<Item = Id>>(ids: T) -> Self {
        Self(ids.into_iter().fold(0, |set, id| set | 1 << id))
    }
}

/// How often each fault comes, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A replica dies. Its deliveries come back; what RT had begun for it, RT finishes.
    pub crashes: u8,
    /// A replica loses its connection to the broker. Its deliveries come back while it still works on them.
    pub cuts: u8,
    /// The answer to a create is lost, or the request is, and the replica cannot tell which.
    pub lost: u8,
    /// A merge fails: RT cannot be reached just then, or merges and its answer is lost.
    pub failed_merges: u8,
    /// An analyst merges a ticket into a foreign one.
    pub analyst: u8,
    /// A copy is stored in the dead-letter queue, and the broker's word for it is lost.
    pub lost_confirms: u8,
}

impl Faults {
    pub fn count(self) -> u32 {
        [self.crashes, self.cuts, self.lost, self.failed_merges, self.analyst, self.lost_confirms]
            .map(u32::from)
            .iter()
            .sum()
    }
}

/// The checker takes states that have the same hash for one. So those do that differ only in which replica is which, or
/// which message of an alert: what can come of them is the same.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.work(|replica| replica).min(self.work(|replica| 1 - replica)).hash(hasher);
        (&self.tickets, self.left, self.foreign_merged).hash(hasher);
    }
}

/// A message with the work on it, or work whose message is lost.
type Work<'a> = (Key, Option<(Place, bool)>, Option<(Replica, &'a At)>);

impl State {
    /// All messages and tasks, in an order that does not tell them apart.
    fn work<'a>(&'a self, named: impl Fn(Replica) -> Replica) -> Vec<Work<'a>> {
        let task = |task: &'a Task| (named(task.replica), &task.at);
        let message = |(index, message): (usize, &Message)| {
            let has_it = |task: &&Task| task.message.map(usize::from) == Some(index);
            (message.key, Some((message.place, message.copied)), self.tasks.iter().find(has_it).map(task))
        };
        let lost = self.tasks.iter().filter(|task| task.message.is_none()).map(|it| (it.key, None, Some(task(it))));
        let mut work: Vec<_> = self.messages.iter().enumerate().map(message).chain(lost).collect();
        work.sort_unstable();
        work
    }

    /// RT begins a ticket, with the next id.
    pub fn begin(&mut self, key: Key) -> Id {
        let id = self.next_id(key);
        self.tickets.push(Ticket { id, key, shape: Shape::Begun });
        self.sort();
        id
    }

    pub fn next_id(&self, key: Key) -> Id {
        self.ids(key, |_| true).iter().last().unwrap_or(FOREIGN) + 1
    }

    /// So that it does not matter in which order things came to be.
    pub fn sort(&mut self) {
        self.tickets.sort_unstable();
        self.tasks.sort_unstable();
    }

    /// Drops what no later step asks for.
    pub fn forget(&mut self) {
        let tickets = &self.tickets;
        for task in &mut self.tasks {
            if let At::Waits { begun, .. } | At::Later { begun } = &mut task.at {
                let is_begun =
                    |id: &Id| tickets.iter().any(|it| (it.key, it.id) == (task.key, *id) && it.shape.is_begun());
                *begun = begun.iter().filter(is_begun).collect();
            }
        }
        let settled: Vec<_> =
            self.messages.iter().map(|message| message.key).filter(|key| self.is_settled(*key)).collect();
        for key in settled {
            if self.unmerged(key) == 1 {
                self.tickets.retain(|ticket| ticket.key != key);
                self.tickets.push(Ticket { key, id: 1, shape: Shape::Unmerged });
            }
        }
    }

    /// Nothing more comes of this alert.
    fn is_settled(&self, key: Key) -> bool {
        let messages = self.messages.iter().filter(|message| message.key == key);
        messages.clone().all(|message| message.place == Place::Acked)
            && self.tasks.iter().all(|task| task.key != key)
            && !self.tickets.iter().any(|ticket| ticket.key == key && ticket.shape.is_begun())
    }

    pub fn ticket(&mut self, key: Key, id: Id) -> &mut Ticket {
        self.tickets.iter_mut().find(|ticket| (ticket.key, ticket.id) == (key, id)).expect("tickets stay")
    }

    /// The tickets of `key` that have the shape.
    pub fn ids(&self, key: Key, shaped: impl Fn(Shape) -> bool) -> Ids {
        self.tickets.iter().filter(|ticket| ticket.key == key && shaped(ticket.shape)).map(|ticket| ticket.id).collect()
    }

    /// What a search for `key` finds: what is committed, merged or not.
    pub fn hits(&self, key: Key) -> Vec<Hit> {
        let is_committed = |shape| matches!(shape, Shape::Unmerged | Shape::MergedInto(_));
        let hit = |id| Hit { id: ticket_id(id), leads_to: ticket_id(self.effective(key, id)), shows_key: true };
        self.ids(key, is_committed).iter().map(hit).collect()
    }

    /// How many tickets `key` has that are not merged.
    pub fn unmerged(&self, key: Key) -> usize {
        self.ids(key, |shape| shape == Shape::Unmerged).iter().count()
    }

    /// The ticket that `id` leads to. RT leads every request for a merged ticket there.
    pub fn effective(&self, key: Key, id: Id) -> Id {
        match self.tickets.iter().find(|ticket| (ticket.key, ticket.id) == (key, id)).map(|ticket| ticket.shape) {
            Some(Shape::MergedInto(into)) => into,
            _ => id,
        }
    }

    /// RT merges `id` into `into`, or what they lead to.
    pub fn merge(&mut self, key: Key, id: Id, into: Id) {
        let (id, into) = (self.effective(key, id), self.effective(key, into));
        if id == into {
            return;
        }
        self.foreign_merged |= id == FOREIGN;
        for ticket in self.tickets.iter_mut().filter(|ticket| ticket.key == key) {
            if ticket.id == id || ticket.shape == Shape::MergedInto(id) {
                ticket.shape = Shape::MergedInto(into);
            }
        }
    }

    /// Nothing is queued or under way, neither here nor at RT.
    pub fn is_at_rest(&self) -> bool {
        let settled = |message: &Message| matches!(message.place, Place::Unpublished | Place::Acked);
        self.tasks.is_empty()
            && self.messages.iter().all(settled)
            && !self.tickets.iter().any(|ticket| ticket.shape.is_begun())
    }
}
