//! What RT 5.0.3 does and says, for the requests that the relay makes. Source: answers recorded from one; the fixtures
//! under `tests/fixtures/rt` are such, and a test compares.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Answer, Op, Request};

pub const USER: &str = "rtir-relay";
pub const PASSWORD: &str = "pa55word-of-the-relay";
pub const TOKEN: &str = "1-23-t0ken0ftherelay";
/// The value of every session cookie begins so.
pub const SESSION: &str = "5e5510";
/// Its `WebBaseURL`, which is another than the address it listens on.
pub const WEB_URL: &str = "http://rt.example";
/// The RT queue that has the field.
pub const INCIDENT_REPORTS: u64 = 3;
/// An RT queue without it.
pub const INVESTIGATIONS: u64 = 4;

/// RT, its rights included, as the service user meets it.
pub struct Rt {
    pub set_up: SetUp,
    pub password: String,
    pub sessions: BTreeSet<String>,
    /// How many cookies were given out, good or not.
    cookies: u64,
    pub tickets: BTreeMap<u64, Ticket>,
    last_id: u64,
}

/// What can be set up wrongly. All of it is well at first.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in RT")]
pub struct SetUp {
    pub create_ticket: bool,
    pub show_ticket: bool,
    pub modify_ticket: bool,
    pub see_queue: bool,
    pub see_custom_field: bool,
    pub modify_custom_field: bool,
    /// The field is applied to Incident Reports.
    pub field_applied: bool,
    pub rt_queue_enabled: bool,
    /// Incident Reports start with the status `new`.
    pub new_is_a_status: bool,
    /// The login page works; a web server in front of RT may close it.
    pub login_page: bool,
    /// Searching finds tickets.
    pub search: bool,
    /// Incident Reports has another field of the same name.
    pub second_field: bool,
    /// RT's Type and Pattern of the field.
    pub field_type: &'static str,
    pub field_pattern: &'static str,
    /// The password in a request is taken; a web server in front of RT may keep it for itself.
    pub basic: bool,
    /// So many queues that the user may not see come first in the list.
    pub unseen_queues: usize,
    /// Searches show the addresses of people.
    pub see_addresses: bool,
    /// From whom it takes an unsafe method of a session.
    pub unsafe_from: Unsafe,
    /// The login page takes a login only from itself: `$RestrictLoginReferrer`.
    pub login_from_itself: bool,
}

/// From whom RT takes POST and PUT that carry a session's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsafe {
    /// From anybody, as before October 2026.
    Anybody,
    /// From who names its own `WebBaseURL` (CVE-2026-108277).
    Itself,
    /// From nobody, whatever is named.
    Nobody,
}

/// A ticket as RT has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ticket {
    pub id: u64,
    pub effective_id: u64,
    pub rt_queue: u64,
    pub key: Option<String>,
    pub subject: String,
    pub deleted: bool,
    /// The body that created it.
    pub sent: Value,
    pub made_at: Instant,
}

impl Ticket {
    pub fn is_merged(&self) -> bool {
        self.id != self.effective_id
    }
}

impl Default for Rt {
    fn default() -> Self {
        let set_up = SetUp {
            create_ticket: true,
            show_ticket: true,
            modify_ticket: true,
            see_queue: true,
            see_custom_field: true,
            modify_custom_field: true,
            field_applied: true,
            rt_queue_enabled: true,
            new_is_a_status: true,
            login_page: true,
            search: true,
            basic: true,
            unseen_queues: 0,
            second_field: false,
            field_type: "Freeform",
            field_pattern: "",
            see_addresses: true,
            unsafe_from: Unsafe::Itself,
            login_from_itself: false,
        };
        Self {
            set_up,
            password: PASSWORD.to_owned(),
            sessions: BTreeSet::new(),
            cookies: 0,
            tickets: BTreeMap::new(),
            last_id: 0,
        }
    }
}

