//! Consumers that do not keep up.

use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use hobnail::{
    Error, Event, Handle, Subscription,
    config::{Limits, Overflow, QueueLimits},
};
use hobnail_mock_broker::{MockBroker, Scenario, What};
use hobnail_tests::{SOON, broker, client, start, until};

const SMALL: QueueLimits = QueueLimits {
    messages: 10,
    octets: 1 << 20,
    overflow: Overflow::Pause,
};

fn session() -> (MockBroker, Handle) {
    let broker = broker();
    let client = client(&broker).connect().expect("connects");
    (broker, client.spawn().expect("a thread"))
}

fn flood(broker: &MockBroker, destination: &str, messages: usize) {
    for n in 0..messages {
        broker.publish(destination, &[], n.to_string().as_bytes());
    }
}

fn number(subscription: &Subscription) -> usize {
    let message = subscription.recv_timeout(SOON).expect("open");
    let message = message.expect("comes");
    message.text().expect("text").parse().expect("a number")
}

#[test]
fn a_consumer_that_stops_reading_loses_nothing_and_heart_beats_go_on() {
    let broker = start(Scenario::builder().heart_beat(100, 100).build());
    let beat = Duration::from_millis(100);
    let client = client(&broker).heart_beat(beat, beat).connect().unwrap();
    let handle = client.spawn().unwrap();
    let slow = handle.subscription("/topic/a").queue(SMALL);
    let slow = slow.subscribe().unwrap();
    flood(&broker, "/topic/a", 3000);
    until("the queue is full", || slow.len() == 10);
    let seen = broker.transcript().len();
    let is_beat = |e: &hobnail_mock_broker::Entry| e.what == What::BeatIn;
    // Longer than either side bears silence.
    broker
        .wait_for_nth(16, SOON, |e| is_beat(e) && e.seq > seen as u64)
        .unwrap();
    assert_eq!(slow.len(), 10);
    for n in 0..3000 {
        assert_eq!(number(&slow), n);
    }
    let metrics = handle.metrics().unwrap();
    assert_eq!((metrics.connections, metrics.dropped), (1, 0));
    handle.close().unwrap();
}

#[test]
fn a_driven_client_that_does_not_read_its_inbox_loses_nothing() {
    let broker = broker();
    let limits = Limits {
        queue: SMALL,
        ..Limits::default()
    };
    let mut client = client(&broker).limits(limits).connect().unwrap();
    let all = client.subscription("/topic/a").subscribe().unwrap();
    flood(&broker, "/topic/a", 1000);
    while all.len() < 10 {
        client.turn(Duration::from_millis(100)).unwrap();
    }
    for _ in 0..100 {
        client.turn(Duration::ZERO).unwrap();
    }
    assert_eq!(all.len(), 10);
    for n in 0..1000 {
        let message = client.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.text().unwrap(), n.to_string());
    }
    client.close().unwrap();
}

#[test]
fn the_oldest_are_dropped_counted_and_told() {
    let (broker, handle) = session();
    let newest = QueueLimits {
        overflow: Overflow::DropOldest,
        ..SMALL
    };
    let slow = handle.subscription("/topic/a").id("slow").queue(newest);
    let slow = slow.subscribe().unwrap();
    let other = handle.subscribe("/topic/a").unwrap();
    flood(&broker, "/topic/a", 100);
    for n in 0..100 {
        assert_eq!(number(&other), n, "others miss nothing");
    }
    until("all but ten are dropped", || {
        handle.metrics().unwrap().dropped == 90
    });
    for n in 90..100 {
        assert_eq!(number(&slow), n);
    }
    let events = handle.events();
    let mut told = 0;
    handle.close().unwrap();
    for event in events {
        if let Event::SlowConsumer {
            subscription,
            dropped,
        } = event
        {
            assert_eq!(subscription, "slow");
            told += dropped;
        }
    }
    assert_eq!(told, 90);
}

#[test]
fn the_bound_in_octets_counts_too_but_one_message_always_fits() {
    let (broker, handle) = session();
    let tight = QueueLimits {
        messages: 1000,
        octets: 1000,
        overflow: Overflow::Pause,
    };
    let slow = handle.subscription("/topic/a").queue(tight);
    let slow = slow.subscribe().unwrap();
    for _ in 0..3 {
        broker.publish("/topic/a", &[], &[b'x'; 100_000]);
    }
    for _ in 0..3 {
        until("one fits", || slow.len() == 1);
        assert_eq!(slow.recv().unwrap().body().len(), 100_000);
    }
    handle.close().unwrap();
}

