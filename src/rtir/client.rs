//! The steps of the protocol, each one request or a few.

use std::collections::BTreeSet;
use std::sync::Arc;

use reqwest::Method;
use tracing::{debug, error, info, warn};
use url::Url;

use super::answer::{Answer, Hit};
use super::error::{Error, Flaw, Operation, QueueFlaw};
use super::http::BuildError;
use super::session::Session;
use super::site::Site;
use super::wire::{self, CustomField, MergeInto, RtQueue, SetKey, Ticket};
use crate::config::Rtir;
use crate::metrics::Metrics;
use crate::ticket::{ALERT_ID_FIELD, AlertKey, NewTicket, RtQueueName, TicketId};

/// The most items RT puts on a page.
pub(super) const PER_PAGE: usize = 100;
/// Keys that differ only in case come in one answer. So many pages of them are read.
pub(super) const MAX_PAGES: usize = 100;

/// What a search shows of a ticket.
const SHOWN: &str = "CustomFields,EffectiveId,Subject,Requestor";

/// One worker's way to RT, with its own session.
pub struct Client {
    pub(super) session: Session,
}

/// A ticket that has the key already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The ticket, or the one it is merged into.
    pub ticket: TicketId,
    /// Its subject.
    pub subject: String,
    /// The addresses of its Requestors, as far as RT shows them.
    pub requestors: Option<Vec<String>>,
}

/// The one ticket that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The ticket.
    pub ticket: TicketId,
    /// Whether the one that was just made was merged into it.
    pub merged: bool,
    /// The addresses of the Requestors that RT stored with the one that was just made, as far as RT shows them.
    pub requestors: Option<Vec<String>>,
}

impl Kept {
    /// The ticket that somebody else has merged the one into that was just made.
    fn into(ticket: TicketId) -> Self {
        Self { ticket, merged: true, requestors: None }
    }
}

impl Client {
    /// A client that has not logged in yet and counts its requests in `metrics`.
    ///
    /// # Errors
    /// TLS or the proxy cannot be set up as configured.
    pub fn new(settings: Arc<Rtir>, metrics: Arc<Metrics>) -> Result<Self, BuildError> {
        Ok(Self { session: Session::new(settings, metrics)? })
    }

    /// Another worker's client, with a session of its own.
    pub fn another(&self) -> Self {
        Self { session: self.session.another() }
    }

    /// Probes whether RT answers and its queue would take a ticket. RT is known then: see [`Client::known_site`].
    ///
    /// # Errors
    /// It does not, or would not.
    pub async fn probe(&self) -> Result<(), Error> {
        let operation = Operation::Look;
        self.get(operation, self.rest(&["rt"])).await?.well(operation)?;
        self.session.site().await?;
        self.queue().await.map(drop)
    }

    /// What RT has said of itself; `None` if it was not asked yet.
    pub fn known_site(&self) -> Option<Arc<Site>> {
        self.session.known_site()
    }

    /// What RT says of itself.
    ///
    /// # Errors
    /// RT did not answer, or refuses the credentials.
    pub async fn site(&self) -> Result<Arc<Site>, Error> {
        self.session.site().await
    }

    /// The RT queue that tickets are made in, if it would take one.
    pub(super) async fn queue(&self) -> Result<RtQueue, Error> {
        let rt_queue = &self.session.settings().rt_queue;
        let answer = self.get(Operation::Look, self.url_of_queue(rt_queue).await?).await?;
        answer.takes_tickets(rt_queue)
    }

    /// RT's REST 2.0 knows no queue by a name with a slash, however it is written: such a queue is asked for by its
    /// number.
    async fn url_of_queue(&self, rt_queue: &RtQueueName) -> Result<Url, Error> {
        let name = rt_queue.as_str();
        if !name.contains('/') {
            return Ok(self.rest(&["queue", name]));
        }
        let known = self.session.site().await?.number_of(rt_queue);
        let number = match known {
            Some(number) => Some(number),
            None => self.session.site_anew().await?.number_of(rt_queue),
        };
        let unseen = || Error::RtQueue { rt_queue: rt_queue.clone(), flaw: QueueFlaw::NotVisible };
        Ok(self.rest(&["queue", &number.ok_or_else(unseen)?.to_string()]))
    }

