//! The broker as one test sees it: names of its own, and a connection beside the relay's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::Value;

use super::eventually::eventually;

/// Exchanges and queues under a name that no other test has.
pub struct AmqpScene {
    pub name: String,
    url: String,
    connection: Connection,
    pub channel: Channel,
}

/// A message as the broker has it.
pub struct Letter {
    pub body: Vec<u8>,
    pub properties: BasicProperties,
    pub headers: BTreeMap<String, String>,
    pub exchange: String,
    pub routing_key: String,
    pub redelivered: bool,
}

impl AmqpScene {
    /// Names that nobody has used, on the broker at `url`.
    pub async fn at(url: &str, what: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let name = format!("{what}-{now}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self::named(url, name).await
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same names over another connection.
    pub async fn again(&self) -> Self {
        self.again_at(&self.url).await
    }

    /// The same names on another broker of the cluster.
    pub async fn again_at(&self, url: &str) -> Self {
        Self::named(url, self.name.clone()).await
    }

    async fn named(url: &str, name: String) -> Self {
        // A broker that is busy may close a connection that has just been opened.
        let connect = async || Connection::connect(url, ConnectionProperties::default()).await.ok();
        let connection = eventually("RabbitMQ answers", connect).await;
        let channel = connection.create_channel().await.unwrap();
        Self { name, url: url.to_owned(), connection, channel }
    }

    pub fn exchange(&self) -> String {
        format!("{}.alerts", self.name)
    }

    pub fn amqp_queue(&self) -> String {
        format!("{}.queue", self.name)
    }

    pub fn dead_letters_name(&self) -> String {
        format!("{}.dead-letters", self.name)
    }

    /// What the relay is given to use it.
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("AMQP_URL", self.url.clone()),
            ("AMQP_EXCHANGE", self.exchange()),
            ("AMQP_QUEUE", self.amqp_queue()),
            ("AMQP_DEAD_LETTER_EXCHANGE", self.dead_letters_name()),
            ("AMQP_DEAD_LETTER_QUEUE", self.dead_letters_name()),
            ("HTTP_LISTEN", "off".to_owned()),
            // Every live run also shows that nothing secret is logged.
            ("LOG", "trace".to_owned()),
        ])
    }

    /// Publishes a body with the routing key that `rtir-relay publish` would use for a high severity.
    pub async fn publish(&self, body: &[u8]) {
        self.publish_with(body, BasicProperties::default()).await;
    }

    pub async fn publish_with(&self, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let properties = properties.with_delivery_mode(2);
        let exchange = self.exchange().into();
        let sent = self.channel.basic_publish(exchange, "alert.test.high".into(), options, body, properties);
        sent.await.unwrap().await.unwrap();
    }

    /// Publishes a body to any exchange.
    pub async fn publish_to(&self, exchange: &str, body: &[u8]) {
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let sent = self.channel.basic_publish(exchange.into(), "alert.test.high".into(), options, body, properties);
        sent.await.unwrap().await.unwrap();
    }

    pub async fn publish_alert(&self, alert: &Value) {
        self.publish(&serde_json::to_vec(alert).unwrap()).await;
    }

    /// How many messages are ready in `amqp_queue`. With no relay running, that is all of them.
    pub async fn ready(&self, amqp_queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = self.channel.queue_declare(amqp_queue.into(), options, FieldTable::default()).await.unwrap();
        queue.message_count()
    }

    /// Waits for the dead letters to be `count`, and takes them.
    pub async fn dead_letters(&self, count: u32) -> Vec<Letter> {
        let queue = self.dead_letters_name();
        eventually(&format!("{count} dead letters"), async || (self.ready(&queue).await == count).then_some(())).await;
        let mut letters = Vec::new();
        for _ in 0..count {
            letters.push(self.take_dead_letter().await);
        }
        letters
    }

    /// Takes the next dead letter, which has to be there.
    pub async fn take_dead_letter(&self) -> Letter {
        self.take(&self.dead_letters_name()).await
    }

    /// Takes the next message of `amqp_queue`, which has to be there.
    pub async fn take(&self, amqp_queue: &str) -> Letter {
        let options = BasicGetOptions { no_ack: true };
        let message = self.channel.basic_get(amqp_queue.into(), options).await.unwrap().expect("a message");
        Letter::of(message.delivery)
    }

    /// Asserts that the work queue is empty with nothing unacknowledged. No relay may be running.
    pub async fn assert_queue_empty(&self) {
        // What a consumer held comes back a moment after it is gone: so look at what stands still.
        let queue = self.amqp_queue();
        assert_eq!(self.ready(&queue).await, 0, "messages in the work queue");
    }

    pub async fn close(self) {
        let _ = self.connection.close(200, "".into()).await;
    }
}

impl Letter {
    fn of(delivery: lapin::message::Delivery) -> Self {
        let table = delivery.properties.headers().clone().unwrap_or_default();
        let headers = table.inner().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Self {
            body: delivery.data,
            properties: delivery.properties,
            headers,
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
            redelivered: delivery.redelivered,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn reason(&self) -> &str {
        self.header("x-failure-reason").unwrap_or("(none)")
    }
}

fn text(value: &AMQPValue) -> String {
    match value {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(text).collect::<Vec<_>>().join(", "),
        AMQPValue::FieldTable(table) => {
            let field = |(name, value): (&lapin::types::ShortString, &AMQPValue)| format!("{name}={}", text(value));
            format!("{{{}}}", table.inner().iter().map(field).collect::<Vec<_>>().join(" "))
        }
        AMQPValue::LongLongInt(number) => number.to_string(),
        AMQPValue::LongInt(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}
