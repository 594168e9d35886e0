//! Tickets that RT makes when their alert is long done.

use std::sync::Arc;

use rtir_relay::metrics::Now;
use rtir_relay::outcome::{Done, Reason};
use rtir_relay::relay::Condition;
use tokio::task::JoinHandle;

use crate::handle::{Clock, Scene, dead_letter, done};
use crate::secrets::Captured;
use crate::support::alerts;
use crate::support::fake_rt::{Answer, Fault, Op};
use crate::support::health::Scraped;

impl Scene {
    /// Looks for late tickets, as the loop of the relay does.
    fn look_later(&self) -> JoinHandle<()> {
        let relay = Arc::clone(&self.relay);
        tokio::spawn(async move { relay.keep_looking_later().await })
    }

    fn late_duplicates(&self) -> u64 {
        Scraped::parse(&self.metrics.encode(Now::default()).unwrap()).count("late_duplicates_total")
    }
}

/// A relay whose `alert-1` is done although its first create is still under way at RT.
async fn done_with_a_create_under_way(clock: &Clock) -> Scene {
    let scene = Scene::new(&Clock::SHORT_TIMEOUT);
    scene.rt.play(Op::Create, Fault::FreezeBefore);
    let handled = scene.start(&alerts::ssl("alert-1"));
    assert_eq!(done(&clock.fate(handled).await), (1, Done::Created));
    assert_eq!((scene.rt.count(Op::Create), scene.rt.under_way()), (2, 1));
    scene
}

#[tokio::test]
async fn what_rt_commits_long_after_the_alert_is_done_is_merged_and_counted() {
    for minutes in [0, 2, 10] {
        let clock = Clock::stopped();
        let scene = done_with_a_create_under_way(&clock).await;
        let looking = scene.look_later();
        clock.pass(minutes).await;
        scene.rt.thaw();
        clock.until("both tickets", || (scene.rt.tickets().len() == 2).then_some(())).await;
        clock.pass(5).await;
        clock.until("a merge", || (scene.rt.unmerged().len() == 1).then_some(())).await;
        scene.assert_one_each(&["alert-1"]);
        assert_eq!(scene.rt.unmerged()[0].id, 1, "the earlier one is kept");
        clock.until("its count", || (scene.late_duplicates() == 1).then_some(())).await;
        looking.abort();
    }
}

#[tokio::test]
async fn a_late_duplicate_that_could_not_be_merged_is_merged_by_the_next_look() {
    let clock = Clock::stopped();
    let scene = done_with_a_create_under_way(&clock).await;
    scene.rt.thaw();
    clock.until("both tickets", || (scene.rt.tickets().len() == 2).then_some(())).await;
    scene.rt.play(Op::Update, Fault::Instead(Answer::message(503, "as scripted")));
    let looking = scene.look_later();
    clock.pass(2).await;
    assert_eq!((scene.rt.count(Op::Update), scene.rt.unmerged().len()), (1, 2));
    clock.until("a merge", || (scene.rt.unmerged().len() == 1).then_some(())).await;
    assert_eq!(scene.rt.count(Op::Update), 2);
    looking.abort();
}

#[tokio::test]
async fn alerts_that_are_certain_are_not_looked_for_again_and_others_together() {
    let clock = Clock::stopped();
    let scene = Scene::new(&[&Clock::SHORT_TIMEOUT[..], &[("RTIR_CONCURRENCY", "4")]].concat());
    let looking = scene.look_later();
    scene.handle_on(&clock, "certain").await;
    let again: Vec<_> = (0..25).map(|number| scene.start_again(&alerts::ssl(&format!("again-{number}")))).collect();
    for again in again {
        assert_eq!(done(&clock.fate(again).await).1, Done::Created);
    }
    let searches = scene.rt.count(Op::Find);
    for looks in 1..=3 {
        // A minute, four, and ten; in tens of seconds that it takes until all are done.
        clock.pass([2, 4, 10][looks - 1]).await;
        assert_eq!(scene.rt.count(Op::Find) - searches, looks * 2, "two searches of at most twenty keys each time");
    }
    clock.pass(2).await;
    assert_eq!(scene.rt.count(Op::Find) - searches, 6, "and no more");
    for find in &scene.rt.asked(Op::Find)[searches..] {
        let query = find.parameter("query").unwrap();
        assert!(query.matches("'again-").count() <= 20 && !query.contains("certain"), "{query}");
    }
    looking.abort();
}

#[tokio::test]
async fn what_cannot_be_merged_costs_the_others_of_the_search_no_look() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::SHORT_TIMEOUT);
    let ids = ["again-1", "again-2"];
    let again = ids.map(|id| scene.start_again(&alerts::ssl(id)));
    for again in again {
        assert_eq!(done(&clock.fate(again).await).1, Done::Created);
    }
    for id in ids {
        scene.rt.add(Some(id));
    }
    scene.rt.play(Op::Read, Fault::Instead(Answer::message(500, "as scripted")));
    let looking = scene.look_later();
    clock.pass(2).await;
    assert_eq!(scene.rt.unmerged().len(), 3, "one is merged at the first look");
    clock.pass(4).await;
    scene.assert_one_each(&ids);
    looking.abort();
}

#[tokio::test]
async fn an_alert_that_is_given_up_while_rt_may_make_a_ticket_is_looked_for_too() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::SHORT_TIMEOUT);
    scene.rt.play(Op::Create, Fault::Instead(Answer::message(422, "as scripted")));
    assert_eq!(dead_letter(clock.fate(scene.start_again(&alerts::ssl("alert-1"))).await).reason, Reason::RejectedByRt);
    for _ in 0..2 {
        scene.rt.add(Some("alert-1"));
    }
    let looking = scene.look_later();
    clock.until("a merge", || (scene.rt.unmerged().len() == 1).then_some(())).await;
    looking.abort();
}

