//! The policies that drop, from end to end.

use std::time::Duration;

use hobnail::{
    Error, Event, Handle, Subscription,
    config::{Overflow, QueueLimits},
};
use hobnail_mock_broker::MockBroker;
use hobnail_tests::{broker, client, event, until};

use crate::number;

fn session(overflow: Overflow) -> (MockBroker, Handle, Subscription) {
    let broker = broker();
    let client = client(&broker).connect().expect("connects");
    let handle = client.spawn().expect("a thread");
    let limits = QueueLimits {
        messages: 10,
        octets: 1 << 20,
        overflow,
    };
    let slow = handle.subscription("/topic/calls").id("slow").queue(limits);
    let slow = slow.subscribe().expect("subscribes");
    (broker, handle, slow)
}

/// Publishes numbers; the header `kind` is the last digit.
fn publish(broker: &MockBroker, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let kind = (n % 10).to_string();
        broker.publish("/topic/calls", &[("kind", &kind)], n.to_string().as_bytes());
    }
}

fn came(handle: &Handle, messages: u64) {
    until("everything came", || {
        handle.metrics().expect("metrics").messages == messages
    });
}

/// How many messages are told to have been dropped, all events counted, once the
/// client has ended.
fn told(handle: &Handle) -> u64 {
    let events = handle.events();
    handle.close().expect("closes");
    let dropped = events.map(|event| match event {
        Event::SlowConsumer { dropped, .. } => dropped,
        _ => 0,
    });
    dropped.sum()
}

#[test]
fn the_newest_are_dropped_counted_and_told() {
    let (broker, handle, slow) = session(Overflow::DropNewest);
    publish(&broker, 0..100);
    came(&handle, 100);
    assert_eq!(handle.metrics().unwrap().dropped, 90);
    for n in 0..10 {
        assert_eq!(number(&slow), n);
    }
    publish(&broker, 100..101);
    assert_eq!(number(&slow), 100);
    assert_eq!(told(&handle), 90);
}

#[test]
fn the_latest_of_each_kind_is_kept() {
    let (broker, handle, slow) = session(Overflow::LatestBy("kind"));
    publish(&broker, 0..1000);
    came(&handle, 1000);
    assert_eq!(slow.len(), 10);
    for n in 990..1000 {
        assert_eq!(number(&slow), n);
    }
    assert_eq!(handle.metrics().unwrap().dropped, 990);
    assert_eq!(told(&handle), 990);
}

#[test]
fn a_subscription_that_fails_ends_alone_and_tells() {
    let (broker, handle, slow) = session(Overflow::Fail);
    let other = handle.subscribe("/topic/calls").unwrap();
    let events = handle.events();
    publish(&broker, 0..100);
    let overflowed = event(&events, |e| matches!(e, Event::Overflowed { .. }));
    assert!(format!("{overflowed:?}").contains("slow"));
    for n in 0..10 {
        assert_eq!(number(&slow), n);
    }
    let end = slow.recv_timeout(Duration::from_secs(5));
    assert!(matches!(end, Err(Error::Overflow)), "{end:?}");
    for n in 0..100 {
        assert_eq!(number(&other), n);
    }
    let unsubscribed = |e: &hobnail_mock_broker::Entry| e.is_recv("UNSUBSCRIBE");
    broker.wait_for(hobnail_tests::SOON, unsubscribed).unwrap();
    assert!(handle.metrics().unwrap().dropped >= 1);
    handle.close().unwrap();
}

#[test]
fn one_stalled_consumer_of_each_kind_leaves_the_others_alone() {
    let (broker, handle, oldest) = session(Overflow::DropOldest);
    let with = |id: &'static str, overflow| {
        let limits = QueueLimits {
            messages: 10,
            octets: 1 << 20,
            overflow,
        };
        let request = handle.subscription("/topic/calls").id(id).queue(limits);
        request.subscribe().unwrap()
    };
    let newest = with("newest", Overflow::DropNewest);
    let latest = with("latest", Overflow::LatestBy("kind"));
    let fails = with("fails", Overflow::Fail);
    let quick = handle.subscribe("/topic/calls").unwrap();
    publish(&broker, 0..2000);
    for n in 0..2000 {
        assert_eq!(number(&quick), n);
    }
    let metrics = handle.metrics().unwrap();
    let dropped = |id| {
        let queue = metrics.queues.iter().find(|queue| queue.subscription == id);
        queue.map(|queue| queue.dropped)
    };
    assert_eq!(dropped("slow"), Some(1990));
    assert_eq!(dropped("newest"), Some(1990));
    assert_eq!(dropped("latest"), Some(1990));
    assert_eq!(dropped("fails"), None, "it has ended");
    let firsts = [&oldest, &newest, &latest, &fails].map(number);
    assert_eq!(firsts, [1990, 0, 1990, 0]);
    handle.close().unwrap();
}
