//! RabbitMQ over lapin: connecting, topology, consuming, publishing under a confirm, dead letters written and
//! read back. Knows nothing of alerts and of RT.
//!
//! What lapin leaves to its user is done here: every call has a timeout, several brokers are tried in turn, an
//! unroutable message is not taken for a stored one, and errors are told apart into faults of the configuration and
//! passing ones.

mod browse;
mod connect;
mod consume;
mod dead_letter;
mod error;
mod headers;
mod lease;
mod letter;
mod lock;
mod management;
mod probe;
mod publish;
mod topology;
mod trim;
mod wire;

pub use browse::{Browser, Held, NotOpened, Walk};
pub use connect::{Address, Broker};
pub use consume::{Care, Consumer, Delivery, Opened};
pub use dead_letter::{DeadLetters, LetterCopy, NotStored};
pub use error::{Error, REACH};
pub use lease::{Lease, Question, ask, may_ask};
pub use letter::{Fingerprint, Letter, LetterId, NotAnExport, ReplayId};
pub use management::{Management, ManagementError, QueueFacts};
pub use probe::Probe;
pub use publish::{PublishError, Publisher};
pub use topology::DeliveryLimit;
pub use wire::Filter;

/// A message's properties, for those who publish.
pub use lapin::BasicProperties;
