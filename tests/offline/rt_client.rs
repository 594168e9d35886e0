//! Each step of the client against a scripted RT.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtir_relay::diagnosis::Trouble;
use rtir_relay::metrics::Metrics;
use rtir_relay::outcome::{Class, Done};
use rtir_relay::protocol::{self, End, Event, Heard, Next, Protocol, Request as Asked};
use rtir_relay::rtir::{BuildError, Client, Error, Flaw, Operation, QueueFlaw, Way};
use rtir_relay::ticket::{AlertKey, EmailAddress, NewTicket, RtQueueName, Subject, TicketId};
use serde_json::{Value, json};

use crate::secrets::Captured;
use crate::support::eventually::{DEADLINE, eventually};
use crate::support::fake_rt::{
    Answer, FakeRt, Fault, INVESTIGATIONS, Op, PASSWORD, Request, SetUp, TOKEN, USER, Unsafe, WEB_URL,
};
use crate::support::front::{Authority, LATER};

/// Settings with a token instead of a password.
const BY_TOKEN: [(&str, &str); 3] = [("RTIR_USERNAME", ""), ("RTIR_PASSWORD", ""), ("RTIR_TOKEN", TOKEN)];

/// RT is set up wrongly.
type Change = fn(&mut SetUp);
/// Something is done to RT.
type Deed = fn(&FakeRt);

fn client_for(rt: &FakeRt, others: &[(&str, &str)]) -> Client {
    Client::new(Arc::new(rt.config(others).rtir), Arc::new(Metrics::default())).expect("a client")
}

fn key(text: &str) -> AlertKey {
    let key = AlertKey::new(None, text);
    assert_eq!(key.as_str(), text, "a key that is not hashed");
    key
}

fn new_ticket(id: &str) -> NewTicket {
    NewTicket {
        rt_queue: RtQueueName::parse("Incident Reports").unwrap(),
        subject: Subject::new("SSL problem: https://www.water.example"),
        content: "The certificate has expired.\n".to_owned(),
        requestors: vec![EmailAddress::parse("ada@water.example").unwrap()],
        priority: 60,
        key: key(id),
        attachment: None,
    }
}

fn found(ticket: u64) -> (TicketId, String) {
    (TicketId(ticket), "SSL problem: https://www.water.example".to_owned())
}

fn kept(ticket: u64, merged: bool) -> (TicketId, bool) {
    (TicketId(ticket), merged)
}

fn answer(http_status: u16) -> Fault {
    Fault::Instead(Answer::message(http_status, "as scripted"))
}

/// What the search shows of an alert: the ticket that stands for it, and its subject.
async fn find(client: &Client, id: &str) -> Option<(TicketId, String)> {
    let hits = client.search(&key(id)).await.unwrap();
    let seen: Vec<_> = hits.iter().map(|hit| hit.seen).collect();
    let standing = protocol::standing_for(&seen)?;
    let hit = hits.iter().find(|hit| hit.seen == *standing)?;
    Some((standing.leads_to, hit.subject.clone()))
}

/// Asks RT what the protocol wants to know, from the find on, until the alert has its ticket or an attempt failed.
async fn go_on(client: &Client, id: &str, mut protocol: Protocol) -> Result<(TicketId, Done, Vec<Event>), Error> {
    let (mut read, mut events) = (None, Vec::new());
    loop {
        let heard = match protocol.next() {
            Next::End(End::Done { ticket, how }) => return Ok((ticket, how, events)),
            Next::Ask(Asked::Search) => {
                Heard::Hits(client.search(&key(id)).await?.iter().map(|hit| hit.seen).collect())
            }
            Next::Ask(Asked::Create) => Heard::Created(client.create(&new_ticket(id)).await?),
            Next::Ask(Asked::Read(ticket)) => match client.read(ticket).await {
                Err(Error::Unproven { .. }) => Heard::Hidden,
                answer => Heard::LeadsTo(read.insert(answer?).leads_to),
            },
            Next::Ask(Asked::Merge { double, into }) => {
                client.merge(double, into, read.as_ref()).await?;
                Heard::Answered
            }
            Next::Ask(Asked::Explain(ticket)) => return Err(client.why_not_found(ticket, &key(id)).await),
            next => panic!("{next:?}"),
        };
        events.extend(protocol.hear(heard));
    }
}

/// Finds an alert's ticket and merges its doubles, as what comes again does.
async fn found_again(client: &Client, id: &str) -> TicketId {
    let (ticket, how, _) = go_on(client, id, Protocol::new(false)).await.unwrap();
    assert_eq!(how, Done::Found);
    ticket
}

/// Verifies `ticket`, which was made of the alert: the one that is kept, and whether that is another.
async fn verified(client: &Client, ticket: TicketId, id: &str) -> Result<(TicketId, bool), Error> {
    let mut protocol = Protocol::new(false);
    protocol.hear(Heard::Hits(Vec::new()));
    protocol.hear(Heard::Created(ticket));
    let (kept, how, _) = go_on(client, id, protocol).await?;
    assert_eq!(how == Done::Merged, kept != ticket);
    Ok((kept, how == Done::Merged))
}

/// Creates a ticket of `id` and verifies it.
async fn make(client: &Client, id: &str) -> Result<(TicketId, bool), Error> {
    let ticket = client.create(&new_ticket(id)).await?;
    verified(client, ticket, id).await
}

/// That no request shows RT two kinds of credentials.
fn assert_one_pass_each(rt: &FakeRt) {
    for request in rt.requests() {
        assert!(request.header("cookie").is_none() || request.header("authorization").is_none(), "{request:?}");
    }
}

// --- the recorded RT

