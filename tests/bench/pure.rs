//! The parts that ask nobody, one by one: `cargo bench`. Criterion says how each has changed since the last time.

use std::hint::black_box;
use std::path::Path;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use reqwest::header::HeaderMap;
use rtir_relay::alert::Alert;
use rtir_relay::mapping::Rules;
use rtir_relay::rtir::{Answer, create_ticket};
use rtir_relay::ticket::{AlertKey, RtAddresses, RtQueueName};

/// The shortest and the longest of the fixtures.
const ALERTS: [&str; 2] = ["domain-expires-soon", "defacement"];

fn pure(criterion: &mut Criterion) {
    let rt_queue = RtQueueName::parse("Incident Reports").expect("a name");
    let rules = Rules { rt_queue, fallback_requestor: None, namespace: None, rt_addresses: RtAddresses::default() };
    for name in ALERTS {
        let body = Bytes::from(fixture(&format!("alerts/{name}.json")));
        let alert = Alert::parse(&body, None).expect("an alert");
        let ticket = rules.ticket(&alert, &body).expect("a ticket");
        criterion.bench_function(&format!("read {name}"), |bench| bench.iter(|| Alert::parse(black_box(&body), None)));
        let map = || rules.ticket(black_box(&alert), &body);
        criterion.bench_function(&format!("map and render {name}"), |bench| bench.iter(map));
        let write = || serde_json::to_vec(&create_ticket(black_box(&ticket)));
        criterion.bench_function(&format!("write the request {name}"), |bench| bench.iter(write));
    }
    let found = fixture("rt/found.http");
    let body = found.windows(2).position(|end| end == b"\n\n").expect("a head and a body");
    let keys = [AlertKey::new(None, "x")];
    let read =
        || Answer::new(200, &HeaderMap::new(), black_box(&found[body..]).to_vec()).hits(&keys).map(|hits| hits.1);
    assert_eq!(read().expect("an answer"), 1);
    criterion.bench_function("read RT's answer to a search", |bench| bench.iter(read));
}

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

criterion_group!(benches, pure);
criterion_main!(benches);
