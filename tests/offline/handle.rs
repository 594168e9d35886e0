//! One alert to its fate, against a scripted RT.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use rtir_relay::metrics::Metrics;
use rtir_relay::outcome::{DeadLetter, Done, Fate, Reason, Rule};
use rtir_relay::relay::{Condition, Message, Relay};
use rtir_relay::rtir::Client;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::secrets::{Captured, leaks_no_secret};
use crate::support::alerts;
use crate::support::eventually::{DEADLINE, eventually};
use crate::support::fake_rt::{Answer, FakeRt, Fault, Op, SetUp, Ticket, Unsafe};

/// Something is done to RT.
type Deed = fn(&FakeRt);
/// RT is set up wrongly or well in one respect.
type Switch = fn(&mut SetUp, bool);

/// A relay of its own before a scripted RT.
pub struct Scene {
    pub rt: Arc<FakeRt>,
    pub relay: Arc<Relay>,
    pub metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl Scene {
    pub fn new(others: &[(&str, &str)]) -> Self {
        Self::before(Arc::new(FakeRt::start()), others)
    }

    /// Another relay before the same RT.
    fn replica(&self) -> Self {
        Self::before(Arc::clone(&self.rt), &[])
    }

    pub fn before(rt: Arc<FakeRt>, others: &[(&str, &str)]) -> Self {
        let config = rt.config(others);
        let (stop, count) = (CancellationToken::new(), config.rtir.concurrency);
        let metrics = Arc::new(Metrics::default());
        let client = Client::new(Arc::new(config.rtir), Arc::clone(&metrics)).unwrap();
        let pause_after = config.process.pause_after;
        let relay = Relay::new(config.rules, config.retry, pause_after, client, count, Arc::clone(&metrics));
        Self { rt, relay: Arc::new(relay), metrics, stop }
    }

    /// Begins with an alert.
    pub fn start(&self, alert: &Value) -> JoinHandle<Fate> {
        self.start_bytes(alerts::body(alert))
    }

    /// Begins with one that the broker had given to somebody before.
    pub fn start_again(&self, alert: &Value) -> JoinHandle<Fate> {
        self.start_delivery(alerts::body(alert), true)
    }

    fn start_bytes(&self, body: Vec<u8>) -> JoinHandle<Fate> {
        self.start_delivery(body, false)
    }

    fn start_delivery(&self, body: Vec<u8>, redelivered: bool) -> JoinHandle<Fate> {
        let (relay, released) = (Arc::clone(&self.relay), self.stop.clone());
        tokio::spawn(async move {
            let message = Message { body: &body.into(), content_type: None, redelivered };
            relay.handle(message, &released).await.fate
        })
    }

    /// Brings an alert to its fate.
    async fn handle(&self, alert: &Value) -> Fate {
        fate(self.start(alert)).await
    }

    /// Makes `count` tickets whose creates are all under way together, so that each worker is logged in.
    async fn all_at_once(&self, count: usize) {
        done(&self.handle(&alerts::ssl("proof")).await);
        self.rt.keep(Op::Create, Fault::FreezeBefore);
        let handled: Vec<_> = (0..count).map(|n| self.start(&alerts::ssl(&format!("at-once-{n}")))).collect();
        eventually("all creates at once", async || (self.rt.frozen() == count).then_some(())).await;
        self.rt.well();
        self.rt.thaw();
        for handled in handled {
            done(&fate(handled).await);
        }
    }

    /// The only ticket.
    fn ticket(&self) -> Ticket {
        let [ticket] = <[Ticket; 1]>::try_from(self.rt.tickets()).expect("one ticket");
        ticket
    }

    /// That there is exactly one unmerged ticket of each key, and no other.
    pub fn assert_one_each(&self, keys: &[&str]) {
        let mut found: Vec<_> = self.rt.unmerged().into_iter().map(|ticket| ticket.key).collect();
        found.sort();
        let mut expected: Vec<_> = keys.iter().map(|key| Some((*key).to_owned())).collect();
        expected.sort();
        assert_eq!(found, expected);
    }
}

async fn fate(handled: JoinHandle<Fate>) -> Fate {
    tokio::time::timeout(DEADLINE, handled).await.expect("a fate in time").unwrap()
}

pub fn done(fate: &Fate) -> (u64, Done) {
    match fate {
        Fate::Done { ticket, how } => (*ticket, *how),
        other => panic!("not done: {other:?}"),
    }
}

pub fn dead_letter(fate: Fate) -> DeadLetter {
    match fate {
        Fate::DeadLetter(letter) => {
            leaks_no_secret(&format!("{letter:?} {}", letter.diagnosis));
            *letter
        }
        other => panic!("no dead letter: {other:?}"),
    }
}

fn answer(http_status: u16) -> Fault {
    Fault::Instead(Answer::message(http_status, "as scripted"))
}

/// The clock of a test's runtime. It stands still but in [`Clock::until`], and there it runs much faster than that of
/// the wall: so that long waits are short, and nothing happens between two steps of a test.
pub struct Clock {
    start: Instant,
    /// While a blocking task runs, tokio does not move the clock by itself whenever all tasks wait for a socket.
    _held: mpsc::Sender<()>,
}

impl Clock {
    /// No request may take longer: a dozen seconds of the wall's.
    pub const TIMEOUT: [(&str, &str); 2] = [("RTIR_TIMEOUT", "10m"), ("SHUTDOWN_GRACE", "11m")];
    /// Where a request has to time out.
    pub const SHORT_TIMEOUT: [(&str, &str); 3] =
        [("RTIR_TIMEOUT", "60s"), ("SHUTDOWN_GRACE", "2m"), ("RETRY_UNKNOWN_WAIT", "30s")];

    pub fn stopped() -> Self {
        tokio::time::pause();
        let (held, end) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || end.recv());
        Self { start: Instant::now(), _held: held }
    }

    /// Lets time pass until `probe` answers `Some`; at most five minutes of it.
    pub async fn until<T>(&self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let (start, wall) = (Instant::now(), std::time::Instant::now());
        loop {
            if let Some(found) = probe() {
                return found;
            }
            let passed = start.elapsed();
            assert!(passed < Duration::from_mins(5) && wall.elapsed() < DEADLINE, "waited {passed:?} for: {what}");
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(2))).await.unwrap();
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }

    /// Lets minutes pass.
    pub async fn pass(&self, minutes: usize) {
        for _ in 0..minutes {
            let start = Instant::now();
            self.until("a minute", || (start.elapsed() >= Duration::from_mins(1)).then_some(())).await;
        }
    }

    pub async fn fate(&self, handled: JoinHandle<Fate>) -> Fate {
        self.until("a fate", || handled.is_finished().then_some(())).await;
        handled.await.unwrap()
    }

    fn passed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}

