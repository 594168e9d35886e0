//! `deploy/rabbitmq`: what it makes on a broker, and what its users may do there.

use std::path::PathBuf;
use std::process::Command;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind};
use serde_json::json;

use crate::support::broker_admin as broker;
use crate::support::eventually::eventually;
use crate::support::lab::{Scene, setting};
use crate::support::postbox::Postbox;
use crate::support::relay_process::{RelayProcess, run};

const PUBLISHER: &str = "alert-publisher";
const RELAY: &str = "rtir-relay";
const INSPECTOR: &str = "rtir-relay-inspector";
const USERS: [&str; 3] = [PUBLISHER, RELAY, INSPECTOR];
const LETTERS: &str = "rtir-relay.dead-letters";
const LOCK: &str = "rtir-relay.dead-letters.operator";
const LEASE: &str = "rtir-relay.trax";
/// To read a queue is to take all that is in it.
const OF_RELAY: [Try; 3] = [Publish(LETTERS), Take(RELAY), Purge(RELAY)];

/// Runs `set-up` on the shared broker for `vhost`; the passwords are those of all scenes, ending with a line as
/// editors write them.
fn set_up(vhost: &str) {
    set_up_with(vhost, &[]);
}

/// The same with `others` in the environment.
fn set_up_with(vhost: &str, others: &[(&str, &str)]) {
    let passwords = tempfile::tempdir().unwrap();
    for user in USERS {
        std::fs::write(passwords.path().join(user), format!("{}\n", broker::PASSWORD)).unwrap();
    }
    let tree = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let servers = tree.join("tests/servers/rabbitmq");
    let ctl = format!("{} ctl {}/rabbitmq", servers.display(), setting("RELAY_LAB_DIR"));
    let mut command = Command::new(tree.join("deploy/rabbitmq/set-up"));
    command.arg(passwords.path()).envs([("VHOST", vhost), ("RABBITMQCTL", &ctl)]).envs(others.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a relay, a publisher or an operator is given: the default names, in the scene's vhost.
fn environment(scene: &Scene, user: &str, others: &[(&str, &str)]) -> Vec<(String, String)> {
    let names = ["EXCHANGE", "QUEUE", "DEAD_LETTER_EXCHANGE", "DEAD_LETTER_QUEUE"].map(|name| format!("AMQP_{name}"));
    let defaults: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let url = broker::url_of(user, &scene.name);
    let its = [("AMQP_URL", url.as_str()), ("AMQP_TOPOLOGY", "passive"), ("LOG", "warn")];
    scene.environment(&[&defaults, its.as_slice(), others].concat())
}

/// Runs a command that ends well.
fn well(environment: &[(String, String)], arguments: &[&str], input: &str) -> String {
    let (exit, stdout, stderr) = run(environment, arguments, input.as_bytes());
    assert_eq!(exit, Some(0), "{arguments:?}: {stdout}{stderr}");
    assert!(!format!("{stdout}{stderr}").contains(broker::PASSWORD), "{stdout}{stderr}");
    stdout
}

/// What somebody may try on the broker.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Try {
    Publish(&'static str),
    Take(&'static str),
    Purge(&'static str),
    Bind(&'static str, &'static str),
    Declare(&'static str),
    DeleteQueue(&'static str),
    DeleteExchange(&'static str),
}
use Try::{Bind, Declare, DeleteExchange, DeleteQueue, Publish, Purge, Take};

/// Those that harm come last.
const TRIES: [Try; 19] = [
    Publish("alerts"),
    Publish(LETTERS),
    Publish(""),
    Publish("amq.topic"),
    Bind("alerts", RELAY),
    Bind("alerts", LETTERS),
    Declare("another"),
    Declare(LOCK),
    DeleteQueue(LOCK),
    Declare(LEASE),
    DeleteQueue(LEASE),
    Take(RELAY),
    Take(LETTERS),
    Purge(RELAY),
    Purge(LETTERS),
    DeleteQueue(RELAY),
    DeleteQueue(LETTERS),
    DeleteExchange("alerts"),
    DeleteExchange(LETTERS),
];

impl Try {
    /// Whether the broker allows it. A refusal closes the channel.
    async fn is_allowed(self, connection: &Connection) -> bool {
        let channel = connection.create_channel().await.unwrap();
        match self.done(&channel).await {
            Ok(()) => true,
            Err(error) => {
                let ErrorKind::ProtocolError(refusal) = error.kind() else { panic!("{self:?}: {error}") };
                assert!(refusal.get_message().as_str().contains("ACCESS_REFUSED"), "{self:?}: {error}");
                false
            }
        }
    }

    async fn done(self, channel: &Channel) -> lapin::Result<()> {
        match self {
            Publish(exchange) => {
                channel.confirm_select(ConfirmSelectOptions::default()).await?;
                let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
                channel
                    .basic_publish(exchange.into(), "try".into(), options, b"a try", properties)
                    .await?
                    .await
                    .map(drop)
            }
            Take(queue) => channel.basic_get(queue.into(), BasicGetOptions::default()).await.map(drop),
            Purge(queue) => channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await.map(drop),
            Bind(exchange, queue) => {
                let (options, none) = (QueueBindOptions::default(), FieldTable::default());
                channel.queue_bind(queue.into(), exchange.into(), "try".into(), options, none).await
            }
            Declare(queue) => {
                let (options, none) = (QueueDeclareOptions::default(), FieldTable::default());
                channel.queue_declare(queue.into(), options, none).await.map(drop)
            }
            DeleteQueue(queue) => channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.map(drop),
            DeleteExchange(exchange) => {
                channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await
            }
        }
    }
}

/// All that `user` may do.
async fn allowed(vhost: &str, user: &str) -> Vec<Try> {
    let url = broker::url_of(user, vhost);
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.expect("the user may log in");
    let mut allowed = Vec::new();
    for attempt in TRIES {
        if attempt.is_allowed(&connection).await {
            allowed.push(attempt);
        }
    }
    connection.close(200, "".into()).await.unwrap();
    allowed
}

#[tokio::test]
async fn the_definitions_are_what_the_relay_declares() {
    let scene = Scene::new("definitions").await;
    set_up(&scene.name);
    let declared = format!("{}-declared", scene.name);
    broker::make_vhost(&declared).await;
    broker::permit(RELAY, &declared, [".*"; 3]).await;
    let url = broker::url_of(RELAY, &declared);
    let relay = RelayProcess::start(&environment(
        &scene,
        RELAY,
        &[("AMQP_URL", &url), ("AMQP_TOPOLOGY", "declare"), ("LOG", "info")],
    ));
    relay.logs("consuming queue").await;
    relay.terminate().await;
    assert_eq!(broker::topology(&scene.name).await, broker::topology(&declared).await);
    scene.close().await;
}

#[tokio::test]
async fn each_user_of_the_broker_may_do_its_part_and_is_refused_the_rest() {
    let scene = Scene::new("users").await;
    set_up(&scene.name);
    assert_eq!(allowed(&scene.name, PUBLISHER).await, [Publish("alerts")]);
    assert_eq!(allowed(&scene.name, RELAY).await, OF_RELAY);
    let of_inspector =
        [Publish("alerts"), Publish(""), Declare(LOCK), DeleteQueue(LOCK), Take(LETTERS), Purge(LETTERS)];
    assert_eq!(allowed(&scene.name, INSPECTOR).await, of_inspector);
    // Again, for it may be repeated: nothing is widened, and nobody is locked out.
    set_up(&scene.name);
    assert_eq!(allowed(&scene.name, PUBLISHER).await, [Publish("alerts")]);
    scene.close().await;
}

#[tokio::test]
async fn publisher_relay_and_inspector_get_along_with_their_rights() {
    let scene = Scene::new("least").await;
    set_up(&scene.name);
    // As the page says, so that `check` sees limits and bindings.
    broker::set_user(INSPECTOR, "monitoring").await;
    let management = broker::management_url_of(INSPECTOR);
    let relays = environment(&scene, RELAY, &[("LOG", "trace"), ("AMQP_MANAGEMENT_URL", &management)]);
    let checked = well(&relays, &["check", "--write"], "");
    assert!(!checked.contains("not verifiable") && !checked.contains("warn"), "{checked}");

    let relay = RelayProcess::start(&relays);
    relay.logs("consuming queue").await;
    let publisher = environment(&scene, PUBLISHER, &[]);
    well(&publisher, &["publish", "deploy/demo/alerts.ndjson"], "");
    well(&publisher, &["publish", "deploy/demo/bad/no-active-focal-point.json"], "");
    well(&publisher, &["publish", "--raw", "--routing-key", "alert.bad", "-"], "no alert");
    // Of `check`, too, there is one.
    scene.tickets(13).await;
    let dead_lettered = async |count| {
        let seen = || relay.count("\"outcome\":\"dead_letter\"") == count;
        eventually(&format!("{count} dead-lettered"), async || seen().then_some(())).await;
    };
    dead_lettered(2).await;

    let inspector = environment(&scene, INSPECTOR, &[("RTIR_FALLBACK_REQUESTOR", "csirt@team.example")]);
    let list = || well(&inspector, &["dead-letters", "list", "--json"], "").lines().count();
    assert_eq!(list(), 2);
    let discard = ["dead-letters", "discard", "--reason", "malformed_alert", "--yes", "--no-backup"];
    well(&inspector, &discard, "");
    assert_eq!(list(), 1);
    // The relay has no fallback, so the letter comes back.
    well(&inspector, &["dead-letters", "replay", "--all", "--to-exchange", "--yes"], "");
    dead_lettered(3).await;
    well(&inspector, &["dead-letters", "replay", "--all", "--yes"], "");
    dead_lettered(4).await;
    assert_eq!(list(), 1);
    let (status, log) = relay.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    scene.assert_no_secret(&log);
    scene.close().await;
}

#[tokio::test]
async fn a_dead_letter_that_comes_back_waits_for_the_right_to_the_default_exchange() {
    let scene = Scene::new("users-back").await;
    set_up(&scene.name);
    broker::set_user(&scene.name, "").await;
    broker::permit(&scene.name, &scene.name, [".*"; 3]).await;
    let url = broker::url_of(&scene.name, &scene.name);
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(RELAY.into(), LETTERS.into(), "#".into(), options, none.clone()).await.unwrap();

    let relays = environment(&scene, RELAY, &[("LOG", "info"), ("RETRY_MAX", "500ms")]);
    let relay = RelayProcess::start(&relays);
    relay.logs("consuming queue").await;
    well(&environment(&scene, PUBLISHER, &[]), &["publish", "--raw", "--routing-key", "alert.bad", "-"], "no alert");
    relay.logs("the dead letter of this alert waits, others go on: missing permission").await;
    relay.logs("amq.default").await;
    // As the page says.
    channel.queue_unbind(RELAY.into(), LETTERS.into(), "#".into(), none).await.unwrap();
    let rights = ["^$", "^(amq\\.default|rtir-relay\\.dead-letters)$", "^rtir-relay$"];
    broker::permit(RELAY, &scene.name, rights).await;
    relay.logs("dead letters are stored again").await;
    set_up(&scene.name);
    scene.stop(relay).await;
    for expected in [(RELAY, 0), (LETTERS, 2)] {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(expected.0.into(), passive, FieldTable::default()).await.unwrap();
        assert_eq!((expected.0, queue.message_count()), expected);
    }
    connection.close(200, "".into()).await.unwrap();
    scene.close().await;
}

#[tokio::test]
async fn with_its_rights_for_trax_the_relay_hands_over_and_answers_and_may_do_no_more() {
    let scene = Scene::for_trax("users-trax").await;
    set_up_with(&scene.name, &[("TRAX", "1")]);
    let postbox = Postbox::start();
    let mut relays = environment(&scene, RELAY, &[("LOG", "info")]);
    relays.extend(postbox.environment());
    well(&relays, &["check", "--write"], "");
    let relay = RelayProcess::start(&relays);
    relay.logs("this relay hands over to trax").await;
    let high = scene.rt.create(&json!({ "Subject": "High", "Priority": 60 })).await;
    postbox.has(&[high]).await;
    let low = scene.rt.create(&json!({ "Subject": "Low", "Priority": 10 })).await;
    let said = well(&relays, &["trax", "send", &low.to_string()], "");
    assert_eq!(said, format!("ticket {low} is handed over\n"));
    postbox.has(&[high, low]).await;
    scene.stop(relay).await;
    postbox.assert_all_well_formed();
    let for_trax = [Publish(LETTERS), Publish(""), Declare(LEASE), DeleteQueue(LEASE), Take(RELAY), Purge(RELAY)];
    assert_eq!(allowed(&scene.name, RELAY).await, for_trax);

    // `check` names whichever is missing, and nothing else.
    let of_trax = ["^rtir-relay\\.trax$", "^(amq\\.default|rtir-relay\\.dead-letters)$", "^rtir-relay(\\.trax)?$"];
    let of_relay = ["^$", "^rtir-relay\\.dead-letters$", "^rtir-relay$"];
    for (kind, named) in [LEASE, "amq.default", LEASE].into_iter().enumerate() {
        let mut rights = of_trax;
        rights[kind] = of_relay[kind];
        broker::permit(RELAY, &scene.name, rights).await;
        assert_lease_refused(&relays, named);
    }
    // Set up without, they are taken back.
    set_up(&scene.name);
    assert_eq!(allowed(&scene.name, RELAY).await, OF_RELAY);
    assert_lease_refused(&relays, LEASE);
    scene.close().await;
}

/// Asserts that `check` finds nothing wrong but a right for the lease on what is `named`.
fn assert_lease_refused(relays: &[(String, String)], named: &str) {
    let (exit, checked, _) = run(relays, &["check"], b"");
    let step = checked.split_once("FAIL            trax lease").expect(&checked).1;
    let step = step.lines().take(3).collect::<Vec<_>>().join("\n");
    for words in ["missing permission", named, "ACCESS_REFUSED", "Grant the user of AMQP_URL", "set_permissions"] {
        assert!(step.contains(words), "{words}: {checked}");
    }
    assert_eq!((exit, checked.matches("FAIL").count()), (Some(1), 1), "{checked}");
}
