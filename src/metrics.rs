//! What the relay counts and measures: names and registry in one place. README has the same table.
//!
//! Label values are words of fixed lists: nothing of an alert, no ticket, no URL, so that the number of series stays
//! small. What is known beforehand starts at 0, so that the first of a kind shows as a rise.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::alert::AlertType;
use crate::outcome::{PausedBy, Posted, Reason, Settled};

/// The media type of [`Metrics::encode`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds, in seconds, for one request to RT: `RTIR_TIMEOUT` is 20 s by default.
const REQUEST_BUCKETS: [f64; 10] = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0];
/// Upper bounds, in seconds, from detection to ticket: from at once to after a weekend's outage.
const END_TO_END_BUCKETS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43_200.0, 259_200.0];
/// Stands for the type of what is not an alert.
const UNKNOWN_TYPE: &str = "unknown";

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All that is counted and measured; one for the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    alerts_received: Family<Labels<1>, Counter>,
    alerts_settled: Family<Labels<2>, Counter>,
    dead_letters: Family<Labels<1>, Counter>,
    rt_request_duration: Family<Labels<2>, Histogram>,
    end_to_end: Histogram,
    paused_seconds: Family<Labels<1>, Counter<f64, AtomicU64>>,
    doubles_merged: Counter,
    doubles_unmerged: Counter,
    ids_reused: Counter,
    second_looks: Counter,
    late_duplicates: Counter,
    requestors_missing: Counter,
    trax_records: Family<Labels<1>, Counter>,
    gauges: Gauges,
}

/// What is read off the relay whenever it is asked for.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a gauge of its own")]
pub struct Now {
    /// How many alerts are being worked on or wait.
    pub in_flight: usize,
    /// How many requests to RT may be under way at once.
    pub concurrency_limit: usize,
    /// Whether alerts wait for RT, or try one by one.
    pub rt_down: bool,
    /// Whether dead letters wait because none can be stored.
    pub dead_letters_down: bool,
    /// How many dead letters wait to be stored.
    pub dead_letters_waiting: usize,
    /// Whether the alerts were given back for a while.
    pub paused: bool,
    /// Whether there is a connection to consume from.
    pub broker_connected: bool,
    /// How many tickets are to be handed over to trax, as of the last time this relay looked.
    pub trax_pending: usize,
    /// Whether tickets wait for trax.
    pub trax_down: bool,
}

#[derive(Debug, Default)]
struct Gauges {
    in_flight: Gauge,
    concurrency_limit: Gauge,
    rt_down: Gauge,
    dead_letters_down: Gauge,
    dead_letters_waiting: Gauge,
    paused: Gauge,
    broker_connected: Gauge,
    trax_pending: Gauge,
    trax_down: Gauge,
}

impl Default for Metrics {
    /// Names and help. A counter's name gets `_total` besides.
    fn default() -> Self {
        let mut names = Names(Registry::with_prefix("rtir_relay"));
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        names.0.register("build", "The version that runs", version);
        let started = ConstGauge::new(Timestamp::now().as_second());
        names.0.register(
            "start_time_seconds",
            "When it started, in seconds since 1970; another value is a restart",
            started,
        );
        let rt_request = Family::new_with_constructor((|| Histogram::new(REQUEST_BUCKETS)) as fn() -> Histogram);
        let metrics = Self {
            alerts_received: names.add("alerts_received", "Alerts taken from the broker", Family::default()),
            alerts_settled: names.add("alerts_settled", "Alerts whose end the broker was told", Family::default()),
            dead_letters: names.add("dead_letters", "Dead letters stored", Family::default()),
            rt_request_duration: names.add("rt_request_duration_seconds", "Requests to RT", rt_request),
            end_to_end: names.add(
                "end_to_end_seconds",
                "From the detection of an alert to its ticket",
                Histogram::new(END_TO_END_BUCKETS),
            ),
            paused_seconds: names.add("paused_seconds", "Time spent paused", Family::default()),
            doubles_merged: names.add(
                "doubles_merged",
                "Tickets merged into the earlier one of the same alert",
                Counter::default(),
            ),
            doubles_unmerged: names.add(
                "doubles_unmerged",
                "Merges of such a ticket that failed; the log names it",
                Counter::default(),
            ),
            ids_reused: names.add(
                "ids_reused",
                "Alerts whose id has a ticket that names another platform",
                Counter::default(),
            ),
            second_looks: names.add(
                "second_looks",
                "Tickets looked at again because an earlier one may have appeared late",
                Counter::default(),
            ),
            late_duplicates: names.add(
                "late_duplicates",
                "Tickets that appeared long after their alert was done, and were merged",
                Counter::default(),
            ),
            requestors_missing: names.add(
                "requestors_missing",
                "Requestors that RT dropped although it made the ticket; a comment on it names them",
                Counter::default(),
            ),
            trax_records: names.add("trax_records", "Records posted to trax", Family::default()),
            gauges: Gauges {
                in_flight: names.add("in_flight", "Alerts being worked on or waiting", Gauge::default()),
                concurrency_limit: names.add(
                    "concurrency_limit",
                    "Requests to RT allowed at once; fewer than RTIR_CONCURRENCY while RT cannot keep up",
                    Gauge::default(),
                ),
                rt_down: names.add("rt_down", "Whether alerts wait for RT", Gauge::default()),
                dead_letters_waiting: names.add(
                    "dead_letters_waiting",
                    "Dead letters that could not be stored yet, in an outage or each for itself",
                    Gauge::default(),
                ),
                dead_letters_down: names.add(
                    "dead_letters_down",
                    "Whether dead letters wait because none can be stored",
                    Gauge::default(),
                ),
                paused: names.add("paused", "Whether alerts were given back for a while", Gauge::default()),
                broker_connected: names.add("broker_connected", "Whether the broker is connected", Gauge::default()),
                trax_pending: names.add(
                    "trax_pending",
                    "Tickets to be handed over to trax, those that it refused too",
                    Gauge::default(),
                ),
                trax_down: names.add("trax_down", "Whether tickets wait for trax", Gauge::default()),
            },
            registry: names.0,
        };
        metrics.start_at_zero();
        metrics
    }
}

