//! Connections that end without being asked to, and what becomes of them.

use std::{thread, time::Duration};

use hobnail::{Client, Error, Event, Events, Handle, LinkError, config::Builder};
use hobnail_mock_broker::{
    Action, How, MockBroker, Rule, Scenario, What, blackhole, close, fin, fin_after, on,
    plain_error, recv, rst, script::Direction, sending,
};
use hobnail_tests::{SOON, Seen, broker, client, connected, drive_until, event, start, until};

/// What the first loss was.
fn loss(events: &Events) -> Error {
    let told = event(events, |e| matches!(e, Event::Disconnected { .. }));
    let Event::Disconnected { cause, retry_in } = told else {
        panic!("{told:?}");
    };
    assert!(retry_in.is_some(), "another attempt follows");
    cause
}

fn link(cause: Error) -> LinkError {
    let Error::Link(e) = cause else {
        panic!("{cause:?}");
    };
    *e
}

/// Lets a fault end the first connection; returns what was told, once the
/// second one works as well as the first did.
fn lost_by(fault: impl Into<Action>, change: impl FnOnce(Builder) -> Builder) -> Error {
    let trigger = recv("SEND").matching("destination", "/queue/fault");
    let scenario = Scenario::builder()
        .heart_beat(100, 100)
        .rule(Rule::on(trigger).conn(1).then(fault))
        .build();
    let broker = start(scenario);
    let client = change(client(&broker)).connect().expect("connects");
    let handle = client.spawn().expect("a thread");
    let events = handle.events();
    let back = handle.subscribe("/topic/a").expect("subscribes");
    let fault = handle.send("/queue/fault").body("x");
    fault.publish().expect("there is room");
    let cause = loss(&events);
    connected(&events, 2);
    event(&events, |e| matches!(e, Event::Restored { .. }));
    let again = handle.send("/topic/a").body("again");
    again.publish().expect("there is room");
    let message = back.recv_timeout(SOON).expect("open").expect("comes");
    assert_eq!(message.body(), b"again");
    handle.close().expect("closes");
    cause
}

#[test]
fn an_end_of_file_is_a_loss() {
    let e = link(lost_by(fin(), |b| b));
    assert!(matches!(e, LinkError::Lost(_)), "{e}");
    assert!(e.to_string().contains("1006"), "{e}");
}

#[test]
fn a_reset_is_a_loss() {
    let e = link(lost_by(rst(), |b| b));
    assert!(matches!(e, LinkError::Lost(_)), "{e}");
}

#[test]
fn a_close_that_nobody_asked_for_is_a_loss_even_with_code_1000() {
    for code in [1000, 1001, 1011] {
        let e = link(lost_by(close(code, "STOMP died"), |b| b));
        let LinkError::Closed { code: told, reason } = e else {
            panic!("{e}");
        };
        assert_eq!((told, &*reason), (code, "STOMP died"));
    }
}

#[test]
fn a_silent_connection_is_found_by_its_heart_beats() {
    let beat = Duration::from_millis(100);
    let e = link(lost_by(blackhole(Direction::Both), |b| {
        b.heart_beat(beat, beat)
    }));
    let LinkError::Silent { silent } = e else {
        panic!("{e}");
    };
    assert!(silent >= Duration::from_millis(1100), "{silent:?}");
}

#[test]
fn an_error_ends_the_session_and_another_begins() {
    let cause = lost_by(plain_error("no such thing"), |b| b);
    let Error::Broker(e) = cause else {
        panic!("{cause:?}");
    };
    assert_eq!(e.message(), "no such thing");
}

#[test]
fn after_an_error_the_client_closes_if_the_broker_does_not() {
    let cause = lost_by(plain_error("lazy").keep_open(), |b| b);
    assert!(matches!(cause, Error::Broker(_)), "{cause:?}");
}

