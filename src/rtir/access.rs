//! The way to RT that all workers share: one HTTP client, and what is known of the RT behind it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::answer::Answer;
use super::error::{Error, Operation};
use super::http::{self, BuildError};
use super::pass::Pass;
use super::site::KnownSite;
use crate::config::{Rtir, Secret};
use crate::metrics::Metrics;
use crate::reach::{proxy_secrets, system_proxy_secrets};

/// What all workers share.
pub(super) struct Access {
    pub http: reqwest::Client,
    pub settings: Arc<Rtir>,
    pub metrics: Arc<Metrics>,
    pub site: KnownSite,
    /// What a proxy might repeat.
    proxy_secrets: Vec<SecretString>,
    pub warned_of_no_session: AtomicBool,
}

impl Access {
    pub(super) fn new(settings: Arc<Rtir>, metrics: Arc<Metrics>) -> Result<Self, BuildError> {
        let http = http::build(&settings)?;
        let proxy_secrets = match settings.proxy.as_ref().map(Secret::read) {
            Some(url) => url.map(|url| proxy_secrets(url.expose_secret())).unwrap_or_default(),
            None => system_proxy_secrets(),
        };
        let site = KnownSite::default();
        let warned_of_no_session = AtomicBool::new(false);
        Ok(Self { http, settings, metrics, site, proxy_secrets, warned_of_no_session })
    }

    /// A URL below RT's base URL.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.settings.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Sends `request` with `pass`, whose secrets are taken out of an answer that repeats the request.
    pub(super) async fn exchange_with(
        &self,
        pass: &Pass,
        operation: Operation,
        request: RequestBuilder,
    ) -> Result<Answer, Error> {
        let answer = self.exchange(operation, pass.authorize(request)).await?;
        Ok(answer.without(&pass.secrets()))
    }

    pub(super) async fn exchange(&self, operation: Operation, request: RequestBuilder) -> Result<Answer, Error> {
        let began = Instant::now();
        let answer = http::exchange(operation, self.settings.keep_alive, request).await;
        self.metrics.rt_request(operation.as_str(), status_class(&answer), began.elapsed());
        Ok(answer?.without(&self.proxy_secrets))
    }
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
