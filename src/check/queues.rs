//! What rules the two queues, by the broker's management API: limits, policies, bindings.

use super::{Findings, Step, Verdict};
use crate::amqp::{Management, ManagementError, QueueFacts};
use crate::config::Amqp;
use crate::diagnosis::{Diagnosis, Trouble};

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
        let exchange = facts.dead_letter_exchange();
        let exchange_is_there = match exchange {
            Some(exchange) => self.management.exchange_is_there(exchange).await?,
            None => false,
        };
        let mut faults = Faults::of(&facts, amqp_queue, "is not as it should be");
        faults.judge_dead_letter_exchange(exchange, exchange_is_there, &self.settings.dead_letter_exchange);
        faults.judge_strategy();
        faults.judge_limit_of_alerts(self.unlimited_by_default);
        if let Some((name, value)) = facts.bound() {
            let why = format!("its {name} is {value}: alerts are refused or dead-lettered for want of room or time");
            faults.warn(why, &format!("no {name}"));
        }
        let limit = facts.delivery_limit().map_or_else(|| "the default".to_owned(), |limit| limit.to_string());
        Ok(faults.or_well(format!("{}, delivery limit {limit}, at-least-once", facts.kind())))
    }

    /// Whether the queue of dead letters keeps them whoever looks.
    async fn letters(&self) -> Result<Vec<Verdict>, ManagementError> {
        let amqp_queue = &self.settings.dead_letter_queue;
        let facts = self.management.queue(amqp_queue).await?;
        if !facts.policies_are_known() {
            return Ok(vec![Verdict::NotVerifiable(without_statistics())]);
        }
        let mut faults = Faults::of(&facts, amqp_queue, "loses dead letters");
        if facts.kind() == "quorum" {
            faults.judge_limit_of_letters(self.unlimited_by_default);
        }
        let loses = |name: &str| name == "message-ttl" || facts.overflow() == "drop-head";
        if let Some((name, value)) = facts.bound().filter(|(name, _)| loses(name)) {
            faults.fail(format!("its {name} is {value}: letters vanish unread"), &format!("no {name}"));
        }
        let limit = facts.delivery_limit().map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        Ok(faults.or_well(format!("{}, safe to browse: delivery limit {limit}", facts.kind())))
    }

    /// How a queue is bound to an exchange. Of what does not exist, there are no bindings either.
    async fn binding(&self, exchange: &str, amqp_queue: &str) -> Result<Vec<Verdict>, ManagementError> {
        if !self.management.queue_is_there(amqp_queue).await? || !self.management.exchange_is_there(exchange).await? {
            return Err(ManagementError::Status(404));
        }
        let keys = self.management.bindings(exchange, amqp_queue).await?;
        Ok(vec![if keys.is_empty() {
            Verdict::Failed(Diagnosis::of(
                Trouble::InvalidQueue,
                format!("nothing comes into queue {amqp_queue:?}"),
                format!("it is not bound to exchange {exchange:?}"),
                format!("Bind it with the routing key # (management pages: Queues > {amqp_queue} > Bindings)"),
            ))
        } else {
            Verdict::Well(format!("{exchange:?} to {amqp_queue:?} by {}", keys.join(", ")))
        }])
    }
}

/// What is wrong with a queue.
struct Faults<'a> {
    facts: &'a QueueFacts,
    amqp_queue: &'a str,
    what: String,
    verdicts: Vec<Verdict>,
}

impl<'a> Faults<'a> {
    fn of(facts: &'a QueueFacts, amqp_queue: &'a str, what: &str) -> Self {
        Self { facts, amqp_queue, what: format!("queue {amqp_queue:?} {what}"), verdicts: Vec::new() }
    }

    fn judge_dead_letter_exchange(&mut self, exchange: Option<&str>, is_there: bool, wanted: &str) {
        let setting = format!("dead-letter-exchange to {wanted:?}");
        match exchange {
            None => {
                let why = "it has no dead-letter exchange, so what the broker itself gives up is lost".to_owned();
                self.fail(why, &setting);
            }
            Some(exchange) if !is_there => {
                let why = format!("its dead-letter exchange {exchange:?} does not exist");
                let cure = "Declare it and bind a queue to it".to_owned();
                self.verdicts.push(Verdict::Failed(self.diagnosis(why, cure)));
            }
            Some(exchange) if exchange != wanted => {
                let why = format!("the broker dead-letters to {exchange:?}, the relay to AMQP_DEAD_LETTER_EXCHANGE");
                self.warn(why, &setting);
            }
            Some(_) => {}
        }
    }

