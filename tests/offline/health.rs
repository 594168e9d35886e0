//! What the relay says of itself over HTTP, asked over a real socket.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use rtir_relay::amqp::Broker;
use rtir_relay::config::{Config, Environment};
use rtir_relay::health::Health;
use rtir_relay::metrics::Metrics;
use rtir_relay::outcome::PausedBy;
use rtir_relay::relay::{Relay, Service, State};
use rtir_relay::rtir::Client;
use rtir_relay::{health, metrics, relay};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::health::{Scraped, get};
use crate::support::relay_process::run;

const PASSWORD: &str = "hunter2";
/// Nothing listens on port 1.
pub const SETTINGS: [(&str, &str); 4] = [
    ("AMQP_URL", "amqp://relay:hunter2@127.0.0.1:1/%2f"),
    ("RTIR_URL", "http://127.0.0.1:1"),
    ("RTIR_USERNAME", "relay"),
    ("RTIR_PASSWORD", PASSWORD),
];

/// A relay that does not run, and the address where it says so.
pub async fn served() -> (Arc<Service>, Arc<Metrics>, CancellationToken, SocketAddr) {
    let config =
        Config::load(&SETTINGS.into_iter().collect::<Environment>()).unwrap_or_else(|faults| panic!("{faults:?}"));
    let (metrics, stop) = (Arc::new(Metrics::default()), CancellationToken::new());
    let settings = relay::Settings {
        broker: Arc::new(Broker::new(Arc::new(config.amqp))),
        prefetch: 1,
        retry: config.retry.clone(),
        pause_after: config.process.pause_after,
        grace: config.process.shutdown_grace,
        ticket_made: Arc::default(),
    };
    let (pause_after, concurrency) = (config.process.pause_after, config.rtir.concurrency);
    let client = Client::new(Arc::new(config.rtir), Arc::clone(&metrics)).unwrap();
    let relay = Relay::new(config.rules, config.retry, pause_after, client, concurrency, Arc::clone(&metrics));
    let service = Service::new(relay, settings, stop.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(health::serve(
        listener,
        Health { relay: Arc::clone(&service), trax: None, metrics: Arc::clone(&metrics) },
    ));
    (service, metrics, stop, address)
}

fn environment(http_listen: &str) -> Vec<(String, String)> {
    vec![("HTTP_LISTEN".to_owned(), http_listen.to_owned())]
}

#[tokio::test]
async fn it_is_ready_while_it_consumes_or_is_paused_and_has_the_broker() {
    let (service, _, stop, address) = served().await;
    assert_eq!(get(address, "/readyz").await.json()["state"], "starting");
    for (state, word, ready) in [
        (State::Starting, "starting", false),
        (State::Consuming, "consuming", true),
        (State::Paused(PausedBy::Rt), "paused", true),
        (State::Paused(PausedBy::DeadLetters), "paused", true),
        (State::Connecting, "connecting", false),
        (State::Stopping, "stopping", false),
    ] {
        for connected in [true, false] {
            service.status().beat(state, connected);
            let answer = get(address, "/readyz").await;
            assert_eq!(answer.http_status == 200, ready && connected, "{answer:?}");
            assert!(matches!(answer.http_status, 200 | 503), "{answer:?}");
            let expected = json!({
                "state": word,
                "broker": { "connected": connected },
                "rt": { "ok": true, "cause": null, "since": null },
                "dead_letters": { "ok": true, "cause": null, "since": null, "waiting": 0 },
                "in_flight": 0,
            });
            assert_eq!(answer.json(), expected);
            let scraped = Scraped::from(address).await;
            assert_eq!(scraped.count("broker_connected"), u64::from(connected));
            assert_eq!(scraped.count("paused"), u64::from(matches!(state, State::Paused(_))));
        }
    }
    service.status().beat(State::Consuming, true);
    stop.cancel();
    let answer = get(address, "/readyz").await;
    assert_eq!((answer.http_status, &answer.json()["state"]), (503, &json!("stopping")));
}

#[tokio::test]
async fn rt_being_down_is_told_with_its_cause_and_changes_no_status() {
    let (service, _, _, address) = served().await;
    service.relay().check_credentials().await.unwrap();
    service.status().beat(State::Consuming, true);
    let answer = get(address, "/readyz").await;
    assert_eq!(answer.http_status, 200);
    let body = answer.json();
    assert_eq!(body["rt"]["ok"], false);
    let cause = body["rt"]["cause"].as_str().unwrap();
    assert!(
        cause.starts_with("server unreachable: logging in to RT failed: ") && cause.contains("RTIR_URL"),
        "{cause}"
    );
    let since: jiff::Timestamp = body["rt"]["since"].as_str().unwrap().parse().unwrap();
    assert!(since <= jiff::Timestamp::now());
    assert_eq!(get(address, "/livez").await.http_status, 200);

    let scraped = Scraped::from(address).await;
    assert_eq!((scraped.count("rt_down"), scraped.count("concurrency_limit"), scraped.count("in_flight")), (1, 2, 0));
    let failed = "rt_request_duration_seconds_count{operation=\"log_in\",status=\"failed\"}";
    assert_eq!(scraped.count(failed), 1);
    assert!(!answer.body.contains(PASSWORD) && !format!("{scraped:?}").contains(PASSWORD));
}

#[tokio::test]
async fn a_loop_that_has_not_turned_for_30_seconds_is_not_alive() {
    let (service, _, _, address) = served().await;
    for (seconds, http_status, words) in [(0, 200, "alive"), (29, 200, "alive"), (31, 503, "hangs")] {
        service.status().beat(State::Consuming, true);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        let answer = get(address, "/livez").await;
        assert_eq!(answer.http_status, http_status, "{seconds} s: {answer:?}");
        assert!(answer.body.starts_with(words), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_beat_is_that_of_the_loop_and_ends_with_it() {
    let (service, _, _, _) = served().await;
    let minute = Duration::from_mins(1);
    let relay = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.run().await }
    });
    for _ in 0..3 {
        tokio::time::sleep(minute).await;
        assert!(service.status().since_beat() < Duration::from_secs(30), "it waits for the broker, but turns");
    }
    assert_eq!(service.status().state(), State::Starting);
    relay.abort();
    assert!(relay.await.unwrap_err().is_cancelled());
    tokio::time::sleep(minute).await;
    assert!(service.status().since_beat() >= minute);
}

#[tokio::test(start_paused = true)]
async fn the_time_spent_paused_is_counted() {
    let (service, metrics, _, _) = served().await;
    let counted = |by: PausedBy, seconds: f64| {
        let scraped = Scraped::parse(&metrics.encode(metrics::Now::default()).unwrap());
        let paused = scraped.value(&format!("paused_seconds_total{{cause=\"{}\"}}", by.as_str()));
        assert!((paused - seconds).abs() < 0.1, "{paused} s, not {seconds}, by {by:?}");
    };
    let [rt, letters] = PausedBy::ALL.map(State::Paused);
    for state in [State::Consuming, rt, rt, State::Consuming, letters, State::Consuming, State::Consuming] {
        service.status().beat(state, true);
        tokio::time::advance(Duration::from_secs(5)).await;
    }
    counted(PausedBy::Rt, 10.0);
    counted(PausedBy::DeadLetters, 5.0);
}

#[tokio::test]
async fn the_metrics_are_those_that_readme_names() {
    let (service, _, _, address) = served().await;
    // Requests to RT are measured under what they were; there has to be one.
    service.relay().check_credentials().await.unwrap();
    let scraped = Scraped::from(address).await;
    let readme = include_str!("../../README.md");
    let row = |line: &str| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let kind = rest.split(' ').next()?;
        name.starts_with("rtir_relay_").then(|| (name.to_owned(), kind.to_owned()))
    };
    let mut named: Vec<_> = readme.lines().filter_map(row).collect();
    let mut exported: Vec<_> = scraped.names().into_iter().zip(scraped.types.values().cloned()).collect();
    named.sort();
    exported.sort();
    assert_eq!(named, exported);
    assert_eq!(scraped.count(&format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))), 1);
}

