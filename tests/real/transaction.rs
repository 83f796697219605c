//! BEGIN, COMMIT, ABORT.

use crate::broker::{Source, client};

#[test]
fn committed_frames_arrive_together_and_not_before() {
    let handle = client().connect().unwrap().spawn().unwrap();
    let queue = "/queue/commit";
    let messages = handle.subscribe(queue).unwrap();

    let mut transaction = handle.transaction().unwrap();
    transaction.send(queue).body("a").publish().unwrap();
    transaction.send(queue).body("b").publish().unwrap();
    handle
        .send(queue)
        .body("before")
        .receipt()
        .publish()
        .unwrap();
    assert_eq!((&messages).text(), "before");
    transaction.commit().unwrap();
    assert_eq!((&messages).text(), "a");
    assert_eq!((&messages).text(), "b");
    handle.close().unwrap();
}

/// RabbitMQ confirms a SEND of a transaction once it is committed, and not before.
#[test]
fn a_receipt_within_a_transaction_comes_with_its_commit() {
    let mut client = client().connect().unwrap();
    let mut transaction = client.transaction().unwrap();
    let pending = transaction.send("/queue/commit-receipt").body("a").begin();
    let pending = pending.unwrap();
    transaction.commit().unwrap();
    client.confirm(&pending).unwrap();
    client.close().unwrap();
}

#[test]
fn an_aborted_transaction_never_happened() {
    let mut client = client().connect().unwrap();
    let queue = "/queue/abort";
    let _subscription = client.subscription(queue).subscribe().unwrap();
    let mut transaction = client.transaction().unwrap();
    transaction.send(queue).body("never").publish().unwrap();
    transaction.abort().unwrap();
    client.send(queue).body("after").publish().unwrap();
    assert_eq!(client.text(), "after");
    client.close().unwrap();
}

#[test]
fn an_abandoned_transaction_is_aborted() {
    let mut client = client().connect().unwrap();
    let queue = "/queue/abandon";
    let _subscription = client.subscription(queue).subscribe().unwrap();
    let mut transaction = client.transaction().unwrap();
    transaction.send(queue).body("never").publish().unwrap();
    drop(transaction);
    client.send(queue).body("after").publish().unwrap();
    assert_eq!(client.text(), "after");
    assert_eq!(client.metrics().unwrap().connections, 1);
    client.close().unwrap();
}
