//! When a client ends, and what its end is called.

use std::time::{Duration, Instant};

use hobnail::{Client, Dialect, Error, Event, Handle, LinkError, Misuse, config::QueueLimits};
use hobnail_mock_broker::{Frame, MockBroker, Rule, Scenario, drop_it, recv, send};
use hobnail_tests::{SOON, Seen, broker, client, connected, drive_until, event, start};

fn spawned(broker: &MockBroker) -> Handle {
    let client = client(broker).connect().expect("connects");
    client.spawn().expect("a thread")
}

#[test]
fn a_client_says_good_bye_when_its_last_handle_is_dropped() {
    let broker = broker();
    let handle = spawned(&broker);
    let other = handle.clone();
    for _ in 0..500 {
        handle.send("/queue/a").body("x").publish().unwrap();
    }
    drop(handle);
    other.send("/queue/a").receipt().publish().unwrap();
    let began = Instant::now();
    drop(other);
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits");
    broker.nth_received(1, "DISCONNECT");
    broker.end_of(1);
    let commands = broker.commands(1);
    assert_eq!(commands.iter().filter(|c| *c == "SEND").count(), 501);
}

#[test]
fn a_living_subscription_keeps_its_client_alive() {
    let broker = broker();
    let handle = spawned(&broker);
    let events = handle.events();
    let subscription = handle.subscribe("/topic/a").unwrap();
    drop(handle);
    broker.kick(1);
    connected(&events, 2);
    event(&events, |e| matches!(e, Event::Restored { .. }));
    broker.publish("/topic/a", &[], b"x");
    let message = subscription.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(message.body(), b"x");
    drop(subscription);
    broker.nth_received(1, "DISCONNECT");
    assert_eq!(
        broker.commands(2),
        ["CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "DISCONNECT"]
    );
}

#[test]
fn so_does_a_subscription_that_was_made_before_the_thread() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let subscription = client.subscription("/topic/a").subscribe().unwrap();
    drop(client.spawn().unwrap());
    broker.publish("/topic/a", &[], b"x");
    let message = subscription.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(message.body(), b"x");
    drop(subscription);
    broker.nth_received(1, "DISCONNECT");
}

#[test]
fn a_receipt_that_is_waited_for_keeps_its_client_alive() {
    let broker = broker();
    let handle = spawned(&broker);
    let pending = handle.send("/queue/a").begin().unwrap();
    drop(handle);
    pending.wait().unwrap();
    broker.nth_received(1, "DISCONNECT");
}

#[test]
fn events_keep_nothing_alive_and_end_with_the_client() {
    let broker = broker();
    let handle = spawned(&broker);
    let events = handle.events();
    drop(handle);
    let last = events.last();
    assert!(
        matches!(last, Some(Event::Closed { cause: None })),
        "{last:?}"
    );
    broker.nth_received(1, "DISCONNECT");
}

#[test]
fn a_client_that_turns_itself_outlives_its_handles() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    drop(client.handle());
    client.turn(Duration::ZERO).unwrap();
    client.send("/queue/a").receipt().publish().unwrap();
    client.close().unwrap();
}

fn lost<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Link(e)) if matches!(*e, LinkError::Lost(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reader_is_told_what_ended_the_client() {
    let broker = broker();
    let handle = client(&broker).reconnect(false).connect();
    let handle = handle.unwrap().spawn().unwrap();
    let subscription = handle.subscribe("/topic/a").unwrap();
    broker.publish("/topic/a", &[], b"last");
    broker.nth_received(1, "SUBSCRIBE");
    broker.kick(1);
    assert_eq!(subscription.recv().unwrap().body(), b"last");
    lost(subscription.recv());
    lost(subscription.recv_timeout(SOON));
    lost(subscription.try_recv());
    handle.close().unwrap();
}

#[test]
fn a_client_that_turns_itself_is_told_what_ended_it() {
    let broker = broker();
    let mut own = client(&broker).reconnect(false).connect().unwrap();
    broker.kick(1);
    drive_until(&mut own, |e| matches!(e, Event::Closed { .. }));
    lost(own.recv());
    lost(own.recv_timeout(Duration::ZERO));
    lost(own.try_recv());
    lost(own.turn(SOON));
    own.close().unwrap();
}

#[test]
fn a_reader_of_a_closed_client_is_told_that_it_is_closed() {
    let broker = broker();
    let handle = spawned(&broker);
    let subscription = handle.subscribe("/topic/a").unwrap();
    handle.close().unwrap();
    assert!(matches!(subscription.recv(), Err(Error::Closed)));
    let mut own = client(&broker).connect().unwrap();
    own.close().unwrap();
    assert!(matches!(own.recv(), Err(Error::Closed)));
}

#[test]
fn a_subscription_that_the_broker_cancelled_is_told_and_made_again() {
    let cancelled = Frame::new("ERROR")
        .with("subscription", "mine")
        .with("message", "Server cancelled subscription");
    let refused = Frame::new("ERROR")
        .with("subscription", "mine")
        .with("message", "no such queue yet");
    let fault = Rule::on(recv("SEND").matching("destination", "/queue/fault"));
    let again = Rule::on(recv("SUBSCRIBE").nth(3))
        .then(drop_it())
        .then(send(refused));
    let scenario = Scenario::builder()
        .rule(fault.then(send(cancelled)))
        // The broker does not know that it cancelled anything.
        .rule(
            Rule::on(recv("SUBSCRIBE").nth(4))
                .then(drop_it())
                .then(send(Frame::new("RECEIPT").with("receipt-id", "s4"))),
        )
        .rule(again)
        .build();
    let broker = start(scenario);
    let builder = client(&broker).dialect(Dialect::RABBITMQ);
    let handle = builder.connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let mine = handle.subscription("/queue/a").id("mine");
    let mine = mine.subscribe().unwrap();
    let other = handle.subscribe("/queue/b").unwrap();
    handle.send("/queue/fault").publish().unwrap();
    for text in ["cancelled", "yet"] {
        let told = event(&events, |e| matches!(e, Event::Refused { .. }));
        let Event::Refused {
            subscription,
            cause: Error::Broker(cause),
            ..
        } = told
        else {
            panic!("{told:?}");
        };
        assert_eq!(subscription, "mine");
        assert!(cause.message().contains(text), "{cause}");
    }
    event(&events, |e| matches!(e, Event::Restored { .. }));
    let gap = event(&events, |e| matches!(e, Event::Gap { .. }));
    let Event::Gap { since, until, .. } = gap else {
        panic!("{gap:?}");
    };
    assert!(since < until);
    for subscription in [&mine, &other] {
        let to = if subscription.id() == "mine" {
            "/queue/a"
        } else {
            "/queue/b"
        };
        handle.send(to).body("x").publish().unwrap();
        assert_eq!(
            subscription.recv_timeout(SOON).unwrap().unwrap().body(),
            b"x"
        );
    }
    assert_eq!(handle.metrics().unwrap().connections, 1);
    handle.close().unwrap();
}

#[test]
fn a_queue_of_its_own_is_refused_where_there_is_only_one() {
    let broker = broker();
    let mut own: Client = client(&broker).connect().unwrap();
    let request = own.subscription("/topic/a").queue(QueueLimits::default());
    let refused = request.subscribe();
    assert!(
        matches!(refused, Err(Error::Misuse(Misuse::SharedQueue))),
        "{refused:?}"
    );
    own.close().unwrap();
    assert_eq!(broker.commands(1), ["CONNECT", "DISCONNECT"]);
}
