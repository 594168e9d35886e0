//! Nothing lost, nothing twice, whatever breaks: the short form of each fault; `make faults` is the long one.

use crate::scenarios::Form::Short;
use crate::scenarios::rt::{Fault, World};
use crate::scenarios::{answers, broker, cluster, dead_letters, fairness, killed, restarts, trax};

#[tokio::test]
async fn a_relay_killed_at_any_moment_loses_and_doubles_nothing() {
    killed::at_any_moment(Short).await.assert_clean();
}

#[tokio::test]
async fn a_relay_killed_before_a_real_rt_loses_and_doubles_nothing() {
    killed::before_a_real_rt(Short).await.assert_clean();
}

#[tokio::test]
async fn a_relay_asked_to_stop_in_the_middle_of_a_load_finishes_what_it_is_at() {
    killed::asked_to_stop(Short).await.assert_clean();
}

#[tokio::test]
async fn answers_lost_after_rt_made_the_ticket_double_nothing() {
    answers::lost(Short).await.assert_clean();
    answers::lost_by_a_real_rt(Short).await.assert_clean();
}

#[tokio::test]
async fn four_bad_alerts_among_many_hold_up_no_other() {
    fairness::four_bad_among_many(Short).await.assert_clean();
}

#[tokio::test]
async fn as_many_bad_alerts_first_as_are_held_hold_up_no_other() {
    fairness::bad_first(Short).await.assert_clean();
}

#[tokio::test]
async fn a_broker_that_is_killed_and_started_again_is_consumed_again() {
    broker::killed(Short).await.assert_clean();
}

#[tokio::test]
async fn a_broker_connection_that_is_cut_or_frozen_is_made_anew() {
    broker::cut(Short).await.assert_clean();
    broker::frozen(Short).await.assert_clean();
}

#[tokio::test]
async fn a_queue_that_is_deleted_under_the_consumer_is_declared_and_consumed_again() {
    broker::queue_deleted(Short).await.assert_clean();
}

#[tokio::test]
async fn what_is_acknowledged_too_late_for_the_broker_is_found_when_it_comes_again() {
    broker::acknowledged_too_late(Short).await.assert_clean();
}

#[tokio::test]
async fn a_broker_low_on_memory_stops_no_ticket_and_loses_no_dead_letter() {
    broker::memory_alarm(Short).await.assert_clean();
}

#[tokio::test]
async fn a_cluster_that_loses_the_queues_leader_is_consumed_on() {
    cluster::leader_killed(Short).await.assert_clean();
}

#[tokio::test]
async fn whatever_rt_suffers_no_alert_is_dead_lettered_and_the_relay_goes_on_by_itself() {
    let mut world = World::new().await;
    for fault in Fault::ALL {
        world.suffers(fault, Short).await.assert_clean();
    }
    world.close().await;
}

#[tokio::test]
async fn a_relay_restarted_with_a_wrong_password_of_rt_takes_nothing_from_the_queue() {
    restarts::with_a_wrong_password(Short).await.assert_clean();
}

#[tokio::test]
async fn without_a_place_for_dead_letters_their_alerts_stay_and_good_ones_go_on() {
    for fault in dead_letters::Fault::ALL {
        dead_letters::without_a_place(fault, Short).await.assert_clean();
    }
}

#[tokio::test]
async fn dead_letters_replayed_into_a_queue_in_which_they_expire_are_not_lost() {
    dead_letters::replayed_into_expiry(Short).await.assert_clean();
}

#[tokio::test]
async fn a_relay_killed_while_it_hands_over_to_a_failing_trax_misses_no_ticket() {
    trax::killed(Short).await.assert_clean();
}
