//! Tokens that are refused, renewed and held ready.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use hobnail::{
    AuthError, Dialect, Error, Event, Stage,
    auth::{Token, TokenReason, TokenSource},
    config::Timeouts,
};
use hobnail_mock_broker::{
    MockBroker, OnExpiry, Rule, Scenario, What, error, recv, script::Bearer,
};
use hobnail_tests::{SOON, Seen, client, connected, event, start, until};

const HOUR: Duration = Duration::from_secs(3600);

/// A broker that accepts only tokens that it has issued.
fn guarded(scenario: impl FnOnce(hobnail_mock_broker::script::Builder) -> Scenario) -> MockBroker {
    let bearer = Bearer {
        ttl: HOUR,
        header: None,
        issued_only: true,
        leeway: Duration::ZERO,
    };
    let builder = Scenario::builder().bearer(bearer).receipt_id_header(true);
    start(scenario(builder))
}

/// Hands out tokens as they are given to it, and waits for them.
#[derive(Clone)]
struct Source {
    tokens: Arc<Mutex<mpsc::Receiver<Token>>>,
    asked: Arc<Mutex<Vec<TokenReason>>>,
    at_once: Arc<AtomicU32>,
}

impl Source {
    fn new() -> (mpsc::Sender<Token>, Self) {
        let (give, tokens) = mpsc::channel();
        let source = Self {
            tokens: Arc::new(Mutex::new(tokens)),
            asked: Arc::default(),
            at_once: Arc::default(),
        };
        (give, source)
    }

    fn asked(&self) -> Vec<TokenReason> {
        self.asked.lock().expect("nobody panicked").clone()
    }
}

impl TokenSource for Source {
    fn token(&self, reason: TokenReason) -> Result<Token, AuthError> {
        self.asked.lock().expect("nobody panicked").push(reason);
        assert_eq!(
            self.at_once.fetch_add(1, Ordering::SeqCst),
            0,
            "one fetch at a time"
        );
        let tokens = self.tokens.lock().expect("nobody panicked");
        let token = tokens.recv_timeout(SOON).map_err(|e| AuthError {
            text: e.to_string(),
            fatal: true,
        });
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        token
    }
}

fn issue(broker: &MockBroker) -> String {
    broker.issue_token("agent", HOUR)
}

#[test]
fn a_refused_token_is_replaced_on_the_same_socket_and_nothing_leaves_meanwhile() {
    let broker = guarded(|s| s.build());
    let [old, new] = [issue(&broker), issue(&broker)];
    let (give, source) = Source::new();
    give.send(Token::new(&old)).unwrap();
    let handle = client(&broker)
        .dialect(Dialect::CONTACT_CENTRE)
        .token_source(source.clone())
        .connect()
        .unwrap()
        .spawn()
        .unwrap();
    let events = handle.events();
    let back = handle.subscribe("/topic/a").unwrap();
    broker.expire_token(&old);
    event(&events, |e| matches!(e, Event::Suspended));
    broker.publish("/topic/a", &[], b"held");
    let pending: Vec<_> = (0..10)
        .map(|_| handle.send("/topic/a").body("waited").begin().unwrap())
        .collect();
    let impatient = handle.send("/topic/a").receipt();
    let impatient = impatient.timeout(Duration::from_millis(100)).publish();
    assert!(
        matches!(impatient, Err(Error::Timeout(Stage::Suspended))),
        "{impatient:?}"
    );
    give.send(Token::new(&new)).unwrap();
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    for receipt in pending {
        receipt.wait().unwrap();
    }
    assert_eq!(back.recv_timeout(SOON).unwrap().unwrap().body(), b"held");
    for _ in 0..10 {
        let message = back.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.body(), b"waited");
    }
    handle.close().unwrap();
    assert_eq!(source.asked(), [TokenReason::Connect, TokenReason::Refused]);
    assert_eq!(broker.complaints(), [], "nothing came while suspended");
    assert_eq!(broker.transcript().iter().map(|e| e.conn).max(), Some(1));
    let connects = [1, 2].map(|n| broker.nth_received(n, "CONNECT"));
    assert_eq!(connects[0].header("login"), Some("Bearer"));
    assert_eq!(connects[0].header("passcode"), Some(&*old));
    assert_eq!(connects[1].header("passcode"), Some(&*new));
    let commands = broker.commands(1);
    assert_eq!(commands.iter().filter(|c| *c == "SUBSCRIBE").count(), 1);
    assert_eq!(commands[..4], ["CONNECT", "SUBSCRIBE", "CONNECT", "SEND"]);
}

