//! `deploy/rabbitmq`: what it makes on a broker, and what its users may do there.

use std::path::PathBuf;
use std::process::Command;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind};

use crate::support::broker_admin as broker;
use crate::support::eventually::eventually;
use crate::support::lab::{Scene, setting};
use crate::support::relay_process::{RelayProcess, run};

const PUBLISHER: &str = "alert-publisher";
const RELAY: &str = "rtir-relay";
const INSPECTOR: &str = "rtir-relay-inspector";
const USERS: [&str; 3] = [PUBLISHER, RELAY, INSPECTOR];
const LETTERS: &str = "rtir-relay.dead-letters";
const LOCK: &str = "rtir-relay.dead-letters.operator";

/// Runs `set-up` on the shared broker for `vhost`; the passwords are those of all scenes, ending with a line as
/// editors write them.
fn set_up(vhost: &str) {
    let passwords = tempfile::tempdir().unwrap();
    for user in USERS {
        std::fs::write(passwords.path().join(user), format!("{}\n", broker::PASSWORD)).unwrap();
    }
    let tree = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let servers = tree.join("tests/servers/rabbitmq");
    let ctl = format!("{} ctl {}/rabbitmq", servers.display(), setting("RELAY_LAB_DIR"));
    let mut command = Command::new(tree.join("deploy/rabbitmq/set-up"));
    let output = command.arg(passwords.path()).envs([("VHOST", vhost), ("RABBITMQCTL", &ctl)]).output().unwrap();
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
const TRIES: [Try; 17] = [
    Publish("alerts"),
    Publish(LETTERS),
    Publish(""),
    Publish("amq.topic"),
    Bind("alerts", RELAY),
    Bind("alerts", LETTERS),
    Declare("another"),
    Declare(LOCK),
    DeleteQueue(LOCK),
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
    // To read a queue is to take all that is in it.
    assert_eq!(allowed(&scene.name, RELAY).await, [Publish(LETTERS), Take(RELAY), Purge(RELAY)]);
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
