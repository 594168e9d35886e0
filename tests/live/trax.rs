//! Tickets of high severity are handed over to trax, each once: with a real RT and a scripted postbox.

use serde_json::{Value, json};

use crate::support::alerts;
use crate::support::eventually::eventually;
use crate::support::health::{address, get};
use crate::support::http::Answer;
use crate::support::lab::Scene;
use crate::support::link::Link;
use crate::support::postbox::{Fault, Postbox, TOKEN};
use crate::support::relay_process::{RelayProcess, run};
use crate::support::rt::RtServer;

/// A scene with the fields, a postbox, and what the relay is given for both.
pub struct House {
    pub scene: Scene,
    pub postbox: Postbox,
    pub environment: Vec<(String, String)>,
}

impl House {
    pub async fn new(what: &str, others: &[(&str, &str)]) -> Self {
        Self::with(what, Postbox::start(), others).await
    }

    pub async fn with(what: &str, postbox: Postbox, others: &[(&str, &str)]) -> Self {
        let scene = Scene::for_trax(what).await;
        let mut environment = scene.environment(&[("HTTP_LISTEN", "127.0.0.1:0")]);
        environment.extend(postbox.environment());
        environment.extend(others.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { scene, postbox, environment }
    }

    pub async fn relay(&self) -> RelayProcess {
        let relay = RelayProcess::start(&self.environment);
        relay.logs("consuming queue").await;
        relay
    }

    /// Publishes a small alert of this severity.
    pub async fn publish(&self, id: &str, severity: &str) {
        let mut alert = alerts::ssl(id);
        alert["severity"] = json!(severity);
        self.scene.publish_alert(&alert).await;
    }

    /// The ticket of the alert `id`, once it is there.
    pub async fn ticket(&self, id: &str) -> u64 {
        let query = format!("Queue = '{}' AND 'CF.{{Alert ID}}' = '{id}'", self.scene.name);
        eventually(&format!("the ticket of {id}"), async || Some(self.scene.rt.search(&query).await.first()?.id)).await
    }

    /// Waits until every ticket of the queue that `query` finds is marked.
    pub async fn all_are_marked(&self, query: &str) {
        let unmarked = format!("Queue = '{}' AND 'CF.{{Reported}}' IS NULL AND {query}", self.scene.name);
        eventually(&format!("Reported is set where {query}"), async || {
            self.scene.rt.search(&unmarked).await.is_empty().then_some(())
        })
        .await;
    }

    /// A field of a ticket.
    pub async fn field(&self, ticket: u64, name: &str) -> Vec<Value> {
        let shown = self.scene.rt.get(&format!("ticket/{ticket}")).await;
        let fields = shown["CustomFields"].as_array().unwrap_or_else(|| panic!("{shown}")).clone();
        let field = fields.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("{shown}"));
        field["values"].as_array().unwrap().clone()
    }

    /// A person sets something on a ticket.
    pub async fn set(&self, ticket: u64, what: &Value) {
        let history = format!("ticket/{ticket}/history?per_page=100");
        let before = self.scene.rt.get(&history).await["count"].as_u64();
        let said = self.scene.rt.put(ticket, what).await;
        // What RT says of it is in its language.
        assert!(self.scene.rt.get(&history).await["count"].as_u64() > before, "{said}");
    }

    /// The comments on a ticket, as text.
    pub async fn comments(&self, ticket: u64) -> Vec<String> {
        let path = format!("ticket/{ticket}/history?fields=Type,Data&per_page=100");
        let history = self.scene.rt.get(&path).await;
        let items = history["items"].as_array().unwrap_or_else(|| panic!("{history}")).clone();
        let comments = items.iter().filter(|item| item["Type"] == "Comment");
        comments.map(|item| item["Data"].as_str().unwrap_or_default().trim().to_owned()).collect()
    }