/// A subscription whose full queue has stopped the reactor from reading, and
/// another that waits.
fn stuck() -> (MockBroker, Handle, Subscription, Subscription) {
    let (broker, handle) = session();
    let slow = handle.subscription("/topic/slow").queue(SMALL);
    let slow = slow.subscribe().expect("subscribes");
    let quick = handle.subscribe("/topic/quick").expect("subscribes");
    flood(&broker, "/topic/slow", 200);
    flood(&broker, "/topic/quick", 50);
    until("the queue is full", || slow.len() == 10);
    assert!(quick.is_empty());
    (broker, handle, slow, quick)
}

fn unstuck(handle: &Handle, quick: &Subscription) {
    for n in 0..50 {
        assert_eq!(number(quick), n);
    }
    handle.close().expect("closes");
}

#[test]
fn dropping_a_full_subscription_sets_the_others_free() {
    let (_broker, handle, slow, quick) = stuck();
    drop(slow);
    unstuck(&handle, &quick);
}

#[test]
fn unsubscribing_a_full_subscription_sets_the_others_free() {
    let (_broker, handle, slow, quick) = stuck();
    slow.unsubscribe().unwrap();
    unstuck(&handle, &quick);
}

#[test]
fn reading_a_full_subscription_sets_the_others_free() {
    let (_broker, handle, slow, quick) = stuck();
    for n in 0..200 {
        assert_eq!(number(&slow), n);
    }
    unstuck(&handle, &quick);
}

#[test]
fn a_close_succeeds_though_nobody_reads() {
    let (broker, handle, slow, _quick) = stuck();
    let began = Instant::now();
    handle.close().unwrap();
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    for n in 0..10 {
        assert_eq!(number(&slow), n, "what was in the queue can still be read");
    }
    assert!(slow.recv().is_err());
    assert_eq!(
        hobnail_tests::Seen::commands(&broker, 1).last().unwrap(),
        "DISCONNECT"
    );
}

#[test]
fn a_dropped_client_does_not_wait_for_readers() {
    let broker = broker();
    let limits = Limits {
        queue: SMALL,
        ..Limits::default()
    };
    let mut client = client(&broker).limits(limits).connect().unwrap();
    let all = client.subscription("/topic/a").subscribe().unwrap();
    flood(&broker, "/topic/a", 1000);
    while all.len() < 10 {
        client.turn(Duration::from_millis(100)).unwrap();
    }
    drop(client);
    for n in 0..10 {
        assert_eq!(number(&all), n);
    }
    assert!(all.recv().is_err());
}

#[test]
fn what_had_come_is_taken_at_once_before_the_end_is_told() {
    let (broker, handle) = session();
    let all = handle.subscribe("/topic/a").unwrap();
    let mut messages = VecDeque::new();
    assert_eq!(all.try_recv_many(&mut messages).unwrap(), 0);
    let nothing = all.recv_many_timeout(&mut messages, Duration::from_millis(1));
    assert_eq!(nothing.unwrap(), 0);
    flood(&broker, "/topic/a", 30);
    until("all have come", || all.len() == 30);
    handle.close().unwrap();
    assert_eq!(all.recv_many(&mut messages).unwrap(), 30);
    let end = all.recv_many(&mut messages).unwrap_err();
    assert!(matches!(end, Error::Closed), "{end}");
    assert_eq!(messages.len(), 30);
}

#[test]
fn slow_and_quick_readers_on_many_threads_miss_nothing() {
    let (broker, handle) = session();
    let subscriptions: Vec<_> = (0..6)
        .map(|_| {
            handle
                .subscription("/topic/a")
                .queue(SMALL)
                .subscribe()
                .unwrap()
        })
        .collect();
    flood(&broker, "/topic/a", 2000);
    let (at_once, one_by_one) = subscriptions.split_at(2);
    thread::scope(|scope| {
        for subscription in at_once {
            scope.spawn(move || {
                let mut messages = VecDeque::new();
                while messages.len() < 2000 {
                    let count = subscription.recv_many_timeout(&mut messages, SOON);
                    assert!(count.unwrap() > 0);
                }
                for (n, message) in messages.iter().enumerate() {
                    assert_eq!(message.text(), Ok(&*n.to_string()));
                }
            });
        }
        for (nth, subscription) in one_by_one.iter().enumerate() {
            scope.spawn(move || {
                for n in 0..2000 {
                    assert_eq!(number(subscription), n);
                    if nth % 2 == 0 && n % 50 == 0 {
                        thread::yield_now();
                    }
                }
            });
        }
    });
    handle.close().unwrap();
}
