//! The broker, or the way to it, breaks.

use std::time::Instant;

use lapin::options::QueueDeleteOptions;

use super::answers::as_refs;
use super::stage::{LATENCY, Stage};
use super::{Form, Resumed, Row};
use crate::support::eventually::eventually;
use crate::support::fake_rt::{FakeRt, Fault, Op};
use crate::support::lab::setting;
use crate::support::link::Link;
use crate::support::relay_process::RelayProcess;
use crate::support::servers::Server;

/// SIGKILL, then it is started again.
pub async fn killed(form: Form) -> Row {
    let (kills, alerts) = form.of((2, 200), (10, 1000));
    let broker = Server::rabbitmq().await;
    let url = broker.amqp_url().await;
    let rt = FakeRt::start();
    rt.takes(LATENCY);
    let mut stage = Stage::scripted(&url, "broker-killed", &rt, &[]).await;
    let relay = stage.relay().await;
    stage.publish(alerts).await;
    // RabbitMQ 3.10 may lose a quorum queue that is younger than that for good.
    let declared = Instant::now();
    eventually("a queue that has settled", async || (declared.elapsed().as_secs() >= 3).then_some(())).await;
    let mut resumed = Resumed::default();
    for kill in 1..=kills {
        rt.has_tickets(alerts * kill / (kills + 1)).await;
        rt.holds_creates().await;
        broker.kill().await;
        rt.goes_on();
        relay.logs("connecting anew").await;
        broker.start().await;
        resumed.next_ticket_after(Instant::now(), &rt).await;
        consumes_again(&relay, kill).await;
    }
    stage.amqp = stage.amqp.again().await;
    stage.drain(relay).await;
    Row { fault: "broker killed and started again", times: kills, tally: stage.tally_of(&rt).await, resumed }
}

/// The connection is reset.
pub async fn cut(form: Form) -> Row {
    let (cuts, alerts) = form.of((5, 150), (20, 600));
    let url = setting("RELAY_LAB_AMQP_URL");
    let link = Link::to(&url).await;
    let rt = FakeRt::start();
    rt.takes(LATENCY);
    let others = [("AMQP_URL", link.url(&url))];
    let mut stage = Stage::scripted(&url, "cut", &rt, &as_refs(&others)).await;
    let relay = stage.relay().await;
    stage.publish(alerts).await;
    let mut resumed = Resumed::default();
    for cut in 1..=cuts {
        rt.has_tickets(alerts * cut / (cuts + 1)).await;
        link.cut();
        consumes_again(&relay, cut).await;
        resumed.next_ticket_after(Instant::now(), &rt).await;
    }
    stage.drain(relay).await;
    Row { fault: "connection to the broker reset", times: cuts, tally: stage.tally_of(&rt).await, resumed }
}

/// The link carries nothing for longer than two heartbeats, and neither side says so.
pub async fn frozen(form: Form) -> Row {
    let (times, alerts) = form.of((1, 60), (3, 300));
    let url = setting("RELAY_LAB_AMQP_URL");
    let link = Link::to(&url).await;
    let rt = FakeRt::start();
    rt.takes(LATENCY);
    // Few are held, so that some are left when the link is thawed.
    let few = ("AMQP_PREFETCH", "4".to_owned());
    let others = [("AMQP_URL", link.url(&url)), ("AMQP_HEARTBEAT", "1s".to_owned()), few];
    let mut stage = Stage::scripted(&url, "link-frozen", &rt, &as_refs(&others)).await;
    let relay = stage.relay().await;
    let heartbeats = Server::shared_rabbitmq().ctl(&["--silent", "list_connections", "timeout"]).await;
    assert!(heartbeats.lines().any(|seconds| seconds == "1"), "none of a second: {heartbeats}");
    stage.publish(alerts).await;
    let mut resumed = Resumed::default();
    for time in 1..=times {
        rt.has_tickets(alerts * time / (times + 1)).await;
        let before = relay.count("the broker gave no sign of life");
        link.freeze();
        let noticed = async || (relay.count("the broker gave no sign of life") > before).then_some(());
        eventually("the relay misses two heartbeats", noticed).await;
        link.up();
        resumed.next_ticket_after(Instant::now(), &rt).await;
    }
    stage.drain(relay).await;
    Row { fault: "link frozen past two heartbeats", times, tally: stage.tally_of(&rt).await, resumed }
}

