//! Allocations per message of a client that the test's own thread drives; what
//! the broker's threads allocate is not counted.
//!
//! How much comes with one read is the system's affair, and a thread that was
//! held up turns once more than it must. So the same is done many times, and the
//! cheapest time counts: what each message costs is in every one of them.

use std::collections::VecDeque;

use allocation_counter::{AllocationInfo, measure};
use hobnail::{Client, Pending};
use hobnail_mock_broker::MockBroker;
use hobnail_tests::SOON;

use crate::{broker, quiet};

/// Messages of each time.
const MESSAGES: usize = 200;
const TIMES: usize = 50;

fn cheapest(mut what: impl FnMut() -> AllocationInfo) -> AllocationInfo {
    let times = (0..TIMES).map(|_| what());
    times.min_by_key(|info| info.count_total).expect("many")
}

/// Takes so many messages, and looks at each as a consumer would.
fn take(client: &mut Client, count: usize, size: usize) {
    for _ in 0..count {
        let message = client.recv_timeout(SOON).expect("the client lives");
        let message = message.expect("a message comes");
        assert_eq!(&*message.destination(), "/topic/a");
        assert!(!message.subscription().is_empty() && !message.message_id().is_empty());
        assert_eq!(message.body().len(), size);
    }
}

fn publish(broker: &MockBroker, count: usize, body: &[u8]) {
    for _ in 0..count {
        broker.publish("/topic/a", &[("priority", "4"), ("kind", "call")], body);
    }
}

#[test]
fn a_message_that_comes_in_one_frame_allocates_nothing() {
    let broker = broker();
    let mut client = quiet(&broker);
    let _all = client.subscription("/topic/a").subscribe().unwrap();
    for size in [0, 40, 300, 4 << 10] {
        let body = vec![b'x'; size];
        let cost = cheapest(|| {
            publish(&broker, MESSAGES, &body);
            measure(|| take(&mut client, MESSAGES, size))
        });
        assert_eq!(cost.count_total, 0, "{size} octets: {cost:?}");
    }
}

#[test]
fn a_message_that_is_published_from_a_reused_body_allocates_nothing() {
    let broker = broker();
    let mut client = quiet(&broker);
    for size in [0, 40, 300, 4 << 10] {
        let body = vec![b'x'; size];
        for buffered in [false, true] {
            let send = |client: &mut Client| {
                let send = client.send("/topic/nobody").header("priority", "4");
                let send = send.body(&body);
                let send = if buffered { send.buffered() } else { send };
                send.publish().expect("it leaves");
            };
            let cost = cheapest(|| {
                let cost = measure(|| (0..MESSAGES).for_each(|_| send(&mut client)));
                // The broker has read all of it: nothing waits to leave.
                let last = client.send("/topic/nobody").receipt().publish();
                last.expect("confirmed");
                cost
            });
            assert_eq!(
                cost.count_total, 0,
                "{size} octets, buffered {buffered}: {cost:?}"
            );
        }
    }
}

#[test]
fn a_message_that_is_confirmed_allocates_nothing_for_itself() {
    let broker = broker();
    let mut client = quiet(&broker);
    let body = vec![b'x'; 300];
    let send = |client: &mut Client| {
        let send = client.send("/topic/nobody").body(&body).buffered();
        send.begin().expect("it is taken")
    };
    let mut window: VecDeque<Pending> = VecDeque::with_capacity(MESSAGES + 1);
    let cost = cheapest(|| {
        measure(|| {
            for _ in 0..MESSAGES {
                window.push_back(send(&mut client));
                if window.len() > MESSAGES / 2 {
                    let first = window.pop_front().expect("it is pending");
                    client.confirm(&first).expect("it is confirmed");
                }
            }
        })
    });
    window.iter().for_each(|pending| {
        client.confirm(pending).expect("it is confirmed");
    });
    assert_eq!(cost.count_total, 0, "{cost:?}");
}
