//! No log ever holds a secret, at no level, from no crate; and nothing that can
//! be printed does.
//!
//! The logger is the process's, so this is a binary of its own.

use std::{
    fmt::{Debug, Display},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hobnail::{
    Client, Dialect, Error, Event, LinkError,
    auth::{OAuth2, Token, TokenReason, TokenSource},
    config::{Builder, Proxy, TlsOptions},
};
use hobnail_mock_broker::{
    Action, MockBroker, Rule, Scenario, http::Response, on, plain_error, recv, respond,
};
use hobnail_tests::{
    Peer, SOON, Seen, connected, event,
    http::{HttpServer, http, json},
    proxy, start,
};

/// Everything that must never be seen.
const SECRETS: &[&str] = &[
    "hush-passcode",
    "hush-token-1",
    "hush-token-2",
    "hush-upgrade",
    "hush-connect",
    "hush-proxy",
    "hush-query",
    "hush-cookie",
    "hush-client",
    "hush-refresh",
    "hush-granted",
    "hush-field",
];
/// What they have in common.
const HUSH: &str = "hush-";

/// Everything that any crate of this process has logged.
struct Captured(Mutex<Vec<String>>);

static LOG: Captured = Captured(Mutex::new(Vec::new()));

impl Captured {
    fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl log::Log for Captured {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // At this level it dumps whole requests and cannot be told not to; the
        // documentation of OAuth2 says so.
        if record.level() == log::Level::Trace && record.target().starts_with("ureq") {
            return;
        }
        let line = format!("{} {}", record.target(), record.args());
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }

    fn flush(&self) {}
}

/// What is to be printed by the application, printed in every way.
#[derive(Default)]
struct Printed(Vec<String>);

impl Printed {
    fn debug(&mut self, value: &impl Debug) {
        self.0.push(format!("{value:?}"));
        self.0.push(format!("{value:#?}"));
    }

    fn both(&mut self, value: &(impl Debug + Display)) {
        self.debug(value);
        self.0.push(value.to_string());
    }

    fn failure(&mut self, failed: Result<Client, Error>) -> Error {
        let e = failed.expect_err("this connection cannot succeed");
        self.both(&e);
        e
    }
}

/// How a secret looks in a dump of octets.
fn disguises(secret: &str) -> [String; 4] {
    let each = |f: fn(u8) -> String, between: &str| {
        let octets: Vec<_> = secret.bytes().map(f).collect();
        octets.join(between)
    };
    [
        secret.to_owned(),
        each(|o| format!("{o:02x}"), ""),
        each(|o| format!("{o:02x}"), " "),
        each(|o| o.to_string(), ", "),
    ]
}

fn assert_silent(lines: &[String]) {
    let mut words: Vec<_> = SECRETS.iter().flat_map(|s| disguises(s)).collect();
    words.extend(disguises(HUSH));
    // "agent:hush-proxy" in Base64, and its end.
    words.push("YWdlbnQ6aHVzaC1wcm94eQ".into());
    words.push("aHVzaC".into());
    for line in lines {
        let lower = line.to_lowercase();
        for word in &words {
            assert!(!line.contains(word) && !lower.contains(word), "{line}");
        }
    }
}

fn with_secrets(url: &str, broker: &MockBroker) -> Builder {
    let tls = TlsOptions {
        roots: broker.ca_pem().map(str::to_owned).into_iter().collect(),
        ..TlsOptions::default()
    };
    Client::builder(format!("{url}?access_token=hush-query"))
        .proxy(None)
        .tls(tls)
        .backoff(hobnail::config::Backoff {
            initial: Duration::from_millis(20),
            max: Duration::from_millis(100),
            ..Default::default()
        })
        .login("agent", "hush-passcode")
        .upgrade_header("Authorization", "Bearer hush-upgrade")
        .upgrade_header("Cookie", "session=hush-cookie")
        .connect_header("Authorization", "Bearer hush-connect")
        .connect_header("x-custom", "hush-connect")
}

/// A whole life, with a loss in the middle.
fn live(printed: &mut Printed, broker: &MockBroker, builder: Builder) {
    printed.debug(&builder);
    let config = builder.build().expect("the settings are fine");
    printed.debug(&config);
    printed.both(&config.endpoint);
    let mut client = Client::connect(config).expect("connects");
    printed.debug(&client);
    let first = client.poll_event().expect("Connected");
    printed.debug(&first);
    let request = client.subscription("/queue/a");
    let request = request.header("passcode", "hush-passcode");
    printed.debug(&request);
    let subscription = request.subscribe().expect("subscribes");
    printed.debug(&subscription);
    let send = client.send("/queue/a").body("application data");
    printed.debug(&send);
    let headers = [
        ("passcode", "hush-passcode"),
        ("Authorization", "hush-connect"),
    ];
    let send = headers.iter().fold(send, |s, (n, v)| s.header(*n, *v));
    printed.debug(&send);
    drop(send);
    client.send("/queue/a").body("x").publish().expect("room");
    let message = client.recv_timeout(SOON).expect("open").expect("comes");
    printed.debug(&message);
    printed.debug(message.frame());
    let handle = client.spawn().expect("a thread");
    printed.debug(&handle);
    let events = handle.events();
    broker.restart();
    printed.debug(&connected(&events, 2));
    handle.send("/queue/bad").publish().expect("room");
    let is_end = |e: &Event| matches!(e, Event::Disconnected { .. });
    printed.debug(&event(&events, is_end));
    printed.debug(&connected(&events, 3));
    handle.close().expect("closes");
}

fn scenario() -> Scenario {
    let bad = recv("SEND").matching("destination", "/queue/bad");
    Scenario::builder()
        .auth_basic("agent", "hush-passcode")
        .rule(Rule::on(bad).then(plain_error("no")))
        .build()
}

/// Tokens, refused and replaced, in both dialects.
fn rotate(printed: &mut Printed, dialect: Dialect) {
    let broker = start(
        Scenario::builder()
            .auth_bearer(Duration::from_secs(3600))
            .receipt_id_header(true)
            .build(),
    );
    let given = std::sync::atomic::AtomicU32::new(1);
    let source = move |_| {
        let n = given.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Token::new(format!("hush-token-{n}")))
    };
    printed.debug(&Token::new("hush-token-1"));
    let builder = Client::builder(broker.url()).proxy(None).dialect(dialect);
    let builder = builder.token_source(source);
    printed.debug(&builder);
    let handle = builder.connect().expect("connects").spawn();
    let handle = handle.expect("a thread");
    let events = handle.events();
    broker.expire_token("hush-token-1");
    let renewed = broker.nth_received(2, "CONNECT");
    assert_eq!(renewed.header("passcode"), Some("hush-token-2"));
    let last = event(&events, |e| {
        let again = matches!(e, Event::Connected(c) if c.connection == 2);
        again || matches!(e, Event::Resumed { .. })
    });
    printed.debug(&last);
    handle
        .send("/queue/a")
        .receipt()
        .publish()
        .expect("confirmed");
    handle.close().expect("closes");
}