/// An answer that was recorded from RT 5.0.3.
fn recorded(name: &str) -> Answer {
    let path = format!("{}/tests/fixtures/rt/{name}.http", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let http_status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let names = ["Location", "Set-Cookie", "Content-Type"];
    let value = |name| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let headers = names.into_iter().filter_map(|name| Some((name, value(name)?.to_owned()))).collect();
    Answer { http_status, headers, body: body.as_bytes().to_vec() }
}

/// That `ours` has nothing but what RT's answer has too, and of the same kind.
fn assert_shape(path: &str, ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (name, value) in ours {
                // Null for some users of RT.
                let theirs = theirs.get(name).unwrap_or_else(|| panic!("RT has no {path}.{name}"));
                if name != "total" {
                    assert_shape(&format!("{path}.{name}"), value, theirs);
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for (ours, theirs) in ours.iter().zip(theirs) {
                assert_shape(&format!("{path}[]"), ours, theirs);
            }
        }
        (ours, theirs) => {
            assert_eq!(std::mem::discriminant(ours), std::mem::discriminant(theirs), "{path}: {ours} for {theirs}");
        }
    }
}

#[tokio::test]
async fn the_scripted_rt_answers_as_a_real_one() {
    let rt = FakeRt::start();
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let compare = async |name: &str, method: &str, path: &str, body: Value| {
        let method: reqwest::Method = method.parse().unwrap();
        let request = http.request(method, format!("{}/REST/2.0/{path}", rt.url())).basic_auth(USER, Some(PASSWORD));
        let request = if body.is_null() { request } else { request.json(&body) };
        let ours = request.send().await.unwrap();
        let theirs = recorded(name);
        assert_eq!(ours.status(), theirs.http_status, "{name}");
        let theirs: Value = serde_json::from_slice(&theirs.body).unwrap();
        let ours: Value = ours.json().await.unwrap();
        assert_shape(name, &ours, &theirs);
        (ours, theirs)
    };
    let find = |key: &str| {
        let query = format!("'CF.{{Alert ID}}' = '{key}' AND EffectiveId > 0");
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        format!("tickets?query={query}&fields=CustomFields,EffectiveId,Subject&orderby=id&order=ASC")
    };
    let create = json!({ "Queue": "Incident Reports", "Subject": "S", "CustomFields": { "Alert ID": "x" } });

    compare("version", "GET", "rt", Value::Null).await;
    compare("queue", "GET", "queue/Incident%20Reports", Value::Null).await;
    compare("queue-unseen", "GET", "queue/Unknown", Value::Null).await;
    compare("created", "POST", "ticket", create.clone()).await;
    compare("ticket", "GET", "ticket/1", Value::Null).await;
    compare("found", "GET", &find("X"), Value::Null).await;
    compare("found-nothing", "GET", &find("y"), Value::Null).await;
    let two = rt.add(Some("y"));
    rt.edit(two, |ticket| ticket.rt_queue = INVESTIGATIONS);
    compare("ticket-moved", "GET", "ticket/2", Value::Null).await;
    compare("found-moved", "GET", &find("y"), Value::Null).await;
    rt.edit(two, |ticket| ticket.effective_id = 1);
    let (ours, _) = compare("ticket-merged", "GET", "ticket/2", Value::Null).await;
    assert_eq!(ours["id"], 1);

    // Here the words count, too.
    rt.add(None);
    let updates = [
        ("merge-into-itself", "1", json!({ "MergeInto": 2 })),
        ("merge-into-nothing", "1", json!({ "MergeInto": 99 })),
        ("key-written", "1", json!({ "CustomFields": { "Alert ID": "y" } })),
        ("key-same", "1", json!({ "CustomFields": { "Alert ID": "y" } })),
        ("merged", "3", json!({ "MergeInto": 1 })),
    ];
    for (name, id, body) in updates {
        let (ours, theirs) = compare(name, "PUT", &format!("ticket/{id}"), body).await;
        assert_eq!(ours, theirs, "{name}");
    }
    let refusals: [(&str, &str, Value, Change); 3] = [
        ("merge-refused", "4", json!({ "MergeInto": 1 }), |set_up| set_up.modify_ticket = false),
        ("key-refused", "1", json!({ "CustomFields": { "Alert ID": "z" } }), |set_up| {
            set_up.modify_custom_field = false;
        }),
        ("key-dropped", "1", json!({ "CustomFields": { "Alert ID": "z" } }), |set_up| set_up.field_applied = false),
    ];
    rt.add(None);
    for (name, id, body, change) in refusals {
        rt.set_up(change);
        let (ours, theirs) = compare(name, "PUT", &format!("ticket/{id}"), body).await;
        assert_eq!(ours, theirs, "{name}");
    }
    compare("queue-without-field", "GET", "queue/3", Value::Null).await;
    rt.set_up(|set_up| (set_up.create_ticket, set_up.show_ticket) = (false, false));
    compare("queue-without-create", "GET", "queue/3", Value::Null).await;
    compare("create-refused", "POST", "ticket", create).await;
    compare("ticket-unseen", "GET", "ticket/1", Value::Null).await;

    rt.change_password("another");
    compare("unauthorized", "GET", "rt", Value::Null).await;
    for (name, password) in [("log-in", "another"), ("log-in-refused", PASSWORD)] {
        let form = [("user", USER), ("pass", password), ("next", "1")];
        let ours = http.post(format!("{}/NoAuth/Login.html", rt.url())).form(&form).send().await.unwrap();
        let theirs = recorded(name);
        assert_eq!(ours.status(), theirs.http_status, "{name}");
        assert!(ours.headers().contains_key("set-cookie"), "{name}");
    }
    let dead = http.get(format!("{}/REST/2.0/rt", rt.url())).header("Cookie", "RT_SID_rt.example.443=dead");
    let (ours, theirs) = (dead.send().await.unwrap(), recorded("dead-cookie"));
    assert_eq!(ours.status(), theirs.http_status);
    assert_eq!(ours.text().await.unwrap().as_bytes(), theirs.body.trim_ascii_end());
}

#[tokio::test]
async fn answers_of_a_real_rt_are_understood() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let play = |op, name| rt.play(op, Fault::Instead(recorded(name)));

    play(Op::Rt, "version");
    play(Op::Queue, "queue");
    client.probe().await.unwrap();
    play(Op::Queue, "queue-without-create");
    assert_eq!(client.probe().await.unwrap_err().class(), Class::SetUp);
    play(Op::Queue, "queue-unseen");
    assert_eq!(client.probe().await.unwrap_err().class(), Class::SetUp);

    play(Op::Create, "created");
    assert_eq!(client.create(&new_ticket("x")).await.unwrap(), TicketId(1));
    play(Op::Create, "create-refused");
    let refused = client.create(&new_ticket("x")).await.unwrap_err();
    assert_eq!(refused.class(), Class::Doubtful);
    assert!(refused.to_string().contains("403 No permission to create tickets in the queue"), "{refused}");

    let first = |ticket, subject: &str| Some((TicketId(ticket), subject.to_owned()));
    play(Op::Find, "found");
    assert_eq!(find(&client, "x").await, first(1, "first"));
    play(Op::Find, "found");
    assert_eq!(find(&client, "X").await, None);
    play(Op::Find, "found-nothing");
    assert_eq!(find(&client, "x").await, None);
    play(Op::Find, "found-merged");
    assert_eq!(find(&client, "merge-1").await, first(3, "S"));
    play(Op::Find, "found-moved");
    assert_eq!(find(&client, "moved-1").await, first(6, "S"));

    play(Op::Find, "found");
    assert_eq!(verified(&client, TicketId(1), "x").await.unwrap(), kept(1, false));
    play(Op::Find, "found-nothing");
    play(Op::Read, "ticket-merged");
    assert_eq!(verified(&client, TicketId(2), "merge-1").await.unwrap(), kept(3, true));
    let mut flaws = Vec::new();
    for (read, rt_queue) in [("ticket", "queue"), ("ticket-moved", "queue-without-field"), ("ticket-unseen", "queue")] {
        play(Op::Find, "found-nothing");
        // Once to see whether it is merged, once to say why it is not found.
        play(Op::Read, read);
        play(Op::Read, read);
        play(Op::Queue, rt_queue);
        let error = verified(&client, TicketId(if read == "ticket" { 1 } else { 6 }), "y").await.unwrap_err();
        let Error::Unproven { flaw, .. } = error else { panic!("{error}") };
        flaws.push(flaw);
        rt.well();
    }
    assert_eq!(flaws, [Flaw::FieldNotWritten, Flaw::FieldNotOnQueue, Flaw::NotVisible]);
}

