//! A model of the protocol, explored whole. README.md beside this file says what it shows.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test says why it failed")]

mod left_out;
mod state;
mod trace;
mod way;
mod world;

use std::collections::BTreeSet;
use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use left_out::Step;
use state::Faults;
use world::{ALONE_NEVER_A_SECOND, COMES_TO_REST, Commits, NOTHING_LOST, ONE_TICKET, ONLY_OWN_MERGED, World};

const README: &str = include_str!("README.md");

const NONE: Faults = Faults { crashes: 0, cuts: 0, lost: 0, failed_merges: 0, analyst: 0, lost_confirms: 0 };

/// Two replicas, one alert that is published once, no fault.
const QUIET: World = World {
    replicas: 2,
    published: &[1],
    refused: None,
    commits: Commits::BeforeWaitIsOver,
    faults: NONE,
    left_out: &[],
};

/// Two replicas, two alerts, one of them published twice.
const TWO_ALERTS: World = World { published: &[2, 1], ..QUIET };

/// RT may commit after the second look, but not after the later looks.
const LATER: World = World { commits: Commits::BeforeLaterLook, ..QUIET };

/// The names of the properties that do not hold in `world`, which is explored whole unless it is to `finish` before.
fn broken(name: &str, world: World, finish: HasDiscoveries) -> BTreeSet<&'static str> {
    let began = Instant::now();
    let checker = world.checker().threads(2).finish_when(finish).spawn_bfs().join();
    println!("{name}: {} states in {:.1?}", checker.unique_state_count(), began.elapsed());
    let mut found = checker.discoveries();
    let rests = found.remove(COMES_TO_REST).is_some();
    for (property, run) in &found {
        println!("{property} does not hold:\n{}", trace::in_words(&run.clone().into_vec()));
    }
    assert!(rests || !found.is_empty(), "it comes to rest");
    found.into_keys().collect()
}

fn holds(name: &str, world: World) {
    assert_eq!(broken(name, world, HasDiscoveries::AnyFailures), BTreeSet::new());
}

/// A shortest run that breaks something breaks `property`; README.md shows it.
fn is_broken(property: &'static str, world: &World) {
    let shortest = (2..).map(|depth| {
        let checker = world.clone().checker().target_max_depth(depth).finish_when(HasDiscoveries::AnyFailures);
        let mut found = checker.spawn_bfs().join().discoveries();
        found.remove(COMES_TO_REST);
        found
    });
    let mut found = shortest.take(50).find(|found| !found.is_empty()).expect("some property does not hold");
    let run = found.remove(property).expect("it does not hold");
    let run = trace::in_words(&run.into_vec());
    println!("{property} does not hold:\n{run}");
    assert!(found.is_empty(), "{found:?}");
    assert!(README.contains(&run), "README.md shows another run");
}

#[test]
fn crashes_lost_answers_and_lost_connections_make_no_double() {
    let faults = Faults { crashes: 2, lost: 1, ..NONE };
    holds("one alert, twice; 2 crashes, 1 lost answer", World { published: &[2], faults, ..QUIET });
    let faults = Faults { crashes: 1, cuts: 1, lost: 1, ..NONE };
    holds("one alert, twice; 1 crash, 1 cut, 1 lost answer", World { published: &[2], faults, ..QUIET });
}

#[test]
fn merges_that_fail_or_that_analysts_make_do_no_harm() {
    let faults = Faults { crashes: 1, lost: 1, failed_merges: 1, analyst: 1, ..NONE };
    holds(
        "one alert, twice; 1 crash, 1 lost answer, 1 failed merge, 1 merge by an analyst",
        World { published: &[2], faults, ..QUIET },
    );
}

#[test]
fn two_alerts_are_both_settled() {
    let faults = Faults { crashes: 1, ..NONE };
    holds("two alerts; 1 crash", World { faults, ..TWO_ALERTS });
}

