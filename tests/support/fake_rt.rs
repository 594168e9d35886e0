//! A scripted RT on a loopback port. It answers what the relay asks as RT 5.0.3 does (`rt.rs`), remembers every request
//! and ticket, and misbehaves as it is told to. It has threads of its own: no clock of a test touches it, and the built
//! binary can be run against it.

mod rt;

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rtir_relay::config::{Config, Environment};
use tokio_rustls::rustls::ServerConfig;

use super::http;
pub use super::http::{Answer, Request};
use rt::work;
#[allow(unused_imports, reason = "each test binary uses its part")]
pub use rt::{INCIDENT_REPORTS, INVESTIGATIONS, PASSWORD, Rt, SESSION, SetUp, TOKEN, Ticket, USER, Unsafe, WEB_URL};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    LogIn,
    LogOut,
    Rt,
    Queues,
    Queue,
    Fields,
    Field,
    Create,
    Read,
    Find,
    Update,
    Other,
}

/// How an exchange goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This is answered and nothing done.
    Instead(Answer),
    /// It is done, and this answered.
    After(Answer),
    /// The connection is cut and nothing done.
    CutBefore,
    /// It is done, and the connection cut without an answer.
    CutAfter,
    /// RT freezes: it is done, and answered, when RT is thawed.
    FreezeBefore,
    /// It is done, then RT freezes until it is thawed.
    FreezeAfter,
    /// It is done, and these bytes sent before the connection is cut.
    Bytes(&'static [u8]),
    /// An error page that shows the whole request, as a server in development mode does.
    Echo(u16),
    /// An answer without end.
    Endless,
    /// An answer that comes byte by byte, for ever.
    Drip,
}

/// One line of the script: what goes wrong with requests of `op` that have `needle` in their body.
struct Line {
    op: Op,
    needle: String,
    once: bool,
    fault: Fault,
}

#[derive(Default)]
struct State {
    rt: Rt,
    script: Vec<Line>,
    requests: Vec<(Op, Request)>,
    connections: usize,
    /// How many requests of each kind are under way, and how many were at most.
    at_once: BTreeMap<Op, (usize, usize)>,
    frozen: usize,
    thaws: usize,
    closed: bool,
    /// How long it takes over a request: half of that before it does what is asked, half before it answers.
    latency: Duration,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The scripted RT, until dropped.
pub struct FakeRt {
    address: SocketAddr,
    by_tls: bool,
    shared: Arc<Shared>,
}

impl FakeRt {
    /// An RT that is set up well and has no tickets.
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

