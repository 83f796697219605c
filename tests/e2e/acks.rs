//! Acknowledgement, refusal, redelivery.

use hobnail::{AckMode, Error, Message, Misuse, Subscription};
use hobnail_mock_broker::Scenario;
use hobnail_tests::{SOON, Seen, broker, client, connected, start};

fn next(subscription: &Subscription) -> Message {
    let message = subscription.recv_timeout(SOON).expect("it lives");
    message.expect("a message comes")
}

#[test]
fn a_message_that_is_acknowledged_automatically_cannot_be_acknowledged() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let auto = handle.subscribe("/queue/a").unwrap();
    broker.publish("/queue/a", &[], b"x");
    let message = next(&auto);
    for refused in [message.ack(), message.nack()] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, Error::Misuse(Misuse::NotAcknowledgeable)),
            "{refused:?}"
        );
    }
    handle.close().unwrap();
}

#[test]
fn each_message_is_acknowledged_on_its_own() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let request = handle.subscription("/queue/a");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    for body in ["1", "2", "3"] {
        broker.publish("/queue/a", &[], body.as_bytes());
    }
    let messages = [next(&each), next(&each), next(&each)];
    messages[1].ack().unwrap();
    let ack = broker.nth_received(1, "ACK");
    assert_eq!(ack.header("id"), messages[1].header("ack").as_deref());
    broker.kick(1);
    connected(&events, 2);
    let again = [next(&each), next(&each)];
    let bodies: Vec<_> = again.iter().map(Message::body).collect();
    assert_eq!(bodies, [b"1", b"3"]);
    let redelivered = |m: &Message| m.header("redelivered").is_some();
    assert!(again.iter().all(redelivered));
    handle.close().unwrap();
}

#[test]
fn an_acknowledgement_covers_all_before_it_in_client_mode() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let request = handle.subscription("/queue/a");
    let all = request.ack(AckMode::Client).subscribe().unwrap();
    for body in ["1", "2", "3"] {
        broker.publish("/queue/a", &[], body.as_bytes());
    }
    let (_, second, _) = (next(&all), next(&all), next(&all));
    second.ack().unwrap();
    broker.nth_received(1, "ACK");
    broker.kick(1);
    connected(&events, 2);
    assert_eq!(next(&all).body(), b"3");
    handle.close().unwrap();
}

#[test]
fn a_refused_message_comes_again_and_ends_among_the_dead_letters() {
    let broker = start(Scenario::builder().max_deliveries(3).build());
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let dead = handle.subscribe("/queue/DLQ").unwrap();
    let request = handle.subscription("/queue/a");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    broker.publish("/queue/a", &[], b"bad");
    for delivery in 1..=3 {
        let message = next(&each);
        assert_eq!(message.header("redelivered").is_some(), delivery > 1);
        message.nack().unwrap();
    }
    assert_eq!(next(&dead).body(), b"bad");
    handle.close().unwrap();
}

#[test]
fn a_message_of_an_ended_connection_cannot_be_acknowledged() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let request = handle.subscription("/queue/a");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    broker.publish("/queue/a", &[], b"x");
    let stale = next(&each);
    broker.kick(1);
    connected(&events, 2);
    let again = next(&each);
    for refused in [stale.ack(), stale.nack()] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, Error::Misuse(Misuse::StaleDelivery)),
            "{refused:?}"
        );
    }
    let mut transaction = handle.transaction().unwrap();
    let refused = transaction.ack(&stale).unwrap_err();
    assert!(matches!(refused, Error::Misuse(Misuse::StaleDelivery)));
    transaction.abort().unwrap();
    again.ack().unwrap();
    handle.close().unwrap();
    assert!(matches!(again.ack(), Err(Error::Closed)));
    assert_eq!(broker.complaints(), []);
}

#[test]
fn version_1_1_acknowledges_by_message_and_subscription() {
    let broker = start(Scenario::builder().versions(&["1.1"]).build());
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let request = handle.subscription("/queue/a").id("mine");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    broker.publish("/queue/a", &[], b"x");
    let message = next(&each);
    message.nack().unwrap();
    next(&each).ack().unwrap();
    let nack = broker.nth_received(1, "NACK");
    assert_eq!(nack.header("message-id"), Some(&*message.message_id()));
    assert_eq!(nack.header("subscription"), Some("mine"));
    handle.close().unwrap();
    assert_eq!(broker.complaints(), []);
}

#[test]
fn a_client_that_turns_its_own_reactor_acknowledges_too() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let request = client.subscription("/queue/a");
    let _each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    broker.publish("/queue/a", &[], b"x");
    let message = client.recv_timeout(SOON).unwrap().unwrap();
    message.ack().unwrap();
    client.close().unwrap();
    let ack = broker.nth_received(1, "ACK");
    assert_eq!(ack.header("id"), message.header("ack").as_deref());
    assert_eq!(broker.complaints(), []);
}
