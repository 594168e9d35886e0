//! `check` without a server: the configuration, and what is printed how.

use std::path::Path;

use rtir_relay::diagnosis::Trouble;
use serde_json::{Value, json};

use crate::support::fake_rt::{Answer, FakeRt, Fault, Op};
use crate::support::relay_process::run;

const WELL: [(&str, &str); 4] = [
    ("AMQP_URL", "amqp://relay:hunter2@127.0.0.1:1/%2f"),
    ("RTIR_URL", "http://127.0.0.1:1"),
    ("RTIR_USERNAME", "rtir-relay"),
    ("RTIR_PASSWORD", "hunter2"),
];

/// Exit code, stdout and stderr of `check` with what is well and `others`; an empty one is not set.
fn check(others: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let environment: Vec<_> =
        WELL.iter().chain(others).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let ended = run(&environment, &[&["check"], arguments].concat(), b"");
    assert!(!format!("{}{}", ended.1, ended.2).contains("hunter2"), "{ended:?}");
    ended
}

fn findings(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn offline_stops_after_the_configuration() {
    let (exit, stdout, stderr) = check(&[], &["--offline"]);
    assert_eq!((exit, stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{stdout}");
    assert!(lines[0].starts_with("ok ") && lines[0].contains("configuration"), "{stdout}");
    assert!(lines[1].contains("missing focal points"), "{stdout}");
}

#[test]
fn every_fault_of_the_configuration_is_a_step_that_fails_with_78() {
    let faults = [("RTIR_TIMEOUT", "20"), ("AMQP_MANAGEMENT_URL", "rabbit:hunter2@x"), ("RTIR_QUEU", "x")];
    let cures = ["RTIR_TIMEOUT", "AMQP_MANAGEMENT_URL", "RTIR_QUEUE"];
    for arguments in [&["--json"][..], &["--json", "--offline"]] {
        let (exit, stdout, _) = check(&faults, arguments);
        let findings = findings(&stdout);
        assert_eq!((exit, findings.len()), (Some(78), faults.len()), "{stdout}");
        for cure in cures {
            let names = |finding: &&Value| finding.to_string().contains(cure);
            let finding = findings.iter().find(names).expect(cure);
            assert_eq!((&finding["step"], &finding["status"]), (&"configuration".into(), &"FAIL".into()));
        }
    }
    let nothing = concat!(env!("CARGO_TARGET_TMPDIR"), "/check-empty.pem");
    std::fs::write(nothing, "no certificate").unwrap();
    let (exit, stdout, _) = check(&[("RTIR_CA_FILE", nothing)], &["--offline"]);
    assert_eq!(exit, Some(78));
    assert!(stdout.contains("holds no PEM certificate"), "{stdout}");
}

#[test]
fn each_line_of_json_has_the_keys_that_readme_names() {
    let (exit, stdout, _) = check(&[], &["--json"]);
    assert_eq!(exit, Some(1), "nobody listens");
    let readme = readme();
    for finding in findings(&stdout) {
        let keys: Vec<_> = finding.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["step", "status", "trouble", "what", "why", "cure"]);
        assert!(keys.iter().all(|key| readme.contains(&format!("`{key}`"))));
        assert!(readme.contains(&format!("| `{}` | ", finding["status"].as_str().unwrap())), "{finding}");
        let mends = ["FAIL", "warn", "not verifiable"].contains(&finding["status"].as_str().unwrap());
        assert_eq!((finding["why"].is_string(), finding["cure"].is_string()), (mends, mends), "{finding}");
    }
    let failed: Vec<_> = findings(&stdout).into_iter().filter(|finding| finding["status"] == "FAIL").collect();
    let steps: Vec<_> = failed.iter().map(|finding| finding["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["AMQP address", "RT address"]);
    assert!(failed.iter().all(|finding| finding["trouble"] == "server unreachable"), "{stdout}");
}

#[test]
fn a_failed_step_shows_its_word_its_cause_and_its_cure() {
    let (exit, stdout, _) = check(&[], &[]);
    assert_eq!(exit, Some(1));
    let mut lines = stdout.lines().skip_while(|line| !line.starts_with("FAIL"));
    assert!(lines.next().unwrap().contains("server unreachable: connecting to 127.0.0.1:1 failed"), "{stdout}");
    assert!(lines.next().unwrap().trim_start().starts_with("why   127.0.0.1:1: Connection refused"), "{stdout}");
    assert!(lines.next().unwrap().trim_start().starts_with("cure  Check that the server runs"), "{stdout}");
    assert!(!stdout.contains('\x1b'), "colours are for terminals");
}

#[test]
fn no_word_of_a_server_steers_the_terminal() {
    let rt = FakeRt::start();
    let hostile = Answer::json(200, &json!({ "Version": "5\u{1b}[2J\u{9b}31m\n\u{202e}" }));
    rt.keep(Op::Rt, Fault::Instead(hostile));
    for arguments in [&["check"][..], &["check", "--json"]] {
        let (_, stdout, _) = run(&rt.environment(&[]), arguments, b"");
        assert!(stdout.contains("RT version"), "{stdout}");
        assert!(!stdout.contains(|c: char| (c != '\n' && c.is_control()) || c == '\u{202e}'), "{stdout:?}");
    }
}

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn readme_explains_every_word_and_no_other() {
    let readme = readme();
    let section = readme.split("\n## Troubleshooting\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let explained: Vec<_> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(word, _)| word).collect();
    assert_eq!(explained, Trouble::ALL.map(Trouble::as_str));
}
