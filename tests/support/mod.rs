//! What the tests share.
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

pub mod alerts;
pub mod amqp;
pub mod broker_admin;
pub mod contract;
pub mod eventually;
pub mod fake_rt;
pub mod forgetful;
pub mod frames;
pub mod front;
pub mod health;
pub mod http;
pub mod lab;
pub mod link;
pub mod notify_socket;
pub mod operator;
pub mod postbox;
pub mod raw_publisher;
pub mod relay_process;
pub mod rt;
pub mod servers;
pub mod silent;
