//! Getting a pass: by a session where RT gives one that works, else by the password in each request.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use reqwest::header::REFERER;
use secrecy::{ExposeSecret, SecretString};
use tracing::{debug, warn};
use url::Url;

use super::access::Access;
use super::answer::Answer;
use super::error::{Error, Operation};
use super::pass::{Kind, NoSession, Pass};
use super::site::Site;
use super::wire;
use crate::config::Credentials;
use crate::reach::password_secrets;
use crate::ticket::ALERT_ID_FIELD;

impl Access {
    /// A new pass. What RT says of itself is learnt with it, where that is not known or old.
    ///
    /// # Errors
    /// RT did not answer, or refuses the credentials.
    pub(super) async fn open(&self) -> Result<Pass, Error> {
        match &self.settings.credentials {
            Credentials::Token(token) => {
                let pass = Pass::new(Kind::Token(token.read()?));
                if self.is_site_old() {
                    self.learn(&pass).await?;
                }
                Ok(pass)
            }
            Credentials::Password { username, password } => self.log_in(username, &password.read()?).await,
        }
    }

    fn is_site_old(&self) -> bool {
        self.site.is_older_than(self.settings.session_max_age)
    }

    /// By a session where RT gives one, else by the password. RT answers a wrong password like a right one at first, so
    /// what it does not take of a session it is asked with the password in the request.
    async fn log_in(&self, username: &str, password: &SecretString) -> Result<Pass, Error> {
        let by_password =
            |because| Pass::new(Kind::Password { username: username.to_owned(), password: password.clone(), because });
        let mut wrong = None;
        if self.is_site_old() {
            match self.learn(&by_password(NoSession::default())).await {
                // A web server in front of RT may want this header for itself.
                Err(error @ Error::Credentials(_)) => wrong = Some(error),
                learnt => drop(learnt?),
            }
        }
        let because = match self.open_session(username, password).await? {
            Ok(pass) => {
                debug!("logged in to RT as {username}");
                if wrong.is_some() {
                    self.learn(&pass).await?;
                }
                return Ok(pass);
            }
            Err(because) => because,
        };
        if let Some(error) = wrong {
            return Err(error);
        }
        let pass = by_password(because.clone());
        self.prove(&pass).await?.well(Operation::LogIn)?;
        if !self.warned_of_no_session.swap(true, Ordering::Relaxed) {
            let NoSession { why, fix } = because;
            warn!("RT gives {username} no session, so every request costs RT a password check (0.2 s): {why}. {fix}");
        }
        Ok(pass)
    }

    /// A session that is proven to work, or why there is none.
    async fn open_session(&self, username: &str, password: &SecretString) -> Result<Result<Pass, NoSession>, Error> {
        let form = [("user", username), ("pass", password.expose_secret()), ("next", "1")];
        let page = self.url(&["NoAuth", "Login.html"]);
        let known = self.site.get();
        let web_url = known.as_ref().and_then(|site| site.web_url());
        // Asked for where RT has $RestrictLoginReferrer.
        let referer = web_url.and_then(|url| url.join("NoAuth/Login.html").ok()).unwrap_or_else(|| page.clone());
        let request = self.http.post(page).header(REFERER, referer.as_str()).form(&form);
        let answer = self.exchange(Operation::LogIn, request).await?.without(&password_secrets(username, password));
        let http_status = answer.http_status;
        let Some(cookie) = answer.cookies.filter(|_| http_status < 500) else {
            return Ok(Err(NoSession {
                why: format!("its page NoAuth/Login.html answers {http_status} without a session"),
                fix: "Let the relay POST to that page".to_owned(),
            }));
        };
        let mut origins: Vec<_> = web_url.into_iter().chain([&self.settings.url]).map(origin_of).collect();
        origins.dedup();
        let mut refused = None;
        for origin in origins {
            let pass = Pass::new(Kind::Session { cookie: cookie.clone(), origin: origin.clone() });
            let proof = self.prove(&pass).await?;
            match proof.http_status {
                403 => refused = Some((pass, origin, proof.message())),
                _ if proof.is_well() => return Ok(Ok(pass)),
                http_status => {
                    return Ok(Err(NoSession {
                        why: format!("it does not take the session that its login page gave ({http_status})"),
                        fix: "Check in RT's log why; $WebRemoteUserAuth and $RestrictLoginReferrer may forbid it"
                            .to_owned(),
                    }));
                }
            }
        }
        Ok(Err(self.why_refused(refused).await))
    }

    /// RT takes the session, but nothing unsafe from it.
    async fn why_refused(&self, refused: Option<(Pass, String, String)>) -> NoSession {
        let Some((pass, origin, message)) = refused else { return NoSession::default() };
        self.end(&pass).await;
        NoSession {
            why: format!("it refuses a session's POST that names the origin {origin} ({message})"),
            fix: "Set $WebDomain and $WebPort in RT to what RTIR_URL says, or add that host and port to \
                  @ReferrerWhitelist"
                .to_owned(),
        }
    }

    /// A harmless request of an unsafe method, which needs no right: a search for a custom field. What RT would refuse of
    /// a session later, it refuses here.
    pub(super) async fn prove(&self, pass: &Pass) -> Result<Answer, Error> {
        let named = [wire::Condition { field: "Name", value: ALERT_ID_FIELD }];
        let request = self.http.post(self.url(&["REST", "2.0", "customfields"])).json(&named);
        self.exchange_with(pass, Operation::LogIn, request).await
    }

    /// Asks RT for its queues, which say its own address, too. What is no such list is an RT of which nothing is known.
    pub(super) async fn learn(&self, pass: &Pass) -> Result<Arc<Site>, Error> {
        let get = |page: usize| {
            let mut url = self.url(&["REST", "2.0", "queues", "all"]);
            Site::page(&mut url, page);
            self.exchange_with(pass, Operation::LogIn, self.http.get(url))
        };
        let site = match Site::read(get).await {
            Ok(site) => site,
            Err(error @ Error::Answer { .. }) => unknown(&error),
            Err(Error::Status { answer, .. }) if matches!(answer.http_status, 300..=407 | 409..=428 | 430..=499) => {
                unknown(&format_args!("{} {}", answer.http_status, answer.message))
            }
            Err(error) => return Err(error),
        };
        Ok(self.site.set(site))
    }

    pub(super) async fn end(&self, pass: &Pass) {
        if pass.is_session() {
            let request = self.http.get(self.url(&["NoAuth", "Logout.html"]));
            if let Err(error) = self.exchange_with(pass, Operation::LogIn, request).await {
                debug!("could not log out of RT: {error}");
            }
        }
    }
}

/// An RT that does not list its queues.
fn unknown(because: &dyn std::fmt::Display) -> Site {
    debug!("RT does not list its queues: {because}");
    Site::default()
}

/// As the header `Origin` has it.
fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}
