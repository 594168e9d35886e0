//! Whatever RT answers, each alert has its fate: by hand, from what is promised.

use std::ops::RangeInclusive;

use rtir_relay::outcome::{Fate, Reason};
use serde_json::json;

use crate::handle::{Clock, Scene, dead_letter, done};
use crate::support::alerts;
use crate::support::fake_rt::{Answer, Fault, Op};

/// What becomes of an alert.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Promise {
    /// It is dead-lettered with RT's words, and has no ticket.
    RejectedByRt,
    /// It waits for as long as RT answers so, and has one ticket afterwards.
    Held,
    /// It has one ticket, although RT answers so.
    Found,
}

use Promise::{Found, Held, RejectedByRt};

/// Each status that RT may answer a create with, having made no ticket.
const OF_A_CREATE: [(RangeInclusive<u16>, Promise); 14] = [
    (200..=299, Held),
    (300..=399, Held),
    (400..=405, Held),
    (406..=406, RejectedByRt),
    (407..=408, Held),
    (409..=409, RejectedByRt),
    (410..=412, Held),
    (413..=413, RejectedByRt),
    (414..=414, Held),
    (415..=415, RejectedByRt),
    (416..=421, Held),
    (422..=422, RejectedByRt),
    (423..=499, Held),
    (500..=599, Held),
];

/// Every status with its promise.
fn statuses() -> impl Iterator<Item = (u16, Promise)> {
    let all: Vec<_> = OF_A_CREATE.into_iter().flat_map(|(range, promise)| range.map(move |of| (of, promise))).collect();
    assert!(all.iter().map(|(http_status, _)| *http_status).eq(200..=599), "each once");
    all.into_iter()
}

/// One relay, one RT, and alerts one after the other.
struct Trial {
    clock: Clock,
    scene: Scene,
    tickets: Vec<String>,
}

impl Trial {
    async fn new(settings: &[(&str, &str)]) -> Self {
        let clock = Clock::stopped();
        let scene = Scene::new(settings);
        scene.handle_on(&clock, "first").await;
        Self { clock, scene, tickets: vec!["first".to_owned()] }
    }

    /// That the alert `id` ends as promised while every create of its ticket meets `fault`.
    async fn assert_kept(&mut self, id: &str, fault: Fault, promise: Promise) {
        let (clock, rt) = (&self.clock, &self.scene.rt);
        rt.keep_for(Op::Create, id, fault);
        let before = rt.count(Op::Create);
        let handled = self.scene.start(&alerts::ssl(id));
        if promise == Held {
            let enough = || (rt.count(Op::Create) >= before + 3).then_some(());
            clock.until(&format!("attempts at {id}"), enough).await;
            assert!(!handled.is_finished(), "{id} waits");
            rt.well();
        }
        let fate = clock.fate(handled).await;
        rt.well();
        match (promise, fate) {
            (Held | Found, fate) => {
                done(&fate);
                self.tickets.push(id.to_owned());
            }
            (RejectedByRt, fate @ Fate::DeadLetter(_)) => {
                let letter = dead_letter(fate);
                assert_eq!((letter.reason, letter.key.as_deref()), (Reason::RejectedByRt, Some(id)));
                assert_eq!(letter.answer.expect("RT's words").message, "as scripted", "{id}");
            }
            (RejectedByRt, fate) => panic!("{id}: {fate:?}"),
        }
    }