/// Does what `request` asks for.
pub(super) fn work(rt: &mut Rt, op: Op, request: &Request) -> Answer {
    match op {
        Op::LogIn => return rt.log_in(request),
        Op::LogOut => return rt.log_out(request),
        _ => {}
    }
    if let Err(refusal) = rt.authenticate(request) {
        return refusal;
    }
    let id = request.path.rsplit('/').next().unwrap_or_default();
    match op {
        Op::Rt => Answer::json(200, &json!({ "Version": "5.0.3+dfsg-3~deb12u6" })),
        Op::Queues => rt.rt_queues(request),
        Op::Queue => rt.rt_queue(request.path.strip_prefix("/REST/2.0/queue/").unwrap_or_default()),
        Op::Fields => rt.fields(),
        Op::Field => rt.field(),
        Op::Create => rt.create(&request.json()),
        Op::Read => rt.read(id),
        Op::Update => rt.update(id, request.header("if-match"), &request.json()),
        Op::Find => rt.find(request),
        Op::LogIn | Op::LogOut | Op::Other => Answer::message(404, "Not Found"),
    }
}

impl Rt {
    fn log_in(&mut self, request: &Request) -> Answer {
        if !self.set_up.login_page {
            return Answer::html(403, "<html><h1>Forbidden</h1></html>");
        }
        let referer = request.header("referer");
        let from_itself = referer == Some(&format!("{WEB_URL}/NoAuth/Login.html"));
        let good = request.form("user") == USER
            && request.form("pass") == self.password
            && (from_itself || !self.set_up.login_from_itself);
        let value = self.cookie(good);
        // Without `next` RT answers a wrong password like a right one.
        let answer = if good && !request.form("next").is_empty() {
            Answer::html(302, "").with_header("Location", "http://rt.example/")
        } else {
            Answer::html(200, "<!DOCTYPE html><html lang=\"en\"><head><title>Login</title></head></html>")
        };
        set_cookie(answer, &value)
    }

    fn log_out(&mut self, request: &Request) -> Answer {
        if let Some(session) = session_of(request) {
            self.sessions.remove(session);
        }
        let anonymous = self.cookie(false);
        set_cookie(Answer::html(200, "<!DOCTYPE html><html><head><title>Logout</title></head></html>"), &anonymous)
    }

    fn cookie(&mut self, live: bool) -> String {
        self.cookies += 1;
        let value = format!("{SESSION}{:026x}", self.cookies);
        if live {
            self.sessions.insert(value.clone());
        }
        value
    }

    /// RT takes a live cookie before all else, and asks people with a browser or a dead cookie to log in.
    fn authenticate(&mut self, request: &Request) -> Result<(), Answer> {
        let session = session_of(request);
        let origin = request.header("origin").or(request.header("referer"));
        let allowed = match self.set_up.unsafe_from {
            _ if request.method == "GET" => true,
            Unsafe::Anybody => true,
            Unsafe::Itself => origin == Some(WEB_URL),
            Unsafe::Nobody => false,
        };
        if allowed && session.is_some_and(|session| self.sessions.contains(session)) {
            return Ok(());
        }
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{USER}:{}", self.password)));
        let given = request.header("authorization");
        if given.is_some_and(|given| (given == basic && self.set_up.basic) || given == format!("token {TOKEN}")) {
            return Ok(());
        }
        if session.is_some() && !allowed {
            return Err(Answer::message(403, "Cross-site request forgery protection refused this request"));
        }
        let browser = request.header("user-agent").is_some_and(|agent| agent.contains("Mozilla"));
        Err(if session.is_some() || browser {
            let answer = Answer::html(302, "Login required").with_header("Location", "/");
            set_cookie(answer, &self.cookie(false))
        } else {
            Answer::message(401, "Unauthorized")
        })
    }

    fn rt_queues(&self, request: &Request) -> Answer {
        let queue = |id: u64, name: &str, address: &str| {
            let disabled = if name.starts_with("Old") { "1" } else { "0" };
            json!({ "id": id.to_string(), "type": "queue", "_url": url("queue", id), "Name": name,
                "CorrespondAddress": address, "CommentAddress": "", "Disabled": disabled })
        };
        let disabled_too = request.parameter("find_disabled_rows") == Some("1");
        let queues = [
            queue(INCIDENT_REPORTS, "Incident Reports", "reports@rt.example"),
            queue(INVESTIGATIONS, "Investigations", ""),
            queue(5, "CSIRT/Reports", ""),
            queue(6, "Old reports", "old-reports@rt.example"),
        ];
        let queues = queues.into_iter().filter(|queue| disabled_too || queue["Disabled"] == "0");
        let seen = if self.set_up.see_queue { queues.map(Some).collect() } else { Vec::new() };
        let all: Vec<_> = std::iter::repeat_n(None, self.set_up.unseen_queues).chain(seen).collect();
        let number = |name, default| request.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        // RT cuts the pages first, and then leaves out what may not be seen.
        let (number, per_page) = (number("page", 1), number("per_page", 20).min(100));
        let items: Vec<_> = all.into_iter().skip((number - 1) * per_page).take(per_page).flatten().collect();
        Answer::json(200, &page(&items, 1, per_page))
    }

