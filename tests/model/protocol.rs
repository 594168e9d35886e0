//! The protocol, step by step, and the world it runs in.

use stateright::{Model, Property};

use crate::state::{At, FOREIGN, Faults, Id, Ids, Key, Message, Place, Replica, Shape, State, Task, Ticket};

/// The steps that can be left out, to see what each is for.
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

/// When RT commits a create that nobody waits for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    /// At once.
    AtOnce,
    /// Some time, but before a wait is over that began after the answer was lost.
    BeforeWaitIsOver,
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
    Find(u8),
    Create(u8),
    Refuse(u8),
    /// RT commits, and its answer arrives.
    Commit(u8),
    /// RT commits what nobody waits for, with the id it had in mind or with a new one.
    CommitLate {
        key: Key,
        id: Id,
        renumbered: bool,
    },
    Verify(u8),
    Merge(u8),
    EndWait(u8),
    StoreCopy(u8),
    Ack(u8),

    LoseRequest(u8),
    LoseAnswer(u8),
    FailMerge(u8),
    LoseConfirm(u8),
    Crash(Replica),
    Cut(Replica),
    AnalystMerges {
        key: Key,
        id: Id,
    },
}

impl World {
    pub fn has(&self, step: Step) -> bool {
        !self.left_out.contains(&step)
    }

    fn is_refused(&self, key: Key) -> bool {
        self.refused == Some(key)
    }

    fn first_step(&self) -> At {
        if self.has(Step::Find) { At::Find } else { At::Create }
    }

    fn begins_again(&self, task: &mut Task) {
        task.at = if task.made.is_some() { At::Verify } else { self.first_step() };
    }

    fn waits(state: &State, task: &mut Task) {
        let is_begun = |shape| matches!(shape, Shape::Begun | Shape::Late);
        task.at = At::Wait { begun: state.ids(task.key, is_begun) };
    }

    /// After a search: merges what has to be, then goes on.
    fn tidies(&self, state: &State, task: &mut Task, found: bool) {
        let doubles = state.unmerged(task.key);
        let own_is_merged = task.made.is_some_and(|made| !doubles.has(made));
        match doubles.split_lowest() {
            Some((kept, doubles)) if !doubles.is_empty() && (!own_is_merged || self.has(Step::MergeTheOthers)) => {
                task.at = At::Merge { doubles, kept, found };
            }
            _ => self.has_its_ticket(state, task, found),
        }
    }

    /// The ticket is there: settled, or looked at once more.
    fn has_its_ticket(&self, state: &State, task: &mut Task, found: bool) {
        let looks_again = !found || (self.has(Step::SecondLookAtFound) && !task.waited);
        if task.uncertain && looks_again && self.has(Step::SecondLook) {
            task.uncertain = false;
            Self::waits(state, task);
        } else {
            task.at = At::Settle;
        }
    }

    /// Nobody waits any more for the ticket that RT has begun.
    fn abandons(&self, state: &mut State, key: Key, id: Id) {
        state.ticket(key, id).shape = match self.commits {
            Commits::AtOnce => Shape::Unmerged,
            Commits::BeforeWaitIsOver | Commits::AnyTime => Shape::Late,
        };
    }

    /// Whether RT has had its time. A create that still has somebody waiting for it may take longer, once nothing can
    /// come between: if something did, it would be one that commits later than the second look.
    fn can_end_wait(&self, state: &State, key: Key, begun: Ids) -> bool {
        let outlasts = |shape| match shape {
            Shape::Late => self.commits == Commits::AnyTime,
            Shape::Begun => self.commits == Commits::AnyTime || state.left.crashes + state.left.lost == 0,
            Shape::Unmerged | Shape::MergedInto(_) => true,
        };
        let blocking = state.ids(key, |shape| !outlasts(shape));
        !begun.iter().any(|id| blocking.has(id))
    }