/// An operator deletes the queue under the consumer: what it held then is gone with it, so it is empty.
pub async fn queue_deleted(form: Form) -> Row {
    let times = form.of(2, 5);
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&setting("RELAY_LAB_AMQP_URL"), "queue-deleted", &rt, &[]).await;
    let relay = stage.relay().await;
    let mut resumed = Resumed::default();
    for time in 1..=times {
        stage.publish(10).await;
        let published = stage.published();
        eventually("all settled", async || (relay.count("\"outcome\":") == published).then_some(())).await;
        stage.amqp.channel.queue_delete(stage.amqp.amqp_queue().into(), QueueDeleteOptions::default()).await.unwrap();
        let deleted = Instant::now();
        consumes_again(&relay, time).await;
        stage.publish(1).await;
        resumed.next_ticket_after(deleted, &rt).await;
    }
    stage.drain(relay).await;
    Row { fault: "queue deleted under the consumer", times, tally: stage.tally_of(&rt).await, resumed }
}

/// RT holds the creates for longer than the broker lets a delivery be held.
pub async fn acknowledged_too_late(form: Form) -> Row {
    let (times, alerts) = form.of((1, 40), (3, 150));
    let broker = Server::rabbitmq().await;
    // Its own pace is a look each minute.
    broker.ctl(&["eval", "application:set_env(rabbit, channel_tick_interval, 500)."]).await;
    broker.ctl(&["eval", "application:set_env(rabbit, consumer_timeout, 1500)."]).await;
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&broker.amqp_url().await, "too-late", &rt, &[]).await;
    let relay = stage.relay().await;
    stage.publish(5).await;
    rt.has_tickets(5).await;
    let mut resumed = Resumed::default();
    for time in 1..=times {
        let before = relay.count("timed out. Timeout value used");
        rt.keep(Op::Create, Fault::FreezeBefore);
        stage.publish(alerts).await;
        let timed_out = async || (relay.count("timed out. Timeout value used") > before).then_some(());
        eventually("the broker closes the channel", timed_out).await;
        rt.well();
        rt.thaw();
        resumed.next_ticket_after(Instant::now(), &rt).await;
        rt.has_tickets(5 + time * alerts).await;
    }
    stage.counts_each_once(&relay).await;
    stage.drain(relay).await;
    Row { fault: "broker's acknowledgement timeout", times, tally: stage.tally_of(&rt).await, resumed }
}

/// Memory runs low: the broker takes nothing from who publishes. Tickets are made all the same; copies for the
/// dead-letter queue wait, and so do their originals.
pub async fn memory_alarm(form: Form) -> Row {
    const BAD: usize = 2;
    let (times, alerts) = form.of((1, 40), (3, 100));
    let broker = Server::rabbitmq().await;
    let rt = FakeRt::start();
    let mut stage = Stage::scripted(&broker.amqp_url().await, "alarm", &rt, &[("RTIR_CONCURRENCY", "4")]).await;
    stage.declare().await;
    let mut resumed = Resumed::default();
    for time in 1..=times {
        // All of it before the alarm, which blocks the test as well.
        for bad in 0..BAD {
            stage.publish_bad(&format!("bad {time} {bad}")).await;
        }
        stage.publish(alerts).await;
        broker.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await;
        let relay = stage.start(&[]);
        rt.has_tickets(alerts * time).await;
        // After its first try, which may be stored when the broker goes on, nothing more is sent.
        relay.logs("it is low on memory or disk").await;
        let mended = Instant::now();
        broker.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
        stage.has_dead_letters(BAD * time).await;
        resumed.0.push(mended.elapsed());
        stage.drain(relay).await;
        let copies = stage.amqp.ready(&stage.amqp.dead_letters_name()).await as usize;
        assert!(copies <= (BAD + 1) * time, "{copies} copies of {} alerts", BAD * time);
    }
    Row { fault: "broker's memory alarm", times, tally: stage.tally_of(&rt).await, resumed }
}

async fn consumes_again(relay: &RelayProcess, times: usize) {
    eventually("the relay consumes again", async || (relay.count("consuming queue") > times).then_some(())).await;
}
