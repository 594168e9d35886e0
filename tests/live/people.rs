//! What people see of the tickets in RT, and what RT tells them, with what `deploy/rt` has for that.

use serde_json::{Value, json};

use crate::support::alerts::{self, CATEGORIES};
use crate::support::lab::{Scene, mail, rt_admin};
use crate::support::servers::Server;

const INITIALDATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rt/initialdata.pl");
const AUTOREPLY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rt/autoreply.pl");
const RTS_OWN_TEXT: &str = "This message has been automatically generated";

/// Whether `who` may see the alerts' keys.
fn sees_the_key(who: &str) -> bool {
    let rights: Vec<(String, String)> = serde_json::from_str(&rt_admin(&["rights", who])).unwrap();
    rights.contains(&("SeeCustomField".to_owned(), "Alert ID".to_owned()))
}

/// Publishes the alert `id`, and gives the mail that RT sends about its ticket.
async fn mail_about(scene: &Scene, id: &str, count: usize) -> String {
    let relay = scene.relay(&[]).await;
    scene.publish_alert(&alerts::ssl(id)).await;
    let ticket = scene.tickets(count).await[count - 1].id;
    scene.stop(relay).await;
    mail(ticket).join("\n")
}

#[tokio::test]
async fn who_sees_the_queue_sees_the_alerts_keys_and_no_stranger_does() {
    let scene = Scene::new("team").await;
    let name = |what: &str| format!("{}-{what}", scene.name);
    let [team, edunet, neighbours] = ["team", "edunet", "neighbours"].map(name);
    let [constituency, other] = ["constituency", "other"].map(name);
    rt_admin(&["add-queue", &constituency, "incident_reports"]);
    rt_admin(&["add-queue", &other, "default"]);
    for (group, right, rt_queue) in
        [(&team, "SeeQueue", &scene.name), (&edunet, "ShowTicket", &constituency), (&neighbours, "ShowTicket", &other)]
    {
        rt_admin(&["add-group", group]);
        rt_admin(&["grant", group, right, rt_queue]);
    }
    rt_admin(&["grant", "Everyone", "SeeQueue", &scene.name]);
    rt_admin(&["set-up", &scene.name]);
    assert!(sees_the_key(&team), "it sees the queue");
    assert!(sees_the_key(&edunet), "it sees the queue of a constituency");
    assert!(!sees_the_key(&neighbours), "it sees another queue");
    assert!(!sees_the_key("Everyone"), "strangers are in it");
    scene.close().await;
}

#[tokio::test]
async fn rt_shows_priorities_as_the_severities_they_come_of() {
    let label = |rt_queue: &str, priority: u8| rt_admin(&["priority-label", rt_queue, &priority.to_string()]);
    for (_, category, priority) in CATEGORIES {
        let severity = match priority {
            100 => "Critical",
            60.. => "High",
            40.. => "Medium",
            _ => "Low",
        };
        assert_eq!(label("Incident Reports", priority), format!("\"{severity}\""), "{category:?}");
    }
    assert_eq!([20, 35].map(|priority| label("Incident Reports", priority)), ["\"Low\"", "\"Low\""]);
    assert_eq!(label("General", 60), "\"Medium\"", "other queues keep RT's words");
}

#[tokio::test]
async fn the_mail_about_an_alert_begins_with_the_alert_in_the_language_chosen() {
    let scene = Scene::new("autoreply").await;
    let load = async |choice: &str| {
        Server::shared_rt().load(AUTOREPLY, &[("RTIR_QUEUE", &scene.name), ("AUTOREPLY", choice)]).await
    };
    let templates = || rt_admin(&["templates", &scene.name]);

    for (count, language, next) in [(1, "en", "What to do next"), (2, "fr", "Que faire maintenant")] {
        load(language).await.unwrap();
        let loaded = templates();
        load(language).await.unwrap();
        assert_eq!(templates(), loaded, "loaded again it changes nothing");

        let told = mail_about(&scene, language, count).await;
        let place = |text: &str| told.find(text).unwrap_or_else(|| panic!("no {text} in {told}"));
        assert!(place("There is a problem with the certificate") < place("Severity:"), "{told}");
        assert!(place("Severity:") < place(next) && place(next) < place("Alert ID: "), "{told}");
        assert!(!told.contains(RTS_OWN_TEXT) && !told.contains("AutoReply"), "{told}");
        assert_eq!(told.matches("\nSubject: ").count(), 1, "{told}");
    }

    let persons = json!({ "Subject": "By a person", "Requestor": "ada@water.example", "Content": "Help" });
    let told = mail(scene.rt.create(&persons).await).join("\n");
    assert!(told.contains(RTS_OWN_TEXT) && told.contains("AutoReply: By a person"), "{told}");

    load("off").await.unwrap();
    assert_eq!(templates(), "[]");
    assert!(mail_about(&scene, "off", 4).await.contains(RTS_OWN_TEXT));
    assert!(load("de").await.unwrap_err().contains("AUTOREPLY may be en, fr or off"));
    scene.close().await;
}

#[tokio::test]
async fn the_service_user_gets_english_for_its_language_and_keeps_another() {
    let scene = Scene::new("language").await;
    for (before, after) in [("", "en"), ("de", "de")] {
        rt_admin(&["set-language", &scene.name, before]);
        rt_admin(&["set-up", &scene.name]);
        assert_eq!(rt_admin(&["language", &scene.name]), Value::from(after).to_string());
    }
    scene.close().await;
}

#[tokio::test]
async fn two_fields_of_the_name_on_the_queue_are_refused() {
    let scene = Scene::new("two-fields").await;
    rt_admin(&["add-field", &scene.name, "Alert ID"]);
    let environment = [("RTIR_QUEUE", scene.name.as_str()), ("RTIR_USERNAME", &scene.name)];
    let said = Server::shared_rt().load(INITIALDATA, &environment).await.unwrap_err();
    let names_them = said.contains(&format!("The queue {} has more than one custom field named Alert ID", scene.name));
    assert!(names_them && said.contains("disable or rename"), "{said}");
    scene.close().await;
}