    /// The ticket that has `key`, if there is one. Doubles of it that a crash left behind are merged on the way.
    ///
    /// # Errors
    /// RT did not answer the search, or could not be asked to merge.
    pub async fn find(&self, key: &AlertKey) -> Result<Option<Found>, Error> {
        let hits = self.search(key).await?;
        if hits.iter().filter(|hit| hit.is_double()).count() > 1 {
            self.keep_lowest(&hits).await?;
        }
        let hit = hits.iter().find(|hit| hit.shows_key).or(hits.first());
        Ok(hit.map(|hit| Found {
            ticket: hit.effective_id,
            subject: hit.subject.clone(),
            requestors: hit.requestors.clone(),
        }))
    }

    /// Creates `ticket`.
    ///
    /// # Errors
    /// RT did not say that it made one. By the error's class it may have, all the same.
    pub async fn create(&self, ticket: &NewTicket) -> Result<TicketId, Error> {
        let operation = Operation::Create;
        let body = wire::create_ticket(ticket);
        self.session.send(operation, Method::POST, self.rest(&["ticket"]), Some(&body)).await?.created()
    }

    /// Proves that `ticket`, just made, is found by its key, and merges all tickets of this key but the lowest.
    ///
    /// Being found is the proof: RT shows nothing of a key it has dropped, nor of a ticket that the user may not see.
    ///
    /// # Errors
    /// [`Error::Unproven`] if the search does not find it; else RT could not be asked.
    pub async fn verify(&self, ticket: TicketId, key: &AlertKey) -> Result<Kept, Error> {
        let hits = self.search(key).await?;
        let Some(hit) = hits.iter().find(|hit| hit.id == ticket) else {
            return self.why_not_found(ticket, key).await;
        };
        let lowest = self.keep_lowest(&hits).await?;
        let kept = if hit.is_merged() { hit.effective_id } else { lowest.unwrap_or(ticket) };
        Ok(Kept { ticket: kept, merged: kept != ticket, requestors: hit.requestors.clone() })
    }

    /// Writes `key` on a ticket that was made without it, and proves that it is found by it.
    ///
    /// # Errors
    /// It is not, or RT could not be asked.
    pub async fn mend(&self, ticket: TicketId, key: &AlertKey) -> Result<Kept, Error> {
        let operation = Operation::SetKey;
        // What is written on a ticket that somebody has merged lands on the one it is merged into.
        if let Some(into) = self.read(ticket).await?.merged_into(ticket) {
            warn!(rt.ticket_id = into.0, "ticket {ticket} lost its key {key} for good: it is merged into {into}");
            return Ok(Kept::into(into));
        }
        let url = self.rest(&["ticket", &ticket.to_string()]);
        let answer = self.session.send(operation, Method::PUT, url, Some(&SetKey::to(key))).await?;
        // RT answers 200 and a text whatever came of it: the proof decides.
        debug!(http.status = answer.http_status, "wrote the key on ticket {ticket}: {}", answer.message());
        self.verify(ticket, key).await
    }

    /// Proves that RT takes the credentials. RT is known then: see [`Client::known_site`].
    ///
    /// # Errors
    /// RT refuses them or did not answer.
    pub async fn log_in(&self) -> Result<(), Error> {
        self.get(Operation::LogIn, self.rest(&["rt"])).await?.well(Operation::LogIn)?;
        self.session.site().await.map(drop)
    }

    /// Ends the session, if there is one.
    pub async fn log_out(&self) {
        self.session.log_out().await;
    }

    pub(super) async fn read(&self, ticket: TicketId) -> Result<Ticket, Error> {
        self.get(Operation::Read, self.rest(&["ticket", &ticket.to_string()])).await?.ticket(ticket)
    }

    /// Why the search does not find a ticket that was made. RT says nothing of its own, so it is asked what the user
    /// may see. A ticket that somebody has just merged into another of their own is well.
    async fn why_not_found(&self, ticket: TicketId, key: &AlertKey) -> Result<Kept, Error> {
        let shown = self.read(ticket).await?;
        if let Some(into) = shown.merged_into(ticket) {
            return Ok(Kept::into(into));
        }
        let flaw = if shown.has_key(key) { Flaw::NotFound } else { self.why_keyless(&shown).await };
        Err(Error::Unproven { ticket, flaw })
    }