    /// Whether the work goes on when its delivery cannot be acked any more.
    fn finishes(&self, task: &Task) -> bool {
        match task.at {
            At::Creating(_) | At::Verify | At::Merge { found: false, .. } => true,
            At::Find | At::Create | At::Merge { .. } | At::Wait { .. } => !self.has(Step::DropLost),
            At::StoreCopy | At::Settle => false,
        }
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
        let (task, number) = (&state.tasks[index], number(index));
        let by_itself = match task.at {
            At::Find => Some(Action::Find(number)),
            At::Create if self.is_refused(task.key) => Some(Action::Refuse(number)),
            At::Create => Some(Action::Create(number)),
            At::Creating(_) => Some(Action::Commit(number)),
            At::Verify => Some(Action::Verify(number)),
            At::Merge { .. } => Some(Action::Merge(number)),
            At::Wait { begun } => self.can_end_wait(state, task.key, begun).then_some(Action::EndWait(number)),
            At::StoreCopy => Some(Action::StoreCopy(number)),
            At::Settle => Some(Action::Ack(number)),
        };
        actions.extend(by_itself);
        let left = &state.left;
        let befalls = match task.at {
            At::Create if left.lost > 0 && !self.is_refused(task.key) => Some(Action::LoseRequest(number)),
            At::Creating(_) if left.lost > 0 => Some(Action::LoseAnswer(number)),
            At::Merge { .. } if left.failed_merges > 0 => Some(Action::FailMerge(number)),
            At::StoreCopy if left.lost_confirms > 0 => Some(Action::LoseConfirm(number)),
            _ => None,
        };
        actions.extend(befalls);
    }

