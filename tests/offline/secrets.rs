//! No secret is ever printed.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Once, mpsc};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rtir_relay::config::{Config, Environment};
use rtir_relay::metrics::Metrics;
use rtir_relay::rtir::{Client, Error};
use rtir_relay::ticket::{AlertKey, EmailAddress, NewTicket, RtQueueName, Subject, TicketId};
use tracing_subscriber::EnvFilter;

use crate::support::alerts;
use crate::support::fake_rt::{Answer, FakeRt, Fault, Op, PASSWORD, SESSION, TOKEN, USER};
use crate::support::postbox;
use crate::support::relay_process::{RelayProcess, run};

/// The password within `AMQP_URL`.
pub const BROKER_PASSWORD: &str = "br0kerpassw0rd";
/// The password within `RTIR_PROXY`.
pub const PROXY_PASSWORD: &str = "pr0xypassw0rd";

/// Asserts that no secret of the tests stands in `output`, in no form that goes over a wire either.
pub fn leaks_no_secret(output: &str) {
    let basic = |user: &str, password: &str| BASE64_STANDARD.encode(format!("{user}:{password}"));
    let plain = [PASSWORD, TOKEN, SESSION, BROKER_PASSWORD, PROXY_PASSWORD, "RT_SID_", postbox::TOKEN];
    let encoded = [basic(USER, PASSWORD), basic("relay", PROXY_PASSWORD)];
    for secret in plain.into_iter().chain(encoded.iter().map(String::as_str)) {
        // As bytes, too: so does `Debug` show what goes over the wire.
        let bytes = format!("{:?}", secret.as_bytes());
        let leaks = output.contains(secret) || output.contains(bytes.trim_matches(['[', ']']));
        assert!(!leaks, "{secret} stands in: {output}");
    }
}

/// What the relay logs on this thread at its finest level, until dropped.
pub struct Captured(Rc<RefCell<Vec<u8>>>);

thread_local! {
    static LINES: RefCell<Weak<RefCell<Vec<u8>>>> = const { RefCell::new(Weak::new()) };
}

impl Captured {
    pub fn start() -> Self {
        // One for all threads: tracing may lose events where subscribers come and go.
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let filter = EnvFilter::new("info,rtir_relay=trace");
            tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(|| Lines).init();
        });
        let lines = Rc::default();
        LINES.set(Rc::downgrade(&lines));
        Self(lines)
    }

    /// All lines so far. No secret stands in them.
    pub fn text(&self) -> String {
        let text = String::from_utf8(self.0.borrow().clone()).unwrap();
        leaks_no_secret(&text);
        text
    }
}

/// Writes to what is captured on the thread, if anything is.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(lines) = LINES.with_borrow(Weak::upgrade) {
            lines.borrow_mut().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

type Settings = &'static [(&'static str, &'static str)];

/// The ways to show RT who the relay is, by settings and whether the login page works.
const PASSES: [(&str, Settings, bool); 3] = [
    ("a session", &[], true),
    ("a password", &[], false),
    ("a token", &[("RTIR_USERNAME", ""), ("RTIR_PASSWORD", ""), ("RTIR_TOKEN", TOKEN)], true),
];

const OPS: [Op; 9] = [Op::LogIn, Op::LogOut, Op::Rt, Op::Queue, Op::Fields, Op::Create, Op::Read, Op::Update, Op::Find];

/// A client whose proxy, which has a password too, is the scripted RT itself.
fn client(rt: &FakeRt, others: &[(&str, &str)]) -> Client {
    let proxy = format!("http://relay:{PROXY_PASSWORD}@127.0.0.1:{}", rt.port());
    let settings = [&[("RTIR_URL", "http://rt.invalid"), ("RTIR_PROXY", &proxy), ("RTIR_TIMEOUT", "50ms")], others];
    Client::new(Arc::new(rt.config(&settings.concat()).rtir), Arc::new(Metrics::default())).unwrap()
}

/// Every step of the client, and all that it says of those that fail.
async fn every_step(client: &Client) -> Vec<String> {
    let key = AlertKey::new(None, "alert-1");
    let ticket = NewTicket {
        rt_queue: RtQueueName::parse("Incident Reports").unwrap(),
        subject: Subject::new("SSL problem: https://www.water.example"),
        content: "The certificate has expired.".to_owned(),
        requestors: vec![EmailAddress::parse("ada@water.example").unwrap()],
        priority: 60,
        key: key.clone(),
        attachment: None,
    };
    let errors = [
        client.log_in().await.err(),
        client.probe().await.err(),
        client.search(&key).await.err(),
        client.create(&ticket).await.err(),
        client.prove(TicketId(1), &key).await.err(),
        client.prove(TicketId(2), &key).await.err(),
        client.read(TicketId(1)).await.err(),
        client.merge(TicketId(3), TicketId(1), None).await.err(),
        client.mend(TicketId(1), &key).await.err(),
    ];
    client.log_out().await;
    let said = |error: Error| format!("{error} {error:?} {:?} {:?}", error.diagnosis(), error.answer());
    errors.into_iter().flatten().map(said).collect()
}

