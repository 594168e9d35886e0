//! A message to its fate: the way in.

use bytes::Bytes;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::prepare::{NoTicket, Prepared, prepare};
use super::shared::Relay;
use super::work::{Work, unless};
use crate::alert::AlertType;
use crate::outcome::Fate;
use crate::ticket::NewTicket;

/// What the broker delivered.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The body as it came.
    pub body: &'a Bytes,
    /// The AMQP property `content_type`.
    pub content_type: Option<&'a str>,
    /// The broker had given it to somebody before: its ticket may have been asked for already.
    pub redelivered: bool,
}

/// What became of a message.
#[derive(Debug)]
pub struct Handled {
    /// The alert's type; absent where it makes no alert.
    pub alert_type: Option<AlertType>,
    /// When the alert's matter was detected, where that can be told.
    pub detected_at: Option<Timestamp>,
    /// What is to be done with the message.
    pub fate: Fate,
}

impl Relay {
    /// Brings one message to its fate, however long that takes. Ends early only when it is `released`: then a create
    /// that is under way is finished and proven first, and everything else is given back.
    pub async fn handle(&self, message: Message<'_>, released: &CancellationToken) -> Handled {
        let prepared = match prepare(&self.rules(), message.body, message.content_type) {
            Ok(prepared) => prepared,
            Err(letter) => {
                self.metrics.received(None);
                return Handled { alert_type: None, detected_at: None, fate: Fate::DeadLetter(letter) };
            }
        };
        let Prepared { alert_id, alert_type, detected_at, ticket } = prepared;
        self.metrics.received(Some(alert_type));
        Span::current().record("alert.id", &alert_id).record("alert.type", alert_type.as_str());
        let fate = match ticket {
            Ok(ticket) => self.make(&alert_id, &ticket, message.redelivered, released).await,
            Err(NoTicket::Ignored(rule)) => Fate::Ignored(rule),
            Err(NoTicket::Impossible(letter)) => Fate::DeadLetter(letter),
        };
        Handled { alert_type: Some(alert_type), detected_at, fate }
    }

    async fn make(&self, alert_id: &str, ticket: &NewTicket, redelivered: bool, released: &CancellationToken) -> Fate {
        let (_held, is_only_one) = self.held.hold(&ticket.key);
        if is_only_one {
            self.state.begin_anew();
        }
        let turn = if let Some(turn) = self.turns.try_take(&ticket.key) {
            turn
        } else {
            let _again = self.held.again();
            let Ok(turn) = unless(released, self.turns.take(&ticket.key)).await else { return Fate::Returned };
            turn
        };
        let fate = Work::new(self, released, alert_id, ticket, redelivered).run().await;
        drop(turn);
        fate
    }
}
