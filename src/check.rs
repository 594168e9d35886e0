//! The whole way of an alert, step by step, each that fails with its cause and what mends it. Changes nothing, unless
//! asked to prove what cannot be read.

mod amqp;
mod certificate;
mod queues;
mod rtir;
mod server;
mod test_ticket;
mod trax;

use std::sync::Arc;

use tokio::net::TcpStream;

use crate::config::{Amqp, Config, Rtir, Trax};
use crate::diagnosis::Diagnosis;
use crate::mapping::Rules;
use crate::metrics::Metrics;
use crate::rtir::Client;
use crate::trax::HandOver;
use test_ticket::TestTicket;

/// Why a step is skipped.
const STEP_BEFORE_FAILED: &str = "a step before it failed";

/// A part of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The environment.
    Configuration,
    /// Who is notified where an alert names nobody.
    FallbackRequestor,
    /// The broker's name and port.
    AmqpAddress,
    /// The broker's certificate.
    AmqpTls,
    /// User and password.
    AmqpLogin,
    /// The vhost, and the user's permission on it.
    AmqpVhost,
    /// Where publishers publish.
    AmqpExchange,
    /// What the relay consumes.
    AmqpQueue,
    /// The right to consume it.
    AmqpConsume,
    /// Where dead letters are published.
    DeadLetterExchange,
    /// The right to publish them there.
    DeadLetterPublish,
    /// Where dead letters are kept.
    DeadLetterQueue,
    /// The broker's management API.
    AmqpManagement,
    /// What rules the queue of alerts.
    AmqpQueueSettings,
    /// That alerts come into their queue.
    AmqpBinding,
    /// What rules the queue of dead letters.
    DeadLetterQueueSettings,
    /// That dead letters come into their queue.
    DeadLetterBinding,
    /// The proxy on the way to RT.
    RtProxy,
    /// RT's name and port.
    RtAddress,
    /// RT's certificate.
    RtTls,
    /// That REST 2.0 answers there.
    RtRest,
    /// The clocks here and there.
    RtClock,
    /// The credentials.
    RtLogin,
    /// RT's version.
    RtVersion,
    /// The RT queue: visible, enabled, takes tickets.
    RtQueue,
    /// That its tickets may start as `new`.
    RtStartStatus,
    /// The custom field of the alert key.
    RtField,
    /// The right to write it.
    RtFieldRight,
    /// The right to see tickets.
    RtShowTicket,
    /// That RT mails who is notified where an alert names nobody.
    RtFallback,
    /// Storing a dead letter.
    TestDeadLetter,
    /// Making a test ticket.
    TestCreate,
    /// Finding it by its key.
    TestFind,
    /// Commenting on it.
    TestComment,
    /// Seeing that comment.
    TestSeeComment,
    /// Marking it as handed over.
    TestReported,
    /// Resolving it.
    TestResolve,
    /// The postbox's name and port.
    TraxAddress,
    /// The postbox's certificate.
    TraxTls,
    /// That the postbox answers the token.
    TraxPostbox,
    /// The right to hand over alone.
    TraxLease,
    /// The custom fields by which tickets are found.
    TraxField,
    /// The tickets that are to be handed over.
    TraxTickets,
}

impl Step {
    /// The step's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::FallbackRequestor => "fallback requestor",
            Self::AmqpAddress => "AMQP address",
            Self::AmqpTls => "AMQP TLS",
            Self::AmqpLogin => "AMQP login",
            Self::AmqpVhost => "AMQP vhost",
            Self::AmqpExchange => "AMQP exchange",
            Self::AmqpQueue => "AMQP queue",
            Self::AmqpConsume => "AMQP right to consume",
            Self::DeadLetterExchange => "dead-letter exchange",
            Self::DeadLetterPublish => "right to dead-letter",
            Self::DeadLetterQueue => "dead-letter queue",
            Self::AmqpManagement => "AMQP management",
            Self::AmqpQueueSettings => "AMQP queue settings",
            Self::AmqpBinding => "AMQP queue binding",
            Self::DeadLetterQueueSettings => "dead-letter settings",
            Self::DeadLetterBinding => "dead-letter binding",
            Self::RtProxy => "RT proxy",
            Self::RtAddress => "RT address",
            Self::RtTls => "RT TLS",
            Self::RtRest => "RT REST 2.0",
            Self::RtClock => "RT clock",
            Self::RtLogin => "RT login",
            Self::RtVersion => "RT version",
            Self::RtQueue => "RT queue",
            Self::RtStartStatus => "RT start status",
            Self::RtField => "RT field Alert ID",
            Self::RtFieldRight => "RT field right",
            Self::RtShowTicket => "RT tickets visible",
            Self::RtFallback => "RT mails the fallback",
            Self::TestDeadLetter => "test dead letter",
            Self::TestCreate => "test ticket: create",
            Self::TestFind => "test ticket: find",
            Self::TestComment => "test ticket: comment",
            Self::TestSeeComment => "test ticket: see comment",
            Self::TestReported => "test ticket: Reported",
            Self::TestResolve => "test ticket: resolve",
            Self::TraxAddress => "trax address",
            Self::TraxTls => "trax TLS",
            Self::TraxPostbox => "trax postbox",
            Self::TraxLease => "trax lease",
            Self::TraxField => "RT field for trax",
            Self::TraxTickets => "tickets for trax",
        }
    }
}