#[test]
fn a_refused_alert_becomes_a_dead_letter_beside_one_that_becomes_a_ticket() {
    let faults = Faults { crashes: 1, lost_confirms: 1, ..NONE };
    holds("two alerts, one refused; 1 crash", World { refused: Some(1), faults, ..TWO_ALERTS });
}

#[test]
fn one_replica_alone_never_makes_a_second_ticket() {
    let faults = Faults { crashes: 2, cuts: 1, lost: 2, failed_merges: 1, analyst: 1, ..NONE };
    holds(
        "one replica, two alerts; 2 crashes, 2 lost answers, 1 of all else",
        World { replicas: 1, commits: Commits::AtOnce, faults, ..TWO_ALERTS },
    );
}

#[test]
fn one_replica_alone_makes_a_second_ticket_only_if_rt_commits_late_and_merges_it() {
    let faults = Faults { crashes: 1, cuts: 1, lost: 1, ..NONE };
    let world = World { replicas: 1, published: &[2], faults, ..QUIET };
    let name = "one replica, one alert, twice, late commits; 1 crash, 1 cut, 1 lost answer";
    assert_eq!(broken(name, world, HasDiscoveries::All), BTreeSet::from([ALONE_NEVER_A_SECOND]));
}

#[test]
fn what_rt_commits_after_the_second_look_is_merged_by_a_later_look() {
    let one_alert = World { published: &[2], ..LATER };
    let faults = Faults { lost: 1, failed_merges: 1, analyst: 1, ..NONE };
    let name = "one alert, twice, later looks; 1 lost answer, 1 failed merge, 1 merge by an analyst";
    holds(name, World { faults, ..one_alert });
    let faults = Faults { crashes: 1, failed_merges: 1, analyst: 1, ..NONE };
    let name = "one alert, twice, later looks; 1 crash, 1 failed merge, 1 merge by an analyst";
    holds(name, World { faults, ..one_alert });
    let faults = Faults { crashes: 1, cuts: 1, ..NONE };
    holds("one alert, twice, later looks; 1 crash, 1 cut", World { faults, ..one_alert });
    let faults = Faults { lost: 1, ..NONE };
    holds("two alerts, later looks; 1 lost answer", World { published: &[2, 1], faults, ..LATER });
}

#[test]
fn more_faults_at_once_do_no_harm() {
    if std::env::var_os("MODEL_LARGE").is_none() {
        return; // it takes minutes
    }
    let faults = Faults { crashes: 1, lost: 1, ..NONE };
    holds("two alerts; 1 crash, 1 lost answer", World { faults, ..TWO_ALERTS });
    let faults = Faults { crashes: 1, analyst: 1, ..NONE };
    holds("two alerts; 1 crash, 1 merge by an analyst", World { faults, ..TWO_ALERTS });
    let faults = Faults { crashes: 1, cuts: 1, lost: 1, failed_merges: 1, analyst: 1, ..NONE };
    holds("one alert, twice; 1 of each fault", World { published: &[2], faults, ..QUIET });
    let faults = Faults { crashes: 2, cuts: 1, lost: 1, ..NONE };
    holds("one alert, twice; 2 crashes, 1 cut, 1 lost answer", World { published: &[2], faults, ..QUIET });
    let faults = Faults { crashes: 1, lost: 1, ..NONE };
    holds("one alert, three times; 1 crash, 1 lost answer", World { published: &[3], faults, ..QUIET });
    let faults = Faults { lost: 2, failed_merges: 1, ..NONE };
    holds("one alert, twice, later looks; 2 lost answers, 1 failed merge", World { published: &[2], faults, ..LATER });
    let faults = Faults { cuts: 1, lost: 1, failed_merges: 1, ..NONE };
    let name = "one alert, twice, later looks; 1 cut, 1 lost answer, 1 failed merge";
    holds(name, World { published: &[2], faults, ..LATER });
    let faults = Faults { crashes: 1, ..NONE };
    holds("two alerts, later looks; 1 crash", World { published: &[2, 1], faults, ..LATER });
}

