//! The way to RT, and what the service user finds there.

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use url::Url;

use super::certificate;
use super::server::{Server, host_and_port};
use super::test_ticket::TestTicket;
use super::{Findings, STEP_BEFORE_FAILED, Step, Verdict};
use crate::config::Rtir;
use crate::diagnosis::{Diagnosis, Trouble};
use crate::mapping::Rules;
use crate::reach;
use crate::rtir::{Client, Error, Flaw, Lifecycle, NoSession, QueueFlaw, REACH, Reached, Surveyed, Way};
use crate::ticket::{EmailAddress, RtQueueName};

/// What needs REST 2.0.
const IN_RT: [Step; 7] = [
    Step::RtLogin,
    Step::RtVersion,
    Step::RtFallback,
    Step::RtQueue,
    Step::RtStartStatus,
    Step::RtField,
    Step::RtShowTicket,
];
/// By more, the times in tickets and logs mislead.
const MAX_SKEW: SignedDuration = SignedDuration::from_secs(60);

/// From RT's name to the rights of the service user.
pub(super) async fn walk(
    settings: &Rtir,
    rules: &Rules,
    client: &Client,
    test: Option<TestTicket<'_>>,
    findings: &mut Findings<'_>,
) {
    if !reach(settings, client, findings).await {
        return findings.skip(&IN_RT, "RT was not reached");
    }
    match client.version().await {
        Ok((version, way)) => {
            findings.add(Step::RtLogin, &judge_way(way));
            findings.well(Step::RtVersion, version);
        }
        Err(error) => {
            findings.fail(Step::RtLogin, error.diagnosis());
            return findings.skip(&IN_RT[1..], "the login failed");
        }
    }
    findings.add(Step::RtFallback, &judge_fallback(rules.fallback_requestor.as_ref(), client).await);
    let rt_queue = &settings.rt_queue;
    let Surveyed { lifecycle, field_flaw } = match client.survey().await {
        Ok(surveyed) => surveyed,
        Err(error) => {
            findings.fail(Step::RtQueue, diagnosis_of_queue(client, &error).await);
            return findings.skip(&IN_RT[4..], "the RT queue takes no ticket");
        }
    };
    findings.well(Step::RtQueue, format!("{:?}: visible, enabled, takes tickets", rt_queue.as_str()));
    findings.add(Step::RtStartStatus, &start_status(&lifecycle, rt_queue));
    let field = judge_field(field_flaw);
    findings.add(Step::RtField, &field);
    match (field, test) {
        (Verdict::Failed(_), Some(test)) => findings.skip(&test.steps(), STEP_BEFORE_FAILED),
        (Verdict::Failed(_), None) => findings.skip(&IN_RT[6..], STEP_BEFORE_FAILED),
        (_, Some(test)) => test.walk(client, findings).await,
        (_, None) => what_reading_cannot(client, findings).await,
    }
}

/// Whether tickets can have a key. Whether a key matches a pattern, only RT can tell.
fn judge_field(flaw: Option<Flaw>) -> Verdict {
    match flaw {
        None => Verdict::Well("on the RT queue, visible".to_owned()),
        Some(flaw @ Flaw::FieldPattern) => Verdict::Warning(flaw.diagnosis("keys may be dropped".to_owned())),
        Some(flaw) => Verdict::Failed(flaw.diagnosis("tickets would not be found again".to_owned())),
    }
}

/// Whether RT mails the fallback requestor: it does not mail itself.
async fn judge_fallback(fallback: Option<&EmailAddress>, client: &Client) -> Verdict {
    let Some(fallback) = fallback else { return Verdict::Skipped("RTIR_FALLBACK_REQUESTOR is not set".to_owned()) };
    match client.site().await {
        Err(error) => Verdict::Failed(error.diagnosis()),
        Ok(site) if site.addresses().contains(fallback) => Verdict::Failed(Diagnosis::of(
            Trouble::MissingFocalPoints,
            "nobody would be notified of alerts with missing focal points",
            format!("{} is an address of RT itself, which RT does not mail to", fallback.as_str()),
            "Set RTIR_FALLBACK_REQUESTOR to the address of a person or a team",
        )),
        Ok(_) => Verdict::Well(format!("{} is none of RT's own addresses", fallback.as_str())),
    }
}

/// Whether REST 2.0 answers.
async fn reach(settings: &Rtir, client: &Client, findings: &mut Findings<'_>) -> bool {
    let proxy = proxy(settings);
    let way_is_free = match &proxy {
        Some(proxy) => reach_proxy(proxy, findings).await,
        None => reach_directly(settings, findings).await,
    };
    if !way_is_free {
        findings.skip(&[Step::RtRest, Step::RtClock], STEP_BEFORE_FAILED);
        return false;
    }
    match client.reach().await {
        Ok(Reached { clock, certificate }) => {
            match certificate.filter(|_| proxy.is_some()) {
                Some(certificate) => findings.add(Step::RtTls, &certificate::judge(&certificate)),
                None if proxy.is_some() => findings.skip(&[Step::RtTls], "http:// is not by TLS"),
                None => {}
            }
            findings.well(Step::RtRest, "answers");
            findings.add(Step::RtClock, &judge_clock(clock));
            true
        }
        Err(error) => {
            findings.fail(Step::RtRest, why_not_reached(settings, proxy.is_some(), &error).await);
            findings.skip(&[Step::RtClock], STEP_BEFORE_FAILED);
            false
        }
    }
}

