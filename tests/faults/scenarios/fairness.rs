//! Alerts that fail or wait among those that do not: they end as they should, and the others do not notice.

use super::stage::Stage;
use super::{Form, Resumed, Row};
use crate::support::eventually::eventually;
use crate::support::fake_rt::{Answer, FakeRt, Fault, Op};
use crate::support::lab::setting;

/// Begins the name of each alert that RT makes no ticket of.
const BAD: &str = "the-bad";
/// Attempts come sooner than in production.
const RETRY: [(&str, &str); 3] = [("RETRY_INITIAL", "100ms"), ("RETRY_MAX", "2s"), ("RETRY_MAX_ATTEMPTS", "6")];

/// Four bad alerts come first, then four copies of one, among many: RT answers its own failure, and its refusal.
pub async fn four_bad_among_many(form: Form) -> Row {
    let alerts = form.of(60, 2000);
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "four-bad", &rt, &RETRY).await;
    stage.declare().await;
    rt.keep_for(Op::Create, BAD, Fault::Instead(Answer::message(500, "as scripted")));
    rt.keep_for(Op::Create, "the-refused", Fault::Instead(Answer::message(403, "as scripted")));
    for number in 0..4 {
        bad(&mut stage, &format!("{BAD}-{number}")).await;
    }
    stage.publish(alerts / 2).await;
    for _ in 0..4 {
        bad(&mut stage, "the-refused").await;
    }
    stage.publish(alerts / 2).await;
    let relay = stage.relay().await;
    rt.has_tickets(alerts).await;
    // A copy has its turn when the one before is given up, and only that others become tickets tells that it is the alert.
    eventually("all bad ones are dead letters", async || {
        let letters = stage.amqp.ready(&stage.amqp.dead_letters_name()).await;
        stage.publish(1).await;
        (letters == 8).then_some(())
    })
    .await;
    stage.drain(relay).await;
    Row {
        fault: "four bad alerts, and four copies of one",
        times: 2,
        tally: stage.tally_of(&rt).await,
        resumed: Resumed::default(),
    }
}

/// As many bad alerts come first as are held at once.
pub async fn bad_first(form: Form) -> Row {
    let (prefetch, alerts) = form.of((8, 20), (64, 500));
    let rt = FakeRt::start();
    let held = prefetch.to_string();
    let others = [&RETRY[..], &[("AMQP_PREFETCH", &held)]].concat();
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "bad-first", &rt, &others).await;
    stage.declare().await;
    rt.keep_for(Op::Create, BAD, Fault::Instead(Answer::message(500, "as scripted")));
    for number in 0..prefetch {
        bad(&mut stage, &format!("{BAD}-{number}")).await;
    }
    stage.publish(alerts).await;
    let relay = stage.relay().await;
    rt.has_tickets(alerts).await;
    stage.has_dead_letters(prefetch).await;
    stage.drain(relay).await;
    Row {
        fault: "as many bad alerts first as are held",
        times: prefetch,
        tally: stage.tally_of(&rt).await,
        resumed: Resumed::default(),
    }
}

/// Publishes an alert that ends as a dead letter.
async fn bad(stage: &mut Stage, id: &str) {
    stage.publish_alert(id).await;
    stage.is_given_up(id);
}
