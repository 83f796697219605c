//! The mock broker's proxy in front of a node: the scenarios' faults befall a
//! client that talks to a real broker.

use std::{collections::BTreeSet, time::Duration};

use hobnail::{AckMode, Client, Error, config::Builder};
use hobnail_mock_broker::{
    Entry, Listen, MockBroker, Rule, Scenario, Upstream, What, act, recv, sending,
};

use crate::{
    broker::{LIMIT, Source, breakable, client_of, is_redelivered, shared},
    events::connected,
};

fn proxy(scenario: Scenario) -> MockBroker {
    MockBroker::proxy(&shared().url(), scenario).unwrap()
}

fn through(proxy: &MockBroker) -> Builder {
    client_of(proxy.url())
}

/// What a session does, with every octet that a proxy could spoil.
fn work(mut client: Client, queue: &str) {
    let request = client.subscription(queue).ack(AckMode::ClientIndividual);
    let _subscription = request.subscribe().unwrap();
    let binary: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8 ^ 0x80).collect();
    for body in [&b"line\n\n\0end"[..], "h\u{e9}".as_bytes(), &binary] {
        let publish = client.send(queue).header("k:\n\\", "v:\n\\\u{e9}");
        publish.body(body).receipt().publish().unwrap();
        let message = client.message();
        assert_eq!(message.header("k:\n\\").as_deref(), Some("v:\n\\\u{e9}"));
        assert!(message.body() == body, "another body came back");
        message.nack().unwrap();
        let again = client.message();
        assert!(is_redelivered(&again));
        again.ack().unwrap();
    }
    client.close().unwrap();
}

#[test]
fn a_session_passes_as_if_there_were_no_proxy() {
    // The node that sends BINARY messages, for a body that is not UTF-8.
    let node = breakable();
    let plain = MockBroker::proxy(&node.url(), Scenario::default()).unwrap();
    work(through(&plain).connect().unwrap(), "/queue/proxy-plain");

    let upstream = Upstream::new(&node.secure_url()).unwrap();
    let upstream = upstream.ca_pem(&node.authority());
    let listen = Listen {
        tls: true,
        ..Listen::default()
    };
    let secure = MockBroker::proxy_at(&upstream, Scenario::default(), listen).unwrap();
    let client = through(&secure).tls_root(secure.ca_pem().unwrap());
    work(client.connect().unwrap(), "/queue/proxy-secure");

    let stranger = through(&plain).login("guest", "wrong").connect();
    let Err(Error::Auth(_) | Error::Broker(_)) = stranger else {
        panic!("{stranger:?}");
    };
}

#[test]
fn a_drop_1006_and_a_lost_receipt_are_survived() {
    let scenario = Scenario::builder()
        .rule(
            Rule::on(recv("SEND").nth(5))
                .conn(1)
                .then(act::pass())
                .then(act::fin()),
        )
        .rule(
            Rule::on(recv("SEND").matching("receipt-is", "lost"))
                .conn(2)
                .goto("deaf"),
        )
        .rule(
            Rule::on(sending("RECEIPT"))
                .state("deaf")
                .then(act::drop_it())
                .goto("well"),
        )
        .build();
    let proxy = proxy(scenario);
    let handle = through(&proxy).connect().unwrap().spawn().unwrap();
    let queue = "/queue/proxy-faults";
    let messages = handle.subscribe(queue).unwrap();
    connected(&handle, 1);
    for number in 0..10 {
        let body = number.to_string();
        let publish = handle.send(queue).body(&body).replay();
        publish.timeout(LIMIT).publish().unwrap();
    }
    connected(&handle, 2);
    let mut seen = BTreeSet::new();
    while seen.len() < 10 {
        seen.insert((&messages).text());
    }
    let publish = handle.send(queue).header("receipt-is", "lost");
    let lost = publish
        .body("late")
        .receipt()
        .timeout(Duration::from_secs(2));
    let lost = lost.publish();
    assert!(matches!(lost, Err(Error::Timeout(_))), "{lost:?}");
    // The message itself was not lost, and the session lives on.
    while (&messages).text() != "late" {}
    let publish = handle.send(queue).body("after").receipt();
    publish.publish().unwrap();
    assert_eq!(handle.metrics().unwrap().connections, 2);
    handle.close().unwrap();
    let fin = |e: &Entry| matches!(&e.what, What::Fault(words) if words == "fin");
    proxy.wait_for(LIMIT, fin).unwrap();
    let dropped = |e: &Entry| matches!(&e.what, What::Fault(words) if words == "drop RECEIPT");
    proxy.wait_for(LIMIT, dropped).unwrap();
}

#[test]
fn frames_that_are_cut_everywhere_are_put_together() {
    let cut = [
        act::split_every(1),
        act::frag_at(&[3, 9, 10]).ping_between(),
        act::drip(7, Duration::from_millis(1)),
    ];
    for shape in cut {
        let rule = Rule::on(hobnail_mock_broker::on::open()).then(shape);
        let proxy = proxy(Scenario::builder().rule(rule).build());
        let mut client = through(&proxy).connect().unwrap();
        let queue = "/queue/proxy-cut";
        let _subscription = client.subscription(queue).subscribe().unwrap();
        client
            .send(queue)
            .body("whole\n\n\0")
            .receipt()
            .publish()
            .unwrap();
        assert_eq!(client.message().body(), b"whole\n\n\0");
        client.close().unwrap();
    }
}
