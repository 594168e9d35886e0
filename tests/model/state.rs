//! What is true at one moment: of the broker's messages, of the work in the replicas, of RT's tickets.

/// One of the alerts, by its key.
pub type Key = u8;
/// One of the relay's processes.
pub type Replica = u8;
/// A ticket's id, counted for each alert: the order of two alerts' tickets does not matter.
pub type Id = u8;

/// Everything at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub messages: Vec<Message>,
    pub tasks: Vec<Task>,
    pub tickets: Vec<Ticket>,
    /// The faults that may still come.
    pub left: Faults,
    /// A relay merged a ticket that is not of its alert.
    pub foreign_merged: bool,
}

/// A message at the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub key: Key,
    pub place: Place,
    /// Its copy with the reason is in the dead-letter queue.
    pub copied: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Unpublished,
    Queued { redelivered: bool },
    Delivered,
    Acked,
}

/// A replica's work on one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Task {
    pub replica: Replica,
    pub key: Key,
    /// `None` once the connection it came over is lost: the work goes on, but cannot be acked.
    pub message: Option<u8>,
    pub at: At,
    /// RT may make, or have made, a ticket that no answer told of.
    pub uncertain: bool,
    /// RT was given time to finish such a ticket.
    pub waited: bool,
    /// The ticket that it made.
    pub made: Option<Id>,
}

/// What a task does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    Find,
    Create,
    /// RT has the request and has not answered.
    Creating(Id),
    Verify,
    /// Merges `doubles`, as seen by the last search, into `kept`.
    Merge {
        doubles: Ids,
        kept: Id,
        found: bool,
    },
    /// Gives RT time to finish what it has `begun`.
    Wait {
        begun: Ids,
    },
    StoreCopy,
    Settle,
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

/// A ticket of somebody else's, into which analysts merge. It is no alert's.
pub const FOREIGN: Id = 0;

/// A set of tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ids(u32);

impl Ids {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub fn has(self, id: Id) -> bool {
        self.0 & (1 << id) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Id> {
        (0..32).filter(move |id| self.has(*id))
    }

    /// The lowest, and the others.
    pub fn split_lowest(self) -> Option<(Id, Self)> {
        let lowest = self.iter().next()?;
        Some((lowest, Self(self.0 & !(1 << lowest))))
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
    /// A merge fails: RT cannot be reached just then.
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

impl State {
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
        for task in &mut self.tasks {
            let is_over = matches!(task.at, At::StoreCopy | At::Settle);
            task.uncertain &= !is_over;
            task.waited &= task.uncertain;
            task.made = task.made.filter(|_| !is_over);
        }
        let settled: Vec<_> =
            self.messages.iter().map(|message| message.key).filter(|key| self.is_settled(*key)).collect();
        for key in settled {
            if self.unmerged(key).len() == 1 {
                self.tickets.retain(|ticket| ticket.key != key);
                self.tickets.push(Ticket { key, id: 1, shape: Shape::Unmerged });
            }
        }
    }

    /// Nothing more comes of this alert.
    fn is_settled(&self, key: Key) -> bool {
        let messages = self.messages.iter().filter(|message| message.key == key);
        let pending = |ticket: &Ticket| matches!(ticket.shape, Shape::Begun | Shape::Late);
        messages.clone().all(|message| message.place == Place::Acked)
            && self.tasks.iter().all(|task| task.key != key)
            && !self.tickets.iter().any(|ticket| ticket.key == key && pending(ticket))
    }

    pub fn ticket(&mut self, key: Key, id: Id) -> &mut Ticket {
        self.tickets.iter_mut().find(|ticket| (ticket.key, ticket.id) == (key, id)).expect("tickets stay")
    }

    /// The tickets of `key` that have the shape.
    pub fn ids(&self, key: Key, shaped: impl Fn(Shape) -> bool) -> Ids {
        self.tickets.iter().filter(|ticket| ticket.key == key && shaped(ticket.shape)).map(|ticket| ticket.id).collect()
    }

    /// What a search for `key` finds: what is committed, merged or not.
    pub fn hits(&self, key: Key) -> Ids {
        self.ids(key, |shape| matches!(shape, Shape::Unmerged | Shape::MergedInto(_)))
    }

    pub fn unmerged(&self, key: Key) -> Ids {
        self.ids(key, |shape| shape == Shape::Unmerged)
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
        let pending = |ticket: &Ticket| matches!(ticket.shape, Shape::Begun | Shape::Late);
        self.tasks.is_empty() && self.messages.iter().all(settled) && !self.tickets.iter().any(pending)
    }

    /// How far it is to rest, at most. Every step makes it less, so every run comes to rest.
    pub fn way_to_rest(&self) -> u32 {
        let message = |message: &Message| match message.place {
            Place::Unpublished => 61,
            Place::Queued { .. } => 60,
            Place::Delivered | Place::Acked => 0,
        };
        let task = |task: &Task| {
            let at = match task.at {
                At::Wait { .. } => 20,
                At::Find => 18,
                At::Create => 17,
                At::Creating(_) => 15,
                At::Verify => 14,
                At::Merge { doubles, .. } => 3 + doubles.len(),
                At::StoreCopy => 2,
                At::Settle => 1,
            };
            at + if task.uncertain { 25 } else { 0 }
        };
        let ticket = |ticket: &Ticket| u32::from(matches!(ticket.shape, Shape::Begun | Shape::Late));
        self.messages.iter().map(message).sum::<u32>()
            + self.tasks.iter().map(task).sum::<u32>()
            + self.tickets.iter().map(ticket).sum::<u32>()
            + 1000 * self.left.count()
    }
}