// --- the plain fates

#[tokio::test]
async fn an_alert_becomes_a_ticket_and_is_found_afterwards() {
    let scene = Scene::new(&[]);
    let alert = alerts::ssl("alert-1");
    assert_eq!(done(&scene.handle(&alert).await), (1, Done::Created));
    assert_eq!(done(&scene.handle(&alert).await), (1, Done::Found));
    let Ticket { key, sent, .. } = scene.ticket();
    assert_eq!(key.as_deref(), Some("alert-1"));
    assert_eq!(sent["Subject"], "SSL problem: https://www.water.example");
    assert_eq!(sent["Requestor"], json!(["ada@water.example"]));
    assert_eq!(scene.rt.count(Op::LogIn), 1);
}

#[tokio::test]
async fn a_namespace_keeps_equal_ids_apart() {
    let scene = Scene::new(&[("ALERT_NAMESPACE", "test")]);
    scene.rt.add(Some("alert-1"));
    assert_eq!(done(&scene.handle(&alerts::ssl("alert-1")).await), (2, Done::Created));
    scene.assert_one_each(&["alert-1", "test:alert-1"]);
}

#[tokio::test]
async fn ids_that_differ_in_case_only_are_two_alerts() {
    let scene = Scene::new(&[]);
    assert_eq!(done(&scene.handle(&alerts::ssl("alert-1")).await), (1, Done::Created));
    assert_eq!(done(&scene.handle(&alerts::ssl("ALERT-1")).await), (2, Done::Created));
    assert_eq!(done(&scene.handle(&alerts::ssl("alert-1")).await), (1, Done::Found));
    assert_eq!(done(&scene.handle(&alerts::ssl("ALERT-1")).await), (2, Done::Found));
    scene.assert_one_each(&["alert-1", "ALERT-1"]);
}

#[tokio::test]
async fn what_is_not_open_is_ignored_without_asking_rt() {
    let scene = Scene::new(&[]);
    for status in ["resolved", "false_positive"] {
        let alert = alerts::with(alerts::ssl("alert-1"), json!({ "status": status }));
        assert!(matches!(scene.handle(&alert).await, Fate::Ignored(Rule::NotOpen)));
    }
    let alert = alerts::with(alerts::ssl("alert-1"), json!({ "status": "in_progress" }));
    assert_eq!(scene.rt.requests().len(), 0);
    assert_eq!(done(&scene.handle(&alert).await), (1, Done::Created));
}

#[tokio::test]
async fn what_can_never_be_a_ticket_is_dead_lettered_without_asking_rt() {
    let scene = Scene::new(&[]);
    let nobody = alerts::with(alerts::ssl("alert-1"), json!({ "entity": { "focal_points": [] } }));
    let bodies: [(&[u8], Reason, Option<&str>); 5] = [
        (b"not JSON", Reason::MalformedAlert, None),
        (b"\xff\xfe", Reason::MalformedAlert, None),
        (b"{\"id\": \"alert-1\"}", Reason::MalformedAlert, None),
        (&vec![b' '; 1024 * 1024 + 1], Reason::TooLarge, None),
        (&alerts::body(&nobody), Reason::MissingFocalPoints, Some("alert-1")),
    ];
    for (body, reason, key) in bodies {
        let letter = dead_letter(fate(scene.start_bytes(body.to_vec())).await);
        assert_eq!((letter.reason, letter.key.as_deref()), (reason, key));
        assert_eq!((letter.attempts, letter.history.len(), letter.answer), (0, 0, None));
    }
    assert_eq!(scene.rt.requests().len(), 0);
}

#[tokio::test]
async fn a_ticket_of_another_platform_is_found_with_a_warning() {
    let scene = Scene::new(&[]);
    let ticket = scene.rt.add(Some("alert-1"));
    scene.rt.edit(ticket, |ticket| ticket.subject = "Defacement: https://www.roads.example".to_owned());
    let captured = Captured::start();
    assert_eq!(done(&scene.handle(&alerts::ssl("alert-1")).await), (ticket, Done::Found));
    assert!(captured.text().contains("names another platform: does the publisher reuse ids?"), "{}", captured.text());
}

// --- sessions

#[tokio::test]
async fn an_rt_that_is_upgraded_in_the_middle_of_work_loses_and_doubles_no_alert() {
    let scene = Scene::new(&[]);
    scene.rt.set_up(|set_up| set_up.unsafe_from = Unsafe::Anybody);
    scene.all_at_once(2).await;
    let ids: Vec<_> = (0..20).map(|number| format!("alert-{number}")).collect();
    let handled: Vec<_> = ids.iter().map(|id| scene.start(&alerts::ssl(id))).collect();
    eventually("work", async || (scene.rt.tickets().len() >= 5).then_some(())).await;
    scene.rt.set_up(|set_up| set_up.unsafe_from = Unsafe::Nobody);
    for handled in handled {
        assert_eq!(done(&fate(handled).await).1, Done::Created);
    }
    let others = ["proof", "at-once-0", "at-once-1"];
    let keys: Vec<_> = ids.iter().map(String::as_str).chain(others).collect();
    scene.assert_one_each(&keys);
    assert_eq!(scene.rt.tickets().len(), keys.len(), "none was made twice and merged");
}

// --- what RT refuses

#[tokio::test]
async fn what_rt_refuses_while_it_is_well_is_dead_lettered_with_its_words() {
    for http_status in [406, 409, 413, 415, 422] {
        let scene = Scene::new(&[]);
        scene.rt.play(Op::Create, answer(http_status));
        let letter = dead_letter(scene.handle(&alerts::ssl("alert-1")).await);
        assert_eq!((letter.reason, letter.key.as_deref()), (Reason::RejectedByRt, Some("alert-1")));
        let answer = letter.answer.expect("RT's words");
        assert_eq!((answer.http_status, answer.message.as_str()), (http_status, "as scripted"));
        assert_eq!((letter.attempts, letter.history.len()), (1, 1));
        assert!(scene.rt.ops().ends_with(&[Op::Rt, Op::Queue]), "a probe of RT decides");
        assert_eq!(scene.rt.tickets().len(), 0);
    }
}

