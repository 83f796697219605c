//! An end that leaves nothing behind if it can be helped.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use hobnail::{AckMode, Error, Handle, Subscription, Undrained, config::QueueLimits};
use hobnail_mock_broker::{MockBroker, Rule, Scenario, drop_it, recv};
use hobnail_tests::{SOON, Seen, broker, client, start, until};

fn spawned(broker: &MockBroker) -> Handle {
    let client = client(broker).connect().expect("connects");
    client.spawn().expect("a thread")
}

fn flood(broker: &MockBroker, destination: &str, messages: usize) {
    for n in 0..messages {
        broker.publish(destination, &[], n.to_string().as_bytes());
    }
}

fn left(result: Result<(), Error>) -> Undrained {
    match result {
        Err(Error::Undrained(left)) => *left,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_drain_waits_until_readers_have_taken_all_and_then_closes() {
    let broker = broker();
    let handle = spawned(&broker);
    let request = handle.subscription("/queue/a").queue(QueueLimits {
        messages: 4,
        ..QueueLimits::default()
    });
    let subscription = request.subscribe().unwrap();
    flood(&broker, "/queue/a", 20);
    until("the queue is full", || subscription.len() == 4);
    let (go, gone) = mpsc::channel::<()>();
    let reader = thread::spawn(move || {
        gone.recv().unwrap();
        subscription.count()
    });
    let draining = handle.clone();
    let drain = thread::spawn(move || draining.drain(SOON));
    go.send(()).unwrap();
    drain.join().unwrap().unwrap();
    assert_eq!(reader.join().unwrap(), 20);
    assert_eq!(
        broker.commands(1),
        ["CONNECT", "SUBSCRIBE", "UNSUBSCRIBE", "DISCONNECT"]
    );
    assert!(matches!(
        handle.send("/queue/a").publish(),
        Err(Error::Closed)
    ));
}

/// Answers and acknowledges each message only after it has been told to.
fn slow_reader(
    handle: &Handle,
    subscription: Subscription,
    may: mpsc::Receiver<()>,
) -> thread::JoinHandle<usize> {
    let handle = handle.clone();
    thread::spawn(move || {
        let mut taken = 0;
        for message in subscription {
            may.recv().expect("to be told");
            let reply = handle.send("/queue/replies").body(message.body());
            reply.receipt().publish().expect("confirmed");
            message.ack().expect("in time");
            taken += 1;
        }
        taken
    })
}

#[test]
fn the_last_answer_and_acknowledgement_leave_before_the_unsubscribe() {
    let broker = broker();
    let handle = spawned(&broker);
    let request = handle.subscription("/queue/a");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    flood(&broker, "/queue/a", 3);
    let (may, told) = mpsc::channel();
    until("all have come", || each.len() == 3);
    let reader = slow_reader(&handle, each, told);
    let draining = handle.clone();
    let drain = thread::spawn(move || draining.drain(SOON));
    for _ in 0..3 {
        may.send(()).unwrap();
    }
    drain.join().unwrap().unwrap();
    assert_eq!(reader.join().unwrap(), 3);
    assert_eq!(
        broker.commands(1),
        [
            "CONNECT",
            "SUBSCRIBE",
            "SEND",
            "ACK",
            "SEND",
            "ACK",
            "SEND",
            "ACK",
            "UNSUBSCRIBE",
            "DISCONNECT"
        ]
    );
    assert_eq!(broker.complaints(), []);
}

#[test]
fn at_the_deadline_it_says_what_was_left_and_closes_all_the_same() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(recv("SEND")).then(drop_it()))
            .build(),
    );
    let handle = spawned(&broker);
    let idle = handle.subscription("/queue/a").id("idle");
    let idle = idle.subscribe().unwrap();
    flood(&broker, "/queue/a", 3);
    until("all have come", || idle.len() == 3);
    let pending = handle.send("/queue/b").begin().unwrap();
    let began = Instant::now();
    let left = left(handle.drain(Duration::from_millis(300)));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(left.messages, [("idle".to_owned(), 3)]);
    assert_eq!((left.publishes, left.frames), (1, 0));
    assert!(left.subscriptions.is_empty());
    assert!(matches!(pending.wait(), Err(Error::Lost)));
    broker.nth_received(1, "DISCONNECT");
    assert_eq!(idle.len(), 3, "they can still be taken");
}

