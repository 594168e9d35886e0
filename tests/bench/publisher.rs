//! The broker's side: alerts as a platform would publish them, and the queue that all contenders take them from.

use std::time::Duration;

use lapin::options::{QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::FieldTable;
use serde_json::Value;

use super::contender::Environment;
use super::machine::now_us;
use crate::support::alerts;
use crate::support::amqp::AmqpScene;
use crate::support::eventually::eventually;

/// Publishes alerts of all categories in turn, each under an id of its own.
pub struct Publisher<'a> {
    scene: &'a AmqpScene,
    templates: Vec<Value>,
    published: usize,
}

impl<'a> Publisher<'a> {
    pub fn new(scene: &'a AmqpScene) -> Self {
        let template = |(name, ..): &(&str, _, _)| serde_json::from_slice(&alerts::fixture(name)).unwrap();
        Self { scene, templates: alerts::CATEGORIES.iter().map(template).collect(), published: 0 }
    }

    /// Publishes `count` alerts and waits until all are in the queue.
    pub async fn backlog(&mut self, count: usize) {
        for _ in 0..count {
            self.publish().await;
        }
        let count = u32::try_from(count).unwrap();
        eventually("the backlog", async || (self.ready().await == count).then_some(())).await;
    }

    /// Publishes `per_second` alerts for so long. Gives the id of each with the time at which it was published.
    pub async fn pace(&mut self, per_second: u32, time: Duration) -> Vec<(String, u64)> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second);
        let mut published = Vec::new();
        for _ in 0..u64::from(per_second) * time.as_secs() {
            ticks.tick().await;
            let now = now_us();
            published.push((self.publish().await, now));
        }
        published
    }

    async fn publish(&mut self) -> String {
        let turn = self.published % self.templates.len();
        let id = format!("bench-{}-{}", std::process::id(), self.published);
        self.published += 1;
        let alert = &mut self.templates[turn];
        alert["id"] = id.as_str().into();
        self.scene.publish_alert(alert).await;
        id
    }

    async fn ready(&self) -> u32 {
        self.scene.ready(&self.scene.amqp_queue()).await
    }

    /// Empties the queue, once nobody holds any of it.
    pub async fn purge(&self) {
        let (queue, passive) = (self.scene.amqp_queue(), QueueDeclareOptions { passive: true, ..Default::default() });
        eventually("an empty queue without consumers", async || {
            let declared = self.scene.channel.queue_declare(queue.as_str().into(), passive, FieldTable::default());
            let declared = declared.await.unwrap();
            if declared.consumer_count() == 0 && declared.message_count() > 0 {
                self.scene.channel.queue_purge(queue.as_str().into(), QueuePurgeOptions::default()).await.unwrap();
            }
            (declared.consumer_count() == 0 && declared.message_count() == 0).then_some(())
        })
        .await;
    }
}

/// What all contenders are given of the broker.
pub fn environment(scene: &AmqpScene) -> Environment {
    let mut environment = scene.environment();
    // As it is by default, and as many relays as there are have a port for their health.
    environment.remove("LOG");
    environment.insert("HTTP_LISTEN", "127.0.0.1:0".to_owned());
    environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
