//! The world that the protocol runs in, and what may happen to it.

use stateright::{Model, Property};

use rtir_relay::outcome::Reason;
use rtir_relay::protocol::{End, Heard, Next, Protocol, Request, Verdict, Wait};

use crate::left_out::Step;
use crate::state::{
    At, FOREIGN, Faults, Id, Ids, Key, Message, Place, Replica, Shape, State, Task, Ticket, id_of, ticket_id,
};

/// When RT commits a create that nobody waits for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Commits {
    /// At once.
    AtOnce,
    /// Some time, but before a wait is over that began after the answer was lost.
    BeforeWaitIsOver,
    /// Some time, but before a later look for an alert that was done after the create began.
    BeforeLaterLook,
    /// Some time.
    AnyTime,
}

/// What runs, and what may happen to it.
#[derive(Clone, Debug)]
pub struct World {
    pub replicas: Replica,
    /// How often each alert is published.
    pub published: &'static [u8],
    /// The alert that RT refuses, if there is one.
    pub refused: Option<Key>,
    pub commits: Commits,
    pub faults: Faults,
    pub left_out: &'static [Step],
}

/// What happens next. Tasks and messages are named by their place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Publish(u8),
    Deliver {
        message: u8,
        replica: Replica,
    },
    Task(u8, Act),
    /// RT commits what nobody waits for, with the id it had in mind or with a new one.
    CommitLate {
        key: Key,
        id: Id,
        renumbered: bool,
    },
    Crash(Replica),
    Cut(Replica),
    AnalystMerges {
        key: Key,
        id: Id,
    },
}

/// What a task does, or what befalls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Asks RT what the protocol wants to know. RT answers at once, but for a create.
    Ask,
    /// RT commits, and its answer arrives.
    Commit,
    EndWait,
    StoreCopy,
    Ack,
    LookLater,

    LoseRequest,
    LoseAnswer,
    /// RT cannot be reached, or merges and its answer is lost.
    FailMerge {
        merges: bool,
    },
    LoseConfirm,
}

impl World {
    fn is_refused(&self, key: Key) -> bool {
        self.refused == Some(key)
    }

    fn is_released(&self, task: &Task) -> bool {
        task.message.is_none() && !task.looks_later() && self.has(Step::DropLost)
    }

    /// Tells the protocol what was heard. Returns what its task does next, if it goes on.
    fn hears(&self, state: &State, task: &Task, mut protocol: Protocol, heard: Heard) -> Option<At> {
        let made = protocol.made();
        let led_to = if let Heard::LeadsTo(to) = heard { Some(to) } else { None };
        let events = protocol.hear(heard);
        if let Next::Ask(Request::Merge { double, .. }) = protocol.next() {
            assert_eq!(led_to, Some(double), "what is to be merged is read right before: the `ETag` is needed");
        }
        if events.iter().any(|event| self.is_settled_at(event, made)) {
            return Some(At::Settle);
        }
        self.goes_on(state, task, protocol)
    }

    /// Goes on to where RT, time or the broker is needed.
    fn goes_on(&self, state: &State, task: &Task, mut protocol: Protocol) -> Option<At> {
        if self.is_released(task) {
            protocol.hear(Heard::Released);
        }
        let heard = match protocol.next() {
            Next::Ask(request) => {
                let told = self.told_without_asking(&protocol, request);
                let Some(heard) = told.or_else(|| any_answer(state, task.key, &protocol, request)) else {
                    return Some(At::Asks { protocol, later: task.looks_later() });
                };
                heard
            }
            // The next look merges it.
            Next::Wait(_) if task.looks_later() => return Some(At::Later { begun: Ids::default() }),
            Next::Wait(Wait::Retry) => return Some(At::Waits { protocol, begun: Ids::default() }),
            Next::Wait(Wait::Grace) => {
                let begun = self.begun(state, task.key, Commits::BeforeWaitIsOver);
                return Some(At::Waits { protocol, begun });
            }
            Next::End(End::GivenUp(_)) if self.has(Step::Store) => return Some(At::StoreCopy),
            Next::End(End::Returned) => return None,
            Next::End(End::Done { .. }) if task.looks_later() => return None,
            Next::End(End::Done { .. }) if self.is_looked_for_later(&protocol) => {
                return Some(At::Later { begun: self.begun(state, task.key, Commits::BeforeLaterLook) });
            }
            Next::End(End::GivenUp(_) | End::Done { .. }) => return Some(At::Settle),
        };
        self.hears(state, task, protocol, heard)
    }

