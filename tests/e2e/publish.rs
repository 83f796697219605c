//! Many frames, many receipts, many threads.

use std::{collections::BTreeMap, thread, time::Duration};

use hobnail::{Error, Handle, Stage};
use hobnail_mock_broker::{
    Frame, Rule, Scenario, drop_it, error, hold, mark, on, recv, release, script::Order, send,
    sending,
};
use hobnail_tests::{SOON, Seen, broker, client, start, until};

#[test]
fn thousands_of_receipts_are_in_flight_at_once() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let pending: Vec<_> = (0..3000)
        .map(|_| handle.send("/queue/a").body("x").begin().unwrap())
        .collect();
    for receipt in pending {
        receipt.wait().unwrap();
    }
    assert_eq!(handle.metrics().unwrap().late_receipts, 0);
    handle.close().unwrap();
}

#[test]
fn a_client_that_turns_its_own_reactor_confirms_many_frames() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let pending: Vec<_> = (0..500)
        .map(|_| client.send("/queue/a").body("x").begin().unwrap())
        .collect();
    for receipt in pending.iter().rev() {
        client.confirm(receipt).unwrap();
    }
    client.close().unwrap();
}

#[test]
fn buffered_frames_leave_in_order_with_the_rest() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    for n in 0..500 {
        let body = n.to_string();
        let send = client.send("/queue/a").body(&body);
        if n % 100 == 99 { send } else { send.buffered() }
            .publish()
            .unwrap();
    }
    client.close().unwrap();
    let bodies: Vec<_> = broker
        .transcript()
        .iter()
        .filter_map(|e| Some(e.received()?.clone()))
        .filter(|f| f.command == "SEND")
        .map(|f| f.text().unwrap().parse::<u32>().unwrap())
        .collect();
    assert!(bodies.iter().copied().eq(0..500));
}

#[test]
fn receipts_in_the_wrong_order_end_the_right_calls() {
    let scenario = Scenario::builder()
        .rule(Rule::on(sending("RECEIPT")).times(3).then(hold("r")))
        .rule(
            Rule::on(recv("SEND").nth(4))
                .then(release("r", Order::Reverse))
                .then(drop_it()),
        )
        .build();
    let broker = start(scenario);
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let patient = |handle: &Handle, body: &str, patience| {
        let send = handle.send("/queue/a").body(body).timeout(patience);
        send.begin().expect("there is room")
    };
    let held: Vec<_> = (0..3).map(|_| patient(&handle, "x", SOON)).collect();
    let dropped = patient(&handle, "last", Duration::from_millis(300));
    for receipt in held {
        receipt.wait().unwrap();
    }
    let dropped = dropped.wait().unwrap_err();
    assert!(matches!(dropped, Error::Timeout(Stage::Receipt)));
    handle.close().unwrap();
}

#[test]
fn an_error_that_names_a_receipt_ends_that_call_with_the_brokers_words() {
    let scenario = Scenario::builder()
        .rule(
            Rule::on(recv("SEND").matching("destination", "/queue/forbidden"))
                .then(error(403).message("403 not for you")),
        )
        .build();
    let broker = start(scenario);
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let send = handle.send("/queue/forbidden").body("x").receipt();
    let Err(Error::Broker(told)) = send.publish() else {
        panic!("the broker refused");
    };
    assert_eq!(
        (told.code(), &*told.message()),
        (Some(403), "403 not for you")
    );
    handle.close().unwrap();
}

#[test]
fn a_receipt_that_comes_late_is_counted_and_harmless() {
    let scenario = Scenario::builder()
        .rule(
            Rule::on(sending("RECEIPT").nth(1))
                .then(hold("late"))
                .then(mark("held")),
        )
        .rule(Rule::on(on::signal("now")).then(release("late", Order::AsHeld)))
        .build();
    let broker = start(scenario);
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let send = handle.send("/queue/a").body("x").receipt();
    let late = send.timeout(Duration::from_millis(100)).publish();
    assert!(
        matches!(late, Err(Error::Timeout(Stage::Receipt))),
        "{late:?}"
    );
    broker.signal("now");
    until("the late receipt is counted", || {
        handle.metrics().unwrap().late_receipts == 1
    });
    handle
        .send("/queue/a")
        .body("y")
        .receipt()
        .publish()
        .unwrap();
    handle.close().unwrap();
}

#[test]
fn receipts_that_nobody_asked_for_are_counted_and_harmless() {
    let stray = |id: &str| send(Frame::new("RECEIPT").with("receipt-id", id));
    let scenario = Scenario::builder()
        .rule(
            Rule::on(recv("SUBSCRIBE"))
                .then(stray("nobody's"))
                .then(stray("18446744073709551615"))
                .then(send(Frame::new("RECEIPT"))),
        )
        .build();
    let broker = start(scenario);
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let back = handle.subscribe("/queue/a").unwrap();
    handle.send("/queue/a").body("x").publish().unwrap();
    back.recv_timeout(SOON).unwrap().unwrap();
    assert_eq!(handle.metrics().unwrap().late_receipts, 3);
    handle.close().unwrap();
}

#[test]
fn eight_publishers_reach_twenty_subscriptions_in_order_without_loss_or_repetition() {
    const PUBLISHERS: u32 = 8;
    const EACH: u32 = 300;
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let subscriptions: Vec<_> = (0..20)
        .map(|_| handle.subscribe("/topic/all").unwrap())
        .collect();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            let handle = handle.clone();
            scope.spawn(move || {
                for n in 0..EACH {
                    let body = format!("{publisher} {n}");
                    handle.send("/topic/all").body(&body).publish().unwrap();
                }
            });
        }
        for subscription in &subscriptions {
            scope.spawn(move || {
                let mut next = BTreeMap::<u32, u32>::new();
                for _ in 0..PUBLISHERS * EACH {
                    let message = subscription.recv_timeout(SOON).unwrap().unwrap();
                    assert_eq!(message.subscription(), subscription.id());
                    let (publisher, n) = message.text().unwrap().split_once(' ').unwrap();
                    let expected = next.entry(publisher.parse().unwrap()).or_default();
                    assert_eq!(n.parse::<u32>().unwrap(), *expected);
                    *expected += 1;
                }
                assert!(next.values().all(|n| *n == EACH));
            });
        }
    });
    assert!(subscriptions.iter().all(hobnail::Subscription::is_empty));
    let metrics = handle.metrics().unwrap();
    assert_eq!(metrics.messages, u64::from(20 * PUBLISHERS * EACH));
    assert_eq!((metrics.unrouted, metrics.dropped), (0, 0));
    handle.close().unwrap();
    assert_eq!(broker.complaints(), []);
    assert_eq!(broker.dropped_entries(), 0);
}
