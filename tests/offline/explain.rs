//! What `render --explain` says decided a ticket.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::command::{Ended, FAILED, USAGE, WELL, command, run, run_with_input};
use crate::support::alerts;

fn explain(alert: &[u8], environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let arguments = [&["render", "--explain"], arguments].concat();
    run_with_input(command(&arguments).envs(environment.iter().copied()), alert)
}

/// The explanation of `alert` as a script reads it.
fn explained(alert: &Value, environment: &[(&str, &str)]) -> Value {
    let ended = explain(&alerts::body(alert), environment, &["--json"]);
    assert_eq!(ended.stderr, "");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

#[test]
fn the_explanation_and_the_ticket_say_the_same() {
    for (fixture, category, priority) in alerts::CATEGORIES {
        let body = alerts::fixture(fixture);
        let ended = explain(&body, &[], &["--json"]);
        assert_eq!((ended.exit, ended.stderr.as_str()), (Some(WELL), ""), "{fixture}");
        let explained: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let ticket: Value =
            serde_json::from_str(&run_with_input(&mut command(&["render"]), &body).stdout).expect("JSON");

        assert_eq!(explained["fate"], "ticket", "{fixture}");
        assert_eq!(explained["category"]["value"], category.as_str(), "{fixture}");
        assert_eq!((&explained["priority"]["value"], &ticket["Priority"]), (&json!(priority), &json!(priority)));
        assert_eq!(explained["key"]["value"], ticket["CustomFields"]["Alert ID"], "{fixture}");
        let content = ticket["Content"].as_str().unwrap();
        let severity = explained["severity"]["value"].as_str().unwrap();
        assert!(content.lines().any(|line| line.starts_with("Severity: ") && line.ends_with(severity)), "{content}");

        let mut seen = HashSet::new();
        let notified = explained["notified"].as_array().unwrap().iter().map(|person| &person["address"]);
        let once: Vec<_> =
            notified.filter(|address| seen.insert(address.as_str().unwrap().to_lowercase())).cloned().collect();
        assert_eq!(json!(once), ticket["Requestor"], "{fixture}");
        let not_notified = explained["not_notified"].as_array().unwrap();
        assert!(!not_notified.is_empty(), "{fixture}");
        for left in not_notified {
            let shown = format!("({})", left["because"].as_str().unwrap());
            assert!(content.contains(&shown), "{shown} in {content}");
        }
    }
}

#[test]
fn people_are_told_in_lines() {
    let ended = explain(&alerts::fixture("ssl-expires-soon"), &[], &[]);
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(WELL), ""));
    let expected = "\
Fate         ticket (status new)
Key          ssl-2026-11-23-000188 (the id, as given)
Category     SSL expires soon (type ssl with problem expires_soon)
Severity     medium (not given; the default of SSL expires soon with days_left of more than 7)
Priority     40 (40 for severity medium and 0 for type ssl)
Notified     efua.owusu@harbour.example (active, with an address that RT takes: Efua Owusu, Head of IT <efua.owusu@harbour.example>)
Notified     Efua.Owusu@harbour.example (active, with an address that is notified once: Efua Owusu, Deputy director <Efua.Owusu@HARBOUR.example>)
Notified     soc@harbour.example (active, with an address that RT takes: soc@harbour.example)
Notified     wache@xn--hfen-loa.example (active, with an address that RT takes: Night watch <wache@häfen.example>)
Not notified focal point 4 (not active: Former contact <left@harbour.example>)
Not notified focal point 5 (the part before the @ has a character that is not taken: Gbenga Ìdòwú <gbenga idowu@harbour.example>)
";
    assert_eq!(ended.stdout, expected);
}

