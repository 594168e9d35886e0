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
use super::pass::{Kind, Pass};
use super::site::Site;
use super::way::NoSession;
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
    /// where there is no session it is asked with the password in the request, which also tells RT's own address.
    async fn log_in(&self, username: &str, password: &SecretString) -> Result<Pass, Error> {
        let mut because = match self.open_session(username, password).await? {
            Ok(pass) => return Ok(pass),
            Err(because) => because,
        };
        let before = self.web_url();
        let by_password =
            |because| Pass::new(Kind::Password { username: username.to_owned(), password: password.clone(), because });
        self.learn(&by_password(NoSession::default())).await?;
        if self.web_url() != before {
            because = match self.open_session(username, password).await? {
                Ok(pass) => return Ok(pass),
                Err(because) => because,
            };
        }
        let pass = by_password(because.clone());
        if !self.warned_of_no_session.swap(true, Ordering::Relaxed) {
            let NoSession { why, fix } = because;
            warn!("RT gives {username} no session, so every request costs RT a password check (0.2 s): {why}. {fix}");
        }
        Ok(pass)
    }

    /// RT's own URL of itself, as far as it is known.
    fn web_url(&self) -> Option<Url> {
        self.site.get().and_then(|site| site.web_url().cloned())
    }

    /// A session that is proven to work, or why there is none. What RT says of itself is learnt by it, where that is not
    /// known or old: reading is free to a session.
    async fn open_session(&self, username: &str, password: &SecretString) -> Result<Result<Pass, NoSession>, Error> {
        let form = [("user", username), ("pass", password.expose_secret()), ("next", "1")];
        let page = self.url(&["NoAuth", "Login.html"]);
        // Asked for where RT has $RestrictLoginReferrer.
        let referer = self.web_url().and_then(|url| url.join("NoAuth/Login.html").ok());
        let referer = referer.as_ref().unwrap_or(&page).to_string();
        let request = self.http.post(page).header(REFERER, referer).form(&form);
        let answer = self.exchange(Operation::LogIn, request).await?.without(&password_secrets(username, password));
        let http_status = answer.http_status;
        let Some(cookie) = answer.cookies.filter(|_| http_status < 500) else {
            return Ok(Err(NoSession {
                why: format!("its page NoAuth/Login.html answers {http_status} without a session"),
                fix: "Let the relay POST to that page".to_owned(),
            }));
        };
        let session = |origin: &str| Pass::new(Kind::Session { cookie: cookie.clone(), origin: origin.to_owned() });
        let given = origin_of(&self.settings.url);
        if self.is_site_old() {
            match self.learn(&session(&given)).await {
                Ok(_) => {}
                Err(error @ Error::Transport { .. }) => return Err(error),
                Err(error) => return Ok(Err(not_taken(&error.to_string()))),
            }
        }
        let mut origins: Vec<_> = self.web_url().iter().map(origin_of).chain([given]).collect();
        origins.dedup();
        let mut refusal = None;
        for origin in &origins {
            let pass = session(origin);
            let proof = self.prove(&pass).await?;
            match proof.http_status {
                403 => refusal = Some((pass, proof.message())),
                _ if proof.is_well() => {
                    debug!("logged in to RT as {username}");
                    return Ok(Ok(pass));
                }
                http_status => return Ok(Err(not_taken(&format!("it answers {http_status}")))),
            }
        }
        let Some((pass, message)) = refusal else { return Ok(Err(NoSession::default())) };
        self.end(&pass).await;
        Ok(Err(refused(&origins.join(" and "), &message, self.web_url().is_some())))
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
            Err(error @ Error::Answer { .. }) => self.unknown(&error),
            Err(Error::Status { answer, .. }) if matches!(answer.http_status, 400..=407 | 409..=428 | 430..=499) => {
                self.unknown(&format_args!("{} {}", answer.http_status, answer.message))
            }
            Err(error) => return Err(error),
        };
        Ok(self.site.set(site))
    }

    /// An RT that does not list its queues: it is as it was known.
    fn unknown(&self, because: &dyn std::fmt::Display) -> Site {
        debug!("RT does not list its queues: {because}");
        self.site.get().map(|site| Site::clone(&site)).unwrap_or_default()
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

/// RT does not take a session that its own login page gave.
fn not_taken(why: &str) -> NoSession {
    NoSession {
        why: format!("it does not take the session that its login page gave: {why}"),
        fix: "Check in RT's log why ($WebRemoteUserAuth and $RestrictLoginReferrer may forbid it), and that what stands in \
              front of RT passes its cookie"
            .to_owned(),
    }
}

/// RT takes the session, but nothing unsafe from it, whichever of `origins` is named. `knows_itself`: RT's own was one.
fn refused(origins: &str, message: &str, knows_itself: bool) -> NoSession {
    let fix = if knows_itself {
        "Let what stands in front of RT pass the header Origin; RT's log says what it got (Possible CSRF)"
    } else {
        "Grant the service user SeeQueue on the RT queue, so that RT shows its own address; or add host and port of \
         RTIR_URL to @ReferrerWhitelist in RT"
    };
    NoSession {
        why: format!("it refuses a session's POST that names the origin {origins} ({message})"),
        fix: fix.to_owned(),
    }
}

/// As the header `Origin` has it.
fn origin_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}