/// That nothing leaks where requests of any kind meet `fault`.
async fn leaks_nothing_at(fault: &Fault) {
    for (pass, settings, login_page) in PASSES {
        let rt = FakeRt::start();
        rt.set_up(|set_up| set_up.login_page = login_page);
        let client = client(&rt, settings);
        // The second has no key, and the third is a double of the first.
        for key in [Some("alert-1"), None, Some("alert-1")] {
            rt.add(key);
        }
        for op in OPS {
            rt.keep(op, fault.clone());
            let captured = Captured::start();
            for said in every_step(&client.another()).await {
                leaks_no_secret(&said);
            }
            captured.text();
            rt.well();
        }
        for op in OPS {
            let by_cookie = pass == "a session" || op != Op::LogOut;
            let by_password = pass != "a token" || !matches!(op, Op::LogIn | Op::LogOut);
            assert_eq!(rt.count(op) > 0, by_cookie && by_password, "{pass} {op:?}");
        }
    }
}

#[tokio::test]
async fn no_fault_of_rt_prints_a_secret() {
    let faults = [
        Fault::Instead(Answer::message(401, "Unauthorized")),
        Fault::Instead(Answer::html(302, "Login required").with_header("Location", "/")),
        Fault::Instead(Answer::message(403, "Forbidden")),
        Fault::Instead(Answer::message(400, "refused")),
        Fault::Instead(Answer::html(500, "<html>Internal Server Error</html>")),
        Fault::Instead(Answer::html(200, "<html>Welcome</html>")),
        Fault::Instead(Answer::html(407, "<html>Proxy Authentication Required</html>")),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Bytes(b"not HTTP at all\r\n\r\n"),
        Fault::Endless,
        Fault::FreezeBefore,
    ];
    for fault in faults {
        leaks_nothing_at(&fault).await;
    }
}

#[tokio::test]
async fn an_error_page_that_shows_the_request_prints_no_secret() {
    for http_status in [200, 400, 500] {
        leaks_nothing_at(&Fault::Echo(http_status)).await;
    }
}

#[test]
fn debug_of_the_configuration_prints_no_secret() {
    let rt = FakeRt::start();
    let proxy = format!("http://relay:{PROXY_PASSWORD}@proxy.example:3128");
    let management = format!("http://relay:{BROKER_PASSWORD}@broker.example:15672");
    for (_, settings, _) in PASSES {
        let others = [("RTIR_PROXY", proxy.as_str()), ("AMQP_MANAGEMENT_URL", &management)];
        leaks_no_secret(&format!("{:?}", rt.config(&[&others, settings].concat())));
    }
}

#[test]
fn a_proxy_that_cannot_be_used_is_not_shown() {
    let rt = FakeRt::start();
    // Taken as a URL, and no proxy that can be used.
    let proxies =
        [format!("http://relay:{PROXY_PASSWORD}@[::1%25]:1"), format!("socks5://{PROXY_PASSWORD}:{PROXY_PASSWORD}@")];
    for proxy in &proxies {
        match Config::load(&rt.environment(&[("RTIR_PROXY", proxy)]).into_iter().collect::<Environment>()) {
            Ok(config) => {
                if let Err(error) = Client::new(Arc::new(config.rtir), Arc::new(Metrics::default())) {
                    leaks_no_secret(&format!("{error:?} {error}"));
                }
            }
            Err(faults) => leaks_no_secret(&format!("{faults:?}")),
        }
    }
}

// --- the binary

/// What a relay is given whose secrets are all in use, and that logs as much as it can.
fn environment(rt: &FakeRt, others: &[(&str, &str)]) -> Vec<(String, String)> {
    let proxy = format!("http://relay:{PROXY_PASSWORD}@127.0.0.1:{}", rt.port());
    let log = "trace,rtir_relay=trace,hyper=trace,hyper_util=trace,reqwest=trace,lapin=trace,rustls=trace,tokio=trace";
    let settings = [("RTIR_URL", "http://rt.invalid"), ("RTIR_PROXY", &proxy), ("LOG", log), ("RTIR_TIMEOUT", "1s")];
    rt.environment(&[&settings, others].concat())
}

