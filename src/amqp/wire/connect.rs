//! lapin on a stream that passes the filter.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio, TokioRuntime};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::{FutureExt, Stream};
use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use lapin::{ConnectionProperties, Result};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::altered::{Altered, Notes};
use super::filter::Filter;
use super::stream::Filtered;

/// A connection of lapin's, and what its filter has seen.
pub struct Connection {
    lapin: lapin::Connection,
    notes: Arc<Notes>,
}

impl Connection {
    /// What was changed in delivery `tag` of `channel`, once.
    pub(in crate::amqp) fn take_altered(&self, channel: u16, tag: u64) -> Option<Altered> {
        self.notes.take(channel, tag)
    }

    /// The major version that the server gave itself.
    pub(in crate::amqp) fn server_major(&self) -> Option<u32> {
        self.notes.server_major()
    }
}

impl Deref for Connection {
    type Target = lapin::Connection;

    fn deref(&self) -> &lapin::Connection {
        &self.lapin
    }
}

/// Connects as lapin does, TCP and TLS included, but with a filter above them, a new one for each stream. Given up before it
/// has connected, it leaves nothing behind: lapin's own thread reads on for as long as its stream goes on.
///
/// # Errors
/// As of lapin's.
pub(in crate::amqp) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: OwnedTLSConfig,
) -> Result<Connection> {
    let tokio = Tokio::current();
    let below = TokioRuntime::new(tokio.clone());
    let runtime = Runtime::new(RuntimeParts::new(tokio.clone(), FilteringReactor(tokio)));
    let notes = Arc::new(Notes::default());
    let stream_notes = Arc::clone(&notes);
    let given_up = CancellationToken::new();
    let guard = given_up.clone().drop_guard();
    let connect = async move |uri: AMQPUri, _| {
        let stream = uri.connect_with_config_async(tls.as_ref(), &below).await?;
        let filter = Filter::new(Arc::clone(&stream_notes));
        Ok(AsyncTcpStream::Plain(Filtered::new(stream, filter, given_up.clone())))
    };
    // It is large.
    let lapin = Box::pin(lapin::Connection::connector(uri, runtime, connect, properties)).await?;
    guard.disarm();
    Ok(Connection { lapin, notes })
}

/// Tokio's reactor, with streams that are filtered: lapin takes the type of its stream from here. TLS is below the
/// filter, so that for lapin the stream is a plain one.
#[derive(Clone, Debug)]
struct FilteringReactor(Tokio);

type TcpStream = <Tokio as Reactor>::TcpStream;

impl Reactor for FilteringReactor {
    type TcpStream = Filtered<AsyncTcpStream<TcpStream>>;
    type Sleep = Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let plain = AsyncTcpStream::Plain;
        let filtered = move |stream| Filtered::new(plain(stream), Filter::default(), CancellationToken::new());
        self.0.tcp_connect_addr(address).map(move |stream| stream.map(filtered))
    }
}