    /// Runs a command; stdout of one that ends with `code`.
    pub fn command(&self, arguments: &[&str], code: i32) -> String {
        let (status, stdout, stderr) = run(&self.environment, arguments, b"");
        assert_eq!(status, Some(code), "{arguments:?}: {stdout}{stderr}");
        self.assert_no_secret(&(stdout.clone() + &stderr));
        stdout
    }

    pub fn assert_no_secret(&self, output: &str) {
        self.scene.assert_no_secret(output);
        assert!(!output.contains(TOKEN), "the token stands in:\n{output}");
    }

    /// Stops `relay`, looks at what it left behind, and at what the postbox saw.
    pub async fn close(self, relay: RelayProcess) {
        let log = self.scene.stop(relay).await;
        self.assert_no_secret(&log);
        self.postbox.assert_all_well_formed();
        self.scene.close().await;
    }
}

#[tokio::test]
async fn tickets_from_the_priority_on_are_handed_over_once_with_all_attributes() {
    let house = House::new("trax", &[]).await;
    let relay = house.relay().await;
    for (id, severity) in [("a-low", "low"), ("a-medium", "medium"), ("a-high", "high"), ("a-critical", "critical")] {
        house.publish(id, severity).await;
    }
    let (high, critical) = (house.ticket("a-high").await, house.ticket("a-critical").await);
    house.all_are_marked("Priority >= 60").await;
    house.postbox.has(&[high.min(critical), high.max(critical)]).await;

    let record = house.postbox.taken().into_iter().find(|record| record.id == high).unwrap();
    let [(_, _, content)] = house.scene.rt.first_message(high).await.try_into().unwrap();
    let expected = json!({
        "name": "SSL problem: https://www.water.example",
        "description": content,
        "source": "6",
        "classification": "3",
        "contact": "ada@water.example",
        "issue_url": format!("{}/Ticket/Display.html?id={high}", house.scene.rt.url()),
    });
    assert_eq!(record.attributes, expected);
    let low = house.ticket("a-low").await;
    assert_eq!(house.field(low, "Reported").await, Vec::<Value>::new());

    // Once marked, nothing makes it go again but an emptied field.
    let before = house.postbox.requests();
    house.publish("a-later", "high").await;
    let later = house.ticket("a-later").await;
    house.all_are_marked("Priority >= 60").await;
    assert_eq!(house.postbox.requests(), before + 1);
    house.set(high, &json!({ "CustomFields": { "Reported": "" } })).await;
    eventually("the ticket goes again", async || (house.postbox.times()[&high] == 2).then_some(())).await;
    assert_eq!(house.postbox.times(), [(high, 2), (critical, 1), (later, 1)].into());
    house.close(relay).await;
}

#[tokio::test]
async fn what_people_make_or_raise_is_handed_over_and_what_they_reject_is_not() {
    let house = House::new("trax-people", &[]).await;
    let relay = house.relay().await;
    house.publish("raised", "low").await;
    let raised = house.ticket("raised").await;
    house.set(raised, &json!({ "Priority": 80 })).await;
    // Below the condition until it is rejected.
    let rejected = house.scene.rt.create(&json!({ "Subject": "Rejected", "Priority": 10 })).await;
    house.set(rejected, &json!({ "Status": "rejected" })).await;
    house.set(rejected, &json!({ "Priority": 90 })).await;
    let by_hand = house.scene.rt.create(&json!({ "Subject": "By hand", "Priority": 70 })).await;
    house.postbox.has(&[raised, by_hand]).await;
    house.all_are_marked("Priority >= 60 AND Status != 'rejected'").await;
    assert_eq!(house.field(rejected, "Reported").await, Vec::<Value>::new());
    let record = house.postbox.taken().into_iter().find(|record| record.id == by_hand).unwrap();
    assert_eq!((&record.attributes["name"], &record.attributes["contact"]), (&json!("By hand"), &json!("")));
    house.close(relay).await;
}

