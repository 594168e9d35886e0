//! The hand-over of tickets of high severity to TTS trax, the information security organisation's house. Beside the
//! relay: it looks for tickets in RT, whoever made them, posts each to trax's postbox, and marks it.
//!
//! - `selection`, `record`: which tickets, and what trax gets of one. Pure.
//! - `postbox`: trax over HTTP.
//! - [`HandOver`]: one ticket after the other, and what is remembered of those that did not get there.
//! - [`Service`]: the loop, under a lease, so that of several relays one hands over.
//!
//! Posting and marking share no transaction. The order is post, then mark, so nothing is missed; a record comes twice
//! where the process died between the two, or where trax's answer was lost. It comes with the same id then.

mod hand_over;
mod postbox;
mod record;
mod selection;
mod service;

pub use hand_over::{HandOver, Outcome, Pending, no_field};
pub use postbox::{NotTaken, Postbox, REACH};
pub use record::{Attributes, DEFAULT_ATTRIBUTES, Fault, Record, View};
pub use selection::Selection;
pub use service::{Reply, Service, Settings, Wish, in_flight, lease_name};
