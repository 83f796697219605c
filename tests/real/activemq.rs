//! ActiveMQ Classic behind a bridge: octets in BINARY messages, cut and joined as
//! they happen to arrive.

use std::{
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hobnail::{
    AckMode, Client, Dialect, Error, Event, LinkError,
    config::{Backoff, Builder},
};
use hobnail_tests::activemq::ActiveMq;

use crate::{
    broker::{Source, is_redelivered, patient},
    events::{connected, disconnected, event, gap, restored},
    load::{Load, Numbers},
};

const SECOND: Duration = Duration::from_secs(1);

/// The broker that no test may harm.
pub(crate) fn shared() -> &'static ActiveMq {
    static BROKER: LazyLock<ActiveMq> = LazyLock::new(ActiveMq::start);
    &BROKER
}

/// The broker that tests may break, one at a time.
fn breakable() -> MutexGuard<'static, ActiveMq> {
    static BROKER: LazyLock<Mutex<ActiveMq>> = LazyLock::new(|| Mutex::new(ActiveMq::start()));
    let broker = BROKER.lock().unwrap_or_else(PoisonError::into_inner);
    broker.restart();
    broker
}

/// A client of a broker, that does not wait long before it connects again.
pub(crate) fn client_of(broker: &ActiveMq) -> Builder {
    let dialect = Dialect::ACTIVEMQ.with_binary_messages();
    Client::builder(broker.url())
        .login("test", "secret")
        .dialect(dialect.with_subprotocols(&[]))
        .proxy(None)
        .timeouts(patient())
        .backoff(Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_millis(500),
            ..Backoff::default()
        })
}

fn client() -> Client {
    client_of(shared()).connect().unwrap()
}

#[test]
fn every_body_comes_back_as_it_left() {
    let mut client = client();
    let queue = "/queue/bodies";
    let _subscription = client.subscription(queue).subscribe().unwrap();
    let large: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8 ^ 0x80).collect();
    let bodies = [
        &b""[..],
        b"line\n\n\0end",
        "h\u{e9}".as_bytes(),
        b"\0",
        &large,
    ];
    for body in bodies {
        let publish = client.send(queue).header("k:\n\\", "v:\n\\\u{e9}");
        publish.body(body).receipt().publish().unwrap();
        let message = client.message();
        assert!(message.body() == body, "another body came back");
        assert_eq!(message.header("k:\n\\").as_deref(), Some("v:\n\\\u{e9}"));
    }
    client.close().unwrap();
}

/// Large and small ones in turn, none waited for: they come in pieces and in heaps.
#[test]
fn a_stream_that_is_cut_anywhere_is_put_together() {
    let handle = client().spawn().unwrap();
    let queue = "/queue/stream";
    let messages = handle.subscribe(queue).unwrap();
    let body = |n: usize| vec![b'a' + (n % 26) as u8; if n % 20 == 0 { 100_000 } else { n }];
    for n in 0..400 {
        handle.send(queue).body(&body(n)).publish().unwrap();
    }
    for n in 0..400 {
        assert!((&messages).message().body() == body(n), "number {n}");
    }
    assert_eq!(handle.metrics().unwrap().connections, 1);
    handle.close().unwrap();
}

#[test]
fn a_wrong_password_is_told_at_once() {
    let Err(Error::Broker(refused)) = client_of(shared()).login("test", "wrong").connect() else {
        panic!("it is wrong");
    };
    assert!(
        refused.to_string().contains("password is invalid"),
        "{refused}"
    );
}

#[test]
fn a_text_message_is_refused_by_the_bridge_and_that_is_told() {
    let client = client_of(shared()).dialect(Dialect::ACTIVEMQ.with_subprotocols(&[]));
    let Err(Error::Link(refused)) = client.connect() else {
        panic!("it takes BINARY only");
    };
    assert!(
        matches!(*refused, LinkError::Closed { code: 1003, .. }),
        "{refused}"
    );
}

