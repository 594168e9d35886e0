//! The postbox client: what every answer of trax means, and what goes nowhere else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rtir_relay::config::{Config, Environment};
use rtir_relay::diagnosis::{Diagnosis, Trouble};
use rtir_relay::rtir::Shown;
use rtir_relay::ticket::TicketId;
use rtir_relay::trax::{Attributes, DEFAULT_ATTRIBUTES, NotTaken, Postbox, Record, View};

use super::command::{command, run};
use crate::secrets::{Captured, leaks_no_secret};
use crate::support::eventually::DEADLINE;
use crate::support::fake_rt::{Answer, FakeRt};
use crate::support::front::{Authority, LATER, closed_port};
use crate::support::postbox::{self, Fault};

/// What an answer to a record means.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Means {
    Taken,
    Refused,
    /// By this trouble, and a cure that says so.
    Failed(Option<Trouble>, &'static str),
}

use Means::{Failed, Refused, Taken};

const TOKEN: Means = Failed(Some(Trouble::AuthenticationFailed), "Check TRAX_TOKEN");
const ADDRESS: Means = Failed(None, "Check TRAX_URL");
const PROXY: Means = Failed(Some(Trouble::ProxyOrFirewall), "Let the proxy pass");
const GATEWAY: Means = Failed(Some(Trouble::ServerUnreachable), "Check that trax runs");
const OTHER: Means = Failed(None, "See trax's log");

/// Each status that may be answered, by hand from what is promised.
const STATUSES: [(RangeInclusive<u16>, Means); 20] = [
    (200..=299, Taken),
    (300..=399, ADDRESS),
    (400..=400, Refused),
    (401..=401, TOKEN),
    (402..=402, OTHER),
    (403..=403, TOKEN),
    (404..=405, ADDRESS),
    (406..=406, OTHER),
    (407..=407, PROXY),
    (408..=408, OTHER),
    (409..=409, Refused),
    (410..=412, OTHER),
    (413..=413, Refused),
    (414..=414, OTHER),
    (415..=415, Refused),
    (416..=421, OTHER),
    (422..=422, Refused),
    (423..=501, OTHER),
    (502..=504, GATEWAY),
    (505..=599, OTHER),
];

/// The client as the relay makes it of its environment.
fn client(url: &str, others: &[(&str, &str)]) -> Result<Postbox, Diagnosis> {
    let settings = [
        ("AMQP_URL", "amqp://h"),
        ("RTIR_URL", "https://rt.example"),
        ("RTIR_TOKEN", "t"),
        ("TRAX_URL", url),
        ("TRAX_TOKEN", postbox::TOKEN),
        // A loaded machine answers within.
        ("TRAX_TIMEOUT", "30s"),
    ];
    let others = others.iter().copied();
    let kept = settings.into_iter().filter(|(name, _)| others.clone().all(|(other, _)| other != *name));
    let environment: Environment = kept.chain(others.clone()).collect();
    let settings = Config::load(&environment).unwrap().trax.expect("a postbox");
    leaks_no_secret(&format!("{settings:?} {settings:#?}"));
    Postbox::new(Arc::new(settings))
}

fn record() -> Record {
    let ticket = Shown {
        id: TicketId(4711),
        subject: "Defacement".to_owned(),
        status: "new".to_owned(),
        priority: 100,
        created: "2026-11-23T08:00:00Z".to_owned(),
        requestors: Vec::new(),
        custom_fields: Vec::new(),
        is_reported: false,
    };
    let page = "https://rt.example/Ticket/Display.html?id=4711".parse().unwrap();
    Attributes::parse(DEFAULT_ATTRIBUTES).unwrap().record(&View::of(&ticket, "Look".to_owned(), &page)).unwrap()
}

/// Posts a record in a bounded time. What comes of it shows no secret.
async fn post(client: &Postbox) -> Result<(), NotTaken> {
    let posted = tokio::time::timeout(DEADLINE, client.post(&record())).await.expect("an end");
    leaks_no_secret(&format!("{posted:?}"));
    posted
}

