//! From a delivery to its fate, and the loop around it.
//!
//! - [`prepare()`]: bytes to a ticket, or the reason why there is none. Pure; `render` uses it too.
//! - [`Relay`]: what all alerts share (`shared`), and the way in (`handle`): [`Relay::handle`] brings one alert to its fate.
//!   Knows no AMQP.
//! - `work`: asks RT what the [protocol](crate::protocol) wants to know, and waits; `trial`: what is known of one alert's
//!   attempts; `attempt`: what one of them holds; `merge`: several tickets of it becoming one. `later`: alerts that are done
//!   and of which RT may yet make a ticket; `look_later` looks for it.
//! - `slots`: so many requests to RT at a time, and fairly. `turns`: one key at a time. `gate`: the first create runs alone,
//!   until it is proven that tickets are found. `held`: what is taken from the broker, and not settled.
//! - `rt_state`: whether RT is well; `probing` looks. `letter_state`: whether dead letters can be stored. `outage`: what is
//!   down, since when, as both say it. `due`: waits for a moment that may change meanwhile.
//! - [`Service`]: consumes, spawns a task for each delivery, in which `panics` are caught, and settles each in one place
//!   (`settle`); `losses`: how soon and how carefully it consumes again; [`Status`] is what its loop says of itself.

mod attempt;
mod connection;
mod due;
mod gate;
mod handle;
mod held;
mod later;
mod letter_state;
mod look_later;
mod losses;
mod merge;
mod outage;
mod panics;
mod prepare;
mod probing;
mod rt_state;
mod run;
mod settle;
mod shared;
mod slots;
mod status;
mod trial;
mod turns;
mod work;

pub use handle::{Handled, Message};
pub use outage::Outage;
pub use prepare::{NoTicket, Prepared, prepare};
pub use rt_state::Condition;
pub use run::{Service, Settings};
pub use shared::Relay;
pub use status::{State, Status};