#[tokio::test]
async fn what_rt_refuses_while_a_look_at_it_fails_is_held() {
    let looks: [(&str, Deed, Op); 4] = [
        ("RT fails", |rt| rt.keep(Op::Rt, answer(500)), Op::Rt),
        ("its queue fails", |rt| rt.keep(Op::Queue, answer(500)), Op::Queue),
        ("its queue is disabled", |rt| rt.set_up(|set_up| set_up.rt_queue_enabled = false), Op::Queue),
        ("its queue takes no ticket", |rt| rt.set_up(|set_up| set_up.create_ticket = false), Op::Queue),
    ];
    for (what, break_look, sign) in looks {
        let clock = Clock::stopped();
        let scene = Scene::new(&Clock::TIMEOUT);
        // Logs in, which is no look.
        scene.handle_on(&clock, "warm-up").await;
        scene.rt.keep_for(Op::Create, "alert-1", answer(400));
        break_look(&scene.rt);
        let handled = scene.start(&alerts::ssl("alert-1"));
        clock.until(what, || (scene.rt.is_idle() && scene.rt.count(sign) >= 4).then_some(())).await;
        assert_eq!(scene.rt.count(Op::Create), 2, "{what}: nothing is tried while looks fail");
        assert!(!handled.is_finished(), "{what}");
        scene.rt.well();
        scene.rt.set_up(|set_up| (set_up.rt_queue_enabled, set_up.create_ticket) = (true, true));
        assert_eq!(done(&clock.fate(handled).await).1, Done::Created, "{what}");
        scene.assert_one_each(&["warm-up", "alert-1"]);
    }
}

impl Scene {
    /// As `handle`, where the clock stands still.
    pub async fn handle_on(&self, clock: &Clock, id: &str) {
        done(&clock.fate(self.start(&alerts::ssl(id))).await);
    }
}

#[tokio::test]
async fn a_queue_that_takes_no_ticket_holds_the_alerts() {
    let faults: [Switch; 3] = [
        |set_up, well| set_up.create_ticket = well,
        |set_up, well| set_up.rt_queue_enabled = well,
        |set_up, well| set_up.new_is_a_status = well,
    ];
    for fault in faults {
        let clock = Clock::stopped();
        let scene = Scene::new(&Clock::TIMEOUT);
        scene.rt.set_up(|set_up| fault(set_up, false));
        let handled = ["alert-1", "alert-2"].map(|id| scene.start(&alerts::ssl(id)));
        let asked = || scene.rt.count(Op::Create) + scene.rt.count(Op::Queue);
        clock.until("some attempts or looks", || (asked() >= 6).then_some(())).await;
        assert!(handled.iter().all(|handled| !handled.is_finished()));
        assert_eq!(scene.rt.most_at_once(Op::Create), 1);
        scene.rt.set_up(|set_up| fault(set_up, true));
        for handled in handled {
            assert_eq!(done(&clock.fate(handled).await).1, Done::Created);
        }
        scene.assert_one_each(&["alert-1", "alert-2"]);
    }
}

#[tokio::test]
async fn a_password_that_rt_refuses_later_holds_the_alerts() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::TIMEOUT);
    scene.handle_on(&clock, "alert-1").await;
    scene.rt.change_password("another");
    scene.rt.forget_sessions();
    let handled = scene.start(&alerts::ssl("alert-2"));
    clock.until("some attempts", || (scene.rt.count(Op::LogIn) >= 5).then_some(())).await;
    assert!(!handled.is_finished());
    scene.rt.change_password(crate::support::fake_rt::PASSWORD);
    assert_eq!(done(&clock.fate(handled).await), (2, Done::Created));
}

// --- one alert, one ticket

#[tokio::test]
async fn refused_credentials_are_tried_ever_more_rarely() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::TIMEOUT);
    scene.handle_on(&clock, "warm-up").await;
    scene.rt.change_password("another");
    scene.rt.forget_sessions();
    let handled = scene.start(&alerts::ssl("alert-1"));
    let logins = || scene.rt.count(Op::LogIn);
    clock.until("a refusal", || (logins() >= 3).then_some(())).await;
    let before = logins();
    clock.pass(10).await;
    let tries = logins() - before;
    assert!((4..=8).contains(&tries), "{tries} in ten minutes: after 5, 10, 20, 40 s and so on");
    assert!(!handled.is_finished());
    scene.rt.change_password(crate::support::fake_rt::PASSWORD);
    clock.pass(5).await;
    done(&clock.fate(handled).await);
}

#[tokio::test]
async fn a_lost_answer_to_a_create_that_was_done_makes_no_second_ticket() {
    let lost = [
        Fault::CutAfter,
        Fault::FreezeAfter,
        Fault::After(Answer::json(200, &json!({ "id": "1" }))),
        Fault::After(Answer::json(201, &json!({ "type": "ticket" }))),
        Fault::After(Answer::html(201, "<html>Created</html>")),
        Fault::After(Answer::html(500, "<html>Internal Server Error</html>")),
        Fault::After(Answer::html(502, "<html>Bad Gateway</html>")),
        Fault::After(Answer::html(504, "<html>Gateway Timeout</html>")),
        Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 80\r\n\r\n{\"id\""),
        Fault::Bytes(b"not HTTP at all\r\n\r\n"),
    ];
    for fault in lost {
        let scene = Scene::new(&[("RTIR_TIMEOUT", "500ms")]);
        scene.rt.play(Op::Create, fault.clone());
        let handled = done(&scene.handle(&alerts::ssl("alert-1")).await);
        assert_eq!((handled, scene.rt.count(Op::Create)), ((1, Done::Found), 1), "{fault:?}");
        scene.ticket();
    }
}

#[tokio::test]
async fn a_create_that_rt_did_not_do_is_done_again() {
    let faults = [
        Fault::CutBefore,
        Fault::Instead(Answer::message(400, "Ticket could not be created due to an internal error")),
        answer(404),
        answer(405),
        answer(408),
        answer(429),
        answer(500),
        answer(502),
        answer(503),
        answer(504),
        Fault::Instead(Answer::html(302, "Login required").with_header("Location", "/")),
        Fault::Instead(Answer::html(200, "<html>Welcome</html>")),
        Fault::Endless,
    ];
    for fault in faults {
        let scene = Scene::new(&[]);
        scene.rt.play(Op::Create, fault.clone());
        let handled = done(&scene.handle(&alerts::ssl("alert-1")).await);
        assert_eq!((handled, scene.rt.count(Op::Create)), ((1, Done::Created), 2), "{fault:?}");
        scene.ticket();
    }
}