/// Why a post failed.
async fn failure(client: &Postbox) -> Diagnosis {
    match post(client).await {
        Err(NotTaken::Failed(diagnosis)) => diagnosis,
        other => panic!("no failure: {other:?}"),
    }
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    let postbox = postbox::Postbox::start();
    let client = client(&postbox.url(), &[]).unwrap();
    let all: Vec<_> = STATUSES.into_iter().flat_map(|(range, means)| range.map(move |of| (of, means))).collect();
    assert!(all.iter().map(|(http_status, _)| *http_status).eq(200..=599), "each once");
    for (http_status, means) in all {
        postbox.suffers(Fault::Instead(Answer::message(http_status, "as scripted")));
        let words = if http_status == 304 { "HTTP 304".to_owned() } else { format!("HTTP {http_status} as scripted") };
        match (means, post(&client).await) {
            (Taken, Ok(())) => {}
            (Refused, Err(NotTaken::Refused(why))) => assert_eq!(why, words),
            (Failed(trouble, cure), Err(NotTaken::Failed(diagnosis))) => {
                assert_eq!((diagnosis.trouble, diagnosis.why), (trouble, words));
                assert!(diagnosis.cure.starts_with(cure), "{http_status}: {}", diagnosis.cure);
            }
            (means, posted) => panic!("{http_status} is {means:?}, not {posted:?}"),
        }
    }
    postbox.assert_all_well_formed();
}

#[tokio::test]
async fn no_answer_is_a_failure_and_the_record_may_be_taken() {
    let postbox = postbox::Postbox::start();
    let client = client(&postbox.url(), &[("TRAX_TIMEOUT", "300ms")]).unwrap();
    postbox.suffers(Fault::Hang);
    let late = failure(&client).await;
    assert_eq!((late.trouble, late.why.as_str()), (Some(Trouble::ServerUnreachable), "no answer in time"));
    postbox.suffers(Fault::CutAfter);
    let lost = failure(&client).await;
    assert_eq!(lost.trouble, Some(Trouble::ServerUnreachable));
    assert_eq!(postbox.taken().len(), 1);
}

#[tokio::test]
async fn nobody_there_is_told_with_what_to_check() {
    let url = format!("http://127.0.0.1:{}/7", closed_port().await);
    let refused = failure(&client(&url, &[]).unwrap()).await;
    assert_eq!(refused.trouble, Some(Trouble::ServerUnreachable));
    assert!(refused.why.contains("Connection refused"), "{refused}");
    assert!(refused.cure.contains("TRAX_URL"), "{refused}");
    let unresolved = failure(&client("http://trax.invalid/7", &[]).unwrap()).await;
    assert_eq!(unresolved.trouble, Some(Trouble::ServerUnreachable));
}

#[tokio::test]
async fn the_certificate_is_verified_by_the_authority_that_is_named() {
    let authority = Authority::new("postbox-authority");
    let postbox = postbox::Postbox::start_with_tls(authority.certificate("localhost", LATER));
    let untrusted = failure(&client(&postbox.url(), &[]).unwrap()).await;
    assert_eq!(untrusted.trouble, Some(Trouble::Certificate));
    assert!(untrusted.cure.contains("TRAX_CA_FILE"), "{untrusted}");
    assert_eq!(postbox.requests(), 0);

    let trust = [("TRAX_CA_FILE", authority.file.to_str().unwrap())];
    assert_eq!(post(&client(&postbox.url(), &trust).unwrap()).await, Ok(()));
    assert_eq!(postbox.taken().len(), 1);
    postbox.assert_all_well_formed();

    let other = postbox::Postbox::start_with_tls(authority.certificate("other.example", LATER));
    let misnamed = failure(&client(&other.url(), &trust).unwrap()).await;
    assert_eq!((misnamed.trouble, other.requests()), (Some(Trouble::Certificate), 0));
    assert!(misnamed.to_string().contains("other.example"), "{misnamed}");
}

#[tokio::test]
async fn tls_where_none_is_spoken_is_a_fault_of_the_address() {
    let postbox = postbox::Postbox::start();
    let url = postbox.url().replace("http://", "https://");
    let fault = failure(&client(&url, &[]).unwrap()).await;
    assert!(fault.trouble.is_some() && fault.cure.contains("TRAX_URL"), "{fault}");
}

