//! What can go wrong with RT, and what it means.

use std::time::Duration;

use crate::config;
use crate::outcome::{Class, RtAnswer};
use crate::reach::tls;
use crate::ticket::{ALERT_ID_FIELD, RtQueueName, TicketId};

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Getting or proving a session.
    LogIn,
    /// Asking whether RT and the RT queue are well.
    Look,
    /// Searching by key.
    Find,
    /// Creating a ticket.
    Create,
    /// Reading a ticket back.
    Read,
    /// Writing the key on a ticket that lost it.
    SetKey,
    /// Merging a double.
    Merge,
    /// Commenting on a ticket.
    Comment,
    /// Resolving a test ticket.
    Resolve,
    /// Searching for tickets to hand over.
    Select,
    /// Reading a ticket's first message.
    ReadMessage,
    /// Reading what happened to a ticket.
    ReadHistory,
    /// Writing on a ticket that it was handed over.
    SetReported,
}

impl Operation {
    /// The word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LogIn => "log_in",
            Self::Look => "look",
            Self::Find => "find",
            Self::Create => "create",
            Self::Read => "read",
            Self::SetKey => "set_key",
            Self::Merge => "merge",
            Self::Comment => "comment",
            Self::Resolve => "resolve",
            Self::Select => "select",
            Self::ReadMessage => "read_message",
            Self::ReadHistory => "read_history",
            Self::SetReported => "set_reported",
        }
    }

    fn doing(self) -> &'static str {
        match self {
            Self::LogIn => "logging in to RT",
            Self::Look => "looking at RT",
            Self::Find => "searching RT for the alert's ticket",
            Self::Create => "creating the ticket",
            Self::Read => "reading the ticket back",
            Self::SetKey => "writing the alert key on the ticket",
            Self::Merge => "merging the double",
            Self::Comment => "commenting on the ticket",
            Self::Resolve => "resolving the ticket",
            Self::Select => "searching RT for tickets to hand over",
            Self::ReadMessage => "reading the ticket's first message",
            Self::ReadHistory => "reading the ticket's history",
            Self::SetReported => "setting Reported on the ticket",
        }
    }
}

