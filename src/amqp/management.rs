//! The broker's management API, read only: what AMQP does not show of queues and bindings.

use std::path::Path;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, redirect};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use url::Url;

use super::error::CALL_TIMEOUT;
use crate::config::{Secret, parse_management_url};
use crate::diagnosis::{Diagnosis, Trouble};
use crate::reach::{self, tls};

/// The settings that lead to the management API.
const REACH: reach::Settings = reach::Settings {
    url: "AMQP_MANAGEMENT_URL",
    ca_file: "AMQP_CA_FILE",
    client_certificate: None,
    schemes: ["https://", "http://"],
};

/// The broker collects what it shows of a queue every 5 seconds. Source: RabbitMQ, `collect_statistics_interval`.
const STATISTICS_WAIT: Duration = Duration::from_secs(10);

/// The management API of one vhost.
pub struct Management {
    http: reqwest::Client,
    base: Url,
    vhost: String,
}

/// The management API cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// `AMQP_MANAGEMENT_URL` cannot be used.
    #[error("{0}")]
    Settings(String),
    /// Nobody answers.
    #[error("{cause}")]
    Transport {
        /// Why, without the address.
        cause: String,
        /// What is wrong with TLS, if that is why.
        tls: Option<tls::Fault>,
    },
    /// It answers with a status that is no success.
    #[error("HTTP status {0}")]
    Status(u16),
    /// Its answer makes no sense.
    #[error("its answer makes no sense: {0}")]
    Answer(String),
}

/// What rules a queue: its arguments, and the policies on it.
#[derive(Debug, Deserialize)]
pub struct QueueFacts {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    arguments: Value,
    #[serde(default)]
    effective_policy_definition: Value,
    #[serde(default)]
    policy: Option<String>,
    #[serde(default)]
    operator_policy: Option<String>,
}

