//! Streams of frames that nobody waits for, and silence after them.

use std::time::Duration;

use hobnail::Handle;
use hobnail_mock_broker::MockBroker;
use hobnail_tests::{SOON, Seen, broker, client};

/// No beat will wake its reactor.
fn quiet(broker: &MockBroker) -> Handle {
    let client = client(broker).heart_beat(Duration::ZERO, Duration::ZERO);
    client
        .connect()
        .and_then(hobnail::Client::spawn)
        .expect("connects")
}

fn publish(handle: &Handle, frames: usize) {
    for _ in 0..frames {
        let frame = handle.send("/queue/a").body(&[b'x'; 100]);
        frame.publish().expect("publishes");
    }
}

#[test]
fn a_stream_that_stops_has_left_soon_though_nothing_follows() {
    let broker = broker();
    let handle = quiet(&broker);
    let mut sent = 0;
    for round in 0..8 {
        // Around what counts as dense, and more than wakes a reactor that dozes.
        for frames in [1, 31, 32, 33 + round, 400] {
            publish(&handle, frames);
            sent += frames;
            broker.nth_received(sent, "SEND");
        }
    }
    handle.close().expect("closes");
}

#[test]
fn streams_of_many_threads_leave_whole() {
    let broker = broker();
    let handle = quiet(&broker);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    publish(&handle, 100);
                    let last = handle.send("/queue/a").receipt().timeout(SOON);
                    last.publish().expect("is confirmed");
                }
                publish(&handle, 100);
            });
        }
    });
    broker.nth_received(4 * (10 * 101 + 100), "SEND");
    handle.close().expect("closes");
}
