//! A run of the model, in words.

use std::fmt::Write as _;

use rtir_relay::protocol::{Next, Protocol, Request, Wait};
use rtir_relay::ticket::TicketId;

use crate::state::{At, FOREIGN, Id, Key, Place, Replica, Shape, State, Task, id_of};
use crate::world::{Act, Action, request};

/// `run` as one line for each step, and what RT has at the end.
pub fn in_words(run: &[(State, Option<Action>)]) -> String {
    let mut lines = String::new();
    for step in run.windows(2) {
        if let [(before, Some(action)), (after, _)] = step {
            writeln!(lines, "{}", words(before, *action, after)).expect("a String takes all");
        }
    }
    if let Some((last, _)) = run.last() {
        writeln!(lines, "=> {}", tickets(last)).expect("a String takes all");
    }
    lines
}

fn words(before: &State, action: Action, after: &State) -> String {
    let Action::Task(index, act) = action else { return words_of_the_world(before, action) };
    let task = &before.tasks[usize::from(index)];
    format!("{} on {}: {}", replica(task.replica), alert(task.key), words_of_a_task(before, task, act, after))
}

fn words_of_a_task(before: &State, task: &Task, act: Act, after: &State) -> String {
    match (act, &task.at) {
        (Act::Ask, At::Asks { protocol, .. }) => {
            let asked = asks(before, task.key, protocol);
            match request(protocol) {
                Request::Create if before.tickets == after.tickets => format!("{asked}; RT refuses"),
                Request::Merge { .. } if after.foreign_merged && !before.foreign_merged => {
                    format!("{asked}; RT merges the ticket that it leads to, the analyst's")
                }
                Request::Merge { .. } if before.tickets == after.tickets => format!("{asked}; RT says it has changed"),
                _ => asked,
            }
        }
        (Act::Commit, At::Creating { id, .. }) => format!("RT commits {} and says so", ticket(task.key, *id)),
        (Act::EndWait, At::Waits { protocol, .. }) if protocol.next() == Next::Wait(Wait::Retry) => {
            "makes another attempt".to_owned()
        }
        (Act::EndWait, _) => "has waited".to_owned(),
        (Act::StoreCopy, _) => "stores the copy in the dead-letter queue".to_owned(),
        (Act::Ack, _) => "acks".to_owned(),
        (Act::LookLater, _) => format!("looks for it again, much later, finds {}", found(before, task.key)),
        (Act::LoseRequest, At::Asks { protocol, .. }) => {
            format!("{}; no answer, and RT never got it", asks(before, task.key, protocol))
        }
        (Act::LoseAnswer, _) => "gets no answer, while RT goes on".to_owned(),
        (Act::FailMerge { merges }, At::Asks { protocol, .. }) => {
            let why = if merges { "the answer is lost" } else { "RT cannot be reached" };
            format!("{}; {why}", asks(before, task.key, protocol))
        }
        (Act::LoseConfirm, _) => "stores the copy in the dead-letter queue, and is not told so".to_owned(),
        (act, at) => unreachable!("{act:?} at {at:?}"),
    }
}

/// What RT is asked, and what a search or a read shows.
fn asks(state: &State, key: Key, protocol: &Protocol) -> String {
    let name = |id: TicketId| ticket(key, id_of(id));
    match request(protocol) {
        Request::Search => {
            let does = if protocol.made().is_none() { "looks for a ticket" } else { "verifies" };
            format!("{does}, finds {}", found(state, key))
        }
        Request::Create => "asks RT to create one".to_owned(),
        Request::Read(read) => match state.effective(key, id_of(read)) {
            id if id == id_of(read) => format!("looks at {}, which is still itself", name(read)),
            FOREIGN => format!("looks at {}, which is merged into the analyst's", name(read)),
            into => format!("looks at {}, which is merged into {}", name(read), ticket(key, into)),
        },
        Request::Merge { double, into } => format!("merges {} into {}", name(double), name(into)),
        Request::Explain(unfound) => format!("asks why {} is not found", name(unfound)),
    }
}

/// What a search for `key` shows.
fn found(state: &State, key: Key) -> String {
    let found: Vec<_> = state.hits(key).iter().map(|hit| ticket(key, id_of(hit.id))).collect();
    listed(&found, " and ")
}

fn words_of_the_world(before: &State, action: Action) -> String {
    let message = |message: u8| before.messages[usize::from(message)];
    match action {
        Action::Publish(it) => format!("{} is published once more", alert(message(it).key)),
        Action::Deliver { message: it, replica: to } => {
            let again = if message(it).place == (Place::Queued { redelivered: true }) { "re" } else { "" };
            format!("{} is {again}delivered to {}", alert(message(it).key), replica(to))
        }
        Action::CommitLate { key, id, renumbered } => {
            let id = if renumbered { before.next_id(key) } else { id };
            format!("RT commits {}, which nobody waits for", ticket(key, id))
        }
        Action::Crash(it) => format!("{} crashes", replica(it)),
        Action::Cut(it) => format!("{} loses its connection to the broker", replica(it)),
        Action::AnalystMerges { key, id } => format!("an analyst merges {} into a ticket of theirs", ticket(key, id)),
        Action::Task(..) => unreachable!("{action:?} is a task's"),
    }
}

fn tickets(state: &State) -> String {
    let shown = state.tickets.iter().map(|it| match it.shape {
        Shape::Begun | Shape::Late => format!("{} begun", ticket(it.key, it.id)),
        Shape::Unmerged => ticket(it.key, it.id),
        Shape::MergedInto(FOREIGN) => format!("{} merged into the analyst's", ticket(it.key, it.id)),
        Shape::MergedInto(into) => format!("{} merged into {}", ticket(it.key, it.id), ticket(it.key, into)),
    });
    listed(&shown.collect::<Vec<_>>(), ", ")
}

fn listed(items: &[String], between: &str) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.join(between) }
}

fn ticket(key: Key, id: Id) -> String {
    format!("{}{id}", alert(key))
}

fn alert(key: Key) -> char {
    if key == 0 { 'x' } else { 'y' }
}

fn replica(replica: Replica) -> char {
    if replica == 0 { 'A' } else { 'B' }
}
