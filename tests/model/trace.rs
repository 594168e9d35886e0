//! A run of the model, in words.

use std::fmt::Write as _;

use crate::protocol::{Action, World};
use crate::state::{At, FOREIGN, Id, Ids, Key, Place, Replica, Shape, State, Task};

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
    match World::task_of(action) {
        Some(index) => {
            let task = before.tasks[index];
            format!(
                "{} on {}: {}",
                replica(task.replica),
                alert(task.key),
                words_of_a_task(before, &task, action, after)
            )
        }
        None => words_of_the_world(before, action),
    }
}

fn words_of_a_task(before: &State, task: &Task, action: Action, after: &State) -> String {
    let key = task.key;
    match (action, task.at) {
        (Action::Find(_), _) => format!("looks for a ticket, finds {}", tickets_of(key, before.hits(key))),
        (Action::Create(_), _) => "asks RT to create one".to_owned(),
        (Action::Refuse(_), _) => "asks RT to create one; RT refuses".to_owned(),
        (Action::Commit(_), At::Creating(id)) => format!("RT commits {} and says so", ticket(key, id)),
        (Action::Verify(_), _) => format!("verifies, finds {}", tickets_of(key, before.hits(key))),
        (Action::Merge(_), At::Merge { doubles, kept, .. }) => {
            let asked = merge(key, doubles, kept);
            if after.foreign_merged && !before.foreign_merged {
                format!("{asked}; RT merges the ticket that it leads to, the analyst's")
            } else if before.tickets == after.tickets {
                format!("{asked}; there is nothing left to do")
            } else {
                asked
            }
        }
        (Action::FailMerge(_), At::Merge { doubles, kept, .. }) => {
            format!("{}; RT cannot be reached", merge(key, doubles, kept))
        }
        (Action::EndWait(_), _) => "has waited".to_owned(),
        (Action::StoreCopy(_), _) => "stores the copy in the dead-letter queue".to_owned(),
        (Action::Ack(_), _) => "acks".to_owned(),
        (Action::LoseRequest(_), _) => "asks RT to create one; no answer, and RT never got it".to_owned(),
        (Action::LoseAnswer(_), _) => "gets no answer, while RT goes on".to_owned(),
        (Action::LoseConfirm(_), _) => "stores the copy in the dead-letter queue, and is not told so".to_owned(),
        (action, at) => unreachable!("{action:?} at {at:?}"),
    }
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
        action => unreachable!("{action:?} is a task's"),
    }
}

fn merge(key: Key, doubles: Ids, kept: Id) -> String {
    let double = doubles.iter().next().unwrap_or_default();
    format!("merges {} into {}", ticket(key, double), ticket(key, kept))
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

fn tickets_of(key: Key, ids: Ids) -> String {
    listed(&ids.iter().map(|id| ticket(key, id)).collect::<Vec<_>>(), " and ")
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
