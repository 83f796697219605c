//! Every scenario file that comes with the mock broker, against this client.

#![allow(clippy::unwrap_used, reason = "a day that cannot go on has failed")]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use hobnail::auth::{OAuth2, Token, TokenReason, TokenSource};
use hobnail::config::{Backoff, Builder, Timeouts};
use hobnail::{AuthError, Dialect, Error, Event, Handle};
use hobnail_mock_broker::{Entry, MockBroker, Scenario, What};
use hobnail_tests::{client, event, start};

/// More than any of them takes, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(100);

fn folder() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../mock-broker/scenarios"
    ))
}

fn scenario(name: &str) -> Scenario {
    let text = std::fs::read_to_string(folder().join(name).with_extension("json"));
    let scenario = Scenario::from_json(&text.unwrap()).unwrap();
    assert_eq!(scenario.name, name);
    assert!(!scenario.about.is_empty() && !scenario.expect.is_empty());
    scenario
}

fn storm(name: &str) -> MockBroker {
    start(scenario(name))
}

/// A new token each time.
struct Fresh(AtomicU32);

impl TokenSource for Fresh {
    fn token(&self, _: TokenReason) -> Result<Token, AuthError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Token::new(format!("t{number}")))
    }
}

fn with_tokens(broker: &MockBroker) -> Builder {
    client(broker)
        .token_source(Fresh(AtomicU32::new(0)))
        .dialect(Dialect::CONTACT_CENTRE)
}