#[test]
fn a_token_that_is_held_ready_needs_no_fetch() {
    let broker = guarded(|s| s.build());
    let [old, new] = [issue(&broker), issue(&broker)];
    let (give, source) = Source::new();
    give.send(Token::new(&old).expires_in(Duration::from_millis(1250)))
        .unwrap();
    give.send(Token::new(&new)).unwrap();
    let handle = client(&broker)
        .dialect(Dialect::CONTACT_CENTRE)
        .token_source(source.clone())
        .connect()
        .unwrap()
        .spawn()
        .unwrap();
    let events = handle.events();
    until("the token is renewed", || source.asked().len() == 2);
    handle
        .send("/queue/a")
        .body("x")
        .receipt()
        .publish()
        .unwrap();
    let commands = broker.commands(1);
    assert_eq!(commands, ["CONNECT", "SEND"], "the session is not touched");
    broker.expire_token(&old);
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    assert_eq!(source.asked(), [TokenReason::Connect, TokenReason::Renew]);
    let connect = broker.nth_received(2, "CONNECT");
    assert_eq!(connect.header("passcode"), Some(&*new));
    handle.close().unwrap();
}

#[test]
fn by_the_letter_of_stomp_a_refused_token_means_a_new_connection() {
    for on_expiry in [OnExpiry::ErrorClose, OnExpiry::Suspend] {
        let broker = guarded(|s| s.on_expiry(on_expiry).build());
        let [old, new] = [issue(&broker), issue(&broker)];
        let (give, source) = Source::new();
        give.send(Token::new(&old)).unwrap();
        give.send(Token::new(&new)).unwrap();
        let handle = client(&broker)
            .token_source(source.clone())
            .connect()
            .unwrap()
            .spawn()
            .unwrap();
        let events = handle.events();
        let back = handle.subscribe("/topic/a").unwrap();
        broker.expire_token(&old);
        connected(&events, 2);
        event(&events, |e| matches!(e, Event::Restored { .. }));
        handle.send("/topic/a").body("x").publish().unwrap();
        assert_eq!(back.recv_timeout(SOON).unwrap().unwrap().body(), b"x");
        handle.close().unwrap();
        assert_eq!(source.asked(), [TokenReason::Connect, TokenReason::Refused]);
        let connect = broker.nth_received_on(2, 1, "CONNECT");
        assert_eq!(connect.header("passcode"), Some(&*new));
        assert_eq!(connect.header("login"), None);
        assert_eq!(
            broker.complaints().len(),
            usize::from(on_expiry == OnExpiry::ErrorClose)
        );
    }
}

#[test]
fn a_second_refusal_of_a_fresh_token_is_final() {
    for dialect in [Dialect::STOMP, Dialect::CONTACT_CENTRE] {
        let broker = guarded(|s| s.build());
        let good = issue(&broker);
        let (give, source) = Source::new();
        for token in [&*good, "unknown"] {
            give.send(Token::new(token)).unwrap();
        }
        let handle = client(&broker)
            .dialect(dialect)
            .token_source(source.clone())
            .connect()
            .unwrap()
            .spawn()
            .unwrap();
        let events = handle.events();
        broker.expire_token(&good);
        let ended = event(&events, |e| matches!(e, Event::Closed { .. }));
        let Event::Closed { cause: Some(cause) } = ended else {
            panic!("{ended:?}");
        };
        assert!(matches!(&cause, Error::Auth(e) if e.fatal), "{cause:?}");
        assert_eq!(source.asked(), [TokenReason::Connect, TokenReason::Refused]);
    }
}

#[test]
fn a_first_connection_asks_once_more_before_it_gives_up() {
    let broker = guarded(|s| s.build());
    let good = issue(&broker);
    let (give, source) = Source::new();
    for token in ["unknown", &*good] {
        give.send(Token::new(token)).unwrap();
    }
    let builder = client(&broker).token_source(source.clone());
    builder.connect().unwrap().close().unwrap();
    assert_eq!(source.asked(), [TokenReason::Connect, TokenReason::Refused]);

    let (give, source) = Source::new();
    for token in ["unknown", "unknown too"] {
        give.send(Token::new(token)).unwrap();
    }
    let refused = client(&broker).token_source(source).connect().unwrap_err();
    assert!(matches!(&refused, Error::Auth(e) if e.fatal), "{refused:?}");
}

#[test]
fn the_only_token_there_is_cannot_be_replaced() {
    let broker = guarded(|s| s.build());
    let refused = client(&broker).token("unknown").connect().unwrap_err();
    assert!(matches!(&refused, Error::Auth(e) if e.fatal), "{refused:?}");
}