#[test]
fn a_create_that_commits_later_than_the_later_looks_leaves_a_duplicate() {
    let faults = Faults { lost: 1, ..NONE };
    is_broken(ONE_TICKET, &World { commits: Commits::AnyTime, faults, ..QUIET });
}

#[test]
fn a_crash_that_forgets_what_to_look_for_later_leaves_a_duplicate() {
    let faults = Faults { crashes: 1, lost: 1, ..NONE };
    is_broken(ONE_TICKET, &World { faults, ..LATER });
}

#[test]
fn without_a_crash_or_a_lost_answer_no_create_is_later_than_the_second_look() {
    let faults = Faults { failed_merges: 1, analyst: 1, ..NONE };
    holds("no second look is due", World { commits: Commits::AnyTime, faults, ..TWO_ALERTS });
}

#[test]
fn without_the_find_one_replica_makes_a_second_ticket() {
    let world = World { replicas: 1, published: &[2], commits: Commits::AtOnce, ..QUIET };
    is_broken(ALONE_NEVER_A_SECOND, &World { left_out: &[Step::Find], ..world });
}

#[test]
fn without_the_verify_two_replicas_leave_a_double() {
    is_broken(ONE_TICKET, &World { published: &[2], left_out: &[Step::Verify], ..QUIET });
}

#[test]
fn without_the_second_look_a_crash_leaves_a_double() {
    let faults = Faults { crashes: 1, ..NONE };
    is_broken(ONE_TICKET, &World { faults, left_out: &[Step::SecondLook], ..QUIET });
}

#[test]
fn without_one_key_at_a_time_one_replica_makes_a_second_ticket() {
    let world = World { replicas: 1, published: &[2], commits: Commits::AtOnce, ..QUIET };
    is_broken(ALONE_NEVER_A_SECOND, &World { left_out: &[Step::OneKeyAtATime], ..world });
}

#[test]
fn without_a_second_look_at_what_a_redelivery_finds_a_crash_leaves_a_double() {
    let faults = Faults { crashes: 1, ..NONE };
    is_broken(ONE_TICKET, &World { published: &[2], faults, left_out: &[Step::SecondLookAtFound], ..QUIET });
}

#[test]
fn without_the_later_look_a_crash_leaves_a_duplicate() {
    let faults = Faults { crashes: 1, ..NONE };
    is_broken(ONE_TICKET, &World { faults, left_out: &[Step::LaterLook], ..LATER });
}

#[test]
fn without_merging_the_others_when_the_own_is_merged_a_crash_leaves_a_double() {
    let faults = Faults { crashes: 1, ..NONE };
    is_broken(ONE_TICKET, &World { published: &[2], faults, left_out: &[Step::MergeTheOthers], ..QUIET });
}

#[test]
fn without_another_try_a_merge_that_fails_leaves_a_double() {
    let faults = Faults { failed_merges: 1, ..NONE };
    is_broken(ONE_TICKET, &World { published: &[2], faults, left_out: &[Step::MergeAgain], ..QUIET });
}

#[test]
fn without_a_look_before_the_merge_a_ticket_of_an_analyst_is_merged() {
    let faults = Faults { analyst: 1, ..NONE };
    is_broken(ONLY_OWN_MERGED, &World { published: &[2], faults, left_out: &[Step::MergeOnlyOwn], ..QUIET });
}

#[test]
fn without_dropping_what_lost_its_connection_a_crash_leaves_a_double() {
    let faults = Faults { crashes: 1, cuts: 1, ..NONE };
    is_broken(ONE_TICKET, &World { faults, left_out: &[Step::DropLost], ..QUIET });
}

#[test]
fn without_the_copy_before_the_ack_a_refused_alert_is_lost() {
    is_broken(NOTHING_LOST, &World { refused: Some(0), left_out: &[Step::Store], ..QUIET });
}
