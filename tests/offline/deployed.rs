//! What systemd hears from the relay, and what `deploy/systemd` and `deploy/kubernetes` set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rtir_relay::config::{Config, Environment};
use rtir_relay::notify::Notices;
use rtir_relay::outcome::PausedBy;
use rtir_relay::relay::State;

use super::command::{CONFIGURATION, command, run};
use super::health::{SETTINGS, served};
use crate::support::notify_socket::NotifySocket;
use crate::support::relay_process::RelayProcess;

#[tokio::test]
async fn a_relay_is_ready_once_it_consumes_or_waits_on_purpose_and_says_so_once() {
    for ready in [State::Consuming, State::Paused(PausedBy::Rt), State::Paused(PausedBy::DeadLetters)] {
        let (service, stop, _) = served().await;
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
    let (service, _, _) = served().await;
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
    let (service, _, _) = served().await;
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

/// Asserts that README names the variables, what is not set with its default, and that the relay takes them all.
fn assert_known(assignments: Vec<(String, String, bool)>) {
    let readme = include_str!("../../README.md");
    let settings = readme.split("\n## ").find(|part| part.starts_with("Settings\n")).unwrap();
    let mut environment: BTreeMap<_, _> =
        SETTINGS.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, value, active) in assignments {
        let row = settings.lines().find(|line| line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in README"));
        assert!(active || value.is_empty() || row.contains(&format!("`{value}`")), "{name}={value}, but: {row}");
        // The files of secrets are not here.
        if !value.starts_with('/') {
            environment.insert(name, value);
        }
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

#[test]
fn what_the_unit_and_its_environment_file_set_passes_the_check_before_a_start() {
    let credentials = tempfile::tempdir().unwrap();
    let unit = deployed("systemd/rtir-relay.service");
    let files = [("amqp-url", "amqp://relay:hunter2@broker.example/%2f\n"), ("rtir-password", "hunter2\n")];
    let loaded: Vec<_> = directives(&unit, "LoadCredential").into_iter().map(str::to_owned).collect();
    assert_eq!(loaded, files.map(|(name, _)| format!("{name}:/etc/rtir-relay/{name}")));
    for (name, content) in files {
        std::fs::write(credentials.path().join(name), content).unwrap();
    }
    let check = directives(&unit, "ExecStartPre");
    assert_eq!(check, ["-/usr/bin/rtir-relay check --offline"]);
    let directory = credentials.path().to_str().unwrap();
    let given = || {
        let of_unit = directives(&unit, "Environment").into_iter().map(|line| line.replace("%d", directory));
        let of_unit = of_unit.map(|line| line.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap());
        let of_file = assignments(&deployed("systemd/rtir-relay.env")).into_iter().filter(|(_, _, active)| *active);
        of_unit.chain(of_file.map(|(name, value, _)| (name, value)))
    };
    let ended = run(command(&["check", "--offline"]).envs(given()));
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(!ended.stdout.contains("hunter2"), "{ended:?}");

    // What is wrong needs a person: systemd is not to try again and again.
    let ended = run(command(&["run"]).envs(given()).env("RTIR_TIMEOUT", "20"));
    assert_eq!(ended.exit, Some(CONFIGURATION));
    assert_eq!(directives(&unit, "RestartPreventExitStatus"), [CONFIGURATION.to_string()]);
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
