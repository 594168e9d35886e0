//! What trax gets of which ticket: the attributes, the queries, `render --trax`, and that a wrong file is known at start.

use std::path::PathBuf;

use rtir_relay::config::{Config, Environment};
use rtir_relay::rtir::Shown;
use rtir_relay::ticket::TicketId;
use rtir_relay::trax::{Attributes, DEFAULT_ATTRIBUTES, Selection, View};
use serde_json::{Value, json};

use super::command::{CONFIGURATION, FAILED, USAGE, WELL, command, run, run_with_input};
use crate::support::alerts;
use crate::support::fake_rt::FakeRt;
use crate::support::postbox::Postbox;

/// Files of attributes that cannot be used, with what is said of each.
const UNUSABLE: [(&str, &str, &[&str]); 11] = [
    ("no-toml", "name = {{ subject }}", &["TOML parse error at line 1"]),
    ("empty", "", &["it names no attribute"]),
    ("comments", "# name = \"{{ subject }}\"\n", &["it names no attribute"]),
    ("number", "source = 6", &["source: takes a template in quotes"]),
    ("list", "contact = [\"a\"]", &["contact: takes a template in quotes"]),
    ("table", "[name]\nx = \"y\"", &["name: takes a template in quotes"]),
    ("syntax", "name = \"{{ subject \"", &["name: syntax error"]),
    ("unknown", "name = \"x\"\ndescription = \"{{ subjekt }}\"", &["description: undefined value"]),
    ("filter", "name = \"{{ subject | shout }}\"", &["name: unknown filter", "shout"]),
    (
        "endless",
        "name = \"{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}\"",
        &["name: engine ran out of fuel"],
    ),
    ("nobody", "contact = \"{{ requestors[0] }}\"", &["contact: undefined value", " of a ticket without requestors"]),
];

/// A ticket that a person made in RT.
fn ticket() -> Shown {
    Shown {
        id: TicketId(4711),
        subject: "Defacement: <www> & \"more\"".to_owned(),
        status: "open".to_owned(),
        priority: 80,
        created: "2026-11-23T08:00:00Z".to_owned(),
        requestors: vec!["ada@water.example".to_owned(), "bo@water.example".to_owned()],
        custom_fields: vec![
            ("Alert ID".to_owned(), Vec::new()),
            ("Sector".to_owned(), vec!["water".to_owned()]),
            ("IP".to_owned(), vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]),
        ],
        is_reported: false,
    }
}

fn view_of(ticket: &Shown) -> View {
    let page = "https://rt.example/Ticket/Display.html?id=4711".parse().unwrap();
    View::of(ticket, "<p>It says {{ subject }}</p>".to_owned(), &page)
}

/// What `attributes` make of a ticket.
fn record(attributes: &str, ticket: &Shown) -> Value {
    let attributes = Attributes::parse(attributes).expect(attributes);
    serde_json::to_value(attributes.record(&view_of(ticket)).expect("it is made")).unwrap()
}

/// One attribute of it.
fn attribute(template: &str) -> String {
    let record = record(&format!("a = {template:?}"), &ticket());
    record["data"][0]["attributes"]["a"].as_str().expect("a text").to_owned()
}

fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("attributes-{name}.toml"));
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn the_built_in_attributes_are_those_of_traxs_example() {
    let expected = json!({ "data": [{ "id": 4711, "attributes": {
        "name": "Defacement: <www> & \"more\"",
        "description": "<p>It says {{ subject }}</p>",
        "source": "6",
        "classification": "3",
        "contact": "ada@water.example",
        "issue_url": "https://rt.example/Ticket/Display.html?id=4711",
    } }] });
    assert_eq!(record(DEFAULT_ATTRIBUTES, &ticket()), expected);
    let names: Vec<_> = DEFAULT_ATTRIBUTES.lines().filter_map(|line| line.split_once(" = \"")).collect();
    let names = names.into_iter().map(|(name, _)| name);
    assert!(names.eq(["name", "description", "source", "classification", "contact", "issue_url"]));
    let nobody = record(DEFAULT_ATTRIBUTES, &Shown { requestors: Vec::new(), ..ticket() });
    assert_eq!(nobody["data"][0]["attributes"]["contact"], "");
}

#[test]
fn attributes_of_ones_own_stand_in_their_place() {
    let own = record("severity = \"{{ priority }}\"\n\"page.html\" = \"{{ subject }}\"", &ticket());
    let expected = json!({ "severity": "80", "page.html": "Defacement: <www> & \"more\"" });
    assert_eq!(own["data"][0]["attributes"], expected, "nothing is escaped, whatever an attribute is called");
}

