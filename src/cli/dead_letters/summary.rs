//! A dead letter in a few words: a line of `list`.

use serde::Serialize;

use crate::alert::Glance;
use crate::amqp::Letter;
use crate::mapping::Rules;
use crate::ticket::AlertKey;

/// What `list --json` prints; the field names are the contract. What is not known is `null`.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub id: String,
    pub time: Option<String>,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub altered: Option<String>,
    pub alert_id: Option<String>,
    pub key: Option<String>,
    #[serde(rename = "type")]
    pub alert_type: Option<String>,
    pub url: Option<String>,
    pub entity: Option<String>,
    pub attempts: Option<i64>,
    pub replays: i64,
    pub size: usize,
}

impl Summary {
    /// That of `letter`; its key is the one it was given, else what `rules` give its alert.
    pub(super) fn of(letter: &Letter, rules: &Rules) -> Self {
        let Glance { id: alert_id, alert_type, url, entity } = Glance::at(&letter.body, letter.content_type());
        let key = || Some(AlertKey::new(rules.namespace.as_deref(), alert_id.as_ref()?).to_string());
        Self {
            id: letter.id().to_string(),
            time: letter.time(),
            reason: letter.reason(),
            message: letter.message(),
            altered: letter.altered(),
            key: letter.alert_key().or_else(key),
            alert_id,
            alert_type,
            url,
            entity,
            attempts: letter.attempts(),
            replays: letter.replays(),
            size: letter.body.len(),
        }
    }

    /// How a person is told which one it is: `3f2a… (alert ssl-42)`.
    pub(super) fn name(&self) -> String {
        match &self.alert_id {
            Some(alert_id) => format!("{} (alert {})", self.id, crate::cli::terminal::line(alert_id)),
            None => self.id.clone(),
        }
    }
}
