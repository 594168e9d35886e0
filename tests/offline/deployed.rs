//! What systemd hears from the relay, and what `deploy/systemd` and `deploy/kubernetes` set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rtir_relay::config::{Config, Environment};
use rtir_relay::notify::Notices;
use rtir_relay::outcome::PausedBy;
use rtir_relay::relay::State;
use tempfile::TempDir;

use super::command::{CONFIGURATION, command, run};
use super::health::{SETTINGS, served};
use crate::support::notify_socket::NotifySocket;
use crate::support::relay_process::RelayProcess;

#[tokio::test]
async fn a_relay_is_ready_once_it_consumes_or_waits_on_purpose_and_says_so_once() {
    for ready in [State::Consuming, State::Paused(PausedBy::Rt), State::Paused(PausedBy::DeadLetters)] {
        let (service, _, stop, _) = served().await;
        let mut notices = Notices::default();
        let mut due = || notices.due(&service).iter().map(ToString::to_string).collect::<Vec<_>>();
        let wait_on = "EXTEND_TIMEOUT_USEC=30000000";
        assert_eq!(due(), ["WATCHDOG=1", wait_on, "STATUS=starting"]);
        assert_eq!(due(), ["WATCHDOG=1", wait_on], "the broker may be away for long");
        service.status().beat(ready, true);
        assert_eq!(due(), ["WATCHDOG=1", "READY=1", &format!("STATUS={}", ready.as_str())]);
        assert_eq!(due(), ["WATCHDOG=1"]);
        service.status().beat(State::Connecting, false);
        assert_eq!(due(), ["WATCHDOG=1", "STATUS=connecting"]);
        service.status().beat(ready, true);
        assert_eq!(due(), ["WATCHDOG=1", &format!("STATUS={}", ready.as_str())]);
        stop.cancel();
        assert_eq!(due(), ["WATCHDOG=1", wait_on, "STOPPING=1", "STATUS=stopping"]);
        assert_eq!(due(), ["WATCHDOG=1", wait_on]);
    }
}

#[tokio::test]
async fn the_watchdog_hears_nothing_of_a_loop_that_hangs() {
    let (service, _, _, _) = served().await;
    let mut notices = Notices::default();
    let mut watchdog = || notices.due(&service).iter().any(|notice| notice.to_string() == "WATCHDOG=1");
    for (seconds, heard) in [(0, true), (29, true), (31, false)] {
        service.status().beat(State::Consuming, true);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        assert_eq!(watchdog(), heard, "{seconds} s");
    }
    service.status().beat(State::Consuming, true);
    assert!(watchdog(), "it turns again");
}

#[tokio::test]
async fn the_status_says_why_alerts_wait_in_one_line() {
    let (service, _, _, _) = served().await;
    service.relay().check_credentials().await.unwrap();
    service.status().beat(State::Consuming, true);
    let mut notices = Notices::default();
    let due: Vec<_> = notices.due(&service).iter().map(ToString::to_string).collect();
    let status = due.last().unwrap();
    assert!(status.starts_with("STATUS=consuming; alerts wait: server unreachable: "), "{status}");
    assert!(!status.contains('\n'), "a line break would begin another notice: {status}");
}

#[tokio::test]
async fn a_relay_without_its_broker_tells_systemd_to_wait_on_and_when_it_stops() {
    let systemd = NotifySocket::new();
    let mut environment = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    environment.push(("HTTP_LISTEN".to_owned(), "off".to_owned()));
    environment.push(("NOTIFY_SOCKET".to_owned(), systemd.path().to_str().unwrap().to_owned()));
    let relay = RelayProcess::start(&environment);
    let heard = systemd.hears("EXTEND_TIMEOUT_USEC", "30000000").await;
    assert_eq!((heard["STATUS"].as_str(), heard.get("READY")), ("starting", None));
    systemd.hears("EXTEND_TIMEOUT_USEC", "30000000").await;
    relay.logs("trying again until it can").await;
    let (status, log) = relay.terminate().await;
    assert_eq!(status.code(), Some(0), "{log}");
    let heard = systemd.hears("STOPPING", "1").await;
    assert!(heard["STATUS"].starts_with("stopping") && !heard.contains_key("READY"), "{heard:?}");
}

#[tokio::test]
async fn a_notify_socket_that_is_gone_stops_no_relay() {
    let mut environment = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    environment.push(("HTTP_LISTEN".to_owned(), "off".to_owned()));
    environment.push(("NOTIFY_SOCKET".to_owned(), "/nowhere/notify".to_owned()));
    let relay = RelayProcess::start(&environment);
    relay.logs("systemd cannot be told how the relay is").await;
    assert_eq!(relay.terminate().await.0.code(), Some(0));
}

