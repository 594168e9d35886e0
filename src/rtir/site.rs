//! What RT says of itself, whatever name it is reached by: its own address, its queues, and the addresses at which it
//! receives mail.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;
use url::{Origin, Url};

use super::answer::Answer;
use super::error::{Error, Operation};
use super::wire::{MAX_PAGES, PER_PAGE, Page, read_id};
use crate::ticket::{EmailAddress, RtAddresses, RtQueueName};

/// After so many pages of the list without a queue that the user may see there are none.
const EMPTY_PAGES: usize = 3;

/// An RT, as the service user sees it.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// RT's `WebURL`, with a slash at the end; `None` where RT shows no queue, whose `_url` says it.
    web_url: Option<Url>,
    queues: Vec<Queue>,
    addresses: RtAddresses,
}

/// An RT queue in the list of those that the user may see.
#[derive(Clone, Debug, Deserialize)]
struct Queue {
    id: Value,
    #[serde(rename = "Name", default)]
    name: Value,
    #[serde(rename = "CorrespondAddress", default)]
    correspond_address: Value,
    #[serde(rename = "CommentAddress", default)]
    comment_address: Value,
    #[serde(rename = "Disabled", default)]
    disabled: Value,
    #[serde(rename = "_url", default)]
    url: Value,
}

impl Queue {
    fn is_disabled(&self) -> bool {
        self.disabled == "1" || self.disabled == 1
    }
}

impl Site {
    /// What the list of queues says, whose pages `get` gets: from 1 on, by the query of [`Site::page`]. RT cuts the pages
    /// before it leaves out what the user may not see, so that none is the last because it is not full. Source: RT 5,
    /// `RT::REST2::Resource::Collection`.
    ///
    /// # Errors
    /// RT did not answer, or with no such list.
    pub(super) async fn read<F>(get: impl Fn(usize) -> F) -> Result<Self, Error>
    where
        F: Future<Output = Result<Answer, Error>>,
    {
        let (mut site, mut empty) = (Self::default(), 0);
        for page in 1..=MAX_PAGES {
            empty = if site.add(get(page).await?)? > 0 { 0 } else { empty + 1 };
            if empty == EMPTY_PAGES {
                break;
            }
        }
        let given = site.queues.iter().flat_map(|queue| [&queue.correspond_address, &queue.comment_address]);
        let given = given.filter_map(Value::as_str).filter_map(|text| EmailAddress::parse(text.trim()).ok());
        site.addresses = given.collect();
        Ok(site)
    }

    /// Completes the URL of the list of queues. By number, and disabled ones with the others: so that it only grows, at its
    /// end, while its pages are read, and nothing moves from a page that is not read yet to one that is.
    pub(super) fn page(url: &mut Url, page: usize) {
        url.query_pairs_mut()
            .append_pair("fields", "Name,CorrespondAddress,CommentAddress,Disabled")
            .append_pair("find_disabled_rows", "1")
            .append_pair("orderby", "id")
            .append_pair("per_page", &PER_PAGE.to_string())
            .append_pair("page", &page.to_string());
    }

    /// Adds a page of the list; how many queues were on it.
    fn add(&mut self, page: Answer) -> Result<usize, Error> {
        let Page::<Queue> { items } = page.json(Operation::LogIn, 200)?;
        let count = items.len();
        for queue in items {
            if self.web_url.is_none() {
                self.web_url = queue.url.as_str().and_then(web_url);
            }
            if !queue.is_disabled() {
                self.queues.push(queue);
            }
        }
        Ok(count)
    }

    /// RT's own URL of itself (`WebURL`), if it is known.
    pub(super) fn web_url(&self) -> Option<&Url> {
        self.web_url.as_ref()
    }

    /// The number of the queue of this name. RT compares names without case.
    pub(super) fn number_of(&self, rt_queue: &RtQueueName) -> Option<u64> {
        let named = |queue: &&Queue| {
            queue.name.as_str().is_some_and(|name| name.to_lowercase() == rt_queue.as_str().to_lowercase())
        };
        self.queues.iter().find(named).and_then(|queue| read_id(&queue.id)).map(|id| id.0)
    }

    /// The names of the queues.
    pub fn queue_names(&self) -> impl Iterator<Item = &str> {
        self.queues.iter().filter_map(|queue| queue.name.as_str())
    }

    /// The addresses at which RT itself receives mail, as far as its queues name them. RT mails none of them.
    pub fn addresses(&self) -> &RtAddresses {
        &self.addresses
    }
}

/// RT's `WebURL` in the `_url` of something that REST 2.0 shows. Source: RT 5, `RT::REST2::Util::expand_uid`.
fn web_url(url: &str) -> Option<Url> {
    let (before, _) = url.split_once("/REST/2.0/")?;
    Url::parse(&format!("{before}/")).ok().filter(|url| matches!(url.origin(), Origin::Tuple(..)))
}

/// What is known of RT, once for all workers.
#[derive(Default)]
pub(super) struct KnownSite(RwLock<Option<(Arc<Site>, Instant)>>);

impl KnownSite {
    pub(super) fn get(&self) -> Option<Arc<Site>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|(site, _)| Arc::clone(site))
    }

    pub(super) fn set(&self, site: Site) -> Arc<Site> {
        let site = Arc::new(site);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(&site), Instant::now()));
        site
    }

    /// Whether it has to be asked for: it never was, or long ago.
    pub(super) fn is_older_than(&self, age: Duration) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_none_or(|(_, since)| since.elapsed() > age)
    }
}
