//! `make bench-rt`: what a real RT pays for a ticket, by who asks it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::contender::{self, Contender, Contest, Environment};
use super::machine::Processors;
use super::process::{cpu_of, cpu_of_tree, pid_in};
use super::publisher::{self, Publisher};
use super::report::{self, Shown};
use super::rt_database::RtDatabase;
use super::settings::{Settings, variable};
use super::summary::{Metric, Row, Table, metric, related};
use crate::support::eventually::eventually;
use crate::support::lab::{Scene, setting};
use crate::support::servers::Server;

const METRICS: [Metric; 6] = [
    related("tickets_per_s", "tickets/s"),
    related("rt_cpu_s", "RT's CPU s per ticket"),
    metric("postgresql_cpu_s", "of which PostgreSQL"),
    metric("own_cpu_ms", "own CPU ms per ticket"),
    metric("others_percent", "others %"),
    metric("stolen_percent", "stolen %"),
];

struct Bench<'a> {
    settings: &'a Settings,
    database: RtDatabase,
    environment: Environment,
    publisher: Publisher<'a>,
    pids: Pids,
    log: PathBuf,
}

/// The servers: each with the processes below it.
struct Pids {
    rt: u32,
    postgresql: u32,
    broker: u32,
}

/// What all that has a part in it has done so far.
struct Sample {
    at: Instant,
    tickets: usize,
    contender: f64,
    workers: f64,
    postgresql: f64,
    all: f64,
    processors: Processors,
}

/// Measures all of it and shows it.
pub async fn run(settings: &Settings) {
    let postgresql = Server::postgresql().await;
    let rt = Server::rt_on(&postgresql).await;
    let server = rt.rt_server().await;
    let scene = Scene::for_trax_on(&setting("RELAY_LAB_AMQP_URL"), &server, "bench").await;
    let mut database = RtDatabase::connect(postgresql.dir());
    database.fill(settings.tickets_before);
    let lab = PathBuf::from(setting("RELAY_LAB_DIR"));
    let mut environment = publisher::environment(&scene);
    let of_rt = scene.environment(&[("RTIR_TOKEN", &scene.token)]);
    environment.extend(of_rt.into_iter().filter(|(name, _)| name.starts_with("RTIR_")));
    let log = report::directory().join("contender.log");
    let broker = pid_in(&lab.join("rabbitmq"), "node");
    let pids =
        Pids { rt: pid_in(Path::new(&server.dir), "rt"), postgresql: pid_in(postgresql.dir(), "postgres"), broker };
    let mut bench = Bench { settings, database, environment, publisher: Publisher::new(&scene), pids, log };
    contender::declare_topology(&bench.environment, &bench.log).await;

    let about = report::about(format!(
        "{} alerts each, RT with {} workers, bcrypt {}, {} tickets with a key before; the relay logs in by {}",
        settings.tickets,
        setting("RELAY_LAB_RT_WORKERS"),
        setting("RELAY_LAB_BCRYPT"),
        settings.tickets_before,
        if variable("TOKEN").is_some() { "token" } else { "password" },
    ));
    let contenders: Vec<_> =
        contender::REAL.into_iter().filter(|contender| contender.name.contains(&settings.only)).collect();
    let mut rows: Vec<_> = contenders.iter().map(|contender| Row::named(contender.name)).collect();
    for round in 1..=settings.rounds {
        for (contender, row) in contenders.iter().zip(&mut rows) {
            eprintln!("round {round} of {}: {}", settings.rounds, contender.name);
            bench.backlog(contender, row).await;
        }
    }
    let table = Table { title: "A real RT".to_owned(), rows };
    let shown = Shown { metrics: &METRICS, reference: contender::BOUND };
    report::publish("bench-rt", about, settings, vec![(table, shown)]);
}

impl Bench<'_> {
    /// Measured between the first tickets, so that no start counts, and the last, when less than all of it has work.
    async fn backlog(&mut self, contender: &Contender, row: &mut Row) {
        self.publisher.backlog(self.settings.tickets).await;
        let there = self.database.tickets();
        let contest = contender.start(&self.environment, &self.log);
        let before = self.reach(there + 4, &contest).await;
        let after = self.reach(there + self.settings.tickets - 2, &contest).await;
        self.reach(there + self.settings.tickets, &contest).await;
        contest.stop().await;
        self.publisher.purge().await;
        assert_eq!(self.database.tickets(), there + self.settings.tickets, "one ticket of each alert");

        let tickets = f64::from(u32::try_from(after.tickets - before.tickets).unwrap());
        row.add("tickets_per_s", tickets / (after.at - before.at).as_secs_f64());
        let postgresql = after.postgresql - before.postgresql;
        row.add("rt_cpu_s", (after.workers - before.workers + postgresql) / tickets);
        row.add("postgresql_cpu_s", postgresql / tickets);
        row.add("own_cpu_ms", 1000.0 * (after.contender - before.contender) / tickets);
        let others = after.processors.others(&before.processors, after.all - before.all);
        row.add("others_percent", others.percent);
        row.add("stolen_percent", others.stolen_percent);
    }

    /// Waits until RT has `tickets`.
    async fn reach(&mut self, tickets: usize, contest: &Contest) -> Sample {
        let database = &mut self.database;
        let tickets = eventually(&format!("{tickets} tickets"), async || {
            let there = database.tickets();
            (there >= tickets).then_some(there)
        })
        .await;
        let (contender, workers) = (contest.cpu(), cpu_of_tree(self.pids.rt));
        let postgresql = cpu_of_tree(self.pids.postgresql);
        let all = contender + workers + postgresql + cpu_of_tree(self.pids.broker) + cpu_of(std::process::id());
        Sample { at: Instant::now(), tickets, contender, workers, postgresql, all, processors: Processors::now() }
    }
}
