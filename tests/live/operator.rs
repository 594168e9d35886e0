//! The operator's round: dead letters are listed, shown, mended, replayed, discarded and brought back, and no byte of a
//! body changes on any way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures_util::StreamExt;
use lapin::BasicProperties;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicRejectOptions};
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::fake_rt::{Answer, FakeRt, Fault, Op};
use crate::support::lab::{Scene, Ticket};
use crate::support::operator::Ended;
use crate::support::relay_process::run;

fn nobody(number: usize) -> Value {
    alerts::with(alerts::ssl(&format!("nobody-{number}")), json!({ "entity": { "focal_points": [] } }))
}

fn misspelt(number: usize) -> Value {
    alerts::of(&format!("misspelt-{number}"), "availabilty")
}

/// A path that no other test uses, with nothing there.
fn new_file(scene: &Scene, name: &str) -> PathBuf {
    [env!("CARGO_TARGET_TMPDIR"), &format!("{}-{name}", scene.name)].iter().collect()
}

#[tokio::test]
async fn the_full_round_ends_with_one_ticket_each_and_no_dead_letter() {
    let scene = Scene::new("round").await;
    fifty_dead_letters_for_four_reasons(&scene).await;

    // What nobody could be notified of: once there is a fallback, all of it passes.
    let before = scene.operate(&["replay", "--reason", "missing_focal_points", "--dry-run"]);
    before.failed(1, &["15 dead letters found: 0 would pass now; 15 would fail again and stay"]);
    let fallback = [("RTIR_FALLBACK_REQUESTOR", "csirt@team.example")];
    let mended =
        scene.operate_with(&fallback, &["replay", "--reason", "missing_focal_points", "--yes", "--json"]).well();
    assert_eq!(mended.json().iter().filter(|line| line["outcome"] == "replayed").count(), 15);
    // What RT refused, and what a faulty consumer rejected: nothing is wrong with the alerts.
    scene.operate(&["replay", "--reason", "rejected_by_rt", "--yes", "--rate", "100/s"]).well();
    scene.operate(&["replay", "--reason", "rejected", "--yes", "--to-exchange"]).well();
    // What is misspelt: two are mended by hand, the others of no use.
    for alert_id in ["misspelt-0", "misspelt-1"] {
        let id = &scene.ids(&["--alert-id", alert_id])[0];
        scene.operate_with(&[("EDITOR", "sed -i s/availabilty/availability/")], &["edit", id]).well();
    }
    let backup = new_file(&scene, "round.ndjson");
    scene.operate(&["discard", "--type", "availabilty", "--yes", "--backup", backup.to_str().unwrap()]).well();
    assert_eq!(scene.list(&[]), Vec::<Value>::new());

    let relay = scene.relay(&fallback).await;
    let tickets = scene.tickets(42).await;
    eventually("all settled", async || (relay.count("\"outcome\":") == 42).then_some(())).await;
    scene.stop(relay).await;
    scene.assert_queue_empty().await;
    scene.dead_letters(0).await;
    let keys: BTreeSet<_> = tickets.iter().map(|ticket| ticket.key.clone().expect("a key")).collect();
    assert_eq!((keys.len(), tickets.iter().any(Ticket::is_merged)), (42, false));
    let discarded: BTreeSet<_> = lines(&std::fs::read(&backup).unwrap()).map(|letter| body(&letter)).collect();
    assert_eq!(discarded, (2..10).map(|number| alerts::body(&misspelt(number))).collect());
    scene.close().await;
}

