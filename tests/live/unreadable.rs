//! Messages that RabbitMQ stores and lapin cannot read are as good as others, on either kind of queue, in the queue of
//! alerts and in that of the dead letters.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::Value;

use crate::scenarios::Form::Short;
use crate::scenarios::stage::Stage;
use crate::scenarios::unreadable;
use crate::support::alerts;
use crate::support::fake_rt::FakeRt;
use crate::support::frames::{field, nested, short, value};
use crate::support::lab::{Scene, setting};
use crate::support::raw_publisher::{RawMessage, RawPublisher};

const LATIN_1: &[u8] = b"m\xe9t\xe9o";

/// What the relay needs on the broker: its own quorum queues, or an operator's classic ones, which have no limits.
async fn declare(stage: &Stage, classic: bool) {
    if !classic {
        return stage.declare().await;
    }
    let (channel, letters) = (&stage.amqp.channel, stage.amqp.dead_letters_name());
    for (exchange, queue) in [(stage.amqp.exchange(), stage.amqp.amqp_queue()), (letters.clone(), letters)] {
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let (name, table) = (exchange.as_str(), FieldTable::default());
        channel.exchange_declare(name.into(), lapin::ExchangeKind::Topic, durable, table.clone()).await.unwrap();
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.as_str().into(), durable, table.clone()).await.unwrap();
        let bind = QueueBindOptions::default();
        channel.queue_bind(queue.into(), name.into(), "#".into(), bind, table).await.unwrap();
    }
}

/// What is odd about a message, and what the relay says of it.
fn odd() -> Vec<(&'static str, RawMessage, &'static str)> {
    let key = RawMessage { routing_key: b"alert.m\xe9t\xe9o".to_vec(), ..RawMessage::with(0, &[]) };
    let text = value(b'S', b"text");
    let inner = value(b'F', &field(LATIN_1, &text));
    let in_array = value(b'A', &value(b'F', &field(LATIN_1, &text)));
    vec![
        ("id", RawMessage::with(1 << 7, &short(LATIN_1)), r"message_id was not UTF-8: m\xe9t\xe9o"),
        ("type", RawMessage::with(1 << 5, &short(LATIN_1)), r"type was not UTF-8: m\xe9t\xe9o"),
        ("app", RawMessage::with(1 << 3, &short(LATIN_1)), r"app_id was not UTF-8: m\xe9t\xe9o"),
        ("content", RawMessage::with(1 << 15, &short(b"text/\xff")), r"content_type was not UTF-8: text/\xff"),
        ("key", key, r"the routing key was not UTF-8: alert.m\xe9t\xe9o"),
        ("header", RawMessage::with_headers(&field(LATIN_1, &text)), r"a header's name was not UTF-8: m\xe9t\xe9o"),
        ("nested", RawMessage::with_headers(&field(b"n", &inner)), r"a header's name was not UTF-8: m\xe9t\xe9o"),
        ("array", RawMessage::with_headers(&field(b"n", &in_array)), r"a header's name was not UTF-8: m\xe9t\xe9o"),
        ("deep", RawMessage::with_headers(&field(b"n", &nested(b'F', 1500))), "headers are nested deeper than 32"),
        ("deeper", RawMessage::with_headers(&field(b"n", &nested(b'A', 20_000))), "headers are nested deeper than 32"),
    ]
}

#[tokio::test]
async fn alerts_that_lapin_cannot_read_become_tickets_beside_others() {
    for classic in [false, true] {
        let rt = FakeRt::start();
        let stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "unreadable", &rt, &[]).await;
        declare(&stage, classic).await;
        let mut publisher = RawPublisher::connect(stage.amqp.url());
        for (what, message, _) in odd() {
            stage.amqp.publish_alert(&alerts::ssl(&format!("before-{what}"))).await;
            publisher.publish(&stage.amqp.exchange(), &message, &alerts::body(&alerts::ssl(what)));
        }
        let relay = stage.relay().await;
        rt.has_tickets(odd().len() * 2).await;
        // What cannot become a ticket says what it was.
        for (what, message, _) in odd() {
            publisher.publish(&stage.amqp.exchange(), &message, what.as_bytes());
        }
        let letters = stage.amqp.dead_letters(u32::try_from(odd().len()).unwrap()).await;
        let (status, log) = relay.terminate().await;
        assert_eq!((status.code(), log.matches("connecting anew").count()), (Some(0), 0), "{log}");
        stage.amqp.assert_queue_empty().await;
        for (what, _, altered) in odd() {
            assert!(log.contains(&altered.replace('\\', r"\\")), "{altered} in {log}");
            let letter = letters.iter().find(|letter| letter.body == what.as_bytes()).expect(what);
            assert_eq!(letter.reason(), "malformed_alert");
            assert!(letter.header("x-altered").unwrap().starts_with(altered), "{:?}", letter.headers);
        }
        let routing_key = &letters.iter().find(|letter| letter.body == b"key").unwrap().routing_key;
        assert_eq!(routing_key, "alert.m?t?o");
    }
}

