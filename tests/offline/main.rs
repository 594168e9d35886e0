//! Tests that need nothing: no broker, no RT, no network beyond loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test says why it failed")]

#[path = "../support/mod.rs"]
mod support;

mod alert;
mod asyncapi;
mod check;
mod command;
mod config;
mod corpus;
mod deployed;
mod explain;
mod handle;
mod health;
mod late;
mod letter;
mod links;
mod mapping;
mod monitored;
mod outages;
mod postbox;
mod properties;
mod protocol;
mod rt_client;
mod schema;
mod secrets;
mod statuses;
mod streams;
mod ticket;
mod trax;
mod usage;
mod wire;