#[test]
fn each_decision_names_the_rule_that_made_it() {
    let ssl = alerts::ssl("ssl-1");
    let soon =
        |days: Value| alerts::with(ssl.clone(), json!({ "details": { "problem": "expires_soon", "days_left": days } }));
    let id = |id: &str| alerts::with(ssl.clone(), json!({ "id": id }));
    let test = [("ALERT_NAMESPACE", "test")];
    let cases: [(Value, &[_], _, _, _); 14] = [
        (ssl.clone(), &[], "key", json!("ssl-1"), "the id, as given"),
        (ssl.clone(), &test, "key", json!("test:ssl-1"), "ALERT_NAMESPACE and the id, as given"),
        (id("a b"), &[], "key", Value::Null, "the SHA-256 of the id, "),
        (id("a b"), &test, "key", Value::Null, "the SHA-256 of ALERT_NAMESPACE and the id, "),
        (ssl.clone(), &[], "category", json!("SSL problem"), "type ssl with any other problem, or none"),
        (soon(json!(5)), &[], "category", json!("SSL expires soon"), "type ssl with problem expires_soon"),
        (alerts::of("x", "virustotal"), &[], "category", json!("VirusTotal flag"), "type virustotal"),
        (alerts::with(ssl.clone(), json!({ "severity": "low" })), &[], "severity", json!("low"), "given by the alert"),
        (
            soon(json!(7)),
            &[],
            "severity",
            json!("high"),
            "not given; the default of SSL expires soon with days_left of 7 or fewer",
        ),
        (
            soon(json!(8)),
            &[],
            "severity",
            json!("medium"),
            "not given; the default of SSL expires soon with days_left of more than 7",
        ),
        (
            soon(json!("7")),
            &[],
            "severity",
            json!("medium"),
            "not given; the default of SSL expires soon without days_left",
        ),
        (alerts::of("x", "defacement"), &[], "severity", json!("critical"), "not given; the default of Defacement"),
        (alerts::of("x", "defacement"), &[], "priority", json!(100), "severity critical, whatever the type"),
        (alerts::of("x", "domain"), &[], "priority", json!(65), "60 for severity high and 5 for type domain"),
    ];
    for (alert, environment, what, value, because) in cases {
        let explained = explained(&alert, environment);
        let said = &explained[what];
        assert!(said["because"].as_str().unwrap().starts_with(because), "{said} in {explained}");
        assert!(value.is_null() || said["value"] == value, "{said}");
    }
}

#[test]
fn the_fallback_is_named_where_it_is_notified() {
    let nobody = alerts::fixture("nobody-to-notify");
    let fallback = [("RTIR_FALLBACK_REQUESTOR", "csirt@team.example")];
    let explained: Value = serde_json::from_str(&explain(&nobody, &fallback, &["--json"]).stdout).expect("JSON");
    assert_eq!(explained["notified"][0]["address"], "csirt@team.example");
    assert_eq!(explained["notified"][0]["because"], "RTIR_FALLBACK_REQUESTOR");
    assert_eq!(explained["not_notified"].as_array().map(Vec::len), Some(2));
}

#[test]
fn an_alert_that_would_be_dead_lettered_is_explained_too() {
    let nobody = explain(&alerts::fixture("nobody-to-notify"), &[], &[]);
    assert_eq!((nobody.exit, nobody.stderr.as_str()), (Some(FAILED), ""));
    for words in [
        "Fate         dead_letter: missing_focal_points (missing focal points: Nobody can be notified: ",
        "RTIR_FALLBACK_REQUESTOR",
        "\nPriority     60 ",
        "\nNot notified focal point 1 (not active: Tidiane Fall <tidiane@archive.example>)\n",
        "\nNot notified focal point 2 (the part before the @ ",
    ] {
        assert!(nobody.stdout.contains(words), "{words} in {}", nobody.stdout);
    }
    assert!(!nobody.stdout.contains("\nNotified"), "{}", nobody.stdout);

    let malformed = explain(&alerts::fixture("malformed"), &[], &["--json"]);
    assert_eq!((malformed.exit, malformed.stderr.as_str()), (Some(FAILED), ""));
    let malformed: Value = serde_json::from_str(&malformed.stdout).expect("JSON");
    assert_eq!((&malformed["fate"], &malformed["reason"]), (&json!("dead_letter"), &json!("malformed_alert")));
    assert!(malformed["because"].as_str().unwrap().contains("entity.name: expected a string"), "{malformed}");
    assert_eq!(malformed.get("category"), None, "nothing was decided");
}

#[test]
fn an_alert_that_is_ignored_is_explained_too() {
    let ended = explain(&alerts::fixture("resolved"), &[], &[]);
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(WELL), ""));
    assert!(ended.stdout.starts_with("Fate         ignored: not_open (status resolved)\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\nCategory     Availability problem "), "{}", ended.stdout);
}

#[test]
fn an_explanation_controls_no_terminal_and_fakes_no_line() {
    let hostile = "x\u{1b}[2J\nFate         ticket\r\u{202e}\u{9b}";
    let people = json!([{ "name": hostile, "email": "ada@water.example" }, { "name": hostile, "email": hostile }]);
    let alert = alerts::with(alerts::ssl("x"), json!({ "entity": { "focal_points": people } }));
    let text = explain(&alerts::body(&alert), &[], &[]).stdout;
    assert!(!text.contains(|c: char| c != '\n' && c.is_control()) && !text.contains('\u{202e}'), "{text:?}");
    assert_eq!((text.lines().count(), text.matches("\\u{1b}").count()), (7, 3), "{text}");
}

#[test]
fn json_is_for_the_explanation() {
    run(&mut command(&["render", "--json"])).failed_with(USAGE);
}
