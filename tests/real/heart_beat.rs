//! Heart-beats against a broker that ends silent sessions.

use std::time::Duration;

use hobnail::Event;

use crate::broker::{Source, client};

const SECOND: Duration = Duration::from_secs(1);

/// RabbitMQ closes a session that has promised beats and is silent for three
/// intervals.
#[test]
fn an_idle_session_lives_on_its_beats() {
    let mut client = client().heart_beat(SECOND, SECOND).connect().unwrap();
    let Some(Event::Connected(connected)) = client.poll_event() else {
        panic!("the first event is Connected");
    };
    assert_eq!(connected.beats_out, Some(SECOND));
    assert_eq!(connected.beats_in, Some(SECOND));

    assert!(client.next_within(5 * SECOND).is_none());

    let publish = client.send("/queue/idle").body("x").receipt();
    publish.publish().unwrap();
    let metrics = client.metrics().unwrap();
    assert_eq!(metrics.connections, 1);
    assert!(metrics.beats_out >= 4, "{metrics:?}");
    assert!(client.poll_event().is_none());
    client.close().unwrap();
}

/// The same without anybody driving the client.
#[test]
fn an_idle_thread_of_its_own_beats_too() {
    let client = client().heart_beat(SECOND, Duration::ZERO);
    let handle = client.connect().unwrap().spawn().unwrap();
    let messages = handle.subscribe("/queue/idle-thread").unwrap();
    assert!((&messages).next_within(5 * SECOND).is_none());
    let publish = handle.send("/queue/idle-thread").body("x").receipt();
    publish.publish().unwrap();
    assert_eq!((&messages).text(), "x");
    assert_eq!(handle.metrics().unwrap().connections, 1);
    handle.close().unwrap();
}
