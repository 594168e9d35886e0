//! Tests against a real RabbitMQ and a real RT, which the test command starts. Each makes a scene of its own, so they
//! run side by side.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test says why it failed")]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "their long form is another program's")]
#[path = "../faults/scenarios/mod.rs"]
mod scenarios;

mod analysts;
mod asyncapi;
mod broker;
mod broker_users;
mod browsing;
mod check;
mod connections;
mod dead_letter_copies;
mod dead_letter_faults;
mod dead_letters;
mod doubles;
mod end_to_end;
mod faults;
mod fresh_rt;
mod health;
mod held;
mod hostile;
mod operator;
mod people;
mod publish;
mod refusals;
mod returning;
mod sessions;
mod set_up;
mod shutdown;
mod trax;
mod trax_tickets;
mod unreadable;
