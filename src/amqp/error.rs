//! What can go wrong with the broker, told apart by what helps.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

use crate::diagnosis::{Diagnosis, Trouble};
use crate::reach::{self, tls};

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
                ErrorKind::ProtocolError(error) => {
                    let is_refused = matches!(
                        error.kind(),
                        AMQPErrorKind::Soft(
                            AMQPSoftError::ACCESSREFUSED | AMQPSoftError::NOTFOUND | AMQPSoftError::PRECONDITIONFAILED
                        ) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
                    );
                    is_refused && !is_full(error)
                }
                // What TLS reports: a certificate that is not trusted, or a peer that does not speak it.
                ErrorKind::IOError(error) => error.kind() == std::io::ErrorKind::InvalidData,
                ErrorKind::ParsingError(_) => true,
                _ => false,
            },
        }
    }

    /// What the broker says by its own codes.
    fn protocol(&self) -> Option<&AMQPError> {
        let Self::Call { source, .. } = self else { return None };
        let ErrorKind::ProtocolError(error) = source.kind() else { return None };
        Some(error)
    }

    pub(super) fn is_soft(&self, wanted: &AMQPSoftError) -> bool {
        self.protocol().is_some_and(|error| matches!(error.kind(), AMQPErrorKind::Soft(soft) if soft == wanted))
    }

    /// Whether what was asked for is not there.
    pub(super) fn is_not_found(&self) -> bool {
        self.is_soft(&AMQPSoftError::NOTFOUND)
    }

    /// Whether the broker found one thing wrong with what it would else have done.
    pub(super) fn is_precondition(&self) -> bool {
        self.is_soft(&AMQPSoftError::PRECONDITIONFAILED)
    }

    /// Whether the broker took the credentials and refuses the vhost.
    pub fn is_about_vhost(&self) -> bool {
        let hard = |error: &AMQPError| matches!(error.kind(), AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED));
        self.protocol().is_some_and(hard)
    }

    /// The error with what mends it.
    pub fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::Settings(why) => Diagnosis::other("the broker's settings cannot be used", why, "Mend the setting"),
            Self::Absent(what) => Diagnosis::of(
                Trouble::InvalidQueue,
                "looking at the broker failed",
                format!("{what} does not exist"),
                "Check its name in the AMQP_ settings; let an operator declare it, or set AMQP_TOPOLOGY=declare and start the \
                 relay",
            ),
            Self::Cancelled => Diagnosis::other(
                "consuming failed",
                "the broker cancelled it, as when the queue is deleted",
                "See the broker's log",
            ),
            Self::Timeout { doing, limit } => Diagnosis::of(
                Trouble::ServerUnreachable,
                format!("{doing} failed"),
                format!("no answer in {limit:?}"),
                "Check that the broker is well, host and port in AMQP_URL, and the firewalls in between",
            ),
            Self::Call { doing, source } => diagnosis_of_call(format!("{doing} failed"), source),
        }
    }
}

/// The settings that lead to the broker.
pub const REACH: reach::Settings = reach::Settings {
    url: "AMQP_URL",
    ca_file: "AMQP_CA_FILE",
    client_certificate: Some("AMQP_CLIENT_CERT_FILE"),
    schemes: ["amqps://", "amqp://"],
};

fn diagnosis_of_call(what: String, source: &lapin::Error) -> Diagnosis {
    let why = cause(source);
    match source.kind() {
        ErrorKind::ProtocolError(error) => diagnosis_of_protocol(what, why, error),
        ErrorKind::IOError(error) => match tls::Fault::find(error.as_ref()) {
            Some(fault) => fault.diagnosis(what, None, &REACH),
            None if reach::is_out_of_descriptors(error.as_ref()) => reach::out_of_descriptors(what),
            None => unreachable(what, why),
        },
        ErrorKind::ParsingError(_) => {
            let cure = "Write amqps:// in AMQP_URL if it speaks TLS there, or check the port";
            Diagnosis::of(Trouble::ServerUnreachable, what, why, cure)
        }
        _ => unreachable(what, why),
    }
}

fn diagnosis_of_protocol(what: String, why: String, error: &AMQPError) -> Diagnosis {
    match error.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) if is_refused_login(error) => {
            Diagnosis::of(Trouble::AuthenticationFailed, what, why, "Check user and password in AMQP_URL")
        }
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => {
            let cure = "Grant the user of AMQP_URL the right on what is named (rabbitmqctl set_permissions, or Admin > \
                        Users in the management pages)";
            Diagnosis::of(Trouble::MissingPermission, what, why, cure)
        }
        AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => {
            let cure = "Declare what is named, or set AMQP_TOPOLOGY=declare";
            Diagnosis::of(Trouble::InvalidQueue, what, why, cure)
        }
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED) => {
            Diagnosis::of(Trouble::InvalidQueue, what, why, "Mend what is named on the broker")
        }
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) if is_full(error) => {
            let cure = "Wait until others close their connections, or raise the limit (rabbitmqctl set_vhost_limits or \
                        set_user_limits)";
            Diagnosis::of(Trouble::ServerUnreachable, what, why, cure)
        }
        AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
            let cure = "Check the vhost in AMQP_URL (the default one is /%2f), and grant the user permissions on it \
                        (rabbitmqctl set_permissions -p VHOST)";
            Diagnosis::of(Trouble::MissingPermission, what, why, cure)
        }
        _ => Diagnosis::other(what, why, "See the broker's log"),
    }
}

fn unreachable(what: String, why: String) -> Diagnosis {
    Diagnosis::of(
        Trouble::ServerUnreachable,
        what,
        why,
        "Check that the broker runs, and host and port in AMQP_URL (amqps:// where it speaks TLS)",
    )
}

/// Whether user or password are wrong, which the broker says by the same code as of a missing right. Source: RabbitMQ,
/// `rabbit_reader`.
fn is_refused_login(error: &AMQPError) -> bool {
    error.get_message().as_str().contains("Login was refused")
}

/// Whether the vhost or the user has as many connections as it may have, which the broker says by the same code as of a
/// vhost that the user may not use; and which passes. Source: RabbitMQ, `rabbit_reader`.
fn is_full(error: &AMQPError) -> bool {
    let message = error.get_message().as_str();
    ["connection limit", "connection count"].iter().any(|words| message.contains(words))
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
