//! Connections that end, and what the client makes of it.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use hobnail::{AckMode, Error, Event, Handle, LinkError, Misuse};
use hobnail_tests::rabbitmq::RabbitMq;

use crate::broker::{LIMIT, Source, breakable, client_of, event, is_redelivered};

/// RabbitMQ ends sessions with code 1000 whatever went wrong.
fn close_all(node: &RabbitMq) {
    node.ctl(&["close_all_connections", "closed by a test"]);
}

fn disconnected(handle: &Handle) -> (Error, Option<Duration>) {
    event(handle, |event| match event {
        Event::Disconnected { cause, retry_in } => Some((cause, retry_in)),
        _ => None,
    })
}

fn connected(handle: &Handle, connection: u64) {
    event(handle, |event| match event {
        Event::Connected(c) => (c.connection == connection).then_some(()),
        _ => None,
    });
}

fn restored(handle: &Handle) -> String {
    event(handle, |event| match event {
        Event::Restored { subscription } => Some(subscription),
        Event::Disconnected { .. } | Event::Refused { .. } => panic!("{event:?}"),
        _ => None,
    })
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

/// Numbers are published all the while, each until it is confirmed; none that
/// was confirmed may be missing, though some may come twice.
#[test]
fn a_killed_broker_is_survived() {
    let node = breakable();
    let handle = client_of(node.url()).connect().unwrap().spawn().unwrap();
    let queue = "/queue/killed";
    let numbers = handle.subscription(queue).ack(AckMode::ClientIndividual);
    let numbers = numbers.subscribe().unwrap();
    let topic = handle.subscribe("/topic/killed").unwrap();
    connected(&handle, 1);

    let confirmed = AtomicU32::new(0);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let publisher = handle.clone();
        let (confirmed, enough) = (&confirmed, &enough);
        let publishing = scope.spawn(move || {
            while !enough.load(Ordering::SeqCst) {
                let number = confirmed.load(Ordering::SeqCst).to_string();
                let publish = publisher.send(queue).body(&number).replay();
                let publish = publish.header("persistent", "true").timeout(LIMIT);
                publish.publish().unwrap();
                confirmed.fetch_add(1, Ordering::SeqCst);
            }
        });
        // Whatever fails below, the publisher must end.
        let _stop = Stop(enough);

        let mut seen = BTreeSet::new();
        read_until(&numbers, &mut seen, 20);
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

        let before = confirmed.load(Ordering::SeqCst);
        read_until(&numbers, &mut seen, before + 20);
        enough.store(true, Ordering::SeqCst);
        publishing.join().unwrap();
        read_until(&numbers, &mut seen, confirmed.load(Ordering::SeqCst));
    });

    let publish = handle.send("/topic/killed").body("still here").receipt();
    publish.publish().unwrap();
    assert_eq!((&topic).text(), "still here");
    assert_eq!(handle.metrics().unwrap().connections, 2);
    handle.close().unwrap();
}

/// Reads and acknowledges until all numbers below this one were seen.
fn read_until(numbers: &hobnail::Subscription, seen: &mut BTreeSet<u32>, end: u32) {
    let deadline = Instant::now() + LIMIT;
    while !(0..end).all(|number| seen.contains(&number)) {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = { numbers }.next_within(left);
        let message = message.unwrap_or_else(|| panic!("{end} numbers, of {seen:?}"));
        seen.insert(message.text().unwrap().parse().unwrap());
        match message.ack() {
            // The connection ended meanwhile; it comes again.
            Ok(()) | Err(Error::Misuse(Misuse::StaleDelivery)) => {}
            Err(e) => panic!("{e}"),
        }
    }
}

/// Tells the publisher to end.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