/// What an application does all day: one thread listens, and another publishes
/// what must not be lost. It goes on until the broker saw what it waits for.
fn day(broker: &MockBroker, builder: Builder, done: impl Fn(&[Entry]) -> bool) -> Handle {
    let deadline = Instant::now() + PATIENCE;
    // A first connection that is refused is for the application to try again.
    let client = loop {
        match builder.clone().persistent(true).connect() {
            Ok(client) => break client,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    let handle = client.spawn().unwrap();
    let events = handle.subscribe("/topic/ev").unwrap();
    std::thread::spawn(move || while events.recv().is_ok() {});
    let told = handle.events();
    for probe in 1_u32.. {
        let publish = handle.send("/topic/ev").header("probe", probe.to_string());
        let publish = publish.body("x").receipt().replay().timeout(PATIENCE);
        match publish.publish() {
            // An ERROR that ends the session and names nothing is the answer to the
            // only call that waits for one.
            Ok(()) | Err(Error::Broker(_)) => {}
            Err(e) => panic!("{e}"),
        }
        if done(&broker.transcript()) {
            return handle;
        }
        assert!(Instant::now() < deadline, "{:#?}", broker.report());
        // Not a storm of its own.
        let _event = told.recv_timeout(Duration::from_millis(10));
    }
    unreachable!()
}

/// A day, and then the verdict.
fn weathered(broker: &MockBroker, builder: Builder, done: impl Fn(&[Entry]) -> bool) {
    let handle = day(broker, builder, done);
    handle.close().unwrap();
    broker.report().assert_ok();
}

/// So many SENDs came in.
fn sends(count: usize) -> impl Fn(&[Entry]) -> bool {
    move |all| all.iter().filter(|e| is_frame(e, "SEND")).count() >= count
}

/// A connection of this number subscribed.
fn subscribed(conn: u64) -> impl Fn(&[Entry]) -> bool {
    move |all| {
        all.iter()
            .any(|e| e.conn >= conn && is_frame(e, "SUBSCRIBE"))
    }
}

fn is_frame(entry: &Entry, command: &str) -> bool {
    matches!(&entry.what, What::Recv(frame) if frame.command == command)
}

#[test]
fn every_scenario_is_played() {
    let source = include_str!("storms.rs");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        scenario(name);
        assert!(
            source.contains(&format!("(\"{name}\")")),
            "{name} is not played"
        );
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn links_that_die() {
    for (broker, conn) in [
        (storm("lost-in-mid-frame"), 2),
        (storm("reset"), 4),
        (storm("portal-in-the-stream"), 2),
        (storm("kicked"), 2),
    ] {
        weathered(&broker, client(&broker), subscribed(conn));
    }
    let broker = storm("cut-everywhere");
    let last = |all: &[Entry]| all.iter().any(|e| e.conn == 4 && is_frame(e, "SEND"));
    weathered(&broker, client(&broker), last);
}

#[test]
fn frames_that_are_cut_and_joined() {
    for broker in [
        storm("two-frames-in-a-message"),
        storm("frame-over-messages"),
        storm("proxy-fragments"),
        storm("duplicates"),
        storm("delayed-receipts"),
        storm("slow-drip"),
    ] {
        weathered(&broker, client(&broker), sends(10));
    }
}

#[test]
fn upgrades_that_are_refused() {
    let short = Timeouts {
        upgrade: Duration::from_secs(1),
        open: Duration::from_secs(1),
        ..Timeouts::default()
    };
    for (broker, conn) in [
        (storm("try-again-later"), 3),
        (storm("wrong-upgrades"), 5),
        (storm("hanging-upgrade"), 3),
    ] {
        weathered(&broker, client(&broker).timeouts(short), subscribed(conn));
    }
    let broker = storm("token-refused-at-upgrade");
    weathered(&broker, with_tokens(&broker), subscribed(3));
}

#[test]
fn certificates_that_are_worth_nothing() {
    let broker = MockBroker::start_tls(scenario("expired-certificate")).unwrap();
    weathered(&broker, client(&broker), subscribed(5));
}

#[test]
fn receipts_that_are_lost() {
    let broker = storm("lost-receipt");
    weathered(&broker, client(&broker), subscribed(2));
}

#[test]
fn a_broker_that_is_slow_and_one_that_storms() {
    let beats =
        |count| move |all: &[Entry]| all.iter().filter(|e| e.what == What::BeatIn).count() >= count;
    let often = |broker: &MockBroker| {
        let beat = Duration::from_millis(200);
        client(broker).heart_beat(beat, beat)
    };
    let broker = storm("late-heart-beats");
    let handle = often(&broker).connect().unwrap().spawn().unwrap();
    broker
        .wait_for_nth(8, PATIENCE, |e| e.what == What::BeatIn)
        .unwrap();
    handle.close().unwrap();
    broker.report().assert_ok();

    let broker = storm("event-storm");
    let messages = |all: &[Entry]| {
        all.iter()
            .filter(|e| matches!(&e.what, What::Sent(f) if f.command == "MESSAGE"))
            .count()
            >= 5000
    };
    let handle = often(&broker).connect().unwrap().spawn().unwrap();
    let storm = handle.subscribe("/topic/ev").unwrap();
    let deadline = Instant::now() + PATIENCE;
    let beaten = beats(4);
    let enough = |all: &[Entry]| messages(all) && beaten(all);
    while !enough(&broker.transcript()) {
        assert!(Instant::now() < deadline);
        for _ in 0..1000 {
            storm.recv_timeout(Duration::from_millis(20)).unwrap();
        }
    }
    handle.close().unwrap();
    broker.report().assert_ok();
}

#[test]
fn tokens_that_end() {
    for broker in [storm("token-401-in-status"), storm("token-401-in-body")] {
        let handle = with_tokens(&broker).connect().unwrap().spawn().unwrap();
        let events = handle.events();
        broker.expire_token("t1");
        event(&events, |e| matches!(e, Event::Resumed { .. }));
        handle.close().unwrap();
        broker.report().assert_ok();
    }
    let broker = storm("token-401-close");
    let handle = with_tokens(&broker).connect().unwrap().spawn().unwrap();
    let (_listening, events) = (handle.subscribe("/topic/ev").unwrap(), handle.events());
    broker.expire_token("t1");
    event(&events, |e| matches!(e, Event::Restored { .. }));
    handle.close().unwrap();
    broker.report().assert_ok();
}

#[test]
fn a_peer_that_is_dead() {
    let broker = storm("dead-peer");
    let beat = Duration::from_secs(1);
    weathered(
        &broker,
        client(&broker).heart_beat(beat, beat),
        subscribed(2),
    );
}

#[test]
fn a_restart_that_was_planned() {
    let broker = storm("planned-restart");
    weathered(&broker, client(&broker), subscribed(2));
}

#[test]
fn refusals_of_every_kind() {
    let broker = storm("refusals");
    let short = Timeouts {
        upgrade: Duration::from_secs(1),
        ..Timeouts::default()
    };
    weathered(&broker, with_tokens(&broker).timeouts(short), |all| {
        subscribed(1)(all)
    });
}

#[test]
fn receipts_and_messages_out_of_order() {
    let broker = storm("receipts-and-order");
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle
        .subscription("/topic/ev")
        .timeout(Duration::from_secs(1));
    // Its RECEIPT is the one that is lost.
    assert!(events.subscribe().is_err());
    let events = handle.subscribe("/topic/ev").unwrap();
    // Whoever waits for a RECEIPT cannot take the MESSAGEs before it as well.
    let listener = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(seq, _)| seq != "10") {
            let message = events.recv_timeout(PATIENCE).unwrap().expect("in time");
            let seq = message.header("seq").unwrap_or_default().into_owned();
            seen.push((seq, message.body().len()));
        }
        seen
    });
    for seq in 1..=10 {
        let publish = handle.send("/topic/ev").header("seq", seq.to_string());
        publish.body("x").receipt().publish().unwrap();
    }
    let seen = listener.join().unwrap();
    assert!(
        seen.last().is_some_and(|(_, size)| *size >= 16 << 20),
        "{seen:?}"
    );
    let order: Vec<&str> = seen.iter().map(|(seq, _)| seq.as_str()).collect();
    assert_eq!(order[..5], ["1", "1", "3", "1", "2"], "{order:?}");
    handle.close().unwrap();
    broker.report().assert_ok();
}