    /// That each alert has one ticket, but those that were promised none.
    fn assert_one_each(&self) {
        self.scene.assert_one_each(&self.tickets.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn every_status_of_a_create_that_was_not_done_has_its_fate() {
    let mut trial = Trial::new(&Clock::TIMEOUT).await;
    for (http_status, promise) in statuses() {
        let fault = Fault::Instead(Answer::message(http_status, "as scripted"));
        trial.assert_kept(&format!("alert-{http_status}"), fault, promise).await;
    }
    trial.assert_one_each();
}

#[tokio::test]
async fn whatever_status_follows_a_create_that_was_done_there_is_one_ticket() {
    let mut trial = Trial::new(&Clock::TIMEOUT).await;
    for (http_status, promise) in statuses() {
        // RT never refuses for good what it has done.
        if promise == Held {
            let fault = Fault::After(Answer::message(http_status, "as scripted"));
            trial.assert_kept(&format!("alert-{http_status}"), fault, Found).await;
        }
    }
    trial.assert_one_each();
}

#[tokio::test]
async fn an_answer_of_any_form_has_its_fate() {
    let without_header = |http_status, body: &str| Answer { http_status, headers: vec![], body: body.into() };
    let created = |ticket: u64, kind: &str| {
        without_header(201, &json!({ "id": ticket }).to_string()).with_header("Content-Type", kind)
    };
    let forms = [
        ("html", Fault::Instead(Answer::html(200, "<html><title>Login</title></html>")), Held),
        ("html-201", Fault::Instead(Answer::html(201, "<html>Created</html>")), Held),
        ("html-201-after", Fault::After(Answer::html(201, "<html>Created</html>")), Found),
        ("html-500", Fault::Instead(Answer::html(500, "<html>Internal Server Error</html>")), Held),
        ("no-body", Fault::Instead(without_header(500, "")), Held),
        ("no-body-201", Fault::Instead(without_header(201, "")), Held),
        ("no-body-201-after", Fault::After(without_header(201, "")), Found),
        (
            "internal",
            Fault::Instead(Answer::message(400, "Ticket could not be created due to an internal error")),
            Held,
        ),
        ("no-id", Fault::Instead(Answer::json(201, &json!({ "type": "ticket" }))), Held),
        ("no-id-after", Fault::After(Answer::json(201, &json!({ "type": "ticket" }))), Found),
        ("null-id", Fault::After(Answer::json(201, &json!({ "id": null }))), Found),
        ("zero-id", Fault::After(Answer::json(201, &json!({ "id": 0 }))), Found),
        ("negative-id", Fault::After(Answer::json(201, &json!({ "id": "-1" }))), Found),
        ("id-in-array", Fault::After(Answer::json(201, &json!([{ "id": "1" }]))), Found),
        ("array-for-object", Fault::After(Answer::json(201, &json!(["1"]))), Found),
        ("huge-id", Fault::After(without_header(201, r#"{"id":18446744073709551616}"#)), Found),
        ("truncated", Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 80\r\n\r\n{\"id\""), Found),
        ("wrong-length", Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{\"id\":\"1\"}"), Found),
        ("not-utf-8", Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\n\xff\xfe\x00"), Found),
        ("garbage", Fault::Bytes(b"not HTTP at all\r\n\r\n"), Found),
        ("http-0.9", Fault::Bytes(b"{\"id\":\"1\"}"), Found),
        ("no-status", Fault::Bytes(b"HTTP/1.1 \r\n\r\n"), Found),
        ("status-999", Fault::Bytes(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"), Found),
        ("only-100", Fault::Bytes(b"HTTP/1.1 100 Continue\r\n\r\n"), Found),
        ("nothing", Fault::CutAfter, Found),
        ("cut", Fault::CutBefore, Held),
        ("endless", Fault::Endless, Held),
        ("drip", Fault::Drip, Held),
    ];
    let mut trial = Trial::new(&[("RTIR_TIMEOUT", "25s")]).await;
    for (id, fault, promise) in forms {
        trial.assert_kept(id, fault, promise).await;
    }
    // The form of the body counts, not what it is called.
    for kind in ["text/plain", "text/html; charset=iso-8859-1", "application/octet-stream", "x", ""] {
        let next = trial.scene.rt.tickets().len() as u64 + 1;
        trial.assert_kept(&format!("kind-{next}"), Fault::After(created(next, kind)), Found).await;
    }
    trial.assert_one_each();
}

#[tokio::test]
async fn no_answer_to_a_search_is_the_alerts_fault() {
    let mut trial = Trial::new(&Clock::TIMEOUT).await;
    for http_status in [200, 201, 204, 301, 302, 400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 502, 503, 504, 599] {
        let (clock, rt) = (&trial.clock, &trial.scene.rt);
        let (id, finds) = (format!("alert-{http_status}"), rt.count(Op::Find));
        rt.keep(Op::Find, Fault::Instead(Answer::message(http_status, "as scripted")));
        let handled = trial.scene.start(&alerts::ssl(&id));
        clock.until(&format!("searches for {id}"), || (rt.count(Op::Find) >= finds + 3).then_some(())).await;
        assert!(!handled.is_finished(), "{id} waits");
        rt.well();
        done(&clock.fate(handled).await);
        trial.tickets.push(id);
    }
    trial.assert_one_each();
}

/// RT's own words, in whatever language.
fn in_rts_words(http_status: u16) -> Answer {
    Answer::message(http_status, "Le ticket n'a pas pu être créé à cause d'une erreur interne")
}

#[tokio::test]
async fn an_alert_that_rt_always_refuses_while_others_succeed_is_given_up_alone() {
    let cases = [
        (Answer::message(500, "as scripted"), Reason::Exhausted),
        (in_rts_words(400), Reason::RejectedByRt),
        (in_rts_words(403), Reason::RejectedByRt),
        (Answer::html(400, "<h1>Bad Request</h1>"), Reason::Exhausted),
        (Answer::html(403, "<h1>Blocked by the firewall</h1>"), Reason::Exhausted),
    ];
    for (answer, reason) in cases {
        is_given_up_alone(answer, reason).await;
    }
}

/// That an alert whose creates always meet `answer` ends with `reason`, and the others that come meanwhile as tickets.
async fn is_given_up_alone(answer: Answer, reason: Reason) {
    let clock = Clock::stopped();
    let retry = [("RETRY_MAX_ATTEMPTS", "8"), ("RETRY_INITIAL", "1s"), ("RETRY_MAX", "10s")];
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &retry].concat());
    scene.rt.keep_for(Op::Create, "poison", Fault::Instead(answer.clone()));
    let poison = scene.start(&alerts::ssl("poison"));
    let mut others = Vec::new();
    while !poison.is_finished() {
        assert!(others.len() < 500, "it is never given up");
        others.push(format!("good-{}", others.len()));
        scene.handle_on(&clock, &others[others.len() - 1]).await;
    }
    let letter = dead_letter(clock.fate(poison).await);
    assert_eq!((letter.reason, letter.attempts, letter.history.len()), (reason, 8, 8), "{answer:?}");
    scene.assert_one_each(&others.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_alert_alone_that_rt_refuses_for_long_waits() {
    wait_while_none_succeeds(in_rts_words(400), 1).await;
    wait_while_none_succeeds(in_rts_words(403), 1).await;
}

#[tokio::test]
async fn all_alerts_wait_while_rt_refuses_them_all() {
    wait_while_none_succeeds(in_rts_words(403), 5).await;
    wait_while_none_succeeds(Answer::html(403, "<h1>Blocked by the firewall</h1>"), 5).await;
}

/// That `count` alerts wait as long as every create meets `answer`, and then become tickets.
async fn wait_while_none_succeeds(answer: Answer, count: usize) {
    let clock = Clock::stopped();
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &[("PAUSE_AFTER", "1m")]].concat());
    scene.rt.keep(Op::Create, Fault::Instead(answer.clone()));
    let ids: Vec<_> = (0..count).map(|number| format!("alert-{number}")).collect();
    let handled: Vec<_> = ids.iter().map(|id| scene.start(&alerts::ssl(id))).collect();
    clock.pass(10).await;
    assert!(handled.iter().all(|handled| !handled.is_finished()), "{count} {answer:?}");
    assert!(scene.rt.count(Op::Create) > 8, "more often than an alert is tried while others succeed");
    scene.rt.well();
    for handled in handled {
        done(&clock.fate(handled).await);
    }
    scene.assert_one_each(&ids.iter().map(String::as_str).collect::<Vec<_>>());
}