/// What a step showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is well; what was seen.
    Well(String),
    /// It works, and should not stay so.
    Warning(Diagnosis),
    /// It does not work.
    Failed(Diagnosis),
    /// There is nothing to look at, or a step before has failed: why.
    Skipped(String),
    /// It cannot be seen as things are.
    NotVerifiable(Diagnosis),
}

impl Verdict {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Well(_) => "ok",
            Self::Warning(_) => "warn",
            Self::Failed(_) => "FAIL",
            Self::Skipped(_) => "skip",
            Self::NotVerifiable(_) => "not verifiable",
        }
    }
}

/// Hears of each step as it ends.
pub struct Findings<'a> {
    tell: &'a dyn Fn(Step, &Verdict),
    failed: bool,
}

impl<'a> Findings<'a> {
    /// Findings told to `tell`.
    pub fn new(tell: &'a dyn Fn(Step, &Verdict)) -> Self {
        Self { tell, failed: false }
    }

    /// Whether a step has failed.
    pub fn have_failed(&self) -> bool {
        self.failed
    }

    fn add(&mut self, step: Step, verdict: &Verdict) {
        self.failed |= matches!(verdict, Verdict::Failed(_));
        (self.tell)(step, verdict);
    }

    fn well(&mut self, step: Step, seen: impl Into<String>) {
        self.add(step, &Verdict::Well(seen.into()));
    }

    /// A step that does not work.
    pub fn fail(&mut self, step: Step, diagnosis: Diagnosis) {
        self.add(step, &Verdict::Failed(diagnosis));
    }

    fn skip(&mut self, steps: &[Step], why: &str) {
        for step in steps {
            self.add(*step, &Verdict::Skipped(why.to_owned()));
        }
    }
}

/// Where a connection led: `rt.example.org:443 at 192.0.2.1`.
fn reached(host: &str, port: u16, stream: &TcpStream) -> String {
    match stream.peer_addr() {
        Ok(peer) if peer.ip().to_string() != host => format!("{host}:{port} at {}", peer.ip()),
        _ => format!("{host}:{port}"),
    }
}

/// Walks the whole way.
pub struct Walk {
    amqp: Arc<Amqp>,
    rtir: Arc<Rtir>,
    rules: Rules,
    client: Client,
    hand_over: Option<(Arc<Trax>, HandOver)>,
}

impl Walk {
    /// The way that `config` describes. Asks no server.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(config: Config) -> Result<Self, Diagnosis> {
        let rtir = Arc::new(config.rtir);
        let metrics = Arc::new(Metrics::default());
        let client = Client::new(Arc::clone(&rtir), Arc::clone(&metrics)).map_err(|error| error.diagnosis())?;
        let hand_over = config.trax.map(|trax| {
            let trax = Arc::new(trax);
            let hand_over = HandOver::new(Arc::clone(&trax), &rtir.rt_queue, client.another(), metrics)?;
            Ok((trax, hand_over))
        });
        let hand_over = hand_over.transpose()?;
        Ok(Self { amqp: Arc::new(config.amqp), rtir, rules: config.rules, client, hand_over })
    }

    /// What the configuration alone shows.
    pub fn configuration(&self, findings: &mut Findings<'_>) {
        findings.well(Step::Configuration, "all variables are understood");
        let seen = match &self.rules.fallback_requestor {
            Some(who) => format!("{}, of alerts with missing focal points", who.as_str()),
            None => "none: alerts with missing focal points are dead-lettered (RTIR_FALLBACK_REQUESTOR)".to_owned(),
        };
        findings.well(Step::FallbackRequestor, seen);
    }

    /// The servers; with `write`, what can only be proven by doing it.
    pub async fn servers(&self, write: bool, findings: &mut Findings<'_>) {
        amqp::walk(&self.amqp, write, findings).await;
        let hand_over = self.hand_over.as_ref().map(|(_, hand_over)| hand_over);
        let test = write.then_some(TestTicket { rules: &self.rules, hand_over });
        rtir::walk(&self.rtir, &self.rules, &self.client, test, findings).await;
        if let Some((settings, hand_over)) = &self.hand_over {
            trax::walk(settings, &self.amqp, hand_over, findings).await;
            hand_over.client().log_out().await;
        }
        self.client.log_out().await;
    }
}
