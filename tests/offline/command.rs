//! The built binary as an operator uses it: what it prints where, and its exit code.

use std::ffi::OsStr;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::alerts;

pub const WELL: i32 = 0;
pub const FAILED: i32 = 1;
pub const USAGE: i32 = 2;
const UNAVAILABLE: i32 = 69;
pub const CONFIGURATION: i32 = 78;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtir-relay"));
    command.env_clear().args(arguments).stdin(Stdio::null());
    command
}

pub fn run(command: &mut Command) -> Ended {
    run_with_input(command, b"")
}

pub fn run_with_input(command: &mut Command, input: &[u8]) -> Ended {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // It may end without reading its input.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended { exit: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn render(fixture: &str) -> Command {
    command(&["render", alerts::path(fixture).to_str().unwrap()])
}

impl Ended {
    /// Asserts the exit code, and that nothing but an explanation was printed.
    pub fn failed_with(&self, exit: i32) -> &str {
        assert_eq!(self.exit, Some(exit), "{self:?}");
        assert_eq!(self.stdout, "", "data goes to stdout, the rest to stderr");
        assert_ne!(self.stderr, "");
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        &self.stderr
    }

    /// The JSON on stdout.
    fn json(&self) -> Value {
        assert_eq!((self.exit, self.stderr.as_str()), (Some(WELL), ""), "{self:?}");
        serde_json::from_str(&self.stdout).expect("JSON")
    }
}

#[test]
fn render_prints_the_json_for_rt() {
    for (fixture, category, priority) in alerts::CATEGORIES {
        let json = run(&mut render(fixture)).json();
        assert!(json["Subject"].as_str().unwrap().starts_with(&format!("{category}: ")), "{fixture}");
        assert_eq!(json["Priority"], priority, "{fixture}");
    }
}

#[test]
fn render_reads_stdin() {
    let from_file = run(&mut render("defacement"));
    let fixture = alerts::fixture("defacement");
    for arguments in [&["render"][..], &["render", "-"]] {
        assert_eq!(run_with_input(&mut command(arguments), &fixture).stdout, from_file.stdout);
    }
}

#[test]
fn render_heeds_the_rules_of_the_environment() {
    let mut command = render("nobody-to-notify");
    command.env("RTIR_QUEUE", "Test Reports").env("RTIR_FALLBACK_REQUESTOR", "csirt@team.example");
    let json = run(command.env("ALERT_NAMESPACE", "test")).json();
    assert_eq!((&json["Queue"], &json["Requestor"]), (&json!("Test Reports"), &json!(["csirt@team.example"])));
    assert_eq!(json["CustomFields"]["Alert ID"], "test:ssl-2026-11-23-000190");
}

#[test]
fn render_takes_a_cloud_event() {
    let path = alerts::path("cloud-event");
    let arguments = ["render", "--content-type", "application/cloudevents+json; charset=utf-8", path.to_str().unwrap()];
    assert_eq!(run(&mut command(&arguments)).json()["CustomFields"]["Alert ID"], "ssl-2026-11-23-000192");
    run(&mut render("cloud-event")).failed_with(FAILED);
}

#[test]
fn render_says_why_an_alert_would_be_dead_lettered() {
    let cases = [
        (alerts::fixture("malformed"), ["malformed_alert", "entity.name: expected a string, got an object"]),
        (alerts::fixture("nobody-to-notify"), ["missing_focal_points", "RTIR_FALLBACK_REQUESTOR"]),
        (b"<alert/>".to_vec(), ["malformed_alert", "not JSON"]),
        (b"\xff".to_vec(), ["malformed_alert", "not UTF-8"]),
        (vec![b' '; 1024 * 1024 + 1], ["too_large", "1048577 bytes"]),
        (vec![b' '; 1024 * 1024], ["malformed_alert", "not JSON"]),
    ];
    for (body, words) in cases {
        let ended = run_with_input(&mut command(&["render"]), &body);
        let stderr = ended.failed_with(FAILED);
        assert!(words.iter().all(|word| stderr.contains(word)), "{words:?} in {stderr}");
    }
}