impl Management {
    /// The API at `url`, for what is in `vhost`.
    ///
    /// # Errors
    /// The setting cannot be used.
    pub fn new(url: &Secret, ca_file: Option<&Path>, vhost: &str) -> Result<Self, ManagementError> {
        let settings = |what: &str| ManagementError::Settings(what.to_owned());
        let text = url.read().map_err(|error| settings(&error.to_string()))?;
        let base =
            parse_management_url(text.expose_secret()).ok_or_else(|| settings("it is no http:// or https:// URL"))?;
        let mut builder = reqwest::Client::builder().redirect(redirect::Policy::none()).timeout(CALL_TIMEOUT);
        if let Some(path) = ca_file {
            let pem = std::fs::read(path).map_err(|error| settings(&error.to_string()))?;
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&pem).unwrap_or_default());
        }
        let http = builder.build().map_err(|error| settings(&reach::cause(&error)))?;
        Ok(Self { http, base, vhost: vhost.to_owned() })
    }

    /// The broker's version.
    ///
    /// # Errors
    /// The API did not tell.
    pub async fn version(&self) -> Result<String, ManagementError> {
        #[derive(Deserialize)]
        struct Overview {
            rabbitmq_version: String,
        }
        let overview: Overview = self.get(&["overview"]).await?;
        Ok(overview.rabbitmq_version)
    }

    /// What rules a queue. The API knows nothing of a young one's policies for some seconds, which are waited for.
    ///
    /// # Errors
    /// The API did not tell.
    pub async fn queue(&self, amqp_queue: &str) -> Result<QueueFacts, ManagementError> {
        let path = ["queues", &self.vhost, amqp_queue];
        for _ in 0..STATISTICS_WAIT.as_secs() {
            let facts: QueueFacts = self.get(&path).await?;
            if facts.policies_are_known() {
                return Ok(facts);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.get(&path).await
    }

    /// Whether there is such a queue.
    ///
    /// # Errors
    /// The API did not tell.
    pub async fn queue_is_there(&self, amqp_queue: &str) -> Result<bool, ManagementError> {
        self.is_there(&["queues", &self.vhost, amqp_queue]).await
    }

    /// The routing keys by which a queue is bound to an exchange.
    ///
    /// # Errors
    /// The API did not tell.
    pub async fn bindings(&self, exchange: &str, amqp_queue: &str) -> Result<Vec<String>, ManagementError> {
        #[derive(Deserialize)]
        struct Binding {
            routing_key: String,
        }
        let path = ["bindings", &self.vhost, "e", exchange, "q", amqp_queue];
        let bindings: Vec<Binding> = self.get(&path).await?;
        Ok(bindings.into_iter().map(|binding| binding.routing_key).collect())
    }

    /// Whether there is such an exchange.
    ///
    /// # Errors
    /// The API did not tell.
    pub async fn exchange_is_there(&self, exchange: &str) -> Result<bool, ManagementError> {
        self.is_there(&["exchanges", &self.vhost, exchange]).await
    }

    async fn is_there(&self, path: &[&str]) -> Result<bool, ManagementError> {
        match self.get::<IgnoredAny>(path).await {
            Ok(_) => Ok(true),
            Err(ManagementError::Status(404)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ManagementError> {
        let transport = |error: reqwest::Error| ManagementError::Transport {
            cause: reach::cause(&error),
            tls: tls::Fault::find(&error),
        };
        // By hand: a vhost is often `/`, which has to be encoded.
        let path: Vec<_> = path.iter().map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string()).collect();
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", url.path(), path.join("/")));
        let response = self.http.get(url).send().await.map_err(transport)?;
        if response.status() != 200 {
            return Err(ManagementError::Status(response.status().as_u16()));
        }
        response.json().await.map_err(|error| ManagementError::Answer(reach::cause(&error)))
    }
}

impl ManagementError {
    /// The error with what mends it.
    pub fn diagnosis(&self) -> Diagnosis {
        let (what, why) = ("reading the broker's management API failed", self.to_string());
        match self {
            Self::Settings(_) => Diagnosis::other(what, why, "Mend AMQP_MANAGEMENT_URL"),
            Self::Transport { tls: Some(fault), .. } => fault.diagnosis(what.to_owned(), None, &REACH),
            Self::Transport { .. } => Diagnosis::of(
                Trouble::ServerUnreachable,
                what,
                why,
                "Check AMQP_MANAGEMENT_URL, and that the plugin rabbitmq_management is enabled (port 15672 by default)",
            ),
            Self::Status(401) => Diagnosis::of(
                Trouble::AuthenticationFailed,
                what,
                why,
                "Check user and password in AMQP_MANAGEMENT_URL, and give that user the tag monitoring (rabbitmqctl \
                 set_user_tags)",
            ),
            Self::Status(403 | 404) | Self::Answer(_) => Diagnosis::of(
                Trouble::MissingPermission,
                what,
                why,
                "Give the user of AMQP_MANAGEMENT_URL the tag monitoring and permissions on the vhost, and check the \
                 address",
            ),
            Self::Status(_) => Diagnosis::other(what, why, "See the broker's log"),
        }
    }
}

impl QueueFacts {
    /// Whether the broker shows which policies are on it, if any. Not if it collects no statistics.
    pub fn policies_are_known(&self) -> bool {
        !self.effective_policy_definition.is_null()
    }

    /// Its type: `quorum`, `classic`, `stream`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// How often a message is delivered before it is dropped or dead-lettered; the lower of argument and policy.
    pub fn delivery_limit(&self) -> Option<i64> {
        self.lowest("delivery-limit")
    }

    /// How many messages, bytes or milliseconds it holds at most, if it is bounded at all: by the setting of that name.
    pub fn bound(&self) -> Option<(&'static str, i64)> {
        ["max-length", "max-length-bytes", "message-ttl"].into_iter().find_map(|name| Some((name, self.lowest(name)?)))
    }

    /// Where it dead-letters to. An argument goes before a policy.
    pub fn dead_letter_exchange(&self) -> Option<&str> {
        let name = "dead-letter-exchange";
        self.argument(name).or(self.policies().and_then(|policy| policy.get(name)))?.as_str()
    }

    /// How it dead-letters.
    pub fn dead_letter_strategy(&self) -> &str {
        self.ruled_by_policy("dead-letter-strategy").unwrap_or("at-most-once")
    }

    /// What happens when it is full.
    pub fn overflow(&self) -> &str {
        self.ruled_by_policy("overflow").unwrap_or("drop-head")
    }

    /// The names of the policies on it.
    pub fn policy_names(&self) -> Vec<&str> {
        [&self.policy, &self.operator_policy]
            .into_iter()
            .filter_map(Option::as_deref)
            .filter(|n| !n.is_empty())
            .collect()
    }

    // How argument and policy go together differs by setting. Source: RabbitMQ, `rabbit_quorum_queue`.

    fn lowest(&self, name: &str) -> Option<i64> {
        let policy = self.policies().and_then(|policy| policy.get(name));
        [self.argument(name), policy].into_iter().flatten().filter_map(Value::as_i64).min()
    }

    fn ruled_by_policy(&self, name: &str) -> Option<&str> {
        self.policies().and_then(|policy| policy.get(name)).or(self.argument(name))?.as_str()
    }

    fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.as_object()?.get(&format!("x-{name}"))
    }

    /// RabbitMQ writes `{}` or `[]` for none.
    fn policies(&self) -> Option<&Map<String, Value>> {
        self.effective_policy_definition.as_object()
    }
}