    fn rt_queue(&self, asked: &str) -> Answer {
        let (id, name) = match asked {
            "3" | "Incident Reports" => (INCIDENT_REPORTS, "Incident Reports"),
            "4" | "Investigations" => (INVESTIGATIONS, "Investigations"),
            "5" => (5, "CSIRT/Reports"),
            // RT looks for a queue of the name before the slash, and for something of it after it.
            _ if asked.contains('/') => return Answer::message(404, "Not Found"),
            _ => return Answer::message(403, "Forbidden"),
        };
        if !self.set_up.see_queue {
            return Answer::message(403, "Forbidden");
        }
        let mut links = vec![
            json!({ "ref": "self", "type": "queue", "id": id, "_url": url("queue", id) }),
            json!({ "ref": "history", "_url": format!("{}/history", url("queue", id)) }),
        ];
        if self.set_up.create_ticket {
            links.push(
                json!({ "ref": "create", "type": "ticket", "_url": format!("{}?Queue={id}", url("ticket", "")) }),
            );
        }
        let disabled = if self.set_up.rt_queue_enabled { "0" } else { "1" };
        let field = |id: u64| {
            json!({ "id": id.to_string(), "name": "Alert ID", "ref": "customfield", "type": "customfield",
                "_url": url("customfield", id) })
        };
        let mut fields = if self.shows_field(id) { vec![field(2)] } else { Vec::new() };
        if self.set_up.second_field {
            fields.push(field(7));
        }
        let body = json!({ "id": id, "Name": name, "Disabled": disabled, "TicketCustomFields": fields,
            "_hyperlinks": links, "Lifecycle": "incident_reports" });
        Answer::json(200, &body)
    }

    fn fields(&self) -> Answer {
        let field = json!({ "id": "2", "type": "customfield", "_url": url("customfield", 2) });
        let items = if self.set_up.see_custom_field { vec![field] } else { Vec::new() };
        Answer::json(200, &page(&items, 1, 20))
    }

    fn field(&self) -> Answer {
        let (kind, pattern) = (self.set_up.field_type, self.set_up.field_pattern);
        Answer::json(200, &json!({ "id": 2, "Name": "Alert ID", "Type": kind, "Pattern": pattern, "Disabled": "0" }))
    }

    fn has_field(&self, rt_queue: u64) -> bool {
        rt_queue == INCIDENT_REPORTS && self.set_up.field_applied
    }

    fn shows_field(&self, rt_queue: u64) -> bool {
        self.has_field(rt_queue) && self.set_up.see_custom_field
    }

    pub fn add(&mut self, rt_queue: u64, key: Option<String>, sent: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let subject = sent["Subject"].as_str().unwrap_or("SSL problem: https://www.water.example").to_owned();
        let made_at = Instant::now();
        self.tickets.insert(id, Ticket { id, effective_id: id, rt_queue, key, subject, deleted: false, sent, made_at });
        id
    }

    /// Drops, without a word, a field that is not there or that the user may not write.
    fn create(&mut self, sent: &Value) -> Answer {
        let name = sent["Queue"].as_str().unwrap_or_default();
        if !self.set_up.create_ticket || !self.set_up.rt_queue_enabled || name != "Incident Reports" {
            return Answer::message(403, &format!("No permission to create tickets in the queue '{name}'"));
        }
        let status = sent["Status"].as_str().unwrap_or("new");
        if !self.set_up.new_is_a_status || status != "new" {
            return Answer::message(400, &format!("Status '{status}' isn't a valid status for tickets in this queue."));
        }
        let key = sent["CustomFields"]["Alert ID"].as_str().map(str::to_owned);
        let is_taken = self.set_up.field_type == "Freeform" && self.set_up.field_pattern.is_empty();
        let is_written = is_taken && self.shows_field(INCIDENT_REPORTS) && self.set_up.modify_custom_field;
        let key = key.filter(|_| is_written);
        let id = self.add(INCIDENT_REPORTS, key, sent.clone());
        let body = json!({ "id": id.to_string(), "type": "ticket", "_url": url("ticket", id) });
        Answer::json(201, &body).with_header("Location", &format!("/REST/2.0/ticket/{id}"))
    }