#[test]
fn a_message_in_hand_that_could_still_be_acknowledged_is_waited_for() {
    let broker = broker();
    let handle = spawned(&broker);
    let request = handle.subscription("/queue/a").id("each");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    flood(&broker, "/queue/a", 1);
    let taken = thread::scope(|scope| {
        let reader = scope.spawn(|| each.recv_timeout(SOON));
        reader.join().unwrap()
    });
    let message = taken.unwrap().unwrap();
    let left = left(handle.drain(Duration::from_millis(200)));
    assert_eq!(left.messages, [("each".to_owned(), 1)]);
    assert!(matches!(message.ack(), Err(Error::Closed)));
}

#[test]
fn who_drains_need_not_wait_for_itself() {
    let broker = broker();
    let handle = spawned(&broker);
    let request = handle.subscription("/queue/a");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    flood(&broker, "/queue/a", 1);
    each.recv_timeout(SOON).unwrap().unwrap().ack().unwrap();
    handle.drain(SOON).unwrap();
    let end = ["ACK", "UNSUBSCRIBE", "DISCONNECT"];
    assert_eq!(broker.commands(1)[2..], end);
}

#[test]
fn a_subscription_that_is_dropped_is_not_waited_for() {
    let broker = broker();
    let handle = spawned(&broker);
    let request = handle.subscription("/queue/a");
    let each = request.ack(AckMode::ClientIndividual).subscribe().unwrap();
    flood(&broker, "/queue/a", 2);
    let _unacknowledged = each.recv_timeout(SOON).unwrap().unwrap();
    drop(each);
    handle.drain(SOON).unwrap();
}

#[test]
fn subscriptions_older_than_the_thread_are_waited_for_in_their_common_inbox() {
    let broker = broker();
    let mut own = client(&broker).connect().unwrap();
    let first = own.subscription("/queue/a").id("first");
    let first = first.subscribe().unwrap();
    let second = own.subscription("/queue/b").subscribe().unwrap();
    let handle = own.spawn().unwrap();
    flood(&broker, "/queue/b", 2);
    until("both have come", || second.len() == 2);
    let left = left(handle.drain(Duration::from_millis(200)));
    assert_eq!(left.messages, [("first".to_owned(), 2)], "named once");
    drop((first, second));
}

#[test]
fn a_client_that_turns_itself_hands_out_what_has_come() {
    let broker = broker();
    let limits = hobnail::config::Limits {
        queue: QueueLimits {
            messages: 4,
            ..QueueLimits::default()
        },
        ..hobnail::config::Limits::default()
    };
    let mut own = client(&broker).limits(limits).connect().unwrap();
    let _auto = own.subscription("/queue/a").subscribe().unwrap();
    let request = own.subscription("/queue/b").ack(AckMode::ClientIndividual);
    let each = request.subscribe().unwrap();
    flood(&broker, "/queue/b", 2);
    let mut pending = Vec::new();
    while pending.len() < 2 {
        pending.extend(own.recv_timeout(SOON).unwrap());
    }
    flood(&broker, "/queue/a", 20);
    let mut taken = 0;
    own.drain(SOON, |message| {
        taken += 1;
        assert_eq!(message.destination(), "/queue/a");
        if let Some(earlier) = pending.pop() {
            earlier.ack().unwrap();
        }
    })
    .unwrap();
    assert_eq!(taken, 20);
    drop(each);
    let commands = broker.commands(1);
    let end = ["UNSUBSCRIBE", "UNSUBSCRIBE", "DISCONNECT"];
    let but_acks: Vec<_> = commands.iter().filter(|c| *c != "ACK").collect();
    assert_eq!(but_acks[but_acks.len() - 3..], end);
    assert_eq!(commands.len() - but_acks.len(), 2);
    assert!(matches!(own.recv(), Err(Error::Closed)));
    assert_eq!(broker.complaints(), []);
}

#[test]
fn a_client_that_turns_itself_says_what_was_left() {
    let broker = start(
        Scenario::builder()
            .rule(Rule::on(recv("UNSUBSCRIBE")).then(drop_it()))
            .build(),
    );
    let mut own = client(&broker).connect().unwrap();
    let request = own.subscription("/queue/a").id("mine");
    let _mine = request.subscribe().unwrap();
    let left = left(own.drain(Duration::from_millis(200), drop));
    assert_eq!(left.subscriptions, ["mine"]);
    assert_eq!(left.to_string(), "left are the UNSUBSCRIBE of \"mine\"");
    broker.nth_received(1, "DISCONNECT");
}