// --- look, find, create

#[tokio::test]
async fn look_asks_for_rt_and_its_queue() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    client.probe().await.unwrap();
    assert_eq!(rt.asked(Op::Queue)[0].target, "/REST/2.0/queue/Incident%20Reports");
    let faults: [(Change, &str); 3] = [
        (|set_up| set_up.create_ticket = false, "takes no ticket of the service user"),
        (|set_up| set_up.rt_queue_enabled = false, "is disabled"),
        (|set_up| set_up.see_queue = false, "does not exist, or the service user may not see it"),
    ];
    for (change, says) in faults {
        rt.set_up(change);
        let error = client.probe().await.unwrap_err();
        assert_eq!(error.class(), Class::SetUp);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn an_rt_below_a_path_is_asked_there() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[("RTIR_URL", &format!("{}/support/rt", rt.url())), ("RTIR_QUEUE", "A B?C")]);
    client.probe().await.unwrap_err();
    assert_eq!(rt.asked(Op::LogIn)[0].target, "/support/rt/NoAuth/Login.html");
    assert_eq!(rt.asked(Op::Rt)[0].target, "/support/rt/REST/2.0/rt");
    assert_eq!(rt.asked(Op::Queue)[0].target, "/support/rt/REST/2.0/queue/A%20B%3FC");
}

#[tokio::test]
async fn create_sends_the_fixed_fields_and_nothing_else() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    assert_eq!(client.create(&new_ticket("alert-1")).await.unwrap(), TicketId(1));
    let mut expected = json!({
        "Queue": "Incident Reports",
        "Subject": "SSL problem: https://www.water.example",
        "Content": "The certificate has expired.\n",
        "ContentType": "text/plain",
        "Requestor": ["ada@water.example"],
        "Priority": 60,
        "Status": "new",
        "CustomFields": { "Alert ID": "alert-1" },
    });
    let request = &rt.asked(Op::Create)[0];
    assert_eq!(request.json(), expected);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.target, "/REST/2.0/ticket", "RT lets parameters override the body");

    client
        .create(&NewTicket { attachment: Some(b"{\"id\":1}".as_slice().into()), ..new_ticket("alert-1") })
        .await
        .unwrap();
    expected["Attachments"] =
        json!([{ "FileName": "alert.json", "FileType": "application/json", "FileContent": "eyJpZCI6MX0=" }]);
    assert_eq!(rt.asked(Op::Create)[1].json(), expected);
}

#[tokio::test]
async fn find_has_no_condition_but_the_key_and_sees_merged_tickets() {
    let rt = FakeRt::start();
    assert_eq!(find(&client_for(&rt, &[]), "alert-1").await, None);
    let request = &rt.asked(Op::Find)[0];
    assert_eq!(request.parameter("query"), Some("'CF.{Alert ID}' = 'alert-1' AND EffectiveId > 0"));
    assert_eq!(request.parameter("fields"), Some("CustomFields,EffectiveId,Subject,Requestor"));
    assert_eq!((request.parameter("orderby"), request.parameter("order")), (Some("id"), Some("ASC")));
}

#[tokio::test]
async fn the_exact_key_is_found_among_case_variants_over_many_pages() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let variant = |bits: u32| -> String {
        let letters = "abcdefgh".chars().enumerate();
        letters.map(|(place, c)| if bits >> place & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect()
    };
    for bits in 0..255 {
        rt.add(Some(&variant(bits)));
    }
    assert_eq!(find(&client, "ABCDEFGH").await, None, "only other keys");
    assert_eq!(rt.count(Op::Find), 3);
    let last = rt.add(Some(&variant(255)));
    assert_eq!(find(&client, "ABCDEFGH").await, Some(found(last)));
    assert_eq!(find(&client, "abcdefgh").await, Some(found(1)));
    assert_eq!(rt.count(Op::Update), 0, "none of another key is merged");
}

#[tokio::test]
async fn a_full_last_page_is_no_end() {
    let rt = FakeRt::start();
    for _ in 0..100 {
        rt.add(Some("ALERT"));
    }
    let last = rt.add(Some("alert"));
    assert_eq!(find(&client_for(&rt, &[]), "alert").await, Some(found(last)));
}

#[tokio::test]
async fn a_merged_ticket_is_found_as_the_one_it_is_merged_into() {
    let rt = FakeRt::start();
    let (analysts, ours) = (rt.add(None), rt.add(Some("alert-1")));
    rt.edit(ours, |ticket| ticket.effective_id = analysts);
    assert_eq!(find(&client_for(&rt, &[]), "alert-1").await, Some(found(analysts)));
}

#[tokio::test]
async fn a_moved_ticket_is_found_and_never_merged() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let moved = rt.add(Some("alert-1"));
    rt.edit(moved, |ticket| ticket.rt_queue = INVESTIGATIONS);
    assert_eq!(find(&client, "alert-1").await, Some(found(moved)));
    let ours = rt.add(Some("alert-1"));
    assert_eq!(verified(&client, TicketId(ours), "alert-1").await.unwrap(), kept(ours, false));
    assert_eq!(find(&client, "alert-1").await, Some(found(ours)), "the one that shows its key");
    assert_eq!(rt.count(Op::Update), 0);
}

// --- verify, merge, mend

