//! `rtir-relay publish`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::value::RawValue;

use super::output::say;
use super::{Exit, block_on, input, progress, report, terminal};
use crate::alert::{Alert, MAX_BODY_BYTES};
use crate::amqp::{BasicProperties, Broker, Letter, PublishError, Publisher, ReplayId};
use crate::config::{Config, Environment};

/// What to publish.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rtir-relay publish alerts.ndjson\n  jq .alert event.json | rtir-relay publish\n  \
    rtir-relay publish --raw --routing-key alert.ssl.high body.bin\n  \
    rtir-relay dead-letters export | rtir-relay publish --raw\n\n\
    Exit code 1: something was not stored; stderr says what. Publishing an alert again does no harm."
)]
pub(super) struct Publish {
    /// Alerts: one JSON object, an array, or one object a line; - is stdin
    #[arg(default_value = "-")]
    files: Vec<PathBuf>,
    /// Check nothing: with --routing-key each file's bytes are one message; without it, files are dead letters as
    /// `dead-letters export` and `discard` write them, and each is published as a replay, with its own routing key
    #[arg(long)]
    raw: bool,
    /// The routing key of raw bytes
    #[arg(long, value_name = "KEY", requires = "raw", value_parser = short)]
    routing_key: Option<String>,
    /// The content type of raw bytes
    #[arg(long, value_name = "TYPE", requires = "routing_key", value_parser = short)]
    content_type: Option<String>,
}

/// One message to publish.
struct Outgoing {
    /// How it is named to the user.
    label: String,
    routing_key: String,
    properties: BasicProperties,
    body: Vec<u8>,
}

impl Publish {
    pub(super) fn execute(&self, environment: &Environment) -> Exit {
        let amqp = match Config::load_amqp(environment) {
            Ok(amqp) => amqp,
            Err(faults) => return report(&faults),
        };
        let (outgoing, invalid) = match self.collect() {
            Ok(collected) => collected,
            Err(exit) => return exit,
        };
        let exchange = amqp.exchange.clone();
        let publisher = Publisher::new(Arc::new(Broker::new(Arc::new(amqp))), "publish");
        block_on(publish(&publisher, &exchange, outgoing, invalid))
    }

    /// All messages, and how many alerts are not valid.
    fn collect(&self) -> Result<(Vec<Outgoing>, usize), Exit> {
        let (mut outgoing, mut invalid) = (Vec::new(), 0);
        for file in &self.files {
            let bytes = input::read(file)?;
            if let (true, Some(routing_key)) = (self.raw, &self.routing_key) {
                outgoing.push(self.raw_message(file, routing_key, bytes));
                continue;
            }
            let (what, messages) = if self.raw {
                ("line", lines(&bytes).map(exported).collect())
            } else {
                ("alert", split(&bytes).into_iter().map(|alert| message(&alert?)).collect::<Vec<_>>())
            };
            for (index, message) in messages.into_iter().enumerate() {
                match message {
                    Ok(message) => outgoing.push(message),
                    Err(cause) => {
                        say!("not stored: {}, {what} {}: {cause}", terminal::path(file), index + 1);
                        invalid += 1;
                    }
                }
            }
        }
        Ok((outgoing, invalid))
    }

    fn raw_message(&self, file: &Path, routing_key: &str, body: Vec<u8>) -> Outgoing {
        let mut properties = BasicProperties::default();
        if let Some(content_type) = &self.content_type {
            properties = properties.with_content_type(content_type.as_str().into());
        }
        Outgoing { label: terminal::path(file), routing_key: routing_key.to_owned(), properties, body }
    }
}

/// A text that AMQP has room for beside the body.
fn short(text: &str) -> Result<String, &'static str> {
    if text.len() > 255 { Err("at most 255 bytes") } else { Ok(text.to_owned()) }
}

/// The lines of `bytes` that are not empty.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty())
}