    /// A merged ticket shows the one it is merged into.
    fn ticket(&self, id: &str) -> Option<&Ticket> {
        let ticket = self.tickets.get(&id.parse().ok()?)?;
        self.tickets.get(&ticket.effective_id)
    }

    fn read(&self, id: &str) -> Answer {
        let Some(ticket) = self.ticket(id) else { return Answer::message(404, "Not Found") };
        if !self.set_up.show_ticket {
            return Answer::message(403, "Forbidden");
        }
        let link = |kind: &str, id: u64| json!({ "id": id.to_string(), "type": kind, "_url": url(kind, id) });
        let status = if ticket.deleted { "deleted" } else { "new" };
        let body = json!({ "id": ticket.id, "Subject": ticket.subject, "Status": status, "Type": "ticket",
            "Queue": link("queue", ticket.rt_queue), "EffectiveId": link("ticket", ticket.effective_id),
            "CustomFields": self.shown_fields(ticket) });
        Answer::json(200, &body).with_header("ETag", &version(ticket))
    }

    fn shown_fields(&self, ticket: &Ticket) -> Vec<Value> {
        let values: Vec<_> = ticket.key.iter().collect();
        let field = |id: u64, values: &[&String]| {
            json!({ "id": id.to_string(), "name": "Alert ID", "type": "customfield", "values": values,
                "_url": url("customfield", id) })
        };
        let mut fields = if self.shows_field(ticket.rt_queue) { vec![field(2, &values)] } else { Vec::new() };
        if self.set_up.second_field {
            fields.insert(0, field(7, &[]));
        }
        fields
    }

    /// Says 200 whatever comes of it, and what in a text.
    fn update(&mut self, id: &str, if_match: Option<&str>, sent: &Value) -> Answer {
        let Some(ticket) = self.ticket(id) else {
            return Answer::message(404, "Resource does not exist; use POST to create");
        };
        if !self.set_up.show_ticket {
            return Answer::message(403, "Forbidden");
        }
        if if_match.is_some_and(|wanted| wanted != version(ticket)) {
            return Answer::message(412, "Precondition Failed");
        }
        let (id, rt_queue, old) = (ticket.id, ticket.rt_queue, ticket.key.clone());
        let said = if let Some(into) = sent["MergeInto"].as_u64() {
            Some(self.merge(id, into).to_owned())
        } else if let Some(key) = sent["CustomFields"]["Alert ID"].as_str().filter(|_| self.shows_field(rt_queue)) {
            if !self.set_up.modify_custom_field {
                Some("Could not add a new value to custom field 'Alert ID': Permission Denied".to_owned())
            } else if old.as_deref() == Some(key) {
                None
            } else {
                self.tickets.get_mut(&id).expect("just seen").key = Some(key.to_owned());
                Some(match old {
                    Some(old) => format!("Alert ID {old} changed to {key}"),
                    None => format!("{key} added as a value for Alert ID"),
                })
            }
        } else {
            None
        };
        Answer::json(200, &json!(said.as_slice()))
    }

