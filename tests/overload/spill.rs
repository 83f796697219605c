//! Queues that go on on disk.

use std::time::Duration;

use hobnail::{
    AckMode, Client, Error, Event, Misuse, SpoolError,
    config::{Builder, Limits, Overflow, Priority, QueueLimits, Spool},
};
use hobnail_tests::{SOON, broker, client, event, until};

use crate::{
    SMALL, consumer::Consumer, depth, folder, number, publish, session, spilled, subscribe,
};

#[test]
fn a_consumer_that_stops_loses_nothing_and_holds_nobody_up() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let handle = session(&broker, &spool);
    let slow = subscribe(&handle, "slow");
    let quick = handle.subscribe("/topic/calls").unwrap();
    publish(&broker, 0..3000);
    for n in 0..3000 {
        assert_eq!(number(&quick), n);
    }
    until("the rest is on disk", || {
        spilled(&handle, "slow") == 3000 - 16
    });
    let full = depth(&handle, "slow");
    assert_eq!(full.messages, 16);
    assert_eq!(full.high_spilled_messages, 3000 - 16);
    assert!(full.high_messages <= 32, "{full:?}");
    assert!(full.spilled_octets > 3000 * 50, "{full:?}");
    assert_eq!(slow.len(), 3000);
    // What goes on arriving meanwhile comes behind it.
    publish(&broker, 3000..4000);
    for n in 0..4000 {
        assert_eq!(number(&slow), n);
    }
    assert_eq!(handle.metrics().unwrap().dropped, 0);
    until("nothing is left", || handle.spooled().unwrap().is_empty());
    let empty = depth(&handle, "slow");
    assert_eq!((empty.spilled_messages, empty.spilled_octets), (0, 0));
    handle.close().unwrap();
}

#[test]
fn a_client_that_closes_finds_everything_again_in_order() {
    let (broker, (_folder, spool)) = (broker(), folder());
    for round in 0..3 {
        let handle = session(&broker, &spool);
        let slow = subscribe(&handle, "slow");
        publish(&broker, round * 500..(round + 1) * 500);
        until("everything came", || {
            handle.metrics().unwrap().messages == 500
        });
        for n in 0..100 {
            assert_eq!(number(&slow), round * 100 + n);
        }
        handle.close().unwrap();
    }
    let handle = session(&broker, &spool);
    let listed = handle.spooled().unwrap();
    assert_eq!(
        (&*listed[0].subscription, listed[0].messages),
        ("slow", 1200)
    );
    // Before anything is published, and before anything else.
    let slow = subscribe(&handle, "slow");
    publish(&broker, 1500..1510);
    for n in 300..1510 {
        assert_eq!(number(&slow), n);
    }
    handle.close().unwrap();
}

#[test]
fn a_subscription_that_is_dropped_is_continued_and_one_that_is_ended_is_not() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let handle = session(&broker, &spool);
    let slow = subscribe(&handle, "slow");
    publish(&broker, 0..200);
    // What only waits for room is not in the queue yet, and ends with the subscription.
    until("all of it is in the queue", || {
        spilled(&handle, "slow") == 184
    });
    drop(slow);
    // Nobody waited for the broker to confirm it: until then the id is taken.
    let mut again = None;
    until("the id is free", || {
        let request = handle.subscription("/topic/calls").id("slow").queue(SMALL);
        again = match request.subscribe() {
            Err(Error::Misuse(Misuse::DuplicateSubscription(_))) => None,
            subscribed => Some(subscribed.expect("subscribes")),
        };
        again.is_some()
    });
    let slow = again.expect("subscribed");
    for n in 0..50 {
        assert_eq!(number(&slow), n);
    }
    slow.unsubscribe().unwrap();
    let slow = subscribe(&handle, "slow");
    publish(&broker, 200..201);
    assert_eq!(number(&slow), 200);
    handle.close().unwrap();
}

#[test]
fn what_no_longer_reaches_the_disk_of_a_subscription_that_is_dropped_is_counted_and_told() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let spool = Spool {
        messages: 100,
        ..spool
    };
    let handle = session(&broker, &spool);
    let events = handle.events();
    let slow = subscribe(&handle, "slow");
    publish(&broker, 0..1000);
    until("the disk is full", || spilled(&handle, "slow") >= 100);
    assert_eq!(handle.metrics().unwrap().dropped, 0);
    drop(slow);
    let kept = || handle.spooled().unwrap().first().map_or(0, |s| s.messages);
    until("each is kept, or counted as dropped", || {
        let metrics = handle.metrics().unwrap();
        metrics.messages + metrics.unrouted == 1000
            && kept() + metrics.dropped + metrics.unrouted == 1000
    });
    assert!(kept() >= 100);
    assert!(handle.metrics().unwrap().dropped > 0);
    let told = event(&events, |e| matches!(e, Event::SlowConsumer { .. }));
    assert!(format!("{told:?}").contains("slow"), "{told:?}");
    handle.close().unwrap();
}

