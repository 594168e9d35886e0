//! How requests show RT who they come from.
//!
//! RT checks a password or token with bcrypt on every request, which is half the cost of making a ticket. So with a
//! password the relay logs in once and works with the session's cookie.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderValue};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::sync::Mutex;
use tracing::{debug, warn};
use url::{Url, form_urlencoded};

use super::answer::Answer;
use super::error::{Error, Operation};
use super::http::{self, BuildError};
use super::survey::Way;
use crate::config::{Credentials, Rtir, Secret};
use crate::metrics::Metrics;

/// One worker's way to RT: it logs in when first needed, and again when RT forgets it.
pub(super) struct Session {
    shared: Arc<Shared>,
    /// Held while logging in, so that it is done once.
    pass: Mutex<Option<Arc<Pass>>>,
}

/// What all workers share.
struct Shared {
    http: reqwest::Client,
    settings: Arc<Rtir>,
    metrics: Arc<Metrics>,
    /// What a proxy might repeat.
    proxy_secrets: Vec<SecretString>,
    warned_of_basic: AtomicBool,
}

/// What a request carries. Never two of them: with a live cookie RT ignores a wrong password, and with a dead one it
/// falls back to the password, slowly and silently.
enum Pass {
    Cookie { cookie: SecretString, since: Instant },
    Basic { username: String, password: SecretString, since: Instant },
    Token(SecretString),
}

impl Session {
    /// A session that is not logged in yet.
    pub(super) fn new(settings: Arc<Rtir>, metrics: Arc<Metrics>) -> Result<Self, BuildError> {
        let http = http::build(&settings)?;
        let proxy_secrets = settings.proxy.as_ref().map(secrets_of_proxy).unwrap_or_default();
        let shared = Shared { http, settings, metrics, proxy_secrets, warned_of_basic: AtomicBool::new(false) };
        Ok(Self { shared: Arc::new(shared), pass: Mutex::new(None) })
    }

