//! Takes security alerts from RabbitMQ and makes exactly one ticket of each in RTIR.
//!
//! # Map
//!
//! Layers point one way: what is further down may use what is above it, never the reverse.
//!
//! | module | what |
//! |---|---|
//! | [`alert`] | the alert as publishers send it, read strictly where it decides and tolerantly elsewhere. Pure |
//! | [`ticket`] | the ticket in RT's own words. Pure |
//! | [`diagnosis`] | what went wrong, why, and the fix, for people. Pure |
//! | [`outcome`] | what becomes of a delivery, and what an error means for it, as types. Pure |
//! | [`mapping`] | from an alert to a ticket. Pure |
//! | [`protocol`] | how an alert gets exactly one ticket: what RT is asked next, by what was heard. Pure |
//! | [`metrics`] | what is counted and measured |
//! | [`reach`] | the way to a server: DNS, TCP, TLS |
//! | [`retry`] | delays between attempts |
//! | [`config`] | the environment as types |
//! | [`rtir`] | RT over HTTP: what the protocol asks of it, and whether it is well |
//! | [`amqp`] | RabbitMQ: consume, publish, dead-letter, look at dead letters |
//! | [`relay`] | an alert to its fate: who has its turn, what failures mean, and the loop around it |
//! | [`trax`] | tickets of high severity handed over to the ISMS |
//! | [`check`] | the whole way, step by step, each with what mends it |
//! | [`health`] | what the relay says of itself over HTTP |
//! | [`notify`] | what systemd is told of the relay |
//! | [`cli`] | the commands |
//! | [`telemetry`], [`shutdown`] | logs, signals |
//!
//! Four promises, in order of weight: nothing is lost; one alert, one ticket; RT's troubles are not the alerts' fault;
//! and as little of RT's time as possible.

pub mod alert;
pub mod amqp;
pub mod check;
pub mod cli;
pub mod config;
pub mod diagnosis;
pub mod health;
pub mod mapping;
pub mod metrics;
pub mod notify;
pub mod outcome;
pub mod protocol;
pub mod reach;
pub mod relay;
pub mod retry;
pub mod rtir;
pub mod shutdown;
pub mod telemetry;
pub mod ticket;
pub mod trax;
