//! From a delivery to its fate, and the loop around it.
//!
//! - [`prepare()`]: bytes to a ticket, or the reason why there is none. Pure; `render` uses it too.
//! - [`Relay::handle`]: one alert to its fate, through find, create, verify and every retry. Knows no AMQP.
//! - `gate`: the first create runs alone, until it is proven that tickets are found again.
//! - `turns`: one key at a time. `workers`: so many requests to RT at a time, each worker with its session.
//! - [`run()`]: consumes, spawns a task for each delivery, settles each in one place.

mod gate;
mod handle;
mod prepare;
mod run;
mod settle;
mod turns;
mod workers;

pub use handle::{Message, Relay};
pub use prepare::{Prepared, prepare};
pub use run::run;
