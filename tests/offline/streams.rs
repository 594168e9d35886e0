//! What every command does where stdout or stderr take nothing: it ends with the code that it would end with, and never
//! panics. And nothing that it prints steers a terminal.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::command::{command, run};
use crate::support::alerts;

/// Nobody listens on port 1.
const SETTINGS: [(&str, &str); 7] = [
    ("AMQP_URL", "amqp://relay:secret@127.0.0.1:1/%2f"),
    ("RTIR_URL", "http://127.0.0.1:1"),
    ("RTIR_USERNAME", "relay"),
    ("RTIR_PASSWORD", "secret"),
    ("TRAX_URL", "http://127.0.0.1:1"),
    ("TRAX_TOKEN", "secret"),
    ("LOG", "trace"),
];
/// Exit code of a panic.
const PANICKED: i32 = 101;

/// Every command, well and failing.
fn commands() -> Vec<Command> {
    let (good, bad) = (alerts::path("ssl-expires-soon"), alerts::path("malformed"));
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let not_there = "/nowhere/\u{1b}]0;owned\u{7}";
    let lines = [
        &[][..],
        &["--nonsense"],
        &["--help"],
        &["--version"],
        &["run"],
        &["check"],
        &["check", "--offline"],
        &["check", "--json"],
        &["render", good],
        &["render", bad],
        &["render", not_there],
        &["render", "--explain", good],
        &["render", "--trax", good],
        &["publish", good],
        &["publish", not_there],
        &["publish", "--raw", good],
        &["dead-letters"],
        &["dead-letters", "list"],
        &["dead-letters", "list", "--json"],
        &["dead-letters", "show", "0123456789ab"],
        &["dead-letters", "replay"],
        &["dead-letters", "replay", "--all", "--yes"],
        &["dead-letters", "discard", "--all"],
        &["dead-letters", "discard", "--all", "--yes", "--no-backup"],
        &["dead-letters", "export"],
        &["dead-letters", "export", "--output", not_there],
        &["dead-letters", "edit", "0123456789ab"],
        &["trax", "pending"],
        &["trax", "send", "7"],
        &["trax", "retry", "7"],
        &["healthcheck"],
        &["schema"],
        &["completions", "bash"],
        &["man"],
        &["man", "/nowhere"],
    ];
    let mut commands = Vec::new();
    for arguments in lines {
        // `run` with settings that may work does not end.
        if arguments != ["run"] {
            let mut with_settings = command(arguments);
            with_settings.envs(SETTINGS).env("HTTP_LISTEN", "127.0.0.1:1").env("EDITOR", "true");
            commands.push(with_settings);
        }
        let mut misconfigured = command(arguments);
        misconfigured
            .envs(SETTINGS)
            .env("RTIR_TIMEOUT", "soon")
            .env("AMQP_HEARTBEAT", "soon")
            .env("HTTP_LISTEN", "soon");
        commands.push(misconfigured);
    }
    commands
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// The same without the stream.
fn closed(of: &Command, stream: u8) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("exec \"$0\" \"$@\" {stream}>&-");
    shell.args(["-c", &script]).arg(of.get_program()).args(of.get_args()).env_clear().stdin(Stdio::null());
    shell.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

#[test]
fn exit_codes_hold_where_stderr_is_full_or_closed() {
    let mut seen = std::collections::BTreeSet::new();
    for mut command in commands() {
        let expected = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code();
        let on_full = command.stderr(full()).status().unwrap().code();
        let on_closed = closed(&command, 2).stdout(Stdio::null()).status().unwrap().code();
        assert_eq!((on_full, on_closed), (expected, expected), "{command:?}");
        seen.extend(expected);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 69, 78], "every code");
}

#[test]
fn nothing_panics_where_stdout_is_full_or_closed() {
    for mut command in commands() {
        let expected = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code().unwrap();
        let on_full = command.stdout(full()).status().unwrap().code().unwrap();
        let on_closed = closed(&command, 1).stderr(Stdio::null()).status().unwrap().code().unwrap();
        for ended in [on_full, on_closed] {
            // What was asked for and cannot be printed has failed.
            assert!(ended == expected || (expected == 0 && ended == 1), "{command:?}: {ended}, else {expected}");
            assert_ne!(ended, PANICKED, "{command:?}");
        }
    }
}

#[test]
fn a_relay_that_cannot_log_runs_and_stops_all_the_same() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let mut run = command(&["run"]);
    run.envs(SETTINGS).env_remove("TRAX_URL").env_remove("TRAX_TOKEN").env("HTTP_LISTEN", &listen);
    let mut relay = run.stdout(Stdio::null()).stderr(full()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while TcpStream::connect(&listen).is_err() {
        assert!(Instant::now() < deadline && relay.try_wait().unwrap().is_none(), "it does not listen");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-TERM", &relay.id().to_string()]).status().unwrap().success());
    assert_eq!(relay.wait().unwrap().code(), Some(0));
}

#[test]
fn nothing_that_is_named_steers_a_terminal() {
    let hostile = OsStr::from_bytes(b"a\x1b]0;owned\x07\xe2\x80\xaeb\xff\nc");
    let lines = [
        &["render"][..],
        &["publish"],
        &["publish", "--raw", "--routing-key", "x"],
        &["man"],
        &["healthcheck"],
        &["dead-letters", "export", "--output"],
        &["dead-letters", "show"],
        &["dead-letters", "list", "--since"],
        &["trax", "send"],
        &["completions"],
    ];
    // What is written is written there.
    let directory = tempfile::tempdir().unwrap();
    for arguments in lines {
        let mut command = command(arguments);
        let ended = run(command.arg(hostile).envs(SETTINGS).current_dir(directory.path()));
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ended.stderr.contains(steers) && !ended.stdout.contains(steers), "{arguments:?}: {ended:?}");
        assert_ne!(ended.exit, Some(PANICKED), "{arguments:?}");
    }
    // What a setting holds is shown as well.
    for name in ["AMQP_HEARTBEAT", "RULES", "RTIR_CA_FILE", "AMQP_URL_FILE", "AMQP_\u{1b}[31m", "RTIR_QUEUE"] {
        let mut command = command(&["check", "--offline"]);
        let ended = run(command.envs(SETTINGS).env(name, "a\u{1b}]0;owned\u{7}\u{202e}"));
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ended.stderr.contains(steers) && !ended.stdout.contains(steers), "{name}: {ended:?}");
    }
}