#[tokio::test]
async fn each_flaw_of_the_set_up_is_named() {
    let flaws: [(Change, Flaw, &str); 5] = [
        (|set_up| set_up.show_ticket = false, Flaw::NotVisible, "the right ShowTicket is missing"),
        (|set_up| set_up.field_applied = false, Flaw::FieldNotOnQueue, "not applied to its RT queue"),
        (|set_up| set_up.see_custom_field = false, Flaw::FieldNotVisible, "SeeCustomField on it is missing"),
        (|set_up| set_up.modify_custom_field = false, Flaw::FieldNotWritten, "ModifyCustomField on the field is"),
        (|set_up| set_up.search = false, Flaw::NotFound, "searching for its Alert ID does not find it"),
    ];
    for (change, expected, says) in flaws {
        let rt = FakeRt::start();
        let client = client_for(&rt, &[]);
        rt.set_up(change);
        let error = make(&client, "alert-1").await.unwrap_err();
        assert_eq!(error.class(), Class::SetUp, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.diagnosis().cure.contains("no other ticket is made until then"), "{error}");
        let Error::Unproven { ticket: TicketId(1), flaw } = error else { panic!("{error}") };
        assert_eq!(flaw, expected);

        // As long as nothing is mended, mending does not help; then it does.
        client.mend(TicketId(1), &key("alert-1")).await.unwrap_err();
        rt.set_up(|set_up| {
            (set_up.show_ticket, set_up.field_applied, set_up.see_custom_field) = (true, true, true);
            (set_up.modify_custom_field, set_up.search) = (true, true);
        });
        client.mend(TicketId(1), &key("alert-1")).await.unwrap();
        assert_eq!(rt.tickets()[0].key.as_deref(), Some("alert-1"));
    }
}

#[tokio::test]
async fn what_is_merged_before_it_is_mended_is_left_alone() {
    let rt = FakeRt::start();
    let (ours, analysts) = (rt.add(None), rt.add(Some("another")));
    rt.edit(ours, |ticket| ticket.effective_id = analysts);
    client_for(&rt, &[]).mend(TicketId(ours), &key("alert-1")).await.unwrap();
    assert_eq!(rt.tickets()[1].key.as_deref(), Some("another"), "the analyst's ticket keeps its key");
}

#[tokio::test]
async fn a_ticket_that_somebody_merged_at_once_is_well() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let analysts = rt.add(None);
    let ours = client.create(&new_ticket("alert-1")).await.unwrap();
    rt.edit(ours.0, |ticket| ticket.effective_id = analysts);
    assert_eq!(verified(&client, ours, "alert-1").await.unwrap(), kept(analysts, true));
}

#[tokio::test]
async fn verify_merges_all_doubles_into_the_lowest() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let other = rt.add(Some("ALERT-1"));
    let lowest = rt.add(Some("alert-1"));
    rt.add(Some("alert-1"));
    assert_eq!(make(&client, "alert-1").await.unwrap(), kept(lowest, true));
    let merged: Vec<_> = rt.tickets().iter().map(|ticket| ticket.effective_id).collect();
    assert_eq!(merged, [other, lowest, lowest, lowest]);

    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let ours = client.create(&new_ticket("alert-1")).await.unwrap();
    rt.add(Some("alert-1"));
    assert_eq!(verified(&client, ours, "alert-1").await.unwrap(), kept(ours.0, false), "ours is the lowest");
    assert_eq!(rt.unmerged().len(), 1);
}

#[tokio::test]
async fn find_merges_doubles_that_a_crash_left() {
    let rt = FakeRt::start();
    let ids = [(); 3].map(|()| rt.add(Some("alert-1")));
    assert_eq!(found_again(&client_for(&rt, &[]), "alert-1").await, TicketId(ids[0]));
    assert!(rt.tickets().iter().all(|ticket| ticket.effective_id == ids[0]));
}

#[tokio::test]
async fn a_double_that_somebody_merges_meanwhile_is_left_alone() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let (lowest, double, analysts) = (rt.add(Some("alert-1")), rt.add(Some("alert-1")), rt.add(None));
    rt.play(Op::Read, Fault::FreezeBefore);
    let finding = tokio::spawn(async move { found_again(&client, "alert-1").await });
    eventually("a look before the merge", async || (rt.frozen() == 1).then_some(())).await;
    rt.edit(double, |ticket| ticket.effective_id = analysts);
    rt.thaw();
    assert_eq!(finding.await.unwrap(), TicketId(lowest));
    assert_eq!(rt.count(Op::Update), 0, "it would merge the analyst's ticket");
}

#[tokio::test]
async fn a_double_that_somebody_merges_between_the_look_and_the_merge_is_left_alone() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let (lowest, double, analysts) = (rt.add(Some("alert-1")), rt.add(Some("alert-1")), rt.add(None));
    let read = client.read(TicketId(double)).await.unwrap();
    rt.edit(double, |ticket| ticket.effective_id = analysts);
    let error = client.merge(TicketId(double), TicketId(lowest), Some(&read)).await.unwrap_err();
    assert!(error.to_string().contains("412"), "{error}");
    assert_eq!(rt.tickets()[2].effective_id, analysts, "the analyst's ticket is not merged");
}

// --- sessions

#[tokio::test]
async fn one_login_serves_any_number_of_requests() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    for number in 0..10 {
        let id = format!("alert-{number}");
        assert_eq!(find(&client, &id).await, None);
        make(&client, &id).await.unwrap();
        client.probe().await.unwrap();
    }
    // A page with queues, and three without, since RT leaves out what may not be seen after it has cut the pages.
    assert_eq!((rt.count(Op::LogIn), rt.count(Op::Queues), rt.sessions()), (1, 4, 1));
    let login = &rt.asked(Op::LogIn)[0];
    assert_eq!([login.form("user"), login.form("pass"), login.form("next")], [USER, PASSWORD, "1"]);
    for (op, request) in rt.ops().into_iter().zip(rt.requests()) {
        assert!(request.header("authorization").is_none(), "{request:?}");
        // The scripted RT marks its cookie `Secure`, and is reached over plain HTTP.
        assert_eq!(request.header("cookie").is_some(), op != Op::LogIn, "{request:?}");
        // What RT's own address is, is asked for before it can be named.
        if !matches!(op, Op::LogIn | Op::Queues) {
            assert_eq!(request.header("origin"), Some(WEB_URL), "{request:?}");
        }
        assert!(!request.header("user-agent").unwrap().contains("Mozilla"));
    }
    client.log_out().await;
    client.log_out().await;
    assert_eq!((rt.count(Op::LogOut), rt.sessions()), (1, 0));
}

#[tokio::test]
async fn each_worker_has_a_session_of_its_own() {
    let rt = FakeRt::start();
    let one = client_for(&rt, &[]);
    let two = one.another();
    one.probe().await.unwrap();
    two.probe().await.unwrap();
    assert_eq!(rt.sessions(), 2);
}