#[tokio::test]
async fn a_ticket_whose_proof_fails_is_proven_later_and_not_made_again() {
    for fault in [answer(500), answer(400), answer(403), Fault::CutBefore, Fault::Bytes(b"HTTP/1.1 200 OK\r\n\r\n{")] {
        let scene = Scene::new(&[]);
        scene.rt.play(Op::Find, Fault::Instead(Answer::json(200, &json!({ "items": [] }))));
        scene.rt.play(Op::Find, fault.clone());
        let handled = done(&scene.handle(&alerts::ssl("alert-1")).await);
        assert_eq!((handled, scene.rt.count(Op::Create)), ((1, Done::Created), 1), "{fault:?}");
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_waited_for_from_rts_first_answer_on() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::SHORT_TIMEOUT);
    scene.handle_on(&clock, "warm-up").await;
    scene.rt.play(Op::Create, Fault::FreezeBefore);
    let handled = scene.start(&alerts::ssl("alert-1"));
    clock.until("the create", || (scene.rt.frozen() == 1).then_some(())).await;
    for op in [Op::Rt, Op::Find, Op::Create] {
        scene.rt.keep(op, Fault::CutBefore);
    }
    let looks = scene.rt.count(Op::Rt);
    clock.until("looks at RT that fail", || (scene.rt.count(Op::Rt) >= looks + 2).then_some(())).await;

    // RT comes back, answers, and only then finishes what it was at.
    scene.rt.well();
    let (finds, queues) = (scene.rt.count(Op::Find), scene.rt.count(Op::Queue));
    let answered = || (scene.rt.count(Op::Find) > finds || scene.rt.count(Op::Queue) > queues).then_some(());
    clock.until("RT's first answer", answered).await;
    scene.rt.thaw();
    assert_eq!(done(&clock.fate(handled).await), (2, Done::Found));
    assert_eq!(scene.rt.count(Op::Create), 2, "one of them the warm-up's");
    scene.assert_one_each(&["warm-up", "alert-1"]);
}

#[tokio::test]
async fn after_an_unknown_outcome_a_ticket_is_verified_a_second_time() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::SHORT_TIMEOUT);
    scene.rt.play(Op::Create, Fault::FreezeBefore);
    let handled = scene.start(&alerts::ssl("alert-1"));
    let verified = || scene.rt.ops().ends_with(&[Op::Create, Op::Find]).then_some(());
    clock.until("a second create and its proof", verified).await;
    assert_eq!(scene.rt.count(Op::Create), 2);

    // The first create is finished after the second was proven.
    scene.rt.thaw();
    clock.until("both tickets", || (scene.rt.tickets().len() == 2).then_some(())).await;
    assert_eq!(done(&clock.fate(handled).await).0, 1);
    scene.assert_one_each(&["alert-1"]);
}

#[tokio::test]
async fn what_a_killed_relay_left_to_rt_is_merged_by_a_second_look_at_what_comes_again() {
    for (what, ticket_there) in [("a ticket is made", false), ("a ticket is found", true)] {
        let clock = Clock::stopped();
        let killed = Scene::new(&Clock::SHORT_TIMEOUT);
        killed.rt.play(Op::Create, Fault::FreezeBefore);
        let begun = killed.start(&alerts::ssl("alert-1"));
        clock.until("the create", || (killed.rt.frozen() == 1).then_some(())).await;
        begun.abort();
        if ticket_there {
            killed.rt.add(Some("alert-1"));
        }
        let scene = Scene::before(Arc::clone(&killed.rt), &Clock::SHORT_TIMEOUT);
        let finds = scene.rt.count(Op::Find);
        let handled = scene.start_again(&alerts::ssl("alert-1"));
        let last = if ticket_there { finds + 1 } else { finds + 2 };
        let begun_is_left = || (scene.rt.count(Op::Find) == last && scene.rt.under_way() == 1).then_some(());
        clock.until(what, begun_is_left).await;
        assert_eq!(scene.rt.tickets().len(), 1, "{what}");

        // Only now is finished what the killed relay asked for.
        scene.rt.thaw();
        clock.until("both tickets", || (scene.rt.tickets().len() == 2).then_some(())).await;
        assert_eq!(done(&clock.fate(handled).await).0, 1, "{what}");
        scene.assert_one_each(&["alert-1"]);
    }
}

#[tokio::test]
async fn the_same_alert_many_times_at_once_is_one_ticket() {
    let scene = Scene::new(&[("RTIR_CONCURRENCY", "4")]);
    scene.all_at_once(4).await;
    scene.rt.play(Op::Create, Fault::FreezeBefore);
    let handled: Vec<_> = (0..20).map(|_| scene.start(&alerts::ssl("alert-1"))).collect();
    eventually("a create", async || (scene.rt.frozen() == 1).then_some(())).await;
    scene.rt.thaw();
    let mut created = 0;
    for handled in handled {
        created += usize::from(done(&fate(handled).await).1 == Done::Created);
    }
    let tickets = scene.rt.tickets().into_iter().filter(|ticket| ticket.key.as_deref() == Some("alert-1"));
    assert_eq!((created, tickets.count()), (1, 1));
}

#[tokio::test]
async fn replicas_that_get_the_same_alert_at_once_agree_on_one_ticket() {
    let one = Scene::new(&[]);
    let two = one.replica();
    one.rt.keep(Op::Create, Fault::FreezeBefore);
    let handled = [&one, &two].map(|scene| scene.start(&alerts::ssl("alert-1")));
    eventually("both create", async || (one.rt.frozen() == 2).then_some(())).await;
    one.rt.thaw();
    let mut fates = Vec::new();
    for handled in handled {
        fates.push(done(&fate(handled).await));
    }
    assert_eq!(one.rt.tickets().len(), 2);
    assert_eq!((fates[0].0, fates[1].0), (1, 1));
    one.assert_one_each(&["alert-1"]);
}

