//! `rtir-relay run`

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Exit, block_on, report};
use crate::config::{Config, Environment};
use crate::outcome::Diagnosis;
use crate::relay::Service;
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
/// that hangs, and to systemd.
async fn relay(config: Config, stop: CancellationToken) -> Result<(), Diagnosis> {
    let (address, asked_for) = (config.process.http_listen, config.process.http_listen_is_given);
    let service = Service::new(config, stop)?;
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
    let health = listener.map(|listener| tokio::spawn(health::serve(listener, Arc::clone(&service))));
    let ended = notify::telling(&service, Box::pin(service.run())).await;
    if let Some(health) = health {
        health.abort();
    }
    ended
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
