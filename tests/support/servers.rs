//! The servers of the tests, to change them, and such as one test has for itself, to break them. The scripts are those of the test command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use super::lab::setting;
use super::rt::RtServer;

/// One server; the test's own is stopped and removed when dropped.
pub struct Server {
    kind: &'static str,
    dir: PathBuf,
    own: bool,
}

impl Server {
    /// The RabbitMQ that all tests use.
    pub fn shared_rabbitmq() -> Self {
        Self { kind: "rabbitmq", dir: PathBuf::from(setting("RELAY_LAB_DIR")).join("rabbitmq"), own: false }
    }

    /// A RabbitMQ node.
    pub async fn rabbitmq() -> Self {
        Self::new("rabbitmq").command(&["start"], &[]).await
    }

    /// Another node of this one's cluster.
    pub async fn rabbitmq_beside(&self) -> Self {
        Self::new("rabbitmq").command(&["join", self.dir.to_str().unwrap()], &[]).await
    }

    pub async fn postgresql() -> Self {
        Self::new("postgresql").command(&["start"], &[]).await
    }

    /// An RT that keeps its data in `postgresql`.
    pub async fn rt_on(postgresql: &Self) -> Self {
        let database = postgresql.dir.to_str().unwrap();
        Self::new("rt").command(&["start"], &[("RELAY_LAB_RT_POSTGRESQL", database)]).await
    }

    /// The RT that all tests use.
    pub fn shared_rt() -> Self {
        Self { kind: "rt", dir: PathBuf::from(setting("RELAY_LAB_RT_DIR")), own: false }
    }

    /// An RT that has seen `deploy/rt/initialdata.pl`, and nobody yet.
    pub async fn rt() -> Self {
        Self::new("rt").command(&["start"], &[("RELAY_LAB_RT_WORKERS", "2")]).await
    }

    /// Loads an initialdata file into an RT; an `Err` is what that says.
    pub async fn load(&self, file: &str, environment: &[(&str, &str)]) -> Result<(), String> {
        let output = self.output(&["load", file], environment).await;
        if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
    }

    /// Below the directory of the test command, which removes what a test that is killed leaves behind.
    fn new(kind: &'static str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{kind}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self { kind, dir: PathBuf::from(setting("RELAY_LAB_DIR")).join(name), own: true }
    }

    async fn command(self, words: &[&str], environment: &[(&str, &str)]) -> Self {
        self.run_with(words, environment).await;
        self
    }

    /// Starts it again after a stop or a crash.
    pub async fn start(&self) {
        self.run(&["start"]).await;
    }

    pub async fn stop(&self) {
        self.run(&["stop"]).await;
    }

    /// A crash.
    pub async fn kill(&self) {
        self.run(&["kill"]).await;
    }

    pub async fn freeze(&self) {
        self.run(&["freeze"]).await;
    }

    pub async fn thaw(&self) {
        self.run(&["thaw"]).await;
    }

    /// `rabbitmqctl`
    pub async fn ctl(&self, words: &[&str]) -> String {
        self.run(&[&["ctl"], words].concat()).await
    }

    /// One of its environment variables.
    pub async fn setting(&self, name: &str) -> String {
        let lines = self.run(&["env"]).await;
        let print = format!("{lines}\nprintf %s \"${name}\"");
        let output = Command::new("bash").args(["-c", &print]).output().expect("a shell");
        String::from_utf8(output.stdout).unwrap()
    }

    pub async fn amqp_url(&self) -> String {
        self.setting("RELAY_LAB_AMQP_URL").await
    }

    /// Where it lives.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The name of a RabbitMQ node in its cluster.
    pub fn node_name(&self) -> String {
        std::fs::read_to_string(self.dir.join("name")).unwrap().trim().to_owned()
    }

    pub async fn rt_server(&self) -> RtServer {
        RtServer { url: self.setting("RELAY_LAB_RT_URL").await, dir: self.dir.to_str().unwrap().to_owned() }
    }

    async fn run(&self, words: &[&str]) -> String {
        self.run_with(words, &[]).await
    }

    async fn run_with(&self, words: &[&str], environment: &[(&str, &str)]) -> String {
        let output = self.output(words, environment).await;
        assert!(output.status.success(), "{} {words:?}: {}", self.kind, text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs its script on a thread of its own: the test has links and servers in this one, which must go on.
    async fn output(&self, words: &[&str], environment: &[(&str, &str)]) -> Output {
        let mut command = self.script(words);
        command.envs(environment.iter().copied());
        tokio::task::spawn_blocking(move || command.output().expect("bash")).await.unwrap()
    }

    /// The command comes first, then the directory, then the rest.
    fn script(&self, words: &[&str]) -> Command {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(self.kind);
        let mut command = Command::new(script);
        command.arg(words[0]).arg(&self.dir).args(&words[1..]).stdin(std::process::Stdio::null());
        command
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.own {
            return;
        }
        if self.kind == "rabbitmq" {
            // Its data is not needed any more, so it may go at once.
            let _ = self.script(&["kill"]).output();
        }
        let _ = self.script(&["stop"]).output();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
