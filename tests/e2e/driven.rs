//! A client that the calling thread drives, and callers that are busy.

use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use hobnail::{Client, Error, Phase, Stage};
use hobnail_mock_broker::{MockBroker, Scenario, What};
use hobnail_tests::{Peer, SOON, broker, client, start};

const BEAT: Duration = Duration::from_millis(300);

/// Longer than silence is borne on either side.
const LONG: Duration = Duration::from_millis(2_000);

fn beating() -> MockBroker {
    start(Scenario::builder().heart_beat(300, 300).build())
}

#[test]
fn one_that_only_publishes_hears_its_broker_and_is_heard() {
    for buffered in [false, true] {
        let broker = beating();
        let mut client = client(&broker).heart_beat(BEAT, BEAT).connect().unwrap();
        let end = Instant::now() + LONG;
        while Instant::now() < end {
            let send = client.send("/topic/a").body("x");
            let send = if buffered { send.buffered() } else { send };
            send.publish().unwrap();
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(client.phase(), Phase::Online);
        assert_eq!(client.metrics().unwrap().connections, 1);
    }
}

#[test]
fn one_that_finds_its_messages_in_the_inbox_beats_all_the_same() {
    let broker = beating();
    let mut client = client(&broker).heart_beat(BEAT, BEAT).connect().unwrap();
    let _all = client.subscription("/topic/a").subscribe().unwrap();
    for _ in 0..40 {
        broker.publish("/topic/a", &[], b"x");
    }
    for _ in 0..40 {
        let message = client.recv_timeout(SOON).unwrap();
        assert!(message.is_some());
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.metrics().unwrap().connections, 1);
}

#[test]
fn one_that_takes_all_at_once_gets_each_in_order_and_beats_all_the_same() {
    let broker = beating();
    let mut client = client(&broker).heart_beat(BEAT, BEAT).connect().unwrap();
    let _all = client.subscription("/topic/a").subscribe().unwrap();
    let mut messages = VecDeque::new();
    assert_eq!(client.try_recv_many(&mut messages).unwrap(), 0);
    let nothing = client.recv_many_timeout(&mut messages, Duration::from_millis(1));
    assert_eq!(nothing.unwrap(), 0);
    let mut expected = 0..2_000_u32;
    for n in expected.clone() {
        broker.publish("/topic/a", &[], n.to_string().as_bytes());
    }
    while expected.start < expected.end {
        let count = client.recv_many_timeout(&mut messages, SOON).unwrap();
        assert_eq!(count, messages.len());
        assert!(count > 0, "{expected:?} are missing");
        for message in messages.drain(..) {
            assert_eq!(message.text(), Ok(&*expected.start.to_string()));
            expected.start += 1;
            if expected.start % 50 == 0 {
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
    assert_eq!(client.metrics().unwrap().connections, 1);
    client.close().unwrap();
    let end = client.recv_many(&mut messages).unwrap_err();
    assert!(matches!(end, Error::Closed), "{end}");
}

/// The socket is writable again before the poller was asked to tell of it.
#[test]
fn what_waits_behind_messages_that_fill_the_socket_leaves_too() {
    let broker = broker();
    let mut client = client(&broker)
        .heart_beat(Duration::ZERO, Duration::ZERO)
        .connect()
        .unwrap();
    let large = vec![b'x'; 3 << 20];
    for _ in 0..4 {
        client
            .send("/topic/a")
            .body(&large)
            .buffered()
            .publish()
            .unwrap();
    }
    let last = client.send("/topic/a").body("last").receipt().timeout(SOON);
    last.publish().unwrap();
    let handle = client.spawn().unwrap();
    for _ in 0..4 {
        handle.send("/topic/a").body(&large).publish().unwrap();
    }
    let last = handle.send("/topic/a").body("last").receipt().timeout(SOON);
    last.publish().unwrap();
    handle.close().unwrap();
}

#[test]
fn a_buffered_frame_leaves_when_the_caller_waits() {
    let broker = broker();
    let mut client = client(&broker)
        .heart_beat(Duration::ZERO, Duration::ZERO)
        .connect()
        .unwrap();
    let _own = client.subscription("/topic/a").subscribe().unwrap();
    client
        .send("/topic/a")
        .body("x")
        .buffered()
        .publish()
        .unwrap();
    assert!(client.recv_timeout(SOON).unwrap().is_some());
}

#[test]
fn frames_leave_in_the_order_of_the_calls_however_large() {
    let broker = broker();
    let limits = hobnail::config::Limits {
        outbox: 100_000,
        ..Default::default()
    };
    let mut client = client(&broker).limits(limits).connect().unwrap();
    let large = "x".repeat(60_000);
    for n in 0..30 {
        let body = if n % 3 == 2 { "x" } else { &large };
        let send = client.send("/queue/a").header("n", n.to_string());
        let send = send.body(body);
        if n % 3 == 1 {
            send.begin().unwrap();
        } else {
            send.publish().unwrap();
        }
    }
    client.send("/queue/a").receipt().publish().unwrap();
    let order: Vec<_> = broker
        .transcript()
        .iter()
        .filter_map(|entry| {
            let What::Recv(frame) = &entry.what else {
                return None;
            };
            frame.header("n").map(|n| n.parse::<u32>().unwrap())
        })
        .collect();
    assert_eq!(order, (0..30).collect::<Vec<_>>());
}

/// The last of the large one leaves in a turn that begins while it still waits,
/// and after it no event tells of a socket that has become writable, since nothing
/// is read meanwhile.
#[test]
fn what_waits_behind_a_message_larger_than_the_sockets_buffer_leaves_after_it() {
    let broker = broker();
    let reader = Peer::slow_reader(broker.port());
    let url = format!("ws://127.0.0.1:{}/", reader.port());
    let mut client = Client::builder(url)
        .proxy(None)
        .heart_beat(Duration::ZERO, Duration::ZERO)
        .connect()
        .unwrap();
    let large = vec![b'x'; 12 << 20];
    for _ in 0..2 {
        let send = client.send("/topic/nobody").body(&large);
        send.buffered().publish().unwrap();
        let behind = client.send("/topic/nobody").begin().unwrap();
        let began = Instant::now();
        client.confirm(&behind).unwrap();
        // Before the deadline of the call, which wakes the client in any case.
        assert!(began.elapsed() < SOON);
    }
}

#[test]
fn many_receipts_can_be_begun_without_a_turn_between() {
    let broker = broker();
    let limits = hobnail::config::Limits {
        outbox: 100_000,
        ..Default::default()
    };
    let mut client = client(&broker).limits(limits).connect().unwrap();
    let body = "x".repeat(10_000);
    let mut pending = Vec::new();
    for _ in 0..100 {
        pending.push(client.send("/queue/a").body(&body).begin().unwrap());
    }
    for one in &pending {
        client.confirm(one).unwrap();
    }
}

#[test]
fn an_answer_that_was_taken_is_not_waited_for_again_without_end() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let pending = client
        .send("/queue/a")
        .timeout(Duration::from_millis(100))
        .begin()
        .unwrap();
    client.confirm(&pending).unwrap();
    let again = client.confirm(&pending);
    assert!(matches!(again, Err(Error::Timeout(Stage::Receipt))));
}

#[test]
fn the_longest_durations_are_as_good_as_for_ever() {
    let broker = broker();
    let timeouts = hobnail::config::Timeouts {
        open: Duration::MAX,
        call: Duration::MAX,
        close: Duration::MAX,
        ..Default::default()
    };
    let backoff = hobnail::config::Backoff {
        stable_after: Duration::MAX,
        max: Duration::MAX,
        ..Default::default()
    };
    let client = client(&broker).timeouts(timeouts).backoff(backoff);
    let handle = client.connect().unwrap().spawn().unwrap();
    let send = handle.send("/queue/a").receipt().timeout(Duration::MAX);
    send.publish().unwrap();
    handle.close().unwrap();
}
