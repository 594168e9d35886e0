//! `rtir-relay trax`

use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use gethostname::gethostname;
use serde::Serialize;

use super::output::say;
use super::{Exit, block_on, output, report, terminal};
use crate::amqp::{self, Broker, Lease};
use crate::config::{Config, Environment};
use crate::diagnosis::{Diagnosis, Trouble};
use crate::metrics::Metrics;
use crate::rtir::Client;
use crate::ticket::TicketId;
use crate::trax::{self, HandOver, Pending, Reply, Wish};

/// A relay answers when its round is over, and that may wait for trax three times.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);

/// What to do about the hand-over to trax.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rtir-relay trax pending\n  rtir-relay trax send 4711\n  rtir-relay trax retry\n\n\
    Exit codes: 0 well; 1 it could not be done; 2 usage; 69 RT or the broker cannot be reached; 78 configuration."
)]
pub(super) struct Trax {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the tickets that are to be handed over, and which of them trax refuses
    #[command(after_help = "Examples:\n  rtir-relay trax pending\n  \
        rtir-relay trax pending --json | jq 'select(.refused)'")]
    Pending {
        /// One JSON object a line: ticket, refused, subject, `last_updated`
        #[arg(long)]
        json: bool,
    },
    /// Hand over one ticket now, whether or not condition and release take it
    #[command(after_help = "Examples:\n  rtir-relay trax send 4711\n\n\
        Done by the relay that hands over, if one runs; else here. A ticket that was handed over (its field Reported is \
        set) or is rejected is left alone: empty the field to send it once more.")]
    Send {
        /// The ticket's number
        #[arg(value_name = "ID", value_parser = ticket)]
        ticket: TicketId,
    },
    /// Have tickets that trax refused handed over again, by a comment on each
    #[command(after_help = "Examples:\n  rtir-relay trax retry\n  rtir-relay trax retry 4711 4712\n\n\
        A relay hands them over within TRAX_INTERVAL.")]
    Retry {
        /// The tickets' numbers; without any, all that are refused
        #[arg(value_name = "ID", value_parser = ticket)]
        tickets: Vec<TicketId>,
    },
}

/// A line of `trax pending --json`.
#[derive(Serialize)]
struct Line<'a> {
    ticket: u64,
    refused: bool,
    subject: &'a str,
    last_updated: &'a str,
}

/// What the commands work with.
struct Desk {
    hand_over: HandOver,
    broker: Broker,
    in_flight: Duration,
}

/// Why a command cannot go on.
enum Failure {
    Broker(amqp::Error),
    Failed(Diagnosis),
}

impl From<amqp::Error> for Failure {
    fn from(error: amqp::Error) -> Self {
        Self::Broker(error)
    }
}

impl From<Diagnosis> for Failure {
    fn from(diagnosis: Diagnosis) -> Self {
        Self::Failed(diagnosis)
    }
}

impl Trax {
    pub(super) fn execute(&self, environment: &Environment) -> Exit {
        let config = match Config::load(environment) {
            Ok(config) => config,
            Err(faults) => return report(&faults),
        };
        let desk = match Desk::new(config) {
            Ok(Some(desk)) => desk,
            Ok(None) => {
                say!(
                    "TRAX_URL is not set: no ticket is handed over. README, \"Hand-over to trax\", says how to set it up"
                );
                return Exit::Configuration;
            }
            Err(diagnosis) => {
                say!("{}", terminal::line(&diagnosis.to_string()));
                return Exit::Configuration;
            }
        };
        block_on(async {
            let mut desk = desk;
            let done = match &self.command {
                Command::Pending { json } => desk.pending(*json).await,
                Command::Send { ticket } => desk.send(*ticket).await,
                Command::Retry { tickets } => desk.retry(tickets).await,
            };
            desk.hand_over.client().log_out().await;
            done.unwrap_or_else(Failure::report)
        })
    }
}

impl Failure {
    /// Says it, and how the command ends.
    fn report(self) -> Exit {
        let (diagnosis, exit) = match self {
            Self::Broker(error) if error.is_configuration() => (error.diagnosis(), Exit::Configuration),
            Self::Broker(error) => (error.diagnosis(), Exit::Unavailable),
            Self::Failed(diagnosis) => match diagnosis.trouble {
                Some(Trouble::ServerUnreachable) => (diagnosis, Exit::Unavailable),
                _ => (diagnosis, Exit::Failed),
            },
        };
        say!("{}", terminal::line(&diagnosis.to_string()));
        exit
    }
}

