//! What a request carries to show RT who it comes from.

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderValue, ORIGIN};
use secrecy::{ExposeSecret, SecretString};

use super::way::{NoSession, Way};
use crate::reach::password_secrets;

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
            Kind::Password { username, password, .. } => password_secrets(username, password),
            Kind::Token(token) => vec![token.clone()],
        }
    }
}

/// A header value that `Debug` hides. A secret with characters that no header can carry goes as nothing, which RT
/// refuses as wrong credentials.
fn secret_header(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