    /// RT is asked, and answers, but for a create.
    fn asks(&self, state: &mut State, task: &Task, protocol: Protocol) -> Option<At> {
        let key = task.key;
        let heard = match request(&protocol) {
            Request::Create if self.is_refused(key) => Heard::Failed(Verdict::GiveUp(Reason::RejectedByRt)),
            Request::Create => return Some(At::Creating { protocol, id: state.begin(key) }),
            Request::Search => Heard::Hits(self.shown(state, key, protocol.made())),
            Request::Read(ticket) => Heard::LeadsTo(ticket_id(state.effective(key, id_of(ticket)))),
            Request::Merge { double, into } => {
                let is_merged = self.merges(state, key, id_of(double), id_of(into));
                if is_merged { Heard::Answered } else { self.not_merged(protocol.made()) }
            }
            Request::Explain(_) => unreachable!("a ticket has its key here"),
        };
        self.hears(state, task, protocol, heard)
    }

    /// RT merges, by `If-Match` and the `ETag` of the read before only while the double is still itself.
    fn merges(&self, state: &mut State, key: Key, double: Id, into: Id) -> bool {
        let is_asked_to = state.effective(key, double) == double || !self.has(Step::MergeOnlyOwn);
        if is_asked_to {
            state.merge(key, double, into);
        }
        is_asked_to
    }

    /// Nobody waits any more for the ticket that RT has begun.
    fn abandons(&self, state: &mut State, key: Key, id: Id) {
        state.ticket(key, id).shape = if self.commits == Commits::AtOnce { Shape::Unmerged } else { Shape::Late };
    }

    /// What RT has begun for `key` and commits `by` the end of a wait that begins now: nothing where it may be later.
    fn begun(&self, state: &State, key: Key, by: Commits) -> Ids {
        state.ids(key, |shape| shape.is_begun() && self.commits <= by)
    }

    /// Whether the alert, which is done, is looked for again. Not where RT is never later than the second look: that
    /// would only hide what the other steps are for.
    fn is_looked_for_later(&self, protocol: &Protocol) -> bool {
        protocol.is_in_doubt() && self.commits > Commits::BeforeWaitIsOver && self.has(Step::LaterLook)
    }

    /// Whether RT has had its time. A create that still has somebody waiting for it may take longer, once nothing can
    /// keep them from merging what comes of it: if something did, it would be one that commits later than the look.
    fn can_end_wait(state: &State, key: Key, begun: Ids) -> bool {
        let left = &state.left;
        let is_cut = |id: Id| {
            let waits = |task: &Task| task.key == key && matches!(task.at, At::Creating { id: own, .. } if own == id);
            state.tasks.iter().any(|task| task.message.is_none() && waits(task))
        };
        let may_fail = |id| left.crashes + left.lost > 0 || (left.failed_merges > 0 && (left.cuts > 0 || is_cut(id)));
        let blocks = |ticket: &Ticket| match ticket.shape {
            Shape::Late => true,
            Shape::Begun => may_fail(ticket.id),
            Shape::Unmerged | Shape::MergedInto(_) => false,
        };
        !state.tickets.iter().any(|ticket| ticket.key == key && begun.has(ticket.id) && blocks(ticket))
    }

    fn give_back(state: &mut State, replica: Replica) {
        for task in state.tasks.iter_mut().filter(|task| task.replica == replica) {
            if let Some(message) = task.message.take() {
                state.messages[usize::from(message)].place = Place::Queued { redelivered: true };
            }
        }
    }

