//! The way to the broker, and what is on it.

use std::sync::Arc;

use super::certificate::judge_handshake;
use super::{Findings, Step, Verdict, queues, reached};
use crate::amqp::{Address, BasicProperties, Broker, Error, NotStored, Probe, Publisher, REACH};
use crate::config::{Amqp, Topology};
use crate::diagnosis::{Diagnosis, Trouble};
use crate::reach::{self, tls};

/// What needs a connection.
const ON_THE_BROKER: [Step; 7] = [
    Step::AmqpExchange,
    Step::AmqpQueue,
    Step::AmqpConsume,
    Step::DeadLetterExchange,
    Step::DeadLetterPublish,
    Step::DeadLetterQueue,
    Step::AmqpManagement,
];

/// From each broker's name to the dead-letter queue.
pub(super) async fn walk(settings: &Arc<Amqp>, write: bool, findings: &mut Findings<'_>) {
    let broker = Arc::new(Broker::new(Arc::clone(settings)));
    let addresses = match broker.addresses() {
        Ok(addresses) => addresses,
        Err(error) => return findings.fail(Step::AmqpAddress, error.diagnosis()),
    };
    // Every one has to work, since every one may be needed; what is on them is the same.
    let mut first = None;
    for address in &addresses {
        if let Some(probe) = reach(&broker, address, findings).await {
            match first {
                None => first = Some((probe, address)),
                Some(_) => probe.close().await,
            }
        }
    }
    let Some((probe, address)) = first else {
        return findings.skip(&ON_THE_BROKER, "no broker was reached");
    };
    let letters_have_a_place = Look { broker: &broker, probe: &probe, findings }.everything().await;
    match &settings.management_url {
        Some(_) => queues::walk(settings, address.vhost(), findings).await,
        None => findings.add(Step::AmqpManagement, &Verdict::NotVerifiable(without_management())),
    }
    match (write, letters_have_a_place) {
        (true, true) => store_and_expire(&broker, findings).await,
        (true, false) => findings.skip(&[Step::TestDeadLetter], "exchange or queue does not exist yet"),
        (false, _) => {}
    }
    probe.close().await;
}

/// A connection to one broker, if the way to it is free.
async fn reach(broker: &Broker, address: &Address, findings: &mut Findings<'_>) -> Option<Probe> {
    let later = [Step::AmqpTls, Step::AmqpLogin, Step::AmqpVhost];
    let stream = match reach::connect(address.host(), address.port(), &REACH).await {
        Ok(stream) => stream,
        Err(diagnosis) => {
            findings.fail(Step::AmqpAddress, diagnosis);
            findings.skip(&later, "the broker was not reached");
            return None;
        }
    };
    findings.well(Step::AmqpAddress, reached(address.host(), address.port(), &stream));
    if address.is_by_tls() {
        let settings = broker.settings();
        let trust = tls::Trust { ca_file: settings.ca_file.clone(), client_identity: settings.client_identity.clone() };
        let what = format!("TLS with {}:{} failed", address.host(), address.port());
        let seen = tls::look(stream, address.host(), &trust).await;
        let verdict = judge_handshake(&seen, what, &REACH);
        findings.add(Step::AmqpTls, &verdict);
        if matches!(verdict, Verdict::Failed(_)) {
            findings.skip(&later[1..], "TLS failed");
            return None;
        }
    } else {
        findings.skip(&later[..1], "amqp:// is not by TLS");
    }
    match Probe::start(broker, address).await {
        Ok(probe) => {
            findings.well(Step::AmqpLogin, format!("as {}", address.user()));
            findings.well(Step::AmqpVhost, format!("{:?}", address.vhost()));
            Some(probe)
        }
        Err(error) if error.is_about_vhost() => {
            findings.well(Step::AmqpLogin, format!("as {}", address.user()));
            findings.fail(Step::AmqpVhost, error.diagnosis());
            None
        }
        Err(error) => {
            let diagnosis = why_not_spoken(address, &error).await.unwrap_or_else(|| error.diagnosis());
            findings.fail(Step::AmqpLogin, diagnosis);
            findings.skip(&later[2..], "the login failed");
            None
        }
    }
}

/// Whether a broker that does not answer plain AMQP speaks TLS.
async fn why_not_spoken(address: &Address, error: &Error) -> Option<Diagnosis> {
    let answered = error.diagnosis().trouble != Some(Trouble::ServerUnreachable);
    if address.is_by_tls() || answered || !reach::speaks_tls(address.host(), address.port(), &REACH).await {
        return None;
    }
    Some(REACH.wants_tls(format!("connecting to {address} failed")))
}

