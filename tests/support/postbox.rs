//! A scripted postbox of trax on a loopback port. It takes what trax would take, remembers it, refuses every request that
//! is not as it has to be, and misbehaves as it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_rustls::rustls::ServerConfig;

use super::eventually::{DEADLINE, eventually};
use super::http::{self, Answer, Request};

pub const TOKEN: &str = "p0stb0x-t0ken";

/// How an exchange goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This is answered and nothing taken.
    Instead(Answer),
    /// The record is taken, and the connection cut without an answer.
    CutAfter,
    /// The record is taken, and no answer comes while the test lasts, or until all is well.
    HangAfter,
    /// Nothing is taken, and no answer comes.
    Hang,
    /// The record is taken, and answered when all is well.
    AnswerLate,
    /// The record is taken; the answer that says so has no end.
    EndlessAfter,
    /// The record is taken; the answer that says so comes byte by byte, for ever.
    DripAfter,
    /// A refusal with this status that shows the whole request, as a server in development mode does.
    Echo(u16),
}

#[derive(Default)]
struct State {
    /// What goes wrong with a ticket's records; 0 stands for every ticket.
    faults: BTreeMap<u64, Fault>,
    /// What was taken, in order.
    taken: Vec<Record>,
    /// How many requests there were, taken or not.
    requests: usize,
    /// How many records were taken without an answer.
    answers_lost: usize,
    /// What was not as it has to be.
    wrong: Vec<String>,
    closed: bool,
}

/// A record as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub id: u64,
    pub attributes: Value,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// How an exchange goes on.
enum Reply {
    Answer(Answer),
    /// The connection is to be cut.
    Cut,
    /// This is sent over and over, with a pause between.
    Pour(&'static [u8], Duration),
}

/// The scripted postbox, until dropped.
pub struct Postbox {
    address: SocketAddr,
    by_tls: bool,
    shared: Arc<Shared>,
}

impl Postbox {
    pub fn start() -> Self {
        Self::listen(None)
    }

    /// The same behind TLS.
    pub fn start_with_tls(tls: Arc<ServerConfig>) -> Self {
        Self::listen(Some(tls))
    }

    fn listen(tls: Option<Arc<ServerConfig>>) -> Self {
        let (by_tls, shared) = (tls.is_some(), Arc::<Shared>::default());
        let (ends, serves) = (Arc::clone(&shared), Arc::clone(&shared));
        let address = http::listen(tls, move || ends.lock().closed, move |stream| serves.serve(stream));
        Self { address, by_tls, shared }
    }

    pub fn url(&self) -> String {
        format!("{}/api/postbox/7", http::base_url(self.address, self.by_tls))
    }

