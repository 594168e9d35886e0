//! What `deploy/prometheus` and `deploy/grafana` ask for, against what the relay exports.

use std::collections::BTreeSet;

use serde_json::Value;

use super::deployed::deployed;
use super::health::served;
use crate::support::health::Scraped;

/// What is not the relay's: of Prometheus, of RabbitMQ's plugin, of the blackbox exporter.
const OF_OTHERS: [&str; 3] = ["up", "rabbitmq_detailed_queue_messages", "probe_ssl_earliest_cert_expiry"];
/// The words of `PromQL` that are in use here. What is none is a metric.
const WORDS: [&str; 12] = [
    "absent",
    "changes",
    "histogram_quantile",
    "increase",
    "max",
    "max_over_time",
    "min",
    "or",
    "rate",
    "sum",
    "time",
    "unless",
];
/// The labels that come of scraping, and RabbitMQ's.
const OTHER_LABELS: [&str; 4] = ["job", "instance", "vhost", "queue"];

fn rules() -> String {
    deployed("prometheus/rtir-relay.rules.yaml")
}

fn dashboard() -> Value {
    serde_json::from_str(&deployed("grafana/rtir-relay.json")).expect("JSON")
}

/// Each alert's name and what belongs to it.
fn alerts(rules: &str) -> Vec<(&str, &str)> {
    rules.split("- alert: ").skip(1).map(|alert| alert.split_once('\n').unwrap()).collect()
}

/// The expression of an alert, which may be folded.
fn expression(alert: &str) -> String {
    let mut lines = alert.lines().skip_while(|line| !line.starts_with("        expr: "));
    let first = lines.next().unwrap().trim_start_matches("        expr: ").trim_start_matches(">-");
    let folded = lines.take_while(|line| line.starts_with("          "));
    [first].into_iter().chain(folded).collect::<Vec<_>>().join("\n")
}

fn expressions_of_rules() -> Vec<String> {
    alerts(&rules()).into_iter().map(|(_, alert)| expression(alert)).collect()
}

fn series_of_tests() -> Vec<String> {
    let tests = deployed("prometheus/rtir-relay.test.yaml");
    tests.lines().filter_map(|line| Some(line.trim().strip_prefix("- series: ")?.to_owned())).collect()
}

fn expressions_of_dashboard() -> Vec<String> {
    let dashboard = dashboard();
    let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut expressions: Vec<_> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    let relays = dashboard["templating"]["list"][1]["query"]["query"].as_str().unwrap();
    expressions.push(relays.strip_prefix("label_values(").unwrap().strip_suffix(", instance)").unwrap().to_owned());
    expressions
}

/// A metric, the labels and values that it has to have, and the labels that it is grouped or joined by.
type Asked<'a> = (Vec<(&'a str, &'a str)>, BTreeSet<&'a str>);

/// The metrics in an expression, each with what stands in its braces; and all labels in `by` and `on`.
fn asked(expression: &str) -> Asked<'_> {
    let (mut metrics, mut labels) = (Vec::new(), BTreeSet::new());
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '[') {
        rest = &rest[start..];
        if rest.starts_with('[') {
            rest = rest.split_once(']').unwrap().1;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        if word == "by" || word == "on" {
            let (list, after) = rest.trim_start().strip_prefix('(').unwrap().split_once(')').unwrap();
            labels.extend(list.split(',').map(str::trim).filter(|label| !label.is_empty()));
            rest = after;
        } else if !WORDS.contains(&word) && !word.starts_with(|c: char| c.is_ascii_digit()) {
            let braces = rest.strip_prefix('{').map(|rest| rest.split_once('}').unwrap());
            metrics.push((word, braces.map_or("", |(inside, _)| inside)));
            rest = braces.map_or(rest, |(_, after)| after);
        }
    }
    (metrics, labels)
}

