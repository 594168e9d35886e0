//! The environment, read once and parsed into types. Every fault is collected, so that all are reported at once.
//!
//! One struct per prefix. The adapters get their own section and know nothing of the rest.

mod amqp;
mod environment;
mod rtir;
mod secret;
mod trax;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use amqp::{Amqp, Topology, parse_management_url, parse_uris};
pub use environment::{Environment, Fault};
pub use rtir::{Credentials, Rtir};
pub use secret::{Secret, Unreadable as SecretUnreadable};
pub use trax::Trax;

use crate::mapping::Rules;
use crate::retry;
use crate::ticket::RtAddresses;
use environment::{Faults, Values, section};

/// All that `rtir-relay run` needs.
#[derive(Debug)]
pub struct Config {
    /// `AMQP_*`
    pub amqp: Amqp,
    /// `RTIR_*`
    pub rtir: Rtir,
    /// What decides a ticket: `RTIR_QUEUE`, `RTIR_FALLBACK_REQUESTOR`, `ALERT_*`.
    pub rules: Rules,
    /// `RETRY_*`
    pub retry: retry::Policy,
    /// `TRAX_*`; absent where tickets are not handed over.
    pub trax: Option<Trax>,
    /// The rest.
    pub process: Process,
}

/// The variables without a prefix.
#[derive(Debug)]
pub struct Process {
    /// `PAUSE_AFTER`: how long RT may be down before the relay gives back what it holds.
    pub pause_after: Duration,
    /// `SHUTDOWN_GRACE`: how long creates in flight may take after SIGTERM.
    pub shutdown_grace: Duration,
    /// `HTTP_LISTEN`: where health and metrics are served; `None` is `off`.
    pub http_listen: Option<SocketAddr>,
    /// Whether `HTTP_LISTEN` is set, so that somebody counts on it.
    pub http_listen_is_given: bool,
}

/// `LOG` and `LOG_FORMAT`.
#[derive(Debug)]
pub struct Log {
    /// A level or the filter directives of tracing-subscriber.
    pub filter: String,
    /// `None`: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

section! { RetryVars "RETRY_" { initial, max, max_attempts, unknown_wait } }
section! { AlertVars "ALERT_" { namespace } }
section! { ProcessVars "" { pause_after, shutdown_grace, http_listen } }
section! { LogVars "" { log, log_format } }

/// The prefixes under which every variable has to be ours, with the names known under each.
const OURS: [(&str, &[&str]); 5] =
    [amqp::AmqpVars::KNOWN, rtir::RtirVars::KNOWN, RetryVars::KNOWN, AlertVars::KNOWN, trax::TraxVars::KNOWN];

/// How many alerts are held by default, at least.
const PREFETCH: u16 = 64;

impl Config {
    /// Everything that `run` needs.
    ///
    /// # Errors
    /// All faults of the environment.
    pub fn load(environment: &Environment) -> Result<Self, Vec<Fault>> {
        let mut faults = common_faults(environment);
        let amqp = Amqp::read(environment, &mut faults);
        let rtir = Rtir::read(environment, &mut faults);
        let rules = read_rules(environment, &mut faults);
        let retry = read_retry(environment, &mut faults);
        let trax = Trax::read(environment, &mut faults);
        let process = read_process(environment, &mut faults);
        let config =
            || Some(Self { amqp: amqp?, rtir: rtir?, rules: rules?, retry: retry?, trax: trax?, process: process? });
        faults.or(config())
    }

    /// How many alerts are held at once: `AMQP_PREFETCH`, else enough to keep twice as many ready as there may be requests to
    /// RT.
    pub fn prefetch(&self) -> u16 {
        let enough = u16::try_from(self.rtir.concurrency * 2).unwrap_or(u16::MAX).max(PREFETCH);
        self.amqp.prefetch.unwrap_or(enough)
    }

    /// What `render` needs: what decides a ticket, and no server.
    ///
    /// # Errors
    /// All faults of the environment that concern it.
    pub fn load_rules(environment: &Environment) -> Result<Rules, Vec<Fault>> {
        let mut faults = common_faults(environment);
        let rules = read_rules(environment, &mut faults);
        faults.or(rules)
    }

    /// What `render --trax` needs: what decides a ticket, where RT's pages are, and the file that says what is handed
    /// over of one.
    ///
    /// # Errors
    /// All faults of the environment that concern it.
    pub fn load_rules_of_hand_over(environment: &Environment) -> Result<(Rules, Url, Option<PathBuf>), Vec<Fault>> {
        let mut faults = common_faults(environment);
        let rules = read_rules(environment, &mut faults);
        let url = rtir::read_url(environment, &mut faults);
        let attributes_file = trax::read_attributes_file(environment, &mut faults);
        faults.or(rules.zip(url).map(|(rules, url)| (rules, url, attributes_file)))
    }

    /// What `publish` needs: the broker.
    ///
    /// # Errors
    /// All faults of the environment that concern it.
    pub fn load_amqp(environment: &Environment) -> Result<Amqp, Vec<Fault>> {
        let mut faults = common_faults(environment);
        let amqp = Amqp::read(environment, &mut faults);
        faults.or(amqp)
    }