#[tokio::test]
async fn an_old_session_is_logged_out_and_renewed() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[("RTIR_SESSION_MAX_AGE", "1ms")]);
    let start = Instant::now();
    while rt.count(Op::LogIn) < 4 {
        find(&client, "alert-1").await;
        assert!(start.elapsed() < DEADLINE, "the session is not renewed");
    }
    assert_eq!((rt.count(Op::LogOut), rt.sessions()), (3, 1));
    for login in rt.asked(Op::LogIn) {
        assert_eq!(login.header("cookie"), None, "RT would give the old session");
    }
}

#[tokio::test]
async fn a_forgotten_session_costs_one_login_and_one_repeat() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    client.probe().await.unwrap();
    for round in 1..=3 {
        rt.forget_sessions();
        client.create(&new_ticket("alert-1")).await.unwrap();
        assert_eq!(rt.tickets().len(), round, "a request that met a dead session did nothing");
        assert_eq!((rt.count(Op::Create), rt.count(Op::LogIn)), (2 * round, 1 + round));
    }
}

#[tokio::test]
async fn an_rt_that_forgets_every_session_is_not_asked_for_ever() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    rt.keep(Op::Find, Fault::Instead(recorded("dead-cookie")));
    let error = client.search(&key("alert-1")).await.unwrap_err();
    assert_eq!(error.class(), Class::Sink);
    assert_eq!((rt.count(Op::Find), rt.count(Op::LogIn)), (2, 2));
}

#[tokio::test]
async fn a_wrong_password_is_told_from_all_else() {
    let rt = FakeRt::start();
    rt.change_password("another");
    let client = client_for(&rt, &[]);
    let error = client.search(&key("alert-1")).await.unwrap_err();
    assert!(matches!(error, Error::Credentials(Operation::LogIn)), "{error:?}");
    assert_eq!(error.class(), Class::SetUp);
    assert_eq!(rt.ops(), [Op::LogIn, Op::Queues, Op::Queues], "a session is tried, then the password");
    assert_one_pass_each(&rt);
}

#[tokio::test]
async fn without_a_login_page_the_password_goes_with_each_request_and_one_warning() {
    let rt = FakeRt::start();
    rt.set_up(|set_up| set_up.login_page = false);
    let captured = Captured::start();
    let one = client_for(&rt, &[]);
    let two = one.another();
    for client in [&one, &two] {
        client.probe().await.unwrap();
        make(client, "alert-1").await.unwrap();
        client.log_out().await;
    }
    assert_eq!(captured.text().matches("every request costs RT a password check").count(), 1);
    assert!(rt.asked(Op::Create).iter().all(|create| create.header("authorization").is_some()));
    // Once more where RT's own address was only then learnt, by the password.
    assert_eq!((rt.count(Op::LogIn), rt.count(Op::LogOut)), (3, 0));
    assert_one_pass_each(&rt);
}

#[tokio::test]
async fn a_login_whose_cookie_does_not_hold_falls_back_to_the_password() {
    let rt = FakeRt::start();
    rt.keep(Op::LogIn, Fault::Instead(recorded("log-in")));
    let client = client_for(&rt, &[]);
    client.probe().await.unwrap();
    client.probe().await.unwrap();
    assert_eq!(rt.count(Op::LogIn), 2, "once more as RT's own address is learnt, by the password");
    assert_one_pass_each(&rt);
}

/// That `client` makes tickets with the password in each request, after one warning that says `why`.
async fn assert_by_password(rt: &FakeRt, client: &Client, why: &str) {
    let captured = Captured::start();
    for number in 0..3 {
        make(client, &format!("alert-{number}")).await.unwrap();
    }
    let log = captured.text();
    assert_eq!(log.matches("no session").count(), 1, "{log}");
    assert!(log.contains(why), "no {why:?} in {log}");
    let creates = rt.asked(Op::Create);
    assert_eq!((creates.len(), rt.tickets().len()), (3, 3), "{why}");
    assert!(
        (1..=2).contains(&rt.count(Op::LogIn)),
        "{why}: once more where RT's own address is learnt by the password"
    );
    assert!(creates.iter().all(|create| create.header("authorization").is_some()));
    let Way::Password(because) = client.version().await.unwrap().1 else { panic!("no password") };
    assert!(because.why.contains(why) && !because.fix.is_empty(), "{because:?}");
    assert_one_pass_each(rt);
}

#[tokio::test]
async fn where_rt_gives_no_session_that_works_the_password_goes_with_each_request() {
    let cases: [(&str, Deed); 4] = [
        ("refuses a session's POST that names the origin http://rt.example and http://127.0.0.1", |rt| {
            rt.set_up(|set_up| set_up.unsafe_from = Unsafe::Nobody);
        }),
        ("answers 403 without a session", |rt| rt.set_up(|set_up| set_up.login_page = false)),
        ("answers 503 without a session", |rt| rt.keep(Op::LogIn, answer(503))),
        ("does not take the session that its login page gave", |rt| {
            rt.keep(Op::LogIn, Fault::Instead(recorded("log-in")));
        }),
    ];
    for (why, change) in cases {
        let rt = FakeRt::start();
        change(&rt);
        assert_by_password(&rt, &client_for(&rt, &[]), why).await;
    }
}

#[tokio::test]
async fn a_session_works_whoever_rt_takes_unsafe_requests_from() {
    let set_ups: [Change; 3] = [
        |set_up| set_up.unsafe_from = Unsafe::Anybody,
        |set_up| set_up.login_from_itself = true,
        // Its queues are not shown, so RTIR_URL is what its own address may be.
        |set_up| (set_up.see_queue, set_up.unsafe_from) = (false, Unsafe::Anybody),
    ];
    for change in set_ups {
        let rt = FakeRt::start();
        rt.set_up(change);
        let client = client_for(&rt, &[]);
        make(&client, "alert-1").await.unwrap();
        assert!(rt.asked(Op::Create)[0].header("cookie").is_some());
    }
}

#[tokio::test]
async fn an_rt_that_begins_to_refuse_a_session_is_asked_another_way_in_the_same_request() {
    let rt = FakeRt::start();
    rt.set_up(|set_up| set_up.unsafe_from = Unsafe::Anybody);
    let client = client_for(&rt, &[]);
    make(&client, "alert-1").await.unwrap();
    rt.set_up(|set_up| set_up.unsafe_from = Unsafe::Nobody);
    make(&client, "alert-2").await.expect("by the password");
    assert_eq!((rt.count(Op::Create), rt.tickets().len()), (3, 2), "refused once, and done once");
    assert_one_pass_each(&rt);
}

