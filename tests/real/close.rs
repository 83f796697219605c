//! The end of a session, when the client asks for it.

use std::time::{Duration, Instant};

use hobnail::{Error, Event};

use crate::broker::{Source, client};

/// The close has five seconds; a broker that answers needs none of them.
const QUICK: Duration = Duration::from_secs(2);

/// RabbitMQ answers DISCONNECT with a WebSocket close and never with the
/// RECEIPT; that is success, and need not be waited for.
#[test]
fn a_close_instead_of_the_receipt_is_success() {
    let mut client = client().connect().unwrap();
    let began = Instant::now();
    client.close().unwrap();
    assert!(began.elapsed() < QUICK, "{:?}", began.elapsed());
    assert!(matches!(client.recv(), Err(Error::Closed)));

    let mut last = None;
    while let Some(event) = client.poll_event() {
        assert!(!matches!(event, Event::Disconnected { .. }), "{event:?}");
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::Closed { cause: None })));
}

#[test]
fn a_handle_closes_for_all_its_clones() {
    let handle = client().connect().unwrap().spawn().unwrap();
    let messages = handle.subscribe("/queue/close").unwrap();
    let began = Instant::now();
    let clone = handle.clone();
    let closing = std::thread::spawn(move || clone.close());
    closing.join().unwrap().unwrap();
    assert!(began.elapsed() < QUICK, "{:?}", began.elapsed());
    assert!(matches!(messages.recv(), Err(Error::Closed)));
    let refused = handle.send("/queue/close").body("x").publish();
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    let last = handle.events().last();
    assert!(matches!(last, Some(Event::Closed { cause: None })));
}

/// RabbitMQ forgets the RECEIPT of a SEND just before DISCONNECT.
#[test]
fn what_was_published_before_close_is_published() {
    let queue = "/queue/close-published";
    let mut sender = client().connect().unwrap();
    for body in ["a", "b"] {
        sender.send(queue).body(body).publish().unwrap();
    }
    let pending = sender.send(queue).body("c").begin().unwrap();
    sender.close().unwrap();
    sender.confirm(&pending).unwrap();

    let mut reader = client().connect().unwrap();
    let _subscription = reader.subscription(queue).subscribe().unwrap();
    for body in ["a", "b", "c"] {
        assert_eq!(reader.text(), body);
    }
    reader.close().unwrap();
}
