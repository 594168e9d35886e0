//! From a delivery to its fate, and the loop around it.
//!
//! - [`prepare()`]: bytes to a ticket, or the reason why there is none. Pure; `render` uses it too.
//! - [`Relay`]: what all alerts share, and the way in: [`Relay::handle`] brings one alert to its fate. Knows no AMQP.
//! - `work`: find, create, verify, and every retry; `trial`: what is known of one alert's attempts.
//! - `rt_state`: whether RT is well. `letter_state`: whether dead letters can be stored. `outage`: what is down, since
//!   when, as both say it. `gate`: the first create runs alone, until it is proven that tickets are found. `turns`: one
//!   key at a time. `workers`: so many requests to RT at a time, each worker with its session.
//! - [`Service`]: consumes, spawns a task for each delivery, in which `panics` are caught, and settles each in one place
//!   (`settle`); `losses`: how soon and how carefully it consumes again; [`Status`] is what its loop says of itself.

mod connection;
mod gate;
mod handle;
mod letter_state;
mod losses;
mod outage;
mod panics;
mod prepare;
mod rt_state;
mod run;
mod settle;
mod status;
mod trial;
mod turns;
mod work;
mod workers;

pub use handle::{Handled, Message, Relay};
pub use outage::Outage;
pub use prepare::{NoTicket, Prepared, prepare};
pub use rt_state::Condition;
pub use run::Service;
pub use status::{State, Status};