#[tokio::test]
async fn a_double_that_cannot_be_merged_is_named_and_the_lowest_kept() {
    let scene = Scene::new(&[]);
    let [lowest, _] = [(); 2].map(|()| scene.rt.add(Some("alert-1")));
    scene.rt.set_up(|set_up| set_up.modify_ticket = false);
    let captured = Captured::start();
    assert_eq!(done(&scene.handle(&alerts::ssl("alert-1")).await), (lowest, Done::Found));
    let log = captured.text();
    assert!(log.contains("ERROR") && log.contains("ticket 2 is a double of 1 and could not be merged"), "{log}");
    assert!(log.contains("Permission Denied") && log.contains("ModifyTicket"), "{log}");
    assert_eq!(scene.rt.unmerged().len(), 2);
}

#[tokio::test]
async fn a_merge_is_judged_by_what_came_of_it() {
    for fault in [Fault::CutAfter, Fault::After(Answer::html(502, "Bad Gateway"))] {
        let scene = Scene::new(&[]);
        let [lowest, _] = [(); 2].map(|()| scene.rt.add(Some("alert-1")));
        scene.rt.play(Op::Update, fault);
        let captured = Captured::start();
        assert_eq!(done(&scene.handle(&alerts::ssl("alert-1")).await), (lowest, Done::Found));
        scene.assert_one_each(&["alert-1"]);
        assert!(!captured.text().contains("could not be merged"), "{}", captured.text());
    }
}

#[tokio::test]
async fn whatever_goes_wrong_each_alert_has_one_ticket_in_the_end() {
    let clock = Clock::stopped();
    let others = [("RTIR_CONCURRENCY", "4"), ("RETRY_MAX_ATTEMPTS", "1000")];
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &others].concat());
    let faults = [
        Fault::CutBefore,
        Fault::CutAfter,
        answer(500),
        Fault::After(Answer::html(502, "Bad Gateway")),
        Fault::After(Answer::json(201, &json!({}))),
        Fault::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
        Fault::Instead(Answer::html(302, "Login required").with_header("Location", "/")),
        Fault::Endless,
    ];
    for (number, fault) in faults.iter().cycle().take(16).enumerate() {
        scene.rt.play([Op::Find, Op::Create][number % 2], fault.clone());
        scene.rt.play([Op::Create, Op::LogIn][number % 2], fault.clone());
    }
    let keys: Vec<_> = (0..30).map(|number| format!("alert-{number}")).collect();
    let handled: Vec<_> = keys.iter().map(|key| scene.start(&alerts::ssl(key))).collect();
    for handled in handled {
        done(&clock.fate(handled).await);
    }
    scene.assert_one_each(&keys.iter().map(String::as_str).collect::<Vec<_>>());
}

// --- RT's troubles are not the alerts' fault

#[tokio::test]
async fn an_rt_that_fails_for_long_loses_no_alert() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::TIMEOUT);
    for op in [Op::LogIn, Op::Rt, Op::Queue, Op::Find, Op::Create, Op::Read] {
        scene.rt.keep(op, Fault::CutBefore);
    }
    let handled = ["alert-1", "alert-2", "alert-3"].map(|id| scene.start(&alerts::ssl(id)));
    clock.until("two minutes", || (clock.passed() > Duration::from_mins(2)).then_some(())).await;
    assert!(handled.iter().all(|handled| !handled.is_finished()));
    assert!(scene.rt.requests().len() < 500, "{} requests in two minutes", scene.rt.requests().len());
    scene.rt.well();
    for handled in handled {
        assert_eq!(done(&clock.fate(handled).await).1, Done::Created);
    }
    scene.assert_one_each(&["alert-1", "alert-2", "alert-3"]);
}

#[tokio::test]
async fn an_alert_that_fails_alone_is_tried_for_ever() {
    let scene = Scene::new(&[]);
    scene.handle(&alerts::ssl("before")).await;
    scene.rt.keep(Op::Create, answer(500));
    let handled = scene.start(&alerts::ssl("alert-1"));
    eventually("many attempts", async || (scene.rt.count(Op::Create) >= 15).then_some(())).await;
    assert!(!handled.is_finished(), "no other ticket was created since its first failure");
    scene.rt.well();
    assert_eq!(done(&fate(handled).await), (2, Done::Created));
}

#[tokio::test]
async fn what_failed_long_ago_makes_no_outage_of_a_single_failure() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::TIMEOUT);
    scene.handle_on(&clock, "before").await;
    scene.rt.play(Op::Create, answer(422));
    dead_letter(clock.fate(scene.start(&alerts::ssl("refused"))).await);
    // Longer than PAUSE_AFTER, and quiet.
    clock.pass(10).await;
    let quiet = clock.passed();
    scene.rt.play(Op::Create, answer(500));
    scene.handle_on(&clock, "alert-1").await;
    let took = clock.passed().saturating_sub(quiet);
    assert!(took < Duration::from_secs(30), "one attempt failed, and the next came after {took:?}");
}

#[tokio::test]
async fn a_ticket_that_somebody_deletes_each_time_is_made_ever_more_rarely() {
    let clock = Clock::stopped();
    let retry = [("RETRY_INITIAL", "500ms"), ("RETRY_MAX", "30s")];
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &retry].concat());
    scene.handle_on(&clock, "before").await;
    // Deleted before it is verified: not found, and not there.
    scene.rt.set_up(|set_up| set_up.search = false);
    scene.rt.keep(Op::Read, answer(404));
    let handled = scene.start(&alerts::ssl("alert-1"));
    clock.pass(3).await;
    assert!(scene.rt.count(Op::Create) < 20, "{} tickets in three minutes", scene.rt.count(Op::Create));
    assert!(!handled.is_finished());
}

#[tokio::test]
async fn bad_alerts_that_hang_pause_no_longer_than_those_that_fail_at_once() {
    let clock = Clock::stopped();
    let others = [("RTIR_TIMEOUT", "20s"), ("SHUTDOWN_GRACE", "21s"), ("RETRY_UNKNOWN_WAIT", "1s")];
    let scene = Scene::new(&others);
    scene.handle_on(&clock, "before").await;
    scene.rt.keep_for(Op::Create, "bad-", Fault::FreezeBefore);
    let bad: Vec<_> = (0..6).map(|number| scene.start(&alerts::ssl(&format!("bad-{number}")))).collect();
    let good: Vec<_> = (0..10).map(|number| scene.start(&alerts::ssl(&format!("good-{number}")))).collect();
    for good in good {
        assert_eq!(done(&clock.fate(good).await).1, Done::Created);
    }
    scene.stop.cancel();
    scene.rt.well();
    scene.rt.thaw();
    for bad in bad {
        drop(clock.fate(bad).await);
    }
}

