//! What rules the two queues, by the broker's management API: limits, policies, bindings.

use super::{Findings, Step, Verdict};
use crate::amqp::{Management, ManagementError, QueueFacts};
use crate::config::Amqp;
use crate::outcome::{Diagnosis, Trouble};

/// With fewer deliveries, a few crashes or outages of the relay dead-letter alerts that nothing is wrong with.
const MIN_DELIVERY_LIMIT: i64 = 20;
/// Looking at a dead letter counts as a delivery.
const MIN_LOOKS: i64 = 10_000;

/// What needs the management API.
const BY_MANAGEMENT: [Step; 4] =
    [Step::AmqpQueueSettings, Step::AmqpBinding, Step::DeadLetterQueueSettings, Step::DeadLetterBinding];

/// Looks at both queues and their bindings.
pub(super) async fn walk(settings: &Amqp, vhost: &str, findings: &mut Findings<'_>) {
    let Some(url) = &settings.management_url else { return };
    let version = async {
        let management = Management::new(url, settings.ca_file.as_deref(), vhost)?;
        let version = management.version().await?;
        Ok::<_, ManagementError>((management, version))
    };
    let (management, version) = match version.await {
        Ok(known) => known,
        Err(error) => {
            findings.fail(Step::AmqpManagement, error.diagnosis());
            return findings.skip(&BY_MANAGEMENT, "the management API was not read");
        }
    };
    findings.well(Step::AmqpManagement, format!("RabbitMQ {version}"));
    let unlimited =
        version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 4);
    let look = Look { management: &management, settings, unlimited_by_default: unlimited };
    for (step, faults) in [
        (Step::AmqpQueueSettings, look.alerts().await),
        (Step::AmqpBinding, look.binding(&settings.exchange, &settings.amqp_queue).await),
        (Step::DeadLetterQueueSettings, look.letters().await),
        (Step::DeadLetterBinding, look.binding(&settings.dead_letter_exchange, &settings.dead_letter_queue).await),
    ] {
        match faults {
            Ok(verdicts) => verdicts.iter().for_each(|verdict| findings.add(step, verdict)),
            Err(ManagementError::Status(404)) => findings.skip(&[step], "it does not exist yet"),
            Err(error) => findings.fail(step, error.diagnosis()),
        }
    }
}

struct Look<'a> {
    management: &'a Management,
    settings: &'a Amqp,
    /// Before RabbitMQ 4, a queue without a delivery limit has none.
    unlimited_by_default: bool,
}

