//! A full queue that stops the reading: what goes on meanwhile, and what does not.

use std::time::Duration;

use hobnail::{
    Error, Event, Events, Handle, LinkError, Subscription,
    config::{Overflow, QueueLimits},
};
use hobnail_mock_broker::{MockBroker, Rule, Scenario, What, blackhole, recv, script::Direction};
use hobnail_tests::{SOON, Seen, client, connected, event, until};

const BEAT: Duration = Duration::from_millis(100);

/// A client with one message in a queue that is full, and another that waits.
fn paused(tls: bool) -> (MockBroker, Handle, Subscription) {
    let fault = recv("SEND").matching("destination", "/queue/fault");
    let scenario = Scenario::builder()
        .heart_beat(100, 100)
        .rule(Rule::on(fault).conn(1).then(blackhole(Direction::Both)))
        .build();
    let broker = if tls {
        MockBroker::start_tls(scenario)
    } else {
        MockBroker::start(scenario)
    };
    let broker = broker.expect("a port is free");
    let own = client(&broker).heart_beat(BEAT, BEAT).connect();
    let handle = own.expect("connects").spawn().expect("a thread");
    let narrow = QueueLimits {
        messages: 1,
        overflow: Overflow::Pause,
        ..QueueLimits::default()
    };
    let request = handle.subscription("/topic/a").queue(narrow);
    let subscription = request.subscribe().expect("subscribes");
    for n in 0..3 {
        broker.publish("/topic/a", &[], &[n]);
    }
    until("the queue is full", || subscription.len() == 1);
    (broker, handle, subscription)
}

fn silent(events: &Events) {
    let gone = event(events, |e| matches!(e, Event::Disconnected { .. }));
    let is_silence =
        |e: &Error| matches!(e, Error::Link(e) if matches!(**e, LinkError::Silent { .. }));
    assert!(
        matches!(&gone, Event::Disconnected { cause, .. } if is_silence(cause)),
        "{gone:?}"
    );
}

#[test]
fn a_dead_peer_is_found_by_its_silence() {
    for tls in [false, true] {
        let (_broker, handle, subscription) = paused(tls);
        let events = handle.events();
        handle.send("/queue/fault").publish().unwrap();
        silent(&events);
        // The next connection is made, though it is not read on either.
        connected(&events, 2);
        // What had been read arrives; what had not went with its connection.
        for n in 0..2 {
            let message = subscription.recv_timeout(SOON).unwrap().unwrap();
            assert_eq!(message.body(), [n]);
        }
        event(&events, |e| matches!(e, Event::Restored { .. }));
        handle.close().unwrap();
    }
}

#[test]
fn a_peer_that_beats_lives() {
    for tls in [false, true] {
        let (broker, handle, subscription) = paused(tls);
        let seen = broker.transcript().len() as u64;
        // Each comes after 80 ms at the earliest: twice as long as silence is borne.
        let beat = |e: &hobnail_mock_broker::Entry| e.what == What::BeatIn && e.seq > seen;
        broker.wait_for_nth(30, SOON, beat).unwrap();
        assert_eq!(handle.metrics().unwrap().connections, 1);
        assert_eq!(subscription.len(), 1);
        let gone = |e| matches!(e, Event::Disconnected { .. });
        assert!(!std::iter::from_fn(|| handle.events().try_recv()).any(gone));
        for n in 0..3 {
            let message = subscription.recv_timeout(SOON).unwrap().unwrap();
            assert_eq!(message.body(), [n]);
        }
        handle.close().unwrap();
        broker.nth_received_on(1, 1, "DISCONNECT");
    }
}

#[test]
fn what_needs_no_answer_of_the_broker_is_answered() {
    let (_broker, handle, _subscription) = paused(false);
    let began = std::time::Instant::now();
    handle.metrics().unwrap();
    let send = handle.send("/queue/b").receipt();
    let late = send.timeout(Duration::from_millis(50)).publish();
    assert!(matches!(late, Err(Error::Timeout(_))), "{late:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    handle.close().unwrap();
}
