//! What went wrong, why, and the fix: the same words wherever a person reads of it.

use std::fmt;

/// The troubles that operators know by name. The word stands before everything that is said of one, in dead letters,
/// logs and commands, and in README's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers, or the name does not resolve.
    ServerUnreachable,
    /// User, password or token are refused.
    AuthenticationFailed,
    /// Something between the relay and the server answers in its place, or lets nothing through.
    ProxyOrFirewall,
    /// The certificate is not trusted, not valid now, or another's.
    Certificate,
    /// A queue or exchange does not exist, is disabled, or is not set up as it has to be.
    InvalidQueue,
    /// The user is known, but may not do it.
    MissingPermission,
    /// Nobody can be notified.
    MissingFocalPoints,
    /// What was sent is not taken as it is.
    RejectedData,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ServerUnreachable,
        Self::AuthenticationFailed,
        Self::ProxyOrFirewall,
        Self::Certificate,
        Self::InvalidQueue,
        Self::MissingPermission,
        Self::MissingFocalPoints,
        Self::RejectedData,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServerUnreachable => "server unreachable",
            Self::AuthenticationFailed => "authentication failed",
            Self::ProxyOrFirewall => "proxy or firewall",
            Self::Certificate => "certificate",
            Self::InvalidQueue => "invalid queue",
            Self::MissingPermission => "missing permission",
            Self::MissingFocalPoints => "missing focal points",
            Self::RejectedData => "rejected data",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong, why, and what mends it: the same words in dead letters, logs and commands. No secret stands in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The word that operators know it by, if there is one.
    pub trouble: Option<Trouble>,
    /// What went wrong.
    pub what: String,
    /// The cause.
    pub why: String,
    /// What to do about it.
    pub cure: String,
}

impl Diagnosis {
    /// A diagnosis under its known word.
    pub fn of(trouble: Trouble, what: impl Into<String>, why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { trouble: Some(trouble), ..Self::other(what, why, cure) }
    }

    /// A diagnosis of what has no word of its own.
    pub fn other(what: impl Into<String>, why: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { trouble: None, what: what.into(), why: why.into(), cure: cure.into() }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(trouble) = self.trouble {
            write!(f, "{trouble}: ")?;
        }
        write!(f, "{}: {}. {}", self.what, self.why, self.cure)
    }
}