impl Desk {
    /// `None` where no postbox is set up.
    fn new(config: Config) -> Result<Option<Self>, Diagnosis> {
        let Config { amqp, rtir, trax: Some(trax), .. } = config else { return Ok(None) };
        let in_flight = trax::in_flight(trax.timeout, rtir.timeout);
        let (metrics, rt_queue) = (Arc::new(Metrics::default()), rtir.rt_queue.clone());
        let client = Client::new(Arc::new(rtir), Arc::clone(&metrics)).map_err(|error| error.diagnosis())?;
        let hand_over = HandOver::new(Arc::new(trax), &rt_queue, client, metrics)?;
        Ok(Some(Self { hand_over, broker: Broker::new(Arc::new(amqp)), in_flight }))
    }

    async fn pending(&self, json: bool) -> Result<Exit, Failure> {
        let pending = self.hand_over.pending().await?;
        for Pending { ticket, refused } in &pending {
            let line = if json {
                let (subject, last_updated) = (ticket.subject.as_str(), ticket.last_updated.as_str());
                let line = Line { ticket: ticket.id.0, refused: *refused, subject, last_updated };
                terminal::json(&line).unwrap_or_default()
            } else {
                let state = if *refused { "refused" } else { "waits" };
                format!("{:>8}  {state:<7}  {}", ticket.id, terminal::line(&ticket.subject))
            };
            // Whoever reads it has seen enough.
            if writeln!(stdout(), "{line}").is_err() {
                break;
            }
        }
        let refused = pending.iter().filter(|pending| pending.refused).count();
        say!("{} to be handed over, {refused} of them refused by trax: see their comments", pending.len());
        Ok(Exit::Well)
    }

    async fn send(&mut self, ticket: TicketId) -> Result<Exit, Failure> {
        let name = trax::lease_name(&self.broker.settings().amqp_queue);
        let reply = match Lease::take(&self.broker, &name).await? {
            Some(lease) => {
                let wait = self.in_flight;
                say!("No relay hands over now: this command does, in {wait:?}, when none can be at it any more");
                tokio::time::sleep(wait).await;
                let reply = Reply::of(ticket.0, self.hand_over.send(ticket, &|| lease.is_held()).await);
                lease.give_back().await;
                reply
            }
            None => self.ask(&name, ticket).await?,
        };
        let printed = output::print(format!("{}\n", terminal::line(&reply.what)).as_bytes());
        Ok(if reply.handed_over { printed } else { Exit::Failed })
    }

    /// Has the relay that holds the lease do it.
    async fn ask(&self, name: &str, ticket: TicketId) -> Result<Reply, Failure> {
        let wish = serde_json::to_vec(&Wish { send: ticket.0 }).unwrap_or_default();
        let answer = amqp::ask(&self.broker, name, &wish, ANSWER_WITHIN).await?;
        let reply = answer.and_then(|answer| serde_json::from_slice(&answer).ok());
        Ok(reply.unwrap_or_else(|| Reply {
            handed_over: false,
            what: format!("the relay that hands over gave no answer in {ANSWER_WITHIN:?}; see its log"),
        }))
    }

    async fn retry(&self, tickets: &[TicketId]) -> Result<Exit, Failure> {
        let refused: Vec<TicketId> = if tickets.is_empty() {
            let pending = self.hand_over.pending().await?;
            pending.iter().filter(|pending| pending.refused).map(|pending| pending.ticket.id).collect()
        } else {
            tickets.to_vec()
        };
        let who = format!("{}@{}", user(), gethostname().to_string_lossy());
        let mut exit = Exit::Well;
        for ticket in &refused {
            self.hand_over.retry(*ticket, &who).await?;
            if exit == Exit::Well {
                exit = output::print(format!("ticket {ticket} is handed over again\n").as_bytes());
            }
        }
        say!("{} to be handed over again; a relay does so within TRAX_INTERVAL", refused.len());
        Ok(exit)
    }
}

/// Who asks, as far as the environment says.
fn user() -> String {
    std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "somebody".to_owned())
}

fn ticket(text: &str) -> Result<TicketId, String> {
    match text.parse() {
        Ok(id) if id > 0 => Ok(TicketId(id)),
        _ => Err("the number of a ticket, such as 4711".to_owned()),
    }
}