#[tokio::test]
async fn an_alert_that_fails_while_others_succeed_is_exhausted() {
    let clock = Clock::stopped();
    let retry = [("RETRY_MAX_ATTEMPTS", "3"), ("RETRY_INITIAL", "30s"), ("RETRY_MAX", "30s")];
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &retry].concat());
    scene.handle_on(&clock, "before").await;
    scene.rt.keep_for(Op::Create, "poison", answer(500));
    for _ in 0..4 {
        scene.rt.play(Op::Rt, answer(503));
    }
    let poison = scene.start(&alerts::ssl("poison"));
    // The queue is looked at where RT itself passes: first by the probe, then for the first failure that counts.
    clock.until("two looks that pass", || (scene.rt.count(Op::Queue) == 2).then_some(())).await;
    assert_eq!(scene.rt.asked(Op::Create).len(), 1 + 2);
    scene.handle_on(&clock, "good").await;
    let letter = dead_letter(clock.fate(poison).await);
    assert_eq!((letter.reason, letter.key.as_deref()), (Reason::Exhausted, Some("poison")));
    assert_eq!((letter.attempts, letter.history.len()), (3, 3), "those that failed while RT was down do not count");
    assert_eq!(letter.answer.unwrap().http_status, 500);
    for attempt in &letter.history {
        assert!(attempt.cause.contains("RT answered 500 as scripted"), "{attempt:?}");
        attempt.time.parse::<jiff::Timestamp>().expect("RFC 3339");
    }
    scene.assert_one_each(&["before", "good"]);
}

#[tokio::test]
async fn an_rt_that_looks_well_and_makes_no_ticket_is_tried_ever_more_rarely_and_by_one_alert_at_a_time() {
    let clock = Clock::stopped();
    let others = [("RTIR_CONCURRENCY", "4"), ("RETRY_MAX", "1s")];
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &others].concat());
    scene.handle_on(&clock, "before").await;
    scene.rt.keep(Op::Create, answer(500));
    let ids = ["alert-1", "alert-2", "alert-3", "alert-4"];
    let handled = ids.map(|id| scene.start(&alerts::ssl(id)));
    let down = |condition| matches!(condition, Condition::Down(_)).then_some(());
    clock.until("RT is taken for down", || down(scene.relay.condition())).await;
    let since = scene.relay.condition().outage().expect("it is down").since;
    let half_open = |condition| matches!(condition, Condition::HalfOpen(_)).then_some(());
    clock.until("alerts try one by one", || half_open(scene.relay.condition())).await;
    clock.until("RT is taken for down again", || down(scene.relay.condition())).await;
    clock.until("two minutes", || (clock.passed() > Duration::from_mins(2)).then_some(())).await;
    // Every second each of them would have made some 480.
    assert!(scene.rt.count(Op::Create) < 60, "{} creates", scene.rt.count(Op::Create));
    assert_eq!(scene.relay.condition().outage().map(|outage| outage.since), Some(since), "it is one outage");

    let all_wait = || down(scene.relay.condition()).filter(|()| scene.rt.is_idle());
    clock.until("all wait", all_wait).await;
    let creates = scene.rt.count(Op::Create);
    scene.rt.well();
    scene.rt.play(Op::Create, Fault::FreezeBefore);
    clock.until("a create", || (scene.rt.frozen() == 1).then_some(())).await;
    let passed = clock.passed();
    clock.until("time for others", || (clock.passed() > passed + Duration::from_secs(20)).then_some(())).await;
    assert_eq!(scene.rt.count(Op::Create), creates + 1, "no other until one succeeds");
    scene.rt.thaw();
    for handled in handled {
        assert_eq!(done(&clock.fate(handled).await).1, Done::Created);
    }
    assert!(matches!(scene.relay.condition(), Condition::Well));
    scene.assert_one_each(&[&["before"], &ids[..]].concat());
}

#[tokio::test]
async fn searches_that_hang_while_looks_pass_are_an_outage_soon_however_many_alerts_wait() {
    let clock = Clock::stopped();
    let others = [("RTIR_CONCURRENCY", "64"), ("RTIR_TIMEOUT", "3s")];
    let scene = Scene::new(&others);
    scene.rt.keep(Op::Find, Fault::FreezeBefore);
    let handled: Vec<_> = (0..64).map(|number| scene.start(&alerts::ssl(&format!("alert-{number}")))).collect();
    let down = || matches!(scene.relay.condition(), Condition::Down(_)).then_some(());
    clock.until("RT is taken for down", down).await;
    assert!(clock.passed() < Duration::from_secs(20), "{:?}", clock.passed());
    scene.stop.cancel();
    scene.rt.well();
    scene.rt.thaw();
    for handled in handled {
        assert!(matches!(clock.fate(handled).await, Fate::Returned));
    }
}

#[tokio::test]
async fn an_outage_whose_alerts_another_relay_has_taken_ends_by_itself() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::TIMEOUT);
    scene.handle_on(&clock, "before").await;
    scene.rt.keep(Op::Create, answer(500));
    let handled = ["alert-1", "alert-2", "alert-3"].map(|id| scene.start(&alerts::ssl(id)));
    let relay = Arc::clone(&scene.relay);
    let probing = tokio::spawn(async move { relay.keep_probing().await });
    let down = || matches!(scene.relay.condition(), Condition::Down(_)).then_some(());
    clock.until("RT is taken for down", down).await;
    for handled in handled {
        handled.abort();
    }
    // As the loop does at each beat.
    let well = || {
        scene.relay.rest();
        matches!(scene.relay.condition(), Condition::Well).then_some(())
    };
    clock.until("RT is taken for well", well).await;
    probing.abort();
}

