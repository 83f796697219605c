//! All or nothing.

use std::time::Duration;

use hobnail::{AckMode, Error};
use hobnail_tests::{SOON, Seen, broker, client, connected, drive_until};

/// Long enough for a message that should not have been sent to arrive.
const QUIET: Duration = Duration::from_millis(50);

#[test]
fn what_is_committed_takes_effect_at_once_and_together() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let back = handle.subscribe("/queue/a").unwrap();
    let mut transaction = handle.transaction().unwrap();
    transaction.send("/queue/a").body("1").publish().unwrap();
    transaction
        .send("/queue/a")
        .body("2")
        .receipt()
        .publish()
        .unwrap();
    assert!(back.recv_timeout(QUIET).unwrap().is_none());
    transaction.commit().unwrap();
    for expected in [b"1", b"2"] {
        assert_eq!(back.recv_timeout(SOON).unwrap().unwrap().body(), expected);
    }
    handle.close().unwrap();
    assert_eq!(broker.complaints(), []);
}

#[test]
fn what_is_aborted_or_dropped_never_was() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let back = handle.subscribe("/queue/a").unwrap();
    let mut aborted = handle.transaction().unwrap();
    aborted.send("/queue/a").body("aborted").publish().unwrap();
    aborted.abort().unwrap();
    let mut dropped = handle.transaction().unwrap();
    dropped.send("/queue/a").body("dropped").publish().unwrap();
    drop(dropped);
    broker.nth_received(2, "ABORT");
    handle.send("/queue/a").body("sent").publish().unwrap();
    assert_eq!(back.recv_timeout(SOON).unwrap().unwrap().body(), b"sent");
    handle.close().unwrap();
    assert_eq!(broker.complaints(), []);
}

#[test]
fn acknowledgements_take_effect_with_the_commit() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let request = handle.subscription("/queue/a");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    broker.publish("/queue/a", &[], b"1");
    broker.publish("/queue/a", &[], b"2");
    let first = each.recv_timeout(SOON).unwrap().unwrap();
    let second = each.recv_timeout(SOON).unwrap().unwrap();
    let mut kept = handle.transaction().unwrap();
    kept.ack(&first).unwrap();
    kept.commit().unwrap();
    let mut undone = handle.transaction().unwrap();
    undone.ack(&second).unwrap();
    undone.abort().unwrap();
    broker.kick(1);
    connected(&events, 2);
    assert_eq!(each.recv_timeout(SOON).unwrap().unwrap().body(), b"2");
    handle.close().unwrap();
}

#[test]
fn a_transaction_ends_with_its_connection() {
    let broker = broker();
    let handle = client(&broker).connect().unwrap().spawn().unwrap();
    let events = handle.events();
    let mut transaction = handle.transaction().unwrap();
    transaction
        .send("/queue/a")
        .body("1")
        .receipt()
        .publish()
        .unwrap();
    broker.kick(1);
    connected(&events, 2);
    let late = transaction.send("/queue/a").body("2").receipt().publish();
    assert!(matches!(late, Err(Error::Lost)), "{late:?}");
    let commit = transaction.commit();
    assert!(matches!(commit, Err(Error::Lost)), "{commit:?}");
    handle.close().unwrap();
    assert_eq!(broker.commands(2), ["CONNECT", "DISCONNECT"]);
}

#[test]
fn a_client_that_turns_its_own_reactor_has_transactions_too() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let _back = client.subscription("/queue/a").subscribe().unwrap();
    let mut transaction = client.transaction().unwrap();
    transaction.send("/queue/a").body("1").publish().unwrap();
    transaction.commit().unwrap();
    assert_eq!(client.recv_timeout(SOON).unwrap().unwrap().body(), b"1");
    let mut dropped = client.transaction().unwrap();
    dropped.send("/queue/a").body("2").publish().unwrap();
    drop(dropped);
    broker.nth_received(1, "ABORT");
    broker.kick(1);
    drive_until(
        &mut client,
        |e| matches!(e, hobnail::Event::Connected(c) if c.connection == 2),
    );
    client.close().unwrap();
    assert_eq!(broker.complaints(), []);
}
