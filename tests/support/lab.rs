//! A scene on the real servers: its own exchange and queues, its own RT queue and service user.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use reqwest::header::{CONNECTION, HeaderMap, HeaderValue};
use serde_json::Value;

use super::eventually::eventually;
use super::relay_process::RelayProcess;

/// One variable of the servers that the test command starts.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!(
            "{name} is not set: the live tests need a RabbitMQ and an RT; `make test` starts them and runs all tests"
        )
    })
}

/// Everything that one test needs of the servers, under a name that no other has.
pub struct Scene {
    pub name: String,
    pub rt: Rt,
    pub token: String,
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
}

impl Scene {
    /// A fresh RT queue with the field, a fresh service user with the least rights, unused names on the broker.
    pub async fn new(what: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let name = format!("{what}-{now}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let fixture = rt_admin(&["fixture", &name]);
        let fixture: Value = serde_json::from_str(&fixture).expect("rt-admin answers JSON");
        let url = setting("RELAY_LAB_AMQP_URL");
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.expect("RabbitMQ answers");
        let channel = connection.create_channel().await.unwrap();
        let token = fixture["token"].as_str().unwrap().to_owned();
        Self { rt: Rt::new(&name), token, connection, channel, name }
    }

    pub fn password(&self) -> String {
        format!("{}-password", self.name)
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

    /// What the relay is given, and `others`.
    pub fn environment(&self, others: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut environment = BTreeMap::from([
            ("AMQP_URL", setting("RELAY_LAB_AMQP_URL")),
            ("AMQP_EXCHANGE", self.exchange()),
            ("AMQP_QUEUE", self.amqp_queue()),
            ("AMQP_DEAD_LETTER_EXCHANGE", self.dead_letters_name()),
            ("AMQP_DEAD_LETTER_QUEUE", self.dead_letters_name()),
            ("RTIR_URL", setting("RELAY_LAB_RT_URL")),
            ("RTIR_QUEUE", self.name.clone()),
            ("RTIR_USERNAME", self.name.clone()),
            ("RTIR_PASSWORD", self.password()),
            ("HTTP_LISTEN", "off".to_owned()),
            // Every live run also shows that nothing secret is logged.
            ("LOG", "trace".to_owned()),
        ]);
        environment.extend(others.iter().map(|(name, value)| (*name, (*value).to_owned())));
        environment.into_iter().filter(|(_, value)| !value.is_empty()).map(|(k, v)| (k.to_owned(), v)).collect()
    }

    /// A relay that consumes.
    pub async fn relay(&self, others: &[(&str, &str)]) -> RelayProcess {
        let relay = RelayProcess::start(&self.environment(others));
        relay.logs("consuming queue").await;
        relay
    }

    /// Stops `relay` as an operator would, and looks at what it left behind.
    pub async fn stop(&self, relay: RelayProcess) -> String {
        let (status, log) = relay.terminate().await;
        assert_eq!(status.code(), Some(0), "{log}");
        self.assert_no_secret(&log);
        log
    }

    pub fn assert_no_secret(&self, output: &str) {
        let broker = url::Url::parse(&setting("RELAY_LAB_AMQP_URL")).unwrap();
        for secret in [&self.password(), &self.token, broker.password().unwrap(), "RT_SID_"] {
            assert!(!output.contains(secret), "{secret} stands in:\n{output}");
        }
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
            let options = BasicGetOptions { no_ack: true };
            let message = self.channel.basic_get(queue.as_str().into(), options).await.unwrap().expect("a dead letter");
            letters.push(Letter::of(message.delivery));
        }
        letters
    }

    /// Waits for the RT queue to have `count` tickets, merged ones counted too, and gives them.
    pub async fn tickets(&self, count: usize) -> Vec<Ticket> {
        eventually(&format!("{count} tickets"), async || {
            let tickets = self.rt.tickets().await;
            assert!(tickets.len() <= count, "{} tickets, not {count}: {tickets:?}", tickets.len());
            (tickets.len() == count).then_some(tickets)
        })
        .await
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

/// RT as its administrator sees it.
pub struct Rt {
    http: reqwest::Client,
    rt_queue: String,
}

/// A ticket as RT has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    pub id: u64,
    pub effective_id: u64,
    pub subject: String,
    pub status: String,
    pub priority: String,
    pub requestors: Vec<String>,
    pub key: Option<String>,
}

impl Ticket {
    pub fn is_merged(&self) -> bool {
        self.id != self.effective_id
    }
}

impl Rt {
    fn new(rt_queue: &str) -> Self {
        // A kept connection that is polled on would keep one of RT's few workers from everybody else.
        let close = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
        let http = reqwest::Client::builder().no_proxy().default_headers(close).build().unwrap();
        Self { http, rt_queue: rt_queue.to_owned() }
    }

    pub async fn get(&self, path: &str) -> Value {
        let url = format!("{}/REST/2.0/{path}", setting("RELAY_LAB_RT_URL"));
        let request = self.http.get(url).basic_auth("root", Some(setting("RELAY_LAB_RT_ROOT_PASSWORD")));
        request.send().await.expect("RT answers").json().await.expect("JSON")
    }

    pub async fn put(&self, ticket: u64, body: &Value) -> Value {
        let url = format!("{}/REST/2.0/ticket/{ticket}", setting("RELAY_LAB_RT_URL"));
        let request = self.http.put(url).basic_auth("root", Some(setting("RELAY_LAB_RT_ROOT_PASSWORD")));
        request.json(body).send().await.expect("RT answers").json().await.expect("JSON")
    }

    /// All tickets of the scene's RT queue, merged ones too.
    pub async fn tickets(&self) -> Vec<Ticket> {
        self.search(&format!("Queue = '{}' AND EffectiveId > 0", self.rt_queue)).await
    }

    pub async fn search(&self, query: &str) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for page in 1.. {
            let fields = "EffectiveId,Subject,Status,Priority,Requestor,CustomFields&fields[Requestor]=EmailAddress";
            let mut url = url::Url::parse("http://x/tickets").unwrap();
            url.query_pairs_mut().append_pair("query", query);
            let query = url.query().unwrap();
            let path = format!("tickets?{query}&fields={fields}&orderby=id&order=ASC&per_page=100&page={page}");
            let answer = self.get(&path).await;
            let items = answer["items"].as_array().unwrap_or_else(|| panic!("{answer}"));
            tickets.extend(items.iter().map(read_ticket));
            if items.len() < 100 {
                break;
            }
        }
        tickets
    }

    /// Text and other attachments of the first message: content type, file name, content.
    pub async fn first_message(&self, ticket: u64) -> Vec<(String, String, String)> {
        let path =
            format!("ticket/{ticket}/attachments?fields=Content,ContentType,Filename,TransactionId&per_page=100");
        let answer = self.get(&path).await;
        let items = answer["items"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let first = text(&items[0], "TransactionId");
        items
            .iter()
            .filter(|item| text(item, "TransactionId") == first)
            .map(|item| (text(item, "ContentType"), text(item, "Filename"), text(item, "Content")))
            .collect()
    }
}

fn read_ticket(item: &Value) -> Ticket {
    let id = |value: &Value| match value {
        Value::Object(object) => object["id"].as_str().unwrap().parse().unwrap(),
        Value::String(text) => text.parse().unwrap(),
        other => other.as_u64().unwrap(),
    };
    let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
    let requestors = item["Requestor"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = item["CustomFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let key = fields.iter().find(|field| field["name"] == "Alert ID");
    Ticket {
        id: id(&item["id"]),
        effective_id: id(&item["EffectiveId"]),
        subject: text("Subject"),
        status: text("Status"),
        priority: text("Priority"),
        requestors: requestors.iter().map(|who| who["EmailAddress"].as_str().unwrap().to_owned()).collect(),
        key: key.and_then(|field| field["values"][0].as_str()).map(str::to_owned),
    }
}

/// Changes RT, as its administrator would by hand.
pub fn rt_admin(arguments: &[&str]) -> String {
    let output = Command::new(setting("RELAY_LAB_RT_ADMIN")).args(arguments).output().expect("rt-admin starts");
    assert!(output.status.success(), "rt-admin {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// All mail that RT has sent about `ticket`.
pub fn mail(ticket: u64) -> Vec<String> {
    let tag = format!(" #{ticket}");
    let mut mails = Vec::new();
    for entry in std::fs::read_dir(setting("RELAY_LAB_RT_MAIL")).expect("RT's mail") {
        let mbox = String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned();
        let about = |mail: &&str| mail.lines().any(|line| line.starts_with("X-RT-Ticket:") && line.ends_with(&tag));
        mails.extend(mbox.split("\nFrom ").filter(about).map(str::to_owned));
    }
    mails
}