#[tokio::test]
async fn dead_letters_that_lapin_cannot_read_are_seen_and_moved_like_others() {
    for classic in [false, true] {
        let scene = Scene::new("unreadable").await;
        let body = |what: &str| alerts::body(&alerts::ssl(what));
        declare(&Stage::new(scene.again().await, scene.environment(&[]), &[]), classic).await;
        let mut publisher = RawPublisher::connect(scene.url());
        for (what, message, _) in odd() {
            publisher.publish(&scene.dead_letters_name(), &message, &body(what));
        }
        let text = |what: &str| String::from_utf8(body(what)).unwrap();
        let listed = scene.list(&[]);
        assert_eq!(listed.len(), odd().len());
        let exported = scene.operate(&["export"]).well();
        for (what, _, altered) in odd() {
            let line = exported.json().into_iter().find(|letter| letter["body"] == text(what)).expect(what);
            let says = |said: &Value| said.as_str().is_some_and(|said| said.starts_with(altered));
            assert!(says(&line["headers"]["x-altered"]), "{line}");
            let id = line["id"].as_str().unwrap();
            assert!(says(&listed.iter().find(|letter| letter["id"] == id).unwrap()["altered"]), "{listed:?}");
            let shown = scene.operate(&["show", id]).well().stdout;
            assert!(shown.contains(&format!("Altered       {altered}")), "{shown}");
        }
        let first = scene.ids(&[]).remove(0);
        scene.operate(&["discard", &first, "--yes", "--no-backup"]).well();
        scene.operate(&["replay", "--all", "--yes"]).well();
        assert_eq!(scene.ready(&scene.dead_letters_name()).await, 0);
        // Whoever reads them now can, and still knows.
        for _ in 1..odd().len() {
            let replayed = scene.take(&scene.amqp_queue()).await;
            let (_, _, altered) = odd().into_iter().find(|(what, ..)| replayed.body == body(what)).unwrap();
            assert!(replayed.header("x-altered").unwrap().starts_with(altered));
        }
        scene.close().await;
    }
}

#[tokio::test]
async fn a_publisher_cannot_hide_a_header_behind_one_that_is_not_utf_8() {
    let rt = FakeRt::start();
    let stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "apart", &rt, &[]).await;
    declare(&stage, false).await;
    let named = |name: &[u8]| field(name, &value(b'S', name));
    let headers = [named(b"a?"), named(b"a\xe9"), named(b"a\xea"), named(b"a0")].concat();
    let mut publisher = RawPublisher::connect(stage.amqp.url());
    publisher.publish(&stage.amqp.exchange(), &RawMessage::with_headers(&headers), b"bad");
    let relay = stage.relay().await;
    let letter = stage.amqp.dead_letters(1).await.remove(0);
    relay.terminate().await;
    let headers: FieldTable = letter.properties.headers().clone().unwrap();
    let values = headers.inner().iter().filter(|(name, _)| name.as_str().starts_with('a'));
    let values: Vec<_> = values.map(|(_, value)| value.clone()).collect();
    for name in [b"a?", b"a\xe9", b"a\xea", b"a0"] {
        assert!(values.contains(&AMQPValue::LongString(name.to_vec().into())), "{headers:?}");
    }
}

#[tokio::test]
async fn messages_that_lapin_cannot_read_among_many_lose_nothing() {
    unreadable::among_many(Short).await.assert_clean();
}

#[tokio::test]
async fn a_crash_loop_ages_the_message_that_makes_it_and_not_its_neighbours() {
    unreadable::crash_loop(Short).await.assert_clean();
}