    /// What the relay is given to use it, with short waits.
    pub fn environment(&self) -> Vec<(String, String)> {
        let settings = [
            ("TRAX_URL", self.url()),
            ("TRAX_TOKEN", TOKEN.to_owned()),
            ("TRAX_INTERVAL", "1s".to_owned()),
            ("TRAX_TIMEOUT", "1s".to_owned()),
            // After a start so much longer is waited, in case another relay was at it.
            ("RTIR_TIMEOUT", "5s".to_owned()),
            ("RETRY_INITIAL", "50ms".to_owned()),
            ("RETRY_MAX", "500ms".to_owned()),
        ];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// From now on it goes wrong like this.
    pub fn suffers(&self, fault: Fault) {
        self.suffers_with(0, fault);
    }

    /// It goes wrong like this with the records of one ticket.
    pub fn suffers_with(&self, ticket: u64, fault: Fault) {
        self.shared.lock().faults.insert(ticket, fault);
    }

    /// Nothing goes wrong any more.
    pub fn well(&self) {
        self.shared.lock().faults.clear();
        self.shared.changed.notify_all();
    }

    /// What was taken so far, in order; repeats too.
    pub fn taken(&self) -> Vec<Record> {
        self.shared.lock().taken.clone()
    }

    /// The tickets whose records were taken, with how often.
    pub fn times(&self) -> BTreeMap<u64, usize> {
        self.taken().into_iter().fold(BTreeMap::new(), |mut times, record| {
            *times.entry(record.id).or_default() += 1;
            times
        })
    }

    /// How many requests there were so far.
    pub fn requests(&self) -> usize {
        self.shared.lock().requests
    }

    /// How many records were taken without an answer so far.
    pub fn answers_lost(&self) -> usize {
        self.shared.lock().answers_lost
    }

    /// Waits until `count` records are taken, and comes back at once then: in the middle of whatever follows.
    pub async fn takes(&self, count: usize) {
        let shared = Arc::clone(&self.shared);
        let wait = move || {
            let mut state = shared.lock();
            let deadline = Instant::now() + DEADLINE;
            while state.taken.len() < count {
                let left = deadline.checked_duration_since(Instant::now()).expect("records in time");
                state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        };
        tokio::task::spawn_blocking(wait).await.expect("it waits");
    }

    /// Waits until the records of exactly these tickets are taken, in whatever order they were made.
    pub async fn has(&self, tickets: &[u64]) {
        eventually(&format!("records of {tickets:?}"), async || {
            self.times().into_keys().eq(tickets.iter().copied().collect::<BTreeSet<_>>()).then_some(())
        })
        .await;
    }

    /// Waits until it was asked `more` times more.
    pub async fn is_asked(&self, more: usize) {
        let before = self.requests();
        eventually("a request to the postbox", async || (self.requests() >= before + more).then_some(())).await;
    }

    /// # Panics
    /// A request was not as it has to be.
    pub fn assert_all_well_formed(&self) {
        let wrong = self.shared.lock().wrong.clone();
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}

impl Drop for Postbox {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = Request::read(&mut stream) {
            let said = match self.reply(&request) {
                Reply::Answer(answer) => answer.write(stream.get_mut()),
                Reply::Cut => break,
                Reply::Pour(piece, time) => http::pour(stream.get_mut(), 201, piece, || self.pause(time)),
            };
            if said.is_err() {
                break;
            }
        }
    }

    fn reply(&self, request: &Request) -> Reply {
        // `check` looks so whether anybody is there.
        if request.method == "GET" {
            return Reply::Answer(Answer::message(405, "Method Not Allowed"));
        }
        let mut state = self.lock();
        state.requests += 1;
        let record = match read(request) {
            Ok(record) => record,
            Err(what) => {
                state.wrong.push(what.clone());
                return Reply::Answer(Answer::message(400, &what));
            }
        };
        let fault = state.faults.get(&record.id).or(state.faults.get(&0)).cloned();
        self.changed.notify_all();
        let lost = matches!(fault, Some(Fault::HangAfter | Fault::CutAfter));
        state.answers_lost += usize::from(lost);
        if !matches!(fault, Some(Fault::Instead(_) | Fault::Echo(_) | Fault::Hang)) {
            state.taken.push(record);
        }
        let accepted = Reply::Answer(Answer::json(201, &serde_json::json!({ "data": [] })));
        match fault {
            None => accepted,
            Some(Fault::Instead(answer)) => Reply::Answer(answer),
            Some(Fault::Echo(http_status)) => Reply::Answer(request.echo(http_status)),
            Some(Fault::CutAfter) => Reply::Cut,
            Some(Fault::Hang | Fault::HangAfter) => {
                self.hang(state);
                Reply::Cut
            }
            Some(Fault::AnswerLate) => {
                self.hang(state);
                accepted
            }
            Some(Fault::EndlessAfter) => Reply::Pour(&[b'x'; 8 * 1024], Duration::ZERO),
            Some(Fault::DripAfter) => Reply::Pour(b"x", Duration::from_millis(5)),
        }
    }

    /// Takes its time, unless the test is over, which it tells.
    fn pause(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }

    fn hang(&self, mut state: MutexGuard<'_, State>) {
        while !state.closed && !state.faults.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The record of a request that is as trax's example has it.
fn read(request: &Request) -> Result<Record, String> {
    let has = |name: &str, wanted: &str| match request.header(name) {
        Some(value) if value == wanted => Ok(()),
        other => Err(format!("{name}: {other:?}")),
    };
    if request.method != "POST" || request.target != "/api/postbox/7" {
        return Err(format!("{} {}", request.method, request.target));
    }
    has("content-type", "application/json")?;
    has("accept", "application/json")?;
    has("authorization", &format!("Bearer {TOKEN}"))?;
    let body = request.json();
    let data = body["data"].as_array().filter(|data| data.len() == 1 && body.as_object().is_some_and(|o| o.len() == 1));
    let issue = data.and_then(|data| data[0].as_object()).filter(|issue| issue.len() == 2);
    let record = issue.and_then(|issue| {
        let attributes = issue.get("attributes").filter(|attributes| attributes.is_object())?;
        Some(Record { id: issue.get("id")?.as_u64()?, attributes: attributes.clone() })
    });
    record.ok_or_else(|| format!("the body is {body}"))
}
