//! One login per worker, sessions that RT forgets, wrong credentials.

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::lab::{Scene, rt_admin, setting};
use crate::support::relay_process::RelayProcess;

fn sessions_of(scene: &Scene) -> usize {
    rt_admin(&["count-sessions", &scene.name]).parse().unwrap()
}

#[tokio::test]
async fn one_login_per_worker_serves_any_number_of_alerts() {
    let scene = Scene::new("one-login").await;
    let relay = scene.relay(&[]).await;
    for number in 0..30 {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    scene.tickets(30).await;
    assert_eq!(relay.count("logged in to RT as"), 3, "RTIR_CONCURRENCY is 2, and one that probes");
    assert_eq!(sessions_of(&scene), 3);
    scene.stop(relay).await;
    assert_eq!(sessions_of(&scene), 0, "it logs out at the end");
    scene.close().await;
}

#[tokio::test]
async fn a_session_that_rt_forgets_is_renewed_without_a_failed_alert() {
    let scene = Scene::new("forgotten").await;
    let relay = scene.relay(&[]).await;
    for round in 1..=4 {
        for number in 0..5 {
            scene.publish_alert(&alerts::ssl(&format!("alert-{round}-{number}"))).await;
        }
        // In the middle of the work, as far as two workers let it be hit.
        let some = (round - 1) * 5 + 2;
        eventually("some tickets", async || (relay.count("\"outcome\":\"created\"") >= some).then_some(())).await;
        rt_admin(&["delete-sessions", &scene.name]);
        let all = round * 5;
        eventually("all tickets", async || (relay.count("\"outcome\":\"created\"") >= all).then_some(())).await;
    }
    let log = scene.stop(relay).await;
    assert!(log.matches("logged in to RT as").count() >= 5, "{log}");
    assert!(!log.contains("waits, its next attempt"), "an attempt failed: {log}");
    assert!(!log.contains("\"level\":\"WARN\""), "{log}");
    assert_eq!(scene.rt.tickets().await.len(), 20);
    scene.assert_queue_empty().await;
    scene.close().await;
}

#[tokio::test]
async fn a_session_is_renewed_by_age() {
    let scene = Scene::new("aged").await;
    let relay = scene.relay(&[("RTIR_SESSION_MAX_AGE", "10ms"), ("RTIR_CONCURRENCY", "1")]).await;
    for number in 0..3 {
        scene.publish_alert(&alerts::ssl(&format!("alert-{number}"))).await;
    }
    scene.tickets(3).await;
    assert!(relay.count("logged in to RT as") > 3);
    // Old sessions were logged out, so they do not pile up: one of the worker's is left, and one of what probes.
    assert!(sessions_of(&scene) <= 2);
    scene.stop(relay).await;
    scene.close().await;
}

/// A relay that must end by itself, with exit code 78 and a message with all of `words`.
async fn refuses_to_start(scene: &Scene, others: &[(&str, &str)], words: &[&str]) {
    let mut relay = RelayProcess::start(&scene.environment(others));
    let (status, log) = relay.ended().await;
    assert_eq!(status.code(), Some(78), "{log}");
    for word in words {
        assert!(log.contains(word), "no {word:?} in: {log}");
    }
    scene.assert_no_secret(&log);
    assert!(!log.contains("wrong-secret"), "{log}");
}

#[tokio::test]
async fn wrong_credentials_of_rt_end_the_start_with_78() {
    let scene = Scene::new("wrong-rt").await;
    let words = ["RT refuses the credentials", "RTIR_USERNAME and RTIR_PASSWORD"];
    refuses_to_start(&scene, &[("RTIR_PASSWORD", "wrong-secret")], &words).await;
    let token = [("RTIR_USERNAME", ""), ("RTIR_PASSWORD", ""), ("RTIR_TOKEN", "1-99-wrong-secret")];
    refuses_to_start(&scene, &token, &words).await;
    scene.close().await;
}

#[tokio::test]
async fn wrong_settings_of_the_broker_end_the_start_with_78() {
    let scene = Scene::new("wrong-broker").await;
    let good = url::Url::parse(&setting("RELAY_LAB_AMQP_URL")).unwrap();
    let mut password = good.clone();
    password.set_password(Some("wrong-secret")).unwrap();
    refuses_to_start(&scene, &[("AMQP_URL", password.as_str())], &["Login was refused", "AMQP_URL"]).await;
    let mut vhost = good.clone();
    vhost.set_path("/nowhere");
    refuses_to_start(&scene, &[("AMQP_URL", vhost.as_str())], &["vhost", "nowhere", "/%2f"]).await;
    let tls = good.as_str().replace("amqp://", "amqps://");
    refuses_to_start(&scene, &[("AMQP_URL", &tls)], &["speak TLS", "Write amqp://"]).await;
    refuses_to_start(&scene, &[("AMQP_TOPOLOGY", "passive")], &["does not exist", "AMQP_TOPOLOGY=declare"]).await;
    scene.close().await;
}