#[test]
fn what_nobody_asks_for_any_more_can_be_forgotten() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let handle = session(&broker, &spool);
    let slow = subscribe(&handle, "slow");
    publish(&broker, 0..200);
    until("it spills", || spilled(&handle, "slow") == 184);
    let refused = handle.forget_spooled("slow");
    assert!(
        matches!(
            refused,
            Err(Error::Misuse(Misuse::DuplicateSubscription(_)))
        ),
        "{refused:?}"
    );
    drop(slow);
    until("all of it is on disk", || {
        handle
            .spooled()
            .unwrap()
            .iter()
            .any(|all| all.messages == 200)
    });
    handle.forget_spooled("slow").unwrap();
    assert!(handle.spooled().unwrap().is_empty());
    handle.close().unwrap();
}

#[test]
fn what_was_on_disk_survives_kill_9_and_little_comes_twice() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let mut consumer = Consumer::start(&broker, "spill", &spool.path);
    publish(&broker, 0..3000);
    consumer.ask_until("received", |answer| answer == "3000");
    consumer.ask_until("spilled", |answer| answer == "2984");
    assert_eq!(consumer.ask("take 500"), "499");
    // Two processes on one file.
    let second = client(&broker).spool(spool.clone()).connect();
    assert!(in_use(second.err()));
    consumer.kill();
    let handle = session(&broker, &spool);
    let slow = subscribe(&handle, "calls");
    let first = number(&slow);
    // 64, and the memory that was taken during one write.
    assert!((500 - 64 - 16..=500).contains(&first), "{first}");
    for n in first + 1..3000 {
        assert_eq!(number(&slow), n);
    }
    handle.close().unwrap();
}

#[test]
fn a_process_that_is_killed_while_it_writes_leaves_a_file_in_order() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let mut published = 0;
    for round in 1..=4 {
        let mut consumer = Consumer::start(&broker, "spill", &spool.path);
        publish(&broker, published..published + 2000);
        published += 2000;
        let enough = round * 300;
        consumer.ask_until("spilled", |answer| answer.parse::<u32>().unwrap() > enough);
        consumer.kill();
    }
    let handle = session(&broker, &spool);
    let slow = subscribe(&handle, "calls");
    let waiting = slow.len();
    assert!(waiting > 1200, "{waiting}");
    let all: Vec<_> = (0..waiting).map(|_| number(&slow)).collect();
    assert!(all.windows(2).all(|two| two[0] < two[1]), "{all:?}");
    handle.close().unwrap();
}

fn in_use(e: Option<Error>) -> bool {
    matches!(e, Some(Error::Spool(e)) if matches!(*e, SpoolError::InUse { .. }))
}

