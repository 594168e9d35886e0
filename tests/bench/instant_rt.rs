//! An RT that answers at once, in a process of its own. Tickets and searches come from a table; everything else is
//! answered as the tests' scripted RT does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::machine::now_us;
use crate::support::eventually::eventually;
use crate::support::fake_rt::{self, Rt, WEB_URL};
use crate::support::http::{self, Answer, Request};

pub const WORD: &str = "serve-instant-rt";

/// What it has seen so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// When this was counted.
    pub now_us: u64,
    pub tickets: usize,
    pub requests: usize,
    /// When the first ticket was made.
    pub first_us: u64,
}

#[derive(Default)]
struct State {
    rt: Rt,
    /// By key.
    tickets: HashMap<String, Ticket>,
    requests: usize,
    first_us: u64,
}

/// A ticket, as far as anybody asks for it.
struct Ticket {
    id: usize,
    made_us: u64,
    subject: String,
    requestor: Vec<String>,
}

/// What it is made of.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    subject: String,
    requestor: Vec<String>,
    custom_fields: Keyed,
}

#[derive(Deserialize)]
struct Keyed {
    #[serde(rename = "Alert ID")]
    key: String,
}

/// Serves until its input ends, which it does with the process that has started it. All on one thread, so that as little
/// as possible of the machine goes to it.
pub async fn serve() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("{}", http::base_url(listener.local_addr().unwrap(), false));
    let state = Rc::<RefCell<State>>::default();
    let connections = LocalSet::new();
    connections
        .run_until(async {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(serve_connection(Rc::clone(&state), stream));
            }
        })
        .await;
}

async fn serve_connection(state: Rc<RefCell<State>>, stream: TcpStream) {
    let mut received = Vec::new();
    while let Some(request) = read(&stream, &mut received).await {
        let mut bytes = Vec::new();
        let answer = state.borrow_mut().answer(&request);
        answer.write(&mut bytes).unwrap();
        let last = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if write(&stream, &bytes).await.is_none() || last {
            break;
        }
    }
}

/// The next request of a connection, of which `received` has the beginning.
async fn read(stream: &TcpStream, received: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(end) = end_of_request(received) {
            let request = Request::read(&mut BufReader::new(&received[..end]));
            received.drain(..end);
            return request;
        }
        stream.readable().await.ok()?;
        let mut piece = [0; 8 * 1024];
        match stream.try_read(&mut piece) {
            Ok(0) => return None,
            Ok(bytes) => received.extend_from_slice(&piece[..bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

async fn write(stream: &TcpStream, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        stream.writable().await.ok()?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    Some(())
}

/// Where the first request ends, if it has come as a whole.
fn end_of_request(received: &[u8]) -> Option<usize> {
    let head = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
    let length = text.split_once("\ncontent-length:").and_then(|(_, rest)| rest.lines().next()?.trim().parse().ok());
    let end = head + length.unwrap_or(0);
    (received.len() >= end).then_some(end)
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        match (request.method.as_str(), request.target.split('?').next().unwrap_or_default()) {
            ("GET", "/bench/counts") => return Answer::json(200, &serde_json::to_value(self.counts()).unwrap()),
            ("GET", "/bench/times") => {
                let times = self.tickets.iter().map(|(key, ticket)| (key.clone(), ticket.made_us.into())).collect();
                return Answer::json(200, &Value::Object(times));
            }
            ("POST", "/bench/clear") => {
                *self = Self { rt: std::mem::take(&mut self.rt), ..Self::default() };
                return Answer::message(200, "cleared");
            }
            _ => self.requests += 1,
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/REST/2.0/ticket") => self.create(&request.body),
            ("GET", "/REST/2.0/tickets") => self.find(request.parameter("query").unwrap_or_default()),
            _ => fake_rt::answer(&mut self.rt, request),
        }
    }

    fn counts(&self) -> Counts {
        Counts { now_us: now_us(), tickets: self.tickets.len(), requests: self.requests, first_us: self.first_us }
    }

    fn create(&mut self, body: &[u8]) -> Answer {
        let Ok(Sent { subject, requestor, custom_fields: Keyed { key } }) = serde_json::from_slice(body) else {
            return Answer::message(400, "not what is taken");
        };
        let (id, made_us) = (self.tickets.len() + 1, now_us());
        if self.tickets.is_empty() {
            self.first_us = made_us;
        }
        if self.tickets.insert(key, Ticket { id, made_us, subject, requestor }).is_some() {
            return Answer::message(400, "a second ticket of this key");
        }
        Answer::json(201, &json!({ "id": id.to_string(), "type": "ticket", "_url": url("ticket", id) }))
    }

    /// The tickets of all keys that the query names.
    fn find(&self, query: &str) -> Answer {
        let keys = query.split("'CF.{Alert ID}' = '").skip(1).filter_map(|rest| rest.split('\'').next());
        let mut found: Vec<_> = keys.filter_map(|key| Some((self.tickets.get(key)?, key))).collect();
        found.sort_unstable_by_key(|(ticket, _)| ticket.id);
        let items: Vec<_> = found.iter().map(|(ticket, key)| ticket.item(key)).collect();
        Answer::json(200, &json!({ "items": items, "count": items.len(), "page": 1, "pages": 1, "per_page": 100 }))
    }
}

impl Ticket {
    fn item(&self, key: &str) -> Value {
        let person = |address: &String| json!({ "id": address, "type": "user", "EmailAddress": address, "_url": url("user", address) });
        let requestor: Vec<_> = self.requestor.iter().map(person).collect();
        json!({ "id": self.id.to_string(), "type": "ticket", "EffectiveId": self.id.to_string(),
            "_url": url("ticket", self.id), "Subject": self.subject, "Requestor": requestor,
            "CustomFields": [{ "id": "2", "name": "Alert ID", "type": "customfield", "values": [key] }] })
    }
}

fn url(kind: &str, id: impl std::fmt::Display) -> String {
    format!("{WEB_URL}/REST/2.0/{kind}/{id}")
}

/// The running server, as the benchmark sees it.
pub struct InstantRt {
    child: Child,
    pub url: String,
    http: reqwest::Client,
}

impl InstantRt {
    pub fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(WORD).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, url: url.trim().to_owned(), http }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub async fn counts(&self) -> Counts {
        self.http.get(format!("{}/bench/counts", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// When each ticket was made, by its key.
    pub async fn times(&self) -> HashMap<String, u64> {
        self.http.get(format!("{}/bench/times", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// Forgets the tickets.
    pub async fn clear(&self) {
        self.http.post(format!("{}/bench/clear", self.url)).send().await.unwrap();
    }

    /// Waits for it to have `count` tickets, at most for `time`; whether it has.
    pub async fn reaches(&self, count: usize, time: Duration) -> bool {
        let began = Instant::now();
        while self.counts().await.tickets < count {
            if began.elapsed() > time {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        true
    }

    /// Waits until it has `count` tickets.
    pub async fn has(&self, count: usize) -> Counts {
        eventually(&format!("{count} tickets"), async || {
            let counts = self.counts().await;
            (counts.tickets >= count).then_some(counts)
        })
        .await
    }
}

impl Drop for InstantRt {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
