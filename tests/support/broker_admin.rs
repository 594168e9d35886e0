//! RabbitMQ as its administrator changes it: by the management API.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::eventually::eventually;
use super::lab::setting;

/// The user of a scene, who may do only what is granted.
pub const PASSWORD: &str = "the-scenes-broker-password";

/// `AMQP_URL` of the user `name` with `vhost`, as it stands in a URL.
pub fn url_of(name: &str, vhost: &str) -> String {
    let mut url = url::Url::parse(&setting("RELAY_LAB_AMQP_URL")).unwrap();
    url.set_username(name).unwrap();
    url.set_password(Some(PASSWORD)).unwrap();
    url.set_path(vhost);
    url.into()
}

/// `AMQP_MANAGEMENT_URL` of the user `name`.
pub fn management_url_of(name: &str) -> String {
    let mut url = url::Url::parse(&setting("RELAY_LAB_RABBITMQ_API")).unwrap();
    url.set_username(name).unwrap();
    url.set_password(Some(PASSWORD)).unwrap();
    // With or without /api.
    url.set_path("");
    url.into()
}

/// Whether the shared broker is older than RabbitMQ 4, which reads some delivery limits in another way.
pub async fn before_4() -> bool {
    let overview: Value = serde_json::from_str(&call(Method::GET, "overview", &Value::Null).await).unwrap();
    overview["rabbitmq_version"].as_str().unwrap().starts_with("3.")
}

/// Makes or changes a user.
pub async fn set_user(name: &str, tags: &str) {
    call(Method::PUT, &format!("users/{name}"), &json!({ "password": PASSWORD, "tags": tags })).await;
}

/// What `user` may do in `vhost`, by names that match: to configure, to write, to read.
pub async fn permit(user: &str, vhost: &str, [configure, write, read]: [&str; 3]) {
    let rights = json!({ "configure": configure, "write": write, "read": read });
    call(Method::PUT, &format!("permissions/{vhost}/{user}"), &rights).await;
}

pub async fn make_vhost(vhost: &str) {
    call(Method::PUT, &format!("vhosts/{vhost}"), &json!({})).await;
}

/// The exchanges, queues and bindings of `vhost`, without what else the broker says of it.
pub async fn topology(vhost: &str) -> Value {
    let all: Value =
        serde_json::from_str(&call(Method::GET, &format!("definitions/{vhost}"), &Value::Null).await).unwrap();
    let sorted = |kind: &str| {
        let mut of_kind = all[kind].as_array().unwrap().clone();
        of_kind.sort_by_key(Value::to_string);
        of_kind
    };
    json!({ "exchanges": sorted("exchanges"), "queues": sorted("queues"), "bindings": sorted("bindings") })
}

pub async fn make_exchange(exchange: &str) {
    call(Method::PUT, &format!("exchanges/%2F/{exchange}"), &json!({ "type": "topic", "durable": true })).await;
}

pub async fn make_queue(amqp_queue: &str, arguments: Value) {
    let queue = json!({ "durable": true, "arguments": arguments });
    call(Method::PUT, &format!("queues/%2F/{amqp_queue}"), &queue).await;
}

pub async fn delete_queue(amqp_queue: &str) {
    call(Method::DELETE, &format!("queues/%2F/{amqp_queue}"), &Value::Null).await;
}

pub async fn bind(exchange: &str, amqp_queue: &str) {
    let binding = json!({ "routing_key": "#" });
    call(Method::POST, &format!("bindings/%2F/e/{exchange}/q/{amqp_queue}"), &binding).await;
}

pub async fn unbind(exchange: &str, amqp_queue: &str) {
    call(Method::DELETE, &format!("bindings/%2F/e/{exchange}/q/{amqp_queue}/%23"), &Value::Null).await;
}

/// How many connections a vhost may have; -1 is any.
pub async fn limit_connections(vhost: &str, most: i64) {
    call(Method::PUT, &format!("vhost-limits/{vhost}/max-connections"), &json!({ "value": most })).await;
}

/// A policy on one queue, named as it is. Returns when the API shows it, which takes some seconds.
pub async fn set_policy(amqp_queue: &str, definition: Value) {
    let pattern = format!("^{}$", amqp_queue.replace('.', "\\."));
    let policy = json!({ "pattern": pattern, "definition": definition, "apply-to": "queues", "priority": 1 });
    call(Method::PUT, &format!("policies/%2F/{amqp_queue}"), &policy).await;
    let path = format!("queues/%2F/{amqp_queue}");
    eventually("the policy to show", async || {
        let queue: Value = serde_json::from_str(&call(Method::GET, &path, &Value::Null).await).unwrap();
        (queue["effective_policy_definition"] == definition).then_some(())
    })
    .await;
}

/// Each request means the same when it is made twice, so one that the API cuts off unanswered is made again.
async fn call(method: Method, path: &str, body: &Value) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/{path}", setting("RELAY_LAB_RABBITMQ_API"));
    let mut is_repeated = false;
    let answer = eventually("the management API answers", async || {
        let request = http.request(method.clone(), &url);
        // A body that nobody reads makes the API close the connection, at times before its answer is read.
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await.ok();
        is_repeated |= answer.is_none();
        answer
    })
    .await;
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    let was_deleted = is_repeated && method == Method::DELETE && status == StatusCode::NOT_FOUND;
    let is_done = matches!(status, StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT);
    assert!(is_done || was_deleted, "{path}: {status} {text}");
    text
}
