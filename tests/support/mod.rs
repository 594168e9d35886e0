//! What the tests share.

pub mod alerts;
pub mod fake_rt;
