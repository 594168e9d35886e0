//! The environment as types, and all that is wrong with it at once.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rtir_relay::config::{Amqp, Config, Credentials, Environment, Fault, Log, LogFormat, Secret, Topology, parse_uris};
use rtir_relay::mapping::Rules;
use secrecy::ExposeSecret;

const PASSWORD: &str = "hunter2";

/// What has no default, and what the pieces say; an empty one takes a variable away.
fn environment(pieces: &[(&str, &str)]) -> Environment {
    let required = [
        ("AMQP_URL", "amqp://relay:hunter2@broker.example/%2f"),
        ("RTIR_URL", "https://rt.example/sub"),
        ("RTIR_USERNAME", "relay"),
        ("RTIR_PASSWORD", PASSWORD),
    ];
    required
        .into_iter()
        .filter(|(name, _)| pieces.iter().all(|(piece, _)| piece != name))
        .chain(pieces.iter().copied())
        .collect()
}

fn config(pieces: &[(&str, &str)]) -> Config {
    Config::load(&environment(pieces)).unwrap_or_else(|faults| panic!("{pieces:?}: {}", join(&faults)))
}

/// All faults, one a line.
fn faults(pieces: &[(&str, &str)]) -> String {
    join(&Config::load(&environment(pieces)).map(|_| ()).expect_err(&format!("{pieces:?}")))
}

