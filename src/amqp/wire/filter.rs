//! The frames in what the broker sends: AMQP 0-9-1, sections 2.3.5 and 4.2.3.

use std::collections::HashMap;
use std::sync::Arc;

use super::altered::{Altered, Notes};
use super::{header, methods};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;
/// Type, channel and size.
const PREFIX_BYTES: usize = 7;
/// The last byte of every frame.
const FRAME_END: u8 = 0xce;
/// No method or header is held back that is larger; brokers take frames of 128 KiB unless told otherwise.
const MAX_HELD_BYTES: usize = 16 * 1024 * 1024;

/// Makes methods and content headers readable that lapin could not read, as their bytes go by. Never changes how many
/// there are. Once something is no frame, all that follows passes as it is.
#[derive(Debug, Default)]
pub struct Filter {
    state: State,
    /// The newest delivery of a channel, until its content header comes.
    delivered: HashMap<u16, (u64, Altered)>,
    notes: Arc<Notes>,
}

#[derive(Debug, Default)]
enum State {
    /// A frame begins.
    #[default]
    Begin,
    /// So many bytes of a frame are still to pass, the last of which ends it.
    Passing(usize),
    /// The peer does not speak in frames.
    NoFrames,
}

impl Filter {
    /// The filter of a stream that begins, and where it notes what it changes.
    pub(super) fn new(notes: Arc<Notes>) -> Self {
        notes.clear();
        Self { notes, ..Self::default() }
    }

    /// The major version that the server gave itself: `3` of `3.10.8`. `None`: none that can be read has gone by.
    pub fn server_major(&self) -> Option<u32> {
        self.notes.server_major()
    }

    /// Looks at `bytes`, the next of the stream. So many of them, from the first on, are ready; the others have to be
    /// given again, with those that follow.
    pub fn pass(&mut self, bytes: &mut [u8]) -> usize {
        let mut ready = 0;
        while let Some(step) = self.step(&mut bytes[ready..]) {
            ready += step;
        }
        ready
    }

    /// How many bytes pass next; `None` until there are more.
    fn step(&mut self, bytes: &mut [u8]) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        match self.state {
            State::NoFrames => Some(bytes.len()),
            State::Passing(left) => {
                let step = left.min(bytes.len());
                self.state = match left - step {
                    0 if bytes[step - 1] == FRAME_END => State::Begin,
                    0 => State::NoFrames,
                    left => State::Passing(left),
                };
                Some(step)
            }
            State::Begin => self.begin(bytes),
        }
    }

    /// A frame begins with `bytes`: what needs no look passes at once, the other when it is whole.
    fn begin(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let is_frame = matches!(bytes[0], METHOD | HEADER | BODY | HEARTBEAT);
        if !is_frame {
            self.state = State::NoFrames;
            return Some(bytes.len());
        }
        let [kind, channel @ .., size_0, size_1, size_2, size_3] = *bytes.first_chunk::<PREFIX_BYTES>()?;
        let size = usize::try_from(u32::from_be_bytes([size_0, size_1, size_2, size_3])).unwrap_or(usize::MAX);
        if !matches!(kind, METHOD | HEADER) || size > MAX_HELD_BYTES {
            self.state = State::Passing(size.saturating_add(1));
            return Some(PREFIX_BYTES);
        }
        let end = PREFIX_BYTES + size;
        if *bytes.get(end)? == FRAME_END {
            self.repair(kind, u16::from_be_bytes(channel), &mut bytes[PREFIX_BYTES..end]);
        } else {
            self.state = State::NoFrames;
        }
        Some(end + 1)
    }

    fn repair(&mut self, kind: u8, channel: u16, payload: &mut [u8]) {
        let mut altered = Altered::default();
        if kind == METHOD {
            if let Some(major) = methods::server_major(payload) {
                self.notes.set_server_major(major);
            }
            if let Some(tag) = methods::repair(payload, &mut altered) {
                self.delivered.insert(channel, (tag, altered));
            }
            return;
        }
        let delivered = self.delivered.remove(&channel);
        let (tag, mut altered) = delivered.map_or((None, altered), |(tag, altered)| (Some(tag), altered));
        header::repair(payload, &mut altered);
        if let Some(tag) = tag.filter(|_| !altered.is_empty()) {
            self.notes.add(channel, tag, altered);
        }
    }
}