    fn judge_strategy(&mut self) {
        let (strategy, overflow) = (self.facts.dead_letter_strategy(), self.facts.overflow());
        if strategy != "at-least-once" || overflow != "reject-publish" {
            let why = format!(
                "dead-letter-strategy is {strategy} and overflow {overflow}: the broker's own dead letters can get lost"
            );
            self.warn(why, "dead-letter-strategy to at-least-once and overflow to reject-publish");
        }
    }

    fn judge_limit_of_alerts(&mut self, unlimited_by_default: bool) {
        let why = match self.facts.delivery_limit() {
            _ if self.facts.kind() != "quorum" => {
                format!("it is a {} queue, which has no delivery limit and no copy on other nodes", self.facts.kind())
            }
            Some(limit @ 0..MIN_DELIVERY_LIMIT) => {
                format!("its delivery limit is {limit}: a few crashes dead-letter alerts that are well")
            }
            Some(..0) if unlimited_by_default => {
                "before RabbitMQ 4, a delivery limit below 0 dead-letters what comes back once".to_owned()
            }
            limit if limit.map_or(unlimited_by_default, |limit| limit < 0) => {
                "it has no delivery limit: an alert that crashes the relay comes back for ever".to_owned()
            }
            _ => return,
        };
        self.warn(why, "delivery-limit to 100");
    }

    fn judge_limit_of_letters(&mut self, unlimited_by_default: bool) {
        let why = match self.facts.delivery_limit() {
            Some(limit @ 0..MIN_LOOKS) => {
                format!("its delivery limit is {limit}, and each look at a letter counts as a delivery")
            }
            // 3.10 takes -1 for a limit that is passed already.
            Some(..0) if unlimited_by_default => {
                "before RabbitMQ 4, a delivery limit below 0 drops a letter at its first look".to_owned()
            }
            None if !unlimited_by_default => {
                "its delivery limit is the default of 20, and each look counts as a delivery".to_owned()
            }
            _ => return,
        };
        self.fail(why, "delivery-limit to 1000000");
    }

    /// What works and should not stay so; `setting` mends it.
    fn warn(&mut self, why: String, setting: &str) {
        self.verdicts.push(Verdict::Warning(self.diagnosis(why, self.cure(setting))));
    }

    /// What loses messages; `setting` mends it.
    fn fail(&mut self, why: String, setting: &str) {
        self.verdicts.push(Verdict::Failed(self.diagnosis(why, self.cure(setting))));
    }

    fn diagnosis(&self, why: String, cure: String) -> Diagnosis {
        Diagnosis::of(Trouble::InvalidQueue, self.what.clone(), why, cure)
    }

    /// Where a setting is to be changed: a policy can be, an argument cannot.
    fn cure(&self, setting: &str) -> String {
        match self.facts.policy_names().first() {
            Some(policy) => {
                format!("Set {setting} in the policy {policy:?}; what is an argument of the queue needs a new queue")
            }
            None => format!(
                "Set {setting} by a policy on the queue (Admin > Policies); or, since arguments cannot be changed, move \
                 its messages away, delete {:?} and start the relay, which declares it as it should be",
                self.amqp_queue
            ),
        }
    }

    fn or_well(self, seen: String) -> Vec<Verdict> {
        if !self.verdicts.is_empty() {
            return self.verdicts;
        }
        vec![Verdict::Well(match self.facts.policy_names().as_slice() {
            [] => seen,
            names => format!("{seen}; policy {}", names.join(", ")),
        })]
    }
}

fn without_statistics() -> Diagnosis {
    Diagnosis::other(
        "what rules the queue was not judged",
        "the management API does not show which policies are on it",
        "Run check again in some seconds, or let the broker collect statistics",
    )
}