#[test]
fn an_end_in_the_middle_of_a_frame_loses_that_frame_alone() {
    let scenario = Scenario::builder()
        .rule(
            Rule::on(sending("MESSAGE").nth(2))
                .conn(1)
                .then(fin_after(40)),
        )
        .build();
    let broker = start(scenario);
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let back = handle.subscribe("/topic/a").unwrap();
    for body in ["1", "2"] {
        broker.publish("/topic/a", &[("a", "1")], body.as_bytes());
    }
    let e = link(loss(&events));
    assert!(matches!(e, LinkError::Lost(_)), "{e}");
    event(&events, |e| matches!(e, Event::Restored { .. }));
    broker.publish("/topic/a", &[], b"3");
    let bodies = [(); 2].map(|()| back.recv_timeout(SOON).unwrap().unwrap());
    assert_eq!(bodies[0].body(), b"1");
    assert_eq!(bodies[1].body(), b"3");
    handle.close().unwrap();
}

fn subscriptions_on(broker: &MockBroker, conn: u64) -> Vec<(String, String)> {
    let entries = broker.transcript();
    let frames = entries.iter().filter(|e| e.conn == conn);
    frames
        .filter(|e| e.is_recv("SUBSCRIBE"))
        .filter_map(|e| e.received())
        .map(|f| ["id", "destination"].map(|n| f.header(n).unwrap_or_default().to_owned()))
        .map(|[id, destination]| (id, destination))
        .collect()
}

#[test]
fn five_reconnections_restore_every_subscription_once_and_under_its_id() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let named = handle.subscription("/topic/a").id("named");
    let subscriptions = [
        named.subscribe().unwrap(),
        handle.subscribe("/topic/a").unwrap(),
        handle
            .subscription("/topic/a")
            .selector("a = 1")
            .subscribe()
            .unwrap(),
    ];
    let gone = handle.subscribe("/topic/a").unwrap();
    gone.unsubscribe().unwrap();
    let mut first = subscriptions_on(&broker, 1);
    assert_eq!(first.pop().unwrap().1, "/topic/a");
    for round in 1..=5 {
        broker.kick(round);
        connected(&events, round + 1);
        for _ in &subscriptions {
            event(&events, |e| matches!(e, Event::Restored { .. }));
        }
        assert_eq!(subscriptions_on(&broker, round + 1), first);
        let body = round.to_string();
        broker.publish("/topic/a", &[("a", "1")], body.as_bytes());
        for subscription in &subscriptions {
            let message = subscription.recv_timeout(SOON).unwrap().unwrap();
            assert_eq!(message.text().unwrap(), body);
        }
    }
    handle.send("/queue/end").receipt().publish().unwrap();
    assert!(subscriptions.iter().all(hobnail::Subscription::is_empty));
    handle.close().unwrap();
    assert_eq!(broker.complaints(), []);
}

#[test]
fn what_is_published_without_a_connection_leaves_with_the_next() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let back = handle.subscribe("/queue/a").unwrap();
    broker.stop_listening();
    broker.kick(1);
    loss(&events);
    let mut pending = Vec::new();
    for n in 0..20 {
        let body = n.to_string();
        let send = handle.send("/queue/a").body(&body);
        if n % 2 == 0 {
            send.publish().unwrap();
        } else {
            pending.push(send.begin().unwrap());
        }
    }
    let late = {
        let handle = handle.clone();
        thread::spawn(move || handle.subscribe("/queue/b"))
    };
    broker.resume_listening();
    for n in 0..20 {
        let message = back.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.text().unwrap(), n.to_string());
    }
    for receipt in pending {
        receipt.wait().unwrap();
    }
    let late = late.join().unwrap().unwrap();
    broker.publish("/queue/b", &[], b"x");
    assert_eq!(late.recv_timeout(SOON).unwrap().unwrap().body(), b"x");
    handle.close().unwrap();
}

/// A broker that loses the first connection over the first SEND.
fn forgetful() -> MockBroker {
    start(
        Scenario::builder()
            .rule(Rule::on(recv("SEND")).conn(1).then(fin()))
            .build(),
    )
}

#[test]
fn an_unconfirmed_frame_is_lost_unless_it_may_be_repeated() {
    let broker = forgetful();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let lost = handle.send("/queue/a").body("lost").receipt().publish();
    assert!(matches!(lost, Err(Error::Lost)), "{lost:?}");
    handle.close().unwrap();
    assert!(!broker.commands(2).contains(&"SEND".into()));

    let broker = forgetful();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let back = handle.subscribe("/queue/a").unwrap();
    handle
        .send("/queue/a")
        .body("kept")
        .replay()
        .publish()
        .unwrap();
    assert_eq!(back.recv_timeout(SOON).unwrap().unwrap().body(), b"kept");
    let again = broker.nth_received_on(2, 1, "SEND");
    assert_eq!(again, broker.nth_received_on(1, 1, "SEND"));
    handle.close().unwrap();
}