/// An OAuth2 server that is asked in every way, and repeats what it hears.
fn ask_for_tokens(printed: &mut Printed) {
    let server = HttpServer::start(|n, asked| match n {
        1 | 2 => json(
            200,
            r#"{"access_token":"hush-granted","refresh_token":"hush-refresh"}"#,
        ),
        3 => http(
            302,
            "text/plain",
            "Location: http://127.0.0.1/elsewhere\r\n",
            "",
        ),
        4 => json(401, &format!(r#"{{"error":"{}"}}"#, asked.body)),
        _ => http(500, "text/plain", "X-Token: hush-granted\r\n", &asked.body),
    });
    let (tunnel, requests) = proxy();
    let through = format!("http://agent:hush-proxy@127.0.0.1:{}", tunnel.port());
    let url = server.url("/t?policy=open");
    let basic = OAuth2::client_credentials(&url, "desk", "hush-client");
    let basic = basic.proxy(None).field("x", "hush-field");
    let grant = OAuth2::refresh(&url, "desk", "hush-refresh").secret("hush-client");
    let grant = grant.credentials_in_body().proxy(Some(&through));
    for builder in [basic, grant] {
        printed.debug(&builder);
        let source = builder.build().expect("the settings are fine");
        printed.debug(&source);
        for n in 0..3 {
            match source.token(TokenReason::Connect) {
                Ok(token) => printed.debug(&token),
                Err(e) => printed.both(&e),
            }
            if n == 0 {
                assert!(server.asked().body.contains("grant_type"));
            }
        }
    }
    assert!(requests.recv_timeout(SOON).is_ok(), "the proxy was used");
    for url in [
        "https://a:hush-client@x/",
        "http://x/?hush-query",
        "ftp://x/?hush-query",
    ] {
        let refused = OAuth2::client_credentials(url, "desk", "hush-client").build();
        printed.both(&refused.expect_err("this URL cannot be used"));
    }
    let bad = OAuth2::client_credentials("https://x/", "desk", "hush-client");
    let bad = bad.proxy(Some("gopher://a:hush-proxy@x")).build();
    printed.both(&bad.expect_err("no such proxy"));
}

/// Connections that fail, told with all that the peer said.
fn refuse(printed: &mut Printed) {
    let echo = "you said Authorization: Bearer hush-upgrade";
    let mut response = Response::text(403, echo);
    for name in ["Set-Cookie", "X-Auth-Token"] {
        let value = "session=hush-cookie; HttpOnly".to_owned();
        response.headers.push((name.to_owned(), value));
    }
    let broker = answering(respond(response));
    let e = printed.failure(with_secrets(&broker.url(), &broker).connect());
    let Error::Link(e) = e else { panic!("{e}") };
    printed.both(&*e);
    let LinkError::Refused(refusal) = *e else {
        panic!("{e}");
    };
    printed.both(&*refusal);
    assert_eq!(refusal.body, echo.as_bytes(), "the program can see it all");
    let cookie = |(n, _): &&(String, String)| n.eq_ignore_ascii_case("set-cookie");
    assert!(
        refusal
            .headers
            .iter()
            .find(cookie)
            .expect("it was sent")
            .1
            .contains(HUSH)
    );

    let secret = Scenario::builder().auth_basic("agent", "another").build();
    let broker = start(secret);
    printed.failure(with_secrets(&broker.url(), &broker).connect());

    let nobody = format!("ws://127.0.0.1:{}/", Peer::nobody().port());
    printed.failure(with_secrets(&nobody, &broker).connect());
    for url in ["ws://agent:hush-query@x/", "http://x/?t=hush-query"] {
        printed.failure(Client::builder(url).connect());
    }
    let proxy = Proxy::parse("socks5://agent:hush-proxy@x").expect_err("no SOCKS");
    printed.both(&proxy);
}

fn answering(action: Action) -> MockBroker {
    let rule = Rule::on(on::upgrade()).then(action);
    start(Scenario::builder().rule(rule).build())
}

#[test]
fn logs_never_hold_a_secret() {
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let mut printed = Printed::default();

    let plain = start(scenario());
    live(&mut printed, &plain, with_secrets(&plain.url(), &plain));
    let seen = plain.nth_received(1, "CONNECT");
    assert_eq!(seen.header("passcode"), Some("hush-passcode"));
    assert_eq!(seen.header("Authorization"), Some("Bearer hush-connect"));

    let secure = MockBroker::start_tls(scenario()).unwrap();
    live(&mut printed, &secure, with_secrets(&secure.url(), &secure));

    let (tunnel, requests) = proxy();
    let through = Proxy {
        host: "127.0.0.1".into(),
        port: tunnel.port(),
        basic: Some(("agent".into(), "hush-proxy".into())),
    };
    printed.debug(&through);
    let broker = start(scenario());
    let builder = with_secrets(&broker.url(), &broker).proxy(Some(through));
    live(&mut printed, &broker, builder);
    let asked = requests.recv_timeout(SOON).unwrap();
    assert!(
        asked.contains("YWdlbnQ6aHVzaC1wcm94eQ"),
        "it was really sent"
    );

    rotate(&mut printed, Dialect::CONTACT_CENTRE);
    rotate(&mut printed, Dialect::STOMP);
    refuse(&mut printed);
    ask_for_tokens(&mut printed);

    let mut lines = LOG.lines();
    // The broker cannot know which headers of ours are secret.
    lines.retain(|l| !(l.starts_with("mock_broker ") && l.contains("x-custom")));
    for witness in ["hobnail::", "ureq::"] {
        assert!(
            lines.iter().any(|l| l.starts_with(witness)),
            "nothing of {witness} was captured"
        );
    }
    assert_silent(&lines);
    assert_silent(&printed.0);
}