#[tokio::test]
async fn no_look_is_spent_while_rt_is_unavailable_whether_or_not_an_alert_meets_that() {
    for others in [&[][..], &["alert-2"]] {
        let clock = Clock::stopped();
        let scene = done_with_a_create_under_way(&clock).await;
        let looking = scene.look_later();
        for op in [Op::Find, Op::Rt] {
            scene.rt.keep(op, Fault::CutBefore);
        }
        let handled: Vec<_> = others.iter().map(|id| scene.start(&alerts::ssl(id))).collect();
        // Longer than all looks take.
        clock.pass(17).await;
        assert!(matches!(scene.relay.condition(), Condition::Down(_)));
        scene.rt.well();
        for handled in handled {
            assert_eq!(done(&clock.fate(handled).await).1, Done::Created);
        }
        // What it was asked before is finished a little later.
        clock.pass(1).await;
        scene.rt.thaw();
        clock.until("the late one", || (scene.rt.tickets().len() == 2 + others.len()).then_some(())).await;
        clock.pass(3).await;
        clock.until("a merge", || (scene.rt.unmerged().len() == 1 + others.len()).then_some(())).await;
        scene.assert_one_each(&[&["alert-1"][..], others].concat());
        looking.abort();
    }
}

#[tokio::test]
async fn an_alert_that_is_done_once_more_while_its_look_waits_for_a_slot_has_its_looks_anew() {
    let clock = Clock::stopped();
    let others = [("RTIR_CONCURRENCY", "1"), ("RETRY_UNKNOWN_WAIT", "30s")];
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &others].concat());
    done(&clock.fate(scene.start_again(&alerts::ssl("alert-1"))).await);
    let looking = scene.look_later();
    // Its last search takes from before the look is due until after.
    let again = scene.start_again(&alerts::ssl("alert-1"));
    clock.until("the second check", || (scene.relay.in_flight_again() == 1).then_some(())).await;
    scene.rt.play(Op::Find, Fault::FreezeBefore);
    clock.until("its search", || (scene.rt.frozen() == 1).then_some(())).await;
    clock.pass(2).await;
    let searches = scene.rt.count(Op::Find);
    scene.rt.thaw();
    done(&clock.fate(again).await);
    let asked = || scene.rt.asked(Op::Find).into_iter().map(|find| find.parameter("query").unwrap().to_owned());
    clock.pass(2).await;
    assert_eq!(scene.rt.count(Op::Find), searches + 1);
    assert!(asked().all(|query| query.contains("'alert-1'")), "{:?}", asked().collect::<Vec<_>>());
    looking.abort();
}

#[tokio::test]
async fn an_alert_is_looked_for_after_a_minute_though_another_is_due_much_later() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::SHORT_TIMEOUT);
    let looking = scene.look_later();
    done(&clock.fate(scene.start_again(&alerts::ssl("first"))).await);
    clock.pass(6).await;
    done(&clock.fate(scene.start_again(&alerts::ssl("second"))).await);
    let searches = scene.rt.count(Op::Find);
    clock.pass(2).await;
    assert_eq!(scene.rt.count(Op::Find), searches + 1);
    looking.abort();
}

#[tokio::test]
async fn credentials_that_rt_refuses_are_tried_rarely_by_later_looks() {
    let clock = Clock::stopped();
    let scene = Scene::new(&[&Clock::SHORT_TIMEOUT[..], &[("RTIR_CONCURRENCY", "4")]].concat());
    let again: Vec<_> = (0..100).map(|number| scene.start_again(&alerts::ssl(&format!("again-{number}")))).collect();
    for again in again {
        done(&clock.fate(again).await);
    }
    scene.rt.change_password("another");
    scene.rt.forget_sessions();
    let logins = scene.rt.count(Op::LogIn);
    let looking = scene.look_later();
    clock.pass(10).await;
    assert!(matches!(scene.relay.condition(), Condition::Down(_)));
    // At 5, 10, 20, 40, 80, 160 and 300 s.
    assert!(scene.rt.count(Op::LogIn) - logins <= 10, "{} logins", scene.rt.count(Op::LogIn) - logins);
    looking.abort();
}

#[tokio::test]
async fn a_duplicate_that_rt_does_not_merge_is_named_once() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::SHORT_TIMEOUT);
    for _ in 0..2 {
        scene.rt.add(Some("alert-1"));
    }
    scene.rt.set_up(|set_up| set_up.modify_ticket = false);
    let captured = Captured::start();
    done(&clock.fate(scene.start_again(&alerts::ssl("alert-1"))).await);
    let requests = scene.rt.requests_so_far();
    let looking = scene.look_later();
    clock.pass(6).await;
    assert_eq!(scene.rt.requests_so_far(), requests);
    assert!(!captured.text().contains("long after"));
    looking.abort();
}

#[tokio::test]
async fn a_late_ticket_is_named_and_left_where_an_analyst_has_merged_the_other_into_theirs() {
    let clock = Clock::stopped();
    let scene = done_with_a_create_under_way(&clock).await;
    let theirs = scene.rt.add(None);
    scene.rt.edit(1, |ticket| ticket.effective_id = theirs);
    let captured = Captured::start();
    let looking = scene.look_later();
    scene.rt.thaw();
    clock.until("the late one", || (scene.rt.tickets().len() == 3).then_some(())).await;
    clock.pass(2).await;
    assert_eq!(scene.rt.unmerged().len(), 2);
    assert!(captured.text().contains("into a ticket of theirs"), "{}", captured.text());
    looking.abort();
}