    fn deliveries(&self, state: &State, actions: &mut Vec<Action>) {
        for (index, message) in state.messages.iter().enumerate() {
            match message.place {
                // Repeats are alike: the next one stands for all.
                Place::Unpublished if state.messages[index - 1].place == Place::Unpublished => {}
                Place::Unpublished => actions.push(Action::Publish(number(index))),
                Place::Queued { .. } => {
                    let is_free = |replica: &Replica| {
                        let works = |task: &Task| task.replica == *replica && task.key == message.key;
                        !self.has(Step::OneKeyAtATime) || !state.tasks.iter().any(works)
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
        let mut task = Self::task_of(action).map(|index| state.tasks.remove(index));
        let mut goes_on = true;
        match (action, task.as_mut()) {
            (Action::Publish(message), _) => {
                state.messages[usize::from(message)].place = Place::Queued { redelivered: false };
            }
            (Action::Deliver { message, replica }, _) => {
                let taken = &mut state.messages[usize::from(message)];
                let redelivered = taken.place == Place::Queued { redelivered: true };
                taken.place = Place::Delivered;
                let (key, at) = (taken.key, self.first_step());
                let message = Some(message);
                state.tasks.push(Task { replica, key, message, at, uncertain: redelivered, waited: false, made: None });
            }
            (Action::Find(_), Some(task)) => {
                if state.hits(task.key).is_empty() {
                    task.at = At::Create;
                } else {
                    self.tidies(state, task, true);
                }
            }
            (Action::Create(_), Some(task)) => task.at = At::Creating(state.begin(task.key)),
            (Action::Refuse(_), Some(task)) => {
                task.at = if self.has(Step::Store) { At::StoreCopy } else { At::Settle };
            }
            (Action::Commit(_), Some(task)) => {
                let At::Creating(id) = task.at else { unreachable!("it is creating") };
                state.ticket(task.key, id).shape = Shape::Unmerged;
                task.made = Some(id);
                if self.has(Step::Verify) {
                    task.at = At::Verify;
                } else {
                    self.has_its_ticket(state, task, false);
                }
            }
            (Action::CommitLate { key, id, renumbered }, _) => {
                let new = if renumbered { state.next_id(key) } else { id };
                *state.ticket(key, id) = Ticket { key, id: new, shape: Shape::Unmerged };
                for task in state.tasks.iter_mut().filter(|task| task.key == key) {
                    if let At::Wait { begun } = &mut task.at {
                        *begun = begun.iter().filter(|waited_for| *waited_for != id).collect();
                    }
                }
            }
            (Action::Verify(_), Some(task)) => self.tidies(state, task, false),
            (Action::Merge(_) | Action::FailMerge(_), Some(task)) => {
                self.merges(state, task, matches!(action, Action::FailMerge(_)));
            }
            (Action::EndWait(_), Some(task)) => {
                task.waited = true;
                self.begins_again(task);
            }
            (Action::StoreCopy(_) | Action::LoseConfirm(_), Some(task)) => {
                if let Some(message) = task.message {
                    state.messages[usize::from(message)].copied = true;
                }
                if matches!(action, Action::StoreCopy(_)) {
                    task.at = At::Settle;
                }
            }
            (Action::Ack(_), Some(task)) => {
                if let Some(message) = task.message {
                    state.messages[usize::from(message)].place = Place::Acked;
                }
                goes_on = false;
            }
            (Action::LoseRequest(_), Some(task)) => {
                task.uncertain = true;
                Self::waits(state, task);
            }
            (Action::LoseAnswer(_), Some(task)) => {
                let At::Creating(id) = task.at else { unreachable!("it is creating") };
                self.abandons(state, task.key, id);
                task.uncertain = true;
                Self::waits(state, task);
            }
            (Action::Crash(replica), _) => {
                Self::give_back(state, replica);
                let (died, alive): (Vec<_>, Vec<_>) = state.tasks.iter().partition(|task| task.replica == replica);
                state.tasks = alive;
                for task in died {
                    if let At::Creating(id) = task.at {
                        self.abandons(state, task.key, id);
                    }
                }
            }
            (Action::Cut(replica), _) => Self::give_back(state, replica),
            (Action::AnalystMerges { key, id }, _) => state.merge(key, id, FOREIGN),
            (_, None) => unreachable!("it is a task's"),
        }
        state.tasks.extend(task.filter(|_| goes_on));
        state.tasks.retain(|task| task.message.is_some() || self.finishes(task));
        state.forget();
        state.sort();
    }

    /// The next double is merged, or `fails` to be.
    fn merges(&self, state: &mut State, task: &mut Task, fails: bool) {
        let At::Merge { doubles, kept, found } = task.at else { unreachable!("it is merging") };
        let Some((double, others)) = doubles.split_lowest() else { unreachable!("something is to be merged") };
        let is_itself = state.effective(task.key, double) == double;
        if !fails && (is_itself || !self.has(Step::MergeOnlyOwn)) {
            state.merge(task.key, double, kept);
        }
        if fails && self.has(Step::MergeAgain) {
            self.begins_again(task);
        } else if others.is_empty() {
            self.has_its_ticket(state, task, found);
        } else {
            task.at = At::Merge { doubles: others, kept, found };
        }
    }

    fn spend(left: &mut Faults, action: Action) {
        let spent = match action {
            Action::Crash(_) => &mut left.crashes,
            Action::Cut(_) => &mut left.cuts,
            Action::LoseRequest(_) | Action::LoseAnswer(_) => &mut left.lost,
            Action::FailMerge(_) => &mut left.failed_merges,
            Action::LoseConfirm(_) => &mut left.lost_confirms,
            Action::AnalystMerges { .. } => &mut left.analyst,
            _ => return,
        };
        *spent -= 1;
    }

    /// Whose step `action` is.
    pub fn task_of(action: Action) -> Option<usize> {
        match action {
            Action::Find(task)
            | Action::Create(task)
            | Action::Refuse(task)
            | Action::Commit(task)
            | Action::Verify(task)
            | Action::Merge(task)
            | Action::EndWait(task)
            | Action::StoreCopy(task)
            | Action::Ack(task)
            | Action::LoseRequest(task)
            | Action::LoseAnswer(task)
            | Action::FailMerge(task)
            | Action::LoseConfirm(task) => Some(usize::from(task)),
            Action::Publish(_)
            | Action::Deliver { .. }
            | Action::CommitLate { .. }
            | Action::Crash(_)
            | Action::Cut(_)
            | Action::AnalystMerges { .. } => None,
        }
    }
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
        vec![State { messages, tasks: Vec::new(), tickets: Vec::new(), left: self.faults, foreign_merged: false }]
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
        let before = state.way_to_rest();
        assert!(next.way_to_rest() < before, "no nearer to rest: {action:?} from {state:?} to {next:?}");
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
                !state.is_at_rest() || world.keys().all(|key| state.unmerged(key).len() <= 1)
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
