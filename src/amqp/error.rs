//! What can go wrong with the broker, told apart by what helps.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

use crate::outcome::Diagnosis;

/// How long any single call to the broker may take. lapin itself waits for ever.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A call to the broker failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `AMQP_URL`, or a file of `AMQP_*`, cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The broker answered with an error, or the connection failed.
    #[error("{doing} failed: {}", cause(.source))]
    Call {
        /// What was being done, to what.
        doing: String,
        /// Why it failed.
        source: lapin::Error,
    },
    /// The broker did not answer in time.
    #[error("{doing} failed: no answer in {limit:?}")]
    Timeout {
        /// What was being done, to what.
        doing: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The broker ended the consumer without saying why.
    #[error("consuming failed: the broker cancelled it, as when the queue is deleted")]
    Cancelled,
    /// Something is absent that the relay may not declare.
    #[error("{0} does not exist")]
    Absent(String),
}

impl Error {
    /// Whether an operator has to mend something: it will not pass by itself. lapin's own `can_be_recovered` says of
    /// nearly everything that it will.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Settings(_) | Self::Absent(_) => true,
            Self::Timeout { .. } | Self::Cancelled => false,
            Self::Call { source, .. } => match source.kind() {
                ErrorKind::ProtocolError(error) => matches!(
                    error.kind(),
                    AMQPErrorKind::Soft(
                        AMQPSoftError::ACCESSREFUSED | AMQPSoftError::NOTFOUND | AMQPSoftError::PRECONDITIONFAILED
                    ) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
                ),
                // What TLS reports: a certificate that is not trusted, or a peer that does not speak it.
                ErrorKind::IOError(error) => error.kind() == std::io::ErrorKind::InvalidData,
                ErrorKind::ParsingError(_) => true,
                _ => false,
            },
        }
    }

    /// Whether what was asked for is not there.
    pub(super) fn is_not_found(&self) -> bool {
        let Self::Call { source, .. } = self else { return false };
        let ErrorKind::ProtocolError(error) = source.kind() else { return false };
        matches!(error.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
    }

    /// The error with what mends it.
    pub fn diagnosis(&self) -> Diagnosis {
        let cure = match self {
            Self::Settings(_) => "Mend the setting",
            Self::Absent(_) => "Let an operator declare it, or set AMQP_TOPOLOGY=declare",
            Self::Cancelled => "See the broker's log",
            Self::Timeout { .. } => "Check that the broker is well, and host and port in AMQP_URL",
            Self::Call { source, .. } => cure(source),
        };
        Diagnosis { what: "The broker cannot be used".to_owned(), why: self.to_string(), cure: cure.to_owned() }
    }
}

fn cure(error: &lapin::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
                "Check user and password in AMQP_URL, and the user's rights on what is named"
            }
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => "Declare what is named, or set AMQP_TOPOLOGY=declare",
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => "Mend what is named on the broker",
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                "Check the vhost in AMQP_URL (the default one is /%2f) and the user's permission on it"
            }
            _ => "See the broker's log",
        },
        ErrorKind::IOError(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            "Check amqp:// or amqps://, the port in AMQP_URL, and AMQP_CA_FILE"
        }
        ErrorKind::ParsingError(_) => "Check amqp:// or amqps:// and the port in AMQP_URL",
        _ => "Check that the broker runs, and host and port in AMQP_URL",
    }
}

/// The reason in plain words.
fn cause(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::ParsingError(_) => "the other side does not speak plain AMQP".to_owned(),
        ErrorKind::MissingHeartbeatError => "the broker gave no sign of life".to_owned(),
        _ => error.to_string(),
    }
}

/// Runs one call to the broker, bounded in time.
pub(super) async fn call<T>(
    doing: impl Into<String>,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Error> {
    call_within(CALL_TIMEOUT, doing, call).await
}

/// As [`call`], for one that must not take as long.
pub(super) async fn call_within<T>(
    limit: Duration,
    doing: impl Into<String>,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, call).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(source)) => Err(Error::Call { doing: doing.into(), source }),
        Err(_) => Err(Error::Timeout { doing: doing.into(), limit }),
    }
}