#[test]
fn templates_see_all_of_a_ticket() {
    let template = "{{ id }} {{ priority }} {{ status }} {{ created }} {{ requestors | join(' ') }} {{ url }}";
    let expected = "4711 80 open 2026-11-23T08:00:00Z ada@water.example bo@water.example \
                    https://rt.example/Ticket/Display.html?id=4711";
    assert_eq!(attribute(template), expected);
    assert_eq!(attribute("{% if priority >= 80 %}high{% endif %}"), "high", "a number is one");
}

#[test]
fn a_custom_field_is_a_text_that_has_all_its_values() {
    assert_eq!(attribute("{{ custom_fields['Sector'] }}"), "water");
    assert_eq!(attribute("{{ custom_fields['IP'] }}"), "192.0.2.1, 192.0.2.2");
    assert_eq!(attribute("{{ custom_fields['Alert ID'] }}"), "", "it has the field, and nothing in it");
    let all = "{% for name, value in custom_fields | items %}{{ name }}={{ value }};{% endfor %}";
    assert_eq!(attribute(all), "Alert ID=;IP=192.0.2.1, 192.0.2.2;Sector=water;");
}

#[test]
fn a_custom_field_that_a_ticket_lacks_is_named_unless_the_template_expects_that() {
    let attributes = Attributes::parse("sector = \"{{ custom_fields['Sektor'] }}\"").expect("only RT knows the fields");
    let fault = attributes.record(&view_of(&ticket())).unwrap_err().to_string();
    assert!(fault.starts_with("sector: undefined value"), "{fault}");
    assert_eq!(attribute("{{ custom_fields['Sektor'] | default('none') }}"), "none");
}

#[test]
fn what_is_wrong_with_attributes_is_told_with_file_attribute_and_cause() {
    for (name, content, words) in UNUSABLE {
        let path = file(name, content);
        let fault = Attributes::load(Some(&path)).map(|_| ()).expect_err(name).to_string();
        assert!(fault.starts_with(&format!("{}: ", path.display())), "{fault}");
        assert!(words.iter().all(|word| fault.contains(word)), "{words:?} in {fault}");
        assert!(!fault.contains('\n'), "{fault:?}");
    }
    let fault = Attributes::load(Some("/nowhere/attributes.toml".as_ref())).map(|_| ()).unwrap_err().to_string();
    assert!(fault.starts_with("/nowhere/attributes.toml cannot be read: "), "{fault}");
}

