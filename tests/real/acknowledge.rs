//! ACK and NACK, in all three modes.

use hobnail::{AckMode, Client, Error, Message, Misuse};

use crate::broker::{Source, client, is_redelivered};

/// A client that has got these bodies from a queue of this name, unacknowledged.
fn with_messages(queue: &str, mode: AckMode, bodies: &[&str]) -> (Client, Vec<Message>) {
    let mut client = client().connect().unwrap();
    let subscription = client.subscription(queue).ack(mode).subscribe().unwrap();
    // A dropped subscription would end.
    std::mem::forget(subscription);
    for body in bodies {
        client.send(queue).body(body).receipt().publish().unwrap();
    }
    let messages = bodies.iter().map(|body| {
        let message = client.message();
        assert_eq!(message.text().unwrap(), *body);
        assert!(!is_redelivered(&message));
        message
    });
    let messages = messages.collect();
    (client, messages)
}

/// What is left in a queue once nobody else reads from it.
fn left_in(queue: &str) -> Vec<String> {
    let mut client = client().connect().unwrap();
    let end = client.send(queue).body("end").receipt();
    end.publish().unwrap();
    let _subscription = client.subscription(queue).subscribe().unwrap();
    let mut left = Vec::new();
    loop {
        let message = client.message();
        let text = message.text().unwrap();
        if text == "end" {
            client.close().unwrap();
            return left;
        }
        assert!(is_redelivered(&message));
        left.push(text.to_owned());
    }
}

#[test]
fn auto_leaves_nothing_behind() {
    let queue = "/queue/ack-auto";
    let (mut client, messages) = with_messages(queue, AckMode::Auto, &["a", "b"]);
    assert!(matches!(
        messages[0].ack(),
        Err(Error::Misuse(Misuse::NotAcknowledgeable))
    ));
    client.close().unwrap();
    assert_eq!(left_in(queue), [""; 0]);
}

#[test]
fn client_acknowledges_all_up_to_a_message() {
    let queue = "/queue/ack-client";
    let (mut client, messages) = with_messages(queue, AckMode::Client, &["a", "b", "c"]);
    messages[1].ack().unwrap();
    client.close().unwrap();
    assert_eq!(left_in(queue), ["c"]);
}

#[test]
fn client_individual_acknowledges_one_message() {
    let queue = "/queue/ack-individual";
    let mode = AckMode::ClientIndividual;
    let (mut client, messages) = with_messages(queue, mode, &["a", "b", "c"]);
    messages[1].ack().unwrap();
    client.close().unwrap();
    assert_eq!(left_in(queue), ["a", "c"]);
}

#[test]
fn a_refused_message_comes_again() {
    let queue = "/queue/nack";
    let (mut client, messages) = with_messages(queue, AckMode::ClientIndividual, &["a"]);
    messages[0].nack().unwrap();
    let again = client.message();
    assert_eq!(again.text().unwrap(), "a");
    assert!(is_redelivered(&again));
    again.ack().unwrap();
    client.close().unwrap();
    assert_eq!(left_in(queue), [""; 0]);
}

#[test]
fn an_acknowledgement_takes_effect_with_its_transaction() {
    let queue = "/queue/ack-transaction";
    let mode = AckMode::ClientIndividual;
    let (mut client, messages) = with_messages(queue, mode, &["a", "b"]);
    let mut transaction = client.transaction().unwrap();
    transaction.ack(&messages[0]).unwrap();
    transaction.commit().unwrap();
    let mut transaction = client.transaction().unwrap();
    transaction.ack(&messages[1]).unwrap();
    transaction.abort().unwrap();
    client.close().unwrap();
    assert_eq!(left_in(queue), ["b"]);
}