#[tokio::test]
async fn a_missing_right_is_told_from_a_session_that_rt_refuses() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    make(&client, "alert-1").await.unwrap();
    rt.set_up(|set_up| set_up.create_ticket = false);
    let error = client.create(&new_ticket("alert-2")).await.unwrap_err();
    assert_eq!((error.class(), error.diagnosis().trouble), (Class::Doubtful, Some(Trouble::MissingPermission)));
    assert_eq!((rt.count(Op::LogIn), rt.count(Op::Create)), (1, 2), "the session goes on");
}

#[tokio::test]
async fn a_front_that_keeps_the_password_for_itself_lets_sessions_work() {
    let rt = FakeRt::start();
    rt.set_up(|set_up| set_up.basic = false);
    let client = client_for(&rt, &[]);
    make(&client, "alert-1").await.expect("by a session, whose origin it has learnt by itself");
    assert_one_pass_each(&rt);
}

#[tokio::test]
async fn queues_behind_many_that_may_not_be_seen_are_known() {
    let rt = FakeRt::start();
    rt.set_up(|set_up| set_up.unseen_queues = 250);
    let client = client_for(&rt, &[("RTIR_QUEUE", "CSIRT/Reports")]);
    client.probe().await.unwrap();
    assert_eq!(client.site().await.unwrap().queue_names().count(), 3);
}

#[tokio::test]
async fn a_403_of_a_firewall_is_no_missing_right_whatever_was_asked_for() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    make(&client, "alert-1").await.unwrap();
    let blocked = || Fault::Instead(Answer::html(403, "<h1>Blocked</h1>"));
    rt.play(Op::Queue, blocked());
    assert_eq!(client.probe().await.unwrap_err().diagnosis().trouble, Some(Trouble::ProxyOrFirewall));
    let second = rt.add(Some("alert-1"));
    rt.play(Op::Update, blocked());
    let error = verified(&client, TicketId(second), "alert-1").await.unwrap_err();
    assert_eq!((error.class(), error.diagnosis().trouble), (Class::Sink, Some(Trouble::ProxyOrFirewall)));
    assert_eq!(verified(&client, TicketId(second), "alert-1").await.unwrap(), kept(1, true));
}

#[tokio::test]
async fn a_queue_with_a_slash_in_its_name_goes_by_its_number() {
    let rt = FakeRt::start();
    client_for(&rt, &[("RTIR_QUEUE", "csirt/REPORTS")]).probe().await.unwrap();
    assert_eq!(rt.asked(Op::Queue)[0].target, "/REST/2.0/queue/5");
    let error = client_for(&rt, &[("RTIR_QUEUE", "CSIRT/Unknown")]).probe().await.unwrap_err();
    assert!(matches!(error, Error::RtQueue { flaw: QueueFlaw::NotVisible, .. }), "{error:?}");
}

#[tokio::test]
async fn a_second_field_of_the_name_hides_no_key() {
    let rt = FakeRt::start();
    rt.set_up(|set_up| set_up.second_field = true);
    let client = client_for(&rt, &[]);
    make(&client, "alert-1").await.expect("the key stands in the other field");
    assert_eq!(find(&client, "alert-1").await, Some(found(1)));
    assert_eq!(client.survey().await.unwrap().field_flaw, Some(Flaw::FieldTwice));
}

#[tokio::test]
async fn a_field_that_takes_no_key_is_named_with_what_is_wrong_with_it() {
    let cases: [(Change, Flaw); 3] = [
        (|set_up| set_up.field_pattern = "^[0-9]+$", Flaw::FieldPattern),
        (|set_up| set_up.field_type = "Select", Flaw::FieldType),
        (|set_up| set_up.modify_custom_field = false, Flaw::FieldNotWritten),
    ];
    for (change, expected) in cases {
        let rt = FakeRt::start();
        rt.set_up(change);
        let client = client_for(&rt, &[]);
        let error = make(&client, "alert-1").await.unwrap_err();
        assert!(matches!(error, Error::Unproven { flaw, .. } if flaw == expected), "{error:?}");
        let seen = client.survey().await.unwrap().field_flaw;
        assert_eq!(seen, Some(expected).filter(|flaw| *flaw != Flaw::FieldNotWritten));
    }
    let rt = FakeRt::start();
    rt.set_up(|set_up| set_up.field_pattern = "(?#Mandatory).");
    assert_eq!(client_for(&rt, &[]).survey().await.unwrap().field_flaw, None, "any key matches it");
}

#[tokio::test]
async fn what_rt_stored_of_the_requestors_is_told_as_far_as_it_is_shown() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    let requestors = ["ada@water.example", "dropped@water.example"].map(|text| EmailAddress::parse(text).unwrap());
    let ticket = NewTicket { requestors: requestors.to_vec(), ..new_ticket("alert-1") };
    client.create(&ticket).await.unwrap();
    let requestors = async || client.search(&ticket.key).await.unwrap()[0].requestors.clone();
    assert_eq!(requestors().await.as_deref(), Some(&["ada@water.example".to_owned()][..]));
    rt.set_up(|set_up| set_up.see_addresses = false);
    assert_eq!(requestors().await, None, "not shown is not missing");
}

