//! What RT's answers say: the judgement of each, without the exchange that brought it.

use std::time::Duration;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, RETRY_AFTER, SET_COOKIE};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::error::{Error, Flaw, Operation, QueueFlaw};
use super::wire::{Page, RtQueue, ShownKey, Ticket};
use crate::outcome::RtAnswer;
use crate::protocol;
use crate::reach::tls;
use crate::ticket::{AlertKey, RtQueueName, TicketId};

/// The longest text that is shown of an answer, in bytes.
const MAX_MESSAGE_BYTES: usize = 2048;

/// An answer, whole.
pub struct Answer {
    pub(super) http_status: u16,
    /// Whether the body says that it is JSON.
    pub(super) is_json: bool,
    /// The clock of who answers.
    pub(super) date: Option<Timestamp>,
    /// What the server showed of itself, where the connection is by TLS.
    pub(super) certificate: Option<tls::Certificate>,
    /// `name=value` of each cookie set, joined as a request sends them.
    pub(super) cookies: Option<SecretString>,
    /// The header `ETag`.
    pub(super) version: Option<String>,
    retry_after: Option<Duration>,
    body: Vec<u8>,
    /// What must not be shown, should RT (or who stands before it) repeat the request.
    secrets: Vec<SecretString>,
}

/// RT's words on why it refuses something.
#[derive(Deserialize)]
struct Message {
    message: String,
}

/// A ticket as the search shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What the protocol goes by.
    pub seen: protocol::Hit,
    /// Its subject.
    pub subject: String,
    /// The addresses of its Requestors, as far as the search shows them.
    pub requestors: Option<Vec<String>>,
}

impl Answer {
    /// An answer as it came.
    pub fn new(http_status: u16, headers: &HeaderMap, body: Vec<u8>) -> Self {
        Self {
            http_status,
            is_json: header(headers, &CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json")),
            date: header(headers, &DATE).and_then(http_date),
            certificate: None,
            cookies: cookies(headers),
            version: header(headers, &ETAG).map(str::to_owned),
            retry_after: retry_after(headers),
            body,
            secrets: Vec::new(),
        }
    }

    /// The answer of who showed `certificate`.
    pub(super) fn by(self, certificate: Option<tls::Certificate>) -> Self {
        Self { certificate, ..self }
    }

    /// The answer, of which nothing is shown that has one of `secrets` in it.
    pub fn without(mut self, secrets: &[SecretString]) -> Self {
        self.secrets.extend_from_slice(secrets);
        self
    }

    /// The answer as an error of `operation`.
    pub fn into_error(self, operation: Operation) -> Error {
        if self.http_status == 401 {
            return Error::Credentials(operation);
        }
        let answer = RtAnswer { http_status: self.http_status, message: self.message() };
        Error::Status { operation, answer, by_rt: self.is_by_rt(), retry_after: self.retry_after }
    }

    /// Whether RT itself says why, rather than what stands in front of it: in JSON with a `message`. Source: RT 5,
    /// `RT::REST2::Util::error_as_json`.
    fn is_by_rt(&self) -> bool {
        serde_json::from_slice::<Message>(&self.body).is_ok()
    }

    /// RT's own words: the `message` of its JSON, else the text with tags stripped; at most 2 KiB on one line.
    pub fn message(&self) -> String {
        let text = match serde_json::from_slice(&self.body) {
            Ok(Message { message }) => self.hide_secrets(message),
            Err(_) => strip_tags(&self.hide_secrets(String::from_utf8_lossy(&self.body).into_owned())),
        };
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let mut text = words.collect::<Vec<_>>().join(" ");
        text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
        text
    }

    /// That RT answers and takes the credentials.
    ///
    /// # Errors
    /// It does not.
    pub fn well(self, operation: Operation) -> Result<(), Error> {
        self.json(operation, 200).map(|IgnoredAny| ())
    }

    /// Whether RT answers, and did what it was asked.
    pub(super) fn is_well(&self) -> bool {
        self.http_status == 200 && self.is_object()
    }

    /// `rt_queue`, which was looked at, if it takes tickets of the user.
    ///
    /// # Errors
    /// It does not.
    pub fn takes_tickets(self, rt_queue: &RtQueueName) -> Result<RtQueue, Error> {
        let unfit = |flaw| Err(Error::RtQueue { rt_queue: rt_queue.clone(), flaw });
        if self.http_status == 404 || (self.http_status == 403 && self.is_by_rt()) {
            return unfit(QueueFlaw::NotVisible);
        }
        let queue: RtQueue = self.json(Operation::Look, 200)?;
        match (queue.enabled(), queue.takes_tickets()) {
            (true, true) => Ok(queue),
            (false, _) => unfit(QueueFlaw::Disabled),
            (true, false) => unfit(QueueFlaw::TakesNoTicket),
        }
    }

    /// The ticket that was created. Its id is the proof, never the status alone.
    ///
    /// # Errors
    /// RT did not say that it made one. By the error's class it may have, all the same.
    pub fn created(self) -> Result<TicketId, Error> {
        let operation = Operation::Create;
        let made: Ticket = self.json(operation, 201)?;
        made.id().ok_or_else(|| Error::Answer { operation, what: "201 without a ticket id".to_owned() })
    }

    /// The tickets on one page of a search for `keys`: the hits of each, and how many there are with those of other keys,
    /// which RT's search takes for equal.
    ///
    /// # Errors
    /// RT did not search.
    pub fn hits(self, keys: &[AlertKey]) -> Result<(Vec<Vec<Hit>>, usize), Error> {
        let Page::<Ticket> { items } = self.json(Operation::Find, 200)?;
        let is_only_key = keys.len() == 1;
        let of = |key| items.iter().filter_map(|item| Hit::of(item, key, is_only_key).transpose()).collect();
        Ok((keys.iter().map(of).collect::<Result<_, _>>()?, items.len()))
    }

    /// The ticket that was read, or the one that it is merged into.
    ///
    /// # Errors
    /// It may not be seen, is deleted, or RT did not answer.
    pub fn ticket(self, asked: TicketId) -> Result<Ticket, Error> {
        match self.http_status {
            403 if self.is_by_rt() => return Err(Error::Unproven { ticket: asked, flaw: Flaw::NotVisible }),
            404 => return Err(Error::Gone(asked)),
            _ => {}
        }
        let shown: Ticket = self.json(Operation::Read, 200)?;
        // The search leaves such a ticket out.
        if shown.is_deleted() { Err(Error::Gone(asked)) } else { Ok(shown) }
    }

    /// RT's words on a merge that it was asked for: it answers 200 even when it refuses.
    ///
    /// # Errors
    /// It is not RT that answers, RT could not be asked, or the ticket has changed since it was read (412).
    pub fn merge_words(self) -> Result<String, Error> {
        let operation = Operation::Merge;
        match self.http_status {
            403 if !self.is_by_rt() => Err(self.into_error(operation)),
            401 | 412 | 429 | 502..=504 => Err(self.into_error(operation)),
            _ => Ok(self.message()),
        }
    }

    /// The answer, if the status is `wanted`.
    pub(super) fn with_status(self, operation: Operation, wanted: u16) -> Result<Self, Error> {
        match self.http_status {
            status if status == wanted => Ok(self),
            // A success that is not the one asked for: who answered is not RT.
            200..=299 => Err(Error::Answer { operation, what: format!("HTTP status {}", self.http_status) }),
            _ => Err(self.into_error(operation)),
        }
    }

    /// The JSON object in the body, if the status is `wanted`.
    pub(super) fn json<T: DeserializeOwned>(self, operation: Operation, wanted: u16) -> Result<T, Error> {
        let answer = self.with_status(operation, wanted)?;
        // serde takes an array for a struct, its items by their places.
        if !answer.is_object() {
            return Err(Error::Answer { operation, what: "it is no JSON object".to_owned() });
        }
        serde_json::from_slice(&answer.body).map_err(|error| Error::Answer { operation, what: misfit(&error) })
    }

    /// Whether the body begins as a JSON object does.
    fn is_object(&self) -> bool {
        self.body.trim_ascii_start().first() == Some(&b'{')
    }

    fn hide_secrets(&self, text: String) -> String {
        let secrets = self.secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty());
        secrets.fold(text, |text, secret| text.replace(secret, "[secret]"))
    }
}

