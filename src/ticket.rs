//! The ticket in RT's own words. Pure: what a [`NewTicket`] holds can be sent to RT as it is.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// The custom field that carries the alert key on every ticket.
pub const ALERT_ID_FIELD: &str = "Alert ID";

/// The custom field that says when a ticket was handed over to trax; empty until then.
pub const REPORTED_FIELD: &str = "Reported";

/// A ticket that RT is asked to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTicket {
    /// RT's Queue.
    pub rt_queue: RtQueueName,
    /// RT's Subject.
    pub subject: Subject,
    /// The text of the first message, plain.
    pub content: String,
    /// RT's Requestors: RT notifies them.
    pub requestors: Vec<EmailAddress>,
    /// RT's Priority.
    pub priority: u8,
    /// Value of the custom field [`ALERT_ID_FIELD`].
    pub key: AlertKey,
    /// The alert as it came, where the content had to be cut.
    pub attachment: Option<Bytes>,
}

impl NewTicket {
    /// Its Requestors that are not among those that RT has `stored`.
    pub fn requestors_missing_in(&self, stored: &[String]) -> Vec<&EmailAddress> {
        let is_stored =
            |requestor: &EmailAddress| stored.iter().any(|stored| stored.eq_ignore_ascii_case(&requestor.0));
        self.requestors.iter().filter(|requestor| !is_stored(requestor)).collect()
    }
}

/// The id of a ticket in RT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub u64);

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The name of a queue in RT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtQueueName(String);

impl RtQueueName {
    /// # Errors
    /// The name is empty or holds a control character.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            return Err("the name of an RT queue, such as Incident Reports");
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RtQueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Subject that RT stores as it is: no control characters, at most 200 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// RT cuts a subject after this many bytes.
    pub const MAX_BYTES: usize = 200;

    /// Drops control characters from `text` and cuts it at a character boundary.
    pub fn new(text: &str) -> Self {
        let mut subject: String = text.chars().filter(|c| !c.is_control()).collect();
        subject.truncate(subject.floor_char_boundary(Self::MAX_BYTES));
        // RT strips white space at the end.
        subject.truncate(subject.trim_end().len());
        Self(subject)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The value of `Alert ID`: the same alert always has the same key, and different alerts have different ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey(String);

impl AlertKey {
    /// Longest key, in bytes. RT's search goes wrong on long or unusual values.
    const MAX_BYTES: usize = 64;
    const HASHED: &'static str = "sha256:";
    /// So many hex digits of the SHA-256 stand in a hashed key.
    const HEX_DIGITS: usize = 56;

    /// The key of the alert `id` within `namespace`: plain where RT's search is safe with it, else hashed.
    pub fn new(namespace: Option<&str>, id: &str) -> Self {
        Self::because(namespace, id).0
    }

    /// The key, and what decided it.
    pub fn because(namespace: Option<&str>, id: &str) -> (Self, String) {
        let (id, what) = match namespace {
            Some(namespace) => (format!("{namespace}:{id}"), "ALERT_NAMESPACE and the id"),
            None => (id.to_owned(), "the id"),
        };
        if Self::is_plain(&id) {
            return (Self(id), format!("{what}, as given"));
        }
        (Self::hashed(&id), format!("the SHA-256 of {what}, which RT's search would not find safely as given"))
    }

    /// The key that a ticket shows; `None` if it is none, as where a person wrote it.
    pub fn shown(value: &str) -> Option<Self> {
        Self::is_safe(value).then(|| Self(value.to_owned()))
    }

    fn is_plain(id: &str) -> bool {
        Self::is_safe(id) && !id.starts_with(Self::HASHED)
    }

    /// Whether RT's search finds it, and nothing else.
    fn is_safe(text: &str) -> bool {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(safe)
    }

    fn hashed(id: &str) -> Self {
        let hex = format!("{:x}", Sha256::digest(id));
        Self(format!("{}{}", Self::HASHED, &hex[..Self::HEX_DIGITS]))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address that RT takes as a Requestor and as nothing else: no second address, no user name, no principal
/// id, no header line hides in it. Equal without regard to case.
#[derive(Clone, Debug)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// RT cuts a longer address, and mails to what is left.
    const MAX_BYTES: usize = 120;

    /// Reads `text`; an internationalised domain becomes its A-label.
    ///
    /// # Errors
    /// RT would drop, split or misread the address; the error says why.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((local, domain)) = text.split_once('@') else { return Err("no @ in the address") };
        if domain.contains('@') {
            return Err("more than one @ in the address");
        }
        // A dot-atom of RFC 5322: what is left out are quotes, brackets, commas, white space, control characters.
        let atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        if local.is_empty() || !local.bytes().all(|byte| atext(byte) || byte == b'.') {
            return Err("the part before the @ has a character that is not taken");
        }
        // RT makes the ticket and drops such a person without a word.
        if local.split('.').any(str::is_empty) {
            return Err("the part before the @ begins or ends with a dot, or has two in a row");
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| "the part after the @ is not a domain name")?;
        if domain.is_empty() {
            return Err("the part after the @ is not a domain name");
        }
        let address = format!("{local}@{domain}");
        if address.len() > Self::MAX_BYTES {
            return Err("the address is longer than 120 bytes");
        }
        Ok(Self(address))
    }

    /// The address as RT gets it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The addresses at which RT itself receives mail. RT takes them as Requestors and mails them nothing, so that no mail
/// goes round in circles. Source: RT 5, `RT::EmailParser::IsRTAddress`.
#[derive(Clone, Debug, Default)]
pub struct RtAddresses(Vec<EmailAddress>);

impl RtAddresses {
    /// Whether `address` is one of them.
    pub fn contains(&self, address: &EmailAddress) -> bool {
        self.0.contains(address)
    }
}

impl FromIterator<EmailAddress> for RtAddresses {
    fn from_iter<I: IntoIterator<Item = EmailAddress>>(addresses: I) -> Self {
        Self(addresses.into_iter().collect())
    }
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for EmailAddress {}
