//! What comes into the dead-letter queue while a command works on it: nothing of it is lost, whatever brings it there, and
//! nothing that was removed is left, whatever the broker forgets.

use std::io::{BufRead, BufReader, Read};

use futures_util::StreamExt;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicNackOptions, BasicRejectOptions};
use lapin::types::FieldTable;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::alerts;
use crate::support::amqp::AmqpScene;
use crate::support::broker_admin::{bind, delete_queue, make_queue};
use crate::support::eventually::eventually;
use crate::support::forgetful::Forgetful;
use crate::support::lab::Scene;

/// What brings an alert from the work queue to the dead letters, without a relay.
#[derive(Clone, Copy, Debug)]
enum Way {
    Ttl,
    DropHead,
    Rejection,
    DeliveryLimit,
    /// Another tool puts it there.
    Put,
}

const WAYS: [Way; 4] = [Way::Ttl, Way::DropHead, Way::Rejection, Way::DeliveryLimit];
const KINDS: [&str; 2] = ["classic", "quorum"];
const ALERTS: u32 = 6;

/// A scene whose queues are made for `way`, with whoever works on them.
struct Returning {
    scene: Scene,
    way: Way,
    consumer: Option<JoinHandle<()>>,
}

impl Returning {
    async fn by(way: Way, kind: &str) -> Self {
        let scene = Scene::declared("returning").await;
        let (work, letters) = (scene.amqp_queue(), scene.dead_letters_name());
        delete_queue(&work).await;
        delete_queue(&letters).await;
        make_queue(&letters, json!({ "x-queue-type": kind })).await;
        bind(&letters, &letters).await;
        let mut arguments = match way {
            Way::Ttl => json!({ "x-message-ttl": 300 }),
            Way::DropHead => json!({ "x-max-length": 1, "x-overflow": "drop-head" }),
            Way::Rejection | Way::Put => json!({}),
            Way::DeliveryLimit => json!({ "x-queue-type": "quorum", "x-delivery-limit": 1 }),
        };
        arguments["x-dead-letter-exchange"] = letters.clone().into();
        make_queue(&work, arguments).await;
        bind(&scene.exchange(), &work).await;
        let consumer = match way {
            Way::Rejection | Way::DeliveryLimit => Some(tokio::spawn(refuse(scene.again().await, way))),
            _ => None,
        };
        Self { scene, way, consumer }
    }

    /// How many of `ALERTS` that are published end as dead letters: with room for one, the last stays where it is.
    fn come(&self) -> u32 {
        if matches!(self.way, Way::DropHead) { ALERTS - 1 } else { ALERTS }
    }

    async fn publish(&self, bodies: &[Vec<u8>]) {
        for body in bodies {
            match self.way {
                Way::Put => drop(self.scene.put(body, BasicProperties::default()).await),
                _ => self.scene.publish(body).await,
            }
        }
    }

    /// Waits until `count` dead letters are ready and nothing is on its way to them.
    async fn are_dead(&self, count: u32) {
        let letters = self.scene.dead_letters_name();
        eventually(&format!("{count} dead letters, {:?}", self.way), async || {
            (self.scene.ready(&letters).await == count).then_some(())
        })
        .await;
    }

    /// All that there is in both queues, in the end: the ids, sorted.
    async fn end(self, count: u32) -> Vec<String> {
        let (work, letters) = (self.scene.amqp_queue(), self.scene.dead_letters_name());
        eventually(&format!("{count} in all, {:?}", self.way), async || {
            let (waiting, dead) = (self.scene.ready(&work).await, self.scene.ready(&letters).await);
            let come = matches!(self.way, Way::DropHead | Way::Put) || waiting == 0;
            (come && waiting + dead >= count).then_some(())
        })
        .await;
        if let Some(consumer) = &self.consumer {
            consumer.abort();
        }
        let mut ids = Vec::new();
        for amqp_queue in [work, letters] {
            for _ in 0..self.scene.ready(&amqp_queue).await {
                ids.push(id_of(&self.scene.take(&amqp_queue).await.body));
            }
        }
        ids.sort();
        self.scene.close().await;
        ids
    }
}

