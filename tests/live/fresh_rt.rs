//! An RT that has never seen the relay, and what `deploy/rt/initialdata.pl` makes of it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::amqp::AmqpScene;
use crate::support::lab::setting;
use crate::support::postbox::Postbox;
use crate::support::relay_process::run;
use crate::support::rt::RtServer;
use crate::support::servers::Server;

const INITIALDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rt/initialdata.pl");
const USER: &str = "rtir-relay";

/// What fails of `check --write`.
fn failures(environment: &[(String, String)]) -> Vec<Value> {
    let (exit, stdout, stderr) = run(environment, &["check", "--write", "--json"], b"");
    let findings = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let failures: Vec<_> = findings.filter(|finding| finding["status"] == "FAIL").collect();
    assert_eq!(exit, Some(i32::from(!failures.is_empty())), "{stdout}{stderr}");
    failures
}

/// The rights of the service user, and on what.
fn granted(rt: &RtServer) -> BTreeSet<(String, String)> {
    serde_json::from_str(&rt.admin(&["rights", USER])).unwrap()
}

/// Asserts that with `settings` the relay needs exactly what the initialdata makes of a fresh RT, given `wanted`.
async fn nothing_else_is_needed(wanted: &[(&str, &str)], settings: Vec<(String, String)>) {
    let server = Server::rt().await;
    let rt = server.rt_server().await;
    server.load(INITIALDATA, wanted).await.unwrap();
    let scene = AmqpScene::at(&setting("RELAY_LAB_AMQP_URL"), "fresh-rt").await;
    let mut environment = settings;
    environment.extend(scene.environment().into_iter().map(|(name, value)| (name.to_owned(), value)));
    let password = server.setting("RELAY_LAB_RT_PASSWORD").await;
    let rtir = [("RTIR_URL", rt.url.as_str()), ("RTIR_USERNAME", USER), ("RTIR_PASSWORD", &password)];
    environment.extend(rtir.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(failures(&environment), [Value::Null; 0]);

    let rights = granted(&rt);
    assert_eq!(rights.iter().filter(|(_, on)| on == "Investigations").count(), 1, "to find there what was moved there");
    for (right, on) in rights.iter().filter(|(_, on)| on != "Investigations") {
        match on.as_str() {
            "Incident Reports" => rt.admin(&["revoke", USER, right, on]),
            field => rt.admin(&["revoke-field", USER, right, field]),
        };
        let failures_without = failures(&environment);
        let names_it = |failure: &Value| failure["cure"].as_str().unwrap().contains(right);
        assert!(!failures_without.is_empty(), "{right} on {on} is not needed");
        assert!(failures_without.iter().all(names_it), "without {right} on {on}: {failures_without:#?}");
        // What is missing is added; what is there stays.
        server.load(INITIALDATA, wanted).await.unwrap();
    }
    assert_eq!(failures(&environment), [Value::Null; 0]);

    assert_eq!(granted(&rt), rights);
    let queue = rt.queue("Incident Reports").get("queue/Incident%20Reports").await;
    let fields = queue["TicketCustomFields"].as_array().unwrap();
    let names: Vec<_> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "no field is made twice: {names:?}");
    scene.close().await;
}

#[tokio::test]
async fn after_the_initialdata_no_further_step_is_needed_and_each_of_its_rights_is() {
    nothing_else_is_needed(&[], Vec::new()).await;
}

#[tokio::test]
async fn after_the_initialdata_for_trax_no_further_step_is_needed_and_each_of_its_rights_is() {
    let postbox = Postbox::start();
    let mut settings = postbox.environment();
    settings.push(("TRAX_RELEASE_FIELD".to_owned(), "Release".to_owned()));
    nothing_else_is_needed(&[("TRAX", "1"), ("TRAX_RELEASE_FIELD", "Release")], settings).await;
}

#[tokio::test]
async fn what_the_initialdata_cannot_do_it_says() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = empty.path().to_str().unwrap();
    let another = ("RTIR_USERNAME", "another");
    for (environment, says) in [
        (&[("RTIR_QUEUE", "Incidents Report")][..], "There is no queue Incidents Report"),
        (&[another, ("RTIR_PASSWORD_FILE", "")], "Set RTIR_PASSWORD_FILE"),
        (&[another, ("RTIR_PASSWORD_FILE", "/nowhere")], "/nowhere: No such file"),
        (&[another, ("RTIR_PASSWORD_FILE", empty)], "There is no password in"),
    ] {
        let said = Server::shared_rt().load(INITIALDATA, environment).await.unwrap_err();
        assert!(said.contains(says), "{said}");
    }
}
