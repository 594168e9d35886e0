//! What was changed in a message so that it can be read, in words; and what else the filter of a connection has seen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::text;

/// So many changes of a message are named, each in at most so many bytes.
const MAX_CHANGES: usize = 5;
const MAX_CHANGE_BYTES: usize = 200;
/// The changes of so many deliveries are kept until they are taken.
const MAX_DELIVERIES: usize = 10_000;

/// What was changed in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Altered {
    changes: Vec<String>,
    /// How many more there are.
    more: usize,
}

/// What a connection's filter has seen: what it changed in the messages, until somebody takes it, and the server's version.
#[derive(Debug, Default)]
pub struct Notes(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    altered: BTreeMap<(u16, u64), Altered>,
    server_major: Option<u32>,
}

impl Altered {
    /// Whether nothing was.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Makes `bytes` UTF-8; `what` they are.
    pub(super) fn substitute(&mut self, what: &str, bytes: &mut [u8]) {
        if !text::is_valid(bytes) {
            self.note_not_utf8(what, bytes);
            text::substitute(bytes);
        }
    }

    pub(super) fn note_not_utf8(&mut self, what: &str, bytes: &[u8]) {
        self.note(format_args!("{what} was not UTF-8: {}", bytes.escape_ascii()));
    }

    pub(super) fn note(&mut self, change: impl fmt::Display) {
        if self.changes.len() == MAX_CHANGES {
            self.more += 1;
            return;
        }
        let mut change = change.to_string();
        if change.len() > MAX_CHANGE_BYTES {
            change.truncate(change.floor_char_boundary(MAX_CHANGE_BYTES));
            change.push('…');
        }
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }
}

impl fmt::Display for Altered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.changes.join("; "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Notes {
    /// Notes what was changed in delivery `tag` of `channel`. Where nobody takes them, the oldest of the lowest channel
    /// goes.
    pub(super) fn add(&self, channel: u16, tag: u64, altered: Altered) {
        let notes = &mut self.lock().altered;
        notes.insert((channel, tag), altered);
        if notes.len() > MAX_DELIVERIES {
            notes.pop_first();
        }
    }

    /// What was changed in delivery `tag` of `channel`, once.
    pub(super) fn take(&self, channel: u16, tag: u64) -> Option<Altered> {
        self.lock().altered.remove(&(channel, tag))
    }

    /// Another stream begins, with a server and deliveries of its own.
    pub(super) fn clear(&self) {
        *self.lock() = Seen::default();
    }

    /// Notes the major version of the server; what it said first stands.
    pub(super) fn set_server_major(&self, major: u32) {
        self.lock().server_major.get_or_insert(major);
    }

    pub(super) fn server_major(&self) -> Option<u32> {
        self.lock().server_major
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
