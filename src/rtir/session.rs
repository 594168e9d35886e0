//! How requests show RT who they come from.
//!
//! RT checks a password or token with bcrypt on every request, which is half the cost of making a ticket. So with a
//! password the relay logs in once and works with the session's cookie. Whether RT takes it is proven by a request of
//! the kind that RT refuses most easily (see [`Access::prove`]); where it does not, each request carries the password.

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde::Serialize;
use tokio::sync::Mutex;
use url::Url;

use super::access::Access;
use super::answer::Answer;
use super::error::{Error, Operation};
use super::http::BuildError;
use super::pass::Pass;
use super::site::Site;
use super::way::Way;
use crate::config::Rtir;
use crate::metrics::Metrics;

/// One worker's way to RT: it logs in when first needed, and again when RT forgets it.
pub(super) struct Session {
    access: Arc<Access>,
    /// Held while logging in, so that it is done once.
    pass: Mutex<Option<Arc<Pass>>>,
}

impl Session {
    /// A session that is not logged in yet.
    pub(super) fn new(settings: Arc<Rtir>, metrics: Arc<Metrics>) -> Result<Self, BuildError> {
        Ok(Self { access: Arc::new(Access::new(settings, metrics)?), pass: Mutex::new(None) })
    }

    /// A session of its own over the same HTTP client.
    pub(super) fn another(&self) -> Self {
        Self { access: Arc::clone(&self.access), pass: Mutex::new(None) }
    }

    pub(super) fn settings(&self) -> &Rtir {
        &self.access.settings
    }

    /// A URL below RT's base URL.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        self.access.url(path)
    }

    /// Sends a request. RT answers 302 when it has forgotten the session, 401 when it refuses the credentials, which
    /// may just have been changed, and 403 where it does not take an unsafe request from a session: then the worker
    /// logs in once and repeats once. RT has done nothing of the request in any of these cases.
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
        self.send_if(None, operation, method, url, body).await
    }

    /// The same, to be done only if what is at `url` is of this `version`.
    pub(super) async fn send_if<B: Serialize>(
        &self,
        version: Option<&str>,
        operation: Operation,
        method: Method,
        url: Url,
        body: Option<&B>,
    ) -> Result<Answer, Error> {
        let request = || {
            let mut request = self.access.http.request(method.clone(), url.clone());
            if let Some(version) = version {
                request = request.header(IF_MATCH, version);
            }
            match body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let pass = self.pass().await?;
        let answer = self.access.exchange_with(&pass, operation, request()).await?;
        let is_refused = match answer.http_status {
            302 | 401 => true,
            // The session, or a right? The proof needs no right.
            403 if pass.is_session() && !method.is_safe() => !self.access.prove(&pass).await?.is_well(),
            _ => false,
        };
        if !is_refused {
            return Ok(answer);
        }
        let pass = self.renew(&pass).await?;
        let answer = self.access.exchange_with(&pass, operation, request()).await?;
        if answer.http_status == 401 { Err(answer.into_error(operation)) } else { Ok(answer) }
    }

    /// Asks REST 2.0 without credentials, as a stranger.
    pub(super) async fn knock(&self) -> Result<Answer, Error> {
        self.access.exchange(Operation::Look, self.access.http.get(self.url(&["REST", "2.0", "rt"]))).await
    }

    /// What RT says of itself: as last learnt, if it ever was, else it is asked.
    ///
    /// # Errors
    /// RT did not answer, or refuses the credentials.
    pub(super) async fn site(&self) -> Result<Arc<Site>, Error> {
        let pass = self.pass().await?;
        match self.access.site.get() {
            Some(site) => Ok(site),
            None => self.access.learn(&pass).await,
        }
    }

    /// What RT says of itself now.
    ///
    /// # Errors
    /// As for [`Session::site`].
    pub(super) async fn site_anew(&self) -> Result<Arc<Site>, Error> {
        let pass = self.pass().await?;
        self.access.learn(&pass).await
    }

    /// What RT has said of itself, if it was asked.
    pub(super) fn known_site(&self) -> Option<Arc<Site>> {
        self.access.site.get()
    }

    /// How the last request showed who it came from.
    pub(super) async fn way(&self) -> Way {
        self.pass.lock().await.as_ref().map_or(Way::Unknown, |pass| pass.way())
    }

    /// Logs out, if it is logged in. Best effort: RT forgets the session by itself some day.
    pub(super) async fn log_out(&self) {
        if let Some(pass) = self.pass.lock().await.take() {
            self.access.end(&pass).await;
        }
    }

    /// What to send with the next request.
    async fn pass(&self) -> Result<Arc<Pass>, Error> {
        let mut current = self.pass.lock().await;
        if let Some(pass) = &*current {
            if !pass.is_older_than(self.access.settings.session_max_age) {
                return Ok(Arc::clone(pass));
            }
            self.access.end(pass).await;
            *current = None;
        }
        let pass = Arc::new(self.access.open().await?);
        *current = Some(Arc::clone(&pass));
        Ok(pass)
    }

    /// A pass other than `dead`, which RT does not take any more.
    async fn renew(&self, dead: &Arc<Pass>) -> Result<Arc<Pass>, Error> {
        self.pass.lock().await.take_if(|pass| Arc::ptr_eq(pass, dead));
        self.pass().await
    }
}