#[tokio::test]
async fn with_a_release_field_nothing_goes_before_a_person_sets_it() {
    let house = House::new("trax-release", &[("TRAX_RELEASE_FIELD", "Hand over")]).await;
    let relay = house.relay().await;
    for id in ["held", "released"] {
        house.publish(id, "critical").await;
    }
    let (held, released) = (house.ticket("held").await, house.ticket("released").await);
    house.set(released, &json!({ "CustomFields": { "Hand over": "yes" } })).await;
    house.postbox.has(&[released]).await;
    house.all_are_marked(&format!("id = {released}")).await;
    assert_eq!(house.field(held, "Reported").await, Vec::<Value>::new());
    assert_eq!(house.command(&["trax", "pending"], 0), "", "what is not released does not wait");
    house.close(relay).await;
}

#[tokio::test]
async fn a_refused_ticket_says_so_once_and_goes_again_when_it_changes_or_is_wanted() {
    let house = House::new("trax-refused", &[]).await;
    house.postbox.suffers(Fault::Instead(Answer::message(422, "classification 3 is unknown")));
    let relay = house.relay().await;
    house.publish("refused", "high").await;
    let ticket = house.ticket("refused").await;
    relay.logs("trax refuses ticket").await;
    eventually("the comment", async || (house.comments(ticket).await.len() == 1).then_some(())).await;
    assert_eq!(house.comments(ticket).await, ["rtir-relay: refused by trax"]);
    let pending = house.command(&["trax", "pending", "--json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&pending).unwrap()["refused"], true, "{pending}");

    // Another round passes it by, and a restart does: what it knows stands on the ticket.
    house.publish("other", "high").await;
    let other = house.ticket("other").await;
    eventually("the other is refused", async || (house.comments(other).await.len() == 1).then_some(())).await;
    house.scene.stop(relay).await;
    let relay = house.relay().await;
    house.postbox.suffers_with(other, Fault::Instead(Answer::message(422, "still unknown")));
    house.set(other, &json!({ "Subject": "Changed" })).await;
    eventually("it is posted again", async || (house.comments(other).await.len() == 2).then_some(())).await;
    assert_eq!(house.postbox.requests(), 3);

    house.postbox.well();
    house.set(ticket, &json!({ "Subject": "Changed, too" })).await;
    house.postbox.has(&[ticket]).await;
    house.command(&["trax", "retry"], 0);
    house.postbox.has(&[ticket, other]).await;
    house.all_are_marked("id > 0").await;
    assert_eq!(house.comments(ticket).await.len(), 1);
    house.close(relay).await;
}

#[tokio::test]
async fn one_bad_record_holds_up_no_other() {
    let house = House::new("trax-poison", &[]).await;
    let relay = house.relay().await;
    house.postbox.suffers(Fault::Instead(Answer::message(500, "oops")));
    for id in ["poison", "good-1", "good-2"] {
        house.publish(id, "high").await;
        house.ticket(id).await;
    }
    let [poison, first, second] =
        [house.ticket("poison").await, house.ticket("good-1").await, house.ticket("good-2").await];
    house.postbox.is_asked(1).await;
    house.postbox.suffers_with(poison, Fault::Hang);
    let ready = eventually("/readyz tells", async || {
        let ready = get(address(&relay).await, "/readyz").await.json();
        (ready["trax"]["ok"] == false).then_some(ready)
    });
    assert_eq!(ready.await["state"], "consuming");
    house.postbox.well();
    house.postbox.suffers_with(poison, Fault::Instead(Answer::message(500, "oops")));
    house.postbox.has(&[first, second]).await;
    house.all_are_marked(&format!("id != {poison}")).await;
    house.postbox.well();
    house.all_are_marked("id > 0").await;
    house.close(relay).await;
}

#[tokio::test]
async fn bad_records_hold_up_neither_others_nor_each_other() {
    const BAD: usize = 7;
    let house = House::new("trax-bad", &[]).await;
    house.postbox.suffers(Fault::Instead(Answer::message(500, "oops")));
    let relay = house.relay().await;
    for number in 0..BAD {
        house.publish(&format!("bad-{number}"), "high").await;
    }
    let bad: Vec<_> = house.scene.tickets(BAD).await.into_iter().map(|ticket| ticket.id).collect();
    // More than are tried in a row, each in its turn.
    house.postbox.is_asked(BAD + 3).await;
    let (mends, stays_bad) = bad.split_last().unwrap();
    house.postbox.well();
    for ticket in stays_bad {
        house.postbox.suffers_with(*ticket, Fault::Instead(Answer::message(500, "oops")));
    }
    house.publish("good", "high").await;
    let good = house.ticket("good").await;
    house.postbox.has(&[*mends, good]).await;
    house.postbox.well();
    house.all_are_marked("id > 0").await;
    assert!(house.postbox.times().into_values().all(|times| times == 1));
    house.close(relay).await;
}

#[tokio::test]
async fn an_operator_sends_one_ticket_whether_a_relay_runs_or_not() {
    let house = House::new("trax-send", &[]).await;
    let relay = house.relay().await;
    for id in ["low-1", "low-2"] {
        house.publish(id, "low").await;
    }
    let [first, second] = [house.ticket("low-1").await, house.ticket("low-2").await];
    let said = house.command(&["trax", "send", &first.to_string()], 0);
    assert_eq!(said, format!("ticket {first} is handed over\n"));
    let again = house.command(&["trax", "send", &first.to_string()], 1);
    assert!(again.contains("is not handed over: it was handed over"), "{again}");
    house.scene.stop(relay).await;
    house.command(&["trax", "send", &second.to_string()], 0);
    house.postbox.has(&[first, second]).await;
    house.all_are_marked("id > 0").await;
    let relay = house.relay().await;
    house.close(relay).await;
}

#[tokio::test]
async fn what_trax_has_taken_and_cannot_be_marked_is_marked_later_and_not_posted_twice() {
    let house = House::new("trax-unmarked", &[]).await;
    let relay = house.relay().await;
    let name = house.scene.name.clone();
    RtServer::shared().admin(&["revoke-field", &name, "ModifyCustomField", "Reported"]);
    for id in ["one", "two"] {
        house.publish(id, "high").await;
    }
    relay.logs("and marking it failed").await;
    let [one, two] = [house.ticket("one").await, house.ticket("two").await];
    assert_eq!(house.postbox.times().len(), 1, "a wrong set-up costs one record");
    RtServer::shared().admin(&["grant-field", &name, "ModifyCustomField", "Reported"]);
    house.all_are_marked("id > 0").await;
    assert_eq!(house.postbox.times(), [(one, 1), (two, 1)].into());
    house.close(relay).await;
}

#[tokio::test]
async fn without_the_field_nothing_is_posted_and_the_cure_is_named() {
    let house = House::new("trax-fieldless", &[]).await;
    let relay = house.relay().await;
    let name = house.scene.name.clone();
    RtServer::shared().admin(&["revoke-field", &name, "SeeCustomField", "Reported"]);
    house.publish("unseen", "high").await;
    let ticket = house.ticket("unseen").await;
    relay.logs("the right SeeCustomField on it is missing").await;
    assert_eq!(house.postbox.requests(), 0);
    let checked = house.command(&["check"], 1);
    assert!(checked.contains("FAIL            RT field for trax"), "{checked}");
    RtServer::shared().admin(&["grant-field", &name, "SeeCustomField", "Reported"]);
    house.postbox.has(&[ticket]).await;
    house.all_are_marked("id > 0").await;
    house.command(&["check"], 0);
    house.close(relay).await;
}

#[tokio::test]
async fn two_relays_side_by_side_repeat_nothing() {
    const ALERTS: usize = 30;
    let house = House::new("trax-two", &[]).await;
    let relays = [house.relay().await, house.relay().await];
    for number in 0..ALERTS {
        house.publish(&format!("alert-{number}"), "high").await;
    }
    house.scene.tickets(ALERTS).await;
    house.all_are_marked("id > 0").await;
    let handing_over = relays.iter().filter(|relay| relay.count("this relay hands over to trax") > 0).count();
    assert_eq!(handing_over, 1);
    for relay in &relays {
        assert_eq!(relay.count("for lease succeeded"), 1, "whoever waits looks again over one connection");
    }
    assert!(house.postbox.times().into_values().all(|times| times == 1));
    assert_eq!(house.postbox.taken().len(), ALERTS);

    // When the one stops, the other takes over.
    let [first, second] = relays;
    let (stopped, left) =
        if first.count("this relay hands over to trax") > 0 { (first, second) } else { (second, first) };
    house.scene.stop(stopped).await;
    left.logs("this relay hands over to trax").await;
    house.publish("after", "high").await;
    let after = house.ticket("after").await;
    eventually("the last", async || house.postbox.times().contains_key(&after).then_some(())).await;
    house.all_are_marked("id > 0").await;
    assert_eq!(house.postbox.taken().len(), ALERTS + 1);
    house.close(left).await;
}

#[tokio::test]
async fn while_trax_is_down_alerts_become_tickets_and_all_go_afterwards() {
    const ALERTS: usize = 25;
    let house = House::new("trax-down", &[]).await;
    house.postbox.suffers(Fault::Hang);
    let relay = house.relay().await;
    for number in 0..ALERTS {
        house.publish(&format!("alert-{number}"), "high").await;
    }
    let tickets = house.scene.tickets(ALERTS).await;
    relay.logs("tickets for trax wait").await;
    eventually("all are settled", async || (relay.count("\"outcome\":\"created\"") == ALERTS).then_some(())).await;
    house.scene.assert_queue_empty().await;
    house.scene.dead_letters(0).await;
    let ready = eventually("all wait", async || {
        let ready = get(address(&relay).await, "/readyz").await.json();
        (ready["trax"]["pending"] == ALERTS).then_some(ready)
    });
    let ready = ready.await;
    assert_eq!((&ready["state"], &ready["trax"]["ok"]), (&json!("consuming"), &json!(false)));
    assert_eq!(house.postbox.taken(), []);

    house.postbox.well();
    house.all_are_marked("id > 0").await;
    assert_eq!(house.postbox.times(), tickets.iter().map(|ticket| (ticket.id, 1)).collect());
    house.close(relay).await;
}

#[tokio::test]
async fn a_relay_that_loses_the_lease_in_the_middle_of_a_post_has_time_to_mark() {
    // The other relay has to get the lease before the post times out.
    let house = House::new("trax-lease", &[("TRAX_TIMEOUT", "12s"), ("RTIR_TIMEOUT", "3s")]).await;
    let link = Link::to(house.scene.url()).await;
    let mut by_link = house.environment.clone();
    by_link.push(("AMQP_URL".to_owned(), link.url(house.scene.url())));
    let first = RelayProcess::start(&by_link);
    first.logs("this relay hands over to trax").await;
    // Its queue is bound before the other finds it there.
    first.logs("consuming queue").await;
    let second = house.relay().await;
    house.postbox.suffers(Fault::AnswerLate);
    house.publish("held", "high").await;
    house.postbox.takes(1).await;

    link.down();
    second.logs("this relay hands over to trax").await;
    // Time enough to post it again.
    house.publish("meanwhile", "low").await;
    house.ticket("meanwhile").await;
    house.postbox.well();
    house.all_are_marked("Priority >= 60").await;
    // A round of the second has passed the ticket by.
    house.publish("next", "high").await;
    let [held, next] = [house.ticket("held").await, house.ticket("next").await];
    house.postbox.has(&[held, next]).await;
    house.all_are_marked("Priority >= 60").await;
    assert_eq!(house.postbox.times(), [(held, 1), (next, 1)].into());
    drop(first);
    house.close(second).await;
}