/// A file of `deploy`.
pub fn deployed(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The assignments of an environment file, also those that are commented out, without the quotes of their values.
fn assignments(text: &str) -> Vec<(String, String, bool)> {
    let assignment = |line: &str| {
        let (line, active) = line.strip_prefix('#').map_or((line, true), |rest| (rest, false));
        let (name, value) = line.split_once('=')?;
        let plain = |c: char| c.is_ascii_uppercase() || c == '_';
        name.chars().all(plain).then(|| (name.to_owned(), value.trim_matches('"').to_owned(), active))
    };
    text.lines().filter_map(assignment).collect()
}

/// What follows `NAME=` in the unit, for each time that it stands there.
fn directives<'a>(unit: &'a str, name: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

/// What makes the settings of the hand-over to trax complete.
const TRAX: [(&str, &str); 2] = [("TRAX_URL", "https://trax.example/postbox"), ("TRAX_TOKEN", "hunter2")];

/// Asserts that README names the variables, what is not set with its default, and that the relay takes them all.
fn assert_known(assignments: Vec<(String, String, bool)>) {
    let readme = include_str!("../../README.md");
    let settings = readme.split("\n## ").find(|part| part.starts_with("Settings\n")).unwrap();
    let mut environment: BTreeMap<_, _> =
        SETTINGS.into_iter().chain(TRAX).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value, active) in assignments {
        let row = settings.lines().find(|line| line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in README"));
        // The files of secrets are not here, and have no default.
        if value.is_empty() || value.starts_with('/') {
            continue;
        }
        assert!(active || row.contains(&format!("`{value}`")), "{name}={value}, but: {row}");
        environment.insert(name, value);
    }
    Config::load(&environment.into_iter().collect::<Environment>()).unwrap_or_else(|faults| panic!("{faults:?}"));
}

#[test]
fn every_variable_of_the_environment_file_is_known_and_in_readme_with_its_default() {
    let assignments = assignments(&deployed("systemd/rtir-relay.env"));
    assert!(assignments.len() > 20, "{assignments:?}");
    assert_known(assignments);
}

#[test]
fn every_variable_that_kubernetes_sets_is_known() {
    let deployment = deployed("kubernetes/deployment.yaml");
    let lines: Vec<_> = deployment.lines().map(str::trim).collect();
    let variable = |pair: &[&str]| {
        let (name, value) = (pair[0].strip_prefix("- name: ")?, pair[1].strip_prefix("value: ")?);
        Some((name.to_owned(), value.to_owned(), true))
    };
    let of_deployment: Vec<_> = lines.windows(2).filter_map(variable).collect();
    assert_eq!(of_deployment.len(), 3, "{of_deployment:?}");
    let settings = assignments(&deployed("kubernetes/settings.env"));
    assert!(settings.len() >= 3, "{settings:?}");
    assert_known([of_deployment, settings].concat());
}

#[test]
fn the_image_and_kubernetes_have_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, words) in [
        ("kubernetes/kustomization.yaml", format!("newTag: \"{version}\"")),
        ("Dockerfile", format!("image.version=\"{version}\"")),
        ("Dockerfile", format!("rtir-relay:{version}")),
    ] {
        assert!(deployed(file).contains(&words), "{words} in {file}");
    }
}

/// What the unit and its environment file give the relay; `unit` has its credentials in a directory of their own.
struct Given {
    _credentials: TempDir,
    environment: Vec<(String, String)>,
}

impl Given {
    fn by(unit: &str, credentials: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let loaded: Vec<_> = directives(unit, "LoadCredential").into_iter().map(str::to_owned).collect();
        let all: Vec<_> = credentials.iter().map(|(name, _)| format!("{name}:/etc/rtir-relay/{name}")).collect();
        assert_eq!(loaded, all);
        for (name, content) in credentials {
            std::fs::write(directory.path().join(name), content).unwrap();
        }
        let path = directory.path().to_str().unwrap();
        let of_unit = directives(unit, "Environment").into_iter().map(|line| line.replace("%d", path));
        let of_unit = of_unit.map(|line| line.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap());
        let of_file = assignments(&deployed("systemd/rtir-relay.env")).into_iter().filter(|(_, _, active)| *active);
        let environment = of_unit.chain(of_file.map(|(name, value, _)| (name, value))).collect();
        Self { _credentials: directory, environment }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.envs(self.environment.iter().cloned());
        command
    }
}

const CREDENTIALS: [(&str, &str); 2] =
    [("amqp-url", "amqp://relay:hunter2@broker.example/%2f\n"), ("rtir-password", "hunter2\n")];

#[test]
fn what_the_unit_and_its_environment_file_set_passes_the_check_before_a_start() {
    let unit = deployed("systemd/rtir-relay.service");
    assert_eq!(directives(&unit, "ExecStartPre"), ["-/usr/bin/rtir-relay check --offline"]);
    let given = Given::by(&unit, &CREDENTIALS);
    let ended = run(&mut given.command(&["check", "--offline"]));
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(!ended.stdout.contains("hunter2"), "{ended:?}");

    // What is wrong needs a person: systemd is not to try again and again.
    let ended = run(given.command(&["run"]).env("RTIR_TIMEOUT", "20"));
    assert_eq!(ended.exit, Some(CONFIGURATION));
    assert_eq!(directives(&unit, "RestartPreventExitStatus"), [CONFIGURATION.to_string()]);
}

#[test]
fn what_the_page_adds_to_the_unit_for_trax_passes_the_check_before_a_start() {
    let page = deployed("systemd/README.md");
    let (_, section) = page.split_once("To hand over to trax").unwrap();
    let addition = section.split("\n\n").nth(1).unwrap();
    let addition: Vec<_> = addition.lines().map(|line| line.strip_prefix("    ").unwrap()).collect();
    let unit = deployed("systemd/rtir-relay.service") + &addition.join("\n");
    let given = Given::by(&unit, &[CREDENTIALS.as_slice(), &[("trax-token", "hunter2\n")]].concat());
    let ended = run(given.command(&["check", "--offline"]).env(TRAX[0].0, TRAX[0].1));
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(!ended.stdout.contains("hunter2"), "{ended:?}");
}

#[test]
fn systemd_waits_for_a_stop_longer_than_the_relay_takes() {
    let environment: Environment = SETTINGS.into_iter().collect();
    let grace = Config::load(&environment).unwrap_or_else(|faults| panic!("{faults:?}")).process.shutdown_grace;
    let unit = deployed("systemd/rtir-relay.service");
    let [seconds] = directives(&unit, "TimeoutStopSec")[..] else { panic!("{unit}") };
    let seconds = seconds.strip_suffix('s').unwrap().parse().unwrap();
    assert!(Duration::from_secs(seconds) > grace, "{seconds} s, {grace:?}");
}
