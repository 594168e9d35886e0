//! The postbox of trax over HTTP. Source: trax, "Example: Integrating issue trackers".

use std::sync::Arc;

use reqwest::header::{ACCEPT, HeaderMap};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};

use super::record::Record;
use crate::config::Trax;
use crate::diagnosis::{Diagnosis, Trouble};
use crate::reach::{self, cause, http, system_proxy_secrets, tls};
use crate::rtir;

/// The settings that lead to the postbox.
pub const REACH: reach::Settings = reach::Settings {
    url: "TRAX_URL",
    ca_file: "TRAX_CA_FILE",
    client_certificate: None,
    schemes: ["https://", "http://"],
};

/// Longer answers are not read to their end, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The way to the postbox.
pub struct Postbox {
    http: reqwest::Client,
    settings: Arc<Trax>,
    /// What a proxy might repeat.
    proxy_secrets: Vec<SecretString>,
}

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The postbox takes no such record: in its words.
    Refused(String),
    /// The postbox fails or does not answer. It may have taken the record all the same.
    Failed(Diagnosis),
}

impl Postbox {
    /// The postbox of `settings`. Asks nobody.
    ///
    /// # Errors
    /// TLS cannot be set up as configured.
    pub fn new(settings: Arc<Trax>) -> Result<Self, Diagnosis> {
        let unfit = |why| Diagnosis::other("trax cannot be reached as configured", why, "Mend the setting");
        let builder = http::builder(settings.timeout, settings.ca_file.as_deref())
            .map_err(|why| unfit(format!("TRAX_CA_FILE: {why}")))?;
        let http = builder.build().map_err(|error| unfit(format!("TLS cannot be set up: {}", cause(&error))))?;
        Ok(Self { http, settings, proxy_secrets: system_proxy_secrets() })
    }

    /// Hands over `record`.
    ///
    /// # Errors
    /// The postbox did not say that it took it.
    pub async fn post(&self, record: &Record) -> Result<(), NotTaken> {
        let what = "handing a ticket over to trax failed";
        let request = self.http.post(self.settings.url.clone()).json(record);
        let (http_status, words) = self.send(what, request).await.map_err(NotTaken::Failed)?;
        let why = if words.is_empty() { format!("HTTP {http_status}") } else { format!("HTTP {http_status} {words}") };
        match http_status {
            200..=299 => Ok(()),
            400 | 409 | 413 | 415 | 422 => Err(NotTaken::Refused(why)),
            _ => Err(NotTaken::Failed(diagnosis_of_status(http_status, what, why))),
        }
    }

    /// What the postbox answers to a request that hands nothing over: the status.
    ///
    /// # Errors
    /// It does not answer, or refuses the token.
    pub async fn knock(&self) -> Result<u16, Diagnosis> {
        let what = "asking the postbox failed";
        match self.send(what, self.http.get(self.settings.url.clone())).await? {
            (http_status @ (401 | 403 | 407 | 300..=399 | 502..=504), _) => {
                Err(diagnosis_of_status(http_status, what, format!("HTTP {http_status}")))
            }
            (http_status, _) => Ok(http_status),
        }
    }

    /// The status of the answer, and the words in it.
    async fn send(&self, what: &str, request: RequestBuilder) -> Result<(u16, String), Diagnosis> {
        let token = self.settings.token.read().map_err(|error| {
            let cure = "Put the token there, readable for the relay";
            Diagnosis::of(Trouble::AuthenticationFailed, what, error.to_string(), cure)
        })?;
        let request = request.header(ACCEPT, "application/json").bearer_auth(token.expose_secret());
        match request.send().await {
            Ok(response) => {
                let secrets = [&self.proxy_secrets[..], &[token]].concat();
                Ok((response.status().as_u16(), words(response, &secrets).await))
            }
            Err(error) => Err(diagnosis_of_transport(what, &error)),
        }
    }
}

/// What the answer says, at most 2 KiB without `secrets`. The status has been read: a body that breaks off is one.
async fn words(mut response: Response, secrets: &[SecretString]) -> String {
    let mut body = Vec::new();
    let is_whole = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break true,
            Err(_) => break false,
        }
        if body.len() > MAX_ANSWER_BYTES {
            break false;
        }
    };
    if !is_whole {
        // It may end within a secret, half of which would not be known as it.
        let longest = secrets.iter().map(|secret| secret.expose_secret().len()).max().unwrap_or_default();
        body.truncate(body.len().saturating_sub(longest));
    }
    rtir::Answer::new(response.status().as_u16(), &HeaderMap::new(), body).without(secrets).message()
}

fn diagnosis_of_status(http_status: u16, what: &str, why: String) -> Diagnosis {
    let (trouble, cure) = match http_status {
        401 | 403 => (
            Some(Trouble::AuthenticationFailed),
            "Check TRAX_TOKEN (or the file that TRAX_TOKEN_FILE names), and what the token may do in trax",
        ),
        300..=399 | 404 | 405 => {
            (None, "Check TRAX_URL: it is the address of the postbox itself, no redirect is followed")
        }
        407 => (Some(Trouble::ProxyOrFirewall), "Let the proxy pass the relay through to trax"),
        502..=504 => {
            (Some(Trouble::ServerUnreachable), "Check that trax runs behind the web server that answers in its place")
        }
        _ => (None, "See trax's log"),
    };
    Diagnosis { trouble, what: what.to_owned(), why, cure: cure.to_owned() }
}

fn diagnosis_of_transport(what: &str, error: &reqwest::Error) -> Diagnosis {
    if let Some(fault) = tls::Fault::find(error) {
        return fault.diagnosis(what.to_owned(), None, &REACH);
    }
    if reach::is_out_of_descriptors(error) {
        return reach::out_of_descriptors(what.to_owned());
    }
    let cure = "Check that trax runs, and TRAX_URL, HTTPS_PROXY and the network";
    Diagnosis::of(Trouble::ServerUnreachable, what, cause(error), cure)
}