/// 15 with nobody to notify, 10 misspelt, 15 that RT refuses, 10 that a consumer rejects.
async fn fifty_dead_letters_for_four_reasons(scene: &Scene) {
    let refusing = FakeRt::start();
    refusing.keep(Op::Create, Fault::Instead(Answer::message(422, "not on a Monday")));
    let (user, password) = (crate::support::fake_rt::USER, crate::support::fake_rt::PASSWORD);
    let url = refusing.url();
    let relay = scene
        .relay(&[
            ("RTIR_URL", &url),
            ("RTIR_USERNAME", user),
            ("RTIR_PASSWORD", password),
            ("RTIR_QUEUE", "Incident Reports"),
        ])
        .await;
    let mut refused = Vec::new();
    for number in 0..15 {
        scene.publish_alert(&nobody(number)).await;
        refused.push(alerts::body(&alerts::ssl(&format!("refused-{number}"))));
        scene.publish(&refused[number]).await;
    }
    for number in 0..10 {
        scene.publish_alert(&misspelt(number)).await;
    }
    let letters = scene.dead_letters_name();
    eventually("40 dead letters", async || (scene.ready(&letters).await == 40).then_some(())).await;
    scene.stop(relay).await;
    for number in 0..10 {
        scene.publish_alert(&alerts::ssl(&format!("rejected-{number}"))).await;
    }
    reject_all(scene, 10).await;
    eventually("50 dead letters", async || (scene.ready(&letters).await == 50).then_some(())).await;

    let count = |reason: &str| scene.list(&["--reason", reason]).len();
    let reasons = ["missing_focal_points", "malformed_alert", "rejected_by_rt", "rejected"];
    assert_eq!(reasons.map(count), [15, 10, 15, 10]);
    let shown = scene.operate(&["show", &scene.ids(&["--reason", "rejected_by_rt"])[0]]).well().stdout;
    assert!(shown.contains("RT's words    not on a Monday") && shown.contains("HTTP status   422"), "{shown}");
}

/// A consumer that takes nothing: the broker dead-letters by itself.
async fn reject_all(scene: &Scene, count: usize) {
    let options = BasicConsumeOptions::default();
    let consume =
        scene.channel.basic_consume(scene.amqp_queue().into(), "faulty".into(), options, FieldTable::default());
    let mut stream = consume.await.unwrap();
    for _ in 0..count {
        let delivery = stream.next().await.unwrap().unwrap();
        delivery.acker.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    }
    scene.channel.basic_cancel("faulty".into(), BasicCancelOptions::default()).await.unwrap();
}

/// A message's headers but for the count that the broker adds whenever it hands it out.
fn without_looks_of(headers: Option<&FieldTable>) -> FieldTable {
    let headers =
        headers.into_iter().flat_map(FieldTable::inner).filter(|(name, _)| name.as_str() != "x-delivery-count");
    headers.map(|(name, value)| (name.clone(), value.clone())).collect::<BTreeMap<_, _>>().into()
}

/// The lines of a file of letters.
fn lines(file: &[u8]) -> impl Iterator<Item = Value> {
    file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap())
}

fn body(letter: &Value) -> Vec<u8> {
    letter["body"].as_str().expect("a body that is text").as_bytes().to_vec()
}