/// The message of an exported dead letter: the alert that it was.
fn exported(line: &[u8]) -> Result<Outgoing, String> {
    let letter = Letter::from_json(line).map_err(|error| error.to_string())?;
    let original = letter.origin().map(|(_, routing_key)| routing_key);
    Ok(Outgoing {
        label: format!("dead letter {}", letter.id()),
        routing_key: original.unwrap_or_else(|| letter.routing_key.clone()),
        properties: letter.replayed(&ReplayId::unique()),
        body: letter.body,
    })
}

/// The alerts in `bytes`, each as it was written: the values one after the other, those of an array each for itself.
fn split(bytes: &[u8]) -> Vec<Result<Vec<u8>, String>> {
    let mut alerts = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<&RawValue>() {
        match value.map(RawValue::get) {
            Ok(array) if array.starts_with('[') => match serde_json::from_str::<Vec<&RawValue>>(array) {
                Ok(items) => alerts.extend(items.into_iter().map(|item| Ok(item.get().as_bytes().to_vec()))),
                Err(error) => alerts.push(Err(format!("not JSON: {error}"))),
            },
            Ok(value) => alerts.push(Ok(value.as_bytes().to_vec())),
            Err(error) => alerts.push(Err(format!(
                "not JSON: {error}; it and all after it in this file are not read (--raw sends bytes as they are)"
            ))),
        }
    }
    alerts
}

/// The message of one alert.
fn message(body: &[u8]) -> Result<Outgoing, String> {
    if body.len() > MAX_BODY_BYTES {
        return Err(format!("{} bytes; at most {MAX_BODY_BYTES} are taken", body.len()));
    }
    let alert = Alert::parse(body, None).map_err(|malformed| malformed.to_string())?;
    let properties = BasicProperties::default().with_content_type("application/json".into());
    // AMQP holds no longer text in a property; the id in the body is what counts.
    let properties = match alert.id.len() {
        0..=255 => properties.with_message_id(alert.id.as_str().into()),
        _ => properties,
    };
    Ok(Outgoing {
        routing_key: format!("alert.{}.{}", alert.alert_type(), alert.severity()),
        label: format!("alert {}", alert.id),
        properties,
        body: body.to_vec(),
    })
}

async fn publish(publisher: &Publisher, exchange: &str, outgoing: Vec<Outgoing>, invalid: usize) -> Exit {
    let all = outgoing.len() + invalid;
    let bar = progress::bar(outgoing.len() as u64);
    let (mut stored, mut hopeless) = (0, None);
    for Outgoing { label, routing_key, properties, body } in outgoing {
        match publisher.publish(exchange, &routing_key, properties, &body).await {
            Ok(()) => stored += 1,
            Err(error) => {
                hopeless = why_hopeless(&error);
                let rest = if hopeless.is_some() { " and all after it" } else { "" };
                bar.suspend(|| say!("not stored: {}{rest}: {}", terminal::line(&label), in_full(&error)));
            }
        }
        if hopeless.is_some() {
            break;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    say!("{stored} of {all} stored in exchange {exchange:?}");
    match hopeless {
        Some(exit) => exit,
        None if stored == all => Exit::Well,
        None => Exit::Failed,
    }
}

/// How the command ends if the next message would fare no better.
pub(super) fn why_hopeless(error: &PublishError) -> Option<Exit> {
    match error {
        PublishError::NoExchange(_) | PublishError::Blocked => Some(Exit::Failed),
        PublishError::Broker(error) if error.is_configuration() => Some(Exit::Configuration),
        PublishError::Broker(_) => Some(Exit::Unavailable),
        _ => None,
    }
}

/// The error with its cure.
pub(super) fn in_full(error: &PublishError) -> String {
    match error {
        PublishError::Broker(error) => error.diagnosis().to_string(),
        PublishError::NoExchange(_) => {
            format!("{error}. Start the relay once, which declares it, or check AMQP_EXCHANGE")
        }
        other => other.to_string(),
    }
}
