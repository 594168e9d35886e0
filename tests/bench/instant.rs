//! `make bench`: what each contender costs where RT costs nothing.

use std::path::PathBuf;
use std::time::Duration;

use super::contender::{self, Contender, Contest, Environment};
use super::instant_rt::{Counts, InstantRt};
use super::machine::{Processors, now_us};
use super::process::{cpu_of, cpu_of_tree, pid_in};
use super::publisher::{self, Publisher};
use super::report::{self, Shown};
use super::settings::Settings;
use super::summary::{Metric, Row, Table, metric, percentile, related};
use crate::support::amqp::AmqpScene;
use crate::support::eventually::DEADLINE;
use crate::support::fake_rt::{PASSWORD, USER};
use crate::support::lab::setting;

const PER_SECOND: u32 = 50;

const METRICS: [Metric; 13] = [
    related("alerts_per_s", "alerts/s"),
    related("cpu_s_per_1000", "CPU s per 1,000"),
    metric("requests_per_alert", "requests per alert"),
    metric("broker_cpu_s_per_1000", "broker's CPU s per 1,000"),
    metric("rt_cpu_s_per_1000", "scripted RT's"),
    metric("peak_mb", "peak MB"),
    metric("idle_mb", "idle MB"),
    metric("idle_cpu_percent", "idle CPU %"),
    metric("start_ms", "start to first ticket ms"),
    metric("p50_ms", "latency p50 ms"),
    metric("p99_ms", "p99 ms"),
    metric("others_percent", "others %"),
    metric("stolen_percent", "stolen %"),
];
const GROWTH: [Metric; 5] = [
    related("alerts_per_s", "alerts/s"),
    metric("cpu_s_per_1000", "CPU s per 1,000"),
    metric("peak_mb", "peak MB"),
    metric("others_percent", "others %"),
    metric("stolen_percent", "stolen %"),
];
/// The backlog that larger ones are compared with.
const USUAL: &str = "10000 waiting";

struct Bench<'a> {
    settings: &'a Settings,
    rt: InstantRt,
    broker: u32,
    environment: Environment,
    publisher: Publisher<'a>,
    log: PathBuf,
}

/// What all that has a part in it has done so far.
struct Sample {
    counts: Counts,
    contender: f64,
    broker: f64,
    rt: f64,
    all: f64,
    processors: Processors,
}

/// Measures all of it and shows it.
pub async fn run(settings: &Settings) {
    let rt = InstantRt::start();
    let directory = PathBuf::from(setting("RELAY_LAB_DIR"));
    let scene = AmqpScene::at(&setting("RELAY_LAB_AMQP_URL"), "bench").await;
    let mut environment = publisher::environment(&scene);
    let of_rt = [("RTIR_URL", rt.url.as_str()), ("RTIR_QUEUE", "Incident Reports"), ("RTIR_USERNAME", USER)];
    environment.extend(of_rt.map(|(name, value)| (name.to_owned(), value.to_owned())));
    environment.push(("RTIR_PASSWORD".to_owned(), PASSWORD.to_owned()));
    let log = report::directory().join("contender.log");
    contender::declare_topology(&environment, &log).await;
    let broker = pid_in(&directory.join("rabbitmq"), "node");
    let mut bench = Bench { settings, rt, broker, environment, publisher: Publisher::new(&scene), log };
    let about = report::about(format!(
        "backlog {}, window {:?}, {PER_SECOND} alerts/s for {:?}",
        settings.backlog, settings.window, settings.pace
    ));
    let is_chosen = |contender: &Contender| contender.name.contains(&settings.only);
    let contenders: Vec<_> = contender::INSTANT.into_iter().filter(is_chosen).collect();
    let mut rows: Vec<_> = contenders.iter().map(|contender| Row::named(contender.name)).collect();
    let backlogs = settings.growth.iter().filter(|_| is_chosen(&contender::RELAY_WIDE));
    let mut growth: Vec<_> = backlogs.map(|backlog| (*backlog, Row::named(&format!("{backlog} waiting")))).collect();
    for round in 1..=settings.rounds {
        for (contender, row) in contenders.iter().zip(&mut rows) {
            eprintln!("round {round} of {}: {}", settings.rounds, contender.name);
            bench.one_by_one(contender, row).await;
            bench.backlog(contender, settings.backlog, settings.window, row).await;
        }
        for (backlog, row) in &mut growth {
            eprintln!("round {round} of {}: {backlog} waiting", settings.rounds);
            bench.backlog(&contender::RELAY_WIDE, *backlog, settings.growth_window, row).await;
        }
    }
    let contest = Table { title: "An RT that answers at once".to_owned(), rows };
    let growth = Table {
        title: format!("{} before more and more alerts", contender::RELAY_WIDE.name),
        rows: growth.into_iter().map(|(_, row)| row).collect(),
    };
    let tables = vec![
        (contest, Shown { metrics: &METRICS, reference: contender::BARE_3 }),
        (growth, Shown { metrics: &GROWTH, reference: USUAL }),
    ];
    report::publish("bench", about, settings, tables);
}

