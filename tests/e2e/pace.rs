//! Brokers that are slower than those who publish.

use std::time::Instant;

use hobnail::{Client, Error, config::Limits};
use hobnail_mock_broker::{MockBroker, Rule, Scenario, act, recv};
use hobnail_tests::{SOON, client, start};

/// More than the sockets hold.
const FRAMES: u32 = 8_000;
const BODY: [u8; 4_096] = [b'x'; 4_096];

/// A broker that reads nothing after CONNECT.
fn deaf() -> (MockBroker, Client) {
    let rule = Rule::on(recv("CONNECT"))
        .then(act::pass())
        .then(act::stall_read(SOON * 10));
    let broker = start(Scenario::builder().rule(rule).build());
    let limits = Limits {
        outbox: 64 << 20,
        ..Limits::default()
    };
    let client = client(&broker).limits(limits).connect().expect("connects");
    (broker, client)
}

/// Each alone would take as long as a broker that reads on is given.
fn all_at_once(mut publish: impl FnMut() -> Result<(), Error>) {
    let began = Instant::now();
    for _ in 0..FRAMES {
        publish().expect("publishes");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn one_that_takes_nothing_holds_its_caller_up_once_and_not_for_each_frame() {
    let (_broker, mut client) = deaf();
    all_at_once(|| client.send("/queue/a").body(&BODY).publish());
    let outbox = client.metrics().unwrap().outbox;
    assert!(outbox.messages > 1_000, "{outbox:?}");
}

#[test]
fn nor_does_it_hold_up_other_threads_for_each_frame() {
    let (_broker, client) = deaf();
    let handle = client.spawn().unwrap();
    all_at_once(|| handle.send("/queue/a").body(&BODY).publish());
}