/// Looks at what is on the broker.
struct Look<'a, 'b> {
    broker: &'a Broker,
    probe: &'a Probe,
    findings: &'a mut Findings<'b>,
}

impl Look<'_, '_> {
    /// Whether dead letters have exchange and queue.
    async fn everything(&mut self) -> bool {
        let settings = self.broker.settings();
        self.exchange(Step::AmqpExchange, &settings.exchange).await;
        let there = self.probe.queue_is_there(&settings.amqp_queue).await;
        let may_declare = self.probe.may_declare_queue(self.broker);
        let there = self.judge(Step::AmqpQueue, "queue", &settings.amqp_queue, there, may_declare).await;
        let right = self.probe.may_consume(&settings.amqp_queue);
        self.right(Step::AmqpConsume, there, right, &settings.amqp_queue).await;

        let exchange_there = self.exchange(Step::DeadLetterExchange, &settings.dead_letter_exchange).await;
        let right = self.probe.may_publish(&settings.dead_letter_exchange);
        self.right(Step::DeadLetterPublish, exchange_there, right, &settings.dead_letter_exchange).await;
        let there = self.probe.queue_is_there(&settings.dead_letter_queue).await;
        let may_declare = self.probe.may_declare_dead_letter_queue(self.broker);
        let there = self.judge(Step::DeadLetterQueue, "queue", &settings.dead_letter_queue, there, may_declare).await;
        exchange_there && there
    }

    async fn exchange(&mut self, step: Step, exchange: &str) -> bool {
        let there = self.probe.exchange_is_there(exchange).await;
        self.judge(step, "exchange", exchange, there, self.probe.may_declare_exchange(exchange)).await
    }

    /// Whether `name` is there. Where it is not, the relay declares it at start, if that is asked of it and allowed.
    async fn judge(
        &mut self,
        step: Step,
        kind: &str,
        name: &str,
        there: Result<bool, Error>,
        may_declare: impl Future<Output = Result<(), Error>>,
    ) -> bool {
        let is_there = matches!(there, Ok(true));
        let verdict = match there {
            Ok(true) => Verdict::Well(format!("{name:?}")),
            Ok(false) if self.broker.settings().topology == Topology::Passive => {
                Verdict::Failed(Error::Absent(format!("{kind} {name:?}")).diagnosis())
            }
            Ok(false) => match may_declare.await {
                Ok(()) => Verdict::Well(format!("{name:?} does not exist; the relay declares it at start")),
                Err(error) => Verdict::Failed(error.diagnosis()),
            },
            Err(error) => Verdict::Failed(error.diagnosis()),
        };
        self.findings.add(step, &verdict);
        is_there
    }

    async fn right(&mut self, step: Step, there: bool, right: impl Future<Output = Result<(), Error>>, on: &str) {
        if !there {
            return self.findings.skip(&[step], &format!("{on:?} does not exist yet"));
        }
        match right.await {
            Ok(()) => self.findings.well(step, format!("on {on:?}")),
            Err(error) => self.findings.fail(step, error.diagnosis()),
        }
    }
}

fn without_management() -> Diagnosis {
    Diagnosis::other(
        "limits, policies, the dead-letter strategy and bindings were not looked at",
        "AMQP does not show them",
        "Set AMQP_MANAGEMENT_URL to http://user:password@host:15672, with a user that has the tag monitoring",
    )
}

/// Proves that dead letters come into a queue: publishes one that expires when it gets there.
async fn store_and_expire(broker: &Arc<Broker>, findings: &mut Findings<'_>) {
    let exchange = broker.settings().dead_letter_exchange.as_str();
    let publisher = Publisher::new(Arc::clone(broker), "check");
    // Once no letter is before it. Source: RabbitMQ, "Time-To-Live and Expiration".
    let properties = BasicProperties::default().with_expiration("0".into());
    let stored = publisher.publish(exchange, "rtir-relay.check", properties, b"a test of rtir-relay check").await;
    let seen = "a test letter was stored; it expires as soon as no other is before it";
    match stored {
        Ok(()) => findings.well(Step::TestDeadLetter, seen),
        Err(error) => findings.fail(Step::TestDeadLetter, NotStored(error).diagnosis()),
    }
}
