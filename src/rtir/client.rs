//! What the protocol asks of RT, one request each; and whether RT and its queue are well.

use std::sync::Arc;

use reqwest::Method;
use url::Url;

use super::answer::{Answer, Hit};
use super::error::{Error, Operation, QueueFlaw};
use super::http::BuildError;
use super::session::Session;
use super::site::Site;
use super::wire::{self, MAX_PAGES, MergeInto, PER_PAGE, RtQueue, Ticket};
use crate::config::Rtir;
use crate::metrics::Metrics;
use crate::ticket::{AlertKey, NewTicket, RtQueueName, TicketId};

/// What a search shows of a ticket.
const SHOWN: &str = "CustomFields,EffectiveId,Subject,Requestor";

/// One worker's way to RT, with its own session.
pub struct Client {
    pub(super) session: Session,
}

/// A ticket as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The ticket itself, or the one that it is merged into.
    pub leads_to: TicketId,
    /// Names its state: another after each change. Source: RT 5, header `ETag` of a ticket.
    pub version: Option<String>,
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

    /// All tickets of exactly this key, and those found by it that show no such field; lowest id first.
    ///
    /// # Errors
    /// RT did not answer the search.
    pub async fn search(&self, key: &AlertKey) -> Result<Vec<Hit>, Error> {
        let found = self.search_each(std::slice::from_ref(key)).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The tickets of each of `keys`, in their order, by one search; lowest id first. Of several keys only tickets that show
    /// theirs are found.
    ///
    /// # Errors
    /// RT did not answer the search.
    pub async fn search_each(&self, keys: &[AlertKey]) -> Result<Vec<Vec<Hit>>, Error> {
        let operation = Operation::Find;
        let mut found = vec![Vec::new(); keys.len()];
        for page in 1..=MAX_PAGES {
            let url = self.tickets(&wire::query(keys), SHOWN, page);
            let (on_page, tickets) = self.get(operation, url).await?.hits(keys)?;
            for (hits, more) in found.iter_mut().zip(on_page) {
                hits.extend(more);
            }
            if tickets < PER_PAGE {
                for hits in &mut found {
                    hits.sort_by_key(|hit| hit.seen.id);
                }
                return Ok(found);
            }
        }
        Err(Error::Answer { operation, what: format!("more than {MAX_PAGES} pages of tickets") })
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

    /// What `ticket` leads to.
    ///
    /// # Errors
    /// It may not be seen, is deleted, or RT did not answer.
    pub async fn read(&self, ticket: TicketId) -> Result<Read, Error> {
        let answer = self.get(Operation::Read, self.rest(&["ticket", &ticket.to_string()])).await?;
        let version = answer.version.clone();
        let leads_to = answer.ticket(ticket)?.merged_into(ticket).unwrap_or(ticket);
        Ok(Read { leads_to, version })
    }

    /// Asks RT to merge `double`, as long as it is as it was when it was `read`: RT would else merge the ticket that it is
    /// merged into meanwhile. Returns RT's words, which are alike whether it merged or would not: only another look tells.
    ///
    /// # Errors
    /// RT did not answer, or the double has changed.
    pub async fn merge(&self, double: TicketId, into: TicketId, read: Option<&Read>) -> Result<String, Error> {
        let operation = Operation::Merge;
        let url = self.rest(&["ticket", &double.to_string()]);
        let version = read.and_then(|read| read.version.as_deref());
        let body = MergeInto { merge_into: into.0 };
        self.session.send_if(version, operation, Method::PUT, url, Some(&body)).await?.merge_words()
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

    /// `ticket` as RT shows it.
    pub(super) async fn show_ticket(&self, ticket: TicketId) -> Result<Ticket, Error> {
        self.get(Operation::Read, self.rest(&["ticket", &ticket.to_string()])).await?.ticket(ticket)
    }

    /// One page of a search for tickets, lowest id first, with `fields` of each.
    pub(super) fn tickets(&self, query: &str, fields: &str, page: usize) -> Url {
        let mut url = self.rest(&["tickets"]);
        url.query_pairs_mut()
            .append_pair("query", query)
            .append_pair("fields", fields)
            .append_pair("fields[Requestor]", "EmailAddress")
            .append_pair("orderby", "id")
            .append_pair("order", "ASC")
            .append_pair("per_page", &PER_PAGE.to_string())
            .append_pair("page", &page.to_string());
        url
    }

    /// A URL below RT's REST 2.0.
    pub(super) fn rest(&self, path: &[&str]) -> Url {
        self.session.url(&[&["REST", "2.0"], path].concat())
    }

    pub(super) async fn get(&self, operation: Operation, url: Url) -> Result<Answer, Error> {
        self.session.send(operation, Method::GET, url, None::<&()>).await
    }
}
