//! RT over HTTP, REST 2.0: what it takes to make exactly one ticket, and to find those that are handed on. Knows
//! nothing of alerts and of AMQP.
//!
//! [`Client`] has one method for each request of the protocol; [`Answer`] says what RT's answer to it means;
//! [`Error::class`] is the one place that decides what an error means for the ticket it happened to.

mod access;
mod answer;
mod client;
mod diagnosis;
mod error;
mod history;
mod http;
mod login;
mod pass;
mod proof;
mod select;
mod session;
mod site;
mod survey;
mod way;
mod wire;

pub use answer::{Answer, Hit};
pub use client::{Client, Read};
pub use diagnosis::REACH;
pub use error::{Error, Flaw, Obstacle, Operation, QueueFlaw};
pub use history::{FirstMessage, Transaction};
pub use http::BuildError;
pub use select::{Listed, Marked, Shown, page_of};
pub use site::Site;
pub use survey::{Lifecycle, Reached, Surveyed};
pub use way::{NoSession, Way};
pub use wire::{RtQueue, Ticket, create_ticket, query_of_queue};