#[test]
fn a_wrong_passcode_is_final_and_told_in_the_brokers_words() {
    let broker = start(Scenario::builder().auth_basic("agent", "right").build());
    let builder = client(&broker).login("agent", "wrong").persistent(true);
    let Err(Error::Broker(e)) = builder.connect() else {
        panic!("the broker refused");
    };
    assert_eq!(e.code(), Some(401));
    assert_eq!(e.message(), "401 wrong passcode");
}

#[test]
fn several_refusals_at_once_cause_one_fetch() {
    let unauthorised = || error(401).message("401 token expired").keep_open();
    let broker = guarded(|s| {
        let trigger = recv("SEND").matching("destination", "/queue/expire");
        let mut rule = Rule::on(trigger).times(1);
        for _ in 0..5 {
            rule = rule.then(unauthorised());
        }
        s.rule(rule).build()
    });
    let [old, new] = [issue(&broker), issue(&broker)];
    let (give, source) = Source::new();
    give.send(Token::new(&old)).unwrap();
    let handle = client(&broker)
        .dialect(Dialect::CONTACT_CENTRE)
        .token_source(source.clone())
        .connect()
        .unwrap()
        .spawn()
        .unwrap();
    let events = handle.events();
    handle.send("/queue/expire").body("x").publish().unwrap();
    event(&events, |e| matches!(e, Event::Suspended));
    broker
        .wait_for_nth(5, SOON, |e| e.is_sent("ERROR"))
        .unwrap();
    give.send(Token::new(&new)).unwrap();
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    handle
        .send("/queue/a")
        .body("x")
        .receipt()
        .publish()
        .unwrap();
    assert_eq!(source.asked(), [TokenReason::Connect, TokenReason::Refused]);
    handle.close().unwrap();
}

#[test]
fn a_source_that_fails_for_once_is_asked_again() {
    let broker = guarded(|s| s.build());
    let good = issue(&broker);
    let asked = AtomicU32::new(0);
    let source = move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Err(AuthError {
            text: "the server is busy".into(),
            fatal: false,
        }),
        _ => Ok(Token::new(&good)),
    };
    let builder = client(&broker).token_source(source).persistent(true);
    let handle = builder.connect().unwrap().spawn().unwrap();
    let failed = event(&handle.events(), |e| matches!(e, Event::TokenFailed { .. }));
    assert!(format!("{failed:?}").contains("the server is busy"));
    handle.close().unwrap();
}

#[test]
fn a_source_that_panics_is_an_answer_too() {
    let broker = guarded(|s| s.build());
    let source = |_| -> Result<Token, AuthError> { std::panic::panic_any("nothing to see here") };
    let refused = client(&broker).token_source(source).connect().unwrap_err();
    assert!(matches!(&refused, Error::Auth(e) if e.fatal), "{refused:?}");
}

#[test]
fn a_source_that_never_answers_is_told_as_such() {
    let broker = guarded(|s| s.build());
    let (_give, source) = Source::new();
    let timeouts = Timeouts {
        token: Duration::from_millis(100),
        ..Timeouts::default()
    };
    let builder = client(&broker).token_source(source).timeouts(timeouts);
    let late = builder.connect().unwrap_err();
    assert!(matches!(late, Error::Timeout(Stage::Token)), "{late:?}");
    assert!(!broker.transcript().iter().any(|e| e.what == What::Tcp));
}

#[test]
fn a_source_that_hangs_is_not_asked_again_beside_itself() {
    let broker = guarded(|s| s.build());
    let (give, source) = Source::new();
    let (old, new) = (issue(&broker), issue(&broker));
    give.send(Token::new(&old)).unwrap();
    let timeouts = Timeouts {
        token: Duration::from_millis(50),
        ..Timeouts::default()
    };
    let builder = client(&broker)
        .dialect(Dialect::CONTACT_CENTRE)
        .token_source(source.clone())
        .timeouts(timeouts);
    let handle = builder.connect().unwrap().spawn().unwrap();
    let events = handle.events();
    broker.expire_token(&old);
    for _ in 0..4 {
        event(&events, |e| matches!(e, Event::TokenFailed { .. }));
    }
    assert_eq!(source.asked(), [TokenReason::Connect, TokenReason::Refused]);
    // Between two questions nobody waits for an answer: then the next one counts.
    for _ in 0..2 {
        give.send(Token::new(&new)).unwrap();
    }
    connected(&events, 2);
    handle.close().unwrap();
}
