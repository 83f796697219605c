//! JSON web tokens. RabbitMQ never tells that one has ended: the session lives
//! on, and is closed at the first permission that has to be looked up.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use hobnail::{
    AuthError, Error, Event, LinkError,
    auth::{Token, TokenReason},
    config::Rotate,
};
use hobnail_tests::rabbitmq::RabbitMq;

use crate::{
    broker::client_of,
    events::event,
    load::{Load, Numbers},
};

/// The node that takes tokens.
fn node() -> &'static RabbitMq {
    static NODE: LazyLock<RabbitMq> = LazyLock::new(RabbitMq::start_with_tokens);
    &NODE
}

const LIFE: Duration = Duration::from_secs(20);

fn source(_: TokenReason) -> Result<Token, AuthError> {
    Ok(Token::new(node().token(LIFE)).expires_in(LIFE))
}

#[test]
fn a_token_that_has_ended_is_refused() {
    let stale = node().token(Duration::ZERO);
    let Err(refused) = client_of(node().url()).token(stale).connect() else {
        panic!("it has ended");
    };
    assert!(
        matches!(&refused, Error::Broker(e) if e.message() == "Bad CONNECT"),
        "{refused}"
    );
}

#[test]
fn a_session_whose_token_ended_dies_without_a_word() {
    let client = client_of(node().url()).token_source(source);
    let handle = client.connect().unwrap().spawn().unwrap();
    let begun = Instant::now();
    let known = "/queue/jwt-known";
    let (_open, nothing) = std::sync::mpsc::channel::<()>();
    while begun.elapsed() < LIFE + Duration::from_secs(2) {
        handle.send(known).body("x").receipt().publish().unwrap();
        let _ = nothing.recv_timeout(Duration::from_millis(100));
    }
    // What was looked up before is not looked up again; this is.
    let fresh = handle.subscribe("/queue/jwt-fresh");
    let cause = event(&handle, |event| match event {
        Event::Disconnected { cause, .. } => Some(cause),
        _ => None,
    });
    let Error::Link(cause) = cause else {
        panic!("{cause:?}");
    };
    assert!(
        matches!(*cause, LinkError::Closed { code: 1000, .. }),
        "{cause}"
    );
    // It heals, but only after the back-off, and what was under way is lost.
    drop(fresh);
    event(&handle, |event| {
        matches!(event, Event::Connected(c) if c.connection == 2).then_some(())
    });
    handle.close().unwrap();
}

/// Several rotations while numbers are published, each until it is confirmed: all
/// of them come, and the sessions never die.
#[test]
fn planned_rotations_under_load_lose_nothing() {
    let client = client_of(node().url()).token_source(source);
    let client = client.rotate(Rotate::Planned);
    let handle = client.connect().unwrap().spawn().unwrap();
    let queue = "/queue/jwt-load";
    let mut numbers = Numbers::of(&handle, queue);
    let load = Load::start(&handle, queue);

    let events = handle.events();
    let (mut rotations, mut losses) = (0, 0);
    let deadline = Instant::now() + 6 * LIFE;
    while rotations < 3 {
        assert!(Instant::now() < deadline, "only {rotations} rotations");
        numbers.read(Duration::from_millis(100));
        while let Some(event) = events.try_recv() {
            rotations += u32::from(matches!(event, Event::Rotating));
            losses += u32::from(matches!(event, Event::Disconnected { .. }));
        }
    }
    // A permission that has to be looked up, 55 s after the first token began.
    let fresh = handle.subscribe("/queue/jwt-after").unwrap();
    fresh.unsubscribe().unwrap();
    let confirmed = load.stop();
    numbers.read_until(confirmed);
    let twice = numbers.twice();
    println!("{confirmed} confirmed and delivered, {twice} of them twice, {rotations} rotations");
    assert_eq!(losses, 0);
    handle.close().unwrap();
}
