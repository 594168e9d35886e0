//! What reading cannot prove: one ticket, made as alerts make them, found by its key, commented on and resolved.

use jiff::Timestamp;

use super::{Findings, Step, trax};
use crate::diagnosis::Diagnosis;
use crate::mapping::Rules;
use crate::rtir::{Client, Error};
use crate::ticket::{AlertKey, NewTicket, Subject, TicketId};
use crate::trax::HandOver;

/// What is to be proven by it.
#[derive(Clone, Copy)]
pub(super) struct TestTicket<'a> {
    pub rules: &'a Rules,
    /// Whether tickets are handed over to trax, too.
    pub hand_over: Option<&'a HandOver>,
}

impl TestTicket<'_> {
    /// What it takes.
    pub(super) fn steps(self) -> Vec<Step> {
        let mut steps = vec![Step::TestCreate, Step::TestFind, Step::TestComment];
        if self.hand_over.is_some() {
            steps.extend([Step::TestSeeComment, Step::TestReported]);
        }
        steps.push(Step::TestResolve);
        steps
    }

    /// Makes the ticket, and leaves it resolved.
    pub(super) async fn walk(self, client: &Client, findings: &mut Findings<'_>) {
        let ticket = new_ticket(self.rules);
        let id = match client.create(&ticket).await {
            Ok(id) => id,
            Err(error) => {
                findings.fail(Step::TestCreate, error.diagnosis());
                return findings.skip(&self.steps()[1..], "there is no ticket");
            }
        };
        findings.well(Step::TestCreate, format!("ticket {id}, {:?}", ticket.subject.as_str()));
        let found = client.prove(id, &ticket.key).await;
        tell(findings, Step::TestFind, found, format!("by its key {}", ticket.key));
        let commented = client.comment(id, "rtir-relay: test", "A test of `rtir-relay check --write`.").await;
        let is_commented = commented.is_ok();
        tell(findings, Step::TestComment, commented, "without mail to requestors".to_owned());
        if let Some(hand_over) = self.hand_over {
            trax::prove_on(id, is_commented, hand_over, findings).await;
        }
        match client.resolve(id).await {
            Ok(()) => findings.well(Step::TestResolve, format!("ticket {id} is closed")),
            Err(error) => findings.fail(Step::TestResolve, left_open(id, &error)),
        }
    }
}

/// A ticket that nobody is notified of.
fn new_ticket(rules: &Rules) -> NewTicket {
    let id = format!("rtir-relay-check-{}", Timestamp::now().as_millisecond());
    NewTicket {
        rt_queue: rules.rt_queue.clone(),
        subject: Subject::new("Test by rtir-relay check: nothing has happened"),
        content:
            "This ticket was made by `rtir-relay check --write`, to prove that the relay can make, find, comment on \
                  and resolve tickets here. Nothing has happened, and nothing is to be done."
                .to_owned(),
        requestors: Vec::new(),
        priority: 0,
        key: AlertKey::new(rules.namespace.as_deref(), &id),
        attachment: None,
    }
}

fn tell(findings: &mut Findings<'_>, step: Step, done: Result<(), Error>, seen: String) {
    match done {
        Ok(()) => findings.well(step, seen),
        Err(error) => findings.fail(step, error.diagnosis()),
    }
}

fn left_open(id: TicketId, error: &Error) -> Diagnosis {
    let diagnosis = error.diagnosis();
    Diagnosis { cure: format!("{}. Resolve ticket {id} by hand", diagnosis.cure), ..diagnosis }
}