#[test]
fn a_token_endpoint_that_fails_in_turn() {
    let broker = storm("regions-and-oauth");
    let url = broker.url().replace("ws://", "http://");
    let endpoint = url.replace("/stomp", "/oauth/token");
    let source = || {
        let source = OAuth2::client_credentials(&endpoint, "desk", "hush").proxy(None);
        source.timeout(Duration::from_secs(20)).build().unwrap()
    };
    let builder = client(&broker).token_source(source());
    let handle = builder.connect().unwrap().spawn().unwrap();
    let (_listening, events) = (handle.subscribe("/topic/ev").unwrap(), handle.events());
    let ask = source();
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(ask.token(TokenReason::Connect).map_err(|e| e.fatal));
    }
    // 500, an unknown client, no JSON, and at last a token.
    assert!(
        matches!(told[..], [Err(false), Err(true), Err(false), Ok(_)]),
        "{told:?}"
    );
    event(&events, |e| matches!(e, Event::Disconnected { .. }));
    handle.close().unwrap();
    // The broker may note the end of its connection a little later.
    broker.wait_report(Duration::from_secs(15)).assert_ok();
}

#[test]
fn an_identity_that_is_elsewhere() {
    let broker = storm("overlap-409");
    let of_u = || {
        let backoff = Backoff {
            initial: Duration::from_millis(700),
            ..Backoff::default()
        };
        client(&broker).login("u", "p").backoff(backoff)
    };
    let older = of_u().connect().unwrap().spawn().unwrap();
    let newer = day(&broker, of_u(), subscribed(5));
    newer.close().unwrap();
    older.close().unwrap();
    broker.report().assert_ok();
}

#[test]
fn a_storm_before_a_broker_that_does_not_read() {
    let broker = storm("storm-with-slow-reader");
    let messages = |all: &[Entry]| {
        let sent = |e: &&Entry| matches!(&e.what, What::Sent(f) if f.command == "MESSAGE");
        all.iter().filter(sent).count() >= 20_000
    };
    weathered(&broker, client(&broker), messages);
}

#[test]
fn a_token_that_is_renewed_in_band() {
    let broker = storm("token-401-rebind");
    let bearer =
        with_tokens(&broker).dialect(Dialect::CONTACT_CENTRE.with_bearer_header("Authorization"));
    let handle = bearer.connect().unwrap().spawn().unwrap();
    let (listening, events) = (handle.subscribe("/topic/ev").unwrap(), handle.events());
    broker.expire_token("t1");
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    let publish = handle.send("/topic/ev").body("after").receipt();
    publish.publish().unwrap();
    let message = listening.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(message.text().unwrap(), "after");
    handle.close().unwrap();
    broker.report().assert_ok();
}
