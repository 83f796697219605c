//! Connections that end, and what the client makes of it.

use hobnail::{AckMode, Error, LinkError, Misuse};
use hobnail_tests::rabbitmq::RabbitMq;

use crate::{
    broker::{Source, breakable, client_of, is_redelivered},
    events::{connected, disconnected, restored},
    load::{Load, Numbers},
};

/// RabbitMQ ends sessions with code 1000 whatever went wrong.
fn close_all(node: &RabbitMq) {
    node.ctl(&["close_all_connections", "closed by a test"]);
}

#[test]
fn an_unasked_close_1000_is_a_loss() {
    let node = breakable();
    let handle = client_of(node.url()).connect().unwrap().spawn().unwrap();
    let messages = handle.subscribe("/queue/died").unwrap();
    connected(&handle, 1);

    close_all(&node);

    let (cause, retry_in) = disconnected(&handle);
    let Error::Link(cause) = cause else {
        panic!("{cause:?}");
    };
    let LinkError::Closed { code, reason } = &*cause else {
        panic!("{cause:?}");
    };
    assert_eq!((*code, &**reason), (1000, "STOMP died"));
    assert!(retry_in.is_some());
    connected(&handle, 2);
    assert_eq!(restored(&handle), messages.id());
    let publish = handle.send("/queue/died").body("again").receipt();
    publish.publish().unwrap();
    assert_eq!((&messages).text(), "again");
    handle.close().unwrap();
}

#[test]
fn what_was_not_acknowledged_comes_again_on_the_next_connection() {
    let node = breakable();
    let handle = client_of(node.url()).connect().unwrap().spawn().unwrap();
    let queue = "/queue/unacknowledged";
    let request = handle.subscription(queue).ack(AckMode::ClientIndividual);
    let messages = request.subscribe().unwrap();
    handle.send(queue).body("x").receipt().publish().unwrap();
    let first = (&messages).message();
    assert!(!is_redelivered(&first));
    connected(&handle, 1);

    close_all(&node);
    connected(&handle, 2);

    let again = (&messages).message();
    assert_eq!(again.text().unwrap(), "x");
    assert!(is_redelivered(&again));
    // The broker has forgotten that it delivered it to the first connection.
    let stale = first.ack();
    assert!(matches!(stale, Err(Error::Misuse(Misuse::StaleDelivery))));
    again.ack().unwrap();
    handle.close().unwrap();
}

#[test]
fn a_transaction_ends_with_its_connection() {
    let node = breakable();
    let handle = client_of(node.url()).connect().unwrap().spawn().unwrap();
    let queue = "/queue/lost-transaction";
    let messages = handle.subscribe(queue).unwrap();
    connected(&handle, 1);
    let mut transaction = handle.transaction().unwrap();
    transaction.send(queue).body("never").publish().unwrap();

    close_all(&node);
    connected(&handle, 2);

    let lost = transaction.commit();
    assert!(matches!(lost, Err(Error::Lost)), "{lost:?}");
    handle
        .send(queue)
        .body("after")
        .receipt()
        .publish()
        .unwrap();
    assert_eq!((&messages).text(), "after");
    handle.close().unwrap();
}

#[test]
fn a_killed_broker_is_survived() {
    let node = breakable();
    let handle = client_of(node.url()).connect().unwrap().spawn().unwrap();
    let queue = "/queue/killed";
    let mut numbers = Numbers::of(&handle, queue);
    let topic = handle.subscribe("/topic/killed").unwrap();
    connected(&handle, 1);
    let load = Load::start(&handle, queue);
    numbers.read_more(&load, 20);

    node.kill();
    let (cause, retry_in) = disconnected(&handle);
    let Error::Link(cause) = cause else {
        panic!("{cause:?}");
    };
    assert!(
        matches!(*cause, LinkError::Lost(_) | LinkError::Io { .. }),
        "{cause:?}"
    );
    assert!(retry_in.is_some());
    node.restart();
    // Attempts in between are refused, and say so before the one that is not.
    connected(&handle, 2);
    assert_eq!(restored(&handle), numbers.id());
    assert_eq!(restored(&handle), topic.id());

    numbers.read_more(&load, 20);
    let confirmed = load.stop();
    numbers.read_until(confirmed);
    let publish = handle.send("/topic/killed").body("still here").receipt();
    publish.publish().unwrap();
    assert_eq!((&topic).text(), "still here");
    assert_eq!(handle.metrics().unwrap().connections, 2);
    handle.close().unwrap();
}
