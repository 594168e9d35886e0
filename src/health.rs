//! What the relay says of itself over HTTP: `/livez`, `/readyz`, `/metrics`. No secret is in any of it, and nothing can
//! be changed by it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::metrics::{self, Metrics, Now};
use crate::relay::{Outage, Service, State};
use crate::trax;

/// The most connections at once. One more waits, so that nobody who asks takes descriptors from the relay's own work.
const MAX_CONNECTIONS: usize = 64;
/// How long the head of a request may take, and how long an answer. There is one of each on a connection.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long until the next connection is taken after one could not be.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// What is spoken for.
pub struct Health {
    /// The relay.
    pub relay: Arc<Service>,
    /// The hand-over, if there is one.
    pub trax: Option<Arc<trax::Service>>,
    /// What both count.
    pub metrics: Arc<Metrics>,
}

/// The body of `/readyz`.
#[derive(Serialize)]
struct Ready {
    state: &'static str,
    broker: BrokerCondition,
    rt: Condition,
    dead_letters: DeadLetters,
    in_flight: usize,
    /// Absent where tickets are not handed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    trax: Option<HandOver>,
}

/// How the hand-over is.
#[derive(Serialize)]
struct HandOver {
    #[serde(flatten)]
    condition: Condition,
    /// How many tickets are to be handed over, as this relay saw last.
    pending: usize,
}

/// How the storing of dead letters is.
#[derive(Serialize)]
struct DeadLetters {
    #[serde(flatten)]
    condition: Condition,
    /// How many wait, in an outage or each for itself: the log names them.
    waiting: usize,
}

#[derive(Serialize)]
struct BrokerCondition {
    connected: bool,
}

/// How RT is, or the storing of dead letters.
#[derive(Serialize)]
struct Condition {
    ok: bool,
    /// Why alerts wait for it; `null` while it is well.
    cause: Option<String>,
    /// Since when, in RFC 3339.
    since: Option<String>,
}

impl From<Option<&Outage>> for Condition {
    fn from(outage: Option<&Outage>) -> Self {
        Self {
            ok: outage.is_none(),
            cause: outage.map(|outage| outage.cause.to_string()),
            since: outage.map(|outage| format!("{:.3}", outage.since)),
        }
    }
}

/// Answers on `listener` for the relay, until dropped.
pub async fn serve(listener: TcpListener, health: Health) {
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .with_state(Arc::new(health));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!("a connection for health and metrics cannot be taken: {error}");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            // Who asks and does not listen is not waited for.
            let _ = timeout(HEAD_WITHIN + ANSWER_WITHIN, connection).await;
            drop(place);
        });
    }
}

/// Whether the loop turns.
async fn livez(extract::State(health): extract::State<Arc<Health>>) -> (StatusCode, String) {
    let status = health.relay.status();
    if status.is_alive() {
        (StatusCode::OK, "alive\n".to_owned())
    } else {
        let seconds = status.since_beat().as_secs();
        (StatusCode::SERVICE_UNAVAILABLE, format!("hangs: the loop has not turned for {seconds} s\n"))
    }
}

/// Whether alerts are taken care of, and how RT, the broker and the dead letters are.
async fn readyz(extract::State(health): extract::State<Arc<Health>>) -> Response {
    let service = &health.relay;
    let status = service.status();
    let hand_over =
        |trax: &Arc<trax::Service>| HandOver { condition: trax.outage().as_ref().into(), pending: trax.pending() };
    let body = Ready {
        state: status.state().as_str(),
        broker: BrokerCondition { connected: status.is_broker_connected() },
        rt: service.relay().condition().outage().into(),
        dead_letters: DeadLetters {
            condition: service.dead_letter_outage().as_ref().into(),
            waiting: service.waiting_dead_letters(),
        },
        in_flight: service.relay().in_flight(),
        trax: health.trax.as_ref().map(hand_over),
    };
    let http_status = if status.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(&body) {
        Ok(json) => (http_status, [(CONTENT_TYPE, "application/json")], json + "\n").into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn exposition(extract::State(health): extract::State<Arc<Health>>) -> Response {
    let service = &health.relay;
    let (status, relay) = (service.status(), service.relay());
    let trax = health.trax.as_ref();
    let now = Now {
        in_flight: relay.in_flight(),
        concurrency_limit: relay.concurrency_limit(),
        rt_down: relay.condition().outage().is_some(),
        dead_letters_down: service.dead_letter_outage().is_some(),
        dead_letters_waiting: service.waiting_dead_letters(),
        paused: matches!(status.state(), State::Paused(_)),
        broker_connected: status.is_broker_connected(),
        trax_pending: trax.map_or(0, |trax| trax.pending()),
        trax_down: trax.is_some_and(|trax| trax.outage().is_some()),
    };
    match health.metrics.encode(now) {
        Ok(text) => ([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