impl Hit {
    /// `ticket` as a hit for `key`; `None` if it has another key, which RT's search takes for equal, or if it shows none and
    /// `key` is not the only one that was searched for.
    fn of(ticket: &Ticket, key: &AlertKey, is_only_key: bool) -> Result<Option<Self>, Error> {
        let shows_key = ticket.has_key(key);
        let may_be_its = is_only_key && ticket.key() == ShownKey::NoField;
        if !shows_key && !may_be_its {
            return Ok(None);
        }
        let (Some(id), Some(leads_to)) = (ticket.id(), ticket.effective_id()) else {
            let what = "a ticket without id or EffectiveId".to_owned();
            return Err(Error::Answer { operation: Operation::Find, what });
        };
        let seen = protocol::Hit { id, leads_to, shows_key };
        Ok(Some(Self { seen, subject: ticket.subject().to_owned(), requestors: ticket.requestors() }))
    }
}

/// RT's session cookie is taken as it is: its name holds RT's name and port, and RT may mark it `Secure` although the
/// relay reaches RT over plain HTTP behind its web server, where a cookie jar would not send it.
fn cookies(headers: &HeaderMap) -> Option<SecretString> {
    let headers = headers.get_all(SET_COOKIE).iter();
    let pairs: Vec<_> = headers.filter_map(|header| header.to_str().ok()?.split(';').next()).collect();
    (!pairs.is_empty()).then(|| pairs.join("; ").into())
}

/// Seconds or a date. Source: RFC 9110, section 10.2.3.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header(headers, &RETRY_AFTER)?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(text)?.duration_since(Timestamp::now());
    Duration::try_from(wait.max(SignedDuration::ZERO)).ok()
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn http_date(text: &str) -> Option<Timestamp> {
    Some(rfc2822::parse(text).ok()?.timestamp())
}

/// Where a body stops making sense. Not in serde's words, which quote the body at any length.
fn misfit(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "its JSON is not what was asked for" } else { "it is not JSON" };
    format!("{what}, from line {} column {} on", error.line(), error.column())
}

fn strip_tags(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}