/// The port of a broker that lets everybody give a password, and then says nothing more. Whoever it was is sent on.
fn broker() -> (u16, mpsc::Receiver<Vec<u8>>) {
    // AMQP 0-9-1, section 2.3.5 and `connection.start`: no properties, one mechanism, one locale.
    let method = b"\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US";
    let size = u32::try_from(method.len()).unwrap().to_be_bytes();
    let start = [&b"\x01\0\0"[..], &size, method, b"\xce"].concat();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let (mut header, mut answer) = ([0; 8], [0; 4096]);
            let read = stream.read_exact(&mut header).and_then(|()| stream.write_all(&start));
            let length = read.and_then(|()| stream.read(&mut answer)).unwrap_or_default();
            if said.send(answer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    (port, heard)
}

#[tokio::test]
async fn the_relay_logs_no_secret_at_its_finest_level() {
    let faults = [
        (Op::Other, Fault::CutBefore),
        (Op::LogIn, Fault::CutBefore),
        (Op::LogIn, Fault::Instead(Answer::html(500, "<html>Internal Server Error</html>"))),
        (Op::Rt, Fault::Bytes(b"not HTTP at all\r\n\r\n")),
        (Op::Rt, Fault::Instead(Answer::html(302, "Login required").with_header("Location", "/"))),
        (Op::Rt, Fault::Endless),
    ];
    for (op, fault) in faults {
        for format in ["text", "json"] {
            let rt = FakeRt::start();
            rt.keep(op, fault.clone());
            let (port, heard) = broker();
            let url = format!("amqp://relay:{BROKER_PASSWORD}@127.0.0.1:{port}/%2f");
            let relay = RelayProcess::start(&environment(&rt, &[("LOG_FORMAT", format), ("AMQP_URL", &url)]));
            relay.logs("trying again").await;
            let given = heard.try_recv().expect("it has logged in to the broker");
            assert!(String::from_utf8_lossy(&given).contains(BROKER_PASSWORD));
            relay.logs(if op == Op::Other { "logged in to RT" } else { "RT" }).await;
            let (status, log) = relay.terminate().await;
            assert_eq!(status.code(), Some(0), "{log}");
            leaks_no_secret(&log);
        }
    }
}

#[test]
fn wrong_credentials_are_not_printed() {
    let rt = FakeRt::start();
    rt.change_password("another");
    let (code, stdout, stderr) = run(&environment(&rt, &[]), &["run"], b"");
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("RT refuses the credentials"), "{stderr}");
    leaks_no_secret(&(stdout + &stderr));
}

#[test]
fn faults_of_the_configuration_print_no_secret() {
    let broker = format!("amqp://relay:{BROKER_PASSWORD}@");
    let rt_url = format!("https://relay:{PASSWORD}@rt.example");
    let query = format!("https://rt.example/?token={TOKEN}");
    let faults: [&[(&str, &str)]; 9] = [
        &[("AMQP_URL", &broker)],
        &[("AMQP_URL", BROKER_PASSWORD)],
        &[("AMQP_URL_FILE", "/nonexistent")],
        &[("RTIR_URL", &rt_url)],
        &[("RTIR_URL", &query)],
        &[("RTIR_PROXY", PROXY_PASSWORD)],
        &[("RTIR_TOKEN", TOKEN)],
        &[("RTIR_PASSWORD_FILE", "/nonexistent")],
        &[("RTIR_PASSWROD", PASSWORD), ("RTIR_USERNAME", "")],
    ];
    for settings in faults {
        let rt = FakeRt::start();
        let (code, stdout, stderr) = run(&environment(&rt, settings), &["run"], b"");
        assert_eq!(code, Some(78), "{settings:?}: {stderr}");
        leaks_no_secret(&(stdout + &stderr));
        assert_eq!(rt.requests().len(), 0);
    }
}

#[test]
fn render_and_publish_print_no_secret() {
    let rt = FakeRt::start();
    let alert = alerts::body(&alerts::ssl("alert-1"));
    for (command, expected) in [("render", 0), ("publish", 69)] {
        let (code, stdout, stderr) = run(&environment(&rt, &[]), &[command], &alert);
        assert_eq!(code, Some(expected), "{stderr}");
        leaks_no_secret(&(stdout + &stderr));
    }
}

#[test]
fn a_proxy_that_the_environment_names_shows_no_secret_when_it_repeats_the_request() {
    let rt = FakeRt::start();
    for op in [Op::Rt, Op::Queues, Op::Other] {
        rt.keep(op, Fault::Echo(502));
    }
    let proxy = format!("http://relay:{PROXY_PASSWORD}@127.0.0.1:{}", rt.port());
    let mut environment = rt.environment(&[("RTIR_URL", "http://rt.invalid"), ("RTIR_TIMEOUT", "5s")]);
    environment.push(("HTTP_PROXY".to_owned(), proxy.clone()));
    environment.push(("http_proxy".to_owned(), proxy));
    let (code, stdout, stderr) = crate::support::relay_process::run(&environment, &["check"], b"");
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(rt.requests().iter().any(|request| request.header("proxy-authorization").is_some()), "by the proxy");
    leaks_no_secret(&stdout);
    leaks_no_secret(&stderr);
}