    /// What `dead-letters` needs: the broker, and what decides a ticket.
    ///
    /// # Errors
    /// All faults of the environment that concern it.
    pub fn load_amqp_and_rules(environment: &Environment) -> Result<(Amqp, Rules), Vec<Fault>> {
        let mut faults = common_faults(environment);
        let amqp = Amqp::read(environment, &mut faults);
        let rules = read_rules(environment, &mut faults);
        faults.or(amqp.zip(rules))
    }

    /// What `healthcheck` needs: where health is served; `None` is `off`. No other variable is looked at.
    ///
    /// # Errors
    /// The fault of `HTTP_LISTEN`.
    pub fn load_http_listen(environment: &Environment) -> Result<Option<SocketAddr>, Vec<Fault>> {
        let mut faults = Faults::default();
        let ProcessVars { http_listen, .. } = ProcessVars::read(environment);
        let http_listen = read_http_listen(http_listen, &mut Values::new("", &mut faults));
        faults.or(http_listen)
    }
}

/// What is wrong whatever a command reads: names, values that are not text, and how to log.
fn common_faults(environment: &Environment) -> Faults {
    let mut faults = Faults::of(environment, &OURS, &[ProcessVars::KNOWN.1, LogVars::KNOWN.1]);
    faults.extend(Log::load(environment).err().unwrap_or_default());
    faults
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: None }
    }
}

impl Log {
    /// How to log; read first, so that all the rest can be logged.
    ///
    /// # Errors
    /// All faults of `LOG` and `LOG_FORMAT`.
    pub fn load(environment: &Environment) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let LogVars { log, log_format } = LogVars::read(environment);
        let mut values = Values::new("", &mut faults);
        let filter = values.or("LOG", log, "info", "a level such as info, or rtir_relay=debug,warn", |text| {
            text.parse::<tracing_subscriber::EnvFilter>().ok().map(|_| text.to_owned())
        });
        let format = values.optional("LOG_FORMAT", log_format, "text or json", |text| match text {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => None,
        });
        faults.or(filter.map(|filter| Self { filter, format }))
    }
}

fn read_rules(environment: &Environment, faults: &mut Faults) -> Option<Rules> {
    let (rt_queue, fallback_requestor) = rtir::read_ticket_rules(environment, faults);
    let AlertVars { namespace } = AlertVars::read(environment);
    let mut values = Values::new("ALERT_", faults);
    let takes = "1 to 40 characters of A-Z a-z 0-9 . _ -";
    let namespace = values.optional("NAMESPACE", namespace, takes, |text| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (text.len() <= 40 && text.bytes().all(plain)).then(|| text.to_owned())
    });
    Some(Rules { rt_queue: rt_queue?, fallback_requestor, namespace, rt_addresses: RtAddresses::default() })
}

fn read_retry(environment: &Environment, faults: &mut Faults) -> Option<retry::Policy> {
    let RetryVars { initial, max, max_attempts, unknown_wait } = RetryVars::read(environment);
    let mut values = Values::new("RETRY_", faults);
    let initial = values.duration("INITIAL", initial, "500ms");
    let max = values.duration("MAX", max, "30s");
    let takes = "a whole number from 1 on";
    let max_attempts =
        values.or("MAX_ATTEMPTS", max_attempts, "8", takes, |text| text.parse().ok().filter(|number| *number >= 1));
    let unknown_wait = values.duration("UNKNOWN_WAIT", unknown_wait, "5s");
    Some(retry::Policy { initial: initial?, max: max?, max_attempts: max_attempts?, unknown_wait: unknown_wait? })
}

fn read_process(environment: &Environment, faults: &mut Faults) -> Option<Process> {
    let ProcessVars { pause_after, shutdown_grace, http_listen } = ProcessVars::read(environment);
    let mut values = Values::new("", faults);
    let pause_after = values.duration("PAUSE_AFTER", pause_after, "5m");
    let given = shutdown_grace.clone().unwrap_or_else(|| "30s".to_owned());
    let shutdown_grace = values.duration("SHUTDOWN_GRACE", shutdown_grace, "30s");
    if let (Some(grace), Some(timeout)) = (shutdown_grace, rtir::read_timeout(environment, &mut Faults::default()))
        && grace <= timeout
    {
        let takes = "more than RTIR_TIMEOUT, so that a create in flight can end";
        values.faults.add("SHUTDOWN_GRACE", &given, takes);
    }
    let http_listen_is_given = http_listen.is_some();
    let http_listen = read_http_listen(http_listen, &mut values);
    Some(Process {
        pause_after: pause_after?,
        shutdown_grace: shutdown_grace?,
        http_listen: http_listen?,
        http_listen_is_given,
    })
}

#[expect(clippy::option_option, reason = "`None` is a fault, as for all values; within, it is `off`")]
fn read_http_listen(given: Option<String>, values: &mut Values<'_>) -> Option<Option<SocketAddr>> {
    let takes = "an address and port such as 127.0.0.1:9464, or off";
    values.or("HTTP_LISTEN", given, "127.0.0.1:9464", takes, |text| match text {
        "off" => Some(None),
        address => address.parse().ok().map(Some),
    })
}
