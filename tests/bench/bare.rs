//! The bare loop: lapin and reqwest on one thread, the relay's requests and nothing else. No mapping, no retry, no log.
//!
//! It reads the variables that the relay reads, and `BENCH_REQUESTS`: 3 (find, create, verify) or 1 (create).

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use reqwest::header::{CONNECTION, COOKIE, HeaderMap, HeaderValue, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::support::lab::setting;

pub const WORD: &str = "bare-consumer";

/// Makes a ticket of each alert, until it is killed.
pub async fn consume() {
    let concurrency: usize = setting("RTIR_CONCURRENCY").parse().unwrap();
    let connection = Connection::connect(&setting("AMQP_URL"), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let prefetch = u16::try_from(2 * concurrency).unwrap();
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
    let rt = Rt::log_in().await;
    let (queue, options) = (setting("AMQP_QUEUE"), BasicConsumeOptions::default());
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap();
    let rt = &rt;
    let handle = |delivery: Result<Delivery, lapin::Error>| async move {
        let delivery = delivery.unwrap();
        rt.make_ticket(&delivery.data).await;
        delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
    };
    consumer.for_each_concurrent(concurrency, handle).await;
}

struct Rt {
    http: Client,
    rest: String,
    in_queue: String,
    /// Find and verify, too.
    proves: bool,
}

impl Rt {
    /// A session, as the relay has it.
    async fn log_in() -> Self {
        let url = setting("RTIR_URL");
        let form = [("user", setting("RTIR_USERNAME")), ("pass", setting("RTIR_PASSWORD")), ("next", "1".to_owned())];
        let stranger = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let answer = stranger.post(format!("{url}/NoAuth/Login.html")).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 302, "RT does not log in the service user");
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
        // RT refuses to change anything by a session without the second one.
        let mut headers = HeaderMap::from_iter([
            (COOKIE, HeaderValue::from_str(&cookie).unwrap()),
            (ORIGIN, HeaderValue::from_str(&url).unwrap()),
        ]);
        if setting("RTIR_KEEP_ALIVE") != "true" {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let http = Client::builder().no_proxy().redirect(Policy::none()).default_headers(headers).build().unwrap();
        let proves = setting("BENCH_REQUESTS") == "3";
        Self { http, rest: format!("{url}/REST/2.0"), in_queue: setting("RTIR_QUEUE"), proves }
    }

    async fn make_ticket(&self, body: &[u8]) {
        let alert: Value = serde_json::from_slice(body).unwrap();
        let key = alert["id"].as_str().unwrap();
        if self.proves && self.find(key).await {
            return;
        }
        let ticket = self.ticket(&alert, key, body);
        let made = send(self.http.post(format!("{}/ticket", self.rest)).json(&ticket)).await;
        assert!(made["id"].is_string(), "no ticket: {made}");
        assert!(!self.proves || self.find(key).await, "the ticket of {key} is not found");
    }

    async fn find(&self, key: &str) -> bool {
        let query = format!("'CF.{{Alert ID}}' = '{key}' AND EffectiveId > 0");
        let parameters = [("query", query.as_str()), ("fields", "CustomFields,EffectiveId,Subject"), ("orderby", "id")];
        let page = send(self.http.get(format!("{}/tickets", self.rest)).query(&parameters)).await;
        page["items"].as_array().is_some_and(|items| !items.is_empty())
    }

    fn ticket(&self, alert: &Value, key: &str, body: &[u8]) -> Value {
        let people = alert["entity"]["focal_points"].as_array().map(Vec::as_slice).unwrap_or_default();
        let requestors: Vec<_> =
            people.iter().filter(|who| who["active"] != false).filter_map(|who| who["email"].as_str()).collect();
        let subject = format!("{}: {}", alert["type"], alert["platform"]["url"]).replace('"', "");
        json!({ "Queue": self.in_queue, "Subject": subject, "Content": String::from_utf8_lossy(body),
            "ContentType": "text/plain", "Requestor": requestors, "Priority": 60, "Status": "new",
            "CustomFields": { "Alert ID": key } })
    }
}

async fn send(request: RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "RT answers {}", answer.status());
    answer.json().await.unwrap()
}
