//! Tests that need nothing: no broker, no RT, no network beyond loopback.

#[path = "../support/mod.rs"]
mod support;

mod alert;
mod command;
mod config;
mod handle;
mod mapping;
mod properties;
mod rt_client;
mod secrets;
mod ticket;
