//! The copy of a dead letter: it always fits, one that cannot be stored holds up no other, and one that comes back is not
//! copied without end.

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, QueueBindOptions};
use lapin::types::{AMQPValue, FieldTable};

use super::health::{ANY_PORT, ready};
use crate::support::broker_admin::{bind, delete_queue, make_queue, unbind};
use crate::support::eventually::eventually;
use crate::support::health::{Scraped, address};
use crate::support::lab::Scene;

fn headers(foreign: &[(&str, usize)]) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, bytes) in foreign {
        table.insert((*name).into(), AMQPValue::LongString("h".repeat(*bytes).into()));
    }
    BasicProperties::default().with_message_id("m-1".into()).with_headers(table)
}

#[tokio::test]
async fn a_copy_whose_headers_do_not_fit_is_stored_without_some_and_says_which() {
    // What a frame takes, the headers of the alert, and what its copy has to lack.
    for (frame_max, foreign, lacks) in [
        ("", &[("x-huge", 130_700)][..], "x-huge (130"),
        ("", &[("x-huge", 70_700), ("x-small", 60_000)], "x-huge (70"),
        ("?frame_max=8192", &[("x-huge", 7_900)], "x-huge (7"),
        ("?frame_max=8192", &[("x-huge", 7_400), ("x-small", 500)], "x-huge (7"),
    ] {
        let scene = Scene::declared("fits").await;
        let work = scene.amqp_queue();
        // Nothing else would keep what the relay rejects.
        delete_queue(&work).await;
        make_queue(&work, serde_json::json!({})).await;
        bind(&scene.exchange(), &work).await;
        let url = format!("{}{frame_max}", scene.url());
        let relay = scene.relay(&[("AMQP_URL", &url)]).await;
        scene.publish_with(b"bad", headers(foreign)).await;
        let letter = scene.dead_letters(1).await.remove(0);
        assert_eq!((letter.body.as_slice(), letter.reason()), (&b"bad"[..], "malformed_alert"), "{foreign:?}");
        assert_eq!(letter.properties.message_id().as_ref().map(lapin::types::ShortString::as_str), Some("m-1"));
        let note = letter.header("x-failure-trimmed").unwrap_or_default();
        assert!(note.starts_with(lacks), "{note}");
        assert!(letter.header("x-failure-message").is_some_and(|message| message.contains("not JSON")), "{note}");
        assert_eq!(letter.header("x-small").is_some(), foreign.len() > 1, "{note}");
        scene.stop(relay).await;
        scene.assert_queue_empty().await;
        scene.close().await;
    }
}

#[tokio::test]
async fn one_dead_letter_that_cannot_be_stored_waits_and_holds_up_no_other() {
    let scene = Scene::declared("lone").await;
    let letters = scene.dead_letters_name();
    unbind(&letters, &letters).await;
    let bind_to = async |key: &str| {
        let queue = letters.as_str();
        let (options, table) = (QueueBindOptions::default(), FieldTable::default());
        scene.channel.queue_bind(queue.into(), queue.into(), key.into(), options, table).await.unwrap();
    };
    bind_to("alert.#").await;
    let relay = scene.relay(&[ANY_PORT, ("PAUSE_AFTER", "2s"), ("RETRY_MAX", "500ms")]).await;
    let address = address(&relay).await;
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let odd = scene.channel.basic_publish(
        scene.exchange().into(),
        "odd".into(),
        options,
        b"lone",
        BasicProperties::default().with_delivery_mode(2),
    );
    odd.await.unwrap().await.unwrap();
    relay.logs("the dead letter of this alert waits, others go on: invalid queue").await;
    for round in 0..4 {
        scene.publish(format!("bad {round}").as_bytes()).await;
        assert_eq!(scene.dead_letters(1).await[0].body, format!("bad {round}").as_bytes());
    }
    // It is tried again and again, also after the relay has given it back, and never makes the relay pause.
    let given_back = async || {
        let scraped = Scraped::from(address).await;
        (scraped.count("alerts_settled_total{type=\"unknown\",outcome=\"returned\"}") >= 2).then_some(scraped)
    };
    let scraped = eventually("given back twice", given_back).await;
    assert_eq!((scraped.count("dead_letters_down"), scraped.count("paused")), (0, 0));
    let body = ready(address, "consuming", 200).await;
    assert_eq!(body["dead_letters"]["ok"], true, "{body}");
    eventually("it waits", async || (Scraped::from(address).await.count("dead_letters_waiting") == 1).then_some(()))
        .await;
    bind_to("#").await;
    assert_eq!(scene.dead_letters(1).await[0].body, b"lone");
    eventually("none waits", async || (Scraped::from(address).await.count("dead_letters_waiting") == 0).then_some(()))
        .await;
    let log = scene.stop(relay).await;
    assert!(!log.contains("alerts go back to their queue"), "{log}");
    scene.assert_queue_empty().await;
    scene.close().await;
}

#[tokio::test]
async fn a_dead_letter_that_comes_back_goes_straight_to_its_queue_once_and_is_named() {
    for both in [true, false] {
        let scene = Scene::declared("loop").await;
        let (work, letters) = (scene.amqp_queue(), scene.dead_letters_name());
        bind(&letters, &work).await;
        if !both {
            unbind(&letters, &letters).await;
        }
        let relay = scene.relay(&[]).await;
        for number in 0..4 {
            scene.publish(format!("bad {number}").as_bytes()).await;
        }
        let copies = if both { 8 } else { 4 };
        let settled = async || (relay.count("\"outcome\":\"dead_letter\"") == 8).then_some(());
        eventually("each is settled twice", settled).await;
        let stored = scene.dead_letters(copies).await;
        for number in 0..4 {
            let body = format!("bad {number}").into_bytes();
            assert_eq!(stored.iter().filter(|letter| letter.body == body).count(), copies as usize / 4);
        }
        assert!(stored.iter().all(|letter| letter.reason() == "malformed_alert"));
        let log = scene.stop(relay).await;
        assert_eq!(log.matches("dead letters come back to queue").count(), 1, "once");
        assert_eq!(log.matches("\"outcome\":\"dead_letter\"").count(), 8, "no more");
        scene.assert_queue_empty().await;
        scene.close().await;
    }
}