#[tokio::test]
async fn a_relay_says_when_it_started() {
    let now = || u64::try_from(jiff::Timestamp::now().as_second()).unwrap();
    let before = now();
    let (_service, _, _, address) = served().await;
    let started = Scraped::from(address).await.count("start_time_seconds");
    assert!((before..=now()).contains(&started), "{started}");
}

#[tokio::test]
async fn every_label_is_a_word_that_readme_names() {
    let (service, _, _, address) = served().await;
    service.relay().check_credentials().await.unwrap();
    let readme = include_str!("../../README.md");
    for sample in Scraped::from(address).await.samples.keys() {
        let labels = sample.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once('=').unwrap();
            if !matches!(name, "le" | "version") {
                let value = value.trim_matches('"');
                assert!(readme.contains(&format!("`{name}`")) && readme.contains(&format!("`{value}`")), "{sample}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_else_is_served_and_nothing_can_be_changed() {
    let (_service, _, _, address) = served().await;
    for path in ["/", "/livez/", "/metrics/x", "/..%2f", "/readyz.json"] {
        assert_eq!(get(address, path).await.http_status, 404, "{path}");
    }
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = http.post(format!("http://{address}{path}")).body("x").send().await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_tells_how_the_relay_is() {
    let (service, _, _, address) = served().await;
    service.status().beat(State::Consuming, true);
    let ask = |address: String, arguments: &[&str]| run(&environment(&address), arguments, b"");
    let (code, stdout, stderr) = ask(address.to_string(), &["healthcheck"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "alive\n", ""));
    // A relay in a container listens on all addresses.
    let (code, stdout, stderr) = ask(format!("0.0.0.0:{}", address.port()), &["healthcheck", "--ready"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("{\"state\":\"consuming\","), "{stdout}");

    service.status().beat(State::Connecting, false);
    let (code, stdout, stderr) = ask(address.to_string(), &["healthcheck", "--ready"]);
    assert_eq!((code, stderr.as_str()), (Some(1), ""));
    assert!(stdout.starts_with("{\"state\":\"connecting\","), "{stdout}");
    assert_eq!(ask(address.to_string(), &["healthcheck"]).0, Some(0), "it does not hang for all that");
}

#[test]
fn healthcheck_needs_no_other_setting_and_heeds_none() {
    let mut wrong = environment("127.0.0.1:1");
    wrong.extend([("RTIR_TIMEOUT", "x"), ("AMQP_TYPO", "x")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    let (code, stdout, stderr) = run(&wrong, &["healthcheck"], b"");
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.starts_with("http://127.0.0.1:1/livez does not answer: "), "{stderr}");

    let (code, _, stderr) = run(&environment("off"), &["healthcheck"], b"");
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("HTTP_LISTEN is off"), "{stderr}");

    let (code, _, stderr) = run(&environment("9464"), &["healthcheck"], b"");
    assert_eq!(code, Some(78));
    assert!(stderr.contains("HTTP_LISTEN: got \"9464\""), "{stderr}");
}

#[test]
fn healthcheck_does_not_take_another_server_for_a_relay() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let other = std::thread::spawn(move || {
        use std::io::Write;
        for greeting in ["220 mail.example ESMTP\r\n", ""] {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(greeting.as_bytes()).unwrap();
        }
    });
    for _ in 0..2 {
        let (code, stdout, _) = run(&environment(&address), &["healthcheck"], b"");
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
    }
    other.join().unwrap();
}

#[test]
fn an_address_that_is_taken_is_a_fault_of_the_configuration() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut environment = environment(&address);
    environment.extend(SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let (code, _, stderr) = run(&environment, &["run"], b"");
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains(&format!("HTTP_LISTEN: {address} cannot be listened on")), "{stderr}");
}