impl Look<'_> {
    /// What rules the queue of alerts.
    async fn alerts(&self) -> Result<Vec<Verdict>, ManagementError> {
        let amqp_queue = &self.settings.amqp_queue;
        let facts = self.management.queue(amqp_queue).await?;
        if !facts.policies_are_known() {
            return Ok(vec![Verdict::NotVerifiable(without_statistics())]);
        }
        let mut verdicts = Vec::new();
        let what = format!("queue {amqp_queue:?} is not as it should be");
        let cure = |setting: &str| cure(&facts, amqp_queue, setting);
        let mut fault = |make: fn(Diagnosis) -> Verdict, why: String, cure: String| {
            verdicts.push(make(Diagnosis::of(Trouble::InvalidQueue, what.clone(), why, cure)));
        };
        if facts.kind() != "quorum" {
            let why = format!("it is a {} queue, which keeps no second copy and no delivery limit", facts.kind());
            fault(Verdict::Warning, why, redeclare(amqp_queue));
        }
        match facts.dead_letter_exchange() {
            None => {
                let why = "it has no dead-letter exchange, so what the broker itself gives up is lost".to_owned();
                let wanted = format!("dead-letter-exchange to {:?}", self.settings.dead_letter_exchange);
                fault(Verdict::Failed, why, cure(&wanted));
            }
            Some(exchange) if !self.management.exchange_is_there(exchange).await? => {
                let why = format!("its dead-letter exchange {exchange:?} does not exist");
                fault(Verdict::Failed, why, "Declare it and bind a queue to it".to_owned());
            }
            Some(exchange) if exchange != self.settings.dead_letter_exchange => {
                let why = format!("the broker dead-letters to {exchange:?}, the relay to AMQP_DEAD_LETTER_EXCHANGE");
                let wanted = format!("dead-letter-exchange to {:?}", self.settings.dead_letter_exchange);
                fault(Verdict::Warning, why, cure(&wanted));
            }
            Some(_) => {}
        }
        if facts.dead_letter_strategy() != "at-least-once" || facts.overflow() != "reject-publish" {
            let (strategy, overflow) = (facts.dead_letter_strategy(), facts.overflow());
            let why = format!(
                "dead-letter-strategy is {strategy} and overflow {overflow}: the broker's own dead letters can get lost"
            );
            fault(Verdict::Warning, why, cure("dead-letter-strategy to at-least-once and overflow to reject-publish"));
        }
        match facts.delivery_limit() {
            Some(limit @ 0..MIN_DELIVERY_LIMIT) => {
                let why = format!("its delivery limit is {limit}: a few crashes dead-letter alerts that are well");
                fault(Verdict::Warning, why, cure("delivery-limit to 100"));
            }
            None if self.unlimited_by_default => {
                let why = "it has no delivery limit: an alert that crashes the relay comes back for ever".to_owned();
                fault(Verdict::Warning, why, cure("delivery-limit to 100"));
            }
            _ => {}
        }
        if let Some((name, value)) = facts.bound() {
            let why = format!("its {name} is {value}: alerts are refused or dead-lettered for want of room or time");
            fault(Verdict::Warning, why, cure(&format!("no {name}")));
        }
        let seen = || {
            let limit = facts.delivery_limit().map_or_else(|| "the default".to_owned(), |limit| limit.to_string());
            format!("{}, delivery limit {limit}, at-least-once{}", facts.kind(), by_policies(&facts))
        };
        Ok(or_well(verdicts, seen))
    }

    /// Whether the queue of dead letters keeps them whoever looks.
    async fn letters(&self) -> Result<Vec<Verdict>, ManagementError> {
        let amqp_queue = &self.settings.dead_letter_queue;
        let facts = self.management.queue(amqp_queue).await?;
        if !facts.policies_are_known() {
            return Ok(vec![Verdict::NotVerifiable(without_statistics())]);
        }
        let mut verdicts = Vec::new();
        let mut fail = |why: String, cure: String| {
            let what = format!("queue {amqp_queue:?} loses dead letters");
            verdicts.push(Verdict::Failed(Diagnosis::of(Trouble::InvalidQueue, what, why, cure)));
        };
        let wanted = cure(&facts, amqp_queue, "delivery-limit to 1000000");
        match (facts.kind(), facts.delivery_limit()) {
            ("quorum", Some(limit @ 0..MIN_LOOKS)) => {
                fail(format!("its delivery limit is {limit}, and each look at a letter counts as a delivery"), wanted);
            }
            // 3.10 takes -1 for a limit that is passed already.
            ("quorum", Some(..0)) if self.unlimited_by_default => {
                fail("before RabbitMQ 4, a delivery limit below 0 drops a letter at its first look".to_owned(), wanted);
            }
            ("quorum", None) if !self.unlimited_by_default => {
                fail("its delivery limit is the default of 20, and each look counts as a delivery".to_owned(), wanted);
            }
            _ => {}
        }
        if let Some((name, value)) =
            facts.bound().filter(|(name, _)| *name == "message-ttl" || facts.overflow() == "drop-head")
        {
            fail(
                format!("its {name} is {value}: letters vanish unread"),
                cure(&facts, amqp_queue, &format!("no {name}")),
            );
        }
        let seen = || {
            let limit = facts.delivery_limit().map_or_else(|| "none".to_owned(), |limit| limit.to_string());
            format!("{}, safe to browse: delivery limit {limit}{}", facts.kind(), by_policies(&facts))
        };
        Ok(or_well(verdicts, seen))
    }

    async fn binding(&self, exchange: &str, amqp_queue: &str) -> Result<Vec<Verdict>, ManagementError> {
        // Of what does not exist, there are no bindings either.
        if !self.management.queue_is_there(amqp_queue).await? || !self.management.exchange_is_there(exchange).await? {
            return Err(ManagementError::Status(404));
        }
        let keys = self.management.bindings(exchange, amqp_queue).await?;
        Ok(vec![if keys.is_empty() {
            Verdict::Failed(Diagnosis::of(
                Trouble::InvalidQueue,
                format!("nothing comes into queue {amqp_queue:?}"),
                format!("it is not bound to exchange {exchange:?}"),
                format!("Bind it in the management pages (Queues > {amqp_queue} > Bindings), routing key #"),
            ))
        } else {
            Verdict::Well(format!("{exchange:?} to {amqp_queue:?} by {}", keys.join(", ")))
        }])
    }
}

fn without_statistics() -> Diagnosis {
    Diagnosis::other(
        "what rules the queue was not judged",
        "the management API does not show which policies are on it",
        "Run check again in some seconds, or let the broker collect statistics",
    )
}

fn or_well(verdicts: Vec<Verdict>, seen: impl Fn() -> String) -> Vec<Verdict> {
    if verdicts.is_empty() { vec![Verdict::Well(seen())] } else { verdicts }
}

/// Where a setting is to be changed: a policy can be, an argument cannot.
fn cure(facts: &QueueFacts, amqp_queue: &str, setting: &str) -> String {
    match facts.policy_names().first() {
        Some(policy) => {
            format!("Set {setting} in the policy {policy:?}; what is an argument of the queue needs a new one")
        }
        None => format!("Set {setting} by a policy on the queue (Admin > Policies); {}", redeclare(amqp_queue)),
    }
}

fn redeclare(amqp_queue: &str) -> String {
    format!(
        "or, since arguments cannot be changed, move its messages away, delete {amqp_queue:?} and start the relay, \
         which declares it as it should be"
    )
}

fn by_policies(facts: &QueueFacts) -> String {
    match facts.policy_names().as_slice() {
        [] => String::new(),
        names => format!(", policy {}", names.join(", ")),
    }
}
