//! What all the commands work with: the broker, the rules, and how it is said when they fail.

use std::io::{self, IsTerminal, Write, stderr, stdin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use gethostname::gethostname;
use jiff::Timestamp;

use crate::amqp::{self, Broker, Browser, DeliveryLimit, Letter, NotOpened};
use crate::cli::output::say;
use crate::cli::{Exit, terminal};
use crate::config::Amqp;
use crate::mapping::Rules;
use crate::outcome::DeadLetter;
use crate::relay::{NoTicket, Prepared, prepare};

/// How long another operator is waited for.
const WAIT_FOR_OTHERS: Duration = Duration::from_secs(10);
const TRY_EVERY: Duration = Duration::from_millis(500);
/// From so many looks on a delivery limit is no danger to those who look.
const PLENTY_OF_LOOKS: i64 = 1000;

/// Where the operator sits.
pub(super) struct Desk {
    pub broker: Arc<Broker>,
    pub rules: Rules,
}

/// Why a command cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Broker(#[from] amqp::Error),
    /// Another operator is at the letters.
    #[error("{0} is at the dead letters, and one at a time may be. Wait until they are done")]
    Occupied(String),
    /// Something cannot be written or read.
    #[error("Writing or reading failed: {0}")]
    Output(#[from] io::Error),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// It cannot be done.
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// Says it, and how the command ends.
    pub(super) fn report(self) -> Exit {
        match self {
            // Whoever reads stdout has seen enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Well,
            Self::Broker(error) => {
                say!("{}", terminal::line(&error.diagnosis().to_string()));
                if error.is_configuration() { Exit::Configuration } else { Exit::Unavailable }
            }
            Self::Usage(_) => {
                say!("{self}");
                Exit::Usage
            }
            Self::Occupied(_) | Self::Output(_) | Self::Failed(_) => {
                say!("{self}");
                Exit::Failed
            }
        }
    }
}

impl Desk {
    /// What is set of the broker.
    pub(super) fn amqp(&self) -> &Amqp {
        self.broker.settings()
    }

    /// Goes to the dead letters for `command`, and says what is dangerous there.
    pub(super) async fn open(&self, command: &str) -> Result<Browser, Failure> {
        let me = format!(
            "{}@{} (rtir-relay dead-letters {command}, since {:.0})",
            std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned()),
            gethostname().to_string_lossy(),
            Timestamp::now()
        );
        let begun = Instant::now();
        let mut told = false;
        let browser = loop {
            match Browser::open(&self.broker, &me).await {
                Ok(browser) => break browser,
                Err(NotOpened::Broker(error)) => return Err(error.into()),
                Err(NotOpened::Locked(whom)) if begun.elapsed() > WAIT_FOR_OTHERS => {
                    return Err(Failure::Occupied(terminal::line(&whom)));
                }
                Err(NotOpened::Locked(whom)) => {
                    if !told {
                        say!("{} is at the dead letters; waiting up to {WAIT_FOR_OTHERS:?}", terminal::line(&whom));
                        told = true;
                    }
                    tokio::time::sleep(TRY_EVERY).await;
                }
            }
        };
        self.warn(&browser);
        Ok(browser)
    }

    fn warn(&self, browser: &Browser) {
        let amqp_queue = &self.amqp().dead_letter_queue;
        if !browser.is_locked() {
            say!(
                "Warning: other operators are not kept out, since the user of AMQP_URL may not declare the queue \
                 \"{amqp_queue}.operator\"; do not work on the same letters at once"
            );
        }
        let cure = "letters that have had half of their looks are stored anew, at the end of the queue. Make the queue \
                    anew with x-delivery-limit 1000000, as the relay declares it";
        match browser.delivery_limit() {
            DeliveryLimit::Known(..0) => say!(
                "Warning: queue {amqp_queue:?} has a delivery limit below 0, with which RabbitMQ before 4 drops a letter that \
                 goes back to it: each is stored anew before, and a look that is broken off loses those under way. Make \
                 the queue anew with x-delivery-limit 1000000, as the relay declares it"
            ),
            DeliveryLimit::Known(most) if most < PLENTY_OF_LOOKS => {
                say!("Warning: queue {amqp_queue:?} drops a letter that is looked at more than {most} times; {cure}");
            }
            DeliveryLimit::Unknown => say!(
                "Warning: it cannot be seen how often a letter in queue {amqp_queue:?} may be looked at, and RabbitMQ 4 \
                 drops it after 20 looks unless told otherwise; {cure}"
            ),
            DeliveryLimit::Known(_) | DeliveryLimit::Uncounted => {}
        }
    }

    /// What the relay would make of `letter` now, without asking RT.
    pub(super) fn prepare(&self, letter: &Letter) -> Result<Prepared, Box<DeadLetter>> {
        prepare(&self.rules, &letter.body.clone().into(), letter.content_type())
    }

    /// Why `letter` would be dead-lettered again.
    pub(super) fn would_fail(&self, letter: &Letter) -> Option<Box<DeadLetter>> {
        match self.prepare(letter) {
            Ok(Prepared { ticket: Err(NoTicket::Impossible(letter)), .. }) | Err(letter) => Some(letter),
            Ok(_) => None,
        }
    }
}

/// How to go about a change.
#[derive(Debug, Args)]
pub(super) struct Manner {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

impl Manner {
    /// Refuses what would need an answer that nobody can give.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.yes || self.dry_run || stdin().is_terminal() {
            return Ok(());
        }
        let why = "This changes the queue, and stdin is no terminal to ask on: say --yes or --dry-run";
        Err(Failure::Usage(why.to_owned()))
    }

    /// Whether to go on. No answer is no.
    pub(super) fn ask(&self, question: &str) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        write!(stderr(), "{} [y/N] ", terminal::line(question))?;
        let mut answer = String::new();
        stdin().read_line(&mut answer)?;
        let yes = matches!(answer.trim(), "y" | "Y" | "yes");
        if !yes {
            say!("Nothing is changed");
        }
        Ok(yes)
    }
}

/// `1 dead letter`, `2 dead letters`
pub(super) fn count(letters: usize) -> String {
    format!("{letters} dead letter{}", if letters == 1 { "" } else { "s" })
}