#[test]
fn attributes_that_cannot_be_used_end_every_command_at_start() {
    let (rt, postbox) = (FakeRt::start(), Postbox::start());
    for (name, content, words) in UNUSABLE {
        let path = file(&format!("start-{name}"), content);
        let path = path.to_str().unwrap();
        for arguments in [&["check", "--offline"][..], &["check"], &["trax", "pending"], &["run"]] {
            let mut command = command(arguments);
            command.envs(rt.environment(&[])).envs(postbox.environment()).env("TRAX_ATTRIBUTES_FILE", path);
            let ended = run(&mut command);
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert_eq!(ended.exit, Some(CONFIGURATION), "{name} {arguments:?}: {said}");
            assert!(said.contains("TRAX_ATTRIBUTES_FILE cannot be used"), "{said}");
            assert!(said.contains("render --trax"), "the cure: {said}");
            assert!(said.contains(path) && words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
        }
    }
    assert_eq!((rt.connections(), postbox.requests()), (0, 0));
}

// --- which tickets

/// The query of all tickets, and that of ticket 7.
fn queries(settings: &[(&str, &str)]) -> (String, String) {
    let postbox = [("TRAX_URL", "https://trax.example/7"), ("TRAX_TOKEN", "t")];
    let required = [("AMQP_URL", "amqp://h"), ("RTIR_URL", "https://rt.example"), ("RTIR_TOKEN", "t")];
    let environment: Environment = required.into_iter().chain(postbox).chain(settings.iter().copied()).collect();
    let config = Config::load(&environment).unwrap();
    let selection = Selection::new(&config.trax.unwrap(), &config.rtir.rt_queue);
    (selection.all(), selection.one(TicketId(7)))
}

const NOT_REPORTED: &str = "('CF.{Reported}' IS NULL OR 'CF.{Reported}' < '1971-01-01') AND Status != 'rejected'";

#[test]
fn by_default_those_of_the_rt_queue_from_priority_60_on_go() {
    let (all, one) = queries(&[]);
    assert_eq!(all, format!("(Queue = 'Incident Reports' AND Priority >= 60) AND {NOT_REPORTED}"));
    assert_eq!(one, format!("id = 7 AND {all}"));
    let (all, _) = queries(&[("RTIR_QUEUE", r"O'Brien\s")]);
    assert!(all.starts_with(r"(Queue = 'O\'Brien\\s' AND Priority >= 60) AND "), "{all}");
}

#[test]
fn a_condition_stands_in_parentheses_whatever_is_in_it() {
    let condition = "Priority >= 90 OR Queue = 'Investigations'";
    let (all, one) = queries(&[("TRAX_CONDITION", condition)]);
    assert_eq!(all, format!("({condition}) AND {NOT_REPORTED}"));
    assert_eq!(one, format!("id = 7 AND ({condition}) AND {NOT_REPORTED}"));
}

#[test]
fn a_release_is_one_condition_more() {
    let (all, _) = queries(&[("TRAX_CONDITION", "id > 0"), ("TRAX_RELEASE_FIELD", "Hand over")]);
    assert_eq!(all, format!("(id > 0) AND 'CF.{{Hand over}}' IS NOT NULL AND {NOT_REPORTED}"));
}

// --- render --trax

fn render(settings: &[(&str, &str)], arguments: &[&str]) -> std::process::Command {
    let mut command = command(&[&["render", "--trax"], arguments].concat());
    command.env("RTIR_URL", "https://rt.example/rt").envs(settings.iter().copied());
    command
}

#[test]
fn render_shows_what_trax_would_get_of_an_alert() {
    let ended = run_with_input(&mut render(&[], &[]), &alerts::body(&alerts::ssl("alert-1")));
    assert_eq!((ended.exit, ended.stderr.as_str()), (Some(WELL), ""));
    let record: Value = serde_json::from_str(&ended.stdout).unwrap();
    let attributes = &record["data"][0]["attributes"];
    assert_eq!(record["data"][0]["id"], 0, "RT gives the number");
    assert_eq!(attributes["name"], "SSL problem: https://www.water.example");
    assert_eq!(attributes["contact"], "ada@water.example");
    assert_eq!(attributes["issue_url"], "https://rt.example/rt/Ticket/Display.html?id=0");
    let ticket = run_with_input(&mut command(&["render"]), &alerts::body(&alerts::ssl("alert-1")));
    let ticket: Value = serde_json::from_str(&ticket.stdout).unwrap();
    assert_eq!(attributes["description"], ticket["Content"]);
}

#[test]
fn render_uses_the_file_of_attributes() {
    let path = file("render", "key = \"{{ custom_fields['Alert ID'] }} {{ status }} {{ priority }}\"");
    let settings = [("TRAX_ATTRIBUTES_FILE", path.to_str().unwrap())];
    let ended = run_with_input(&mut render(&settings, &[]), &alerts::body(&alerts::ssl("alert-1")));
    let record: Value = serde_json::from_str(&ended.stdout).expect(&ended.stderr);
    assert_eq!(record["data"][0]["attributes"], json!({ "key": "alert-1 new 60" }));
}

#[test]
fn render_tells_why_trax_would_get_nothing() {
    let alert = alerts::body(&alerts::ssl("alert-1"));
    for (name, content, words) in UNUSABLE {
        let path = file(&format!("render-{name}"), content);
        let settings = [("TRAX_ATTRIBUTES_FILE", path.to_str().unwrap())];
        let ended = run_with_input(&mut render(&settings, &[]), &alert);
        let said = ended.failed_with(CONFIGURATION);
        assert!(words.iter().all(|word| said.contains(word)), "{words:?} in {said}");
    }
    let cases = [
        (&[("RTIR_URL", "")][..], CONFIGURATION, "RTIR_URL: is required"),
        (&[("TRAX_ATTRIBUTES_FILE", "/nowhere/a.toml")], CONFIGURATION, "TRAX_ATTRIBUTES_FILE: /nowhere/a.toml cannot"),
        (&[("TRAX_ATTRIBUTE_FILE", "x")], CONFIGURATION, "did you mean TRAX_ATTRIBUTES_FILE?"),
    ];
    for (settings, exit, words) in cases {
        let ended = run_with_input(&mut render(settings, &[]), &alert);
        assert!(ended.failed_with(exit).contains(words), "{words} in {ended:?}");
    }
    run(&mut render(&[], &["--explain"])).failed_with(USAGE);
    let resolved = alerts::path("resolved");
    assert!(run(&mut render(&[], &[resolved.to_str().unwrap()])).failed_with(WELL).contains("not_open"));
    let malformed = alerts::path("malformed");
    assert!(run(&mut render(&[], &[malformed.to_str().unwrap()])).failed_with(FAILED).contains("malformed_alert"));
}
