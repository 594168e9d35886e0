//! How outages of RT end, and what goes on meanwhile.

use std::sync::Arc;
use std::time::Duration;

use rtir_relay::outcome::Fate;
use rtir_relay::relay::{Condition, Message};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::handle::{Clock, Scene, done};
use crate::support::alerts;
use crate::support::fake_rt::{Answer, Fault, Op};

impl Scene {
    /// An alert that has its ticket, delivered again and again, once in each `pause`.
    fn repeats(&self, id: &str, pause: Duration) -> JoinHandle<()> {
        self.rt.add(Some(id));
        let (relay, body) = (Arc::clone(&self.relay), alerts::body(&alerts::ssl(id)).into());
        tokio::spawn(async move {
            let never = CancellationToken::new();
            let mut arrivals = tokio::time::interval(pause);
            loop {
                arrivals.tick().await;
                let message = Message { body: &body, content_type: None, redelivered: false };
                assert!(matches!(relay.handle(message, &never).await.fate, Fate::Done { .. }));
            }
        })
    }
}

#[tokio::test]
async fn after_an_outage_alerts_that_wait_have_their_turn_beside_any_number_that_are_found() {
    let clock = Clock::stopped();
    let scene = Scene::new(&[&Clock::SHORT_TIMEOUT[..], &[("RTIR_CONCURRENCY", "2")]].concat());
    for op in [Op::Find, Op::Rt] {
        scene.rt.keep(op, Fault::CutBefore);
    }
    scene.rt.add(Some("first"));
    let first = scene.start(&alerts::ssl("first"));
    clock.pass(1).await;
    scene.rt.well();
    done(&clock.fate(first).await);

    let repeats: Vec<_> =
        (0..12).map(|number| scene.repeats(&format!("known-{number}"), Duration::from_millis(100))).collect();
    scene.rt.add(Some("waits"));
    done(&clock.fate(scene.start_again(&alerts::ssl("waits"))).await);
    for repeats in repeats {
        repeats.abort();
    }
}

#[tokio::test]
async fn an_outage_ends_when_what_failed_is_held_no_more_whatever_else_comes() {
    let clock = Clock::stopped();
    let scene = Scene::new(&[&Clock::SHORT_TIMEOUT[..], &[("RTIR_CONCURRENCY", "4")]].concat());
    scene.rt.keep(Op::Create, Fault::Instead(Answer::message(500, "as scripted")));
    let bad = ["bad-1", "bad-2", "bad-3"].map(|id| scene.start(&alerts::ssl(id)));
    let half_open = || matches!(scene.relay.condition(), Condition::HalfOpen(_)).then_some(());
    clock.until("alerts try one by one", half_open).await;
    // Their connection to the broker is lost: another relay has them.
    for bad in bad {
        bad.abort();
    }
    let repeats = scene.repeats("known", Duration::from_secs(5));
    let healthy = || {
        scene.relay.rest();
        matches!(scene.relay.condition(), Condition::Well).then_some(())
    };
    clock.until("the outage is over", healthy).await;
    repeats.abort();
}
