//! What a consumer that stands still costs.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hobnail::{
    Client, Event,
    config::{Overflow, QueueLimits},
};
use hobnail_mock_broker::MockBroker;
use hobnail_tests::broker;

use crate::{
    consumer::{Consumer, say, spool, url},
    depth, folder,
};

/// The bound of each queue.
const OCTETS: usize = 512 << 10;

/// Octets of each body.
const BODY: usize = 400;

const POLICIES: [(&str, Overflow); 4] = [
    ("drop-oldest", Overflow::DropOldest),
    ("drop-newest", Overflow::DropNewest),
    ("latest-by", Overflow::LatestBy("kind")),
    ("spill", Overflow::Spill),
];

/// Publishes at a steady rate, and in between for those who are quick. Returns
/// how many of both.
fn storm(broker: &MockBroker, per_second: u32, lasts: Duration) -> (u32, u32) {
    let began = Instant::now();
    let (mut sent, mut quick) = (0, 0);
    while began.elapsed() < lasts {
        let due = (began.elapsed().as_secs_f64() * f64::from(per_second)) as u32;
        while sent < due {
            let kind = (sent % 200).to_string();
            broker.publish("/topic/storm", &[("kind", &kind)], &[b'x'; BODY]);
            sent += 1;
        }
        broker.publish("/topic/quick", &[], b"");
        quick += 1;
        thread::park_timeout(Duration::from_millis(5));
    }
    (sent, quick)
}

#[test]
fn stalled_consumers_cost_their_bounds_and_nothing_more_in_a_storm_of_5000_a_second() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let mut consumer = Consumer::start(&broker, "memory", &spool.path);
    // Everything that is allocated once is allocated now.
    let warm = storm(&broker, 2000, Duration::from_secs(1));
    let all = |of: (u32, u32)| (4 * of.0 + of.1).to_string();
    consumer.ask_until("received", |answer| answer == all(warm));
    consumer.ask("drain");
    let before: i64 = consumer.ask("resident").parse().unwrap();
    let rest = storm(&broker, 5000, Duration::from_secs(4));
    let (sent, quick) = (warm.0 + rest.0, warm.1 + rest.1);
    consumer.ask_until("received", |answer| answer == all((sent, quick)));
    let after: i64 = consumer.ask("resident").parse().unwrap();
    let bound = (POLICIES.len() * OCTETS) as i64 + (1 << 20);
    // Without bounds it would be 40 MB.
    assert!(
        after - before <= bound,
        "{before}, then {after}: more than {bound}"
    );
    // Nothing that is read is held up so long that it would not come.
    consumer.ask_until("quick", |answer| answer.parse::<u32>().unwrap() == quick);
}

#[test]
fn a_consumer_that_holds_up_its_connection_costs_its_bound_and_loses_nothing() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let mut consumer = Consumer::start(&broker, "pause", &spool.path);
    let (warm, _) = storm(&broker, 2000, Duration::from_secs(1));
    consumer.ask_until("take", |taken| taken == warm.to_string());
    let before: i64 = consumer.ask("resident").parse().unwrap();
    let (rest, _) = storm(&broker, 5000, Duration::from_secs(4));
    // It is as full as it can be, and nothing more is read.
    consumer.ask_until("octets", |held| {
        held.parse::<usize>().unwrap() > OCTETS * 9 / 10
    });
    let after: i64 = consumer.ask("resident").parse().unwrap();
    let bound = (OCTETS + (1 << 20)) as i64;
    // Without a bound it would be 10 MB.
    assert!(
        after - before <= bound,
        "{before}, then {after}: more than {bound}"
    );
    consumer.ask_until("take", |taken| taken == (warm + rest).to_string());
}

#[test]
fn a_consumer_that_is_given_up_costs_its_bound_and_keeps_what_it_has() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let mut consumer = Consumer::start(&broker, "fail", &spool.path);
    // Well within its bound, whoever is how quick.
    let (warm, _) = storm(&broker, 500, Duration::from_secs(1));
    consumer.ask_until("take", |taken| taken == warm.to_string());
    let before: i64 = consumer.ask("resident").parse().unwrap();
    let (rest, _) = storm(&broker, 5000, Duration::from_secs(4));
    consumer.ask_until("overflowed", |has| has == "true");
    let after: i64 = consumer.ask("resident").parse().unwrap();
    let bound = (OCTETS + (1 << 20)) as i64;
    assert!(
        after - before <= bound,
        "{before}, then {after}: more than {bound}"
    );
    let taken: u32 = consumer.ask("take").parse().unwrap();
    let held = (taken - warm) as usize * BODY;
    assert!((OCTETS / 2..OCTETS).contains(&held), "{taken} of {rest}");
}

/// The consumer: takes nothing but what it is told to.
pub(crate) fn consume_alone(overflow: Overflow) {
    let client = Client::builder(url()).proxy(None).connect();
    let handle = client.expect("connects").spawn().expect("a thread");
    let events = handle.events();
    let limits = QueueLimits {
        messages: 2000,
        octets: OCTETS,
        overflow,
    };
    let request = handle
        .subscription("/topic/storm")
        .id("alone")
        .queue(limits);
    let stalled = request.subscribe().expect("subscribes");
    let (mut taken, mut overflowed) = (0, false);
    say("ready");
    for order in io::stdin().lines() {
        match &*order.expect("text") {
            "take" => {
                while let Ok(Some(_)) = stalled.recv_timeout(Duration::from_millis(50)) {
                    taken += 1;
                }
                say(taken);
            }
            "octets" => say(depth(&handle, "alone").octets),
            "overflowed" => {
                let news = std::iter::from_fn(|| events.try_recv());
                let told = news
                    .filter(|e| matches!(e, Event::Overflowed { .. }))
                    .count();
                overflowed |= told > 0;
                say(overflowed);
            }
            "resident" => say(resident()),
            other => panic!("{other}"),
        }
    }
}

/// The consumer: reads only what is quick.
pub(crate) fn consume() {
    let client = Client::builder(url()).proxy(None).spool(spool()).connect();
    let handle = client.expect("connects").spawn().expect("a thread");
    let stalled = POLICIES.map(|(id, overflow)| {
        let limits = QueueLimits {
            messages: 2000,
            octets: OCTETS,
            overflow,
        };
        let request = handle.subscription("/topic/storm").id(id).queue(limits);
        request.subscribe().expect("subscribes")
    });
    let quick = handle.subscribe("/topic/quick").expect("subscribes");
    let taken = Arc::<AtomicU32>::default();
    let count = Arc::clone(&taken);
    thread::spawn(move || {
        quick
            .map(|_| count.fetch_add(1, Ordering::SeqCst))
            .for_each(drop)
    });
    say("ready");
    for order in io::stdin().lines() {
        match &*order.expect("text") {
            "received" => {
                let metrics = handle.metrics().expect("metrics");
                say(metrics.messages);
            }
            "drain" => {
                for subscription in &stalled {
                    while let Ok(Some(_)) = subscription.recv_timeout(Duration::from_millis(200)) {}
                }
                say("done");
            }
            "resident" => say(resident()),
            "quick" => say(taken.load(Ordering::SeqCst)),
            other => panic!("{other}"),
        }
    }
}

/// Octets of this process that are in memory.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second field is a number") * 4096
}