/// The proxy, which sees to address and TLS of RT.
async fn reach_proxy(proxy: &Proxy, findings: &mut Findings<'_>) -> bool {
    let Proxy { host, port, variable } = proxy;
    let settings = reach::Settings { url: variable, ..REACH };
    match reach::connect(host, *port, &settings).await {
        Ok(_) => {
            findings.well(Step::RtProxy, format!("{host}:{port}, by {variable}"));
            findings.skip(&[Step::RtAddress], "left to the proxy");
            true
        }
        Err(diagnosis) => {
            findings.fail(Step::RtProxy, Diagnosis { trouble: Some(Trouble::ProxyOrFirewall), ..diagnosis });
            findings.skip(&[Step::RtAddress, Step::RtTls], STEP_BEFORE_FAILED);
            false
        }
    }
}

/// RT's address and TLS, without a proxy.
async fn reach_directly(settings: &Rtir, findings: &mut Findings<'_>) -> bool {
    findings.skip(&[Step::RtProxy], "none is set");
    let server = Server {
        url: &settings.url,
        ca_file: settings.ca_file.clone(),
        settings: &REACH,
        steps: [Step::RtAddress, Step::RtTls],
        readable: settings.is_readable_on_the_way().then_some("password, sessions and alerts"),
    };
    server.reach(findings).await
}

/// Who carries requests to RT.
struct Proxy {
    host: String,
    port: u16,
    variable: &'static str,
}

fn proxy(settings: &Rtir) -> Option<Proxy> {
    let Some(secret) = &settings.proxy else {
        let (host, port) = reach::system_proxy(&settings.url)?;
        return Some(Proxy { host, port, variable: "HTTPS_PROXY or HTTP_PROXY" });
    };
    let url = Url::parse(secret.read().ok()?.expose_secret()).ok()?;
    let (host, port) = host_and_port(&url);
    Some(Proxy { host, port, variable: "RTIR_PROXY" })
}

async fn why_not_reached(settings: &Rtir, proxied: bool, error: &Error) -> Diagnosis {
    let (host, port) = host_and_port(&settings.url);
    let plain = settings.url.scheme() == "http" && !proxied;
    if plain && reach::speaks_tls(&host, port, &REACH).await {
        return REACH.wants_tls(format!("looking at {host}:{port} failed"));
    }
    error.diagnosis()
}

fn judge_clock(clock: Option<Timestamp>) -> Verdict {
    let Some(clock) = clock else {
        return Verdict::Skipped("the answer has no date".to_owned());
    };
    let skew = clock.duration_since(Timestamp::now());
    if skew.abs() <= MAX_SKEW {
        return Verdict::Well(format!("differs by {} s", skew.as_secs()));
    }
    Verdict::Warning(Diagnosis::other(
        "the clocks differ",
        format!(
            "RT's is {} s {} this machine's",
            skew.as_secs().abs(),
            if skew.is_negative() { "behind" } else { "ahead of" }
        ),
        "Set both by NTP",
    ))
}

fn judge_way(way: Way) -> Verdict {
    match way {
        Way::Session => Verdict::Well("by a session".to_owned()),
        Way::Token | Way::Unknown => Verdict::Well("by a token in every request".to_owned()),
        Way::Password(NoSession { why, fix }) => Verdict::Warning(Diagnosis::other(
            "every request carries the password, which costs RT 0.2 s each",
            format!("RT gives no session: {why}"),
            fix,
        )),
    }
}

/// The error with the RT queue that may have been meant.
async fn diagnosis_of_queue(client: &Client, error: &Error) -> Diagnosis {
    let mut diagnosis = error.diagnosis();
    let Error::RtQueue { rt_queue, flaw: QueueFlaw::NotVisible } = error else { return diagnosis };
    let site = client.site().await.unwrap_or_default();
    let near = |name: &&str| strsim::damerau_levenshtein(&name.to_lowercase(), &rt_queue.as_str().to_lowercase());
    if let Some(nearest) = site.queue_names().min_by_key(near).filter(|name| near(name) <= 3) {
        diagnosis.cure = format!("Did you mean RTIR_QUEUE={nearest:?}? {}", diagnosis.cure);
    }
    diagnosis
}

/// Judged by the lifecycle's name: what is in one, RT does not show.
fn start_status(lifecycle: &Lifecycle, rt_queue: &RtQueueName) -> Verdict {
    let Lifecycle(name) = lifecycle;
    let what = format!("tickets in {:?} may not start as new", rt_queue.as_str());
    match lifecycle.starts_with_new() {
        Some(true) => Verdict::Well(format!("new, by the lifecycle {name}")),
        Some(false) => Verdict::Failed(Diagnosis::of(
            Trouble::InvalidQueue,
            what,
            format!("its lifecycle {name} does not begin with new"),
            "Set RTIR_QUEUE to RTIR's Incident Reports, or give the RT queue the lifecycle incident_reports (in RT: \
             Admin > Queues > Basics)",
        )),
        None => Verdict::NotVerifiable(Diagnosis::other(
            "whether tickets may start as new",
            format!("RT does not show what is in the lifecycle {name}"),
            "Run check --write, which makes a ticket",
        )),
    }
}

/// What the rights are, as far as reading shows.
async fn what_reading_cannot(client: &Client, findings: &mut Findings<'_>) {
    let cure = "Run check --write, which makes a ticket";
    let verdict = match client.sees_a_ticket().await {
        Ok(true) => Verdict::Well("there is one".to_owned()),
        Ok(false) => Verdict::NotVerifiable(Diagnosis::other(
            "the right ShowTicket",
            "RT shows no ticket of the RT queue: it has none, or the right is missing",
            cure,
        )),
        Err(error) => Verdict::Failed(error.diagnosis()),
    };
    findings.add(Step::RtShowTicket, &verdict);
    let why = "RT does not show rights on a field";
    let diagnosis = Diagnosis::other("the right ModifyCustomField", why, cure);
    findings.add(Step::RtFieldRight, &Verdict::NotVerifiable(diagnosis));
}
