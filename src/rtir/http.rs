//! One HTTP exchange with RT: bounded in time and size, no redirect followed, nothing secret in an error.

use std::time::Duration;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONNECTION, RETRY_AFTER, SET_COOKIE};
use reqwest::{Certificate, Proxy, RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret, SecretString};

use super::error::{Error, Operation};
use crate::config::Rtir;
use crate::outcome::RtAnswer;

/// No answer of RT that the relay reads is larger.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// `RTIR_CA_FILE` holds no certificate.
    #[error("RTIR_CA_FILE: {0}")]
    CaFile(String),
    /// No TLS, for want of trusted certificates.
    #[error("TLS cannot be set up: {0}; install the system's ca-certificates")]
    Tls(String),
    /// `RTIR_PROXY` is none.
    #[error("RTIR_PROXY is not a proxy that can be used")]
    Proxy,
}

/// An answer, whole.
pub(super) struct Answer {
    pub http_status: u16,
    /// `name=value` of each cookie set, joined as a request sends them.
    pub cookies: Option<SecretString>,
    pub body: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Answer {
    /// The answer as an error of `operation`.
    pub(super) fn into_error(self, operation: Operation) -> Error {
        if self.http_status == 401 {
            return Error::Credentials(operation);
        }
        let message = super::wire::message(&self.body);
        let answer = RtAnswer { http_status: self.http_status, message };
        Error::Status { operation, answer, retry_after: self.retry_after }
    }

    /// The answer with none of `secrets` in it, should RT (or who stands before it) repeat the request.
    pub(super) fn without(mut self, secrets: &[SecretString]) -> Self {
        if (200..300).contains(&self.http_status) {
            return self; // its text is never shown
        }
        let mut text = String::from_utf8_lossy(&self.body).into_owned();
        for secret in secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty()) {
            text = text.replace(secret, "[secret]");
        }
        self.body = text.into_bytes();
        self
    }

    /// The body as JSON, if the status is `wanted`.
    pub(super) fn json<T: serde::de::DeserializeOwned>(self, operation: Operation, wanted: u16) -> Result<T, Error> {
        if self.http_status != wanted {
            return Err(match self.http_status {
                // A success that is not the one asked for: who answered is not RT.
                200..=299 => Error::Answer { operation, what: format!("HTTP status {}", self.http_status) },
                _ => self.into_error(operation),
            });
        }
        serde_json::from_slice(&self.body).map_err(|error| Error::Answer { operation, what: error.to_string() })
    }
}

/// The HTTP client that all workers share.
pub(super) fn build(settings: &Rtir) -> Result<reqwest::Client, BuildError> {
    let mut builder = reqwest::Client::builder()
        // Not a browser's: RT answers those with its login page.
        .user_agent(concat!("rtir-relay/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .timeout(settings.timeout)
        .connect_timeout(settings.timeout.min(Duration::from_secs(10)));
    if !settings.keep_alive {
        builder = builder.pool_max_idle_per_host(0);
    }
    if let Some(path) = &settings.ca_file {
        let pem = std::fs::read(path).map_err(|error| BuildError::CaFile(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(BuildError::CaFile(format!("{} holds no PEM certificate", path.display())));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(proxy) = &settings.proxy {
        let url = proxy.read().map_err(|_| BuildError::Proxy)?;
        builder = builder.proxy(Proxy::all(url.expose_secret()).map_err(|_| BuildError::Proxy)?);
    }
    builder.build().map_err(|error| BuildError::Tls(cause(&error)))
}

/// Sends `request` and reads the whole answer.
pub(super) async fn exchange(operation: Operation, keep_alive: bool, request: RequestBuilder) -> Result<Answer, Error> {
    let request = if keep_alive { request } else { request.header(CONNECTION, "close") };
    let transport = |error: reqwest::Error| {
        let sent = !(error.is_connect() || error.is_builder());
        Error::Transport { operation, sent, timed_out: error.is_timeout(), cause: cause(&error) }
    };
    let mut response = request.send().await.map_err(transport)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Error::Answer { operation, what: "it is larger than 1 MiB".to_owned() });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        http_status: response.status().as_u16(),
        cookies: cookies(&response),
        retry_after: retry_after(&response),
        body,
    })
}

/// RT's session cookie is taken as it is: its name holds RT's name and port, and RT may mark it `Secure` although the
/// relay reaches RT over plain HTTP behind its web server, where a cookie jar would not send it.
fn cookies(response: &Response) -> Option<SecretString> {
    let headers = response.headers().get_all(SET_COOKIE).iter();
    let pairs: Vec<_> = headers.filter_map(|header| header.to_str().ok()?.split(';').next()).collect();
    (!pairs.is_empty()).then(|| pairs.join("; ").into())
}

/// Seconds or a date. Source: RFC 9110, section 10.2.3.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = rfc2822::parse(text).ok()?.timestamp();
    let wait = date.duration_since(Timestamp::now());
    Duration::try_from(wait.max(SignedDuration::ZERO)).ok()
}

/// The innermost causes in words, without the URL that reqwest adds.
fn cause(error: &reqwest::Error) -> String {
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