/// The registry, while it is filled.
struct Names(Registry);

impl Names {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }
}

impl Metrics {
    /// An alert was taken from the broker; `None` is one that cannot be read.
    pub fn received(&self, alert_type: Option<AlertType>) {
        self.alerts_received.get_or_create(&[type_label(alert_type)]).inc();
    }

    /// The broker was told what became of an alert.
    pub fn settled(&self, alert_type: Option<AlertType>, settled: Settled) {
        self.alerts_settled.get_or_create(&settled_labels(alert_type, settled)).inc();
    }

    /// A dead letter was stored.
    pub fn dead_letter(&self, reason: Reason) {
        self.dead_letters.get_or_create(&[("reason", reason.as_str())]).inc();
    }

    /// A request to RT was answered, or ended without an answer.
    pub fn rt_request(&self, operation: &'static str, status: &'static str, took: Duration) {
        let labels = [("operation", operation), ("status", status)];
        self.rt_request_duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A ticket was made just now of what was detected then. A publisher's clock may be ahead of ours.
    pub fn ticket_made(&self, detected_at: Timestamp) {
        let took = Timestamp::now().duration_since(detected_at).as_secs_f64();
        self.end_to_end.observe(took.max(0.0));
    }

    /// The relay was paused for so long.
    pub fn paused(&self, by: PausedBy, time: Duration) {
        self.paused_seconds.get_or_create(&[("cause", by.as_str())]).inc_by(time.as_secs_f64());
    }

    /// A double was merged into the ticket that stays.
    pub fn double_merged(&self) {
        self.doubles_merged.inc();
    }

    /// A ticket that appeared long after its alert was done was merged.
    pub fn late_duplicate(&self) {
        self.late_duplicates.inc();
    }

    /// A double could not be merged.
    pub fn double_unmerged(&self) {
        self.doubles_unmerged.inc();
    }

    /// The ticket that an alert's key was found on names another platform.
    pub fn id_reused(&self) {
        self.ids_reused.inc();
    }

    /// RT made a ticket without so many of its Requestors.
    pub fn requestors_missing(&self, count: usize) {
        self.requestors_missing.inc_by(count as u64);
    }

    /// RT is looked at a second time for an earlier ticket of an alert.
    pub fn second_look(&self) {
        self.second_looks.inc();
    }

    /// A record was posted to trax.
    pub fn posted(&self, posted: Posted) {
        self.trax_records.get_or_create(&[("outcome", posted.as_str())]).inc();
    }

    /// All of them as OpenMetrics text.
    ///
    /// # Errors
    /// The text cannot be written.
    pub fn encode(&self, now: Now) -> Result<String, std::fmt::Error> {
        self.gauges.set(now);
        let mut encoded = String::new();
        text::encode(&mut encoded, &self.registry)?;
        Ok(encoded)
    }

    fn start_at_zero(&self) {
        for alert_type in AlertType::ALL.iter().copied().map(Some).chain([None]) {
            drop(self.alerts_received.get_or_create(&[type_label(alert_type)]));
            for settled in Settled::ALL {
                drop(self.alerts_settled.get_or_create(&settled_labels(alert_type, settled)));
            }
        }
        for reason in Reason::ALL {
            drop(self.dead_letters.get_or_create(&[("reason", reason.as_str())]));
        }
        for posted in Posted::ALL {
            drop(self.trax_records.get_or_create(&[("outcome", posted.as_str())]));
        }
        for by in PausedBy::ALL {
            drop(self.paused_seconds.get_or_create(&[("cause", by.as_str())]));
        }
    }
}

impl Gauges {
    fn set(&self, now: Now) {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.in_flight.set(whole(now.in_flight));
        self.concurrency_limit.set(whole(now.concurrency_limit));
        self.rt_down.set(now.rt_down.into());
        self.dead_letters_down.set(now.dead_letters_down.into());
        self.dead_letters_waiting.set(whole(now.dead_letters_waiting));
        self.paused.set(now.paused.into());
        self.broker_connected.set(now.broker_connected.into());
        self.trax_pending.set(whole(now.trax_pending));
        self.trax_down.set(now.trax_down.into());
    }
}

fn type_label(alert_type: Option<AlertType>) -> (&'static str, &'static str) {
    ("type", alert_type.map_or(UNKNOWN_TYPE, AlertType::as_str))
}

fn settled_labels(alert_type: Option<AlertType>, settled: Settled) -> Labels<2> {
    [type_label(alert_type), ("outcome", settled.as_str())]
}