impl Bench<'_> {
    fn start(&self, contender: &Contender) -> Contest {
        contender.start(&self.environment, &self.log)
    }

    /// Start, idleness, and latency.
    async fn one_by_one(&mut self, contender: &Contender, row: &mut Row) {
        let mut starts = Vec::new();
        let contest = loop {
            self.rt.clear().await;
            self.publisher.backlog(1).await;
            let started_us = now_us();
            let contest = self.start(contender);
            starts.push(ms_between(started_us, self.rt.has(1).await.first_us));
            if starts.len() == self.settings.starts {
                break contest;
            }
            contest.stop().await;
            self.publisher.purge().await;
        };
        row.add("start_ms", percentile(&mut starts, 50));

        tokio::time::sleep(self.settings.idle / 2).await;
        let before = contest.cpu_of_threads();
        tokio::time::sleep(self.settings.idle).await;
        let used = contest.cpu_of_threads() - before;
        row.add("idle_cpu_percent", 100.0 * used / self.settings.idle.as_secs_f64());
        row.add("idle_mb", contest.memory());

        let published = self.publisher.pace(PER_SECOND, self.settings.pace).await;
        self.rt.has(1 + published.len()).await;
        let made = self.rt.times().await;
        let mut latencies: Vec<_> = published.iter().map(|(key, at_us)| ms_between(*at_us, made[key])).collect();
        row.add("p50_ms", percentile(&mut latencies, 50));
        row.add("p99_ms", percentile(&mut latencies, 99));
        contest.stop().await;
        self.publisher.purge().await;
    }

    /// Rate, cost and memory before a backlog, measured from its first twentieth to its last, or for `window`.
    async fn backlog(&mut self, contender: &Contender, backlog: usize, window: Duration, row: &mut Row) {
        self.rt.clear().await;
        self.publisher.backlog(backlog).await;
        let contest = self.start(contender);
        let begun = self.rt.reaches((backlog / 20).min(500), DEADLINE).await;
        assert!(begun, "{} makes no tickets, see {}", contender.name, self.log.display());
        let before = self.sample(&contest).await;
        self.rt.reaches(backlog - backlog / 20, window).await;
        let after = self.sample(&contest).await;
        row.add("peak_mb", contest.peak_memory());
        contest.stop().await;
        self.publisher.purge().await;

        let alerts = number(after.counts.tickets - before.counts.tickets);
        row.add("alerts_per_s", 1000.0 * alerts / ms_between(before.counts.now_us, after.counts.now_us));
        row.add("cpu_s_per_1000", 1000.0 * (after.contender - before.contender) / alerts);
        row.add("broker_cpu_s_per_1000", 1000.0 * (after.broker - before.broker) / alerts);
        row.add("rt_cpu_s_per_1000", 1000.0 * (after.rt - before.rt) / alerts);
        row.add("requests_per_alert", number(after.counts.requests - before.counts.requests) / alerts);
        let others = after.processors.others(&before.processors, after.all - before.all);
        row.add("others_percent", others.percent);
        row.add("stolen_percent", others.stolen_percent);
    }

    async fn sample(&self, contest: &Contest) -> Sample {
        let (counts, contender) = (self.rt.counts().await, contest.cpu());
        let (rt, broker, processors) = (cpu_of(self.rt.pid()), cpu_of_tree(self.broker), Processors::now());
        let all = contender + broker + rt + cpu_of(std::process::id());
        Sample { counts, contender, broker, rt, all, processors }
    }
}

fn ms_between(earlier_us: u64, later_us: u64) -> f64 {
    number(usize::try_from(later_us.saturating_sub(earlier_us)).unwrap()) / 1000.0
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a count that is not too large"))
}
