//! What happened to a ticket: the message that began it, what came last, and comments.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Method;
use serde::Deserialize;

use super::client::Client;
use super::error::{Error, Operation};
use super::wire::{Comment, Page};
use crate::ticket::TicketId;

/// What RT records of the mail that it sends. Source: RT 5, `RT::Action::SendEmail`.
const MAIL_SENT: [&str; 2] = ["EmailRecord", "CommentEmailRecord"];
/// How many of them may follow one deed.
const MAILS: u32 = 50;

/// Something that happened to a ticket, as far as the service user may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its number: later ones have higher ones.
    pub id: u64,
    /// The subject, if it is a comment.
    pub comment: Option<String>,
}

/// What began a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstMessage {
    /// Its text as it was written: plain, or else HTML; empty where there is none.
    Text(String),
    /// It is larger than the relay reads.
    TooLarge,
}

#[derive(Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    #[serde(rename = "id")]
    id: String,
    r#type: Option<String>,
    data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    #[serde(rename = "id")]
    id: String,
    content_type: Option<String>,
    filename: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attachment {
    content: Option<String>,
}

impl Client {
    /// The message that the ticket was made with. What was written later is none of it.
    ///
    /// # Errors
    /// RT did not answer.
    pub async fn first_message(&self, ticket: TicketId) -> Result<FirstMessage, Error> {
        let operation = Operation::ReadMessage;
        let created = self.history(operation, ticket, Order::OldestFirst, 1).await?;
        let Some(Item { id, .. }) = created.first() else { return Ok(FirstMessage::Text(String::new())) };
        let mut url = self.rest(&["transaction", id, "attachments"]);
        url.query_pairs_mut().append_pair("fields", "ContentType,Filename").append_pair("per_page", "100");
        let Page::<Part> { items } = self.get(operation, url).await?.json(operation, 200)?;
        let Some(part) = text_of(&items) else { return Ok(FirstMessage::Text(String::new())) };
        let answer = match self.get(operation, self.rest(&["attachment", &part.id])).await {
            Err(Error::TooLarge(_)) => return Ok(FirstMessage::TooLarge),
            answer => answer?,
        };
        let Attachment { content } = answer.json(operation, 200)?;
        Ok(FirstMessage::Text(decode(content.unwrap_or_default())))
    }

    /// What somebody did last to a ticket. That RT sent mail of it is nothing that happened to the ticket.
    ///
    /// # Errors
    /// RT did not answer.
    pub async fn last_transaction(&self, ticket: TicketId) -> Result<Option<Transaction>, Error> {
        let operation = Operation::ReadHistory;
        let items = self.history(operation, ticket, Order::NewestFirst, MAILS).await?;
        let is_deed = |item: &Item| !item.r#type.as_deref().is_some_and(|r#type| MAIL_SENT.contains(&r#type));
        let Some(Item { id, r#type, data }) = items.into_iter().find(is_deed) else { return Ok(None) };
        let id = id.parse().map_err(|_| Error::Answer { operation, what: format!("{id:?} is no number") })?;
        // RT keeps a comment's subject so. Source: RT 5, `RT::Ticket::_RecordNote`.
        let comment = (r#type.as_deref() == Some("Comment")).then(|| data.unwrap_or_default().trim_end().to_owned());
        Ok(Some(Transaction { id, comment }))
    }

    /// Whether somebody has commented on a ticket under this subject lately.
    ///
    /// # Errors
    /// RT did not answer.
    pub async fn has_comment(&self, ticket: TicketId, subject: &str) -> Result<bool, Error> {
        let items = self.history(Operation::ReadHistory, ticket, Order::NewestFirst, MAILS).await?;
        let is_comment = |item: &Item| item.r#type.as_deref() == Some("Comment");
        Ok(items.iter().any(|item| is_comment(item) && item.data.as_deref().map(str::trim_end) == Some(subject)))
    }

    /// Comments on a ticket, which mails no requestor.
    ///
    /// # Errors
    /// RT refuses, or did not answer.
    pub async fn comment(&self, ticket: TicketId, subject: &str, text: &str) -> Result<(), Error> {
        let operation = Operation::Comment;
        let url = self.rest(&["ticket", &ticket.to_string(), "comment"]);
        let answer = self.session.send(operation, Method::POST, url, Some(&Comment::plain(subject, text))).await?;
        answer.with_status(operation, 201)?;
        Ok(())
    }

    /// Up to `count` transactions from one end. RT counts those that the user may not see, and leaves them out.
    async fn history(
        &self,
        operation: Operation,
        ticket: TicketId,
        order: Order,
        count: u32,
    ) -> Result<Vec<Item>, Error> {
        let mut url = self.rest(&["ticket", &ticket.to_string(), "history"]);
        let order = match order {
            Order::OldestFirst => "ASC",
            Order::NewestFirst => "DESC",
        };
        url.query_pairs_mut()
            .append_pair("fields", "Type,Data")
            .append_pair("orderby", "id")
            .append_pair("order", order)
            .append_pair("per_page", &count.to_string());
        let Page { items } = self.get(operation, url).await?.json(operation, 200)?;
        Ok(items)
    }
}

/// The text of an attachment: RT 5 and later send it in base64, and RT 4.4's extension as it is. What happens to be base64 of
/// no text is text.
fn decode(content: String) -> String {
    let base64: String = content.split_ascii_whitespace().collect();
    let decoded = BASE64_STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or(content)
}

/// The part of a message that people read.
fn text_of(parts: &[Part]) -> Option<&Part> {
    let is_text = |part: &&Part, kind: &str| {
        part.filename.as_ref().is_none_or(String::is_empty) && part.content_type.as_deref() == Some(kind)
    };
    let text = |kind| parts.iter().find(|part| is_text(part, kind));
    text("text/plain").or_else(|| text("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_whether_or_not_it_comes_in_base64() {
        for text in ["", "Hallo", "Test", "abcd", "Le certificat a expiré.\nhttps://www.water.example\n", "YWJj\n"] {
            assert_eq!(decode(BASE64_STANDARD.encode(text) + "\n"), text, "RT 5 and later");
        }
        for text in ["Hallo", "Test", "abcd", "Le certificat a expiré.\nhttps://www.water.example\n"] {
            assert_eq!(decode(text.to_owned()), text, "RT 4.4");
        }
    }
}
