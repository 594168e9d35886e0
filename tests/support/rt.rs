//! RT as its administrator sees it.

use std::process::Command;

use reqwest::header::{CONNECTION, HeaderMap, HeaderValue};
use serde_json::Value;

use super::lab::setting;

/// An RT as `tests/servers/rt` makes them.
#[derive(Clone)]
pub struct RtServer {
    pub url: String,
    /// Where it lives.
    pub dir: String,
}

/// One queue of it, as its administrator sees it.
pub struct Rt {
    server: RtServer,
    http: reqwest::Client,
    in_queue: String,
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

impl RtServer {
    /// The one that all tests share.
    pub fn shared() -> Self {
        Self { url: setting("RELAY_LAB_RT_URL"), dir: setting("RELAY_LAB_RT_DIR") }
    }

    /// Its queue `rt_queue`.
    pub fn queue(&self, rt_queue: &str) -> Rt {
        // A kept connection that is polled on would keep one of RT's few workers from everybody else.
        let close = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
        let http = reqwest::Client::builder().no_proxy().default_headers(close).build().unwrap();
        Rt { server: self.clone(), http, in_queue: rt_queue.to_owned() }
    }

    /// Changes it, as its administrator would by hand.
    pub fn admin(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(setting("RELAY_LAB_RT_ADMIN"));
        let output = command.env("RELAY_LAB_RT_DIR", &self.dir).args(arguments).output().expect("rt-admin starts");
        assert!(output.status.success(), "rt-admin {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Rt {
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Changes its RT, as the administrator would by hand.
    pub fn admin(&self, arguments: &[&str]) -> String {
        self.server.admin(arguments)
    }

    pub async fn get(&self, path: &str) -> Value {
        let url = format!("{}/REST/2.0/{path}", self.url());
        let request = self.http.get(url).basic_auth("root", Some(setting("RELAY_LAB_RT_ROOT_PASSWORD")));
        request.send().await.expect("RT answers").json().await.expect("JSON")
    }

    pub async fn put(&self, ticket: u64, body: &Value) -> Value {
        let url = format!("{}/REST/2.0/ticket/{ticket}", self.url());
        let request = self.http.put(url).basic_auth("root", Some(setting("RELAY_LAB_RT_ROOT_PASSWORD")));
        request.json(body).send().await.expect("RT answers").json().await.expect("JSON")
    }

    /// A ticket that a person makes in the scene's RT queue. Gives its id.
    pub async fn create(&self, ticket: &Value) -> u64 {
        let mut ticket = ticket.clone();
        ticket["Queue"] = self.in_queue.as_str().into();
        let url = format!("{}/REST/2.0/ticket", self.url());
        let request = self.http.post(url).basic_auth("root", Some(setting("RELAY_LAB_RT_ROOT_PASSWORD")));
        let made: Value = request.json(&ticket).send().await.expect("RT answers").json().await.expect("JSON");
        made["id"].as_str().unwrap_or_else(|| panic!("{made}")).parse().unwrap()
    }

    /// A person comments on a ticket.
    pub async fn comment(&self, ticket: u64, subject: &str, text: &str) {
        let url = format!("{}/REST/2.0/ticket/{ticket}/comment", self.url());
        let body = serde_json::json!({ "Subject": subject, "Content": text, "ContentType": "text/plain" });
        let request = self.http.post(url).basic_auth("root", Some(setting("RELAY_LAB_RT_ROOT_PASSWORD")));
        let answer = request.json(&body).send().await.expect("RT answers");
        assert_eq!(answer.status().as_u16(), 201);
    }

    /// All tickets of the scene's RT queue, merged ones too.
    pub async fn tickets(&self) -> Vec<Ticket> {
        self.search(&format!("Queue = '{}' AND EffectiveId > 0", self.in_queue)).await
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

/// Changes the RT that all tests share.
pub fn rt_admin(arguments: &[&str]) -> String {
    RtServer::shared().admin(arguments)
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