#[tokio::test]
async fn a_fault_while_logging_in_is_no_wrong_password() {
    let faults = [answer(500), answer(503), Fault::CutBefore, Fault::Bytes(b"\x00\x01\x02\r\n\r\n"), Fault::Endless];
    for fault in faults {
        for op in [Op::Queues, Op::LogIn, Op::Fields] {
            if op != Op::Queues && matches!(fault, Fault::Instead(_)) {
                continue; // goes on with the password in each request
            }
            let rt = FakeRt::start();
            let client = client_for(&rt, &[]);
            rt.keep(op, fault.clone());
            let error = client.create(&new_ticket("alert-1")).await.unwrap_err();
            assert_eq!(error.class(), Class::Sink, "{op:?} {fault:?}: {error:?}");
            rt.well();
            client.create(&new_ticket("alert-1")).await.unwrap();
            assert_eq!(rt.tickets().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_password_file_is_read_again_on_each_login() {
    let file = std::env::temp_dir().join(format!("rtir-relay-password-{}", std::process::id()));
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let rt = FakeRt::start();
    let client = client_for(&rt, &[("RTIR_PASSWORD", ""), ("RTIR_PASSWORD_FILE", file.to_str().unwrap())]);
    client.probe().await.unwrap();
    rt.change_password("another");
    client.probe().await.expect("RT honours a session after the password was changed");
    rt.forget_sessions();
    assert_eq!(client.probe().await.unwrap_err().class(), Class::SetUp);
    std::fs::write(&file, "another\n").unwrap();
    client.probe().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    rt.forget_sessions();
    let error = client.probe().await.unwrap_err();
    assert!(matches!(error, Error::Secret(_)), "{error:?}");
    assert_eq!(error.class(), Class::Sink);
}

#[tokio::test]
async fn a_token_goes_with_each_request_and_needs_no_login() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &BY_TOKEN);
    client.probe().await.unwrap();
    make(&client, "alert-1").await.unwrap();
    client.log_out().await;
    assert_eq!((rt.count(Op::LogIn), rt.count(Op::LogOut)), (0, 0));
    let scheme = format!("token {TOKEN}");
    assert!(rt.requests().iter().all(|request| request.header("authorization") == Some(&scheme)));
    assert_one_pass_each(&rt);
}

#[tokio::test]
async fn a_token_file_is_read_again_when_rt_refuses_it() {
    let file = std::env::temp_dir().join(format!("rtir-relay-token-{}", std::process::id()));
    std::fs::write(&file, "1-9-old").unwrap();
    let rt = FakeRt::start();
    let settings = [("RTIR_USERNAME", ""), ("RTIR_PASSWORD", ""), ("RTIR_TOKEN_FILE", file.to_str().unwrap())];
    let client = client_for(&rt, &settings);
    let error = client.probe().await.unwrap_err();
    assert!(matches!(error, Error::Credentials(_)), "{error:?}");
    assert_eq!(rt.ops(), [Op::Queues]);
    std::fs::write(&file, TOKEN).unwrap();
    client.probe().await.unwrap();
    std::fs::remove_file(&file).unwrap();
}

// --- connections

#[tokio::test]
async fn connections_are_closed_unless_told_otherwise() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    client.probe().await.unwrap();
    client.probe().await.unwrap();
    assert_eq!(rt.connections(), rt.requests().len());
    assert!(rt.requests().iter().all(|request| request.header("connection") == Some("close")));

    let rt = FakeRt::start();
    let client = client_for(&rt, &[("RTIR_KEEP_ALIVE", "true")]);
    client.probe().await.unwrap();
    client.probe().await.unwrap();
    assert_eq!(rt.connections(), 1);
}

#[tokio::test]
async fn no_redirect_is_followed() {
    for http_status in [301, 302, 303, 307, 308] {
        let rt = FakeRt::start();
        let client = client_for(&rt, &BY_TOKEN);
        let elsewhere = Answer::html(http_status, "").with_header("Location", &format!("{}/elsewhere", rt.url()));
        rt.keep(Op::Create, Fault::Instead(elsewhere));
        assert_eq!(client.create(&new_ticket("alert-1")).await.unwrap_err().class(), Class::Sink);
        assert_eq!(rt.count(Op::Other), 0, "{http_status}");
    }
}

#[tokio::test]
async fn an_answer_of_a_mebibyte_is_read_and_a_larger_one_is_not() {
    const MEBIBYTE: usize = 1024 * 1024;
    let rt = FakeRt::start();
    let client = client_for(&rt, &BY_TOKEN);
    for (bytes, fits) in [(MEBIBYTE, true), (MEBIBYTE + 1, false)] {
        let mut body = br#"{"items":[]}"#.to_vec();
        body.resize(bytes, b' ');
        rt.play(Op::Find, Fault::Instead(Answer { http_status: 200, headers: Vec::new(), body }));
        let found = client.search(&key("alert-1")).await;
        assert_eq!(found.is_ok(), fits, "{found:?}");
    }
    rt.play(Op::Create, Fault::Endless);
    let error = client.create(&new_ticket("alert-1")).await.unwrap_err();
    assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
    assert_eq!(error.class(), Class::Unknown);
}

#[tokio::test]
async fn every_request_ends_in_time() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[&BY_TOKEN[..], &[("RTIR_TIMEOUT", "200ms")]].concat());
    for fault in [Fault::FreezeBefore, Fault::FreezeAfter, Fault::Drip] {
        rt.keep(Op::Find, fault.clone());
        rt.keep(Op::Create, fault);
        let error = client.search(&key("alert-1")).await.unwrap_err();
        assert!(error.to_string().contains("no answer in time"), "{error}");
        assert_eq!(error.class(), Class::Sink);
        assert_eq!(client.create(&new_ticket("alert-1")).await.unwrap_err().class(), Class::Unknown);
        rt.well();
    }
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_is_unknown() {
    let lost = [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 80\r\n\r\n{\"id\""),
        Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"),
        Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n{\"id\":\"0\"}"),
        Fault::Bytes(b"HTTP/1.1 201 Created\r\nContent-Length: 12\r\n\r\n{\"id\":\"one\"}"),
        Fault::Bytes(b"not HTTP at all\r\n\r\n"),
        Fault::After(Answer::json(200, &json!({ "id": "1" }))),
        Fault::After(Answer::html(201, "<html>Created</html>")),
        Fault::After(Answer::html(502, "Bad Gateway")),
        Fault::After(Answer::html(504, "Gateway Timeout")),
    ];
    let rt = FakeRt::start();
    let client = client_for(&rt, &[]);
    for fault in lost {
        rt.play(Op::Create, fault.clone());
        let error = client.create(&new_ticket("alert-1")).await.unwrap_err();
        assert_eq!(error.class(), Class::Unknown, "{fault:?}: {error:?}");
    }
    assert_eq!(rt.count(Op::Create), 12, "none is repeated by the client itself");
}

#[tokio::test]
async fn a_create_that_no_rt_got_is_not_unknown() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &[&BY_TOKEN[..], &[("RTIR_URL", "http://127.0.0.1:1")]].concat());
    let error = client.create(&new_ticket("alert-1")).await.unwrap_err();
    assert!(matches!(error, Error::Transport { sent: false, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Sink);
}

#[tokio::test]
async fn rt_may_say_how_long_it_wants_to_be_left_alone() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &BY_TOKEN);
    let retry_after = async |text: &str| {
        rt.play(Op::Find, Fault::Instead(Answer::message(503, "busy").with_header("Retry-After", text)));
        client.search(&key("alert-1")).await.unwrap_err().retry_after()
    };
    assert_eq!(retry_after("90").await, Some(Duration::from_secs(90)));
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT").await, Some(Duration::ZERO));
    let far = retry_after("Fri, 01 Jan 2100 00:00:00 GMT").await.unwrap();
    assert!(far > Duration::from_hours(24 * 365), "{far:?}");
    assert_eq!(retry_after("soon").await, None);
}