#[test]
fn a_selector_in_sql_chooses() {
    let mut client = client();
    let queue = "/queue/selected";
    let red = client.subscription(queue);
    let red = red.selector("colour = 'red' AND n > 5 AND name LIKE 'a%'");
    let _red = red.subscribe().unwrap();
    for (colour, n, name) in [
        ("red", "4", "ab"),
        ("blue", "9", "ab"),
        ("red", "10", "ba"),
        ("red", "10", "ab"),
        ("red", "6", "a"),
    ] {
        let publish = client.send(queue).header("colour", colour);
        let publish = publish.header("n", n).header("name", name);
        publish.receipt().publish().unwrap();
    }
    for n in ["10", "6"] {
        assert_eq!(client.message().header("n").as_deref(), Some(n));
    }
    assert!(client.next_within(SECOND / 2).is_none());
    client.close().unwrap();
}

#[test]
fn a_selector_that_is_no_sql_is_refused_with_the_brokers_words() {
    let handle = client().spawn().unwrap();
    let other = handle.subscribe("/queue/selected-not").unwrap();
    connected(&handle, 1);
    let bad = handle.subscription("/queue/selected-badly");
    let bad = bad.selector("colour = = 'red'").subscribe();
    let Err(Error::Broker(error)) = bad else {
        panic!("{bad:?}");
    };
    assert!(error.to_string().contains("InvalidSelector"), "{error}");
    // The ERROR ends the session, by the letter of STOMP; the others come back.
    connected(&handle, 2);
    assert_eq!(restored(&handle), other.id());
    let publish = handle.send("/queue/selected-not").body("alive").receipt();
    publish.publish().unwrap();
    assert_eq!((&other).text(), "alive");
    handle.close().unwrap();
}

/// Its ids hold colons, which come as `\c` and must leave like that.
#[test]
fn an_acknowledgement_names_the_escaped_id() {
    let queue = "/queue/escaped";
    let mut client = client();
    let request = client.subscription(queue).ack(AckMode::ClientIndividual);
    let _subscription = request.subscribe().unwrap();
    for body in ["first", "second"] {
        client.send(queue).body(body).receipt().publish().unwrap();
    }
    let [first, second] = [(); 2].map(|()| client.message());
    let raw = first.frame().raw_header(b"ack").unwrap();
    assert!(raw.windows(2).any(|two| two == b"\\c"), "{first:?}");
    assert_eq!(second.text().unwrap(), "second");
    first.ack().unwrap();
    client.close().unwrap();

    // What was acknowledged is gone, and what was not comes again.
    let mut client = self::client();
    let _subscription = client.subscription(queue).subscribe().unwrap();
    let again = client.message();
    assert_eq!(again.text().unwrap(), "second");
    assert!(is_redelivered(&again));
    client.close().unwrap();
}

#[test]
fn a_refused_message_goes_to_the_dead_letters() {
    let mut client = client();
    let queue = "/queue/refused";
    let request = client.subscription(queue).ack(AckMode::ClientIndividual);
    let subscription = request.subscribe().unwrap();
    // One that is not persistent is dropped.
    let publish = client.send(queue).header("persistent", "true");
    publish.body("dead").receipt().publish().unwrap();
    client.message().nack().unwrap();
    let _letters = client.subscription("/queue/ActiveMQ.DLQ").subscribe();
    let letter = client.message();
    assert_eq!(letter.text().unwrap(), "dead");
    assert_ne!(letter.subscription(), subscription.id());
    client.close().unwrap();
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let handle = client().spawn().unwrap();
    let queue = "/queue/transaction";
    let messages = handle.subscribe(queue).unwrap();
    let mut aborted = handle.transaction().unwrap();
    aborted.send(queue).body("never").publish().unwrap();
    aborted.abort().unwrap();
    let mut committed = handle.transaction().unwrap();
    for body in ["one", "two"] {
        committed.send(queue).body(body).publish().unwrap();
    }
    handle
        .send(queue)
        .body("outside")
        .receipt()
        .publish()
        .unwrap();
    assert_eq!((&messages).text(), "outside");
    assert!(messages.is_empty());
    committed.commit().unwrap();
    for body in ["one", "two"] {
        assert_eq!((&messages).text(), body);
    }
    handle.close().unwrap();
}

