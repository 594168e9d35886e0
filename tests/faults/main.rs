//! The long form of the faults, one after the other, and a table of what became of the alerts.
//!
//!     make faults                 # all of them
//!     make faults ONLY=cluster    # those whose name has the word

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test says why it failed")]

#[path = "../support/mod.rs"]
mod support;

mod scenarios;

use std::pin::Pin;
use std::time::Instant;

use scenarios::rt::{Fault, World};
use scenarios::{Form, Row, answers, broker, cluster, dead_letters, fairness, killed, restarts, trax, unreadable};

type Running = Pin<Box<dyn Future<Output = Row>>>;

/// Each fault of the long form, under the name by which it is chosen.
const SCENARIOS: [(&str, fn(Form) -> Running); 18] = [
    ("relay-killed-scripted", |form| Box::pin(killed::at_any_moment(form))),
    ("relay-killed-real", |form| Box::pin(killed::before_a_real_rt(form))),
    ("relay-stopped", |form| Box::pin(killed::asked_to_stop(form))),
    ("answer-lost-scripted", |form| Box::pin(answers::lost(form))),
    ("answer-lost-real", |form| Box::pin(answers::lost_by_a_real_rt(form))),
    ("broker-killed", |form| Box::pin(broker::killed(form))),
    ("broker-cut", |form| Box::pin(broker::cut(form))),
    ("broker-frozen", |form| Box::pin(broker::frozen(form))),
    ("broker-queue-deleted", |form| Box::pin(broker::queue_deleted(form))),
    ("broker-too-late", |form| Box::pin(broker::acknowledged_too_late(form))),
    ("broker-memory", |form| Box::pin(broker::memory_alarm(form))),
    ("undecodable", |form| Box::pin(unreadable::among_many(form))),
    ("crash-loop", |form| Box::pin(unreadable::crash_loop(form))),
    ("wrong-password", |form| Box::pin(restarts::with_a_wrong_password(form))),
    ("dead-letters-expire", |form| Box::pin(dead_letters::replayed_into_expiry(form))),
    ("bad-among-many", |form| Box::pin(fairness::four_bad_among_many(form))),
    ("bad-first", |form| Box::pin(fairness::bad_first(form))),
    ("broker-cluster", |form| Box::pin(cluster::leader_killed(form))),
];

const HEAD: &str = "| fault | times | alerts | lost | doubled | merged | dead letters | to the next ticket |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let only = std::env::var("ONLY").unwrap_or_default();
    let form = if std::env::var_os("SHORT").is_some() { Form::Short } else { Form::Long };
    let began = Instant::now();
    println!("{HEAD}");
    for (_, run) in SCENARIOS.iter().filter(|(name, _)| name.contains(&only)) {
        show(&run(form).await);
    }
    for fault in dead_letters::Fault::ALL.into_iter().filter(|fault| format!("dead-letters-{fault:?}").contains(&only))
    {
        show(&dead_letters::without_a_place(fault, form).await);
    }
    let faults: Vec<_> = Fault::ALL.into_iter().filter(|fault| format!("rt-{fault:?}").contains(&only)).collect();
    if !faults.is_empty() {
        let mut world = World::new().await;
        for fault in faults {
            show(&world.suffers(fault, form).await);
        }
        world.close().await;
    }
    if "trax-killed".contains(&only) {
        let handed_over = trax::killed(form).await;
        println!("\n{}\n{handed_over}", trax::HEAD);
        handed_over.assert_clean();
    }
    println!("\n{} min in all", began.elapsed().as_secs().div_ceil(60));
}

fn show(row: &Row) {
    println!("{row}");
    row.assert_clean();
}
