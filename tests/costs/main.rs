//! What a client costs where it can be counted: allocations, octets that are
//! copied, wake-ups. No test here looks at how long anything takes.

mod allocations;
mod copies;

use hobnail::Client;
use hobnail_mock_broker::MockBroker;
use hobnail_tests::{broker, client};
use std::time::Duration;

/// A client without heart-beats, so that nothing happens but what is asked for.
fn quiet(broker: &MockBroker) -> Client {
    let client = client(broker).heart_beat(Duration::ZERO, Duration::ZERO);
    client.connect().expect("connects")
}