/// It ends a session whose beat is late by a moment.
#[test]
fn an_idle_session_is_never_late() {
    const BEAT: Duration = Duration::from_secs(4);
    let client = client_of(shared()).heart_beat(BEAT, BEAT);
    let mut client = client.connect().unwrap();
    let Some(Event::Connected(connected)) = client.poll_event() else {
        panic!("the first event is Connected");
    };
    assert_eq!(
        (connected.beats_out, connected.beats_in),
        (Some(BEAT), Some(BEAT))
    );
    let _subscription = client.subscription("/queue/idle").subscribe().unwrap();
    assert!(client.next_within(4 * BEAT).is_none());
    let publish = client.send("/queue/idle").body("x").receipt();
    publish.publish().unwrap();
    assert_eq!(client.text(), "x");
    let metrics = client.metrics().unwrap();
    let events: Vec<_> = std::iter::from_fn(|| client.poll_event()).collect();
    assert_eq!(
        (metrics.connections, metrics.beats_late),
        (1, 0),
        "{events:#?}"
    );
    client.close().unwrap();
}

/// A durable subscription gathers messages while its client is away.
#[test]
fn a_durable_topic_misses_nothing_over_a_lost_connection() {
    let broker = breakable();
    let slow = Backoff {
        initial: 4 * SECOND,
        ..Backoff::default()
    };
    let durable = client_of(&broker).connect_header("client-id", "desk-7");
    let durable = durable.backoff(slow).connect().unwrap().spawn().unwrap();
    let topic = "/topic/durable";
    let request = durable.subscription(topic);
    let request = request.header("activemq.subscriptionName", "archive");
    let archive = request.subscribe().unwrap();
    connected(&durable, 1);

    broker.kill_bridge();
    broker.restart();
    disconnected(&durable);
    let mut other = client_of(&broker).connect().unwrap();
    for n in 0..10 {
        let body = n.to_string();
        let publish = other.send(topic).header("persistent", "true");
        publish.body(&body).receipt().publish().unwrap();
    }
    assert_eq!(durable.metrics().unwrap().connections, 1);

    connected(&durable, 2);
    assert_eq!(restored(&durable), archive.id());
    for n in 0..10 {
        assert_eq!((&archive).text(), n.to_string());
    }
    let live = other.send(topic).body("live").receipt();
    live.publish().unwrap();
    assert_eq!((&archive).text(), "live");
    other.close().unwrap();
    durable.close().unwrap();
}

fn a_loss_is_survived(broker: &ActiveMq, queue: &str, kill: impl Fn()) {
    let handle = client_of(broker).connect().unwrap().spawn().unwrap();
    let mut numbers = Numbers::of(&handle, queue);
    connected(&handle, 1);
    let load = Load::start(&handle, queue);
    numbers.read_more(&load, 50);
    kill();
    let (cause, _) = disconnected(&handle);
    assert!(matches!(cause, Error::Link(_)), "{cause:?}");
    broker.restart();
    event(&handle, |event| {
        matches!(event, Event::Connected(_)).then_some(())
    });
    assert_eq!(restored(&handle), numbers.id());
    assert_eq!(gap(&handle).0, numbers.id());
    numbers.read_more(&load, 50);
    let confirmed = load.stop();
    numbers.read_until(confirmed);
    let twice = numbers.twice();
    println!("{confirmed} confirmed and delivered, {twice} of them twice");
    handle.close().unwrap();
}

#[test]
fn a_killed_bridge_is_survived() {
    let broker = breakable();
    a_loss_is_survived(&broker, "/queue/bridge-killed", || broker.kill_bridge());
}

#[test]
fn a_killed_broker_is_survived() {
    let broker = breakable();
    a_loss_is_survived(&broker, "/queue/broker-killed", || broker.kill_broker());
}
