//! Each dialect against a broker that behaves like the real one.

use std::time::Duration;

use hobnail::{AckMode, Dialect, Event};
use hobnail_mock_broker::{Dialect as Manners, MockBroker, Scenario, What};
use hobnail_tests::{SOON, Seen, client, connected, event, start};

/// What only escapes can carry in CONNECT, where a broker decodes them.
const PASSCODE: &str = r"p:a\cs\s";

const PAIRS: [(Dialect, Manners); 4] = [
    (Dialect::STOMP, Manners::STOMP),
    (Dialect::CONTACT_CENTRE, Manners::CONTACT_CENTRE),
    (Dialect::RABBITMQ, Manners::RABBITMQ),
    (Dialect::ACTIVEMQ, Manners::ACTIVEMQ),
];

fn broker(manners: Manners) -> MockBroker {
    let scenario = Scenario::builder().dialect(manners);
    start(scenario.auth_basic("agent", PASSCODE).build())
}

#[test]
fn each_dialect_lives_a_whole_life_with_its_broker() {
    for (dialect, manners) in PAIRS {
        let name = manners.name;
        println!("{name}");
        let broker = broker(manners);
        let builder = client(&broker).dialect(dialect).login("agent", PASSCODE);
        let handle = builder.connect().unwrap().spawn().unwrap();
        let request = handle.subscription("/queue/a");
        let queue = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
        let value = r"a:b\c";
        let send = handle.send("/queue/a").header("kept", value);
        send.body(b"x\0y\n\n\0z").receipt().publish().unwrap();
        let message = queue.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.body(), b"x\0y\n\n\0z", "{name}");
        assert_eq!(message.header("kept").unwrap(), value, "{name}");
        message.ack().unwrap();
        // An acknowledgement that was understood is not delivered again.
        handle
            .send("/queue/b")
            .body("y")
            .receipt()
            .publish()
            .unwrap();
        broker.restart();
        connected(&handle.events(), 2);
        event(&handle.events(), |e| matches!(e, Event::Restored { .. }));
        handle
            .send("/queue/a")
            .body("next")
            .receipt()
            .publish()
            .unwrap();
        let message = queue.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.body(), b"next", "{name}");
        message.ack().unwrap();
        queue.unsubscribe().unwrap();
        // Whatever the broker makes of DISCONNECT, it was what was asked for.
        handle.close().unwrap();
        assert_eq!(broker.complaints(), [], "{name}");
        let commands = broker.commands(2);
        assert_eq!(commands.last().map(String::as_str), Some("DISCONNECT"));
    }
}

#[test]
fn each_dialect_beats_as_its_broker_wants() {
    for (dialect, manners) in PAIRS {
        let scenario = Scenario::builder().dialect(manners).heart_beat(500, 500);
        let broker = start(scenario.build());
        let beat = Duration::from_millis(500);
        let builder = client(&broker).dialect(dialect).heart_beat(beat, beat);
        let handle = builder.connect().unwrap().spawn().unwrap();
        let beats = broker.wait_for_nth(3, SOON, |e| e.what == What::BeatIn);
        beats.unwrap_or_else(|e| panic!("{}: {e}", manners.name));
        let connections = handle.metrics().unwrap().connections;
        assert_eq!(connections, 1, "{}", manners.name);
        handle.close().unwrap();
    }
}

#[test]
fn a_contact_centre_gets_its_subprotocol_and_both_receipt_headers() {
    let broker = broker(Manners::CONTACT_CENTRE);
    let dialect = Dialect::CONTACT_CENTRE.with_subprotocols(&["v10.stomp.acme"]);
    let builder = client(&broker).dialect(dialect).login("agent", PASSCODE);
    let mut client = builder.connect().unwrap();
    client.send("/queue/a").receipt().publish().unwrap();
    client.close().unwrap();
    let agreed = What::Open {
        subprotocol: Some("v10.stomp.acme".into()),
    };
    assert!(broker.transcript().iter().any(|e| e.what == agreed));
    let send = broker.nth_received(1, "SEND");
    assert!(send.header("receipt").is_some());
    assert_eq!(send.header("receipt"), send.header("receipt-id"));
}

#[test]
fn a_passcode_that_looks_escaped_needs_the_dialect_of_a_broker_that_decodes_it() {
    let broker = broker(Manners::RABBITMQ);
    let by_the_letter = client(&broker).login("agent", PASSCODE);
    by_the_letter.connect().unwrap_err();
    let decoded = client(&broker).dialect(Dialect::RABBITMQ);
    let decoded = decoded.login("agent", PASSCODE).connect();
    decoded.unwrap().close().unwrap();
}

#[test]
fn brokers_that_want_the_subscription_in_an_acknowledgement_get_it() {
    let broker = start(Scenario::default());
    let dialect = Dialect::STOMP.with_ack_subscription();
    let handle = client(&broker).dialect(dialect).connect().unwrap();
    let handle = handle.spawn().unwrap();
    let request = handle.subscription("/queue/a").id("mine");
    let queue = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    handle.send("/queue/a").body("x").publish().unwrap();
    queue.recv_timeout(SOON).unwrap().unwrap().ack().unwrap();
    let ack = broker.nth_received(1, "ACK");
    assert_eq!(ack.header("subscription"), Some("mine"));
    assert!(ack.header("id").is_some());
    handle.close().unwrap();
}
