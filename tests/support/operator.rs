//! `rtir-relay dead-letters` as an operator uses it, and letters to use it on.

use std::process::{Child, Stdio};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, PublisherConfirm};
use serde_json::Value;

use super::lab::Scene;
use super::relay_process::{command, run};

/// A command under way, killed when dropped.
pub struct Tool(pub Child);

impl Tool {
    /// SIGKILL.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// How it ends by itself.
    pub fn ended(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The JSON objects on stdout, one a line.
    pub fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// It went well.
    pub fn well(self) -> Self {
        assert_eq!(self.exit, Some(0), "{self:?}");
        self
    }

    /// It ended with this exit code and said this.
    pub fn failed(self, exit: i32, words: &[&str]) -> Self {
        assert_eq!(self.exit, Some(exit), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} in {self:?}");
        }
        self
    }
}

impl Scene {
    /// The environment of an operator, with `others`.
    pub fn desk(&self, others: &[(&str, &str)]) -> Vec<(String, String)> {
        let path = std::env::var("PATH").expect("a path");
        self.environment(&[&[("LOG", "warn"), ("PATH", path.as_str())], others].concat())
    }

    /// Runs `rtir-relay dead-letters`.
    pub fn operate(&self, arguments: &[&str]) -> Ended {
        self.operate_with(&[], arguments)
    }

    pub fn operate_with(&self, others: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let arguments = [&["dead-letters"], arguments].concat();
        let (exit, stdout, stderr) = run(&self.desk(others), &arguments, b"");
        self.assert_no_secret(&stdout);
        self.assert_no_secret(&stderr);
        Ended { exit, stdout, stderr }
    }

    /// Starts `rtir-relay dead-letters`, its output piped.
    pub fn tool(&self, others: &[(&str, &str)], arguments: &[&str]) -> Tool {
        let mut command = command(&self.desk(others), &[&["dead-letters"], arguments].concat());
        Tool(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts"))
    }

    /// What `list --json` prints.
    pub fn list(&self, filters: &[&str]) -> Vec<Value> {
        self.operate(&[&["list", "--json"], filters].concat()).well().json()
    }

    /// The IDs that `list` prints.
    pub fn ids(&self, filters: &[&str]) -> Vec<String> {
        self.list(filters).iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Puts `bodies` into the dead-letter queue, as the relay would for `reason`.
    pub async fn put_letters(&self, reason: &str, bodies: impl IntoIterator<Item = Vec<u8>>) {
        self.channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let mut confirms = Vec::new();
        for (number, body) in bodies.into_iter().enumerate() {
            let mut headers = FieldTable::default();
            let time = format!("2026-11-23T08:{:02}:{:02}.000Z", number / 60 % 60, number % 60);
            for (name, value) in [
                ("x-failure-reason", reason),
                ("x-failure-message", "Something: went wrong. Mend it"),
                ("x-failure-time", &time),
                ("x-failure-service", "rtir-relay/0.0.0@elsewhere"),
                ("x-failure-history", "[]"),
                ("x-original-exchange", &self.exchange()),
                ("x-original-routing-key", "alert.test.high"),
            ] {
                headers.insert(name.into(), AMQPValue::LongString(value.into()));
            }
            headers.insert("x-failure-attempts".into(), AMQPValue::LongLongInt(0));
            let properties = BasicProperties::default().with_headers(headers);
            confirms.push(self.put(&body, properties).await);
        }
        for confirm in confirms {
            confirm.await.unwrap();
        }
    }

    /// Puts any message into the dead-letter queue.
    pub async fn put(&self, body: &[u8], properties: BasicProperties) -> PublisherConfirm {
        let (exchange, options) = (self.dead_letters_name().into(), BasicPublishOptions::default());
        let properties = properties.with_delivery_mode(2);
        self.channel.basic_publish(exchange, "alert.test.high".into(), options, body, properties).await.unwrap()
    }

    /// A scene whose exchanges and queues are there, with no relay running.
    pub async fn declared(what: &str) -> Self {
        let scene = Self::new(what).await;
        let relay = scene.relay(&[]).await;
        scene.stop(relay).await;
        scene
    }
}