/// A consumer that takes nothing.
async fn refuse(scene: AmqpScene, way: Way) {
    let options = BasicConsumeOptions::default();
    let consume =
        scene.channel.basic_consume(scene.amqp_queue().into(), "faulty".into(), options, FieldTable::default());
    let mut stream = consume.await.unwrap();
    while let Some(Ok(delivery)) = stream.next().await {
        match way {
            Way::DeliveryLimit => delivery.acker.nack(BasicNackOptions { requeue: true, ..Default::default() }).await,
            _ => delivery.acker.reject(BasicRejectOptions { requeue: false }).await,
        }
        .unwrap();
    }
}

fn id_of(body: &[u8]) -> String {
    let alert: Value = serde_json::from_slice(body).unwrap();
    alert["id"].as_str().unwrap().chars().take(7).collect()
}

fn bodies(padding: usize) -> Vec<Vec<u8>> {
    (0..ALERTS).map(|number| alerts::body(&alerts::ssl(&format!("alert-{number}{}", "x".repeat(padding))))).collect()
}

fn ids(copies: usize) -> Vec<String> {
    (0..ALERTS).flat_map(|number| vec![format!("alert-{number}"); copies]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replayed_and_comes_back_within_the_walk_is_not_taken_for_what_was_removed() {
    for (way, kind) in WAYS.into_iter().flat_map(|way| KINDS.map(|kind| (way, kind))) {
        let returning = Returning::by(way, kind).await;
        returning.publish(&bodies(0)).await;
        returning.are_dead(returning.come()).await;
        let replayed = returning.scene.operate(&["replay", "--all", "--yes", "--rate", "4/s"]).well();
        let said = format!("{} dead letters replayed", returning.come());
        assert!(replayed.stderr.contains(&said), "{way:?} {kind}: {replayed:?}");
        assert_eq!(returning.end(ALERTS).await, ids(1), "{way:?} {kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_edited_and_comes_back_within_the_walk_stays() {
    for (way, kind) in WAYS.into_iter().flat_map(|way| KINDS.map(|kind| (way, kind))) {
        let returning = Returning::by(way, kind).await;
        let unknown = |number| alerts::body(&alerts::of(&format!("alert-{number}"), "availabilty"));
        returning.publish(&(0..ALERTS).map(unknown).collect::<Vec<_>>()).await;
        returning.are_dead(returning.come()).await;
        let id = returning.scene.ids(&["--alert-id", "alert-0"])[0].clone();
        returning.scene.operate_with(&[("EDITOR", "sed -i s/availabilty/availability/")], &["edit", &id]).well();
        assert_eq!(returning.end(ALERTS).await, ids(1), "{way:?} {kind}");
    }
}

/// A pipe holds 64 KiB: a command whose reader is slow stops in the middle of its work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_copies_that_come_while_a_command_removes_theirs_stay() {
    let ways = [Way::Ttl, Way::DropHead, Way::Rejection, Way::DeliveryLimit, Way::Put];
    let commands = [&["replay", "--all", "--force"][..], &["discard", "--all", "--no-backup"]];
    for (way, kind) in ways.into_iter().flat_map(|way| KINDS.map(|kind| (way, kind))) {
        for command in commands {
            let returning = Returning::by(way, kind).await;
            let bodies = bodies(40_000);
            returning.publish(&bodies).await;
            let come = returning.come();
            returning.are_dead(come).await;
            let mut tool = returning.scene.tool(&[], &[command, &["--yes", "--json"]].concat());
            let mut out = BufReader::new(tool.0.stdout.take().unwrap());
            let mut first = String::new();
            out.read_line(&mut first).unwrap();
            let is_replay = command[0] == "replay";
            let before = returning.scene.ready(&returning.scene.dead_letters_name()).await;
            returning.publish(&bodies).await;
            let more = async || {
                let dead = returning.scene.ready(&returning.scene.dead_letters_name()).await;
                (dead >= before + come).then_some(())
            };
            eventually("the copies", more).await;
            out.read_to_string(&mut String::new()).unwrap();
            assert_eq!(tool.ended(), Some(0), "{way:?} {kind} {command:?}");
            // All copies are there; of the first, those that were replayed, and the one that never died.
            let first = if is_replay { ALERTS } else { ALERTS - come };
            let found = returning.end(ALERTS + first).await;
            assert_eq!(u32::try_from(found.len()).unwrap(), ALERTS + first, "{way:?} {kind} {command:?}: {found:?}");
            assert!(ids(1).iter().all(|id| found.contains(id)), "{way:?} {kind} {command:?}: {found:?}");
        }
    }
}

/// RabbitMQ may lose acknowledgements when a channel closes (rabbitmq-server#10327).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_removed_goes_even_if_the_broker_forgets_that_it_was() {
    for kind in KINDS {
        let edit = ("EDITOR", "sed -i s/ssl/availability/");
        for (command, replayed) in [("replay", ALERTS), ("discard", 0), ("edit", 1)] {
            let returning = Returning::by(Way::Put, kind).await;
            let scene = &returning.scene;
            let all = if command == "edit" { vec![bodies(0)[0].clone(); 3] } else { bodies(0) };
            returning.publish(&all).await;
            let put = u32::try_from(all.len()).unwrap();
            returning.are_dead(put).await;
            let id = scene.ids(&[])[0].clone();
            let forgetful = Forgetful::to(scene.url(), 4).await;
            let url = forgetful.url(scene.url());
            let arguments = match command {
                "edit" => vec!["edit", &id],
                "discard" => vec!["discard", "--all", "--yes", "--no-backup"],
                _ => vec!["replay", "--all", "--yes"],
            };
            scene.operate_with(&[("AMQP_URL", &url), edit], &arguments).well();
            assert_eq!(forgetful.forgotten(), 4, "{kind} {command}");
            let (work, letters) =
                (scene.ready(&scene.amqp_queue()).await, scene.ready(&scene.dead_letters_name()).await);
            assert_eq!((work, letters), (replayed, 0), "{kind} {command}");
            returning.end(replayed).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_goes_to_no_exchange_that_only_the_letter_names() {
    let returning = Returning::by(Way::Put, "quorum").await;
    let scene = &returning.scene;
    let other = format!("{}.other", scene.name);
    make_queue(&other, json!({})).await;
    for (exchange, routing_key) in [("", other.as_str()), ("amq.fanout", "x"), ("there-is-none", "x")] {
        let mut headers = FieldTable::default();
        for (name, value) in [("x-original-exchange", exchange), ("x-original-routing-key", routing_key)] {
            headers.insert(name.into(), lapin::types::AMQPValue::LongString(value.into()));
        }
        let body = alerts::body(&alerts::ssl(&format!("alert-{exchange}")));
        scene.put(&body, BasicProperties::default().with_headers(headers)).await.await.unwrap();
    }
    returning.are_dead(3).await;
    let to_exchange = scene.operate(&["replay", "--all", "--to-exchange", "--yes"]).well();
    let said = format!("3 dead letters replayed to exchange {:?}", scene.exchange());
    assert!(to_exchange.stderr.contains(&said), "{to_exchange:?}");
    assert_eq!((scene.ready(&other).await, scene.ready(&scene.amqp_queue()).await), (0, 3));

    // Unless the operator says so: then what it names is said before.
    let mut headers = FieldTable::default();
    for (name, value) in [("x-original-exchange", ""), ("x-original-routing-key", &other)] {
        headers.insert(name.into(), lapin::types::AMQPValue::LongString(value.into()));
    }
    let body = alerts::body(&alerts::ssl("alert-origin"));
    scene.put(&body, BasicProperties::default().with_headers(headers)).await.await.unwrap();
    returning.are_dead(1).await;
    let to_origin = scene.operate(&["replay", "--all", "--to-origin", "--yes"]).well();
    assert!(to_origin.stderr.contains("1 dead letter replayed to exchange \"\""), "{to_origin:?}");
    assert_eq!(scene.ready(&other).await, 1);
    scene.operate(&["replay", "--all", "--to-origin", "--to-exchange", "--yes"]).failed(2, &["cannot be used with"]);
    delete_queue(&other).await;
    returning.end(3).await;
}