#[test]
fn a_file_that_cannot_be_a_spool_is_told_at_connect() {
    let (broker, (folder, spool)) = (broker(), folder());
    let first = session(&broker, &spool);
    assert!(in_use(client(&broker).spool(spool.clone()).connect().err()));
    first.close().unwrap();
    drop(first);
    // One that is just ending is waited for.
    drop(session(&broker, &spool));
    let letter = folder.path().join("letter");
    std::fs::write(&letter, "Dear aunt, ").unwrap();
    let refused = client(&broker).spool(Spool::new(&letter)).connect().err();
    assert!(
        matches!(&refused, Some(Error::Spool(e)) if matches!(**e, SpoolError::Foreign { .. })),
        "{refused:?}"
    );
    assert_eq!(std::fs::read_to_string(letter).unwrap(), "Dear aunt, ");
    let nowhere = Spool::new(folder.path().join("no/such/folder"));
    let refused = client(&broker).spool(nowhere).connect().err();
    assert!(
        matches!(&refused, Some(Error::Spool(e)) if matches!(**e, SpoolError::Io { .. })),
        "{refused:?}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let handle = session(&broker, &spool);
    let request = || handle.subscription("/topic/calls").queue(SMALL);
    let _taken = subscribe(&handle, "taken");
    let without = client(&broker).connect().unwrap().spawn().unwrap();
    for (refused, word) in [
        (request().subscribe(), "id()"),
        (
            request().id("a").ack(AckMode::Client).subscribe(),
            "AckMode",
        ),
        (
            request().id("a").priority(Priority::Expendable).subscribe(),
            "Expendable",
        ),
        (request().id("taken").subscribe(), "taken"),
        (
            without
                .subscription("/topic/a")
                .id("a")
                .queue(SMALL)
                .subscribe(),
            "no spool",
        ),
    ] {
        let e = refused.expect_err(word);
        assert!(
            matches!(e, Error::Misuse(_)) && e.to_string().contains(word),
            "{e}"
        );
    }
    let limits = Limits {
        queue: SMALL,
        ..Limits::default()
    };
    let url = broker.url();
    let unusable: [Builder; 3] = [
        Client::builder(&url).limits(limits),
        Client::builder(&url).spool(Spool {
            full: Overflow::Spill,
            ..spool.clone()
        }),
        Client::builder(&url).spool(Spool {
            messages: 0,
            ..spool
        }),
    ];
    for builder in unusable {
        let refused = builder.build();
        assert!(matches!(refused, Err(Misuse::Config(_))), "{refused:?}");
    }
    handle.close().unwrap();
}

#[test]
fn a_full_disk_bound_obeys_its_policy() {
    for full in [Overflow::DropOldest, Overflow::DropNewest] {
        let (broker, (_folder, spool)) = (broker(), folder());
        let spool = Spool {
            messages: 100,
            full,
            ..spool
        };
        let handle = session(&broker, &spool);
        let events = handle.events();
        let slow = subscribe(&handle, "slow");
        publish(&broker, 0..1000);
        until("the rest is dropped", || {
            let dropped = handle.metrics().unwrap().dropped;
            dropped == 1000 - 116
        });
        let told = event(&events, |e| matches!(e, Event::SlowConsumer { .. }));
        assert!(format!("{told:?}").contains("slow"), "{told:?}");
        let rest: Vec<_> = (0..116).map(|_| number(&slow)).collect();
        match full {
            Overflow::DropOldest => assert!(rest.into_iter().eq((0..16).chain(900..1000))),
            _ => {
                assert!(rest.windows(2).all(|two| two[0] < two[1]), "{rest:?}");
                assert!(rest.starts_with(&[0, 1, 2, 3]), "{rest:?}");
            }
        }
        handle.close().unwrap();
    }
}

#[test]
fn a_full_disk_bound_ends_the_subscription_if_that_is_its_policy() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let spool = Spool {
        messages: 100,
        full: Overflow::Fail,
        ..spool
    };
    let handle = session(&broker, &spool);
    let events = handle.events();
    let slow = subscribe(&handle, "slow");
    publish(&broker, 0..1000);
    event(&events, |e| matches!(e, Event::Overflowed { .. }));
    let mut next = 0;
    loop {
        match slow.recv() {
            Ok(message) => {
                assert_eq!(message.text().unwrap(), next.to_string());
                next += 1;
            }
            Err(Error::Overflow) => break,
            Err(e) => panic!("{e}"),
        }
    }
    assert!((100..=140).contains(&next), "{next}");
    handle.close().unwrap();
}

#[test]
fn a_full_disk_bound_that_pauses_loses_nothing() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let spool = Spool {
        octets: 10_000,
        ..spool
    };
    let handle = session(&broker, &spool);
    let slow = subscribe(&handle, "slow");
    publish(&broker, 0..5000);
    until("the disk is full", || {
        depth(&handle, "slow").spilled_octets > 9_000
    });
    for n in 0..5000 {
        assert_eq!(number(&slow), n);
        if n % 500 == 0 {
            assert!(depth(&handle, "slow").spilled_octets <= 10_000);
        }
    }
    handle.close().unwrap();
}

#[test]
fn messages_of_every_size_and_kind_come_back_as_they_were() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let handle = session(&broker, &spool);
    let slow = handle
        .subscription("/topic/calls")
        .id("slow")
        .queue(QueueLimits {
            messages: 2,
            ..SMALL
        });
    let slow = slow.subscribe().unwrap();
    let sizes = [0, 1, 3, 5000, 70_000, 1_500_000, 4096, 0];
    for (n, size) in sizes.into_iter().enumerate() {
        let body = vec![n as u8; size];
        broker.publish("/topic/calls", &[("a:b", "c\nd\\e")], &body);
    }
    until("everything came", || {
        handle.metrics().unwrap().messages == 8
    });
    for (n, size) in sizes.into_iter().enumerate() {
        let message = slow.recv_timeout(SOON).unwrap().unwrap();
        assert_eq!(message.body(), vec![n as u8; size]);
        assert_eq!(message.header("a:b").unwrap(), "c\nd\\e");
        assert_eq!(message.subscription(), "slow");
        assert_eq!(message.destination(), "/topic/calls");
    }
    handle.close().unwrap();
}

#[test]
fn what_can_still_be_read_after_the_end_is_read_from_disk_too() {
    let (broker, (_folder, spool)) = (broker(), folder());
    let handle = session(&broker, &spool);
    let slow = subscribe(&handle, "slow");
    publish(&broker, 0..500);
    until("everything came", || {
        handle.metrics().unwrap().messages == 500
    });
    handle.close().unwrap();
    for n in 0..500 {
        assert_eq!(number(&slow), n);
    }
    let end = slow.recv_timeout(Duration::from_secs(5));
    assert!(matches!(end, Err(Error::Closed)), "{end:?}");
    drop((slow, handle));
    // And it does not come again.
    let handle = session(&broker, &spool);
    assert!(handle.spooled().unwrap().is_empty());
    handle.close().unwrap();
}
