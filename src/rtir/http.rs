//! One HTTP exchange with RT: bounded in time and size, no redirect followed, nothing secret in an error.

use reqwest::header::CONNECTION;
use reqwest::tls::TlsInfo;
use reqwest::{Proxy, RequestBuilder, Response};
use secrecy::ExposeSecret;

use super::answer::Answer;
use super::error::{Error, Obstacle, Operation};
use crate::config::Rtir;
use crate::diagnosis::Diagnosis;
use crate::reach::http::{self, MAX_ANSWER_BYTES};
use crate::reach::{cause, is_out_of_descriptors, tls};

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

impl BuildError {
    /// The error with what mends it.
    pub fn diagnosis(&self) -> Diagnosis {
        Diagnosis::other("RT cannot be reached as configured", self.to_string(), "Mend the setting")
    }
}

/// The HTTP client that all workers share.
pub(super) fn build(settings: &Rtir) -> Result<reqwest::Client, BuildError> {
    let mut builder =
        http::builder(settings.timeout, settings.ca_file.as_deref()).map_err(BuildError::CaFile)?.tls_info(true);
    if !settings.keep_alive {
        builder = builder.pool_max_idle_per_host(0);
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
        Error::Transport {
            operation,
            sent,
            timed_out: error.is_timeout(),
            obstacle: obstacle(&error),
            cause: cause(&error),
        }
    };
    let mut response = request.send().await.map_err(transport)?;
    let certificate = certificate(&response);
    let (http_status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Error::TooLarge(operation));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer::new(http_status, &headers, body).by(certificate))
}

fn certificate(response: &Response) -> Option<tls::Certificate> {
    let info = response.extensions().get::<TlsInfo>()?;
    tls::Certificate::read(info.peer_certificate()?)
}

/// What stands in the way, by what reqwest says.
fn obstacle(error: &reqwest::Error) -> Obstacle {
    if let Some(fault) = tls::Fault::find(error) {
        return Obstacle::Tls(fault);
    }
    if is_out_of_descriptors(error) {
        return Obstacle::Descriptors;
    }
    // Source: hyper-util, the errors of its tunnels.
    if cause(error).contains("tunnel") { Obstacle::Proxy } else { Obstacle::Server }
}
