//! What a subscription can ask for: selectors, ids, fresh headers, a prefetch.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use hobnail::{Dialect, Error, Misuse};
use hobnail_mock_broker::{Rule, Scenario, act, on};
use hobnail_tests::{SOON, Seen, broker, client, connected, start};

#[test]
fn a_broad_subscription_without_a_selector_is_refused_before_anything_leaves() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    for destination in ["/events/**", "/topic/>", "/exchange/events/#", "**"] {
        let refused = handle.subscribe(destination).unwrap_err();
        let Error::Misuse(Misuse::BroadSubscription(named)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(named, destination);
    }
    handle.send("/topic/a").receipt().publish().unwrap();
    assert_eq!(broker.commands(1), ["CONNECT", "SEND"]);
    // A selector narrows it, and whoever insists may have all.
    let request = handle.subscription("/topic/>").selector("queueId eq \"a\"");
    let narrow = request.subscribe().unwrap();
    let all = handle.subscription("/topic/>").allow_broad().subscribe();
    drop((narrow, all.unwrap()));
    handle.close().unwrap();
}

#[test]
fn a_selector_reaches_the_broker_and_only_what_it_lets_through_arrives() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let selector = r#"queueId eq "sales" and waiting gt 3"#;
    let request = handle.subscription("/events/queue/*").selector(selector);
    let events = request.subscribe().unwrap();
    let subscribe = broker.nth_received(1, "SUBSCRIBE");
    assert_eq!(subscribe.header("selector"), Some(selector));
    for (queue, waiting) in [("sales", 2), ("support", 9), ("sales", 7)] {
        let event = serde_json::json!({"queueId": queue, "waiting": waiting});
        let send = handle.send("/events/queue/updates").json(&event).unwrap();
        send.receipt().publish().unwrap();
    }
    let message = events.recv_timeout(SOON).unwrap().unwrap();
    let event: serde_json::Value = message.json().unwrap();
    assert_eq!(event["waiting"], 7);
    assert!(events.is_empty());
    handle.close().unwrap();
}

#[test]
fn an_id_can_be_chosen_and_is_given_to_one_subscription_only() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let request = handle.subscription("/topic/a").id("calls");
    let calls = request.subscribe().unwrap();
    let again = handle.subscription("/topic/b").id("calls").subscribe();
    assert!(matches!(again, Err(Error::Misuse(_))), "{again:?}");
    calls.unsubscribe().unwrap();
    let request = handle.subscription("/topic/b").id("calls");
    let calls = request.subscribe().unwrap();
    assert_eq!(calls.id(), "calls");
    let unsubscribe = broker.nth_received(1, "UNSUBSCRIBE");
    assert_eq!(unsubscribe.header("id"), Some("calls"));
    handle.close().unwrap();
}

#[test]
fn headers_that_are_made_anew_are_so_on_every_connection() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let made = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&made);
    let request = handle.subscription("/topic/a");
    let request = request.header_with("x-since", move || {
        count.fetch_add(1, Ordering::SeqCst).to_string()
    });
    let topic = request.subscribe().unwrap();
    for connection in 2..=4 {
        broker.restart();
        connected(&events, connection);
        broker.nth_received(connection as usize, "SUBSCRIBE");
    }
    let values = (1..=4).map(|n| broker.nth_received(n, "SUBSCRIBE"));
    let values: Vec<_> = values
        .map(|frame| frame.header("x-since").unwrap().to_owned())
        .collect();
    assert_eq!(values, ["0", "1", "2", "3"]);
    drop(topic);
    handle.close().unwrap();
}

#[test]
fn a_prefetch_is_said_in_the_dialects_word() {
    for (dialect, word) in [
        (Dialect::RABBITMQ, Some("prefetch-count")),
        (Dialect::ACTIVEMQ, Some("activemq.prefetchSize")),
        (Dialect::STOMP, None),
    ] {
        let broker = broker();
        let client = client(&broker).dialect(dialect).connect().unwrap();
        let handle = client.spawn().unwrap();
        let made = handle.subscription("/queue/a").prefetch(7).subscribe();
        match word {
            Some(word) => {
                let subscribe = broker.nth_received(1, "SUBSCRIBE");
                assert_eq!(subscribe.header(word), Some("7"));
                drop(made.unwrap());
            }
            None => assert!(matches!(made, Err(Error::Misuse(_))), "{made:?}"),
        }
        handle.close().unwrap();
    }
}

#[test]
fn what_comes_again_is_dropped_within_the_window_and_counted() {
    let twice = Rule::on(on::sending("MESSAGE")).then(act::dup(2));
    let broker = start(Scenario::builder().rule(twice).build());
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let request = handle.subscription("/topic/a").dedupe("message-id", 8);
    let topic = request.subscribe().unwrap();
    for n in 0..20 {
        broker.publish("/topic/a", &[], n.to_string().as_bytes());
    }
    for n in 0..20 {
        let message = topic.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.text().unwrap(), n.to_string());
    }
    hobnail_tests::until("the last one was dropped, too", || {
        handle.metrics().unwrap().duplicates == 20
    });
    assert!(topic.is_empty());
    handle.close().unwrap();
}