#[tokio::test]
async fn bad_alerts_are_told_from_an_rt_that_is_down_by_those_that_have_not_failed_yet() {
    let clock = Clock::stopped();
    let others = [("RETRY_MAX_ATTEMPTS", "3"), ("RETRY_MAX", "5s"), ("RTIR_CONCURRENCY", "4")];
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &others].concat());
    scene.handle_on(&clock, "before").await;
    scene.rt.keep_for(Op::Create, "bad-", answer(500));
    let bad: Vec<_> = (0..20).map(|number| scene.start(&alerts::ssl(&format!("bad-{number}")))).collect();
    let good: Vec<_> = (0..5).map(|number| scene.start(&alerts::ssl(&format!("good-{number}")))).collect();
    for good in good {
        assert_eq!(done(&clock.fate(good).await).1, Done::Created);
    }
    // Only that another becomes a ticket after its first failure tells that it is the alert.
    for number in 0.. {
        if bad.iter().all(JoinHandle::is_finished) {
            break;
        }
        scene.handle_on(&clock, &format!("later-{number}")).await;
    }
    for bad in bad {
        assert_eq!(dead_letter(clock.fate(bad).await).reason, Reason::Exhausted);
    }
}

#[tokio::test]
async fn an_rt_that_cannot_keep_up_is_asked_half_as_much_at_once_and_more_again_as_it_can() {
    let clock = Clock::stopped();
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &[("RTIR_CONCURRENCY", "8")]].concat());
    scene.handle_on(&clock, "before").await;
    scene.rt.keep(Op::Find, Fault::FreezeBefore);
    let handled: Vec<_> = (0..8).map(|number| scene.start(&alerts::ssl(&format!("at-once-{number}")))).collect();
    clock.until("eight at once", || (scene.rt.frozen() == 8).then_some(())).await;
    scene.rt.well();
    for _ in 0..8 {
        scene.rt.play(Op::Create, answer(503));
    }
    scene.rt.thaw();
    for handled in handled {
        done(&clock.fate(handled).await);
    }
    assert_eq!(scene.relay.concurrency_limit(), 4, "halved once for all that were under way together");
    for number in 8..20 {
        scene.handle_on(&clock, &format!("afterwards-{number}")).await;
    }
    assert_eq!(scene.relay.concurrency_limit(), 5, "one more after twenty tickets");
}

#[tokio::test]
async fn rt_is_left_alone_for_as_long_as_it_asks() {
    let busy = || Fault::Instead(Answer::message(503, "busy").with_header("Retry-After", "40"));
    for op in [Op::Create, Op::Find, Op::Queue] {
        let clock = Clock::stopped();
        let scene = Scene::new(&Clock::TIMEOUT);
        scene.rt.play(op, busy());
        if op == Op::Queue {
            scene.rt.play(Op::Create, answer(500));
        }
        assert_eq!(done(&clock.fate(scene.start(&alerts::ssl("alert-1"))).await), (1, Done::Created));
        assert!(clock.passed() >= Duration::from_secs(40), "{op:?}: {:?}", clock.passed());
    }
}

// --- a wrong set-up

/// What RT can be set up wrongly in so that it drops the key or does not show the ticket.
const FLAWS: [(&str, Switch); 5] = [
    ("the field is not applied", |set_up, well| set_up.field_applied = well),
    ("no SeeCustomField", |set_up, well| set_up.see_custom_field = well),
    ("no ModifyCustomField", |set_up, well| set_up.modify_custom_field = well),
    ("no ShowTicket", |set_up, well| set_up.show_ticket = well),
    ("the search finds nothing", |set_up, well| set_up.search = well),
];

/// Lets the relay try to mend its first ticket a few times.
async fn some_probes(clock: &Clock, scene: &Scene) {
    let probes = || scene.rt.count(Op::Read) + scene.rt.count(Op::Update);
    clock.until("some probes", || (probes() >= 8).then_some(())).await;
}

#[tokio::test]
async fn a_wrong_set_up_costs_one_ticket_which_is_mended_first() {
    for (what, flaw) in FLAWS {
        let clock = Clock::stopped();
        let scene = Scene::new(&Clock::TIMEOUT);
        scene.rt.set_up(|set_up| flaw(set_up, false));
        let captured = Captured::start();
        let ids = ["alert-1", "alert-2", "alert-3", "alert-4"];
        let handled = ids.map(|id| scene.start(&alerts::ssl(id)));
        some_probes(&clock, &scene).await;
        let first = scene.ticket();
        assert_eq!(scene.rt.count(Op::Create), 1, "{what}");
        assert!(handled.iter().all(|handled| !handled.is_finished()), "{what}");
        let log = captured.text();
        assert_eq!(log.matches("ERROR").count(), 1, "{what}: {log}");
        assert!(log.contains("ticket 1 was made") || log.contains("rt.ticket_id=1"), "{log}");
        assert!(log.contains("a restart forgets that"), "{log}");

        scene.rt.set_up(|set_up| flaw(set_up, true));
        for handled in handled {
            assert_eq!(done(&clock.fate(handled).await).1, Done::Created, "{what}");
        }
        scene.assert_one_each(&ids);
        assert_eq!(scene.rt.tickets().len(), 4, "{what}");
        assert_eq!(scene.rt.tickets()[0].sent, first.sent, "the first ticket is kept");
        let sent = first.sent["CustomFields"]["Alert ID"].as_str();
        assert_eq!(scene.rt.tickets()[0].key.as_deref(), sent, "and has its own key");
    }
}

#[tokio::test]
async fn a_set_up_broken_in_full_flight_costs_a_ticket_for_each_worker_at_most() {
    for (what, flaw) in FLAWS {
        let clock = Clock::stopped();
        let scene = Scene::new(&Clock::TIMEOUT);
        scene.handle_on(&clock, "before").await;
        scene.rt.set_up(|set_up| flaw(set_up, false));
        let ids = ["alert-1", "alert-2", "alert-3", "alert-4", "alert-5", "alert-6"];
        let handled = ids.map(|id| scene.start(&alerts::ssl(id)));
        some_probes(&clock, &scene).await;
        assert!((2..=3).contains(&scene.rt.tickets().len()), "{what}: {:?}", scene.rt.tickets());
        scene.rt.set_up(|set_up| flaw(set_up, true));
        for handled in handled {
            assert_eq!(done(&clock.fate(handled).await).1, Done::Created, "{what}");
        }
        scene.assert_one_each(&[&["before"], &ids[..]].concat());
        assert_eq!(scene.rt.tickets().len(), 7, "{what}");
    }
}

