//! The relay is killed, and the postbox of trax fails, while tickets are handed over.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::json;

use super::stage::Stage;
use super::{Form, Random};
use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::http::Answer;
use crate::support::lab::Scene;
use crate::support::postbox::{Fault, Postbox};
use crate::support::relay_process::RelayProcess;

/// What became of the tickets that were to be handed over.
#[derive(Debug)]
pub struct HandedOver {
    pub kills: usize,
    /// Outages of the postbox, one before each kill or nearly.
    pub outages: usize,
    pub tickets: usize,
    /// Those that trax never got, or that are not marked.
    pub missing: usize,
    /// Records beyond the first of a ticket.
    pub repeats: usize,
    /// Records that trax took without saying so: each has to come again.
    pub answers_lost: usize,
}

pub const HEAD: &str = "| hand-over to trax | kills | outages | tickets | missing | repeats | answers lost |\n\
                        |---|--:|--:|--:|--:|--:|--:|";

impl fmt::Display for HandedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, outages, tickets, missing, repeats, answers_lost } = self;
        write!(
            f,
            "| relay killed, postbox failing (real RT) | {kills} | {outages} | {tickets} | {missing} | {repeats} | {answers_lost} |"
        )
    }
}

impl HandedOver {
    /// # Panics
    /// A ticket is missing, or came more often than kills and lost answers explain.
    pub fn assert_clean(&self) {
        assert_eq!(self.missing, 0, "{self:?}");
        assert!(self.repeats <= self.kills + self.answers_lost, "{self:?}");
    }
}

/// What the postbox suffers while a relay hands over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Nothing,
    Refused,
    TimedOut,
    Status(u16),
    AnswerCut,
    AnswerLate,
}

impl Outage {
    const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Refused,
        Self::TimedOut,
        Self::Status(500),
        Self::AnswerCut,
        Self::Status(401),
        Self::AnswerLate,
    ];

    fn fault(self) -> Option<Fault> {
        match self {
            Self::Nothing | Self::Refused => None,
            Self::TimedOut => Some(Fault::Hang),
            Self::Status(http_status) => Some(Fault::Instead(Answer::message(http_status, "out of order"))),
            Self::AnswerCut => Some(Fault::CutAfter),
            Self::AnswerLate => Some(Fault::HangAfter),
        }
    }

    /// Until `relay` has met it.
    async fn is_met(self, relay: &RelayProcess) {
        if self != Self::Nothing {
            relay.logs("tickets for trax wait").await;
        }
    }
}

/// Kills at moments of which many lie between a post and its mark, and outages of every kind before them.
pub async fn killed(form: Form) -> HandedOver {
    const NEW: usize = 4;
    let kills = form.of(7, 50);
    let (scene, postbox) = (Scene::for_trax("trax-killed").await, Postbox::start());
    let mut environment = scene.environment(&[]);
    environment.extend(postbox.environment());
    // As long as that is waited after each start.
    environment.push(("RTIR_TIMEOUT".to_owned(), "3s".to_owned()));
    let stage = Stage::new(scene.again().await, environment, &[]);
    stage.declare().await;
    let mut random = Random::new();
    let mut outages = 0;
    for kill in 0..kills {
        for number in 0..NEW {
            let mut alert = alerts::ssl(&format!("alert-{kill}-{number}"));
            alert["severity"] = json!("critical");
            stage.amqp.publish_alert(&alert).await;
        }
        let outage = Outage::ALL[kill % Outage::ALL.len()];
        outages += usize::from(outage != Outage::Nothing);
        if let Some(fault) = outage.fault() {
            postbox.suffers(fault);
        }
        let nobody = [("TRAX_URL", "http://127.0.0.1:1/api/postbox/7")];
        let relay = stage.start(if outage == Outage::Refused { &nobody } else { &[] });
        outage.is_met(&relay).await;
        postbox.well();
        if outage != Outage::Refused {
            let more = 1 + random.below(NEW - 1);
            if random.below(3) == 0 {
                let marked = async || (relay.count("is handed over to trax") >= more).then_some(());
                eventually("some are marked", marked).await;
            } else {
                postbox.takes(postbox.taken().len() + 1).await;
            }
        }
        drop(relay); // by SIGKILL
    }
    let relay = stage.relay().await;
    // A create that a kill has cut off may be a double, which is merged.
    let tickets = eventually("a ticket of each alert", async || {
        let tickets = scene.rt.tickets().await;
        let unmerged: Vec<_> = tickets.into_iter().filter(|ticket| !ticket.is_merged()).collect();
        (unmerged.len() == kills * NEW).then_some(unmerged)
    })
    .await;
    let unmarked = format!("Queue = '{}' AND 'CF.{{Reported}}' IS NULL", scene.name);
    eventually("all are marked", async || scene.rt.search(&unmarked).await.is_empty().then_some(())).await;
    scene.stop(relay).await;
    postbox.assert_all_well_formed();
    let mut first = BTreeMap::new();
    for record in postbox.taken() {
        let known = first.entry(record.id).or_insert_with(|| record.clone());
        assert_eq!(*known, record, "a repeat is the same record");
    }
    let missing = tickets.iter().filter(|ticket| !first.contains_key(&ticket.id)).count();
    HandedOver {
        kills,
        outages,
        tickets: tickets.len(),
        missing,
        repeats: postbox.taken().len().saturating_sub(tickets.len()),
        answers_lost: postbox.answers_lost(),
    }
}