    /// What a task does next by itself, and what may befall it.
    fn actions_of(&self, state: &State, index: usize, actions: &mut Vec<Action>) {
        let Task { key, message, at, .. } = &state.tasks[index];
        let by_itself = match at {
            At::Asks { .. } => Some(Act::Ask),
            At::Creating { .. } => Some(Act::Commit),
            At::Waits { begun, .. } => Self::can_end_wait(state, *key, *begun).then_some(Act::EndWait),
            At::StoreCopy => Some(Act::StoreCopy),
            At::Settle => Some(Act::Ack),
            At::Later { .. } if message.is_some() => Some(Act::Ack),
            At::Later { begun } => Self::can_end_wait(state, *key, *begun).then_some(Act::LookLater),
        };
        let left = &state.left;
        let befalls = match at {
            At::Asks { protocol, .. } => match request(protocol) {
                Request::Create if left.lost > 0 && !self.is_refused(*key) => &[Act::LoseRequest][..],
                Request::Merge { .. } if left.failed_merges > 0 => {
                    &[Act::FailMerge { merges: false }, Act::FailMerge { merges: true }]
                }
                _ => &[],
            },
            At::Creating { .. } if left.lost > 0 => &[Act::LoseAnswer],
            At::StoreCopy if left.lost_confirms > 0 => &[Act::LoseConfirm],
            _ => &[],
        };
        let acts = by_itself.iter().chain(befalls);
        actions.extend(acts.map(|act| Action::Task(number(index), *act)));
    }