    /// A session of its own over the same HTTP client.
    pub(super) fn another(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), pass: Mutex::new(None) }
    }

    pub(super) fn settings(&self) -> &Rtir {
        &self.shared.settings
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// A URL below RT's base URL.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.shared.settings.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Sends a request. RT answers 302 when it has forgotten the session, 401 when it refuses the credentials, which
    /// may just have been changed: then the worker logs in once and repeats once. RT has done nothing of the request
    /// in either case.
    ///
    /// # Errors
    /// No answer came, or RT refuses the credentials.
    pub(super) async fn send<B: Serialize>(
        &self,
        operation: Operation,
        method: Method,
        url: Url,
        body: Option<&B>,
    ) -> Result<Answer, Error> {
        let request = || {
            let request = self.shared.http.request(method.clone(), url.clone());
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let pass = self.pass().await?;
        let answer = self.exchange_with(&pass, operation, request()).await?;
        if !matches!(answer.http_status, 302 | 401) {
            return Ok(answer);
        }
        let pass = self.renew(&pass).await?;
        let answer = self.exchange_with(&pass, operation, request()).await?;
        if answer.http_status == 401 { Err(answer.into_error(operation)) } else { Ok(answer) }
    }

    /// Asks REST 2.0 without credentials, as a stranger.
    pub(super) async fn knock(&self) -> Result<Answer, Error> {
        self.exchange(Operation::Look, self.shared.http.get(self.url(&["REST", "2.0", "rt"]))).await
    }

    /// How the last request showed who it came from.
    pub(super) async fn way(&self) -> Way {
        match self.pass.lock().await.as_deref() {
            Some(Pass::Cookie { .. }) => Way::Session,
            Some(Pass::Token(_)) => Way::Token,
            Some(Pass::Basic { .. }) | None => Way::Password,
        }
    }

    /// Logs out, if it is logged in. Best effort: RT forgets the session by itself some day.
    pub(super) async fn log_out(&self) {
        if let Some(pass) = self.pass.lock().await.take() {
            self.end(&pass).await;
        }
    }

    /// Sends `request` with `pass`, whose secrets are taken out of an answer that repeats the request.
    async fn exchange_with(&self, pass: &Pass, operation: Operation, request: RequestBuilder) -> Result<Answer, Error> {
        let answer = self.exchange(operation, pass.authorize(request)).await?;
        Ok(answer.without(&pass.secrets()))
    }

    async fn exchange(&self, operation: Operation, request: RequestBuilder) -> Result<Answer, Error> {
        let began = Instant::now();
        let answer = http::exchange(operation, self.shared.settings.keep_alive, request).await;
        self.shared.metrics.rt_request(operation.as_str(), status_class(&answer), began.elapsed());
        Ok(answer?.without(&self.shared.proxy_secrets))
    }

    /// What to send with the next request.
    async fn pass(&self) -> Result<Arc<Pass>, Error> {
        let mut current = self.pass.lock().await;
        if let Some(pass) = &*current {
            if !pass.is_older_than(self.shared.settings.session_max_age) {
                return Ok(Arc::clone(pass));
            }
            self.end(pass).await;
            *current = None;
        }
        let pass = Arc::new(self.open().await?);
        *current = Some(Arc::clone(&pass));
        Ok(pass)
    }

    /// A pass other than `dead`, which RT does not take any more.
    async fn renew(&self, dead: &Arc<Pass>) -> Result<Arc<Pass>, Error> {
        self.pass.lock().await.take_if(|pass| Arc::ptr_eq(pass, dead));
        self.pass().await
    }

    /// Logs in. RT answers a wrong password like a right one, so the cookie is proven by a request; where it does not
    /// hold, the same request with the password tells a wrong password from a login page that does not work.
    async fn open(&self) -> Result<Pass, Error> {
        let operation = Operation::LogIn;
        let (username, password) = match &self.shared.settings.credentials {
            Credentials::Token(token) => return Ok(Pass::Token(token.read()?)),
            Credentials::Password { username, password } => (username, password.read()?),
        };
        let form = [("user", username.as_str()), ("pass", password.expose_secret()), ("next", "1")];
        let request = self.shared.http.post(self.url(&["NoAuth", "Login.html"])).form(&form);
        let answer = self.exchange(operation, request).await?.without(&secrets_of(username, &password));
        if answer.http_status >= 500 {
            return Err(answer.into_error(operation));
        }
        let since = Instant::now();
        if let Some(cookie) = answer.cookies {
            let pass = Pass::Cookie { cookie, since };
            let proof = self.prove(&pass).await?;
            match proof.http_status {
                200 => {
                    debug!("logged in to RT as {username}");
                    return Ok(pass);
                }
                500.. => return Err(proof.into_error(operation)),
                _ => {}
            }
        }
        let pass = Pass::Basic { username: username.clone(), password, since };
        let proof = self.prove(&pass).await?;
        if proof.http_status != 200 {
            return Err(proof.into_error(operation));
        }
        if !self.shared.warned_of_basic.swap(true, Ordering::Relaxed) {
            warn!("RT gives {username} no session, so every request costs RT a password check (0.2 s)");
        }
        Ok(pass)
    }

    async fn prove(&self, pass: &Pass) -> Result<Answer, Error> {
        let request = self.shared.http.get(self.url(&["REST", "2.0", "rt"]));
        self.exchange_with(pass, Operation::LogIn, request).await
    }

    async fn end(&self, pass: &Pass) {
        if matches!(pass, Pass::Cookie { .. }) {
            let request = self.shared.http.get(self.url(&["NoAuth", "Logout.html"]));
            if let Err(error) = self.exchange_with(pass, Operation::LogIn, request).await {
                debug!("could not log out of RT: {error}");
            }
        }
    }
}

impl Pass {
    /// Puts it on `request`.
    fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        match self {
            Self::Cookie { cookie, .. } => request.header(COOKIE, secret_header(cookie.expose_secret())),
            Self::Basic { username, password, .. } => request.basic_auth(username, Some(password.expose_secret())),
            // The scheme is `token`, not `Bearer`: RT 5, `RT::Authen::Token`.
            Self::Token(token) => {
                request.header(AUTHORIZATION, secret_header(&format!("token {}", token.expose_secret())))
            }
        }
    }

    /// What no output may show.
    fn secrets(&self) -> Vec<SecretString> {
        match self {
            Self::Cookie { cookie, .. } => {
                let pairs = cookie.expose_secret().split("; ");
                let values = pairs.clone().filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
                pairs.chain(values).map(SecretString::from).collect()
            }
            Self::Basic { username, password, .. } => secrets_of(username, password),
            Self::Token(token) => vec![token.clone()],
        }
    }

    /// Whether it is to be renewed. A token is checked on each request and never is.
    fn is_older_than(&self, max_age: Duration) -> bool {
        match self {
            Self::Cookie { since, .. } | Self::Basic { since, .. } => since.elapsed() > max_age,
            Self::Token(_) => false,
        }
    }
}

/// A password in the forms in which a request carries it: in a form, and in a Basic header.
fn secrets_of(username: &str, password: &SecretString) -> Vec<SecretString> {
    let plain = password.expose_secret();
    let in_form: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
    let in_header = BASE64_STANDARD.encode(format!("{username}:{plain}"));
    vec![plain.into(), in_form.into(), in_header.into()]
}

fn secrets_of_proxy(proxy: &Secret) -> Vec<SecretString> {
    let url = proxy.read().ok().and_then(|text| Url::parse(text.expose_secret()).ok());
    let Some((url, password)) = url.as_ref().and_then(|url| Some((url, url.password()?))) else { return Vec::new() };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut secrets = secrets_of(&decoded(url.username()), &decoded(password).into());
    secrets.push(password.into());
    secrets
}

/// How a request ended, for metrics.
fn status_class(answer: &Result<Answer, Error>) -> &'static str {
    match answer {
        Ok(answer) => match answer.http_status {
            ..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500.. => "5xx",
        },
        Err(Error::Transport { timed_out: true, .. }) => "timeout",
        Err(_) => "failed",
    }
}

/// A header value that `Debug` hides. A secret with characters that no header can carry goes as nothing, which RT
/// refuses as wrong credentials.
fn secret_header(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