#[test]
fn an_authority_that_is_none_is_a_fault_of_the_configuration() {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/postbox-no-authority.pem");
    std::fs::write(file, "no certificate").unwrap();
    let diagnosis = client("https://trax.example/7", &[("TRAX_CA_FILE", file)]).map(|_| ()).unwrap_err();
    let why = format!("TRAX_CA_FILE: {file} holds no PEM certificate");
    assert_eq!(diagnosis.why, why);
    let (rt, postbox) = (FakeRt::start(), postbox::Postbox::start());
    for arguments in [&["check", "--offline"][..], &["run"]] {
        let mut command = command(arguments);
        command.envs(rt.environment(&[])).envs(postbox.environment()).env("TRAX_CA_FILE", file);
        let ended = run(&mut command);
        assert_eq!(ended.exit, Some(78), "{ended:?}");
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(&why), "{ended:?}");
    }
    assert_eq!(rt.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (postbox, elsewhere) = (postbox::Postbox::start(), FakeRt::start());
    let client = client(&postbox.url(), &[]).unwrap();
    for http_status in [301, 302, 303, 307, 308] {
        let redirect = Answer::message(http_status, "elsewhere").with_header("Location", &elsewhere.url());
        postbox.suffers(Fault::Instead(redirect));
        let diagnosis = failure(&client).await;
        assert!(diagnosis.cure.contains("no redirect is followed"), "{diagnosis}");
    }
    assert_eq!((postbox.requests(), elsewhere.connections()), (5, 0));
}

#[tokio::test]
async fn what_is_said_after_a_success_takes_nothing_back_and_has_an_end() {
    let postbox = postbox::Postbox::start();
    let hurried = client(&postbox.url(), &[("TRAX_TIMEOUT", "1s")]).unwrap();
    for fault in [Fault::EndlessAfter, Fault::DripAfter] {
        postbox.suffers(fault);
        assert_eq!(post(&hurried).await, Ok(()));
    }
    assert_eq!(postbox.taken().len(), 2);
}

#[tokio::test]
async fn an_answer_that_shows_the_request_shows_no_token() {
    let postbox = postbox::Postbox::start();
    let client = client(&postbox.url(), &[]).unwrap();
    let captured = Captured::start();
    for http_status in [400, 401, 404, 422, 500, 503] {
        postbox.suffers(Fault::Echo(http_status));
        let not_taken = post(&client).await.unwrap_err();
        let shown = format!("{not_taken:?}");
        assert!(shown.contains("authorization: Bearer [secret]"), "{shown}");
        if let NotTaken::Failed(diagnosis) = not_taken {
            leaks_no_secret(&diagnosis.to_string());
        }
    }
    captured.text();
}

#[tokio::test]
async fn an_answer_that_breaks_off_within_the_token_shows_no_half_of_it() {
    let (half, _) = postbox::TOKEN.split_at(postbox::TOKEN.len() / 2);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}/7", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 422 X\r\nContent-Length: 1000\r\n\r\nyou sent: Bearer {half}");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let Err(NotTaken::Refused(why)) = post(&client(&url, &[]).unwrap()).await else { panic!("it is refused") };
    assert!(why.starts_with("HTTP 422") && !why.contains(half), "{why}");
}

#[tokio::test]
async fn a_token_that_cannot_be_read_or_sent_is_a_failure() {
    let postbox = postbox::Postbox::start();
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/postbox-token");
    std::fs::write(path, postbox::TOKEN).unwrap();
    let client = client(&postbox.url(), &[("TRAX_TOKEN", ""), ("TRAX_TOKEN_FILE", path)]).unwrap();
    assert_eq!(post(&client).await, Ok(()));
    std::fs::remove_file(path).unwrap();
    let gone = failure(&client).await;
    assert_eq!(gone.trouble, Some(Trouble::AuthenticationFailed));
    assert!(gone.why.contains(path), "{gone}");
    // Rotated: it is read with each request.
    std::fs::write(path, format!("{}\n", postbox::TOKEN)).unwrap();
    assert_eq!(post(&client).await, Ok(()));
    std::fs::write(path, "two\nlines").unwrap();
    failure(&client).await;
    assert_eq!(postbox.requests(), 2);
    postbox.assert_all_well_formed();
}

#[tokio::test]
async fn a_knock_hands_nothing_over() {
    let postbox = postbox::Postbox::start();
    let client = client(&postbox.url(), &[]).unwrap();
    // It takes no GET, as it should.
    let answered = tokio::time::timeout(Duration::from_mins(1), client.knock()).await.expect("an end");
    assert_eq!(answered.expect("somebody is there"), 405);
    assert_eq!(postbox.requests(), 0);
}
