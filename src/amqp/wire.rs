//! What the broker sends, made readable for lapin before it gets there.
//!
//! RabbitMQ stores messages whose names are not UTF-8 or whose headers are nested without end; lapin refuses the first,
//! and with them the connection, and the second overflow its stack. So the bytes of every connection pass a [`Filter`],
//! above TLS. It changes what lapin cannot read in place, at the same length, and notes for the delivery what it has
//! changed. Bodies, and whatever is no AMQP frame, pass as they are.
//!
//! - `filter`: the frames in the stream of bytes. `methods`: the names in methods. `header`: the properties of a message.
//!   `table`: its headers, at every depth. `rename`: names in one table stay apart. `text`: UTF-8.
//! - `altered`: what was changed, in words, by channel and delivery tag; and the version that the server gave itself.
//! - `stream`: the filter on a stream. `connect`: lapin on such a stream.

mod altered;
mod connect;
mod filter;
mod header;
mod methods;
mod rename;
mod stream;
mod table;
mod text;

pub(super) use altered::Altered;
pub(super) use connect::{Connection, connect};
pub use filter::Filter;
