//! `rtir-relay run`

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Exit, block_on, report};
use crate::amqp::Broker;
use crate::config::{Config, Environment, Process, Rtir, Trax};
use crate::diagnosis::Diagnosis;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::relay::{self, Relay, Service};
use crate::rtir::Client;
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
async fn relay(config: Config, stop: CancellationToken) -> Result<(), Diagnosis> {
    let prefetch = config.prefetch();
    let Config { amqp, rtir, rules, retry, process, trax } = config;
    let rtir = Arc::new(rtir);
    warn_of_plain_http(&rtir, trax.as_ref());
    let (metrics, ticket_made) = (Arc::new(Metrics::default()), Arc::new(Notify::new()));
    let broker = Arc::new(Broker::new(Arc::new(amqp)));
    let client = Client::new(Arc::clone(&rtir), Arc::clone(&metrics)).map_err(|error| error.diagnosis())?;
    let hand_over = trax.map(|trax| {
        let settings = trax::Settings {
            broker: Arc::clone(&broker),
            retry: retry.clone(),
            interval: trax.interval,
            in_flight: trax::in_flight(trax.timeout, rtir.timeout),
            ticket_made: Arc::clone(&ticket_made),
        };
        let hand_over = HandOver::new(Arc::new(trax), &rtir.rt_queue, client.another(), Arc::clone(&metrics))?;
        Ok((trax::Service::new(settings, stop.clone()), hand_over))
    });
    let hand_over = hand_over.transpose()?;
    let trax = hand_over.as_ref().map(|(service, _)| Arc::clone(service));
    let (pause_after, grace) = (process.pause_after, process.shutdown_grace);
    let relay = Relay::new(rules, retry.clone(), pause_after, client, rtir.concurrency, Arc::clone(&metrics));
    let settings = relay::Settings { broker, prefetch, retry, pause_after, grace, ticket_made };
    let relay = Service::new(relay, settings, stop);
    let listener = listener(&process).await?;
    let health = Health { relay: Arc::clone(&relay), trax, metrics };
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

/// Where health and metrics are served, if anywhere.
async fn listener(process: &Process) -> Result<Option<TcpListener>, Diagnosis> {
    let Some(address) = process.http_listen else { return Ok(None) };
    match listen(address).await {
        // A second relay on this host: its alerts matter more than an address that nobody asked for.
        Err(diagnosis) if !process.http_listen_is_given => {
            warn!("{diagnosis}. This relay goes on without health and metrics");
            Ok(None)
        }
        listener => listener.map(Some),
    }
}

fn warn_of_plain_http(rtir: &Rtir, trax: Option<&Trax>) {
    if rtir.is_readable_on_the_way() {
        warn!("RTIR_URL is plain http: password, sessions and alerts can be read on the way; use https");
    }
    if trax.is_some_and(Trax::is_readable_on_the_way) {
        warn!("TRAX_URL is plain http: the token and what is handed over can be read on the way; use https");
    }
}

/// Lets what is handed over just now be marked, if the relay `was_asked` to stop.
async fn finish(mut handing_over: JoinHandle<()>, was_asked: bool, grace: Duration) {
    if !was_asked || tokio::time::timeout(grace, &mut handing_over).await.is_err() {
        handing_over.abort();
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