#[tokio::test]
async fn what_is_discarded_comes_back_by_publish_raw_to_the_byte() {
    let scene = Scene::declared("back").await;
    let mut headers = FieldTable::default();
    headers.insert("traceparent".into(), AMQPValue::LongString("00-abc-def-01".into()));
    headers.insert("number".into(), AMQPValue::LongInt(7));
    headers.insert("odd".into(), AMQPValue::LongString(b"\xff\xfe".as_slice().into()));
    let properties = BasicProperties::default()
        .with_message_id("m-1".into())
        .with_content_type("application/json".into())
        .with_timestamp(1_700_000_000)
        .with_priority(3)
        .with_headers(headers);
    let bodies: [&[u8]; 4] = [b"\xff\x00 no text \x1b[31m", b"", "é漢💧 \u{2028}".as_bytes(), br#"{"a": 1e400 }"#];
    for body in bodies {
        scene.publish_with(body, properties.clone()).await;
    }
    reject_all(&scene, 4).await;
    eventually("4 letters", async || (scene.list(&[]).len() == 4).then_some(())).await;

    let file = new_file(&scene, "back.ndjson");
    let exported = scene.operate(&["export"]).well().stdout;
    scene.operate(&["discard", "--all", "--yes", "--backup", file.to_str().unwrap()]).well();
    let written = std::fs::read_to_string(&file).unwrap();
    let without_looks = |text: &str| {
        let mut letters: Vec<_> = lines(text.as_bytes()).collect();
        for letter in &mut letters {
            letter["headers"].as_object_mut().unwrap().remove("x-delivery-count");
        }
        letters
    };
    assert_eq!(without_looks(&written), without_looks(&exported));
    assert_eq!(scene.list(&[]), Vec::<Value>::new());

    let (exit, _, said) = run(&scene.desk(&[]), &["publish", "--raw", file.to_str().unwrap()], b"");
    assert_eq!(exit, Some(0), "{said}");
    for body in bodies {
        let options = lapin::options::BasicGetOptions { no_ack: true };
        let back = scene.channel.basic_get(scene.amqp_queue().into(), options).await.unwrap().unwrap().delivery;
        assert_eq!((back.data.as_slice(), back.routing_key.as_str()), (body, "alert.test.high"));
        assert_eq!(back.exchange.as_str(), scene.exchange());
        assert_eq!(back.properties.message_id(), properties.message_id());
        assert_eq!(back.properties.content_type(), properties.content_type());
        assert_eq!(back.properties.timestamp(), properties.timestamp());
        assert_eq!(back.properties.priority(), properties.priority());
        let mut headers = without_looks_of(back.properties.headers().as_ref());
        let replay_id = headers.inner().get("x-replay-id").cloned().unwrap_or(AMQPValue::Void);
        assert!(matches!(&replay_id, AMQPValue::LongString(id) if id.as_bytes().len() == 16), "{headers:?}");
        headers.insert("x-replay-id".into(), AMQPValue::Void);
        let mut expected = properties.headers().clone().unwrap();
        expected.insert("x-original-exchange".into(), AMQPValue::LongString(scene.exchange().into()));
        expected.insert("x-original-routing-key".into(), AMQPValue::LongString("alert.test.high".into()));
        expected.insert("x-replay-count".into(), AMQPValue::LongLongInt(1));
        expected.insert("x-replay-id".into(), AMQPValue::Void);
        assert_eq!(headers, expected);
    }
    // A file that is there already is not touched.
    scene.put_letters("malformed_alert", [b"x".to_vec()]).await;
    let again = scene.operate(&["discard", "--all", "--yes", "--backup", file.to_str().unwrap()]);
    again.failed(2, &["cannot be created"]);
    assert_eq!((scene.list(&[]).len(), std::fs::read_to_string(&file).unwrap()), (1, written));
    scene.close().await;
}

#[tokio::test]
async fn an_edited_letter_is_exchanged_only_for_what_the_relay_would_take() {
    let scene = Scene::declared("edit").await;
    let body = alerts::body(&alerts::of("odd-type", "availabilty"));
    scene.put_letters("malformed_alert", [body.clone(), body.clone()]).await;
    let id = &scene.ids(&[])[0];
    let edit = |editor: &str| scene.operate_with(&[("EDITOR", editor)], &["edit", id]);

    edit("true").well();
    edit("false").failed(1, &["The editor ended with"]);
    scene.operate_with(&[("EDITOR", "")], &["edit", id]).failed(2, &["EDITOR"]);
    let invalid =
        edit("sed -i s/availabilty/earthquake/").failed(1, &["type: unknown value", "What you wrote is kept in "]);
    let kept = invalid.stderr.split("What you wrote is kept in ").nth(1).unwrap().split(". ").next().unwrap();
    assert!(std::fs::read_to_string(kept).unwrap().contains("earthquake"));
    std::fs::remove_file(kept).unwrap();
    assert_eq!((scene.list(&[]).len(), scene.ready(&scene.amqp_queue()).await), (2, 0), "nothing is changed");

    // Somebody discards it while the editor is open: what was mended is not published behind their back.
    let rtir_relay = env!("CARGO_BIN_EXE_rtir-relay");
    let meanwhile = format!("{rtir_relay} dead-letters discard --yes --no-backup {id}; sed -i s/availabilty/ssl/");
    let other = scene.ids(&[])[1].clone();
    let gone = edit(&meanwhile).failed(1, &["Somebody has removed the dead letter", "What you wrote is kept in "]);
    let kept = gone.stderr.split("What you wrote is kept in ").nth(1).unwrap().split(". ").next().unwrap();
    std::fs::remove_file(kept).unwrap();
    assert_eq!((scene.ids(&[]), scene.ready(&scene.amqp_queue()).await), (vec![other.clone()], 0));

    // $VISUAL comes first.
    let visual = [("VISUAL", "sed -i s/availabilty/availability/"), ("EDITOR", "false")];
    scene.operate_with(&visual, &["edit", &other]).well();
    assert_eq!(scene.list(&[]), Vec::<Value>::new());
    let relay = scene.relay(&[]).await;
    assert_eq!(scene.tickets(1).await[0].key.as_deref(), Some("odd-type"));
    scene.stop(relay).await;
    scene.close().await;
}

#[tokio::test]
async fn a_replay_killed_at_any_moment_loses_nothing_and_doubles_no_ticket() {
    const LETTERS: u32 = 60;
    let scene = Scene::declared("replay-kill").await;
    let all: Vec<_> = (0..LETTERS).map(|number| alerts::body(&alerts::ssl(&format!("alert-{number}")))).collect();
    scene.put_letters("exhausted", all.clone()).await;
    // This one was replayed by a tool that died before it could remove the letter.
    scene.publish(&all[0]).await;
    let (work, letters) = (scene.amqp_queue(), scene.dead_letters_name());
    for kill in 1..=6 {
        let mut tool = scene.tool(&[], &["replay", "--all", "--yes", "--rate", "30/s"]);
        let enough = scene.ready(&work).await + kill;
        eventually("some replays", async || (scene.ready(&work).await >= enough).then_some(())).await;
        tool.kill();
        eventually("nothing held", async || {
            (scene.ready(&work).await + scene.ready(&letters).await > LETTERS).then_some(())
        })
        .await;
    }
    scene.operate(&["replay", "--all", "--yes"]).well();
    let relay = scene.relay(&[]).await;
    eventually("an empty queue", async || (scene.ready(&work).await == 0).then_some(())).await;
    let tickets = scene.tickets(LETTERS as usize).await;
    scene.stop(relay).await;
    let keys: BTreeSet<_> = tickets.iter().filter(|ticket| !ticket.is_merged()).map(|ticket| &ticket.key).collect();
    assert_eq!(keys.len(), LETTERS as usize);
    scene.close().await;
}

#[tokio::test]
async fn foreign_and_broker_dead_lettered_messages_are_handled_as_all_others() {
    let scene = Scene::declared("foreign").await;
    let hostile = b"\x1b]0;owned\x07\x1b[2J \xff\xfe \xc2\x9b31m";
    let mut headers = FieldTable::default();
    headers.insert("x-evil".into(), AMQPValue::LongString(b"\x1b[31mred\x07".as_slice().into()));
    scene.put(hostile, BasicProperties::default().with_headers(headers)).await;
    let alert = alerts::with(alerts::ssl("esc-\u{202e}id"), json!({ "entity": { "name": "Org \u{9b}31m" } }));
    scene.publish(&alerts::body(&alert)).await;
    reject_all(&scene, 1).await;
    eventually("both", async || (scene.list(&[]).len() == 2).then_some(())).await;

    let [foreign, rejected] = <[_; 2]>::try_from(scene.list(&[])).unwrap();
    for field in ["time", "reason", "message", "alert_id", "key", "type", "url", "entity", "attempts"] {
        assert_eq!(foreign[field], Value::Null, "{field}");
    }
    assert_eq!((&foreign["size"], &foreign["replays"]), (&json!(hostile.len()), &json!(0)));
    assert_eq!((&rejected["reason"], &rejected["alert_id"]), (&json!("rejected"), &json!("esc-\u{202e}id")));
    rejected["time"].as_str().unwrap().parse::<jiff::Timestamp>().expect("RFC 3339");

    let [foreign_id, rejected_id] = [foreign, rejected].map(|letter| letter["id"].as_str().unwrap().to_owned());
    assert_eq!(scene.ids(&["--reason", "none"]), std::slice::from_ref(&foreign_id));
    let raw = |ended: &Ended| ended.stdout.chars().chain(ended.stderr.chars()).find(|c| *c != '\n' && c.is_control());
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["show", &foreign_id],
        &["show", &rejected_id],
        &["show", &foreign_id, "--json"],
        &["show", &rejected_id, "--json"],
        &["export"],
        &["replay", "--all", "--dry-run"],
        &["replay", "--all", "--dry-run", "--json"],
    ] {
        let ended = scene.operate(arguments);
        assert_eq!(raw(&ended), None, "{arguments:?}: {ended:?}");
        assert!(!ended.stdout.contains('\u{202e}'), "{arguments:?}: {ended:?}");
    }
    let shown = scene.operate(&["show", &foreign_id]).well().stdout;
    assert!(shown.contains("\\u{1b}]0;owned\\u{7}\\u{1b}[2J \\xff\\xfe \\u{9b}31m"), "{shown}");
    assert!(shown.contains("It would be dead-lettered as malformed_alert"), "{shown}");

    // By force a message of any kind goes back as it is.
    scene.operate(&["replay", &foreign_id, "--force", "--yes"]).well();
    let options = lapin::options::BasicGetOptions { no_ack: true };
    let back = scene.channel.basic_get(scene.amqp_queue().into(), options).await.unwrap().unwrap().delivery;
    assert_eq!(back.data, hostile);
    scene.operate(&["replay", "--to-exchange", &rejected_id, "--yes"]).well();
    let back = scene.channel.basic_get(scene.amqp_queue().into(), options).await.unwrap().unwrap().delivery;
    assert_eq!((back.exchange.as_str(), back.routing_key.as_str()), (scene.exchange().as_str(), "alert.test.high"));
    let headers = without_looks_of(back.properties.headers().as_ref());
    let of_a_dead_letter = |name: &str| name.contains("death") || name.contains("failure") || name.contains("delivery");
    assert!(!headers.inner().keys().any(|name| of_a_dead_letter(name.as_str())), "{headers:?}");
    scene.close().await;
}

