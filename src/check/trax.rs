//! The hand-over to trax: the postbox, and what it takes in RT and on the broker.

use std::sync::Arc;

use jiff::Timestamp;

use super::server::Server;
use super::{Findings, Step, Verdict};
use crate::amqp::{Broker, Error, Lease, may_ask};
use crate::config::{Amqp, Trax};
use crate::diagnosis::{Diagnosis, Trouble};
use crate::reach;
use crate::rtir::Marked;
use crate::ticket::{REPORTED_FIELD, TicketId};
use crate::trax::{HandOver, REACH, lease_name, no_field};

/// From the postbox's name to the tickets that wait.
pub(super) async fn walk(settings: &Trax, amqp: &Arc<Amqp>, hand_over: &HandOver, findings: &mut Findings<'_>) {
    if reach_postbox(settings, findings).await {
        knock(hand_over, findings).await;
    } else {
        findings.skip(&[Step::TraxPostbox], "the postbox was not reached");
    }
    lease(amqp, findings).await;
    if fields(hand_over, findings).await {
        match hand_over.pending().await {
            Ok(pending) => {
                let refused = pending.iter().filter(|pending| pending.refused).count();
                findings.well(Step::TraxTickets, format!("{} to be handed over, {refused} refused", pending.len()));
            }
            Err(diagnosis) => findings.fail(Step::TraxTickets, diagnosis),
        }
    } else {
        findings.skip(&[Step::TraxTickets], "a field is missing");
    }
}

/// What only a ticket can prove: that it can be marked, and that a refusal on it can be seen.
pub(super) async fn prove_on(ticket: TicketId, commented: bool, hand_over: &HandOver, findings: &mut Findings<'_>) {
    let client = hand_over.client();
    match client.last_transaction(ticket).await {
        _ if !commented => findings.skip(&[Step::TestSeeComment], "there is none"),
        Ok(last) if last.as_ref().is_some_and(|last| last.comment.is_some()) => {
            findings.well(Step::TestSeeComment, "the relay's own comment is seen");
        }
        Ok(_) => findings.fail(Step::TestSeeComment, comments_hidden()),
        Err(error) => findings.fail(Step::TestSeeComment, error.diagnosis()),
    }
    match client.set_reported(ticket, Timestamp::now()).await {
        Ok(Marked::Reported) => findings.well(Step::TestReported, format!("{REPORTED_FIELD} is set")),
        Ok(_) => findings.fail(Step::TestReported, not_on_queue(REPORTED_FIELD)),
        Err(error) => findings.fail(Step::TestReported, error.diagnosis()),
    }
}

async fn reach_postbox(settings: &Trax, findings: &mut Findings<'_>) -> bool {
    if let Some((host, port)) = reach::system_proxy(&settings.url) {
        findings.skip(&[Step::TraxAddress, Step::TraxTls], &format!("left to the proxy {host}:{port}"));
        return true;
    }
    let server = Server {
        url: &settings.url,
        ca_file: settings.ca_file.clone(),
        settings: &REACH,
        steps: [Step::TraxAddress, Step::TraxTls],
        readable: settings.is_readable_on_the_way().then_some("the token and what is handed over"),
    };
    server.reach(findings).await
}

/// Whether the postbox answers the token. That it takes a record, only a record proves.
async fn knock(hand_over: &HandOver, findings: &mut Findings<'_>) {
    match hand_over.postbox().knock().await {
        // One that takes POST alone may say so, and so does every other page that is not there.
        Ok(404) => findings.add(
            Step::TraxPostbox,
            &Verdict::NotVerifiable(Diagnosis::other(
                "whether there is a postbox at TRAX_URL",
                "it answers a GET with HTTP 404",
                "Check TRAX_URL; only `rtir-relay trax send` of a ticket proves it",
            )),
        ),
        Ok(http_status) => findings.well(
            Step::TraxPostbox,
            format!(
                "answers a GET with HTTP {http_status}; that it takes records, only `trax send` of a ticket proves"
            ),
        ),
        Err(diagnosis) => findings.fail(Step::TraxPostbox, diagnosis),
    }
}

/// Whether the user of the broker may do what the hand-over takes.
async fn lease(amqp: &Arc<Amqp>, findings: &mut Findings<'_>) {
    match try_lease(&Broker::new(Arc::clone(amqp)), &lease_name(&amqp.amqp_queue)).await {
        Ok(seen) => findings.well(Step::TraxLease, seen),
        Err(error) => findings.fail(Step::TraxLease, error.diagnosis()),
    }
}

/// Takes the lease for a moment, unless a relay has it, and tries the right by which its holder is asked and answers.
async fn try_lease(broker: &Broker, name: &str) -> Result<String, Error> {
    let seen = match Lease::take(broker, name).await? {
        Some(lease) => {
            lease.give_back().await;
            format!("the exclusive queue {name:?} can be declared, read and asked")
        }
        None => "a relay hands over now, and can be asked".to_owned(),
    };
    may_ask(broker).await?;
    Ok(seen)
}

/// Whether the custom fields are there, as far as reading shows.
async fn fields(hand_over: &HandOver, findings: &mut Findings<'_>) -> bool {
    let client = hand_over.client();
    for field in hand_over.selection().fields() {
        let seen = match client.sees_field(field).await {
            Ok(true) => client.survey_field(field).await,
            Ok(false) => {
                findings.fail(Step::TraxField, no_field(field));
                return false;
            }
            Err(error) => Err(error),
        };
        match seen {
            Ok(true) => findings.well(Step::TraxField, format!("{field}: on the RT queue, visible")),
            Ok(false) => findings.add(Step::TraxField, &Verdict::Warning(not_on_queue(field))),
            Err(error) => {
                findings.fail(Step::TraxField, error.diagnosis());
                return false;
            }
        }
    }
    true
}

fn not_on_queue(field: &str) -> Diagnosis {
    Diagnosis::of(
        Trouble::InvalidQueue,
        "tickets of RTIR_QUEUE are not handed over",
        format!("the custom field {field} is not applied to it"),
        format!(
            "Apply it (in RT: Admin > Custom Fields > {field} > Applies to), unless TRAX_CONDITION is about others"
        ),
    )
}

fn comments_hidden() -> Diagnosis {
    Diagnosis::of(
        Trouble::MissingPermission,
        "a comment of the relay is not seen",
        "the right ShowTicketComments is missing",
        "Grant the service user ShowTicketComments on the RT queue (in RT: Admin > Queues > User Rights): by its comment \
         a ticket that trax refuses is known after a restart",
    )
}
