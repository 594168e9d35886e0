//! Tickets that are not like those of alerts are handed over all the same, and hold up no other.

use serde_json::{Value, json};

use crate::support::eventually::eventually;
use crate::support::health::{address, get};
use crate::support::http::Answer;
use crate::support::postbox::Fault;
use crate::trax::House;

impl House {
    /// What trax was given as the description of a ticket.
    fn description(&self, ticket: u64) -> String {
        let record = self.postbox.taken().into_iter().find(|record| record.id == ticket).expect("it was taken");
        record.attributes["description"].as_str().unwrap().to_owned()
    }

    /// A ticket that a person makes, of which trax hears nothing yet.
    async fn low(&self, ticket: &Value) -> u64 {
        let mut ticket = ticket.clone();
        ticket["Priority"] = json!(10);
        self.scene.rt.create(&ticket).await
    }

    async fn raise(&self, ticket: u64) {
        self.set(ticket, &json!({ "Priority": 80 })).await;
    }

    fn refuses(&self) {
        self.postbox.suffers(Fault::Instead(Answer::message(422, "classification 3 is unknown")));
    }

    /// Waits until `ticket` says so often that trax refuses it.
    async fn is_refused(&self, ticket: u64, times: usize) {
        eventually("the comment of the refusal", async || {
            let comments = self.comments(ticket).await;
            let refused = comments.iter().filter(|subject| *subject == "rtir-relay: refused by trax").count();
            assert!(refused <= times, "{comments:?}");
            (refused == times).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn the_description_is_what_the_ticket_was_made_with_and_nothing_later() {
    let house = House::new("trax-message", &[]).await;
    let html = json!({ "Subject": "HTML", "Content": "<p>Defaced &amp; down</p>", "ContentType": "text/html" });
    let html = house.low(&html).await;
    let none = house.low(&json!({ "Subject": "No message" })).await;
    let text = house.low(&json!({ "Subject": "Text", "Content": "Ça a changé", "ContentType": "text/plain" })).await;
    for ticket in [html, none, text] {
        house.scene.rt.comment(ticket, "Between us", "The organisation need not know").await;
        house.raise(ticket).await;
    }
    let relay = house.relay().await;
    house.postbox.has(&[html, none, text]).await;
    assert_eq!(house.description(html), "<p>Defaced &amp; down</p>");
    assert_eq!(house.description(none), "");
    assert_eq!(house.description(text), "Ça a changé");
    house.all_are_marked("id > 0").await;
    house.close(relay).await;
}

#[tokio::test]
async fn a_ticket_with_a_huge_message_goes_without_it() {
    let house = House::new("trax-huge", &[]).await;
    let huge = json!({ "Subject": "Huge", "Content": "long ".repeat(400_000), "ContentType": "text/plain" });
    let huge = house.low(&huge).await;
    house.raise(huge).await;
    let relay = house.relay().await;
    house.publish("other", "high").await;
    let other = house.ticket("other").await;
    house.postbox.has(&[huge, other]).await;
    house.all_are_marked("id > 0").await;
    assert!(house.description(huge).contains("too large to be handed over. It stands in RT"));
    house.close(relay).await;
}

#[tokio::test]
async fn a_ticket_that_is_merged_while_it_is_posted_leaves_the_other_to_go_by_itself() {
    let house = House::new("trax-merged", &[("TRAX_TIMEOUT", "10s")]).await;
    let relay = house.relay().await;
    house.postbox.suffers(Fault::AnswerLate);
    house.publish("merged", "high").await;
    let merged = house.ticket("merged").await;
    let stays = house.low(&json!({ "Subject": "Stays" })).await;
    house.postbox.has(&[merged]).await;
    let said = house.scene.rt.put(merged, &json!({ "MergeInto": stays })).await;
    let found = house.scene.rt.search(&format!("EffectiveId = {stays} AND id = {merged}")).await;
    assert_eq!(found.len(), 1, "{said}");
    house.postbox.well();
    relay.logs(&format!("ticket {merged} is handed over to trax, and merged into {stays} meanwhile")).await;
    assert_eq!(house.field(stays, "Reported").await, Vec::<Value>::new());
    house.raise(stays).await;
    house.postbox.has(&[merged, stays]).await;
    house.all_are_marked("id > 0").await;
    assert!(house.postbox.times().into_values().all(|times| times == 1));
    house.close(relay).await;
}

#[tokio::test]
async fn a_ticket_that_is_moved_where_it_cannot_be_marked_holds_up_no_other() {
    let house = House::new("trax-moved", &[("TRAX_TIMEOUT", "10s")]).await;
    let (name, elsewhere) = (house.scene.name.clone(), format!("{}-elsewhere", house.scene.name));
    house.scene.rt.admin(&["fixture", &elsewhere]);
    house.scene.rt.admin(&["grant", &name, "ShowTicket", &elsewhere]);
    let relay = house.relay().await;
    house.postbox.suffers(Fault::AnswerLate);
    house.publish("moved", "high").await;
    let moved = house.ticket("moved").await;
    house.postbox.has(&[moved]).await;
    house.set(moved, &json!({ "Queue": elsewhere })).await;
    house.postbox.well();
    relay.logs(&format!("trax has ticket {moved}, which was moved to an RT queue without Reported")).await;
    house.publish("other", "high").await;
    let other = house.ticket("other").await;
    house.postbox.has(&[moved, other]).await;
    house.all_are_marked("id > 0").await;
    assert!(house.postbox.times().into_values().all(|times| times == 1));
    house.close(relay).await;
}

#[tokio::test]
async fn a_duplicate_of_an_alert_is_not_handed_over_and_not_touched() {
    let house = House::new("trax-duplicate", &[]).await;
    let relay = house.relay().await;
    let alert = json!({ "Subject": "Twice", "CustomFields": { "Alert ID": format!("{}-twice", house.scene.name) } });
    let (first, duplicate) = (house.low(&alert).await, house.low(&alert).await);
    house.raise(duplicate).await;
    house.raise(first).await;
    house.postbox.has(&[first]).await;
    house.all_are_marked(&format!("id = {first}")).await;
    // A later round has passed it over, too.
    let other = house.low(&json!({ "Subject": "Another" })).await;
    house.raise(other).await;
    house.postbox.has(&[first, other]).await;
    let tickets = house.scene.rt.tickets().await;
    assert!(tickets.iter().all(|ticket| ticket.id == ticket.effective_id), "the hand-over merges none: {tickets:?}");
    house.close(relay).await;
}

#[tokio::test]
async fn a_ticket_where_the_field_is_not_applied_is_named_and_holds_up_no_other() {
    let mut house = House::new("trax-elsewhere", &[]).await;
    let (name, elsewhere) = (house.scene.name.clone(), format!("{}-elsewhere", house.scene.name));
    house.scene.rt.admin(&["fixture", &elsewhere]);
    house.scene.rt.admin(&["grant", &name, "ShowTicket", &elsewhere]);
    let condition = format!("(Queue = '{elsewhere}' OR Queue = '{name}') AND Priority >= 60");
    house.environment.push(("TRAX_CONDITION".to_owned(), condition));
    let unmarkable = house.low(&json!({ "Subject": "Elsewhere" })).await;
    house.raise(unmarkable).await;
    house.set(unmarkable, &json!({ "Queue": elsewhere })).await;
    let relay = house.relay().await;
    relay.logs(&format!("handing over ticket {unmarkable} failed: it has no custom field Reported")).await;
    house.publish("other", "high").await;
    let other = house.ticket("other").await;
    house.postbox.has(&[other]).await;
    house.all_are_marked("id > 0").await;
    let ready = get(address(&relay).await, "/readyz").await.json();
    assert_eq!((&ready["trax"]["ok"], &ready["state"]), (&json!(false), &json!("consuming")), "{ready}");
    assert!(ready["trax"]["cause"].as_str().unwrap().contains("TRAX_CONDITION"), "{ready}");
    house.close(relay).await;
}

#[tokio::test]
async fn fields_whose_names_are_like_reported_are_left_alone() {
    let house = House::new("trax-like", &[]).await;
    let likes = ["Reported by", "Not Reported"];
    let named = likes.map(|like| format!("{like} {}", house.scene.name));
    for name in &named {
        house.scene.rt.admin(&["add-field", &house.scene.name, name]);
    }
    let relay = house.relay().await;
    let ticket = house.low(&json!({ "Subject": "Like", "CustomFields": { &named[0]: "2026-01-01" } })).await;
    house.raise(ticket).await;
    house.postbox.has(&[ticket]).await;
    house.all_are_marked(&format!("id = {ticket}")).await;
    assert_eq!(house.field(ticket, &named[0]).await, [json!("2026-01-01")]);
    assert_eq!(house.field(ticket, &named[1]).await, Vec::<Value>::new());
    assert_eq!(house.postbox.times()[&ticket], 1);
    house.close(relay).await;
}

#[tokio::test]
async fn a_second_field_of_the_name_is_told_and_posts_nothing_twice() {
    let house = House::new("trax-second", &[]).await;
    house.scene.rt.admin(&["add-field", &house.scene.name, "reported"]);
    let relay = house.relay().await;
    house.publish("first", "high").await;
    let first = house.ticket("first").await;
    relay.logs(&format!("ticket {first} was handed over, and is found as if it was not")).await;
    house.publish("second", "high").await;
    let second = house.ticket("second").await;
    relay.logs(&format!("ticket {second} was handed over, and is found as if it was not")).await;
    assert_eq!(house.postbox.times(), [(first, 1), (second, 1)].into());
    assert!(!house.field(first, "Reported").await.is_empty());
    let said = house.command(&["trax", "send", &first.to_string()], 1);
    assert!(said.contains("invalid queue: ") && said.contains("several custom fields named Reported"), "{said}");
    assert_eq!(house.postbox.requests(), 2);
    house.close(relay).await;
}

#[tokio::test]
async fn the_mail_that_rt_sends_of_a_refusal_does_not_make_the_ticket_go_again() {
    let house = House::new("trax-mail", &[]).await;
    house.refuses();
    let ticket = house.low(&json!({ "Subject": "Watched", "AdminCc": "boss@team.example" })).await;
    house.raise(ticket).await;
    let relay = house.relay().await;
    house.is_refused(ticket, 1).await;
    let newest = format!("ticket/{ticket}/history?fields=Type&orderby=id&order=DESC&per_page=1");
    let newest = house.scene.rt.get(&newest).await;
    assert_eq!(newest["items"][0]["Type"], "CommentEmailRecord", "{newest}");
    let log = house.scene.stop(relay).await;
    assert!(!log.contains("does not say that trax refused it"), "{log}");

    // Known after a restart, too, and to a user who may see such mail: when the other is refused, this one was passed by.
    house.scene.rt.admin(&["grant", &house.scene.name, "ShowOutgoingEmail", &house.scene.name]);
    let relay = house.relay().await;
    house.publish("other", "high").await;
    let other = house.ticket("other").await;
    house.is_refused(other, 1).await;
    assert_eq!((house.comments(ticket).await.len(), house.postbox.requests()), (1, 2));
    house.close(relay).await;
}

#[tokio::test]
async fn a_persons_comment_makes_a_refused_ticket_go_again() {
    let house = House::new("trax-answer", &[]).await;
    house.refuses();
    let relay = house.relay().await;
    house.publish("refused", "high").await;
    let ticket = house.ticket("refused").await;
    house.is_refused(ticket, 1).await;
    house.scene.rt.comment(ticket, "Re: rtir-relay: refused by trax", "Try once more").await;
    house.is_refused(ticket, 2).await;
    assert_eq!(house.postbox.requests(), 2);
    house.postbox.well();
    house.scene.rt.comment(ticket, "", "It is mended there").await;
    house.postbox.has(&[ticket]).await;
    house.all_are_marked("id > 0").await;
    house.close(relay).await;
}

#[tokio::test]
async fn a_condition_that_rt_cannot_read_is_named_and_alerts_go_on() {
    let house = House::new("trax-condition", &[("TRAX_CONDITION", "Priority >= AND")]).await;
    let relay = house.relay().await;
    relay.logs("Mend TRAX_CONDITION").await;
    house.publish("alert", "critical").await;
    house.ticket("alert").await;
    let ready = get(address(&relay).await, "/readyz").await.json();
    assert_eq!((&ready["trax"]["ok"], &ready["state"]), (&json!(false), &json!("consuming")), "{ready}");
    assert!(house.command(&["check"], 1).contains("Mend TRAX_CONDITION"));
    house.command(&["trax", "pending"], 1);
    assert_eq!(house.postbox.requests(), 0);
    house.close(relay).await;
}

#[tokio::test]
async fn the_token_stands_nowhere_although_trax_shows_the_whole_request() {
    let log = "trace,rtir_relay=trace,hyper=trace,hyper_util=trace,reqwest=trace,lapin=trace,rustls=trace,tokio=trace";
    let house = House::new("trax-token", &[("LOG", log)]).await;
    house.postbox.suffers(Fault::Echo(422));
    let relay = house.relay().await;
    house.publish("refused", "high").await;
    let refused = house.ticket("refused").await;
    house.is_refused(refused, 1).await;
    let texts = house.scene.rt.get(&format!("ticket/{refused}/attachments?fields=Content&per_page=100")).await;
    let texts = texts.to_string();
    assert!(texts.contains("authorization: Bearer [secret]"), "{texts}");
    house.assert_no_secret(&texts);

    house.postbox.suffers(Fault::Echo(401));
    house.publish("failed", "high").await;
    let failed = house.ticket("failed").await;
    let ready = eventually("/readyz tells", async || {
        let ready = get(address(&relay).await, "/readyz").await;
        (ready.json()["trax"]["ok"] == false).then_some(ready.body)
    });
    let (ready, metrics) = (ready.await, get(address(&relay).await, "/metrics").await.body);
    assert!(ready.contains("Bearer [secret]"), "{ready}");
    house.assert_no_secret(&(ready + &metrics));
    let said = house.command(&["trax", "send", &failed.to_string()], 1);
    assert!(said.contains("Bearer [secret]"), "{said}");
    for arguments in [&["check"][..], &["check", "--write"], &["trax", "pending"], &["trax", "retry"]] {
        house.command(arguments, 0);
    }
    house.postbox.well();
    house.postbox.has(&[refused, failed]).await;
    house.all_are_marked(&format!("id <= {failed}")).await;
    house.close(relay).await;
}
