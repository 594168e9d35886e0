//! A stream whose bytes pass the filter as they are read.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::filter::Filter;

/// So much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Reads through a [`Filter`], until it is given up; writes as it is told.
pub(super) struct Filtered<S> {
    inner: S,
    filter: Filter,
    given_up: Pin<Box<WaitForCancellationFutureOwned>>,
    /// What was read: `..given` is given on already, `given..passed` has passed the filter, `passed..read` has not.
    buffer: Vec<u8>,
    given: usize,
    passed: usize,
    read: usize,
}

impl<S> Filtered<S> {
    pub(super) fn new(inner: S, filter: Filter, given_up: CancellationToken) -> Self {
        let given_up = Box::pin(given_up.cancelled_owned());
        Self { inner, filter, given_up, buffer: Vec::new(), given: 0, passed: 0, read: 0 }
    }

    /// Gives on what has passed, as much as `out` takes.
    fn give(&mut self, out: &mut [u8]) -> usize {
        let count = out.len().min(self.passed - self.given);
        out[..count].copy_from_slice(&self.buffer[self.given..self.given + count]);
        self.given += count;
        count
    }

    /// Makes room behind what was read. All that has passed is given on.
    fn make_room(&mut self) {
        self.buffer.copy_within(self.passed..self.read, 0);
        self.read -= self.passed;
        (self.given, self.passed) = (0, 0);
        // A frame that is not whole yet may need more room than a single read; it grows as its bytes really come.
        if self.buffer.len() - self.read < READ_BYTES / 2 {
            self.buffer.resize(self.read + READ_BYTES, 0);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Filtered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.given_up.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        while this.given == this.passed && !out.is_empty() {
            this.make_room();
            let count = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut this.buffer[this.read..]))?;
            if count == 0 {
                // The end: what waits for more passes as it is.
                this.passed = this.read;
                break;
            }
            this.read += count;
            this.passed += this.filter.pass(&mut this.buffer[this.passed..this.read]);
        }
        Poll::Ready(Ok(this.give(out)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Filtered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
