//! One alert, one ticket.

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::lab::Scene;
use crate::support::relay_process::RelayProcess;

#[tokio::test]
async fn the_same_hundred_alerts_three_times_with_two_relays_leave_a_hundred_tickets() {
    let scene = Scene::new("doubles").await;
    let (first, second) = tokio::join!(scene.relay(&[]), scene.relay(&[]));
    for _ in 0..3 {
        for number in 0..100 {
            scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
        }
    }
    let settled_by = |relay: &RelayProcess| relay.count("\"outcome\":");
    let all_settled = async || (settled_by(&first) + settled_by(&second) == 300).then_some(());
    eventually("300 settled deliveries", all_settled).await;
    assert!(settled_by(&first) > 0 && settled_by(&second) > 0, "one relay had it all: nothing is shown");
    scene.stop(first).await;
    scene.stop(second).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;

    let tickets = scene.rt.tickets().await;
    let mut unmerged: Vec<_> = tickets.iter().filter(|t| !t.is_merged()).map(|t| t.key.clone().unwrap()).collect();
    unmerged.sort();
    let mut wanted: Vec<_> = (0..100).map(|number| format!("alert-{number}")).collect();
    wanted.sort();
    assert_eq!(unmerged, wanted);
    println!("{} tickets were merged", tickets.len() - unmerged.len());
    scene.close().await;
}
