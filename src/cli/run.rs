//! `rtir-relay run`

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Exit, block_on, report};
use crate::config::{Config, Environment, Trax};
use crate::health::Health;
use crate::outcome::Diagnosis;
use crate::relay::Service;
use crate::retry::Policy;
use crate::ticket::RtQueueName;
use crate::trax::{self, HandOver};
use crate::{health, notify, shutdown};

pub(super) fn execute(environment: &Environment) -> Exit {
    let config = match Config::load(environment) {
        Ok(config) => config,
        Err(faults) => return report(&faults),
    };
    block_on(async {
        let stop = match shutdown::on_signal() {
            Ok(stop) => stop,
            Err(error) => {
                error!("signals cannot be listened for: {error}");
                return Exit::Failed;
            }
        };
        match relay(config, stop).await {
            Ok(()) => Exit::Well,
            Err(diagnosis) => {
                error!("{diagnosis}");
                Exit::Configuration
            }
        }
    })
}

/// Relays until `stop`, and says how it goes meanwhile: over HTTP in a task of its own, so that it can tell of a loop
/// that hangs, and to systemd. Beside it, tickets are handed over to trax, if that is set up.
async fn relay(mut config: Config, stop: CancellationToken) -> Result<(), Diagnosis> {
    let (address, asked_for) = (config.process.http_listen, config.process.http_listen_is_given);
    let grace = config.process.shutdown_grace;
    let hand_over = HandOverSettings::take(&mut config);
    let relay = Service::new(config, stop.clone())?;
    let hand_over = hand_over.map(|settings| settings.prepare(&relay, stop)).transpose()?;
    let trax = hand_over.as_ref().map(|(service, _)| Arc::clone(service));
    let listener = match address {
        Some(address) => match listen(address).await {
            // A second relay on this host: its alerts matter more than an address that nobody asked for.
            Err(diagnosis) if !asked_for => {
                warn!("{diagnosis}. This relay goes on without health and metrics");
                None
            }
            listener => Some(listener?),
        },
        None => None,
    };
    let health = Health { relay: Arc::clone(&relay), trax };
    let health = listener.map(|listener| tokio::spawn(health::serve(listener, health)));
    // In a task of its own: whatever becomes of it, alerts become tickets.
    let handing_over = hand_over.map(|(service, hand_over)| tokio::spawn(service.run(hand_over)));
    let ended = notify::telling(&relay, Box::pin(relay.run())).await;
    if let Some(handing_over) = handing_over {
        finish(handing_over, ended.is_ok(), grace).await;
    }
    if let Some(health) = health {
        health.abort();
    }
    ended
}

/// Lets what is handed over just now be marked, if the relay `was_asked` to stop.
async fn finish(mut handing_over: JoinHandle<()>, was_asked: bool, grace: Duration) {
    if !was_asked || tokio::time::timeout(grace, &mut handing_over).await.is_err() {
        handing_over.abort();
    }
}

/// What of the configuration is needed to hand over.
struct HandOverSettings {
    trax: Arc<Trax>,
    rt_queue: RtQueueName,
    retry: Policy,
    in_flight: Duration,
}

impl HandOverSettings {
    /// `None` where no postbox is set up.
    fn take(config: &mut Config) -> Option<Self> {
        let trax = config.trax.take()?;
        if trax.is_readable_on_the_way() {
            warn!("TRAX_URL is plain http: the token and what is handed over can be read on the way; use https");
        }
        let in_flight = trax::in_flight(trax.timeout, config.rtir.timeout);
        let (rt_queue, retry) = (config.rtir.rt_queue.clone(), config.retry.clone());
        Some(Self { trax: Arc::new(trax), rt_queue, retry, in_flight })
    }

    /// What hands over beside `relay`, until `stop`.
    fn prepare(self, relay: &Service, stop: CancellationToken) -> Result<(Arc<trax::Service>, HandOver), Diagnosis> {
        let settings = trax::Settings {
            broker: Arc::clone(relay.broker()),
            retry: self.retry,
            interval: self.trax.interval,
            in_flight: self.in_flight,
            ticket_made: Arc::clone(relay.ticket_made()),
        };
        let metrics = Arc::clone(relay.metrics());
        let hand_over = HandOver::new(self.trax, &self.rt_queue, relay.another_client(), metrics)?;
        Ok((trax::Service::new(settings, stop), hand_over))
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Diagnosis> {
    let unbound = |error: std::io::Error| Diagnosis {
        trouble: None,
        what: format!("HTTP_LISTEN: {address} cannot be listened on"),
        why: error.to_string(),
        cure: "Free that address or set another one; off serves neither health nor metrics".to_owned(),
    };
    let listener = TcpListener::bind(address).await.map_err(unbound)?;
    let bound = listener.local_addr().map_err(unbound)?;
    info!("health and metrics: http://{bound}");
    Ok(listener)
}