#[test]
fn render_says_by_what_rule_an_alert_is_ignored() {
    assert!(run(&mut render("resolved")).failed_with(WELL).contains("not_open"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for arguments in [["render", "/nowhere/alert.json"], ["publish", "/nowhere/alert.json"]] {
        let ended = run(command(&arguments).env("AMQP_URL", "amqp://127.0.0.1:1"));
        assert!(ended.failed_with(USAGE).starts_with("/nowhere/alert.json cannot be read: "), "{ended:?}");
    }
    run(&mut command(&["render", "/"])).failed_with(USAGE);
}

#[test]
fn wrong_usage_is_told() {
    for arguments in [&[][..], &["rendre"], &["render", "--nonsense"], &["render", "a", "b"], &["run", "x"]] {
        run(&mut command(arguments)).failed_with(USAGE);
    }
    for arguments in [&["publish", "--routing-key", "k"][..], &["publish", "--raw", "--content-type", "t"]] {
        run(&mut command(arguments)).failed_with(USAGE);
    }
    let long = "k".repeat(256);
    for arguments in [&["--routing-key", &long][..], &["--routing-key", "k", "--content-type", &long]] {
        let ended = run(&mut command(&[&["publish", "--raw"], arguments].concat()));
        assert!(ended.failed_with(USAGE).contains("at most 255 bytes"), "{arguments:?}");
    }
    for arguments in [&["dead-letters"][..], &["dead-letters", "lits"], &["dead-letters", "show", "nonsense"]] {
        run(&mut command(arguments)).failed_with(USAGE);
    }
}

#[test]
fn misspelt_commands_and_options_suggest_the_right_ones() {
    let cases: [(&[&str], &str); 3] = [
        (&["chek"], "'check'"),
        (&["check", "--ofline"], "'--offline'"),
        (&["publish", "--routingkey"], "'--routing-key'"),
    ];
    for (arguments, right) in cases {
        let ended = run(&mut command(arguments));
        let stderr = ended.failed_with(USAGE);
        assert!(stderr.contains("similar") && stderr.contains(right), "{stderr}");
    }
}

#[test]
fn help_and_version_are_printed() {
    for (argument, word) in [("--help", "RTIR"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let ended = run(&mut command(&[argument]));
        assert_eq!((ended.exit, ended.stderr.as_str()), (Some(WELL), ""));
        assert!(ended.stdout.contains(word), "{}", ended.stdout);
    }
}

#[test]
fn all_faults_of_the_configuration_are_listed() {
    let faults = [("AMQP_TOPOLOGY", "x"), ("RTIR_TIMEOUT", "20"), ("RETRY_MX", "1s"), ("HTTP_LISTEN", "x")];
    let ended = run(command(&["run"]).envs(faults));
    let stderr = ended.failed_with(CONFIGURATION);
    for variable in
        ["AMQP_URL", "AMQP_TOPOLOGY", "RTIR_URL", "RTIR_USERNAME", "RTIR_TIMEOUT", "RETRY_MX", "HTTP_LISTEN"]
    {
        assert_eq!(stderr.matches(&format!("  {variable}: ")).count(), 1, "{variable} in {stderr}");
    }
    assert!(stderr.contains("7 faults"), "{stderr}");
    assert!(stderr.contains("RTIR_TIMEOUT: got \"20\", takes a duration such as 500ms, 30s or 5m"), "{stderr}");

    run(render("defacement").env("RTIR_QUEUE", " ")).failed_with(CONFIGURATION);
    run(command(&["publish"]).env("AMQP_URL", "http://x")).failed_with(CONFIGURATION);
}

#[test]
fn faults_of_the_log_settings_are_listed_with_the_others() {
    let ended = run(command(&["run"]).env("LOG", "loud==").env("LOG_FORMAT", "xml").env("PAUSE_AFTER", "x"));
    let stderr = ended.failed_with(CONFIGURATION);
    for variable in ["LOG", "LOG_FORMAT", "PAUSE_AFTER", "AMQP_URL", "RTIR_URL"] {
        assert!(stderr.contains(&format!("  {variable}: ")), "{variable} in {stderr}");
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_a_fault() {
    for variable in ["RTIR_QUEUE", "AMQP_BINDING", "ALERT_NAMESPACE", "RTIR_TYPO", "HTTP_LISTEN", "PAUSE_AFTER", "LOG"]
    {
        let ended = run(command(&["run"]).env(variable, OsStr::from_bytes(b"caf\xe9")));
        let expected = format!("  {variable}: is not valid UTF-8\n");
        assert!(ended.failed_with(CONFIGURATION).contains(&expected), "{variable} in {ended:?}");
    }
    // What is not ours may be anything.
    run(render("defacement").env("OTHER", OsStr::from_bytes(b"caf\xe9"))).json();
}

#[test]
fn faults_show_no_secret() {
    let secrets = [
        ("AMQP_URL", "amqp://relay:hunter2@host:port/"),
        ("RTIR_URL", "https://relay:hunter2@rt.example"),
        ("RTIR_PASSWORD", "hunter2"),
        ("RTIR_TOKEN", "hunter2"),
        ("RTIR_PASWORD", "hunter2"),
        ("RTIR_PROXY", "hunter2"),
    ];
    let ended = run(command(&["run"]).envs(secrets));
    assert!(!ended.failed_with(CONFIGURATION).contains("hunter2"), "{ended:?}");
}

/// An address where nobody listens.
fn refused_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    format!("amqp://relay:hunter2@{address}/%2f")
}

#[test]
fn publish_says_that_the_broker_is_out_of_reach() {
    let path = alerts::path("defacement");
    let ended = run(command(&["publish", path.to_str().unwrap()]).env("AMQP_URL", refused_port()));
    let stderr = ended.failed_with(UNAVAILABLE);
    assert!(stderr.contains("not stored: alert defacement-2026-11-23-000004 and all after it: "), "{stderr}");
    assert!(stderr.contains("0 of 1 stored in exchange \"alerts\""), "{stderr}");
    assert!(!stderr.contains("hunter2"), "{stderr}");
}

/// Publishes what is no alert; asserts that it fails without a word to the broker.
fn publish_invalid(input: &str) -> String {
    let broker = TcpListener::bind("127.0.0.1:0").expect("a free port");
    broker.set_nonblocking(true).expect("non-blocking");
    let url = format!("amqp://{}/%2f", broker.local_addr().expect("its address"));
    let ended = run_with_input(command(&["publish"]).env("AMQP_URL", url), input.as_bytes());
    assert!(broker.accept().is_err(), "the broker was contacted");
    ended.failed_with(FAILED).to_owned()
}

#[test]
fn publish_says_which_alerts_are_invalid() {
    let no_url = alerts::without(alerts::ssl("x"), "platform.url");
    let big = alerts::with(alerts::ssl("x"), json!({ "big": "x".repeat(1024 * 1024) }));
    let stderr = publish_invalid(&format!("{no_url}\n7\n[{{}}, {big}]"));
    for line in [
        "not stored: -, alert 1: platform.url: missing",
        "not stored: -, alert 2: expected an object, got a number",
        "not stored: -, alert 3: id: missing",
        "not stored: -, alert 4: ",
        "0 of 4 stored in exchange \"alerts\"",
    ] {
        assert!(stderr.contains(line), "{line} in {stderr}");
    }
}

#[test]
fn publish_says_that_nothing_after_a_broken_line_is_read() {
    let stderr = publish_invalid(&format!("{{}}\n{{\"id\": nonsense}}\n{}\n", alerts::ssl("third")));
    assert!(stderr.contains("not stored: -, alert 1: id: missing"), "{stderr}");
    let broken = stderr.lines().find(|line| line.starts_with("not stored: -, alert 2")).expect(&stderr);
    assert!(broken.contains("not JSON") && broken.contains("all after it"), "{broken}");
}

#[test]
fn publish_raw_without_a_routing_key_takes_exported_letters_only() {
    let broker = refused_port();
    let ended = run_with_input(command(&["publish", "--raw"]).env("AMQP_URL", &broker), b"\n{}\nnonsense\n");
    let stderr = ended.failed_with(FAILED);
    for line in ["not stored: -, line 1: not an exported dead letter: ", "not stored: -, line 2: ", "0 of 2 stored"] {
        assert!(stderr.contains(line), "{line} in {stderr}");
    }
    let letter = br#"{"exchange":"x","routing_key":"k","properties":{},"headers":null,"body":"b"}"#;
    let ended = run_with_input(command(&["publish", "--raw"]).env("AMQP_URL", &broker), letter);
    assert!(ended.failed_with(UNAVAILABLE).contains("not stored: dead letter "), "{ended:?}");
}

#[test]
fn dead_letters_end_with_the_documented_exit_codes() {
    let broker = refused_port();
    let id = "0123456789ab";
    for (arguments, exit, word) in [
        (&["list"][..], UNAVAILABLE, "Connection refused"),
        (&["show", id], UNAVAILABLE, "Connection refused"),
        (&["export"], UNAVAILABLE, "Connection refused"),
        (&["replay", "--all", "--yes"], UNAVAILABLE, "Connection refused"),
        (&["replay", "--all"], USAGE, "--yes"),
        (&["replay", "--yes"], USAGE, "--all"),
        (&["replay", "--all", "--yes", "--rate", "0/s"], USAGE, "5/s"),
        (&["discard", id], USAGE, "--yes"),
        (&["discard", "--yes"], USAGE, "--all"),
        (&["edit", id], USAGE, "EDITOR"),
    ] {
        let arguments = [&["dead-letters"], arguments].concat();
        let ended = run(command(&arguments).env("AMQP_URL", &broker));
        let stderr = ended.failed_with(exit);
        assert!(stderr.contains(word) && !stderr.contains("hunter2"), "{arguments:?}: {stderr}");
        run(command(&arguments).env("AMQP_URL", "http://x").env("EDITOR", "true")).failed_with(
            // clap looks at the rate before anybody reads the environment.
            if arguments.contains(&"0/s") { USAGE } else { CONFIGURATION },
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    let mut command = command(&["render"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    drop(child.stdout.take());
    child.stdin.take().expect("piped").write_all(&alerts::fixture("defacement")).expect("it reads its input");
    let output = child.wait_with_output().expect("it ends");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
}

#[test]
fn a_log_line_is_json_where_nobody_looks_on() {
    // A relay that cannot read a certificate: the earliest line that it logs.
    let nothing: PathBuf = [env!("CARGO_TARGET_TMPDIR"), "command-empty.pem"].iter().collect();
    std::fs::write(&nothing, "no certificate").unwrap();
    let settings = [
        ("AMQP_URL", "amqps://127.0.0.1:1/%2f".to_owned()),
        ("RTIR_URL", "http://127.0.0.1:1".to_owned()),
        ("RTIR_TOKEN", "hunter2".to_owned()),
        ("RTIR_CA_FILE", nothing.display().to_string()),
    ];
    let ended = run(command(&["run"]).envs(settings));
    for line in ended.failed_with(CONFIGURATION).lines() {
        let line: Value = serde_json::from_str(line).expect(line);
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[test]
fn the_schema_is_printed_as_committed() {
    let committed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/alert.schema.json");
    let printed = run(&mut command(&["schema"]));
    assert_eq!((printed.exit, printed.stderr.as_str()), (Some(WELL), ""));
    assert_eq!(printed.stdout, std::fs::read_to_string(committed).expect("the schema"));
}