// --- TLS and proxies

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_named_and_only_then() {
    let authority = Authority::new("rt-client");
    let file = &authority.file;
    let rt = FakeRt::start_with_tls(authority.certificate("localhost", LATER));
    client_for(&rt, &[("RTIR_CA_FILE", file.to_str().unwrap())]).probe().await.unwrap();

    let others = rt.requests().len();
    let error = client_for(&rt, &[]).create(&new_ticket("alert-1")).await.unwrap_err();
    assert!(matches!(error, Error::Transport { sent: false, .. }), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(rt.requests().len(), others, "nothing is sent to a server that is not trusted");

    let by_address = format!("https://127.0.0.1:{}", rt.port());
    let settings = [("RTIR_CA_FILE", file.to_str().unwrap()), ("RTIR_URL", &by_address)];
    assert!(client_for(&rt, &settings).probe().await.is_err(), "the certificate is made out to localhost");

    std::fs::write(file, "no certificate").unwrap();
    let settings = rt.config(&[("RTIR_CA_FILE", file.to_str().unwrap())]).rtir;
    assert!(matches!(Client::new(Arc::new(settings), Arc::new(Metrics::default())), Err(BuildError::CaFile(_))));
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_is_set() {
    // The scripted RT takes requests made to a proxy, too.
    let rt = FakeRt::start();
    let proxy = format!("http://relay:pr0xypassw0rd@127.0.0.1:{}", rt.port());
    let client = client_for(&rt, &[("RTIR_URL", "http://rt.invalid/base"), ("RTIR_PROXY", &proxy)]);
    client.probe().await.unwrap();
    let through: BTreeSet<_> = rt.requests().iter().map(|request: &Request| request.target.clone()).collect();
    assert!(through.contains("http://rt.invalid/base/REST/2.0/rt"), "{through:?}");
    assert!(rt.requests().iter().all(|request| request.header("proxy-authorization").is_some()));
}

// --- what an answer means

/// Section by section of what is promised: which answer to a create means what.
fn class_of_create(http_status: u16) -> Option<Class> {
    match http_status {
        201 => None,
        // An answer that is none of RT's, or one that was lost on the way.
        200..=299 | 502 | 504 => Some(Class::Unknown),
        406 | 409 | 413 | 415 | 422 => Some(Class::Refused),
        400 | 403 => Some(Class::Doubtful),
        401 => Some(Class::SetUp),
        _ => Some(Class::Sink),
    }
}

#[tokio::test]
async fn every_status_of_a_create_means_what_is_promised() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &BY_TOKEN);
    for http_status in 200..=599 {
        rt.keep(Op::Create, Fault::Instead(Answer::json(http_status, &json!({ "id": "7", "message": "no" }))));
        let created = client.create(&new_ticket("alert-1")).await;
        rt.well();
        match created {
            Ok(ticket) => assert_eq!((ticket, http_status), (TicketId(7), 201)),
            Err(error) => {
                assert_eq!(Some(error.class()), class_of_create(http_status), "{http_status}: {error:?}");
                let diagnosis = error.diagnosis();
                assert!(diagnosis.what.starts_with("creating the ticket"), "{diagnosis}");
                assert!(!diagnosis.why.is_empty() && !diagnosis.cure.is_empty(), "{diagnosis}");
            }
        }
    }
}

#[tokio::test]
async fn no_status_of_a_find_is_the_alerts_fault() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &BY_TOKEN);
    for http_status in 200..=599 {
        rt.keep(Op::Find, Fault::Instead(Answer::json(http_status, &json!({ "items": [] }))));
        let found = client.search(&key("alert-1")).await;
        rt.well();
        match found {
            Ok(found) => assert_eq!((found, http_status), (Vec::new(), 200)),
            Err(error) => {
                let expected = if http_status == 401 { Class::SetUp } else { Class::Sink };
                assert_eq!(error.class(), expected, "{http_status}: {error:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_words_of_a_refusal_decide_nothing_but_whose_they_are_does() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &BY_TOKEN);
    let words = [
        "Ticket could not be created due to an internal error",
        "Le ticket n'a pas pu être créé à cause d'une erreur interne",
        "Status 'new' isn't a valid status for tickets in this queue.",
        "New tickets can not have status 'new' in this queue.",
        "Could not create ticket. Queue not set",
        "JSON parse error: malformed UTF-8 character",
        "No permission to create tickets in the queue 'Incident Reports'",
        "",
    ];
    for http_status in [400, 403] {
        for message in words {
            rt.play(Op::Create, Fault::Instead(Answer::message(http_status, message)));
            let error = client.create(&new_ticket("alert-1")).await.unwrap_err();
            assert_eq!(error.class(), Class::Doubtful, "{message}");
            assert_eq!(error.answer().unwrap().message, message);
        }
        // Who stands in front of RT says it in a way of their own.
        let others =
            ["<html>Forbidden</html>", "", "{}", "[]", r#"{"error":"blocked"}"#, r#"{"message":7}"#, "Forbidden"];
        for body in others {
            let answer = Answer { http_status, headers: Vec::new(), body: body.into() };
            rt.play(Op::Create, Fault::Instead(answer));
            let error = client.create(&new_ticket("alert-1")).await.unwrap_err();
            assert_eq!(error.class(), Class::Sink, "{body}");
            if http_status == 403 {
                assert_eq!(error.diagnosis().trouble, Some(Trouble::ProxyOrFirewall), "{body}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_of_another_site_is_no_answer_of_rt() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &BY_TOKEN);
    let bodies: [&str; 8] = [
        "<html>Welcome</html>",
        "",
        "[]",
        "[[]]",
        "null",
        r#"{"items":{}}"#,
        r#"{"items":[{"id":"1"}]}"#,
        r#"{"items":[["1","1","S",[{"name":"Alert ID","values":["alert-1"]}]]]}"#,
    ];
    for body in bodies {
        rt.play(Op::Find, Fault::Instead(Answer::html(200, body)));
        let found = client.search(&key("alert-1")).await;
        assert!(matches!(found, Err(Error::Answer { .. })), "{body}: {found:?}");
    }
    rt.play(Op::Rt, Fault::Instead(Answer::html(200, bodies[0])));
    assert_eq!(client.probe().await.unwrap_err().class(), Class::Sink);
}

#[tokio::test]
async fn html_in_an_error_is_shown_as_text_of_bounded_length() {
    let rt = FakeRt::start();
    let client = client_for(&rt, &BY_TOKEN);
    let page = format!("<html><h1>Request  <b>refused</b></h1>\n{}</html>", "é".repeat(4000));
    rt.play(Op::Create, Fault::Instead(Answer::html(422, &page)));
    let error = client.create(&new_ticket("alert-1")).await.unwrap_err();
    let message = &error.answer().unwrap().message;
    assert!(message.starts_with("Request refused éé") && message.len() <= 2048, "{message}");
}