#[tokio::test]
async fn filters_and_ids_choose_and_what_is_not_there_is_told() {
    let scene = Scene::declared("filters").await;
    let of = |id: &str, kind: &str, entity: &str| {
        alerts::body(&alerts::with(alerts::of(id, kind), json!({ "entity": { "name": entity } })))
    };
    let bodies = [of("a", "ssl", "Agency for Water"), of("b", "domain", "Ministry"), of("c", "ssl", "Ministry")];
    scene.put_letters("exhausted", bodies).await;
    let listed = |filters: &[&str]| {
        let letters = scene.list(filters);
        letters.iter().map(|letter| letter["alert_id"].as_str().unwrap()).collect::<String>()
    };
    for (filters, expected) in [
        (&[][..], "abc"),
        (&["--type", "ssl"], "ac"),
        (&["--type", "ssl,domain", "--entity", "ministry"], "bc"),
        (&["--entity", "WATER"], "a"),
        (&["--alert-id", "b"], "b"),
        (&["--reason", "exhausted"], "abc"),
        (&["--reason", "panicked"], ""),
        (&["--since", "2026-11-23T08:00:01Z"], "bc"),
        (&["--until", "2026-11-23T08:00:01Z"], "a"),
        (&["--since", "2026-11-23", "--until", "2026-11-24"], "abc"),
        (&["--until", "20000 days ago"], ""),
        (&["--since", "876000h ago"], "abc"),
    ] {
        assert_eq!(listed(filters), expected, "{filters:?}");
    }
    let id = &scene.ids(&[])[0];
    let words = ["There is no dead letter 000000000000", "1 dead letter replayed"];
    scene.operate(&["replay", "--yes", id, "000000000000"]).failed(1, &words);
    scene.operate(&["show", id]).failed(1, &["There is no dead letter"]);
    scene.operate(&["show", "xyz"]).failed(2, &["an ID has 12 hexadecimal digits"]);
    for change in ["replay", "discard"] {
        scene.operate(&[change, "--yes"]).failed(2, &["IDs, filters, or --all"]);
        scene.operate(&[change, "--all"]).failed(2, &["--yes"]);
        scene.operate(&[change, "--all", "--type", "ssl", "--yes"]).failed(2, &["cannot be used with"]);
        scene.operate(&[change, "--yes", "--since", "soon"]).failed(2, &["2h ago"]);
    }
    assert_eq!(scene.list(&[]).len(), 2);
    scene.close().await;
}

#[tokio::test]
async fn a_replay_that_the_broker_does_not_store_leaves_the_letter() {
    let scene = Scene::declared("not-stored").await;
    scene.put_letters("exhausted", (0..3).map(|number| alerts::body(&alerts::ssl(&format!("alert-{number}"))))).await;
    let nowhere = [("AMQP_QUEUE", "there-is-no-such-queue")];
    let words = ["there is no queue \"there-is-no-such-queue\"", "0 dead letters replayed"];
    scene.operate_with(&nowhere, &["replay", "--all", "--yes"]).failed(1, &words);
    assert_eq!(scene.list(&[]).len(), 3);
    scene
        .operate_with(&[("AMQP_DEAD_LETTER_QUEUE", "no-letters")], &["list"])
        .failed(78, &["\"no-letters\"", "not exist"]);
    let nobody_listens = [("AMQP_URL", "amqp://relay:relay-broker-password@127.0.0.1:1/%2f")];
    scene.operate_with(&nobody_listens, &["list"]).failed(69, &["127.0.0.1:1"]);
    scene.close().await;
}
