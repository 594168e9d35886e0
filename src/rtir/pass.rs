//! What a request carries to show RT who it comes from.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderValue, ORIGIN};
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

use crate::config::Secret;

/// What a request carries, and since when. Never two kinds at once: with a live cookie RT ignores a wrong password, and
/// with a dead one it falls back to the password, slowly and silently.
pub(super) struct Pass {
    kind: Kind,
    since: Instant,
}

/// What shows who a request comes from.
pub(super) enum Kind {
    /// The cookie of a session, and the origin that RT takes its unsafe requests from.
    Session { cookie: SecretString, origin: String },
    /// The password, since RT gives no session.
    Password { username: String, password: SecretString, because: NoSession },
    /// A token.
    Token(SecretString),
}

/// How requests show who they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// None was made yet.
    Unknown,
    /// By a session that was logged in once.
    Session,
    /// By the password in each request, since RT gives no session.
    Password(NoSession),
    /// By a token in each request.
    Token,
}

/// Why there is no session, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoSession {
    /// The cause.
    pub why: String,
    /// The fix.
    pub fix: String,
}

impl Pass {
    /// A pass that is used from now on.
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, since: Instant::now() }
    }

    pub(super) fn way(&self) -> Way {
        match &self.kind {
            Kind::Session { .. } => Way::Session,
            Kind::Password { because, .. } => Way::Password(because.clone()),
            Kind::Token(_) => Way::Token,
        }
    }

    pub(super) fn is_session(&self) -> bool {
        matches!(self.kind, Kind::Session { .. })
    }

    /// Whether it is to be renewed.
    pub(super) fn is_older_than(&self, max_age: Duration) -> bool {
        self.since.elapsed() > max_age
    }

    /// Puts it on `request`.
    pub(super) fn authorize(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.kind {
            // Without `Origin` RT refuses unsafe methods (CVE-2026-108277). Source: RT, `RT::REST2::Middleware::Auth`.
            Kind::Session { cookie, origin } => {
                request.header(COOKIE, secret_header(cookie.expose_secret())).header(ORIGIN, origin)
            }
            Kind::Password { username, password, .. } => request.basic_auth(username, Some(password.expose_secret())),
            // The scheme is `token`, not `Bearer`. Source: RT 5, `RT::Authen::Token`.
            Kind::Token(token) => {
                request.header(AUTHORIZATION, secret_header(&format!("token {}", token.expose_secret())))
            }
        }
    }

    /// What no output may show.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        match &self.kind {
            Kind::Session { cookie, .. } => {
                let pairs = cookie.expose_secret().split("; ");
                let values = pairs.clone().filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
                pairs.chain(values).map(SecretString::from).collect()
            }
            Kind::Password { username, password, .. } => secrets_of(username, password),
            Kind::Token(token) => vec![token.clone()],
        }
    }
}

/// A password in the forms in which a request carries it: in a form, and in a Basic header.
pub(super) fn secrets_of(username: &str, password: &SecretString) -> Vec<SecretString> {
    let plain = password.expose_secret();
    let in_form: String = form_urlencoded::byte_serialize(plain.as_bytes()).collect();
    let in_header = BASE64_STANDARD.encode(format!("{username}:{plain}"));
    vec![plain.into(), in_form.into(), in_header.into()]
}

/// What of a proxy's URL no output may show.
pub(super) fn secrets_of_proxy(proxy: &Secret) -> Vec<SecretString> {
    let url = proxy.read().ok().and_then(|text| Url::parse(text.expose_secret()).ok());
    let Some((url, password)) = url.as_ref().and_then(|url| Some((url, url.password()?))) else { return Vec::new() };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let mut secrets = secrets_of(&decoded(url.username()), &decoded(password).into());
    secrets.push(password.into());
    secrets
}

/// A header value that `Debug` hides. A secret with characters that no header can carry goes as nothing, which RT
/// refuses as wrong credentials.
fn secret_header(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
