//! `AMQP_*`: the broker.

use std::path::PathBuf;
use std::time::Duration;

use lapin::uri::AMQPUri;
use secrecy::ExposeSecret;
use url::Url;

use super::environment::{Environment, Faults, Values, section};
use super::secret::Secret;

section! { AmqpVars "AMQP_" {
    url, url_file, exchange, queue, binding, dead_letter_exchange, dead_letter_queue, prefetch, topology,
    ca_file, client_cert_file, client_key_file, heartbeat, management_url, management_url_file
} }

/// The broker and what is on it.
#[derive(Debug)]
pub struct Amqp {
    /// One or more brokers of the same cluster, with credentials: see [`parse_uris`].
    pub url: Secret,
    /// Where publishers publish.
    pub exchange: String,
    /// What the relay consumes.
    pub amqp_queue: String,
    /// Binds the queue to the exchange.
    pub binding: String,
    /// Where the relay publishes what can never become a ticket.
    pub dead_letter_exchange: String,
    /// Where that is kept.
    pub dead_letter_queue: String,
    /// How many alerts may be held at once, taken and not settled; `None`: as many as suit the requests at once.
    pub prefetch: Option<u16>,
    /// Whether the relay may declare what is absent.
    pub topology: Topology,
    /// PEM of a private certificate authority, trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM of the certificate (chain) and key to show the broker.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// How often each side shows that it is there.
    pub heartbeat: Duration,
    /// The broker's management API, with credentials.
    pub management_url: Option<Secret>,
}

/// Whether the relay may declare exchanges, queues and bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Declare what is absent.
    Declare,
    /// Only look.
    Passive,
}

impl Amqp {
    pub(super) fn read(environment: &Environment, faults: &mut Faults) -> Option<Self> {
        let vars = AmqpVars::read(environment);
        let mut values = Values::new("AMQP_", faults);
        let url = values.secret("URL", vars.url, vars.url_file);
        match url.as_ref().map(Secret::read) {
            None => values.faults.missing("AMQP_URL", "is required, or AMQP_URL_FILE: amqp://user:password@host/vhost"),
            Some(Ok(text)) => {
                if let Err(cause) = parse_uris(text.expose_secret()) {
                    values.faults.missing("AMQP_URL", &cause);
                }
            }
            Some(Err(_)) => {} // already a fault
        }
        let name = |text: &str| (text.len() <= 255 && !text.chars().any(char::is_control)).then(|| text.to_owned());
        let takes = "a name of at most 255 bytes";
        let exchange = values.or("EXCHANGE", vars.exchange, "alerts", takes, name);
        let amqp_queue = values.or("QUEUE", vars.queue, "rtir-relay", takes, name);
        let binding = values.or("BINDING", vars.binding, "#", takes, name);
        let (dead, letters) = (vars.dead_letter_exchange, vars.dead_letter_queue);
        let dead_letter_exchange = values.or("DEAD_LETTER_EXCHANGE", dead, "rtir-relay.dead-letters", takes, name);
        let dead_letter_queue = values.or("DEAD_LETTER_QUEUE", letters, "rtir-relay.dead-letters", takes, name);
        refuse_loops(&mut values, [&exchange, &dead_letter_exchange], [&amqp_queue, &dead_letter_queue]);
        let prefetch = values.optional("PREFETCH", vars.prefetch, "a whole number from 1 to 1000", |text| {
            text.parse().ok().filter(|number| (1..=1000).contains(number))
        });
        let topology = values.or("TOPOLOGY", vars.topology, "declare", "declare or passive", |text| match text {
            "declare" => Some(Topology::Declare),
            "passive" => Some(Topology::Passive),
            _ => None,
        });
        let ca_file = values.file("CA_FILE", vars.ca_file);
        let cert = values.file("CLIENT_CERT_FILE", vars.client_cert_file);
        let key = values.file("CLIENT_KEY_FILE", vars.client_key_file);
        if cert.is_some() != key.is_some() {
            values.faults.missing("AMQP_CLIENT_CERT_FILE", "and AMQP_CLIENT_KEY_FILE go together");
        }
        let heartbeat = values.duration("HEARTBEAT", vars.heartbeat, "15s");
        let management_url = values.secret("MANAGEMENT_URL", vars.management_url, vars.management_url_file);
        let given = management_url.as_ref().and_then(|secret| secret.read().ok());
        if given.is_some_and(|text| parse_management_url(text.expose_secret()).is_none()) {
            values.faults.missing("AMQP_MANAGEMENT_URL", "takes http:// or https://, user:password@host:port");
        }
        Some(Self {
            url: url?,
            exchange: exchange?,
            amqp_queue: amqp_queue?,
            binding: binding?,
            dead_letter_exchange: dead_letter_exchange?,
            dead_letter_queue: dead_letter_queue?,
            prefetch,
            topology: topology?,
            ca_file,
            client_identity: cert.zip(key),
            heartbeat: heartbeat?,
            management_url,
        })
    }
}

/// Dead letters that go to where alerts are, are alerts again.
fn refuse_loops(values: &mut Values<'_>, exchanges: [&Option<String>; 2], amqp_queues: [&Option<String>; 2]) {
    for (names, alerts, dead_letters) in [
        (exchanges, "AMQP_EXCHANGE", "AMQP_DEAD_LETTER_EXCHANGE"),
        (amqp_queues, "AMQP_QUEUE", "AMQP_DEAD_LETTER_QUEUE"),
    ] {
        if let [Some(of_alerts), Some(of_dead_letters)] = names
            && of_alerts == of_dead_letters
        {
            let why = format!(
                "names {of_alerts:?}, as {alerts} does: dead letters would come back as alerts without end. Give each a name \
                 of its own"
            );
            values.faults.missing(dead_letters, &why);
        }
    }
}

/// The base URL of a management API, with credentials and with or without its `/api`.
pub fn parse_management_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.set_path(&format!("{}/api", url.path().trim_end_matches('/').trim_end_matches("/api")));
    Some(url)
}

/// The brokers of a comma-separated list; a comma inside a URL is `%2C`.
///
/// # Errors
/// One of them is not an AMQP URL. The error holds nothing of it.
pub fn parse_uris(list: &str) -> Result<Vec<AMQPUri>, String> {
    let parse = |(index, url): (usize, &str)| {
        let uri: AMQPUri = url.trim().parse().map_err(|_| {
            format!("URL {} of the list is not amqp://user:password@host:port/vhost or amqps://...", index + 1)
        })?;
        if uri.vhost.is_empty() {
            return Err(format!("URL {} of the list names an empty vhost; the default one is /%2f", index + 1));
        }
        Ok(uri)
    };
    list.split(',').enumerate().map(parse).collect()
}