#[tokio::test]
async fn a_ticket_without_key_that_somebody_removes_does_not_hold_the_others() {
    let removals: [(&str, Deed); 3] = [
        ("merged", |rt| {
            let analysts = rt.add(Some("analyst"));
            rt.edit(1, |ticket| ticket.effective_id = analysts);
        }),
        ("shredded", |rt| rt.shred(1)),
        ("deleted", |rt| rt.edit(1, |ticket| ticket.deleted = true)),
    ];
    for (what, remove) in removals {
        let clock = Clock::stopped();
        let scene = Scene::new(&Clock::TIMEOUT);
        scene.rt.set_up(|set_up| set_up.field_applied = false);
        let handled = ["alert-1", "alert-2"].map(|id| scene.start(&alerts::ssl(id)));
        some_probes(&clock, &scene).await;
        remove(&scene.rt);
        scene.rt.set_up(|set_up| set_up.field_applied = true);
        let others = clock
            .until(&format!("the others, after ticket 1 was {what}"), || {
                let created = scene.rt.tickets().into_iter().filter(|ticket| ticket.id > 1 && ticket.sent.is_object());
                let created: Vec<_> = created.collect();
                (!created.is_empty()).then_some(created)
            })
            .await;
        assert!(others.iter().all(|ticket| ticket.key.is_some()), "{what}: {others:?}");
        for handled in handled {
            done(&clock.fate(handled).await);
        }
    }
}

#[tokio::test]
async fn the_first_create_runs_alone_and_later_ones_side_by_side() {
    let scene = Scene::new(&[("RTIR_CONCURRENCY", "4")]);
    scene.rt.play(Op::Create, Fault::FreezeBefore);
    let first: Vec<_> = (0..6).map(|number| scene.start(&alerts::ssl(&format!("first-{number}")))).collect();
    eventually("the first create", async || (scene.rt.frozen() == 1).then_some(())).await;
    scene.rt.thaw();
    for handled in first {
        done(&fate(handled).await);
    }
    let ops: Vec<_> = scene.rt.ops().into_iter().filter(|op| matches!(op, Op::Find | Op::Create)).collect();
    assert_eq!(ops[..3], [Op::Find, Op::Create, Op::Find], "nothing else until it is proven");

    scene.all_at_once(4).await;
    assert_eq!(scene.rt.most_at_once(Op::Create), 4, "as many as there are workers");
}

#[tokio::test]
async fn after_a_fault_of_the_set_up_one_create_runs_alone_again() {
    let clock = Clock::stopped();
    let scene = Scene::new(&[&Clock::TIMEOUT[..], &[("RTIR_CONCURRENCY", "4")]].concat());
    scene.handle_on(&clock, "before").await;
    scene.rt.set_up(|set_up| set_up.create_ticket = false);
    let handled = ["alert-1", "alert-2", "alert-3", "alert-4"].map(|id| scene.start(&alerts::ssl(id)));
    clock.until("some looks", || (scene.rt.count(Op::Queue) >= 4).then_some(())).await;
    scene.rt.play(Op::Create, Fault::FreezeBefore);
    scene.rt.set_up(|set_up| set_up.create_ticket = true);
    clock.until("a create", || (scene.rt.frozen() == 1).then_some(())).await;
    let (passed, ops) = (clock.passed(), scene.rt.ops());
    clock.until("time for others", || (clock.passed() > passed + Duration::from_secs(20)).then_some(())).await;
    assert_eq!(scene.rt.ops(), ops, "nothing else until it is proven");
    scene.rt.thaw();
    for handled in handled {
        assert_eq!(done(&clock.fate(handled).await).1, Done::Created);
    }
}

// --- stopping

#[tokio::test]
async fn a_stop_in_the_middle_of_a_create_finishes_and_proves_it() {
    let scene = Scene::new(&[]);
    scene.rt.play(Op::Create, Fault::FreezeBefore);
    let handled = scene.start(&alerts::ssl("alert-1"));
    eventually("the create", async || (scene.rt.frozen() == 1).then_some(())).await;
    scene.stop.cancel();
    scene.rt.thaw();
    assert_eq!(done(&fate(handled).await), (1, Done::Created));
    assert_eq!(scene.rt.ops().last(), Some(&Op::Find), "it is proven");
    scene.relay.close().await;
    assert_eq!(scene.rt.sessions(), 0);
}

#[tokio::test]
async fn a_stop_gives_back_what_only_waits() {
    let waits: [(&str, Deed, Op); 4] = [
        ("between attempts", |rt| rt.keep(Op::Create, answer(500)), Op::Queue),
        ("for RT to be well", |rt| rt.keep(Op::Find, Fault::CutBefore), Op::Queue),
        ("for a find", |rt| rt.keep(Op::Find, Fault::FreezeBefore), Op::Find),
        ("for a login", |rt| rt.keep(Op::LogIn, Fault::FreezeBefore), Op::LogIn),
    ];
    for (what, fault, sign) in waits {
        let scene = Scene::new(&[("RETRY_INITIAL", "1h"), ("RETRY_MAX", "1h")]);
        fault(&scene.rt);
        // One of them waits for RT, one for its turn, one at the gate.
        let handled = ["alert-1", "alert-1", "alert-2"].map(|id| scene.start(&alerts::ssl(id)));
        eventually(what, async || (scene.rt.count(sign) >= 1).then_some(())).await;
        scene.stop.cancel();
        for handled in handled {
            assert!(matches!(fate(handled).await, Fate::Returned), "{what}");
        }
        assert_eq!(scene.rt.tickets().len(), 0, "{what}");
    }
}

#[tokio::test]
async fn after_a_stop_no_ticket_is_begun() {
    let scene = Scene::new(&[]);
    scene.stop.cancel();
    assert!(matches!(scene.handle(&alerts::ssl("alert-1")).await, Fate::Returned));
    assert_eq!(scene.rt.requests().len(), 0);
}

#[tokio::test]
async fn tickets_that_still_lack_their_key_are_named_at_the_end() {
    let clock = Clock::stopped();
    let scene = Scene::new(&Clock::TIMEOUT);
    scene.rt.set_up(|set_up| set_up.field_applied = false);
    let handled = scene.start(&alerts::ssl("alert-1"));
    some_probes(&clock, &scene).await;
    scene.stop.cancel();
    assert!(matches!(clock.fate(handled).await, Fate::Returned));
    let captured = Captured::start();
    scene.relay.close().await;
    assert!(captured.text().contains("set its Alert ID to alert-1 by hand"), "{}", captured.text());
}
