//! A cluster of three brokers loses the leader of the queue, before two relays that know all three.

use std::time::Instant;

use super::stage::{LATENCY, Stage};
use super::{Form, Resumed, Row};
use crate::support::eventually::eventually;
use crate::support::fake_rt::FakeRt;
use crate::support::servers::Server;

pub async fn leader_killed(form: Form) -> Row {
    let (kills, alerts) = form.of((1, 120), (3, 400));
    let first = Server::rabbitmq().await;
    let nodes = [first.rabbitmq_beside().await, first.rabbitmq_beside().await, first];
    let mut urls = Vec::new();
    for node in &nodes {
        urls.push(node.amqp_url().await);
    }
    let rt = FakeRt::start();
    rt.takes(LATENCY);
    let list = urls.join(",");
    let mut stage = Stage::scripted(&urls[0], "cluster", &rt, &[("AMQP_URL", &list)]).await;
    let relays = [stage.relay().await, stage.relay().await];
    let mut resumed = Resumed::default();
    for _ in 0..kills {
        // Each time anew: while a node starts, the relays may be done with all that there is.
        stage.publish(alerts).await;
        rt.has_tickets(stage.published() - alerts / 2).await;
        rt.holds_creates().await;
        let leader = leader(&nodes, &stage.amqp.amqp_queue()).await;
        nodes[leader].kill().await;
        let killed = Instant::now();
        rt.goes_on();
        rt.has_tickets(rt.tickets().len() + 20).await;
        resumed.0.push(longest_gap(&rt, killed));
        nodes[leader].start().await;
        eventually("three nodes", async || (running(&nodes[leader]).await == nodes.len()).then_some(())).await;
        stage.amqp = stage.amqp.again_at(&urls[leader]).await;
    }
    let [one, two] = relays;
    stage.drain(one).await;
    stage.drain(two).await;
    Row {
        fault: "cluster of three, the queue's leader killed",
        times: kills,
        tally: stage.tally_of(&rt).await,
        resumed,
    }
}

/// Which of `nodes` leads `amqp_queue`.
async fn leader(nodes: &[Server], amqp_queue: &str) -> usize {
    let queues = nodes[0].ctl(&["--silent", "list_queues", "name", "leader"]).await;
    let line = queues.lines().find(|line| line.starts_with(amqp_queue)).unwrap_or_else(|| panic!("{queues}"));
    let name = line.split_whitespace().last().unwrap();
    for (index, node) in nodes.iter().enumerate() {
        if node.node_name() == name {
            return index;
        }
    }
    panic!("no node leads {amqp_queue}: {queues}");
}

async fn running(node: &Server) -> usize {
    let status = node.ctl(&["--silent", "cluster_status", "--formatter", "json"]).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    status["running_nodes"].as_array().unwrap().len()
}

/// The longest time without a ticket since `since`.
fn longest_gap(rt: &FakeRt, since: Instant) -> std::time::Duration {
    let mut moments: Vec<_> = rt.tickets().into_iter().map(|ticket| ticket.made_at).filter(|at| *at > since).collect();
    moments.push(since);
    moments.sort();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