#[test]
fn repeated_frames_keep_their_order_before_later_ones() {
    let broker = forgetful();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let back = handle.subscribe("/queue/a").unwrap();
    let pending: Vec<_> = (0..50)
        .map(|n| {
            let body = n.to_string();
            let send = handle.send("/queue/a").body(&body);
            send.replay().begin().unwrap()
        })
        .collect();
    for n in 0..50 {
        let message = back.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.text().unwrap(), n.to_string());
    }
    for receipt in pending {
        receipt.wait().unwrap();
    }
    handle.close().unwrap();
}

#[test]
fn a_broker_that_refuses_connections_for_a_while_is_found_again() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    broker.refuse(Duration::from_millis(150));
    broker.kick(1);
    let first = link(loss(&events));
    assert!(matches!(first, LinkError::Lost(_)), "{first}");
    let second = link(loss(&events));
    assert!(matches!(second, LinkError::Io { .. }), "{second}");
    connected(&events, 2);
    handle.close().unwrap();
}

#[test]
fn a_broker_that_restarts_is_found_again() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let _back = client.subscription("/queue/a").subscribe().unwrap();
    broker.restart();
    drive_until(&mut client, |e| matches!(e, Event::Restored { .. }));
    client
        .send("/queue/a")
        .body("x")
        .receipt()
        .publish()
        .unwrap();
    assert_eq!(client.recv_timeout(SOON).unwrap().unwrap().body(), b"x");
    client.close().unwrap();
}

#[test]
fn a_first_connection_is_tried_again_only_if_that_is_asked_for() {
    let broker = broker();
    broker.refuse(Duration::from_millis(200));
    until("the broker refuses", || {
        broker
            .transcript()
            .iter()
            .any(|e| e.what == What::Listening(false))
    });
    let refused = client(&broker).connect().unwrap_err();
    assert!(matches!(link(refused), LinkError::Io { .. }));
    let mut client = client(&broker).persistent(true).connect().unwrap();
    client.close().unwrap();
}

#[test]
fn a_client_that_is_not_to_reconnect_ends_with_its_connection() {
    let broker = broker();
    let client = client(&broker).reconnect(false).connect().unwrap();
    let handle: Handle = client.spawn().unwrap();
    let events = handle.events();
    let back = handle.subscribe("/queue/a").unwrap();
    broker.kick(1);
    let ended = event(&events, |e| matches!(e, Event::Closed { .. }));
    let Event::Closed { cause: Some(cause) } = ended else {
        panic!("{ended:?}");
    };
    assert!(matches!(link(cause), LinkError::Lost(_)));
    let told = back.recv().unwrap_err();
    assert!(matches!(link(told), LinkError::Lost(_)));
    let late = handle.send("/queue/a").publish();
    assert!(matches!(late, Err(Error::Closed)), "{late:?}");
    assert!(events.into_iter().next().is_none());
}

#[test]
fn beats_that_come_late_but_within_the_tolerance_are_life() {
    let scenario = Scenario::builder()
        .heart_beat(200, 200)
        .rule(Rule::on(on::connected()).then(hobnail_mock_broker::beats_late(1.4)))
        .build();
    let broker = start(scenario);
    let beat = Duration::from_millis(200);
    let builder = Client::builder(broker.url()).proxy(None);
    let client = builder.heart_beat(beat, beat).connect().unwrap();
    let handle = client.spawn().unwrap();
    broker
        .wait_for_nth(6, SOON, |e| e.what == What::BeatOut)
        .unwrap();
    broker
        .wait_for_nth(6, SOON, |e| e.what == What::BeatIn)
        .unwrap();
    assert_eq!(handle.metrics().unwrap().connections, 1);
    handle.close().unwrap();
    assert_eq!(broker.complaints(), []);
    let end = broker.end_of(1);
    assert!(
        matches!(
            end,
            How::Broker {
                code: 1000,
                answered: true
            }
        ),
        "{end:?}"
    );
}