    fn deliveries(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, message) in state.messages.iter().enumerate() {
            match message.place {
                // Repeats are alike: the next one stands for all.
                Place::Unpublished if state.messages[index - 1].place == Place::Unpublished => {}
                Place::Unpublished => actions.push(Action::Publish(number(index))),
                Place::Queued { .. } => {
                    let is_free = |replica: &Replica| {
                        let works = |task: &&Task| task.replica == *replica && task.key == message.key;
                        !self.has(Step::OneKeyAtATime) || state.tasks.iter().filter(works).all(Task::looks_later)
                    };
                    // Idle replicas are alike: one stands for all.
                    let is_idle = |replica: Replica| state.tasks.iter().all(|task| task.replica != replica);
                    let is_first = |replica: &Replica| !is_idle(*replica) || !(0..*replica).any(is_idle);
                    let replicas = (0..self.replicas).filter(is_free).filter(is_first);
                    actions.extend(replicas.map(|replica| Action::Deliver { message: number(index), replica }));
                }
                Place::Delivered | Place::Acked => {}
            }
        }
    }

    fn apply(&self, state: &mut State, action: Action) {
        match action {
            Action::Publish(message) => {
                state.messages[usize::from(message)].place = Place::Queued { redelivered: false };
            }
            Action::Deliver { message, replica } => {
                let taken = &mut state.messages[usize::from(message)];
                let protocol = Protocol::new(taken.place == Place::Queued { redelivered: true });
                taken.place = Place::Delivered;
                let at = At::Asks { protocol: protocol.clone(), later: false };
                let task = Task { replica, key: taken.key, message: Some(message), at };
                let at = self.goes_on(state, &task, protocol);
                state.tasks.extend(at.map(|at| Task { at, ..task }));
            }
            Action::Task(index, act) => {
                let task = state.tasks.remove(usize::from(index));
                let at = self.act(state, &task, act);
                let message = task.message.filter(|_| act != Act::Ack);
                state.tasks.extend(at.map(|at| Task { message, at, ..task }));
            }
            Action::CommitLate { key, id, renumbered } => {
                let new = if renumbered { state.next_id(key) } else { id };
                *state.ticket(key, id) = Ticket { key, id: new, shape: Shape::Unmerged };
            }
            Action::Crash(replica) => {
                Self::give_back(state, replica);
                let (died, alive): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut state.tasks).into_iter().partition(|task| task.replica == replica);
                state.tasks = alive;
                for task in died {
                    if let At::Creating { id, .. } = task.at {
                        self.abandons(state, task.key, id);
                    }
                }
            }
            Action::Cut(replica) => {
                Self::give_back(state, replica);
                for task in std::mem::take(&mut state.tasks) {
                    let at = match task.at.clone() {
                        At::Asks { protocol, .. } | At::Waits { protocol, .. } if self.is_released(&task) => {
                            self.goes_on(state, &task, protocol)
                        }
                        at => Some(at),
                    };
                    state.tasks.extend(at.map(|at| Task { at, ..task }));
                }
            }
            Action::AnalystMerges { key, id } => state.merge(key, id, FOREIGN),
        }
        state.tasks.retain(|task| task.message.is_some() || !matches!(task.at, At::StoreCopy | At::Settle));
        state.forget();
        state.sort();
    }

    /// What `task` does after `act`, if it goes on.
    fn act(&self, state: &mut State, task: &Task, act: Act) -> Option<At> {
        let message = task.message.map(usize::from);
        match (act, task.at.clone()) {
            (Act::Ask, At::Asks { protocol, .. }) => self.asks(state, task, protocol),
            (Act::Commit, At::Creating { protocol, id }) => {
                state.ticket(task.key, id).shape = Shape::Unmerged;
                self.hears(state, task, protocol, Heard::Created(ticket_id(id)))
            }
            (Act::EndWait, At::Waits { protocol, .. }) => self.hears(state, task, protocol, Heard::Waited),
            (Act::StoreCopy | Act::LoseConfirm, at) => {
                if let Some(message) = message {
                    state.messages[message].copied = true;
                }
                Some(if act == Act::StoreCopy { At::Settle } else { at })
            }
            (Act::Ack, at) => {
                if let Some(message) = message {
                    state.messages[message].place = Place::Acked;
                }
                (at != At::Settle).then_some(at)
            }
            (Act::LookLater, _) => {
                let protocol = Protocol::of_late_duplicates(&state.hits(task.key))?;
                self.goes_on(state, task, protocol)
            }
            (Act::LoseRequest, At::Asks { protocol, .. }) => self.hears(state, task, protocol, Heard::Lost),
            (Act::LoseAnswer, At::Creating { protocol, id }) => {
                self.abandons(state, task.key, id);
                self.hears(state, task, protocol, Heard::Lost)
            }
            (Act::FailMerge { merges }, At::Asks { protocol, .. }) => {
                if merges && let Request::Merge { double, into } = request(&protocol) {
                    self.merges(state, task.key, id_of(double), id_of(into));
                }
                let heard = self.not_merged(protocol.made());
                self.hears(state, task, protocol, heard)
            }
            (act, at) => unreachable!("{act:?} at {at:?}"),
        }
    }

    fn spend(left: &mut Faults, action: Action) {
        let spent = match action {
            Action::Crash(_) => &mut left.crashes,
            Action::Cut(_) => &mut left.cuts,
            Action::AnalystMerges { .. } => &mut left.analyst,
            Action::Task(_, Act::LoseRequest | Act::LoseAnswer) => &mut left.lost,
            Action::Task(_, Act::FailMerge { .. }) => &mut left.failed_merges,
            Action::Task(_, Act::LoseConfirm) => &mut left.lost_confirms,
            _ => return,
        };
        *spent -= 1;
    }
}

/// What the protocol wants to know of RT.
pub fn request(protocol: &Protocol) -> Request {
    match protocol.next() {
        Next::Ask(request) => request,
        next => unreachable!("{next:?} asks RT nothing"),
    }
}

/// `protocol` once it has heard that.
pub fn after(protocol: &Protocol, heard: Heard) -> Protocol {
    let mut protocol = protocol.clone();
    protocol.hear(heard);
    protocol
}

/// An answer to `request`, where the protocol does the same whatever it is: nothing that comes between can make a
/// difference. That is the look at what came of a merge, which is for the log only.
fn any_answer(state: &State, key: Key, protocol: &Protocol, request: Request) -> Option<Heard> {
    let Request::Read(ticket) = request else { return None };
    let first = after(protocol, Heard::LeadsTo(ticket));
    let mut others = (FOREIGN..state.next_id(key)).map(|id| after(protocol, Heard::LeadsTo(ticket_id(id))));
    others.all(|other| other == first).then_some(Heard::LeadsTo(ticket))
}

