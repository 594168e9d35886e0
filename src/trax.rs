//! The hand-over of tickets of high severity to TTS trax, the information security organisation's house. Beside the
//! relay: it looks for tickets in RT, whoever made them, posts each to trax's postbox, and marks it.
//!
//! - `selection`, `record`: which tickets, and what trax gets of one.
//! - `postbox`: trax over HTTP.
//! - [`HandOver`]: one ticket after the other. `refusals`: what trax refuses, until it changes.
//! - [`Service`]: the loop, under a lease, so that of several relays one hands over.
//!
//! Posting and marking share no transaction. The order is post, then mark, so nothing is missed; a record comes twice
//! where the process died between the two, or where trax's answer was lost. It comes with the same id then.

mod diagnosis;
mod hand_over;
mod postbox;
mod record;
mod refusals;
mod selection;
mod service;

pub use diagnosis::no_field;
pub use hand_over::{GoesOn, HandOver, Outcome, Pending};
pub use postbox::{NotTaken, Postbox, REACH};
pub use record::{Attributes, DEFAULT_ATTRIBUTES, Fault, Record, View};
pub use selection::Selection;
pub use service::{Reply, Service, Settings, Wish, in_flight, lease_name};