    fn merge(&mut self, id: u64, into: u64) -> &'static str {
        let Some(target) = self.tickets.get(&into).map(|ticket| ticket.effective_id) else {
            return "New ticket doesn't exist";
        };
        if !self.set_up.modify_ticket {
            return "Permission Denied";
        }
        if target == id {
            return "Can't merge a ticket into itself";
        }
        for ticket in self.tickets.values_mut().filter(|ticket| ticket.effective_id == id) {
            ticket.effective_id = target;
        }
        "Merge Successful"
    }

    /// Compares without case; leaves merged tickets out unless asked for them.
    fn find(&self, request: &Request) -> Answer {
        let query = request.parameter("query").unwrap_or_default();
        let (condition, merged) = match query.strip_suffix(" AND EffectiveId > 0") {
            Some(condition) => (condition, true),
            None => (query, false),
        };
        let any = condition.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(condition);
        let keys: Option<Vec<&str>> = any.split(" OR ").map(searched_key).collect();
        let Some(keys) = keys else { return Answer::message(400, "syntax error in the query") };
        let visible = self.set_up.show_ticket && self.set_up.search;
        let found = self.tickets.values().filter(|ticket| {
            let is_key = |stored: &String| keys.iter().any(|key| stored.eq_ignore_ascii_case(key));
            let same = ticket.key.as_ref().is_some_and(is_key);
            visible && same && !ticket.deleted && (merged || !ticket.is_merged())
        });
        let fields = request.parameter("fields").unwrap_or_default();
        let items: Vec<_> = found.map(|ticket| self.item(ticket, fields)).collect();
        let number = |name, default| request.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        Answer::json(200, &page(&items, number("page", 1), number("per_page", 20).min(100)))
    }

    /// The people of a ticket; a user's `id` is its name, which may be another than the address.
    fn requestors(&self, ticket: &Ticket) -> Vec<Value> {
        let given = ticket.sent["Requestor"].as_array().map(Vec::as_slice).unwrap_or_default();
        let taken = given.iter().filter_map(Value::as_str).filter(|address| is_taken(address));
        let show = |address: &str| {
            let mut person = json!({ "id": address, "type": "user", "_url": url("user", address) });
            if self.set_up.see_addresses {
                person["EmailAddress"] = address.into();
            }
            person
        };
        taken.map(show).collect()
    }

    fn item(&self, ticket: &Ticket, fields: &str) -> Value {
        let mut item = json!({ "id": ticket.id.to_string(), "type": "ticket", "_url": url("ticket", ticket.id) });
        for field in fields.split(',') {
            item[field] = match field {
                "Subject" => ticket.subject.clone().into(),
                "EffectiveId" => ticket.effective_id.to_string().into(),
                "Requestor" => self.requestors(ticket).into(),
                // Not an empty array, as when the ticket itself is read.
                "CustomFields" if !self.shows_field(ticket.rt_queue) => "".into(),
                "CustomFields" => self.shown_fields(ticket).into(),
                _ => continue,
            };
        }
        item
    }
}

/// RT's is the number of the ticket's last transaction.
fn version(ticket: &Ticket) -> String {
    let Ticket { id, effective_id, key, deleted, .. } = ticket;
    format!("\"{id}-{effective_id}-{}-{deleted}\"", key.as_deref().unwrap_or_default())
}

/// Whether RT takes an address as a Requestor. It drops others, and makes the ticket without a word.
fn is_taken(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or_default();
    !local.split('.').any(str::is_empty) && !address.contains("dropped")
}

/// One page of a search. RT writes no whole number of pages where there is none, and leaves `total` away for some users.
fn page(items: &[Value], page: usize, per_page: usize) -> Value {
    let shown: Vec<_> = items.iter().skip((page - 1) * per_page).take(per_page).collect();
    let pages = if items.is_empty() { json!(0.0) } else { json!(items.len().div_ceil(per_page)) };
    json!({ "items": shown, "count": shown.len(), "total": null, "page": page, "pages": pages, "per_page": per_page })
}

fn url(kind: &str, id: impl std::fmt::Display) -> String {
    format!("{WEB_URL}/REST/2.0/{kind}/{id}")
}

fn session_of(request: &Request) -> Option<&str> {
    request.header("cookie")?.split("; ").find_map(|pair| pair.strip_prefix("RT_SID_rt.example.443="))
}

fn set_cookie(answer: Answer, value: &str) -> Answer {
    // RT marks it `Secure` although it may be reached without TLS behind its web server.
    answer.with_header("Set-Cookie", &format!("RT_SID_rt.example.443={value}; path=/; secure; HttpOnly"))
}

/// The key in one condition of a search.
fn searched_key(condition: &str) -> Option<&str> {
    condition.strip_prefix("'CF.{Alert ID}' = '")?.strip_suffix('\'')
}
