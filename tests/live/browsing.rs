//! Looking at dead letters loses nothing and changes nothing, whoever else is there, and however it ends.

use std::io::{BufRead, BufReader};

use lapin::BasicProperties;
use lapin::options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::support::alerts;
use crate::support::broker_admin::before_4;
use crate::support::eventually::eventually;
use crate::support::lab::{Letter, Scene};

/// Everything that a letter is, but for the broker's count of looks.
fn essence(letter: &Letter) -> (Vec<u8>, Vec<(String, String)>, String) {
    let headers = letter.headers.iter().filter(|(name, _)| *name != "x-delivery-count");
    (
        letter.body.clone(),
        headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
        letter.routing_key.clone(),
    )
}

#[tokio::test]
async fn a_hundred_looks_with_kills_in_between_lose_and_change_nothing() {
    const LETTERS: u32 = 60;
    let scene = Scene::declared("looks").await;
    let bodies: Vec<_> = (0..LETTERS).map(|n| [b"\xff\x00 letter ", n.to_string().as_bytes()].concat()).collect();
    scene.put_letters("malformed_alert", bodies.clone()).await;
    let letters = scene.dead_letters_name();
    let all_there = async || (scene.ready(&letters).await == LETTERS).then_some(());
    eventually("all letters", all_there).await;
    let ids = scene.ids(&[]);
    let mut relay = None;
    for look in 0..100 {
        if look == 50 {
            relay = Some(scene.relay(&[]).await);
        }
        let show = ["show", &ids[look % ids.len()]];
        let mut tool = scene.tool(&[], [&["list"][..], &show, &["export"]][look % 3]);
        let mut out = BufReader::new(tool.0.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        if look % 4 == 1 {
            tool.kill();
            eventually("all letters are back", all_there).await;
        } else {
            let rest = out.lines().count();
            assert_eq!(tool.ended(), Some(0), "look {look}");
            if look % 3 != 1 {
                assert_eq!(rest, LETTERS as usize - usize::from(look % 3 == 2), "look {look}");
            }
        }
    }
    if let Some(relay) = relay {
        scene.stop(relay).await;
    }
    let mut left: Vec<_> = scene.dead_letters(LETTERS).await.iter().map(essence).collect();
    left.sort();
    let mut expected = bodies;
    expected.sort();
    assert_eq!(left.iter().map(|(body, ..)| body.clone()).collect::<Vec<_>>(), expected);
    assert!(left.iter().all(|(_, headers, key)| headers.len() == 8 && key == "alert.test.high"), "{left:?}");
    scene.close().await;
}

#[tokio::test]
async fn many_letters_are_listed_in_their_order_every_time() {
    const LETTERS: usize = 3000;
    let scene = Scene::declared("many").await;
    let body = |number| alerts::body(&alerts::ssl(&format!("{number}")));
    scene.put_letters("exhausted", (0..LETTERS).map(body)).await;
    let letters = scene.dead_letters_name();
    eventually("all", async || (scene.ready(&letters).await as usize == LETTERS).then_some(())).await;
    for _ in 0..3 {
        let listed: Vec<_> =
            scene.list(&[]).iter().map(|letter| letter["alert_id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(listed, (0..LETTERS).map(|number| number.to_string()).collect::<Vec<_>>());
    }
    // Every second is removed while the others are held.
    let ids = scene.ids(&[]);
    let half: Vec<_> = ids.iter().step_by(2).map(String::as_str).collect();
    scene.operate(&[&["discard", "--yes", "--no-backup"], half.as_slice()].concat()).well();
    let expected: Vec<_> = ids.iter().skip(1).step_by(2).cloned().collect();
    assert_eq!(scene.ids(&[]), expected);
    scene.operate(&["replay", "--all", "--yes"]).well();
    assert_eq!((scene.ready(&letters).await, scene.ready(&scene.amqp_queue()).await as usize), (0, LETTERS / 2));
    scene.close().await;
}

#[tokio::test]
async fn one_operator_at_a_time_and_the_second_is_told_who() {
    let scene = Scene::declared("operators").await;
    scene.put_letters("exhausted", (0..20).map(|number| alerts::body(&alerts::ssl(&number.to_string())))).await;
    let (work, letters) = (scene.amqp_queue(), scene.dead_letters_name());
    let mut first = scene.tool(&[("USER", "ada")], &["replay", "--all", "--yes", "--rate", "1/m"]);
    eventually("the first replay", async || (scene.ready(&work).await == 1).then_some(())).await;
    let second = scene.operate(&["discard", "--all", "--yes", "--no-backup"]);
    second.failed(1, &["ada@", "(rtir-relay dead-letters replay, since ", "one at a time"]);
    // One that waits goes on as soon as the first is gone.
    let mut third = scene.tool(&[], &["list"]);
    let mut said = BufReader::new(third.0.stderr.take().unwrap());
    let mut waiting = String::new();
    said.read_line(&mut waiting).unwrap();
    assert!(waiting.contains("ada@") && waiting.contains("waiting up to 10s"), "{waiting}");
    first.kill();
    assert_eq!(third.ended(), Some(0));
    eventually("all others are there", async || (scene.ready(&letters).await >= 19).then_some(())).await;
    scene.operate(&["replay", "--all", "--yes"]).well();
    let relay = scene.relay(&[]).await;
    scene.tickets(20).await;
    scene.stop(relay).await;
    scene.close().await;
}

/// Makes the dead-letter queue anew, as an operator might have.
async fn remake(scene: &Scene, arguments: &[(&str, AMQPValue)]) {
    let letters = scene.dead_letters_name();
    scene.channel.queue_delete(letters.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    scene.channel.queue_declare(letters.as_str().into(), options, table).await.unwrap();
    let bind = scene.channel.queue_bind(
        letters.as_str().into(),
        letters.as_str().into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bind.await.unwrap();
}

#[tokio::test]
async fn a_small_delivery_limit_is_warned_of_and_loses_nothing_all_the_same() {
    let quorum = ("x-queue-type", AMQPValue::LongString("quorum".into()));
    for (limit, warning) in [
        (vec![quorum.clone(), ("x-delivery-limit", AMQPValue::LongLongInt(3))], "more than 3 times"),
        (vec![quorum.clone(), ("x-delivery-limit", AMQPValue::LongLongInt(0))], "more than 0 times"),
        (vec![quorum.clone()], "it cannot be seen how often"),
        (vec![quorum, ("x-max-length", AMQPValue::LongLongInt(1000))], "it cannot be seen how often"),
        (vec![], ""),
    ] {
        let scene = Scene::declared("limit").await;
        remake(&scene, &limit).await;
        for number in 0..40 {
            scene.put(format!("letter {number:02}").as_bytes(), BasicProperties::default()).await;
        }
        let letters = scene.dead_letters_name();
        eventually("all", async || (scene.ready(&letters).await == 40).then_some(())).await;
        let id = scene.ids(&[])[0].clone();
        for look in 0..24 {
            let arguments = if look % 2 == 0 { vec!["list"] } else { vec!["show", &id] };
            let ended = scene.operate(&arguments).well();
            assert_eq!(ended.stderr.contains("Warning"), !warning.is_empty(), "{ended:?}");
            assert!(ended.stderr.contains(warning), "{ended:?}");
        }
        let mut bodies: Vec<_> = scene.dead_letters(40).await.into_iter().map(|letter| letter.body).collect();
        bodies.sort();
        assert_eq!(bodies, (0..40).map(|number| format!("letter {number:02}").into_bytes()).collect::<Vec<_>>());
        scene.close().await;
    }
}

#[tokio::test]
async fn a_delivery_limit_below_0_is_none_from_rabbitmq_4_on_and_loses_nothing_before() {
    let scene = Scene::declared("below-0").await;
    let quorum = ("x-queue-type", AMQPValue::LongString("quorum".into()));
    remake(&scene, &[quorum, ("x-delivery-limit", AMQPValue::LongLongInt(-1))]).await;
    let letters = scene.dead_letters_name();
    let bodies: Vec<_> = (0..40).map(|number| format!("letter {number:02}").into_bytes()).collect();
    for body in &bodies {
        scene.put(body, BasicProperties::default()).await;
    }
    eventually("all", async || (scene.ready(&letters).await == 40).then_some(())).await;
    let before_4 = before_4().await;
    for look in 0..5 {
        let ended = scene.operate(&["list", "--json"]).well();
        assert_eq!(ended.stderr.contains("drops a letter that goes back to it"), before_4, "{ended:?}");
        assert_eq!(ended.stderr.contains("Warning"), before_4, "{ended:?}");
        assert_eq!(ended.stdout.lines().count(), 40, "look {look}: {ended:?}");
    }
    let mut left = scene.dead_letters(40).await;
    left.sort_by(|one, other| one.body.cmp(&other.body));
    assert_eq!(left.iter().map(|letter| letter.body.clone()).collect::<Vec<_>>(), bodies);
    // What was stored anew has no count.
    let counts = ["x-delivery-count", "x-acquired-count"];
    let is_counted = |letter: &Letter| counts.into_iter().any(|name| letter.header(name).is_some_and(|it| it != "0"));
    assert_eq!(left.iter().filter(|letter| is_counted(letter)).count(), if before_4 { 0 } else { 40 });
    scene.close().await;
}