/// Asserts that the relay exports a metric with these labels and values.
fn assert_exported(metric: &str, braces: &str, exported: &Scraped) {
    let of_it: Vec<_> = exported.samples.keys().filter(|sample| sample.split('{').next() == Some(metric)).collect();
    assert!(!of_it.is_empty(), "{metric} is not exported");
    for matcher in braces.split(',').map(str::trim).filter(|matcher| !matcher.is_empty()) {
        let (label, value) = matcher.split_once(['=', '!']).unwrap();
        if !OTHER_LABELS.contains(&label) {
            let pair = format!("{label}={}", value.trim_start_matches('='));
            assert!(of_it.iter().any(|sample| sample.contains(&pair)), "{metric} is not exported with {pair}");
        }
    }
}

#[tokio::test]
async fn alerts_and_dashboard_ask_for_what_the_relay_exports() {
    let (service, _, _, address) = served().await;
    // Requests to RT are measured under what they were; there has to be one.
    service.relay().check_credentials().await.unwrap();
    let exported = Scraped::from(address).await;
    for expressions in [expressions_of_rules(), series_of_tests(), expressions_of_dashboard()] {
        assert!(expressions.len() > 10, "{expressions:?}");
        for expression in &expressions {
            let (metrics, labels) = asked(expression);
            assert!(!metrics.is_empty(), "{expression}");
            for (metric, braces) in metrics.into_iter().filter(|(metric, _)| !OF_OTHERS.contains(metric)) {
                assert_exported(metric, braces, &exported);
            }
            for label in labels.into_iter().filter(|label| !OTHER_LABELS.contains(label)) {
                let of_it = |sample: &&String| sample.contains(&format!("{label}=\""));
                assert!(exported.samples.keys().any(|sample| of_it(&sample)), "no metric has {label}: {expression}");
            }
        }
    }
}

#[test]
fn each_alert_has_its_paragraph_in_the_runbook_and_the_runbook_no_other() {
    let (rules, page) = (rules(), deployed("prometheus/README.md"));
    let paragraphs: Vec<_> = page.split("\n### ").skip(1).map(|part| part.split_once('\n').unwrap()).collect();
    let alerts = alerts(&rules);
    let names = |of: &[(&str, &str)]| of.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&paragraphs), names(&alerts));
    for (name, paragraph) in paragraphs {
        let (means, commands) = paragraph.split_once("\n\n    ").expect(name);
        let cure = commands.split_once("\n\n").map_or("", |(_, cure)| cure.trim());
        assert!(!means.trim().is_empty() && !cure.is_empty(), "{name}: {paragraph}");
    }
    for (name, alert) in alerts {
        let runbook = format!("runbook: deploy/prometheus/README.md#{}\n", name.to_ascii_lowercase());
        assert!(alert.contains(&runbook), "{name} without {runbook}");
        for key in ["summary: ", "description: "] {
            assert!(alert.contains(key), "{name} without {key}");
        }
        assert!(["critical", "warning"].iter().any(|word| alert.contains(&format!("severity: {word}\n"))), "{name}");
    }
}

#[test]
fn each_alert_is_tested_to_fire_and_to_be_silent() {
    let tests = deployed("prometheus/rtir-relay.test.yaml");
    for (name, _) in alerts(&rules()) {
        let fires = format!("        alertname: {name}\n        exp_alerts:\n");
        assert!(tests.contains(&fires), "{name} is not tested to fire");
        assert!(tests.contains(&format!("alertname: {name}}}\n")), "{name} is not tested to be silent");
    }
}

#[test]
fn the_dashboard_has_a_name_of_its_own_and_the_data_source_that_is_chosen() {
    let dashboard = dashboard();
    assert_eq!((&dashboard["uid"], &dashboard["title"]), (&"rtir-relay".into(), &"rtir-relay".into()));
    let variable = &dashboard["templating"]["list"][0];
    assert_eq!((&variable["name"], &variable["type"]), (&"datasource".into(), &"datasource".into()));
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!((ids.len(), panels.len()), (12, 12));
    for panel in panels {
        let targets = panel["targets"].as_array().unwrap().iter();
        for asked in targets.chain([panel]) {
            assert_eq!(asked["datasource"]["uid"], "${datasource}", "{panel:#}");
        }
        for word in ["title", "description"] {
            assert!(panel[word].as_str().is_some_and(|text| !text.is_empty()), "{panel:#}");
        }
    }
}
