//! Frames that come in every shape that WebSocket allows.

use std::time::Duration;

use hobnail_mock_broker::{
    MockBroker, Rule, Scenario, What, drip, frag_every, join, message_type, on, ping,
    script::{Between, Kind, ShapeAction},
    sending, split_at, split_every,
};
use hobnail_tests::{SOON, client, start};

/// Bodies that a careless decoder would trip over.
const BODIES: &[&str] = &["", "ü\0\n\n\0x", "plain", "MESSAGE\n\n\0", "{\"a\":1}"];

/// Lets every body come over in the shape, plain and over TLS, and checks it.
fn comes_over(shape: impl Into<hobnail_mock_broker::Action>) {
    let scenario = Scenario::builder()
        .rule(Rule::on(on::open()).then(shape))
        .build();
    for tls in [false, true] {
        let scenario = scenario.clone();
        let broker = if tls {
            MockBroker::start_tls(scenario).expect("a port is free")
        } else {
            start(scenario)
        };
        let handle = client(&broker)
            .connect()
            .expect("connects")
            .spawn()
            .expect("a thread");
        let back = handle.subscribe("/topic/shape").expect("subscribes");
        for (n, body) in BODIES.iter().enumerate() {
            let n = n.to_string();
            broker.publish(
                "/topic/shape",
                &[("n", &n), ("e", "a:b\nü")],
                body.as_bytes(),
            );
        }
        for (n, body) in BODIES.iter().enumerate() {
            let message = back.recv_timeout(SOON).expect("open").expect("comes");
            assert_eq!(message.header("n").as_deref(), Some(&*n.to_string()));
            assert_eq!(message.header("e").as_deref(), Some("a:b\nü"));
            assert_eq!(message.text(), Ok(*body));
        }
        handle.close().expect("closes");
    }
}

#[test]
fn stomp_frames_in_websocket_messages_of_one_octet() {
    comes_over(split_every(1));
}

#[test]
fn stomp_frames_in_websocket_messages_of_seven_octets() {
    comes_over(split_every(7));
}

#[test]
fn websocket_messages_in_continuations_of_one_octet() {
    comes_over(frag_every(1));
}

#[test]
fn websocket_messages_in_continuations_with_pings_between() {
    comes_over(frag_every(3).ping_between());
}

#[test]
fn websocket_messages_with_pongs_and_empty_continuations_between() {
    comes_over(frag_every(5).between(Between::Pong));
    comes_over(frag_every(5).between(Between::Empty));
}

#[test]
fn several_stomp_frames_in_one_websocket_message() {
    comes_over(join(3, Duration::from_millis(20)));
}

#[test]
fn binary_messages() {
    comes_over(message_type(Kind::Binary));
}

#[test]
fn text_and_binary_messages_by_turns() {
    comes_over(message_type(Kind::Mixed));
}

#[test]
fn octets_that_trickle() {
    comes_over(drip(7, Duration::from_millis(1)));
}

#[test]
fn a_message_is_whole_wherever_it_is_cut() {
    let cut_at = |n: u64| -> ShapeAction { split_at(&[n as i64]).next(1) };
    let mut scenario = Scenario::builder();
    let cuts = 130;
    for n in 1..=cuts {
        scenario = scenario.rule(Rule::on(sending("MESSAGE").nth(n)).then(cut_at(n)));
    }
    let broker = start(scenario.build());
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let back = handle.subscribe("/topic/cut").unwrap();
    for n in 1..=cuts {
        broker.publish(
            "/topic/cut",
            &[("n", &n.to_string())],
            b"b\0d\n\n\0\xc3\xbc",
        );
    }
    for n in 1..=cuts {
        let message = back.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.header("n").as_deref(), Some(&*n.to_string()));
        assert_eq!(message.body(), b"b\0d\n\n\0\xc3\xbc");
    }
    handle.close().unwrap();
}

#[test]
fn a_ping_is_answered_with_its_octets() {
    let scenario = Scenario::builder()
        .rule(Rule::on(on::connected()).then(ping("are you there")))
        .build();
    let broker = start(scenario);
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let pong = What::Pong(b"are you there".to_vec());
    broker.wait_for(SOON, |e| e.what == pong).unwrap();
    handle.close().unwrap();
}
