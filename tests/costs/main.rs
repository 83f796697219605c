//! What a client costs where it can be counted: allocations, octets that are
//! copied, wake-ups. No test here looks at how long anything takes.

#![expect(clippy::unwrap_used, reason = "in a test a missing value is a failure")]

mod allocations;
mod copies;
mod idle;

use std::time::Duration;

use hobnail::Client;
use hobnail_mock_broker::MockBroker;
use hobnail_tests::{broker, client};

/// A client without heart-beats, so that nothing happens but what is asked for.
fn quiet(broker: &MockBroker) -> Client {
    let client = client(broker).heart_beat(Duration::ZERO, Duration::ZERO);
    client.connect().expect("connects")
}
