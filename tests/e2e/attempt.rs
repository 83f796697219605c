//! `try_publish`: now, or not at all.

use std::{
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use hobnail::{
    AuthError, Dialect, Error, Event, Stage,
    auth::{Token, TokenReason},
    config::{Builder, Limits},
};
use hobnail_mock_broker::{MockBroker, Scenario};
use hobnail_tests::{SOON, Seen, broker, client, drive_until, event, start};

/// A client of a broker that will refuse its token; the next one comes when it
/// is sent.
fn guarded() -> (MockBroker, Builder, mpsc::Sender<&'static str>) {
    let scenario = Scenario::builder().auth_bearer(SOON);
    let broker = start(scenario.receipt_id_header(true).build());
    let (give, next) = mpsc::channel();
    let next = Mutex::new(next);
    let source = move |reason| -> Result<Token, AuthError> {
        if reason == TokenReason::Connect {
            return Ok(Token::new("first"));
        }
        let next = next.lock().expect("nobody panicked").recv_timeout(SOON);
        next.map(Token::new).map_err(|_| AuthError {
            text: "none came".into(),
            fatal: true,
        })
    };
    let builder = client(&broker)
        .dialect(Dialect::CONTACT_CENTRE)
        .token_source(source);
    (broker, builder, give)
}

#[test]
fn while_suspended_it_fails_at_once_and_publish_waits() {
    let (broker, builder, give) = guarded();
    let handle = builder.connect().unwrap().spawn().unwrap();
    handle.send("/queue/a").body("1").try_publish().unwrap();
    handle.send("/queue/a").receipt().try_publish().unwrap();
    let events = handle.events();
    broker.expire_token("first");
    event(&events, |e| matches!(e, Event::Suspended));
    let began = Instant::now();
    for _ in 0..2 {
        let refused = handle.send("/queue/a").body("never").try_publish();
        assert!(matches!(&refused, Err(Error::Suspended)), "{refused:?}");
        assert!(refused.unwrap_err().is_retryable());
    }
    let refused = handle.send("/queue/a").receipt().try_publish();
    assert!(matches!(refused, Err(Error::Suspended)), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(1));
    let short = handle.send("/queue/a").receipt();
    let late = short.timeout(Duration::from_millis(50)).publish();
    assert!(
        matches!(late, Err(Error::Timeout(Stage::Suspended))),
        "{late:?}"
    );
    handle.send("/queue/a").body("2").publish().unwrap();
    give.send("second").unwrap();
    event(&events, |e| matches!(e, Event::Resumed { .. }));
    let last = handle.send("/queue/a").body("3").receipt();
    last.try_publish().unwrap();
    handle.close().unwrap();
    let entries = broker.transcript();
    let sent = entries.iter().filter(|e| e.is_recv("SEND"));
    let bodies: Vec<_> = sent.map(|e| e.received().unwrap().body.clone()).collect();
    assert_eq!(bodies, [&b"1"[..], b"", b"2", b"3"]);
}

#[test]
fn a_driven_client_fails_at_once_too() {
    let (broker, builder, give) = guarded();
    let mut own = builder.connect().unwrap();
    broker.expire_token("first");
    drive_until(&mut own, |e| matches!(e, Event::Suspended));
    let refused = own.send("/queue/a").try_publish();
    assert!(matches!(refused, Err(Error::Suspended)), "{refused:?}");
    give.send("second").unwrap();
    drive_until(&mut own, |e| matches!(e, Event::Resumed { .. }));
    own.send("/queue/a").try_publish().unwrap();
    own.close().unwrap();
    assert_eq!(
        broker.commands(1).iter().filter(|c| *c == "SEND").count(),
        1
    );
}

/// Fills an outbox by trying; the last attempt is not waited for.
fn fill(mut publish: impl FnMut(&[u8]) -> Result<(), Error>) {
    let began = Instant::now();
    let full = (0..50).find_map(|_| publish(&[0; 1000]).err());
    assert!(
        matches!(full, Some(Error::Timeout(Stage::Outbox))),
        "{full:?}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn no_room_in_the_outbox_is_not_waited_for() {
    let limits = Limits {
        outbox: 10_000,
        ..Limits::default()
    };
    let broker = broker();
    let connect = || client(&broker).limits(limits).connect();
    let mut own = connect().unwrap();
    let handle = connect().unwrap().spawn().unwrap();
    let events = handle.events();
    broker.stop_listening();
    broker.kick(1);
    broker.kick(2);
    event(&events, |e| matches!(e, Event::Disconnected { .. }));
    fill(|body| handle.send("/queue/a").body(body).try_publish());
    drive_until(&mut own, |e| matches!(e, Event::Disconnected { .. }));
    fill(|body| own.send("/queue/a").body(body).try_publish());
}
