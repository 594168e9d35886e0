//! One alert, one ticket.

use std::sync::Arc;

use rtir_relay::config::{Config, Environment};
use rtir_relay::metrics::Metrics;
use rtir_relay::rtir::Client;
use rtir_relay::ticket::AlertKey;
use serde_json::json;

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

#[tokio::test]
async fn one_search_for_many_alerts_finds_of_each_what_a_search_of_its_own_does() {
    let scene = Scene::new("joined").await;
    let key = |number: usize| format!("{}-{number}", scene.name);
    let create = async |number: usize| {
        scene.rt.create(&json!({ "Subject": "Joined", "CustomFields": { "Alert ID": key(number) } })).await
    };
    // None of the first, two of the second, two that are merged of the third, one of each of the others.
    let mut made = Vec::new();
    for number in [1, 1, 2, 2].into_iter().chain(3..20) {
        made.push(create(number).await);
    }
    scene.rt.put(made[3], &json!({ "MergeInto": made[2] })).await;
    let environment: Environment = scene.environment(&[]).into_iter().collect();
    let config = Config::load(&environment).unwrap_or_else(|faults| panic!("{faults:?}"));
    let client = Client::new(Arc::new(config.rtir), Arc::new(Metrics::default())).unwrap();
    let keys: Vec<_> = (0..20).map(|number| AlertKey::new(None, &key(number))).collect();
    let together = client.search_each(&keys).await.unwrap();
    for (key, hits) in keys.iter().zip(&together) {
        assert_eq!(*hits, client.search(key).await.unwrap(), "{key}");
    }
    let counts: Vec<_> = together.iter().map(Vec::len).collect();
    assert_eq!(counts[..4], [0, 2, 2, 1]);
    assert_eq!(counts[4..], [1; 16]);
    scene.close().await;
}
