//! Whether a ticket that was made is found by its key, why it is not, and what mends it.

use reqwest::Method;
use tracing::{debug, warn};

use super::client::Client;
use super::error::{Error, Flaw, Operation};
use super::wire::{CustomField, RtQueue, SetKey, Ticket};
use crate::ticket::{ALERT_ID_FIELD, AlertKey, TicketId};

impl Client {
    /// Proves that `ticket` is found by `key`.
    ///
    /// Being found is the proof: RT shows nothing of a key it has dropped, nor of a ticket that the user may not see.
    ///
    /// # Errors
    /// [`Error::Unproven`] if the search does not find it; else RT could not be asked.
    pub async fn prove(&self, ticket: TicketId, key: &AlertKey) -> Result<(), Error> {
        let hits = self.search(key).await?;
        if hits.iter().any(|hit| hit.seen.id == ticket) { Ok(()) } else { Err(self.why_not_found(ticket, key).await) }
    }

    /// Writes `key` on a ticket that was made without it, and proves that it is found by it. What is written on a ticket
    /// that somebody has merged lands on the one that it is merged into: such a ticket is left alone.
    ///
    /// # Errors
    /// It is not, or RT could not be asked.
    pub async fn mend(&self, ticket: TicketId, key: &AlertKey) -> Result<(), Error> {
        let operation = Operation::SetKey;
        if let Some(into) = self.show_ticket(ticket).await?.merged_into(ticket) {
            warn!(rt.ticket_id = into.0, "ticket {ticket} lost its key {key} for good: it is merged into {into}");
            return Ok(());
        }
        let url = self.rest(&["ticket", &ticket.to_string()]);
        let answer = self.session.send(operation, Method::PUT, url, Some(&SetKey::to(key))).await?;
        // RT answers 200 and a text whatever came of it: the proof decides.
        debug!(http.status = answer.http_status, "wrote the key on ticket {ticket}: {}", answer.message());
        self.prove(ticket, key).await
    }

    /// Why the search does not find a ticket that was made. RT says nothing of its own, so it is asked what the user may
    /// see.
    pub async fn why_not_found(&self, ticket: TicketId, key: &AlertKey) -> Error {
        let flaw = match self.show_ticket(ticket).await {
            Ok(shown) if shown.has_key(key) => Flaw::NotFound,
            Ok(shown) => self.why_keyless(&shown).await,
            Err(error) => return error,
        };
        Error::Unproven { ticket, flaw }
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
}
