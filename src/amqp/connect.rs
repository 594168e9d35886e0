//! Connecting to one of the brokers.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, ConnectionProperties};
use secrecy::ExposeSecret;
use tracing::{debug, warn};

use super::error::{CALL_TIMEOUT, Error, call, call_within};
use super::wire::{self, Connection};
use crate::config::{Amqp, parse_uris};

/// How long a connection may take where another broker can be tried instead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens connections; knows where the last one succeeded.
pub struct Broker {
    settings: Arc<Amqp>,
    /// Puts the list of brokers in an order of this process, so that several relays do not all use the first.
    order: RandomState,
    /// Index into that order: the broker to try first.
    next: AtomicUsize,
}

/// One of the brokers. Its password is not shown.
pub struct Address(AMQPUri);

impl Address {
    /// Its host.
    pub fn host(&self) -> &str {
        &self.0.authority.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.0.authority.port
    }

    /// Its vhost.
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// The user to log in as.
    pub fn user(&self) -> &str {
        &self.0.authority.userinfo.username
    }

    /// Whether it is spoken to by TLS.
    pub fn is_by_tls(&self) -> bool {
        self.0.scheme == AMQPScheme::AMQPS
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} vhost {:?}", self.host(), self.port(), self.vhost())
    }
}

impl Broker {
    /// The brokers of `settings`.
    pub fn new(settings: Arc<Amqp>) -> Self {
        Self { settings, order: RandomState::new(), next: AtomicUsize::new(0) }
    }

    /// What the broker is asked for.
    pub fn settings(&self) -> &Amqp {
        &self.settings
    }

    /// The brokers that `AMQP_URL` lists. It is read anew, since it may stand in a file that an operator changes.
    ///
    /// # Errors
    /// It cannot be read, or is no such list.
    pub fn addresses(&self) -> Result<Vec<Address>, Error> {
        let list = self.settings.url.read().map_err(|error| Error::Settings(format!("AMQP_URL_FILE: {error}")))?;
        let uris = parse_uris(list.expose_secret()).map_err(|cause| Error::Settings(format!("AMQP_URL: {cause}")))?;
        Ok(uris.into_iter().map(Address).collect())
    }

    /// A connection for `purpose`, to the first broker that gives one.
    ///
    /// # Errors
    /// No broker gives one; the error is that of the last.
    pub async fn connect(&self, purpose: &str) -> Result<Connection, Error> {
        let mut addresses = self.addresses()?;
        addresses.sort_by_cached_key(|address| self.order.hash_one((address.host(), address.port(), address.vhost())));
        let limit = if addresses.len() > 1 { CONNECT_TIMEOUT } else { CALL_TIMEOUT };
        let first = self.next.load(Ordering::Relaxed);
        let mut last_error = Error::Settings("AMQP_URL names no broker".to_owned());
        for index in (first..).take(addresses.len()).map(|index| index % addresses.len()) {
            match self.connect_to(&addresses[index], purpose, limit).await {
                Ok(connection) => {
                    self.next.store(index, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err(error) => {
                    if addresses.len() > 1 {
                        warn!("{error}; trying the next broker");
                    }
                    last_error = error;
                }
            }
        }
        Err(last_error)
    }

    /// The broker that gave the last connection is of no use: the next time another is tried first.
    pub(super) fn pass_over(&self) {
        self.next.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) async fn connect_to(
        &self,
        address: &Address,
        purpose: &str,
        limit: Duration,
    ) -> Result<Connection, Error> {
        let doing = format!("connecting to {address}");
        let mut uri = address.0.clone();
        let heartbeat = self.settings.heartbeat.as_secs().clamp(1, u64::from(u16::MAX));
        uri.query.heartbeat = uri.query.heartbeat.or(u16::try_from(heartbeat).ok());
        let name = format!("rtir-relay {purpose}");
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connect = wire::connect(uri, properties, self.tls()?);
        let connection = call_within(limit, &doing, connect).await?;
        debug!("{doing} for {purpose} succeeded");
        Ok(connection)
    }

    fn tls(&self) -> Result<OwnedTLSConfig, Error> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| Error::Settings(format!("{} cannot be read: {error}", path.display())))
        };
        let cert_chain = match &self.settings.ca_file {
            Some(path) => Some(String::from_utf8_lossy(&read(path)?).into_owned()),
            None => None,
        };
        let identity = match &self.settings.client_identity {
            Some((cert, key)) => Some(OwnedIdentity::PKCS8 { pem: read(cert)?, key: read(key)? }),
            None => None,
        };
        Ok(OwnedTLSConfig { identity, cert_chain })
    }
}

/// Closes `connection`, so that the broker has got all that was sent.
pub(super) async fn close(connection: &Connection) {
    let _ = call("closing the connection", connection.close(200, "done".into())).await;
}

/// A channel of `connection`.
pub(super) async fn channel(connection: &Connection) -> Result<Channel, Error> {
    call("opening a channel", connection.create_channel()).await
}