    async fn why_keyless(&self, ticket: &Ticket) -> Flaw {
        let operation = Operation::Read;
        let rt_queue = ticket.queue().unwrap_or_default().to_string();
        let queue: Result<RtQueue, _> =
            self.get(operation, self.rest(&["queue", &rt_queue])).await.and_then(|answer| answer.json(operation, 200));
        match queue.map(|queue| queue.fields_named(ALERT_ID_FIELD)) {
            Ok(fields) if !fields.is_empty() => {
                self.why_field_unfit(&fields).await.unwrap_or_default().unwrap_or(Flaw::FieldNotWritten)
            }
            _ => self.why_no_field().await.unwrap_or(Flaw::FieldNotOnQueue),
        }
    }

    /// What is wrong with the field of the key, which the RT queue has as `fields`; `None` if nothing is.
    pub(super) async fn why_field_unfit(&self, fields: &[u64]) -> Result<Option<Flaw>, Error> {
        let operation = Operation::Read;
        let [field] = fields else { return Ok((fields.len() > 1).then_some(Flaw::FieldTwice)) };
        let url = self.rest(&["customfield", &field.to_string()]);
        let field: CustomField = self.get(operation, url).await?.json(operation, 200)?;
        Ok(field.flaw())
    }

    /// Why the RT queue shows no field of the key.
    pub(super) async fn why_no_field(&self) -> Result<Flaw, Error> {
        Ok(if self.sees_field(ALERT_ID_FIELD).await? { Flaw::FieldNotOnQueue } else { Flaw::FieldNotVisible })
    }

    /// All tickets of exactly this key, and those found by it that show no such field; lowest id first.
    async fn search(&self, key: &AlertKey) -> Result<Vec<Hit>, Error> {
        let operation = Operation::Find;
        let mut hits = Vec::new();
        for page in 1..=MAX_PAGES {
            let mut url = self.rest(&["tickets"]);
            url.query_pairs_mut()
                .append_pair("query", &wire::query(key))
                .append_pair("fields", SHOWN)
                .append_pair("fields[Requestor]", "EmailAddress")
                .append_pair("orderby", "id")
                .append_pair("order", "ASC")
                .append_pair("per_page", &PER_PAGE.to_string())
                .append_pair("page", &page.to_string());
            let (on_page, tickets) = self.get(operation, url).await?.hits(key)?;
            hits.extend(on_page);
            if tickets < PER_PAGE {
                hits.sort_by_key(|hit| hit.id);
                return Ok(hits);
            }
        }
        Err(Error::Answer { operation, what: format!("more than {MAX_PAGES} pages of tickets") })
    }

    /// Merges every unmerged ticket of the key into the lowest, which is returned. What RT refuses to merge is logged.
    ///
    /// # Errors
    /// RT could not be asked: the doubles are still there.
    async fn keep_lowest(&self, hits: &[Hit]) -> Result<Option<TicketId>, Error> {
        let doubles: BTreeSet<_> = hits.iter().filter(|hit| hit.is_double()).map(|hit| hit.id).collect();
        let Some(kept) = doubles.first().copied() else { return Ok(None) };
        for double in doubles.into_iter().skip(1) {
            match self.merge(double, kept).await {
                Ok(()) => {
                    self.session.metrics().double_merged();
                    info!(rt.ticket_id = kept.0, "merged ticket {double} into {kept}: both of one alert");
                }
                Err(error) if error.is_refused_merge() => {
                    self.session.metrics().double_unmerged();
                    error!(
                        rt.ticket_id = kept.0,
                        "ticket {double} is a double of {kept} and could not be merged: {error}. \
                         Merge it by hand, and grant the service user ModifyTicket on its RT queue"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(kept))
    }

    /// Merges `double`, unless somebody has: RT would then merge the ticket that it is merged into. Judged by what
    /// came of it: RT answers 200 even when it refuses, and may merge although its answer is lost.
    async fn merge(&self, double: TicketId, into: TicketId) -> Result<(), Error> {
        let operation = Operation::Merge;
        if self.read(double).await?.merged_into(double).is_some() {
            return Ok(());
        }
        let url = self.rest(&["ticket", &double.to_string()]);
        let sent = self.session.send(operation, Method::PUT, url, Some(&MergeInto { merge_into: into.0 })).await;
        if self.read(double).await?.merged_into(double).is_some() {
            return Ok(());
        }
        Err(sent?.no_merge())
    }

    /// A URL below RT's REST 2.0.
    pub(super) fn rest(&self, path: &[&str]) -> Url {
        self.session.url(&[&["REST", "2.0"], path].concat())
    }

    pub(super) async fn get(&self, operation: Operation, url: Url) -> Result<Answer, Error> {
        self.session.send(operation, Method::GET, url, None::<&()>).await
    }
}