fn join(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

fn text(secret: &Secret) -> String {
    secret.read().unwrap().expose_secret().to_owned()
}

fn file(name: &str, content: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{name}"));
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn what_is_not_given_has_its_default() {
    let Config { amqp, rtir, rules, retry, process, .. } = config(&[]);
    assert_eq!(
        (amqp.exchange.as_str(), amqp.amqp_queue.as_str(), amqp.binding.as_str()),
        ("alerts", "rtir-relay", "#")
    );
    assert_eq!(amqp.dead_letter_exchange, "rtir-relay.dead-letters");
    assert_eq!(amqp.dead_letter_queue, "rtir-relay.dead-letters");
    assert_eq!((amqp.topology, amqp.heartbeat), (Topology::Declare, Duration::from_secs(15)));
    assert!(amqp.ca_file.is_none() && amqp.client_identity.is_none() && amqp.management_url.is_none());

    assert_eq!(rtir.url.as_str(), "https://rt.example/sub/");
    assert_eq!(rtir.rt_queue.as_str(), "Incident Reports");
    assert_eq!((rtir.timeout, rtir.session_max_age), (Duration::from_secs(20), Duration::from_mins(15)));
    assert_eq!((rtir.concurrency, rtir.keep_alive), (2, false));
    assert!(rtir.ca_file.is_none() && rtir.proxy.is_none());

    assert_eq!(rules.rt_queue.as_str(), "Incident Reports");
    assert!(rules.fallback_requestor.is_none() && rules.namespace.is_none());

    assert_eq!((retry.initial, retry.max), (Duration::from_millis(500), Duration::from_secs(30)));
    assert_eq!((retry.max_attempts, retry.unknown_wait), (8, Duration::from_secs(5)));

    assert_eq!((process.pause_after, process.shutdown_grace), (Duration::from_mins(5), Duration::from_secs(30)));
    assert_eq!(process.http_listen, Some("127.0.0.1:9464".parse().unwrap()));

    let log = Log::load(&environment(&[])).unwrap();
    assert_eq!((log.filter.as_str(), log.format), ("info", None));
}

#[test]
fn every_variable_of_the_broker_is_read() {
    let pem = file("broker.pem", b"-");
    let pem = pem.to_str().unwrap();
    let amqp = config(&[
        ("AMQP_URL", "amqps://u:p@one.example:5671/v"),
        ("AMQP_EXCHANGE", "e"),
        ("AMQP_QUEUE", "q"),
        ("AMQP_BINDING", "alert.#"),
        ("AMQP_DEAD_LETTER_EXCHANGE", "de"),
        ("AMQP_DEAD_LETTER_QUEUE", "dq"),
        ("AMQP_TOPOLOGY", "passive"),
        ("AMQP_CA_FILE", pem),
        ("AMQP_CLIENT_CERT_FILE", pem),
        ("AMQP_CLIENT_KEY_FILE", pem),
        ("AMQP_HEARTBEAT", "1m"),
        ("AMQP_MANAGEMENT_URL", "http://u:p@one.example:15672"),
    ])
    .amqp;
    assert_eq!(text(&amqp.url), "amqps://u:p@one.example:5671/v");
    assert_eq!((amqp.exchange.as_str(), amqp.amqp_queue.as_str(), amqp.binding.as_str()), ("e", "q", "alert.#"));
    assert_eq!((amqp.dead_letter_exchange.as_str(), amqp.dead_letter_queue.as_str()), ("de", "dq"));
    assert_eq!((amqp.topology, amqp.heartbeat), (Topology::Passive, Duration::from_mins(1)));
    assert_eq!((amqp.ca_file, amqp.client_identity), (Some(pem.into()), Some((pem.into(), pem.into()))));
    assert_eq!(text(&amqp.management_url.unwrap()), "http://u:p@one.example:15672");
}

#[test]
fn names_that_would_lead_dead_letters_back_are_faults_with_all_others() {
    let told = faults(&[
        ("AMQP_EXCHANGE", "rtir-relay.dead-letters"),
        ("AMQP_QUEUE", "q"),
        ("AMQP_DEAD_LETTER_QUEUE", "q"),
        ("RTIR_TIMEOUT", "soon"),
    ]);
    for words in [
        "AMQP_DEAD_LETTER_EXCHANGE: names \"rtir-relay.dead-letters\", as AMQP_EXCHANGE does",
        "AMQP_DEAD_LETTER_QUEUE: names \"q\", as AMQP_QUEUE does",
        "Give each a name of its own",
        "RTIR_TIMEOUT",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let by_default = faults(&[("AMQP_QUEUE", "rtir-relay.dead-letters")]);
    assert!(by_default.starts_with("AMQP_DEAD_LETTER_QUEUE: names"), "{by_default}");
    // An exchange and a queue may share a name.
    config(&[("AMQP_EXCHANGE", "alerts"), ("AMQP_QUEUE", "alerts")]);
}

#[test]
fn every_variable_of_rt_is_read() {
    let pem = file("rt.pem", b"-");
    let config = config(&[
        ("RTIR_QUEUE", "Test Reports"),
        ("RTIR_FALLBACK_REQUESTOR", "csirt@équipe.example"),
        ("RTIR_CA_FILE", pem.to_str().unwrap()),
        ("RTIR_PROXY", "http://u:p@proxy.example:3128"),
        ("RTIR_TIMEOUT", "25s"),
        ("RTIR_CONCURRENCY", "4"),
        ("RTIR_SESSION_MAX_AGE", "1h"),
        ("RTIR_KEEP_ALIVE", "true"),
        ("ALERT_NAMESPACE", "test-1.a_B"),
    ]);
    let Config { rtir, rules, .. } = config;
    let Credentials::Password { username, password } = &rtir.credentials else { panic!("{:?}", rtir.credentials) };
    assert_eq!((username.as_str(), text(password).as_str()), ("relay", PASSWORD));
    assert_eq!((rtir.rt_queue.as_str(), rtir.ca_file), ("Test Reports", Some(pem)));
    assert_eq!(text(&rtir.proxy.unwrap()), "http://u:p@proxy.example:3128");
    assert_eq!((rtir.timeout, rtir.session_max_age), (Duration::from_secs(25), Duration::from_hours(1)));
    assert_eq!((rtir.concurrency, rtir.keep_alive), (4, true));
    let Rules { rt_queue, fallback_requestor, namespace, .. } = rules;
    assert_eq!(rt_queue.as_str(), "Test Reports");
    assert_eq!(fallback_requestor.unwrap().as_str(), "csirt@xn--quipe-9ra.example");
    assert_eq!(namespace.as_deref(), Some("test-1.a_B"));
}

#[test]
fn without_trax_url_nothing_is_handed_over() {
    assert!(config(&[]).trax.is_none());
    assert!(config(&[("TRAX_URL", ""), ("TRAX_TOKEN", "")]).trax.is_none(), "as compose files leave it");
}

#[test]
fn what_is_not_given_for_trax_has_its_default() {
    let trax = config(&[("TRAX_URL", "https://trax.example/api/postbox/7"), ("TRAX_TOKEN", PASSWORD)]).trax.unwrap();
    assert_eq!(trax.url.as_str(), "https://trax.example/api/postbox/7");
    assert_eq!(text(&trax.token), PASSWORD);
    assert_eq!((trax.timeout, trax.interval), (Duration::from_secs(10), Duration::from_mins(1)));
    assert_eq!((trax.condition, trax.release_field), (None, None));
    assert_eq!((trax.ca_file, trax.attributes_file), (None, None));
}

#[test]
fn every_variable_of_trax_is_read() {
    let (pem, toml) = (file("trax.pem", b"-"), file("trax.toml", b"-"));
    let token = file("trax-token", b"hunter2\n");
    let trax = config(&[
        ("TRAX_URL", "http://trax.example:8080/postbox?for=7"),
        ("TRAX_TOKEN_FILE", token.to_str().unwrap()),
        ("TRAX_CA_FILE", pem.to_str().unwrap()),
        ("TRAX_TIMEOUT", "3s"),
        ("TRAX_INTERVAL", "5m"),
        ("TRAX_CONDITION", "Priority >= 90 OR Queue = 'X'"),
        ("TRAX_RELEASE_FIELD", "Hand over?"),
        ("TRAX_ATTRIBUTES_FILE", toml.to_str().unwrap()),
    ])
    .trax
    .unwrap();
    assert_eq!(trax.url.as_str(), "http://trax.example:8080/postbox?for=7");
    assert_eq!(text(&trax.token), PASSWORD);
    assert_eq!((trax.timeout, trax.interval), (Duration::from_secs(3), Duration::from_mins(5)));
    assert_eq!(trax.condition.as_deref(), Some("Priority >= 90 OR Queue = 'X'"));
    assert_eq!(trax.release_field.as_deref(), Some("Hand over?"));
    assert_eq!((trax.ca_file, trax.attributes_file), (Some(pem), Some(toml)));
}

#[test]
fn a_variable_of_trax_without_trax_url_is_a_fault() {
    let path = file("trax-alone", b"-");
    let path = path.to_str().unwrap();
    for (variable, value) in [
        ("TRAX_TOKEN", PASSWORD),
        ("TRAX_TOKEN_FILE", path),
        ("TRAX_CA_FILE", path),
        ("TRAX_TIMEOUT", "1s"),
        ("TRAX_INTERVAL", "1s"),
        ("TRAX_CONDITION", "id > 0"),
        ("TRAX_RELEASE_FIELD", "x"),
        ("TRAX_ATTRIBUTES_FILE", path),
    ] {
        let found = faults(&[(variable, value)]);
        assert_eq!(found, "TRAX_URL: is required where another TRAX_ variable is set", "{variable}");
    }
}

#[test]
fn trax_url_is_an_address_and_is_not_shown_where_it_is_none() {
    let refused = [
        "hunter2",
        "trax.example/hunter2",
        "ftp://hunter2@trax.example",
        "https://",
        "https://relay:hunter2@trax.example/7",
        "https://hunter2@trax.example/7",
        "https://trax.example/7#hunter2",
    ];
    for url in refused {
        let found = faults(&[("TRAX_URL", url), ("TRAX_TOKEN", "t")]);
        assert_eq!(found, "TRAX_URL: takes http:// or https://, and a host; no user, no fragment", "{url}");
    }
}

#[test]
fn all_faults_of_trax_are_reported_at_once() {
    let duration = "a duration such as 500ms, 30s or 5m";
    let found = faults(&[
        ("TRAX_URL", "x"),
        ("TRAX_TOKEN_FILE", "/nowhere/token"),
        ("TRAX_CA_FILE", "/nowhere/ca.pem"),
        ("TRAX_TIMEOUT", "10"),
        ("TRAX_INTERVAL", "0s"),
        ("TRAX_RELEASE_FIELD", "a'} OR id > 0"),
        ("TRAX_ATTRIBUTES_FILE", "/nowhere/attributes.toml"),
        ("TRAX_INTERVALL", "1s"),
    ]);
    let no_file = "cannot be read: No such file or directory (os error 2)";
    let mut lines: Vec<_> = found.lines().collect();
    lines.sort_unstable();
    let expected = [
        &format!("TRAX_ATTRIBUTES_FILE: /nowhere/attributes.toml {no_file}"),
        &format!("TRAX_CA_FILE: /nowhere/ca.pem {no_file}"),
        &format!("TRAX_INTERVAL: got \"0s\", takes {duration}"),
        "TRAX_INTERVALL: is not a variable of rtir-relay; did you mean TRAX_INTERVAL?",
        "TRAX_RELEASE_FIELD: got \"a'} OR id > 0\", takes the name of a custom field, without braces and quotes",
        &format!("TRAX_TIMEOUT: got \"10\", takes {duration}"),
        &format!("TRAX_TOKEN_FILE: /nowhere/token {no_file}"),
        "TRAX_URL: takes http:// or https://, and a host; no user, no fragment",
    ];
    assert_eq!(lines, expected);
    for name in ["{x}", "it's", "\"x\"", "a\\b", "a\nb"] {
        let found = faults(&[("TRAX_URL", "https://trax.example"), ("TRAX_TOKEN", "t"), ("TRAX_RELEASE_FIELD", name)]);
        assert!(found.starts_with("TRAX_RELEASE_FIELD: got "), "{found}");
    }
    let found = faults(&[("TRAX_URL", "https://trax.example")]);
    assert_eq!(found, "TRAX_TOKEN: is required, or TRAX_TOKEN_FILE: the API token of the postbox");
}

#[test]
fn every_other_variable_is_read() {
    let Config { retry, process, .. } = config(&[
        ("RETRY_INITIAL", "1s"),
        ("RETRY_MAX", "2m"),
        ("RETRY_MAX_ATTEMPTS", "1"),
        ("RETRY_UNKNOWN_WAIT", "250ms"),
        ("PAUSE_AFTER", "90s"),
        ("SHUTDOWN_GRACE", "1m 30s"),
        ("HTTP_LISTEN", "[::]:80"),
    ]);
    assert_eq!((retry.initial, retry.max), (Duration::from_secs(1), Duration::from_mins(2)));
    assert_eq!((retry.max_attempts, retry.unknown_wait), (1, Duration::from_millis(250)));
    assert_eq!((process.pause_after, process.shutdown_grace), (Duration::from_secs(90), Duration::from_secs(90)));
    assert_eq!(process.http_listen, Some("[::]:80".parse().unwrap()));
    assert_eq!(config(&[("HTTP_LISTEN", "off")]).process.http_listen, None);

    let log = Log::load(&environment(&[("LOG", "rtir_relay=debug,warn"), ("LOG_FORMAT", "json")])).unwrap();
    assert_eq!((log.filter.as_str(), log.format), ("rtir_relay=debug,warn", Some(LogFormat::Json)));
    assert_eq!(Log::load(&environment(&[("LOG_FORMAT", "text")])).unwrap().format, Some(LogFormat::Text));
}

#[test]
fn at_least_twice_as_many_alerts_are_held_as_there_are_requests_unless_told_otherwise() {
    for (concurrency, prefetch) in [("1", 64), ("32", 64), ("64", 128)] {
        assert_eq!(config(&[("RTIR_CONCURRENCY", concurrency)]).prefetch(), prefetch);
        assert_eq!(config(&[("RTIR_CONCURRENCY", concurrency), ("AMQP_PREFETCH", "7")]).prefetch(), 7);
    }
}

#[test]
fn a_value_that_is_not_taken_is_shown_with_what_is() {
    let duration = "a duration such as 500ms, 30s or 5m";
    let cases = [
        ("AMQP_TOPOLOGY", "create", "declare or passive"),
        ("AMQP_HEARTBEAT", "15", duration),
        ("AMQP_PREFETCH", "0", "a whole number from 1 to 1000"),
        ("AMQP_PREFETCH", "1001", "a whole number from 1 to 1000"),
        ("AMQP_PREFETCH", "many", "a whole number from 1 to 1000"),
        ("AMQP_QUEUE", &"q".repeat(256), "a name of at most 255 bytes"),
        ("AMQP_EXCHANGE", "a\nb", "a name of at most 255 bytes"),
        ("RTIR_QUEUE", " ", "the name of an RT queue"),
        ("RTIR_FALLBACK_REQUESTOR", "csirt", "an e-mail address"),
        ("RTIR_FALLBACK_REQUESTOR", "a@x.example,b@x.example", "an e-mail address"),
        ("RTIR_TIMEOUT", "20", duration),
        ("RTIR_TIMEOUT", "0s", duration),
        ("RTIR_TIMEOUT", "-20s", duration),
        ("RTIR_CONCURRENCY", "0", "a whole number from 1 to 64"),
        ("RTIR_CONCURRENCY", "65", "a whole number from 1 to 64"),
        ("RTIR_CONCURRENCY", "many", "a whole number from 1 to 64"),
        ("RTIR_SESSION_MAX_AGE", "soon", duration),
        ("RTIR_KEEP_ALIVE", "yes", "true or false"),
        ("ALERT_NAMESPACE", "a:b", "1 to 40 characters of A-Z a-z 0-9 . _ -"),
        ("ALERT_NAMESPACE", &"n".repeat(41), "1 to 40 characters of A-Z a-z 0-9 . _ -"),
        ("RETRY_INITIAL", "1 fortnight", duration),
        ("RETRY_MAX_ATTEMPTS", "0", "a whole number from 1 on"),
        ("RETRY_MAX_ATTEMPTS", "-1", "a whole number from 1 on"),
        ("PAUSE_AFTER", "never", duration),
        ("HTTP_LISTEN", "9464", "an address and port such as 127.0.0.1:9464, or off"),
    ];
    for (variable, got, takes) in cases {
        let Err(found) = Config::load(&environment(&[(variable, got)])) else { panic!("{variable} takes {got:?}") };
        let expected = Fault { variable: variable.to_owned(), got: Some(got.to_owned()), takes: takes.to_owned() };
        assert_eq!(found, [expected]);
    }
    assert_eq!(faults(&[("RTIR_TIMEOUT", "20")]), format!("RTIR_TIMEOUT: got \"20\", takes {duration}"));
    for (variable, got) in [("LOG", "loud=="), ("LOG_FORMAT", "xml")] {
        let found = Log::load(&environment(&[(variable, got)])).unwrap_err();
        assert_eq!((found[0].variable.as_str(), found[0].got.as_deref()), (variable, Some(got)));
    }
}

#[test]
fn what_is_required_is_missed() {
    let missing = [("AMQP_URL", ""), ("RTIR_URL", ""), ("RTIR_USERNAME", ""), ("RTIR_PASSWORD", "")];
    assert_eq!(
        faults(&missing),
        "AMQP_URL: is required, or AMQP_URL_FILE: amqp://user:password@host/vhost\n\
         RTIR_URL: is required: the base URL of RT, such as https://rt.example.org\n\
         RTIR_USERNAME: is required with RTIR_PASSWORD or RTIR_PASSWORD_FILE; or else RTIR_TOKEN or RTIR_TOKEN_FILE"
    );
}

#[test]
fn credentials_are_a_password_or_a_token() {
    let token = [("RTIR_USERNAME", ""), ("RTIR_PASSWORD", ""), ("RTIR_TOKEN", "1-14-abc")];
    let Credentials::Token(secret) = config(&token).rtir.credentials else { panic!("no token") };
    assert_eq!(text(&secret), "1-14-abc");
    let cases: [(&[(&str, &str)], &str); 4] = [
        (&[("RTIR_PASSWORD", "")], "RTIR_PASSWORD: or RTIR_PASSWORD_FILE goes with RTIR_USERNAME"),
        (&[("RTIR_USERNAME", "")], "RTIR_USERNAME: goes with RTIR_PASSWORD"),
        (&[("RTIR_TOKEN", "t")], "RTIR_TOKEN: is set and RTIR_USERNAME or RTIR_PASSWORD too; set one kind"),
        (
            &[("RTIR_TOKEN", "t"), ("RTIR_PASSWORD", "")],
            "RTIR_TOKEN: is set and RTIR_USERNAME or RTIR_PASSWORD too; set one kind",
        ),
    ];
    for (pieces, expected) in cases {
        assert_eq!(faults(pieces), expected);
    }
}

#[test]
fn all_faults_are_reported_at_once() {
    let found = faults(&[
        ("AMQP_URL", ""),
        ("AMQP_TOPOLOGY", "x"),
        ("AMQP_QUEU", "x"),
        ("RTIR_URL", "rt.example"),
        ("RTIR_QUEUE", " "),
        ("RTIR_FALLBACK_REQUESTOR", "x"),
        ("RTIR_TIMEOUT", "x"),
        ("RTIR_CA_FILE", "/nowhere/ca.pem"),
        ("RETRY_MAX", "x"),
        ("ALERT_NAMESPACE", "x y"),
        ("TRAX_URL", "x"),
        ("PAUSE_AFTER", "x"),
        ("HTTP_LISTEN", "x"),
    ]);
    let mut variables: Vec<_> = found.lines().map(|line| line.split(':').next().unwrap()).collect();
    variables.sort_unstable();
    let expected = [
        "ALERT_NAMESPACE",
        "AMQP_QUEU",
        "AMQP_TOPOLOGY",
        "AMQP_URL",
        "HTTP_LISTEN",
        "PAUSE_AFTER",
        "RETRY_MAX",
        "RTIR_CA_FILE",
        "RTIR_FALLBACK_REQUESTOR",
        "RTIR_QUEUE",
        "RTIR_TIMEOUT",
        "RTIR_URL",
        "TRAX_TOKEN",
        "TRAX_URL",
    ];
    assert_eq!(variables, expected, "each once:\n{found}");
}

#[test]
fn the_shutdown_grace_exceeds_the_timeout_of_rt() {
    let takes = "more than RTIR_TIMEOUT, so that a create in flight can end";
    for (grace, timeout) in [("20s", "20s"), ("19s", ""), ("", "30s"), ("1m", "2m")] {
        let found = faults(&[("SHUTDOWN_GRACE", grace), ("RTIR_TIMEOUT", timeout)]);
        let got = if grace.is_empty() { "30s" } else { grace };
        assert_eq!(found, format!("SHUTDOWN_GRACE: got {got:?}, takes {takes}"), "as it was given");
    }
    config(&[("SHUTDOWN_GRACE", "20001ms")]);
    // Whatever else is wrong.
    let found = faults(&[("SHUTDOWN_GRACE", "5s"), ("RTIR_URL", ""), ("PAUSE_AFTER", "x")]);
    assert!(found.contains("SHUTDOWN_GRACE: "), "{found}");
}

#[test]
fn a_misspelt_variable_is_a_fault_with_a_suggestion() {
    let cases = [
        ("AMQP_QUEU", "did you mean AMQP_QUEUE?"),
        ("AMQP_DEADLETTER_QUEUE", "did you mean AMQP_DEAD_LETTER_QUEUE?"),
        ("RTIR_PASWORD", "did you mean RTIR_PASSWORD?"),
        ("RTIR_USER_NAME", "did you mean RTIR_USERNAME?"),
        ("RTIR_PASSWORDFILE", "did you mean RTIR_PASSWORD_FILE?"),
        ("RTIR_url", "did you mean RTIR_URL?"),
        ("RETRY_MAX_ATTEMPT", "did you mean RETRY_MAX_ATTEMPTS?"),
        ("ALERT_NAMESPACES", "did you mean ALERT_NAMESPACE?"),
        ("RTIR_SOMETHING_ELSE", "README lists them all"),
        ("TRAX_TOKN", "did you mean TRAX_TOKEN?"),
    ];
    for (variable, hint) in cases {
        let Err(found) = Config::load(&environment(&[(variable, PASSWORD)])) else { panic!("{variable} passes") };
        assert_eq!(join(&found), format!("{variable}: is not a variable of rtir-relay; {hint}"));
    }
}

#[test]
fn a_second_spelling_takes_nothing_away() {
    let found = Config::load(&environment(&[("RTIR_queue", "Other"), ("RTIR_QUEUE", "Test Reports")]));
    assert!(found.is_err(), "RTIR_queue is not a variable of rtir-relay");
    // Names without a prefix are anybody's, if they are not spelt as ours.
    let process = config(&[("PAUSE_AFTER", "1m"), ("pause_after", "x"), ("log", "x")]).process;
    assert_eq!(process.pause_after, Duration::from_mins(1));
    assert_eq!(Log::load(&environment(&[("LOG", "debug"), ("log", "x")])).unwrap().filter, "debug");
}

#[test]
fn what_kubernetes_sets_for_services_is_not_ours() {
    config(&[
        ("AMQP_SERVICE_HOST", "10.0.0.11"),
        ("AMQP_SERVICE_PORT", "5672"),
        ("AMQP_SERVICE_PORT_AMQP", "5672"),
        ("AMQP_PORT", "tcp://10.0.0.11:5672"),
        ("AMQP_PORT_5672_TCP", "tcp://10.0.0.11:5672"),
        ("AMQP_PORT_5672_TCP_ADDR", "10.0.0.11"),
        ("RTIR_WEB_SERVICE_HOST", "10.0.0.12"),
        ("RTIR_WEB_SERVICE_PORT", "443"),
        ("RTIR_WEB_SERVICE_PORT_HTTPS", "443"),
        ("RTIR_WEB_PORT", "tcp://10.0.0.12:443"),
        ("RTIR_WEB_PORT_443_TCP_PROTO", "tcp"),
        ("RELAY_PORT", "x"),
        ("PATH", "/bin"),
    ]);
}

#[test]
fn an_empty_variable_counts_as_absent() {
    let config = config(&[
        ("RTIR_TIMEOUT", ""),
        ("AMQP_CA_FILE", ""),
        ("RTIR_TOKEN", ""),
        ("RTIR_PASSWORD_FILE", ""),
        ("RTIR_TYPO", ""),
    ]);
    assert_eq!(config.rtir.timeout, Duration::from_secs(20));
}

#[test]
fn a_secret_and_its_file_together_are_one_fault() {
    let path = file("both", PASSWORD.as_bytes());
    let path = path.to_str().unwrap();
    let both = |variable: &str| format!("{variable}: is set and {variable}_FILE too; set one of them");
    assert_eq!(faults(&[("AMQP_URL", "amqp://h"), ("AMQP_URL_FILE", path)]), both("AMQP_URL"));
    assert_eq!(faults(&[("RTIR_PASSWORD", "p"), ("RTIR_PASSWORD_FILE", path)]), both("RTIR_PASSWORD"));
    let token = [("RTIR_USERNAME", ""), ("RTIR_PASSWORD", ""), ("RTIR_TOKEN", "t"), ("RTIR_TOKEN_FILE", path)];
    assert_eq!(faults(&token), both("RTIR_TOKEN"));
    let management = [("AMQP_MANAGEMENT_URL", "http://h"), ("AMQP_MANAGEMENT_URL_FILE", path)];
    assert_eq!(faults(&management), both("AMQP_MANAGEMENT_URL"));
    let trax = [("TRAX_URL", "https://trax.example"), ("TRAX_TOKEN", "t"), ("TRAX_TOKEN_FILE", path)];
    assert_eq!(faults(&trax), both("TRAX_TOKEN"));
}

#[test]
fn one_line_break_at_the_end_of_a_file_is_no_part_of_a_secret() {
    let cases: [(&[u8], &str); 6] = [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b" hunter2 \n", " hunter2 "),
        (b"\nhunter2", "\nhunter2"),
    ];
    for (content, expected) in cases {
        assert_eq!(text(&Secret::in_file(file("line-break", content))), expected, "{content:?}");
    }
}

#[test]
fn a_secret_in_a_file_is_read_again() {
    let path = file("rotated", b"old\n");
    let pieces = [("RTIR_PASSWORD", ""), ("RTIR_PASSWORD_FILE", path.to_str().unwrap())];
    let Credentials::Password { password, .. } = config(&pieces).rtir.credentials else { panic!("no password") };
    assert_eq!(text(&password), "old");
    fs::write(&path, "new\n").unwrap();
    assert_eq!(text(&password), "new");
    fs::remove_file(&path).unwrap();
    let error = password.read().expect_err("the file is gone").to_string();
    assert!(error.starts_with(&format!("{} cannot be read: ", path.display())), "{error}");
}

#[test]
fn a_file_that_cannot_be_used_is_a_fault() {
    let empty = file("empty", b"\n");
    let directory = env!("CARGO_TARGET_TMPDIR");
    for variable in ["AMQP_URL_FILE", "RTIR_PASSWORD_FILE"] {
        let others = [
            ("AMQP_URL", if variable == "AMQP_URL_FILE" { "" } else { "amqp://h" }),
            ("RTIR_PASSWORD", if variable == "RTIR_PASSWORD_FILE" { "" } else { "p" }),
        ];
        for (path, why) in [("/nowhere/x", "/nowhere/x cannot be read: "), (empty.to_str().unwrap(), "is empty")] {
            let found = faults(&[others[0], others[1], (variable, path)]);
            assert!(found.starts_with(&format!("{variable}: ")) && found.contains(why), "{found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
    for variable in ["AMQP_CA_FILE", "RTIR_CA_FILE"] {
        for path in ["/nowhere/x", directory] {
            let Err(found) = Config::load(&environment(&[(variable, path)])) else { panic!("{variable} takes {path}") };
            assert!(join(&found).starts_with(&format!("{variable}: {path} cannot be read: ")), "{}", join(&found));
        }
    }
    let pem = file("alone.pem", b"-");
    for variable in ["AMQP_CLIENT_CERT_FILE", "AMQP_CLIENT_KEY_FILE"] {
        let found = faults(&[(variable, pem.to_str().unwrap())]);
        assert_eq!(found, "AMQP_CLIENT_CERT_FILE: and AMQP_CLIENT_KEY_FILE go together");
    }
}

#[test]
fn rtir_url_is_a_base_url() {
    for (given, url) in [
        ("http://rt.example", "http://rt.example/"),
        ("https://rt.example/", "https://rt.example/"),
        ("https://rt.example:8443/rt/v5", "https://rt.example:8443/rt/v5/"),
    ] {
        assert_eq!(config(&[("RTIR_URL", given)]).rtir.url.as_str(), url);
    }
    let refused = [
        "rt.example",
        "ftp://rt.example",
        "https://",
        "https://relay:hunter2@rt.example",
        "https://relay@rt.example",
        "https://:hunter2@rt.example",
        "https://rt.example/?x=1",
        "https://rt.example/#x",
    ];
    for url in refused {
        let expected = "RTIR_URL: takes http:// or https://, a host, perhaps a path; no user, query or fragment";
        assert_eq!(faults(&[("RTIR_URL", url)]), expected, "{url}");
    }
}

#[test]
fn amqp_url_is_a_list_and_a_comma_inside_is_escaped() {
    let hosts = |list: &str| {
        let uris = parse_uris(list).unwrap_or_else(|error| panic!("{list}: {error}"));
        uris.into_iter().map(|uri| (uri.authority.host, uri.authority.port, uri.vhost)).collect::<Vec<_>>()
    };
    let host = |host: &str, port, vhost: &str| (host.to_owned(), port, vhost.to_owned());
    assert_eq!(hosts("amqp://a"), [host("a", 5672, "/")]);
    let two = [host("a", 5672, "/"), host("b", 5671, "v")];
    assert_eq!(hosts("amqp://u:p@a/%2f,amqps://u:p@b/v"), two);
    assert_eq!(hosts(" amqp://a/%2f , amqps://b:5671/v "), two, "spaces around a comma do no harm");
    let uri = parse_uris("amqp://u%2C1:p%2C%40%2F2@a/v%2C3").unwrap().remove(0);
    assert_eq!(uri.authority.userinfo.username, "u,1");
    assert_eq!(uri.authority.userinfo.password, "p,@/2");
    assert_eq!((uri.authority.host.as_str(), uri.vhost.as_str()), ("a", "v,3"));

    let position = |list: &str| parse_uris(list).expect_err(list).split(" is not ").next().unwrap().to_owned();
    assert_eq!(position("http://a"), "URL 1 of the list");
    assert_eq!(position("amqp://a,broker"), "URL 2 of the list");
    assert_eq!(position("amqp://a,"), "URL 2 of the list");
    assert!(parse_uris("amqp://a/").is_err_and(|error| error.contains("the default one is /%2f")));
}

#[test]
fn the_faults_of_a_command_are_those_it_needs() {
    let nothing: Environment = [("", ""); 0].into_iter().collect();
    assert!(Config::load_rules(&nothing).is_ok(), "what decides a ticket has defaults");
    let bad: Environment = [("RTIR_QUEUE", " "), ("RTIR_TIMEOUT", "x"), ("AMQP_HEARTBEAT", "x")].into_iter().collect();
    let variables = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.variable).collect::<Vec<_>>();
    assert_eq!(variables(Config::load_rules(&bad).unwrap_err()), ["RTIR_QUEUE"]);
    assert_eq!(variables(Config::load_amqp(&bad).unwrap_err()), ["AMQP_URL", "AMQP_HEARTBEAT"]);
}

/// Asserts that `text` has nothing of a secret.
fn assert_no_secret(text: &str) {
    assert!(!text.contains(PASSWORD), "a secret in {text}");
}

#[test]
fn debug_shows_no_secret() {
    let path = file("debug", PASSWORD.as_bytes());
    let path = path.to_str().unwrap();
    let url = "amqp://relay:hunter2@broker.example/%2f";
    let in_file = file("debug-url", url.as_bytes());
    let config = config(&[
        ("AMQP_URL", url),
        ("AMQP_MANAGEMENT_URL", "http://relay:hunter2@broker.example"),
        ("RTIR_PROXY", "http://relay:hunter2@proxy.example:3128"),
        ("TRAX_URL", "https://trax.example"),
        ("TRAX_TOKEN", PASSWORD),
    ]);
    assert_no_secret(&format!("{config:?} {config:#?}"));
    assert_no_secret(&format!("{:?} {:?} {:?}", config.amqp, config.rtir, config.rtir.credentials));

    let token = [("RTIR_USERNAME", ""), ("RTIR_PASSWORD", ""), ("RTIR_TOKEN", PASSWORD), ("AMQP_URL", url)];
    assert_no_secret(&format!("{:?}", Config::load(&environment(&token)).unwrap()));
    let files = [
        ("AMQP_URL", ""),
        ("AMQP_URL_FILE", in_file.to_str().unwrap()),
        ("RTIR_PASSWORD", ""),
        ("RTIR_PASSWORD_FILE", path),
    ];
    let config = Config::load(&environment(&files)).unwrap();
    let Amqp { url: secret, .. } = &config.amqp;
    assert_eq!(text(secret), url);
    assert_no_secret(&format!("{config:?} {:?}", secret.read().unwrap()));
}

#[test]
fn faults_show_no_secret() {
    let not_a_url = file("fault", b"hunter2://hunter2:hunter2@hunter2 hunter2");
    let not_a_url = not_a_url.to_str().unwrap();
    let cases: [&[(&str, &str)]; 11] = [
        &[("AMQP_URL", "hunter2")],
        &[("AMQP_URL", "amqp://relay:hunter2@host:port/%2f")],
        &[("AMQP_URL", "amqp://relay:hunter2@host/")],
        &[("AMQP_URL", ""), ("AMQP_URL_FILE", not_a_url)],
        &[("AMQP_URL", "amqp://relay:hunter2@host"), ("AMQP_URL_FILE", not_a_url)],
        &[("RTIR_URL", "https://relay:hunter2@rt.example")],
        &[("RTIR_PROXY", "relay:hunter2@proxy")],
        &[("RTIR_PASSWORD", PASSWORD), ("RTIR_PASSWORD_FILE", not_a_url)],
        &[("RTIR_TOKEN", PASSWORD)],
        &[("TRAX_URL", "https://relay:hunter2@trax.example"), ("TRAX_TOKEN", PASSWORD), ("TRAX_TOKEN_FILE", not_a_url)],
        &[("RTIR_PASWORD", PASSWORD), ("RTIR_TOKENS", PASSWORD), ("TRAX_TOKEN", PASSWORD)],
    ];
    for pieces in cases {
        let found = Config::load(&environment(pieces)).unwrap_err();
        assert_no_secret(&format!("{} {found:?}", join(&found)));
    }
}
