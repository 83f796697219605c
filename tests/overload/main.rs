//! Consumers that do not keep up, in processes of their own: killed, measured,
//! and before disks that are full.

#![cfg(unix)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and all else fails it"
)]

mod consumer;
mod disk;
mod memory;
mod policies;
mod spill;
mod suspension;

use hobnail::{
    Handle, Subscription,
    config::{Overflow, QueueLimits, Spool},
};
use hobnail_mock_broker::MockBroker;
use hobnail_tests::{SOON, client};

/// A queue that holds 16 messages to be read next, and 16 to be written.
const SMALL: QueueLimits = QueueLimits {
    messages: 32,
    octets: 1 << 20,
    overflow: Overflow::Spill,
};

fn folder() -> (tempfile::TempDir, Spool) {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let spool = Spool::new(folder.path().join("spool"));
    (folder, spool)
}

fn session(broker: &MockBroker, spool: &Spool) -> Handle {
    let client = client(broker).spool(spool.clone()).connect();
    client.expect("connects").spawn().expect("a thread")
}

fn subscribe(handle: &Handle, id: &'static str) -> Subscription {
    let request = handle.subscription("/topic/calls").id(id).queue(SMALL);
    request.subscribe().expect("subscribes")
}

fn publish(broker: &MockBroker, numbers: std::ops::Range<u32>) {
    for n in numbers {
        broker.publish("/topic/calls", &[], n.to_string().as_bytes());
    }
}

fn number(subscription: &Subscription) -> u32 {
    let message = subscription.recv_timeout(SOON).expect("open");
    let message = message.expect("comes");
    message.text().expect("text").parse().expect("a number")
}

fn spilled(handle: &Handle, id: &str) -> u64 {
    depth(handle, id).spilled_messages
}

fn depth(handle: &Handle, id: &str) -> hobnail::Depth {
    let metrics = handle.metrics().expect("metrics");
    let queue = metrics.queues.iter().find(|q| q.subscription == id);
    queue.expect("the subscription is known").depth
}
