//! Brokers that stand still for 40 seconds: their connections stay open, and their
//! machine goes on to accept others.

use std::time::{Duration, Instant};

use hobnail::{
    Error, Event, LinkError,
    config::{Builder, Timeouts},
};
use hobnail_tests::{
    activemq::ActiveMq,
    rabbitmq::{FrameKind, RabbitMq},
};

use crate::{
    activemq, broker,
    events::{connected, disconnected, event, gap, restored},
    load::{Load, Numbers},
};

const SECOND: Duration = Duration::from_secs(1);
const FROZEN: Duration = Duration::from_secs(40);

/// It is found dead by its silence, that is told, and all is well again after.
fn a_frozen_broker_is_survived(client: Builder, freeze: impl Fn(), thaw: impl Fn()) {
    let timeouts = Timeouts {
        upgrade: 4 * SECOND,
        open: 4 * SECOND,
        ..Timeouts::default()
    };
    let client = client.heart_beat(2 * SECOND, 2 * SECOND).timeouts(timeouts);
    let handle = client.connect().unwrap().spawn().unwrap();
    let queue = "/queue/frozen";
    let mut numbers = Numbers::of(&handle, queue);
    assert_eq!(connected(&handle, 1).beats_in, Some(2 * SECOND));
    let load = Load::start(&handle, queue);
    numbers.read_more(&load, 50);

    freeze();
    let frozen = Instant::now();
    let (cause, _) = disconnected(&handle);
    let silence = frozen.elapsed();
    let is_silence = |e: &LinkError| matches!(e, LinkError::Silent { .. });
    assert!(
        matches!(&cause, Error::Link(e) if is_silence(e)),
        "{cause:?}"
    );
    assert!(silence < 12 * SECOND, "found out after {silence:?}");
    assert!(!handle.health().unwrap().is_progressing());
    // Nobody answers, and each attempt is told.
    let mut attempts = 0;
    while frozen.elapsed() < FROZEN {
        let (cause, retry_in) = disconnected(&handle);
        assert!(
            matches!(&cause, Error::Link(e) if matches!(**e, LinkError::Timeout { .. })),
            "{cause:?}"
        );
        assert!(retry_in.is_some());
        attempts += 1;
    }
    let attempted = load.confirmed();
    thaw();

    event(&handle, |event| {
        matches!(event, Event::Connected(_)).then_some(())
    });
    assert_eq!(restored(&handle), numbers.id());
    let (_, lasted) = gap(&handle);
    assert!(lasted > FROZEN - SECOND, "{lasted:?}");
    numbers.read_more(&load, 50);
    let confirmed = load.stop();
    numbers.read_until(confirmed);
    let twice = numbers.twice();
    println!(
        "dead after {silence:?}, {attempts} attempts, {attempted} before, {confirmed} confirmed and delivered, {twice} of them twice"
    );
    handle.close().unwrap();
}

#[test]
fn a_frozen_rabbitmq_is_survived() {
    let node = RabbitMq::start(FrameKind::Text);
    let client = broker::client_of(node.url());
    a_frozen_broker_is_survived(client, || node.freeze(), || node.thaw());
}

#[test]
fn a_frozen_activemq_is_survived() {
    let broker = ActiveMq::start();
    let client = activemq::client_of(&broker);
    a_frozen_broker_is_survived(client, || broker.freeze(), || broker.thaw());
}
