//! The way to a server: its name, its port, its certificate, and what an error on the way means. Knows neither RT nor
//! the broker, which name the settings that mend it.

pub mod http;
pub mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper_util::client::proxy::matcher::Matcher;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::{TcpStream, lookup_host};
use url::{Url, form_urlencoded};

use crate::diagnosis::{Diagnosis, Trouble};

/// How long a name may take to resolve, a connection to be made, a handshake to end.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The settings that lead to a server, for cures.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The variable that holds its address.
    pub url: &'static str,
    /// The variable that names the authorities to trust.
    pub ca_file: &'static str,
    /// The variable that names this side's certificate, if it can show one.
    pub client_certificate: Option<&'static str>,
    /// The scheme by TLS, and the one without.
    pub schemes: [&'static str; 2],
}

impl Settings {
    /// What is wrong where plain words meet a port for TLS.
    pub fn wants_tls(&self, what: String) -> Diagnosis {
        let [tls, _] = self.schemes;
        let cure = format!("Write {tls} in {}, or the port without TLS", self.url);
        Diagnosis::of(Trouble::ServerUnreachable, what, "what listens there speaks TLS", cure)
    }
}

/// A connection to the first address of `host` that takes one.
///
/// # Errors
/// The name does not resolve, or no address takes a connection.
pub async fn connect(host: &str, port: u16, settings: &Settings) -> Result<TcpStream, Diagnosis> {
    let what = format!("connecting to {host}:{port} failed");
    let mut last = None;
    for address in resolve(host, port, settings).await? {
        match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Some((Trouble::ServerUnreachable, format!("{address}: {error}"))),
            // Who is there and does not listen refuses at once.
            Err(_) => last = Some((Trouble::ProxyOrFirewall, format!("{address} does not answer in {TIMEOUT:?}"))),
        }
    }
    let (trouble, why) = last.unwrap_or((Trouble::ServerUnreachable, "the name has no address".to_owned()));
    let cure = format!(
        "Check that the server runs and listens there, host and port in {}, and the firewalls in between",
        settings.url
    );
    Err(Diagnosis::of(trouble, what, why, cure))
}

/// Whether the other side speaks TLS, trusted or not: by that, plain words are told from the wrong port.
pub async fn speaks_tls(host: &str, port: u16, settings: &Settings) -> bool {
    match connect(host, port, settings).await {
        Ok(stream) => tls::look(stream, host, &tls::Trust::default()).await.certificate.is_some(),
        Err(_) => false,
    }
}

/// Host and port of the proxy that the environment names for `url`, if it names one: `HTTPS_PROXY` and the like, less
/// what `NO_PROXY` excepts.
pub fn system_proxy(url: &Url) -> Option<(String, u16)> {
    let proxy = Matcher::from_system().intercept(&url.as_str().parse().ok()?)?;
    let uri = proxy.uri();
    Some((uri.host()?.to_owned(), uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 })))
}

/// What no output may show of the proxies that the environment names: their URLs' user and password, as written and as a
/// request carries them.
pub fn system_proxy_secrets() -> Vec<SecretString> {
    let named =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let proxies = named.filter(|(name, _)| name.to_ascii_lowercase().ends_with("_proxy"));
    proxies.flat_map(|(_, url)| proxy_secrets(&url)).collect()
}

/// The same of the proxy at `url`.
pub fn proxy_secrets(url: &str) -> Vec<SecretString> {
    // Such a variable may lack the scheme.
    let url = Url::parse(url).ok().filter(Url::has_host).or_else(|| Url::parse(&format!("http://{url}")).ok());
    let Some((url, password)) = url.as_ref().and_then(|url| Some((url, url.password()?))) else { return Vec::new() };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut secrets = password_secrets(&decoded(url.username()), &decoded(password).into());
    secrets.push(password.into());
    secrets
}

/// A password in the forms in which a request carries it: plain, in a form, and in a Basic header.
pub fn password_secrets(username: &str, password: &SecretString) -> Vec<SecretString> {
    let plain = password.expose_secret();
    let in_form: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
    let in_header = BASE64_STANDARD.encode(format!("{username}:{plain}"));
    vec![plain.into(), in_form.into(), in_header.into()]
}

async fn resolve(host: &str, port: u16, settings: &Settings) -> Result<Vec<SocketAddr>, Diagnosis> {
    let cure = format!("Check the host in {} and this machine's DNS", settings.url);
    let unresolved = |why| Diagnosis::of(Trouble::ServerUnreachable, format!("resolving {host} failed"), why, cure);
    // The brackets of an IPv6 address belong to the URL.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    match tokio::time::timeout(TIMEOUT, lookup_host((name, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(unresolved(error.to_string())),
        Err(_) => Err(unresolved(format!("no answer of the DNS in {TIMEOUT:?}"))),
    }
}

/// Whether it is this process, or this machine, that can open no further connection.
pub fn is_out_of_descriptors(error: &(dyn std::error::Error + 'static)) -> bool {
    /// Source: Linux, `ENFILE` and `EMFILE`.
    const OUT_OF_DESCRIPTORS: [i32; 2] = [23, 24];
    let mut source = Some(error);
    while let Some(inner) = source {
        let code = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        if code.is_some_and(|code| OUT_OF_DESCRIPTORS.contains(&code)) {
            return true;
        }
        source = inner.source();
    }
    false
}

/// That it is so, and `what` came of it.
pub fn out_of_descriptors(what: String) -> Diagnosis {
    Diagnosis::other(
        what,
        "this process has as many files and connections open as it may have",
        "Raise LimitNOFILE of the unit (ulimit -n); what took them shows `ls -l /proc/PID/fd`",
    )
}

/// The innermost causes of an HTTP client's error in words, without the URL that it adds.
pub fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut causes = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        causes.push(inner.to_string());
        source = inner.source();
    }
    // Each level repeats the one below; the last two say it all.
    causes.dedup();
    let from = causes.len().saturating_sub(2);
    if causes.is_empty() { "the connection failed".to_owned() } else { causes[from..].join(": ") }
}
