//! Subscriptions: what is delivered to whom.

use std::time::Duration;

use hobnail::config::Backoff;
use hobnail::{AckMode, Error, Event};

use crate::{
    broker::{Source, client, shared},
    events::event,
};

#[test]
fn messages_come_in_order_to_the_thread_that_drives_the_client() {
    let mut client = client().connect().unwrap();
    let calls = client.subscription("/queue/order").subscribe().unwrap();
    for number in 0..100 {
        let body = number.to_string();
        client.send("/queue/order").body(&body).publish().unwrap();
    }
    for number in 0..100 {
        let message = client.message();
        assert_eq!(message.text().unwrap(), number.to_string());
        assert_eq!(message.subscription(), calls.id());
        assert_eq!(message.destination(), "/queue/order");
    }
    client.close().unwrap();
}

#[test]
fn every_subscription_of_a_handle_gets_its_own() {
    let handle = client().connect().unwrap().spawn().unwrap();
    let all = handle.subscribe("/topic/own.*").unwrap();
    let named = handle.subscription("/topic/own.a").id("named");
    let named = named.subscribe().unwrap();
    for destination in ["/topic/own.b", "/topic/own.a"] {
        let publish = handle.send(destination).body(destination).receipt();
        publish.publish().unwrap();
    }
    assert_eq!((&all).text(), "/topic/own.b");
    assert_eq!((&all).text(), "/topic/own.a");
    let message = (&named).message();
    assert_eq!(message.text().unwrap(), "/topic/own.a");
    assert_eq!(message.subscription(), "named");
    assert!(named.is_empty());
    handle.close().unwrap();
}

#[test]
fn after_unsubscribe_nothing_comes() {
    let mut client = client().connect().unwrap();
    let gone = client.subscription("/topic/gone").subscribe().unwrap();
    let kept = client.subscription("/topic/kept").subscribe().unwrap();
    let handle = client.spawn().unwrap();
    gone.unsubscribe().unwrap();
    for destination in ["/topic/gone", "/topic/kept"] {
        handle
            .send(destination)
            .body(destination)
            .publish()
            .unwrap();
    }
    assert_eq!((&kept).text(), "/topic/kept");
    assert_eq!(handle.metrics().unwrap().unrouted, 0);
    handle.close().unwrap();
}

/// A subscription header of the broker's own: at most so many unacknowledged.
#[test]
fn the_broker_obeys_a_header_of_subscribe() {
    let handle = client().connect().unwrap().spawn().unwrap();
    let request = handle
        .subscription("/queue/prefetch")
        .ack(AckMode::ClientIndividual)
        .header("prefetch-count", "1");
    let one_by_one = request.subscribe().unwrap();
    for body in ["first", "second"] {
        let publish = handle.send("/queue/prefetch").body(body).receipt();
        publish.publish().unwrap();
    }
    let first = (&one_by_one).message();
    // Both are in the queue; the second waits for the acknowledgement.
    assert!(one_by_one.is_empty());
    first.ack().unwrap();
    assert_eq!((&one_by_one).text(), "second");
    handle.close().unwrap();
}

/// A durable subscription gathers messages while nobody listens.
#[test]
fn a_durable_subscription_outlives_its_session() {
    let durable = [("durable", "true"), ("auto-delete", "false")];
    let subscribe = |handle: &hobnail::Handle| {
        let mut request = handle.subscription("/topic/durable").id("archive");
        for (name, value) in durable {
            request = request.header(name, value);
        }
        request.subscribe().unwrap()
    };
    let handle = client().connect().unwrap().spawn().unwrap();
    let listening = subscribe(&handle);
    handle.close().unwrap();
    drop(listening);

    let handle = client().connect().unwrap().spawn().unwrap();
    let publish = handle.send("/topic/durable").body("meanwhile").receipt();
    publish.publish().unwrap();
    let listening = subscribe(&handle);
    assert_eq!((&listening).text(), "meanwhile");
    listening.unsubscribe_with(&durable).unwrap();
    handle.close().unwrap();
}

/// RabbitMQ answers with an ERROR that names one subscription when the queue
/// behind it goes, and the session lives on. It ends without a word when the
/// session subscribes there again (it believes the queue to be still declared):
/// a new one declares it anew.
#[test]
fn a_deleted_queue_costs_one_subscription_a_moment() {
    let backoff = Backoff {
        initial: Duration::from_secs(5),
        ..Backoff::default()
    };
    let handle = client().backoff(backoff).connect().unwrap();
    let handle = handle.spawn().unwrap();
    let doomed = handle.subscribe("/queue/doomed").unwrap();
    let other = handle.subscribe("/queue/not-doomed").unwrap();

    shared().ctl(&["delete_queue", "doomed"]);

    let (id, cause) = event(&handle, |event| {
        assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
        match event {
            Event::Refused {
                subscription,
                cause,
                ..
            } => Some((subscription, cause)),
            _ => None,
        }
    });
    assert_eq!(id, doomed.id());
    let Error::Broker(cause) = cause else {
        panic!("{cause:?}");
    };
    assert_eq!(cause.message(), "Server cancelled subscription");
    let publish = handle.send("/queue/not-doomed").body("alive").receipt();
    publish.publish().unwrap();
    assert_eq!((&other).text(), "alive");
    assert_eq!(handle.metrics().unwrap().connections, 1);

    event(&handle, |event| match event {
        Event::Restored { subscription } if subscription == doomed.id() => Some(()),
        _ => None,
    });
    for (queue, mut listening) in [("doomed", &doomed), ("not-doomed", &other)] {
        let publish = handle.send(format!("/queue/{queue}")).body("anew");
        publish.receipt().publish().unwrap();
        assert_eq!(listening.text(), "anew");
    }
    handle.close().unwrap();
}