fn number(index: usize) -> u8 {
    u8::try_from(index).expect("a state is small")
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let keys = (0..).zip(self.published);
        let messages = keys.flat_map(|(key, times)| (0..*times).map(move |time| (key, time)));
        let place = |time| if time == 0 { Place::Queued { redelivered: false } } else { Place::Unpublished };
        let messages = messages.map(|(key, time)| Message { key, place: place(time), copied: false }).collect();
        let (tasks, tickets) = (Vec::new(), Vec::new());
        let mut state = State { messages, tasks, tickets, left: self.faults, foreign_merged: false, way: 0 };
        state.way = state.way_to_rest();
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for index in 0..state.tasks.len() {
            self.actions_of(state, index, actions);
        }
        self.deliveries(state, actions);
        for &Ticket { key, id, shape } in &state.tickets {
            if shape == Shape::Late {
                actions.push(Action::CommitLate { key, id, renumbered: false });
                if id + 1 != state.next_id(key) {
                    actions.push(Action::CommitLate { key, id, renumbered: true });
                }
            }
            if shape == Shape::Unmerged && state.left.analyst > 0 {
                actions.push(Action::AnalystMerges { key, id });
            }
        }
        for replica in 0..self.replicas {
            let mut own = state.tasks.iter().filter(|task| task.replica == replica);
            if state.left.cuts > 0 && own.clone().any(|task| task.message.is_some()) {
                actions.push(Action::Cut(replica));
            }
            if state.left.crashes > 0 && own.next().is_some() {
                actions.push(Action::Crash(replica));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        Self::spend(&mut next.left, action);
        self.apply(&mut next, action);
        next.way = next.way_to_rest();
        assert!(next.way < state.way, "no nearer to rest: {action:?} from {state:?} to {next:?}");
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_LOST, |world: &Self, state: &State| {
                let has_ticket = |message: &Message| !state.hits(message.key).is_empty();
                let is_kept = |message: &Message| {
                    if world.is_refused(message.key) { message.copied } else { has_ticket(message) }
                };
                state.messages.iter().filter(|message| message.place == Place::Acked).all(is_kept)
            }),
            Property::always(ONE_TICKET, |world: &Self, state: &State| {
                !state.is_at_rest() || world.keys().all(|key| state.unmerged(key) <= 1)
            }),
            Property::always(ALONE_NEVER_A_SECOND, |world: &Self, state: &State| {
                world.replicas > 1 || world.keys().all(|key| state.hits(key).len() <= 1)
            }),
            Property::always(NEVER_STUCK, |world: &Self, state: &State| {
                let mut actions = Vec::new();
                world.actions(state, &mut actions);
                let is_step = |action: &Action| {
                    let mut left = state.left;
                    Self::spend(&mut left, *action);
                    left == state.left && !matches!(action, Action::Publish(_))
                };
                state.is_at_rest() || actions.iter().any(is_step)
            }),
            Property::always(ONLY_OWN_MERGED, |_, state: &State| !state.foreign_merged),
            Property::sometimes(COMES_TO_REST, |_, state: &State| {
                state.is_at_rest() && state.messages.iter().all(|message| message.place == Place::Acked)
            }),
        ]
    }
}

impl World {
    fn keys(&self) -> impl Iterator<Item = Key> {
        0..number(self.published.len())
    }
}

pub const NOTHING_LOST: &str = "nothing is acked without a ticket or a dead letter";
pub const ONE_TICKET: &str = "at rest no alert has two tickets that are not merged";
pub const ALONE_NEVER_A_SECOND: &str = "one replica alone never makes a second ticket";
pub const NEVER_STUCK: &str = "until all is settled there is a next step";
pub const ONLY_OWN_MERGED: &str = "only tickets of the alert are merged";
pub const COMES_TO_REST: &str = "all is settled";