/// A request to RT did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The password's or token's file cannot be read.
    #[error("logging in to RT: {0}")]
    Secret(#[from] config::SecretUnreadable),
    /// RT does not know the user, password or token.
    #[error("{}: RT refuses the credentials", .0.doing())]
    Credentials(Operation),
    /// No answer came, or not all of it.
    #[error("{}: {cause}", .operation.doing())]
    Transport {
        /// What was being done.
        operation: Operation,
        /// Whether RT may have got the request.
        sent: bool,
        /// Whether RT took too long.
        timed_out: bool,
        /// What stands in the way.
        obstacle: Obstacle,
        /// Why, without the address.
        cause: String,
    },
    /// RT answered with a status that is no success.
    #[error("{}: RT answered {}{}{}", .operation.doing(), .answer.http_status, if .answer.message.is_empty() {""} else {" "}, .answer.message)]
    Status {
        /// What was being done.
        operation: Operation,
        /// The answer.
        answer: RtAnswer,
        /// Whether RT itself says so, in its own JSON, rather than a proxy or firewall in front of it.
        by_rt: bool,
        /// How long RT wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// A success that makes no sense.
    #[error("{}: RT's answer makes no sense: {what}", .operation.doing())]
    Answer {
        /// What was being done.
        operation: Operation,
        /// What is wrong with it.
        what: String,
    },
    /// An answer of which not all was read.
    #[error("{}: RT's answer is larger than 1 MiB", .0.doing())]
    TooLarge(Operation),
    /// RT is there, but its queue would take no ticket.
    #[error("{}: RT queue {:?} {flaw}", Operation::Look.doing(), .rt_queue.as_str())]
    RtQueue {
        /// The queue.
        rt_queue: RtQueueName,
        /// What is wrong with it.
        flaw: QueueFlaw,
    },
    /// A ticket that was made was deleted by somebody.
    #[error("reading the ticket back: ticket {0} was deleted")]
    Gone(TicketId),
    /// A ticket was made, but could not be proven to be found again.
    #[error("ticket {ticket} was made, but {flaw}")]
    Unproven {
        /// The ticket.
        ticket: TicketId,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// What is in the way to RT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// RT itself, or the network.
    Server,
    /// The proxy will not carry the request.
    Proxy,
    /// This process can open no further connection.
    Descriptors,
    /// TLS comes to nothing.
    Tls(tls::Fault),
}

/// Why the RT queue would take no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueFlaw {
    /// RT does not show it.
    #[error("does not exist, or the service user may not see it")]
    NotVisible,
    /// It is disabled.
    #[error("is disabled")]
    Disabled,
    /// The right is missing.
    #[error("takes no ticket of the service user")]
    TakesNoTicket,
}

/// Why a ticket that was made could not be found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Reading it is forbidden.
    #[error("it cannot be read: the right ShowTicket is missing")]
    NotVisible,
    /// Its key was dropped: the field is not applied to the RT queue.
    #[error("it lacks its {ALERT_ID_FIELD}: the field is not applied to its RT queue")]
    FieldNotOnQueue,
    /// Its key was dropped: the field is not there for the user.
    #[error("it lacks its {ALERT_ID_FIELD}: there is no such field, or the right SeeCustomField on it is missing")]
    FieldNotVisible,
    /// Its key was dropped, although the field is there.
    #[error("it lacks its {ALERT_ID_FIELD}: the right ModifyCustomField on the field is missing")]
    FieldNotWritten,
    /// Its key was dropped: the field has a pattern that values have to match.
    #[error("it lacks its {ALERT_ID_FIELD}: the field has a validation pattern, which the key does not match")]
    FieldPattern,
    /// Its key was dropped: the field takes other things than text.
    #[error("it lacks its {ALERT_ID_FIELD}: the field is not of the type that takes one line of text (Freeform)")]
    FieldType,
    /// The RT queue has several fields of the key.
    #[error("there are two custom fields named {ALERT_ID_FIELD} on its RT queue")]
    FieldTwice,
    /// It has its key and can be read, but the search does not return it.
    #[error("searching for its {ALERT_ID_FIELD} does not find it")]
    NotFound,
}

impl Error {
    /// What the error means for the ticket it happened to. The one place that decides it.
    pub fn class(&self) -> Class {
        match self {
            Self::Credentials(_) | Self::Unproven { .. } | Self::RtQueue { .. } => Class::SetUp,
            Self::Transport { operation: Operation::Create, sent: true, .. }
            | Self::Answer { operation: Operation::Create, .. }
            | Self::TooLarge(Operation::Create) => Class::Unknown,
            Self::Status { operation: Operation::Create, answer, by_rt, .. } => {
                class_of_create(answer.http_status, *by_rt)
            }
            Self::Secret(_)
            | Self::Transport { .. }
            | Self::Answer { .. }
            | Self::TooLarge(_)
            | Self::Status { .. }
            | Self::Gone(_) => Class::Sink,
        }
    }

    /// What RT said, if it said anything.
    pub fn answer(&self) -> Option<&RtAnswer> {
        match self {
            Self::Status { answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// How long RT wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether RT cannot keep up with what it is asked.
    pub fn is_congestion(&self) -> bool {
        match self {
            Self::Transport { timed_out, .. } => *timed_out,
            Self::Status { answer, .. } => matches!(answer.http_status, 429 | 503),
            _ => false,
        }
    }
}

/// What a refusal to create a ticket means, by its status. RT's words say more, but in the user's language.
fn class_of_create(http_status: u16, by_rt: bool) -> Class {
    match http_status {
        // RT says so of a ticket, and as well when its database fails, a right is missing or a lifecycle is wrong.
        400 | 403 if by_rt => Class::Doubtful,
        406 | 409 | 413 | 415 | 422 => Class::Refused,
        // A proxy gave up waiting, or lost the answer: RT may have gone on.
        502 | 504 => Class::Unknown,
        _ => Class::Sink,
    }
}

/// Whether RT says, in English, that the RT queue's lifecycle does not start with the status `new`. Chooses words only.
pub(super) fn is_about_status(message: &str) -> bool {
    message.contains("isn't a valid status for tickets in this queue")
        || message.contains("New tickets can not have status")
}
