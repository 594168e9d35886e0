//! `RTIR_*`: RT, and what decides a ticket there.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::environment::{Environment, Faults, Values, section};
use super::secret::Secret;
use crate::ticket::{EmailAddress, RtQueueName};

section! { RtirVars "RTIR_" {
    url, username, password, password_file, token, token_file, queue, fallback_requestor, ca_file, proxy,
    timeout, concurrency, session_max_age, keep_alive
} }

/// How to reach RT.
#[derive(Debug)]
pub struct Rtir {
    /// RT's base URL, with a slash at the end.
    pub url: Url,
    /// Who the relay is there.
    pub credentials: Credentials,
    /// The RT queue that tickets are made in.
    pub rt_queue: RtQueueName,
    /// PEM of a private certificate authority, trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// A proxy, perhaps with credentials; without it the system's is used.
    pub proxy: Option<Secret>,
    /// How long one request may take.
    pub timeout: Duration,
    /// How many requests may be under way at once.
    pub concurrency: usize,
    /// How long a session is used. RT honours one after its user was disabled or the password changed.
    pub session_max_age: Duration,
    /// Whether connections are kept. RT's workers serve one connection each, so an idle one starves people's browsers.
    pub keep_alive: bool,
}

/// How the relay shows RT who it is.
#[derive(Debug)]
pub enum Credentials {
    /// By a session that is logged in with a password.
    Password {
        /// RT's user.
        username: String,
        /// Its password.
        password: Secret,
    },
    /// By a token, sent with each request.
    Token(Secret),
}

impl Rtir {
    /// Whether passwords, sessions and alerts go over a network in plain text.
    pub fn is_readable_on_the_way(&self) -> bool {
        is_readable_on_the_way(&self.url)
    }

    pub(super) fn read(environment: &Environment, faults: &mut Faults) -> Option<Self> {
        let (rt_queue, _) = read_ticket_rules(environment, &mut Faults::default());
        let vars = RtirVars::read(environment);
        let mut values = Values::new("RTIR_", faults);
        let url = read_base_url(vars.url, &mut values);
        let password = values.secret("PASSWORD", vars.password, vars.password_file);
        let token = values.secret("TOKEN", vars.token, vars.token_file);
        let credentials = match (vars.username, password, token) {
            (Some(username), Some(password), None) => Some(Credentials::Password { username, password }),
            (None, None, Some(token)) => Some(Credentials::Token(token)),
            (None, None, None) => {
                let what =
                    "is required with RTIR_PASSWORD or RTIR_PASSWORD_FILE; or else RTIR_TOKEN or RTIR_TOKEN_FILE";
                values.faults.missing("RTIR_USERNAME", what);
                None
            }
            (Some(_), None, None) => {
                values.faults.missing("RTIR_PASSWORD", "or RTIR_PASSWORD_FILE goes with RTIR_USERNAME");
                None
            }
            (None, Some(_), None) => {
                values.faults.missing("RTIR_USERNAME", "goes with RTIR_PASSWORD");
                None
            }
            (_, _, Some(_)) => {
                values.faults.missing("RTIR_TOKEN", "is set and RTIR_USERNAME or RTIR_PASSWORD too; set one kind");
                None
            }
        };
        let ca_file = values.file("CA_FILE", vars.ca_file);
        let proxy = vars.proxy.and_then(|text| {
            let proxy = parse_proxy(&text);
            if proxy.is_none() {
                values.faults.missing("RTIR_PROXY", "takes http://, https:// or socks5://, a host and a port");
            }
            proxy
        });
        let timeout = read_timeout(environment, values.faults);
        let takes = "a whole number from 1 to 64";
        let concurrency = values.or("CONCURRENCY", vars.concurrency, "2", takes, |text| {
            text.parse().ok().filter(|number| (1..=64).contains(number))
        });
        let session_max_age = values.duration("SESSION_MAX_AGE", vars.session_max_age, "15m");
        let keep_alive = values.flag("KEEP_ALIVE", vars.keep_alive, "false");
        Some(Self {
            url: url?,
            credentials: credentials?,
            rt_queue: rt_queue?,
            ca_file,
            proxy,
            timeout: timeout?,
            concurrency: concurrency?,
            session_max_age: session_max_age?,
            keep_alive: keep_alive?,
        })
    }
}

/// Whether what is sent to `url` goes over a network in plain text.
pub(super) fn is_readable_on_the_way(url: &Url) -> bool {
    let local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && !local
}

/// RT's base URL alone, for what asks no server.
pub(super) fn read_url(environment: &Environment, faults: &mut Faults) -> Option<Url> {
    let vars = RtirVars::read(environment);
    let mut values = Values::new("RTIR_", faults);
    read_base_url(vars.url, &mut values)
}

/// How long one request may take.
pub(super) fn read_timeout(environment: &Environment, faults: &mut Faults) -> Option<Duration> {
    let vars = RtirVars::read(environment);
    Values::new("RTIR_", faults).duration("TIMEOUT", vars.timeout, "20s")
}

/// The two variables that decide about a ticket rather than about the way to RT.
pub(super) fn read_ticket_rules(
    environment: &Environment,
    faults: &mut Faults,
) -> (Option<RtQueueName>, Option<EmailAddress>) {
    let vars = RtirVars::read(environment);
    let mut values = Values::new("RTIR_", faults);
    let takes = "the name of an RT queue";
    let rt_queue = values.or("QUEUE", vars.queue, "Incident Reports", takes, |text| RtQueueName::parse(text).ok());
    let takes = "an e-mail address";
    let fallback =
        values.optional("FALLBACK_REQUESTOR", vars.fallback_requestor, takes, |text| EmailAddress::parse(text).ok());
    (rt_queue, fallback)
}

fn read_base_url(given: Option<String>, values: &mut Values<'_>) -> Option<Url> {
    let Some(text) = given else {
        values.faults.missing("RTIR_URL", "is required: the base URL of RT, such as https://rt.example.org");
        return None;
    };
    // The text is not repeated: whoever puts a password into it should not find it in a log.
    let url = parse_base_url(&text);
    if url.is_none() {
        values
            .faults
            .missing("RTIR_URL", "takes http:// or https://, a host, perhaps a path; no user, query or fragment");
    }
    url
}

fn parse_base_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "http" | "https") || !bare || url.fragment().is_some() {
        return None;
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}

fn parse_proxy(text: &str) -> Option<Secret> {
    let url = Url::parse(text).ok()?;
    let known = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
    (known && url.has_host()).then(|| Secret::given(text.to_owned()))
}