    /// Its base URL.
    pub fn url(&self) -> String {
        http::base_url(self.address, self.by_tls)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What the relay is given to use it, and `others`; an empty value takes one away. No broker is there.
    pub fn environment(&self, others: &[(&str, &str)]) -> Vec<(String, String)> {
        let url = self.url();
        let mut environment = BTreeMap::from([
            ("AMQP_URL", "amqp://relay:br0kerpassw0rd@127.0.0.1:1/%2f"),
            ("RTIR_URL", &url),
            ("RTIR_USERNAME", USER),
            ("RTIR_PASSWORD", PASSWORD),
            ("RETRY_INITIAL", "1ms"),
            ("RETRY_MAX", "5ms"),
            ("RETRY_MAX_ATTEMPTS", "3"),
            ("RETRY_UNKNOWN_WAIT", "20ms"),
        ]);
        environment.extend(others.iter().copied());
        environment.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The same as the relay reads it.
    pub fn config(&self, others: &[(&str, &str)]) -> Config {
        Config::load(&self.environment(others).into_iter().collect::<Environment>()).expect("a valid configuration")
    }

    /// The next request of `op` goes wrong like this; repeated calls queue up.
    pub fn play(&self, op: Op, fault: Fault) {
        self.shared.lock().script.push(Line { op, needle: String::new(), once: true, fault });
    }

    /// Every request of `op` goes wrong like this, until `well`.
    pub fn keep(&self, op: Op, fault: Fault) {
        self.keep_for(op, "", fault);
    }

    /// Every request of `op` with `needle` in its body.
    pub fn keep_for(&self, op: Op, needle: &str, fault: Fault) {
        self.shared.lock().script.push(Line { op, needle: needle.to_owned(), once: false, fault });
    }

    /// Nothing goes wrong any more.
    pub fn well(&self) {
        self.shared.lock().script.clear();
    }

    /// From now on it takes so long over each request, as a real one does.
    pub fn takes(&self, latency: Duration) {
        self.shared.lock().latency = latency;
    }

    /// How many requests there were so far.
    pub fn requests_so_far(&self) -> usize {
        self.shared.lock().requests.len()
    }

    /// Waits for one request after the other until there were `count`, or until it is asked nothing any more: then
    /// `false`. The last of them is just begun.
    pub async fn reaches(&self, count: usize) -> bool {
        const QUIET: Duration = Duration::from_secs(5);
        let shared = Arc::clone(&self.shared);
        let wait = move || {
            let mut state = shared.lock();
            while state.requests.len() < count {
                let (next, timed_out) =
                    shared.changed.wait_timeout(state, QUIET).unwrap_or_else(PoisonError::into_inner);
                state = next;
                if timed_out.timed_out() {
                    return false;
                }
            }
            true
        };
        tokio::task::spawn_blocking(wait).await.expect("it waits")
    }

    /// How many requests are frozen.
    pub fn frozen(&self) -> usize {
        self.shared.lock().frozen
    }

    /// Goes on with all that is frozen.
    pub fn thaw(&self) {
        self.shared.lock().thaws += 1;
        self.shared.changed.notify_all();
    }

    /// Changes rights and the like.
    pub fn set_up(&self, change: impl FnOnce(&mut SetUp)) {
        change(&mut self.shared.lock().rt.set_up);
    }

    pub fn change_password(&self, password: &str) {
        password.clone_into(&mut self.shared.lock().rt.password);
    }

    pub fn forget_sessions(&self) {
        self.shared.lock().rt.sessions.clear();
    }

    /// How many sessions are logged in.
    pub fn sessions(&self) -> usize {
        self.shared.lock().rt.sessions.len()
    }

    /// All tickets, merged ones too, by id.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.shared.lock().rt.tickets.values().cloned().collect()
    }

    /// The tickets that are not merged into another.
    pub fn unmerged(&self) -> Vec<Ticket> {
        self.tickets().into_iter().filter(|ticket| !ticket.is_merged()).collect()
    }

    /// A ticket that somebody else made. Gives its id.
    pub fn add(&self, key: Option<&str>) -> u64 {
        self.shared.lock().rt.add(INCIDENT_REPORTS, key.map(str::to_owned), serde_json::Value::Null)
    }

    /// An analyst's hand on a ticket.
    pub fn edit(&self, id: u64, change: impl FnOnce(&mut Ticket)) {
        change(self.shared.lock().rt.tickets.get_mut(&id).expect("a ticket of this id"));
    }

    /// An administrator shreds a ticket.
    pub fn shred(&self, id: u64) {
        self.shared.lock().rt.tickets.remove(&id).expect("a ticket of this id");
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.iter().map(|(_, request)| request.clone()).collect()
    }

    /// The requests of `op` so far.
    pub fn asked(&self, op: Op) -> Vec<Request> {
        let state = self.shared.lock();
        state.requests.iter().filter(|(asked, _)| *asked == op).map(|(_, request)| request.clone()).collect()
    }

    /// What was asked for, in order.
    pub fn ops(&self) -> Vec<Op> {
        self.shared.lock().requests.iter().map(|(op, _)| *op).collect()
    }

    /// How many requests of `op` there were so far.
    pub fn count(&self, op: Op) -> usize {
        self.shared.lock().requests.iter().filter(|(asked, _)| *asked == op).count()
    }

    /// How many requests of `op` were under way together, at most.
    pub fn most_at_once(&self, op: Op) -> usize {
        self.shared.lock().at_once.get(&op).map_or(0, |(_, most)| *most)
    }

    /// How many requests are under way, frozen ones too.
    pub fn under_way(&self) -> usize {
        self.shared.lock().at_once.values().map(|(now, _)| now).sum()
    }

    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        self.under_way() == 0
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }
}

impl Drop for FakeRt {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

/// What `rt` does and answers, for a server that has other needs.
pub fn answer(rt: &mut Rt, request: &Request) -> Answer {
    work(rt, Op::of(request), request)
}

impl Op {
    fn of(request: &Request) -> Self {
        let below = request.path.strip_prefix("/REST/2.0/").unwrap_or_default();
        match (request.method.as_str(), below.split_once('/').unwrap_or((below, ""))) {
            ("POST", _) if request.path == "/NoAuth/Login.html" => Self::LogIn,
            ("GET", _) if request.path == "/NoAuth/Logout.html" => Self::LogOut,
            ("GET", ("rt", "")) => Self::Rt,
            ("GET", ("queues", "all")) => Self::Queues,
            ("GET", ("queue", _)) => Self::Queue,
            ("POST", ("customfields", "")) => Self::Fields,
            ("GET", ("customfield", _)) => Self::Field,
            ("POST", ("ticket", "")) => Self::Create,
            ("GET", ("ticket", _)) => Self::Read,
            ("PUT", ("ticket", _)) => Self::Update,
            ("GET", ("tickets", "")) => Self::Find,
            _ => Self::Other,
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the requests of one connection until either side ends it.
    fn serve(&self, stream: impl Read + Write) {
        self.lock().connections += 1;
        let mut stream = BufReader::new(stream);
        while let Some(request) = Request::read(&mut stream) {
            let op = Op::of(&request);
            let fault = self.begin(op, &request);
            let pause = self.lock().latency / 2;
            self.pause(pause);
            let answer = self.play(op, &request, fault, stream.get_mut());
            self.pause(pause);
            self.lock().at_once.entry(op).or_default().0 -= 1;
            let last = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
            if answer.is_none_or(|answer| answer.write(stream.get_mut()).is_err()) || last {
                break;
            }
        }
    }

    /// Notes the request, and takes what is to go wrong with it from the script.
    fn begin(&self, op: Op, request: &Request) -> Option<Fault> {
        let mut state = self.lock();
        state.requests.push((op, request.clone()));
        self.changed.notify_all();
        let (now, most) = state.at_once.entry(op).or_default();
        *now += 1;
        *most = (*most).max(*now);
        let body = String::from_utf8_lossy(&request.body);
        let line = state.script.iter().position(|line| line.op == op && body.contains(&line.needle))?;
        if state.script[line].once {
            Some(state.script.remove(line).fault)
        } else {
            Some(state.script[line].fault.clone())
        }
    }

    /// Does what is asked, as far as the fault lets it. `None`: the connection is to be cut.
    fn play(&self, op: Op, request: &Request, fault: Option<Fault>, stream: &mut impl Write) -> Option<Answer> {
        let work = || work(&mut self.lock().rt, op, request);
        match fault {
            None => Some(work()),
            Some(Fault::Instead(answer)) => Some(answer),
            Some(Fault::After(answer)) => {
                work();
                Some(answer)
            }
            Some(Fault::CutBefore) => None,
            Some(Fault::CutAfter) => {
                work();
                None
            }
            Some(Fault::FreezeBefore) => self.freeze().then(work),
            Some(Fault::FreezeAfter) => {
                let answer = work();
                self.freeze().then_some(answer)
            }
            Some(Fault::Bytes(bytes)) => {
                work();
                let _ = stream.write_all(bytes).and_then(|()| stream.flush());
                None
            }
            Some(Fault::Echo(http_status)) => Some(request.echo(http_status)),
            Some(Fault::Endless) => {
                let _ = http::pour(stream, 200, &[b'x'; 8 * 1024], || self.pause(Duration::ZERO));
                None
            }
            Some(Fault::Drip) => {
                let _ = http::pour(stream, 200, b"x", || self.pause(Duration::from_millis(5)));
                None
            }
        }
    }

    /// Waits to be thawed. `false`: the test is over.
    fn freeze(&self) -> bool {
        let mut state = self.lock();
        let thaws = state.thaws;
        state.frozen += 1;
        while state.thaws == thaws && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.frozen -= 1;
        !state.closed
    }

    /// Takes its time, unless the test is over, which it tells.
    fn pause(&self, time: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), time, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }
}
