//! The built binary as a running relay, as an operator would have it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::eventually::eventually;

/// The command `rtir-relay` with an environment of its own.
pub fn command(environment: &[(String, String)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtir-relay"));
    command.env_clear().envs(environment.iter().cloned()).args(arguments).stdin(Stdio::null());
    command
}

/// Exit code, stdout and stderr of a command that ends by itself, given `input`.
pub fn run(environment: &[(String, String)], arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut command = command(environment, arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    child.stdin.take().expect("piped").write_all(input).expect("it reads its input");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A running `rtir-relay run`, killed when dropped.
pub struct RelayProcess {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl RelayProcess {
    pub fn start(environment: &[(String, String)]) -> Self {
        let mut child = command(environment, &["run"]).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (sink, stderr) = (Arc::clone(&log), child.stderr.take().expect("piped"));
        let reader = std::thread::spawn(move || copy_lines(stderr, &sink));
        Self { child, log, reader: Some(reader) }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log has `text`.
    pub async fn logs(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), async || self.log().contains(text).then_some(())).await;
    }

    /// The most memory that it has held at once so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// How many threads and how many open files and connections it has now.
    pub fn threads_and_descriptors(&self) -> (usize, usize) {
        let count = |what| std::fs::read_dir(format!("/proc/{}/{what}", self.child.id())).expect("it runs").count();
        (count("task"), count("fd"))
    }

    /// How often the log has `text`.
    pub fn count(&self, text: &str) -> usize {
        self.log.lock().unwrap().matches(text).count()
    }

    /// Asks it to stop, and waits until it has.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.ended().await
    }

    /// Waits until it ends.
    pub async fn ended(&mut self) -> (ExitStatus, String) {
        let status = eventually("the end of the relay", async || self.child.try_wait().unwrap()).await;
        self.reader.take().unwrap().join().unwrap();
        (status, self.log())
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the relay\n{}", self.log());
        }
    }
}

fn copy_lines(stderr: impl Read, sink: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut log = sink.lock().unwrap();
        log.push_str(&line);
        log.push('\n');
    }
}
