//! What becomes of a delivery, as types. Every alert taken from the broker ends as exactly one [`Fate`]; an error of
//! RT decides by its [`Class`] which. Pure: the words of the dead-letter contract are here, the I/O is elsewhere.

use std::fmt;

use crate::diagnosis::Diagnosis;

/// What becomes of a delivery.
#[derive(Clone, Debug)]
pub enum Fate {
    /// The ticket exists: acknowledge.
    Done {
        /// The ticket's id in RT.
        ticket: u64,
        /// How it came to be there.
        how: Done,
    },
    /// There is nothing to do: acknowledge.
    Ignored(Rule),
    /// It can never become a ticket as it is: store a copy with the reason, then acknowledge.
    DeadLetter(Box<DeadLetter>),
    /// The relay gives it up untouched: requeue.
    Returned,
}

/// How the ticket of an alert came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Done {
    /// Made just now.
    Created,
    /// It was there already.
    Found,
    /// Made just now, then merged into an earlier one of the same alert.
    Merged,
}

impl Done {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Found => "found",
            Self::Merged => "merged",
        }
    }
}

/// What the broker was told of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It has its ticket.
    Done(Done),
    /// There is nothing to do.
    Ignored,
    /// It is stored as a dead letter.
    DeadLetter,
    /// It is back in its queue.
    Returned,
}

impl Settled {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Done(Done::Created),
        Self::Done(Done::Found),
        Self::Done(Done::Merged),
        Self::Ignored,
        Self::DeadLetter,
        Self::Returned,
    ];

    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done(how) => how.as_str(),
            Self::Ignored => "ignored",
            Self::DeadLetter => "dead_letter",
            Self::Returned => "returned",
        }
    }
}

/// What makes the relay pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedBy {
    /// RT is down for long.
    Rt,
    /// No dead letter could be stored for long.
    DeadLetters,
}

impl PausedBy {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Rt, Self::DeadLetters];

    /// The word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rt => "rt",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// What became of a record that was posted to trax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Trax has it.
    Taken,
    /// Trax does not take it as it is.
    Refused,
    /// Trax did not say: it is posted again.
    Failed,
}

impl Posted {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Taken, Self::Refused, Self::Failed];

    /// The word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// The rule by which an alert makes no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Its status is `resolved` or `false_positive`.
    NotOpen,
}

impl Rule {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotOpen => "not_open",
        }
    }
}

/// Why an alert was dead-lettered; the value of `x-failure-reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The body is not an alert.
    MalformedAlert,
    /// The body is larger than 1 MiB.
    TooLarge,
    /// Nobody can be notified.
    MissingFocalPoints,
    /// The alert could not be mapped to a ticket.
    MappingFailed,
    /// RT refuses the queue that a route names.
    RtQueueRefused,
    /// RT refuses the ticket, and is otherwise well.
    RejectedByRt,
    /// This alert kept failing while others succeeded.
    Exhausted,
    /// The relay itself failed on it.
    Panicked,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::MalformedAlert,
        Self::TooLarge,
        Self::MissingFocalPoints,
        Self::MappingFailed,
        Self::RtQueueRefused,
        Self::RejectedByRt,
        Self::Exhausted,
        Self::Panicked,
    ];

    /// The word in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedAlert => "malformed_alert",
            Self::TooLarge => "too_large",
            Self::MissingFocalPoints => "missing_focal_points",
            Self::MappingFailed => "mapping_failed",
            Self::RtQueueRefused => "rt_queue_refused",
            Self::RejectedByRt => "rejected_by_rt",
            Self::Exhausted => "exhausted",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything that the headers of a dead letter say.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The reason in one word.
    pub reason: Reason,
    /// The reason in full.
    pub diagnosis: Diagnosis,
    /// The alert's key, where it could be read.
    pub key: Option<String>,
    /// How many attempts on RT failed while it was otherwise well.
    pub attempts: u32,
    /// The newest of them.
    pub history: Vec<Attempt>,
    /// What RT answered last, if it was asked.
    pub answer: Option<RtAnswer>,
}

impl DeadLetter {
    /// A dead letter of an alert that RT was never asked about.
    pub fn unasked(reason: Reason, key: Option<String>, diagnosis: Diagnosis) -> Self {
        Self { reason, diagnosis, key, attempts: 0, history: Vec::new(), answer: None }
    }
}

/// Goes on from "dead-lettered as".
impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.reason, self.diagnosis)
    }
}

/// One attempt that failed.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When, in RFC 3339.
    pub time: String,
    /// Why.
    pub cause: String,
}

/// RT's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtAnswer {
    /// The HTTP status.
    pub http_status: u16,
    /// The message, tags stripped.
    pub message: String,
}

/// What an error of RT means for the alert it happened to. Decided in one place, by the error itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// RT refuses this very ticket, if a probe of RT then passes.
    Refused,
    /// RT refuses the ticket with a status that it has for faults of its own, too. Only that others are made meanwhile
    /// tells that it is the ticket.
    Doubtful,
    /// RT or the way to it is at fault, and not known to be wrongly configured: try again.
    Sink,
    /// As [`Class::Sink`], and RT may yet make the ticket.
    Unknown,
    /// RT is set up wrongly for the relay: try again, and prove the set-up with one create before any other.
    SetUp,
}
