//! `check` names the step, the cause and a cure that works when followed: each test breaks a set-up that is well, runs
//! `check`, does what it says, and runs it again.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use jiff::civil::date;
use serde_json::{Value, json};

use crate::support::broker_admin::{self as broker, url_of};
use crate::support::front::{Authority, Front, HttpProxy, LATER, Look, Shown, closed_port};
use crate::support::lab::{Scene, mail, rt_admin, setting};
use crate::support::relay_process::run;

/// A set-up that is well until something is done to it, and the settings of its relay.
struct SetUp {
    scene: Scene,
    settings: Vec<(&'static str, String)>,
}

/// What is done to a set-up.
enum Change {
    /// A setting of the relay; an empty one is not set.
    Set(&'static str, fn(&Scene) -> String),
    /// A command for `rt-admin`, where SCENE is the scene's name.
    Rt(&'static [&'static str]),
    /// What the relay's user may configure, write and read on the broker, where SCENE is the scene's name.
    Permit([&'static str; 3]),
    /// A vhost named as the scene, where the relay's user may do nothing yet.
    Vhost,
    /// The relay's user may do everything there.
    PermitVhost,
    /// The queue of that suffix made anew with these arguments, bound to the exchange of that one.
    Remake(&'static str, &'static str, fn(&Scene) -> Value),
    /// The queue of that suffix is deleted, and the relay started and stopped, which declares it.
    Redeclare(&'static str),
    /// The queue of that suffix is not bound any more.
    Unbind(&'static str, &'static str),
    /// It is bound again.
    Bind(&'static str, &'static str),
    /// An exchange of that suffix.
    Exchange(&'static str),
    /// A policy on the queue of that suffix.
    Policy(&'static str, fn(&Scene) -> Value),
    /// The tags of the relay's user.
    Tag(&'static str),
}
use Change::{Bind, Exchange, Permit, PermitVhost, Policy, Redeclare, Remake, Rt, Set, Tag, Unbind, Vhost};

/// What `check` has to say.
struct Says {
    step: &'static str,
    trouble: Option<&'static str>,
    why: &'static str,
    cure: &'static str,
}

/// One broken set-up.
struct Case {
    name: &'static str,
    broken: Vec<Change>,
    says: Says,
    /// What the cure says.
    mended: Vec<Change>,
}

/// With it, `check` sees limits, policies and bindings.
const MANAGEMENT: Change = Set("AMQP_MANAGEMENT_URL", |_| setting("RELAY_LAB_RABBITMQ_API"));
const ALL: [&str; 3] = ["^SCENE\\.", "^SCENE\\.", "^SCENE\\."];
const QUEUE: &str = "queue";
const ALERTS: &str = "alerts";
const LETTERS: &str = "dead-letters";

impl SetUp {
    /// Everything declared, a user of its own on the broker with rights on nothing else.
    async fn new(name: &str) -> Self {
        let scene = Scene::new(name).await;
        let relay = scene.relay(&[]).await;
        scene.stop(relay).await;
        broker::set_user(&scene.name, "monitoring").await;
        let settings = vec![("AMQP_URL", url_of(&scene.name, "%2f")), ("LOG", "trace".to_owned())];
        let mut set_up = Self { scene, settings };
        set_up.change(&Permit(ALL)).await;
        set_up
    }

    fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.settings.retain(|(name, _)| *name != variable);
        self.settings.push((variable, value.into()));
    }

    fn named(&self, text: &str) -> String {
        text.replace("SCENE", &self.scene.name)
    }

    async fn change(&mut self, change: &Change) {
        let name = self.scene.name.clone();
        let with = |suffix: &str| format!("{name}.{suffix}");
        match change {
            Set(variable, value) => self.set(variable, value(&self.scene)),
            Rt(command) => {
                let command: Vec<_> = command.iter().map(|word| self.named(word)).collect();
                rt_admin(&command.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Permit(rights) => {
                let [configure, write, read] = rights.map(|right| self.named(right));
                broker::permit(&name, "%2F", [&configure, &write, &read]).await;
            }
            Vhost => {
                broker::make_vhost(&name).await;
                self.set("AMQP_URL", url_of(&name, &name));
            }
            PermitVhost => broker::permit(&name, &name, [".*"; 3]).await,
            Remake(queue, exchange, arguments) => {
                broker::delete_queue(&with(queue)).await;
                broker::make_queue(&with(queue), arguments(&self.scene)).await;
                broker::bind(&with(exchange), &with(queue)).await;
            }
            Redeclare(queue) => {
                broker::delete_queue(&with(queue)).await;
                let relay = self.scene.relay(&[]).await;
                self.scene.stop(relay).await;
            }
            Unbind(exchange, queue) => broker::unbind(&with(exchange), &with(queue)).await,
            Bind(exchange, queue) => broker::bind(&with(exchange), &with(queue)).await,
            Exchange(exchange) => broker::make_exchange(&with(exchange)).await,
            Policy(queue, definition) => broker::set_policy(&with(queue), definition(&self.scene)).await,
            Tag(tag) => broker::set_user(&name, tag).await,
        }
    }

    /// Runs `check --json` with `arguments`: its exit code, and what it says of each step.
    async fn check(&self, arguments: &[&'static str]) -> (Option<i32>, Vec<Value>) {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let environment = self.scene.environment(&settings);
        let arguments = [&["check", "--json"], arguments].concat();
        // On a thread of its own: what stands in front of a server runs on this one.
        let ended = tokio::task::spawn_blocking(move || run(&environment, &arguments, b"")).await.unwrap();
        let (exit, stdout, stderr) = ended;
        self.scene.assert_no_secret(&format!("{stdout}{stderr}"));
        assert!(!format!("{stdout}{stderr}").contains(broker::PASSWORD), "{stdout}{stderr}");
        let findings = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (exit, findings)
    }

    /// Asserts that nothing fails.
    async fn is_well(&self, arguments: &[&'static str]) {
        let (exit, findings) = self.check(arguments).await;
        assert_eq!((exit, failed(&findings)), (Some(0), Vec::new()), "{}: {findings:#?}", self.scene.name);
    }

    /// Asserts that one step fails, and what is said of it.
    async fn fails(&self, arguments: &[&'static str], says: &Says) {
        let (exit, findings) = self.check(arguments).await;
        let failed = failed(&findings);
        let steps: Vec<_> = failed.iter().map(|finding| finding["step"].as_str().unwrap()).collect();
        assert_eq!((exit, steps.as_slice()), (Some(1), [says.step].as_slice()), "{}: {findings:#?}", self.scene.name);
        let [finding] = failed.as_slice() else { unreachable!() };
        assert_eq!(finding["trouble"].as_str(), says.trouble, "{finding}");
        for (key, words) in [("why", says.why), ("cure", says.cure)] {
            let (text, words) = (finding[key].as_str().unwrap(), self.named(words));
            assert!(text.contains(&words), "{}: no {words:?} in {key}: {finding:#}", self.scene.name);
        }
    }
}

impl SetUp {
    /// Asserts that one step warns, with these words, and nothing fails.
    async fn warns(&self, step: &str, why: &str, cure: &str) {
        let (exit, findings) = self.check(&[]).await;
        let warned: Vec<_> = findings.iter().filter(|finding| finding["status"] == "warn").collect();
        assert_eq!((exit, warned.len()), (Some(0), 1), "{findings:#?}");
        assert_eq!(warned[0]["step"], step);
        for (key, words) in [("why", why), ("cure", cure)] {
            assert!(warned[0][key].as_str().unwrap().contains(words), "no {words:?} in {key}: {}", warned[0]);
        }
    }
}

fn failed(findings: &[Value]) -> Vec<Value> {
    findings.iter().filter(|finding| finding["status"] == "FAIL").cloned().collect()
}

/// Breaks, checks, mends, checks; with the settings `common` to all cases.
async fn play(cases: Vec<Case>, common: &[Change], arguments: &[&'static str]) {
    // A few at once: most of the time is waiting for the broker to show what was done.
    stream::iter(cases).for_each_concurrent(4, |case| play_one(case, common, arguments)).await;
}

async fn play_one(case: Case, common: &[Change], arguments: &[&'static str]) {
    let mut set_up = SetUp::new(case.name).await;
    for change in common.iter().chain(&case.broken) {
        set_up.change(change).await;
    }
    set_up.fails(arguments, &case.says).await;
    for change in &case.mended {
        set_up.change(change).await;
    }
    set_up.is_well(arguments).await;
    set_up.scene.close().await;
}

fn case(name: &'static str, broken: Vec<Change>, says: Says, mended: Vec<Change>) -> Case {
    Case { name, broken, says, mended }
}

fn says(step: &'static str, trouble: &'static str, why: &'static str, cure: &'static str) -> Says {
    Says { step, trouble: Some(trouble).filter(|trouble| !trouble.is_empty()), why, cure }
}

fn broker_url(_: &Scene) -> String {
    setting("RELAY_LAB_AMQP_URL")
}

fn rt_url(_: &Scene) -> String {
    setting("RELAY_LAB_RT_URL")
}

fn with_host(url: &str, host: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_host(Some(host)).unwrap();
    url.into()
}

#[tokio::test]
async fn a_set_up_that_is_well_passes_and_nothing_is_changed_by_looking() {
    let mut set_up = SetUp::new("check-well").await;
    set_up.change(&MANAGEMENT).await;
    let letter = b"a dead letter";
    set_up.scene.publish(b"an alert").await;
    set_up.scene.publish_to(&set_up.scene.dead_letters_name(), letter).await;
    for _ in 0..3 {
        set_up.is_well(&[]).await;
    }
    let alert = set_up.scene.take(&set_up.scene.amqp_queue()).await;
    assert!(!alert.redelivered, "no message was handed out");
    assert_eq!(set_up.scene.dead_letters(1).await[0].body, letter);
    assert_eq!(set_up.scene.rt.tickets().await.len(), 0);

    // Without the management API and with a token, too; what then cannot be seen is said.
    set_up.set("AMQP_MANAGEMENT_URL", "");
    set_up.set("RTIR_USERNAME", "");
    set_up.set("RTIR_PASSWORD", "");
    set_up.set("RTIR_TOKEN", set_up.scene.token.clone());
    let (exit, findings) = set_up.check(&[]).await;
    assert_eq!(exit, Some(0), "{findings:#?}");
    let unseen: Vec<_> = findings.iter().filter(|finding| finding["status"] == "not verifiable").collect();
    let steps: Vec<_> = unseen.iter().map(|finding| finding["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["AMQP management", "RT tickets visible", "RT field right"]);
    for (finding, cure) in unseen.iter().zip(["AMQP_MANAGEMENT_URL", "check --write", "check --write"]) {
        assert!(finding["cure"].as_str().unwrap().contains(cure), "{finding}");
    }
    set_up.scene.close().await;
}

#[tokio::test]
async fn a_fresh_broker_passes_since_the_relay_declares_what_is_absent() {
    let mut set_up = SetUp::new("check-fresh").await;
    for queue in [QUEUE, LETTERS] {
        broker::delete_queue(&format!("{}.{queue}", set_up.scene.name)).await;
    }
    set_up.set("AMQP_EXCHANGE", format!("{}.unheard-of", set_up.scene.name));
    let (exit, findings) = set_up.check(&["--write"]).await;
    assert_eq!(exit, Some(0), "{findings:#?}");
    for step in ["AMQP exchange", "AMQP queue", "dead-letter queue"] {
        let finding = findings.iter().find(|finding| finding["step"] == step).unwrap();
        assert!(finding["what"].as_str().unwrap().contains("the relay declares it at start"), "{finding}");
    }
    // Looking declared nothing.
    let (_, again) = set_up.check(&[]).await;
    assert!(again.iter().any(|finding| finding["what"].as_str().unwrap().contains("declares it")), "{again:#?}");
    set_up.scene.close().await;
}

#[tokio::test]
async fn write_proves_the_rights_with_one_ticket_that_nobody_is_told_of() {
    let set_up = SetUp::new("check-write").await;
    set_up.is_well(&["--write"]).await;
    let [ticket] = &set_up.scene.tickets(1).await[..] else { unreachable!() };
    assert_eq!((ticket.status.as_str(), ticket.requestors.len()), ("resolved", 0));
    assert!(ticket.subject.contains("Test") && ticket.key.as_ref().unwrap().contains("check"), "{ticket:?}");
    assert_eq!(mail(ticket.id), Vec::<String>::new());
    set_up.scene.dead_letters(0).await;
    set_up.scene.close().await;
}

#[tokio::test]
async fn what_is_broken_in_the_settings_of_the_broker() {
    let cases = vec![
        case(
            "check-password",
            vec![Set("AMQP_URL", |scene| url_of(&scene.name, "%2f").replace(broker::PASSWORD, "wrong-secret"))],
            says("AMQP login", "authentication failed", "Login was refused", "user and password in AMQP_URL"),
            vec![Set("AMQP_URL", |scene| url_of(&scene.name, "%2f"))],
        ),
        case(
            "check-no-vhost",
            vec![Set("AMQP_URL", |scene| url_of(&scene.name, "nowhere"))],
            says("AMQP vhost", "missing permission", "vhost nowhere not found", "the default one is /%2f"),
            vec![Set("AMQP_URL", |scene| url_of(&scene.name, "%2f"))],
        ),
        case(
            "check-vhost",
            vec![Vhost],
            says("AMQP vhost", "missing permission", "refused for user 'SCENE'", "grant the user permissions on it"),
            vec![PermitVhost],
        ),
        case(
            "check-amqp-dns",
            vec![Set("AMQP_URL", |scene| with_host(&url_of(&scene.name, "%2f"), "broker.invalid"))],
            says("AMQP address", "server unreachable", "lookup", "the host in AMQP_URL"),
            vec![Set("AMQP_URL", |scene| url_of(&scene.name, "%2f"))],
        ),
        case(
            "check-amqps-to-plain",
            vec![Set("AMQP_URL", |scene| url_of(&scene.name, "%2f").replace("amqp:", "amqps:"))],
            says("AMQP TLS", "server unreachable", "not speak TLS", "Write amqp:// in AMQP_URL"),
            vec![Set("AMQP_URL", |scene| url_of(&scene.name, "%2f"))],
        ),
        case(
            "check-plain-to-amqps",
            vec![
                Set("AMQP_URL", |_| setting("RELAY_LAB_AMQPS_URL").replace("amqps:", "amqp:")),
                Set("AMQP_CA_FILE", |_| setting("RELAY_LAB_CERTIFICATES") + "/ca.pem"),
            ],
            says("AMQP login", "server unreachable", "speaks TLS", "Write amqps:// in AMQP_URL"),
            vec![Set("AMQP_URL", |_| setting("RELAY_LAB_AMQPS_URL"))],
        ),
        case(
            "check-passive",
            vec![
                Set("AMQP_TOPOLOGY", |_| "passive".to_owned()),
                Set("AMQP_EXCHANGE", |scene| format!("{}.else", scene.name)),
            ],
            says("AMQP exchange", "invalid queue", "\"SCENE.else\" does not exist", "set AMQP_TOPOLOGY=declare"),
            vec![
                Set("AMQP_TOPOLOGY", |_| "declare".to_owned()),
                Set("AMQP_EXCHANGE", |scene| format!("{}.alerts", scene.name)),
            ],
        ),
        case(
            "check-api-password",
            vec![Set("AMQP_MANAGEMENT_URL", |_| {
                setting("RELAY_LAB_RABBITMQ_API").replace("relay-broker-password", "wrong-secret")
            })],
            says("AMQP management", "authentication failed", "401", "user and password in AMQP_MANAGEMENT_URL"),
            vec![MANAGEMENT],
        ),
        case(
            "check-api-tag",
            vec![Set("AMQP_MANAGEMENT_URL", |scene| broker::management_url_of(&scene.name)), Tag("")],
            says("AMQP management", "authentication failed", "401", "the tag monitoring"),
            vec![Tag("monitoring")],
        ),
        case(
            "check-api-away",
            vec![Set("AMQP_MANAGEMENT_URL", |_| "http://127.0.0.1:1".to_owned())],
            says("AMQP management", "server unreachable", "refused", "rabbitmq_management is enabled"),
            vec![MANAGEMENT],
        ),
    ];
    play(cases, &[], &[]).await;
}

/// The arguments of a queue that does not say so, but drops letters after a few looks, and what `check` says of it.
async fn too_few_looks() -> (fn(&Scene) -> Value, &'static str) {
    if broker::before_4().await {
        (|_| json!({ "x-queue-type": "quorum", "x-delivery-limit": -1 }), "at its first look")
    } else {
        (|_| json!({ "x-queue-type": "quorum" }), "the default of 20")
    }
}

#[tokio::test]
async fn what_is_broken_on_the_broker() {
    let (too_few, why) = too_few_looks().await;
    let cases = vec![
        case(
            "check-no-read",
            vec![Permit(["^SCENE\\.", "^SCENE\\.", "^SCENE\\.dead"])],
            says(
                "AMQP right to consume",
                "missing permission",
                "'SCENE.queue'",
                "Grant the user of AMQP_URL the right",
            ),
            vec![Permit(ALL)],
        ),
        case(
            "check-no-write",
            vec![Permit(["^SCENE\\.", "^SCENE\\.alerts$", "^SCENE\\."])],
            says("right to dead-letter", "missing permission", "'SCENE.dead-letters'", "Grant the user of AMQP_URL"),
            vec![Permit(ALL)],
        ),
        case(
            "check-no-configure",
            vec![
                Set("AMQP_EXCHANGE", |scene| format!("{}.else", scene.name)),
                Permit(["^$", "^SCENE\\.", "^SCENE\\."]),
            ],
            says(
                "AMQP exchange",
                "missing permission",
                "exchange 'SCENE.else'",
                "Grant the user of AMQP_URL the right",
            ),
            vec![Permit(ALL), Set("AMQP_EXCHANGE", |scene| format!("{}.alerts", scene.name))],
        ),
        case(
            "check-arguments",
            vec![Remake(QUEUE, ALERTS, |_| json!({ "x-queue-type": "classic" }))],
            says("AMQP queue settings", "invalid queue", "no dead-letter exchange", "delete \"SCENE.queue\" and start"),
            vec![Redeclare(QUEUE)],
        ),
        case(
            "check-lost-exchange",
            vec![Remake(
                QUEUE,
                ALERTS,
                |scene| json!({ "x-queue-type": "quorum", "x-dead-letter-exchange": format!("{}.gone", scene.name) }),
            )],
            says(
                "AMQP queue settings",
                "invalid queue",
                "\"SCENE.gone\" does not exist",
                "Declare it and bind a queue",
            ),
            vec![Exchange("gone")],
        ),
        case(
            "check-small-limit",
            vec![Remake(LETTERS, LETTERS, |_| json!({ "x-queue-type": "quorum", "x-delivery-limit": 3 }))],
            says("dead-letter settings", "invalid queue", "its delivery limit is 3", "delete \"SCENE.dead-letters\""),
            vec![Redeclare(LETTERS)],
        ),
        case(
            "check-unlimited",
            vec![Remake(LETTERS, LETTERS, too_few)],
            says("dead-letter settings", "invalid queue", why, "delivery-limit to 1000000"),
            vec![Redeclare(LETTERS)],
        ),
        case(
            "check-policy",
            vec![
                Remake(LETTERS, LETTERS, |_| json!({ "x-queue-type": "quorum" })),
                Policy(LETTERS, |_| json!({ "delivery-limit": 20 })),
            ],
            says("dead-letter settings", "invalid queue", "is 20", "in the policy \"SCENE.dead-letters\""),
            vec![Policy(LETTERS, |_| json!({ "delivery-limit": 1_000_000 }))],
        ),
        case(
            "check-ttl",
            vec![Policy(LETTERS, |_| json!({ "message-ttl": 600_000 }))],
            says(
                "dead-letter settings",
                "invalid queue",
                "its message-ttl is 600000",
                "Set no message-ttl in the policy",
            ),
            vec![Policy(LETTERS, |_| json!({ "overflow": "reject-publish" }))],
        ),
        case(
            "check-unbound",
            vec![Unbind(ALERTS, QUEUE)],
            says("AMQP queue binding", "invalid queue", "not bound to exchange \"SCENE.alerts\"", "Bind it"),
            vec![Bind(ALERTS, QUEUE)],
        ),
        case(
            "check-letters-unbound",
            vec![Unbind(LETTERS, LETTERS)],
            says("dead-letter binding", "invalid queue", "not bound to exchange \"SCENE.dead-letters\"", "Bind it"),
            vec![Bind(LETTERS, LETTERS)],
        ),
    ];
    play(cases, &[MANAGEMENT], &[]).await;
}

#[tokio::test]
async fn a_delivery_limit_below_0_on_the_queue_of_alerts_is_a_warning() {
    let mut set_up = SetUp::new("check-below-0").await;
    set_up.change(&MANAGEMENT).await;
    set_up
        .change(&Remake(QUEUE, ALERTS, |scene| {
            json!({
                "x-queue-type": "quorum",
                "x-delivery-limit": -1,
                "x-dead-letter-exchange": scene.dead_letters_name(),
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            })
        }))
        .await;
    let why = if broker::before_4().await { "dead-letters what comes back once" } else { "comes back for ever" };
    set_up.warns("AMQP queue settings", why, "delivery-limit to 100").await;
    set_up.change(&Redeclare(QUEUE)).await;
    set_up.is_well(&[]).await;
    set_up.scene.close().await;
}

#[tokio::test]
async fn what_is_broken_in_the_settings_of_rt() {
    let cases = vec![
        case(
            "check-rt-password",
            vec![Set("RTIR_PASSWORD", |_| "wrong-secret".to_owned())],
            says("RT login", "authentication failed", "RT refuses the credentials", "RTIR_USERNAME and RTIR_PASSWORD"),
            vec![Set("RTIR_PASSWORD", Scene::password)],
        ),
        case(
            "check-rt-token",
            vec![
                Set("RTIR_USERNAME", |_| String::new()),
                Set("RTIR_PASSWORD", |_| String::new()),
                Set("RTIR_TOKEN", |_| "1-99-wrong-secret".to_owned()),
            ],
            says("RT login", "authentication failed", "RT refuses the credentials", "RTIR_TOKEN"),
            vec![Set("RTIR_TOKEN", |scene| scene.token.clone())],
        ),
        case(
            "check-rt-path",
            vec![Set("RTIR_URL", |scene| rt_url(scene) + "/helpdesk")],
            says("RT REST 2.0", "", "RT answered 302", "host and path of RTIR_URL"),
            vec![Set("RTIR_URL", rt_url)],
        ),
        case(
            "check-other-site",
            vec![Set("RTIR_URL", |_| {
                setting("RELAY_LAB_RABBITMQ_API")
                    .split('@')
                    .nth(1)
                    .map(|host| format!("http://{}", host.trim_end_matches("/api")))
                    .unwrap()
            })],
            says("RT REST 2.0", "", "RT answered 404", "host and path of RTIR_URL"),
            vec![Set("RTIR_URL", rt_url)],
        ),
        case(
            "check-rt-dns",
            vec![Set("RTIR_URL", |scene| with_host(&rt_url(scene), "rt.invalid"))],
            says("RT address", "server unreachable", "lookup", "the host in RTIR_URL"),
            vec![Set("RTIR_URL", rt_url)],
        ),
        case(
            "check-https-to-http",
            vec![Set("RTIR_URL", |scene| rt_url(scene).replace("http:", "https:"))],
            says("RT TLS", "server unreachable", "not speak TLS", "Write http:// in RTIR_URL"),
            vec![Set("RTIR_URL", rt_url)],
        ),
        case(
            "check-misspelt",
            vec![Set("RTIR_QUEUE", |scene| scene.name.to_uppercase() + "s")],
            says("RT queue", "invalid queue", "does not exist", "Did you mean RTIR_QUEUE=\"SCENE\"?"),
            vec![Set("RTIR_QUEUE", |scene| scene.name.clone())],
        ),
        case(
            "check-proxy-away",
            vec![Set("RTIR_PROXY", |_| "http://127.0.0.1:1".to_owned())],
            says("RT proxy", "proxy or firewall", "refused", "host and port in RTIR_PROXY"),
            vec![Set("RTIR_PROXY", |_| String::new())],
        ),
        case(
            "check-system-proxy",
            vec![Set("HTTP_PROXY", |_| "http://127.0.0.1:1".to_owned())],
            says("RT proxy", "proxy or firewall", "refused", "HTTP_PROXY"),
            vec![Set("NO_PROXY", |_| "127.0.0.1".to_owned())],
        ),
    ];
    play(cases, &[], &[]).await;
}

#[tokio::test]
async fn what_is_broken_in_rt() {
    let cases = vec![
        case(
            "check-disabled-user",
            vec![Rt(&["disable-user", "SCENE"])],
            says("RT login", "authentication failed", "RT refuses the credentials", "the RT user is enabled"),
            vec![Rt(&["enable-user", "SCENE"])],
        ),
        case(
            "check-no-create",
            vec![Rt(&["revoke", "SCENE", "CreateTicket", "SCENE"])],
            says("RT queue", "missing permission", "takes no ticket", "Grant the service user CreateTicket"),
            vec![Rt(&["grant", "SCENE", "CreateTicket", "SCENE"])],
        ),
        case(
            "check-no-see",
            vec![Rt(&["revoke", "SCENE", "SeeQueue", "SCENE"])],
            says("RT queue", "invalid queue", "may not see it", "grant the service user SeeQueue"),
            vec![Rt(&["grant", "SCENE", "SeeQueue", "SCENE"])],
        ),
        case(
            "check-disabled-queue",
            vec![Rt(&["disable-queue", "SCENE"])],
            says("RT queue", "invalid queue", "is disabled", "Enable the RT queue"),
            vec![Rt(&["enable-queue", "SCENE"])],
        ),
        case(
            "check-lifecycle",
            vec![Rt(&["set-lifecycle", "SCENE", "investigations"])],
            says("RT start status", "invalid queue", "does not begin with new", "the lifecycle incident_reports"),
            vec![Rt(&["set-lifecycle", "SCENE", "incident_reports"])],
        ),
        case(
            "check-no-field",
            vec![Rt(&["remove-field", "SCENE"])],
            says("RT field Alert ID", "invalid queue", "not applied", "Apply the custom field Alert ID"),
            vec![Rt(&["apply-field", "SCENE"])],
        ),
        case(
            "check-field-unseen",
            vec![Rt(&["revoke-field", "SCENE", "SeeCustomField"])],
            says("RT field Alert ID", "missing permission", "SeeCustomField", "SeeCustomField and ModifyCustomField"),
            vec![Rt(&["grant-field", "SCENE", "SeeCustomField"])],
        ),
    ];
    play(cases, &[], &[]).await;
}

#[tokio::test]
async fn what_only_writing_shows() {
    let cases = vec![
        case(
            "check-field-right",
            vec![Rt(&["revoke-field", "SCENE", "ModifyCustomField"])],
            says("test ticket: find", "missing permission", "ModifyCustomField", "ModifyCustomField"),
            vec![Rt(&["grant-field", "SCENE", "ModifyCustomField"])],
        ),
        case(
            "check-no-modify",
            // With it a comment is still taken.
            vec![
                Rt(&["grant", "SCENE", "CommentOnTicket", "SCENE"]),
                Rt(&["revoke", "SCENE", "ModifyTicket", "SCENE"]),
            ],
            says(
                "test ticket: resolve",
                "missing permission",
                // In RT's own words, which are in its language.
                ": Ticket ",
                "Grant the service user ModifyTicket",
            ),
            vec![Rt(&["grant", "SCENE", "ModifyTicket", "SCENE"])],
        ),
        case(
            "check-letters-unrouted",
            vec![Unbind(LETTERS, LETTERS)],
            says("test dead letter", "invalid queue", "no queue is bound", "bind AMQP_DEAD_LETTER_QUEUE"),
            vec![Bind(LETTERS, LETTERS)],
        ),
    ];
    play(cases, &[], &["--write"]).await;
}

#[tokio::test]
async fn a_ticket_that_cannot_be_seen_is_named_to_be_resolved_by_hand() {
    let set_up = SetUp::new("check-no-show").await;
    let name = set_up.scene.name.clone();
    rt_admin(&["revoke", &name, "ShowTicket", &name]);
    let (exit, findings) = set_up.check(&["--write"]).await;
    assert_eq!(exit, Some(1));
    let find = findings.iter().find(|finding| finding["step"] == "test ticket: find").unwrap();
    assert_eq!((find["status"].as_str(), find["trouble"].as_str()), (Some("FAIL"), Some("missing permission")));
    assert!(find["cure"].as_str().unwrap().contains("Grant the service user ShowTicket"), "{find}");
    let ticket = set_up.scene.tickets(1).await[0].id;
    let resolve = findings.iter().find(|finding| finding["step"] == "test ticket: resolve").unwrap();
    assert!(resolve["cure"].as_str().unwrap().contains(&format!("Resolve ticket {ticket} by hand")), "{resolve}");
    rt_admin(&["grant", &name, "ShowTicket", &name]);
    set_up.is_well(&["--write"]).await;
    set_up.scene.close().await;
}

/// What certificates can have, each shown by a server in front of the broker and of RT in turn.
#[tokio::test]
async fn what_is_broken_in_certificates() {
    let servers = [
        ("AMQP TLS", "AMQP_URL", "AMQP_CA_FILE", broker_url as fn(&Scene) -> String, "amqps"),
        ("RT TLS", "RTIR_URL", "RTIR_CA_FILE", rt_url, "https"),
    ];
    for (step, url_variable, ca_variable, url, scheme) in servers {
        let mut set_up = SetUp::new("check-tls").await;
        let authority = Authority::new(&format!("{}-{scheme}", set_up.scene.name));
        let good = authority.certificate("localhost", LATER);
        let front = Front::of(&url(&set_up.scene), Look::Tls(Shown::clone(&good))).await;
        set_up.set(url_variable, front.url(&url(&set_up.scene), scheme));

        // The cure: trust the authority.
        let untrusted = says(step, "certificate", "which is not trusted", "as PEM, into the file that");
        set_up.fails(&[], &untrusted).await;
        set_up.set(ca_variable, authority.file.to_str().unwrap());
        set_up.is_well(&[]).await;

        let cases = [
            (
                authority.certificate("localhost", date(2020, 12, 31)),
                "expired on 2020-12-31",
                "Renew the server's certificate",
            ),
            (authority.certificate("other.example", LATER), "other.example", "a name in"),
        ];
        for (shown, why, cure) in cases {
            front.set(Look::Tls(shown));
            set_up.fails(&[], &says(step, "certificate", why, cure)).await;
            front.set(Look::Tls(Shown::clone(&good)));
            set_up.is_well(&[]).await;
        }
        let (_, findings) = set_up.check(&[]).await;
        let finding = findings.iter().find(|finding| finding["step"] == step).unwrap();
        assert!(finding["what"].as_str().unwrap().contains("days left"), "{finding}");
        set_up.scene.close().await;
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_and_a_certificate_that_ends_soon_are_warnings() {
    let mut set_up = SetUp::new("check-warn").await;
    let url = rt_url(&set_up.scene);
    let front = Front::of(&url, Look::Date("Tue, 24 Nov 2020 22:57:43 GMT")).await;
    set_up.set("RTIR_URL", front.url(&url, "http"));
    set_up.warns("RT clock", "behind", "NTP").await;
    front.set(Look::Plain);
    set_up.is_well(&[]).await;

    let authority = Authority::new(&set_up.scene.name);
    let soon = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(jiff::Span::new().days(10));
    front.set(Look::Tls(authority.certificate("localhost", soon)));
    set_up.set("RTIR_URL", front.url(&url, "https"));
    set_up.set("RTIR_CA_FILE", authority.file.to_str().unwrap());
    set_up.warns("RT TLS", " days left", "Renew it in time").await;
    front.set(Look::Tls(authority.certificate("localhost", LATER)));
    set_up.is_well(&[]).await;
    set_up.scene.close().await;
}

#[tokio::test]
async fn plain_words_to_a_port_for_tls_and_a_port_where_nobody_listens() {
    let mut set_up = SetUp::new("check-http-to-https").await;
    let url = rt_url(&set_up.scene);
    let authority = Authority::new(&set_up.scene.name);
    let front = Front::of(&url, Look::Tls(authority.certificate("localhost", LATER))).await;
    set_up.set("RTIR_CA_FILE", authority.file.to_str().unwrap());
    set_up.set("RTIR_URL", front.url(&url, "http"));
    let wrong = says("RT REST 2.0", "server unreachable", "speaks TLS", "Write https:// in RTIR_URL");
    set_up.fails(&[], &wrong).await;
    set_up.set("RTIR_URL", front.url(&url, "https"));
    set_up.is_well(&[]).await;

    // Nobody listens any more.
    let closed = format!("http://127.0.0.1:{}", closed_port().await);
    set_up.set("RTIR_URL", closed);
    set_up.fails(&[], &says("RT address", "server unreachable", "refused", "Check that the server runs")).await;
    set_up.set("RTIR_URL", url);
    set_up.is_well(&[]).await;
    set_up.scene.close().await;
}

#[tokio::test]
async fn a_proxy_that_refuses_or_wants_a_password() {
    let mut set_up = SetUp::new("check-proxy").await;
    let url = rt_url(&set_up.scene);
    let authority = Authority::new(&set_up.scene.name);
    let front = Front::of(&url, Look::Tls(authority.certificate("localhost", LATER))).await;
    set_up.set("RTIR_CA_FILE", authority.file.to_str().unwrap());
    set_up.set("RTIR_URL", front.url(&url, "https"));
    let proxy = HttpProxy::start(403).await;
    set_up.set("RTIR_PROXY", proxy.url());
    for (status, why) in [(403, "unsuccessful"), (407, "authorization"), (503, "unsuccessful")] {
        proxy.answers(status);
        set_up.fails(&[], &says("RT REST 2.0", "proxy or firewall", why, "RTIR_PROXY")).await;
        proxy.answers(200);
        set_up.is_well(&[]).await;
    }
    // Plain http is not tunnelled: the proxy answers in RT's place.
    set_up.set("RTIR_URL", url.clone());
    for (status, trouble) in [(403, "proxy or firewall"), (407, "proxy or firewall"), (502, "server unreachable")] {
        proxy.answers(status);
        set_up.fails(&[], &says("RT REST 2.0", trouble, "RT answered", "")).await;
    }
    // A page of the proxy's own, such as one to log in at.
    proxy.answers(200);
    set_up.fails(&[], &says("RT REST 2.0", "proxy or firewall", "not from REST 2.0", "RTIR_URL leads to RT")).await;
    set_up.set("RTIR_PROXY", "");
    set_up.is_well(&[]).await;
    set_up.scene.close().await;
}

#[tokio::test]
async fn of_several_brokers_each_is_checked() {
    let mut set_up = SetUp::new("check-several").await;
    let good = url_of(&set_up.scene.name, "%2f");
    set_up.set("AMQP_URL", format!("amqp://127.0.0.1:{}/%2f,{good}", closed_port().await));
    set_up.fails(&[], &says("AMQP address", "server unreachable", "refused", "host and port in AMQP_URL")).await;
    set_up.set("AMQP_URL", format!("{good},{good}"));
    set_up.is_well(&[]).await;
    set_up.scene.close().await;
}
