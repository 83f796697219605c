//! Brokers and clients on the loopback interface.

use std::time::{Duration, Instant};

use hobnail::{
    Client, Connected, Event, Events,
    config::{Backoff, Builder},
};
use hobnail_mock_broker::{MockBroker, Scenario};

/// Far longer than anything takes here; only a failure waits so long.
pub const SOON: Duration = Duration::from_secs(15);

/// A broker without a fault.
#[must_use]
pub fn broker() -> MockBroker {
    start(Scenario::default())
}

/// A broker with the faults of a scenario.
#[must_use]
pub fn start(scenario: Scenario) -> MockBroker {
    MockBroker::start(scenario).expect("a port of the loopback interface is free")
}

/// A client of a broker that comes back soon when its connection is lost.
pub fn client(broker: &MockBroker) -> Builder {
    let builder = Client::builder(broker.url()).proxy(None).backoff(Backoff {
        initial: Duration::from_millis(20),
        max: Duration::from_millis(200),
        jitter_percent: 20,
        stable_after: Duration::from_secs(30),
    });
    match broker.ca_pem() {
        Some(pem) => builder.tls_root(pem),
        None => builder,
    }
}

/// Waits for an event; those before it are passed over.
///
/// # Panics
/// If it does not come, naming those that did.
pub fn event(events: &Events, mut wanted: impl FnMut(&Event) -> bool) -> Event {
    let deadline = Instant::now() + SOON;
    let mut others = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.recv_timeout(left) {
            Some(event) if wanted(&event) => return event,
            Some(event) => others.push(event),
            None => panic!("the event did not come; these did: {others:?}"),
        }
    }
}

/// Waits until the n-th connection is live.
pub fn connected(events: &Events, nth: u64) -> Connected {
    let found = event(
        events,
        |e| matches!(e, Event::Connected(c) if c.connection == nth),
    );
    match found {
        Event::Connected(connected) => *connected,
        other => panic!("{other:?}"),
    }
}

/// Turns a client's reactor until an event comes.
///
/// # Panics
/// If it does not come, or the client ends without it.
pub fn drive_until(client: &mut Client, mut wanted: impl FnMut(&Event) -> bool) -> Event {
    let deadline = Instant::now() + SOON;
    let mut others = Vec::new();
    loop {
        while let Some(event) = client.poll_event() {
            if wanted(&event) {
                return event;
            }
            others.push(event);
        }
        assert!(Instant::now() < deadline, "these came: {others:?}");
        if let Err(e) = client.turn(Duration::from_millis(100)) {
            panic!("{e}; these came: {others:?}");
        }
    }
}

/// Waits until something holds that no event tells of.
///
/// # Panics
/// If it never does.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}
