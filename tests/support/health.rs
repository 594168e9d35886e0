//! Asking a relay how it is, as a monitoring system would.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use super::relay_process::RelayProcess;

/// Where `relay`, started with `HTTP_LISTEN=127.0.0.1:0`, says how it is.
pub async fn address(relay: &RelayProcess) -> SocketAddr {
    const WORDS: &str = "health and metrics: http://";
    relay.logs(WORDS).await;
    let log = relay.log();
    let rest = &log[log.find(WORDS).unwrap() + WORDS.len()..];
    rest[..rest.find(|c: char| c != ':' && c != '.' && !c.is_ascii_digit()).unwrap()].parse().expect("an address")
}

/// An answer of the health server.
#[derive(Debug)]
pub struct Answer {
    pub http_status: u16,
    pub content_type: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        assert_eq!(self.content_type, "application/json");
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// Asks for `path`.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(format!("http://{address}{path}")).send().await.expect("it answers");
    let content_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    Answer {
        http_status: answer.status().as_u16(),
        content_type: content_type.unwrap_or_default(),
        body: answer.text().await.unwrap(),
    }
}

/// Metrics as a scraper reads them.
#[derive(Debug)]
pub struct Scraped {
    /// Each metric's type by its name.
    pub types: BTreeMap<String, String>,
    /// Each sample's value by its name and labels, as written.
    pub samples: BTreeMap<String, f64>,
}

impl Scraped {
    /// Asks for the metrics and reads them.
    pub async fn from(address: SocketAddr) -> Self {
        let answer = get(address, "/metrics").await;
        assert_eq!(answer.http_status, 200, "{answer:?}");
        assert_eq!(answer.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Self::parse(&answer.body)
    }

    /// Reads the text, and panics where it is not what OpenMetrics asks for.
    pub fn parse(text: &str) -> Self {
        let (mut types, mut samples) = (BTreeMap::new(), BTreeMap::new());
        let text = text.strip_suffix("# EOF\n").expect("the end is marked");
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let [keyword, name, rest] = comment.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
                match keyword {
                    "TYPE" => assert_eq!(types.insert(name.to_owned(), rest.to_owned()), None, "{line}"),
                    "HELP" => assert_ne!(rest, "", "{line}"),
                    _ => panic!("{line}"),
                }
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').expect(line);
            let name = sample.split('{').next().unwrap();
            let of = |suffix| name.strip_suffix(suffix).and_then(|name| types.get(name)).map(String::as_str);
            let fits = match types.get(name).map(String::as_str) {
                Some(kind) => kind == "gauge",
                None => {
                    of("_total") == Some("counter")
                        || of("_info") == Some("info")
                        || ["_bucket", "_sum", "_count"].iter().any(|suffix| of(suffix) == Some("histogram"))
                }
            };
            assert!(fits, "{line} has no type that fits: {types:?}");
            let value = value.parse().expect(line);
            assert_eq!(samples.insert(sample.to_owned(), value), None, "{line} is there twice");
        }
        Self { types, samples }
    }

    /// The names under which operators find them.
    pub fn names(&self) -> Vec<String> {
        let name = |(name, kind): (&String, &String)| match kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.clone(),
        };
        self.types.iter().map(name).collect()
    }

    /// The value of one sample: `alerts_received_total{type="ssl"}`.
    pub fn value(&self, sample: &str) -> f64 {
        *self.samples.get(&format!("rtir_relay_{sample}")).unwrap_or_else(|| panic!("no {sample} in {self:#?}"))
    }

    /// The whole number that a sample counts.
    pub fn count(&self, sample: &str) -> u64 {
        let value = self.value(sample);
        format!("{value}").parse().unwrap_or_else(|_| panic!("{sample} is {value}"))
    }
}
