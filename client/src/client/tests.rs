//! What a client holds, and lets go of.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use hobnail_mock_broker::{MockBroker, Rule, Scenario, drop_it, error, recv};

use super::Client;
use crate::{
    clock,
    core::Passing,
    error::{Error, Misuse},
    frame::Version,
    mailbox::PACE,
    run::Letter,
};

/// Nothing here takes that long.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_subscribe_that_fails_leaves_no_queue_behind() {
    let to = |destination| recv("SUBSCRIBE").matching("destination", destination);
    let scenario = Scenario::builder()
        .rule(Rule::on(to("/queue/refused")).then(error(500)))
        .rule(Rule::on(to("/queue/deaf")).then(drop_it()))
        .build();
    let broker = MockBroker::start(scenario).unwrap();
    let mut client = Client::builder(broker.url()).proxy(None).connect().unwrap();
    let _kept = client.subscription("/queue/a").id("a").subscribe().unwrap();
    assert_eq!(client.reactor.subscriptions(), 1);
    let taken = client.subscription("/queue/b").id("a").subscribe();
    assert!(matches!(
        taken,
        Err(Error::Misuse(Misuse::DuplicateSubscription(_)))
    ));
    let deaf = client.subscription("/queue/deaf");
    let late = deaf.timeout(Duration::from_millis(50)).subscribe();
    assert!(matches!(late, Err(Error::Timeout(_))));
    let refused = client.subscription("/queue/refused").subscribe();
    assert!(matches!(refused, Err(Error::Broker(_))), "{refused:?}");
    assert_eq!(client.reactor.subscriptions(), 1);
    client.close().unwrap();
    assert_eq!(client.reactor.subscriptions(), 0);
}

#[test]
fn whoever_publishes_here_does_not_wait_for_a_reactor_that_dozes() {
    let broker = MockBroker::start(Scenario::default()).unwrap();
    // No heart-beat wakes it either.
    let builder = Client::builder(broker.url()).proxy(None);
    let builder = builder.heart_beat(Duration::ZERO, Duration::ZERO);
    let mut client = builder.connect().unwrap();
    let _kept = client.subscription("/queue/a").subscribe().unwrap();
    let handle = client.handle();
    for _ in 0..100 {
        handle.send("/queue/b").publish().unwrap();
    }
    client.turn(Duration::ZERO).unwrap();
    let began = clock::now();
    assert!(
        client.reactor.oversleep(began + 10 * LIMIT),
        "they are many"
    );
    // It wakes nobody, and lies there.
    handle.send("/queue/a").body("before").publish().unwrap();
    assert!(!client.reactor.has_more());
    let here = client.send("/queue/a").body("after").timeout(LIMIT);
    here.publish().unwrap();
    assert!(clock::now() < began + LIMIT);
    for wanted in ["before", "after"] {
        let message = client.recv_timeout(LIMIT).unwrap().unwrap();
        assert_eq!(message.body(), wanted.as_bytes());
    }
    client.close().unwrap();
}

/// A broker that reads only as many octets as it is told to.
struct Slow {
    url: String,
    reads: mpsc::Sender<u64>,
    has_read: mpsc::Receiver<()>,
    thread: JoinHandle<()>,
}

impl Slow {
    fn start() -> Self {
        Self::start_and(|_| {})
    }

    /// What it says meanwhile nobody listens to, but for that it never ends.
    fn start_talking() -> Self {
        Self::start_and(|mut stream| {
            let mut message = vec![b'\n'; 1_000];
            message.splice(..0, [0x81, 126, 3, 232]);
            let messages = message.repeat(64);
            while stream.write_all(&messages).is_ok() {}
        })
    }

    fn start_and(talk: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let (reads, told) = mpsc::channel();
        let (tells, has_read) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut ws = tungstenite::accept(stream).unwrap();
            ws.read().unwrap();
            ws.send("CONNECTED\nversion:1.2\n\n\0".into()).unwrap();
            let stream = ws.get_ref().try_clone().unwrap();
            let talk = thread::spawn(move || talk(stream));
            for octets in told {
                let few = &mut ws.get_mut().take(octets);
                assert_eq!(std::io::copy(few, &mut std::io::sink()).unwrap(), octets);
                tells.send(()).unwrap();
            }
            talk.join().unwrap();
        });
        Self {
            url,
            reads,
            has_read,
            thread,
        }
    }

    fn read(&self, octets: u64) {
        self.reads.send(octets).unwrap();
        self.has_read.recv_timeout(LIMIT).unwrap();
    }
}

#[test]
fn the_clock_is_looked_at_after_many_were_taken() {
    let broker = MockBroker::start(Scenario::default()).unwrap();
    let mut client = Client::builder(broker.url()).proxy(None).connect().unwrap();
    let _all = client.subscription("/topic/a").subscribe().unwrap();
    for _ in 0..50 {
        broker.publish("/topic/a", &[], b"");
    }
    while client.inbox.len() < 50 {
        client.turn(LIMIT).unwrap();
    }
    client.recv().unwrap();
    assert_eq!(client.recv_many(&mut VecDeque::new()).unwrap(), 49);
    assert_eq!(client.unclocked.0, 0);
}

const BODY: [u8; 16 << 10] = [b'x'; 16 << 10];

fn frame() -> Passing {
    Passing {
        size: BODY.len() + 1,
        needs: Version::V1_0,
        deadline: clock::after(10 * LIMIT),
        receipt: None,
    }
}

fn letter(frame: &Passing) -> Letter<'_> {
    Letter {
        frame,
        head: b"",
        body: &BODY,
        slot: None,
    }
}

#[test]
fn a_slow_broker_holds_up_for_a_moment_each_time_that_something_has_left() {
    let broker = Slow::start();
    let mut client = Client::builder(&broker.url).proxy(None).connect().unwrap();
    let frame = frame();
    let letter = letter(&frame);
    let mut unread = 0;
    for _ in 0..4 {
        // Once one passes, others do until the socket is full.
        let began = clock::now();
        while !client.reactor.pass(began, &letter) {
            client.turn(Duration::from_millis(20)).unwrap();
            assert!(clock::now() < began + LIMIT, "nothing leaves");
        }
        unread += frame.size as u64;
        while client.reactor.pass(began, &letter) {
            unread += frame.size as u64;
            assert!(unread < 128 << 20, "and no end");
        }
        let now = clock::now();
        let almost = PACE - Duration::from_nanos(1);
        assert!(client.reactor.hold(now, &frame));
        assert!(client.reactor.hold(now + almost, &frame));
        assert!(!client.reactor.hold(now + PACE, &frame), "long enough");
        assert!(
            !client.reactor.hold(now + PACE, &frame),
            "nothing has left since"
        );
        assert!(!client.reactor.hold(now + 5 * PACE, &frame));
        // It reads on, though not all.
        broker.read(unread / 2);
        unread -= unread / 2;
    }
    drop((client, broker.reads));
    broker.thread.join().unwrap();
}

#[test]
fn the_poller_is_asked_for_what_waits_to_leave_though_there_is_always_more_to_read() {
    let broker = Slow::start_talking();
    let mut client = Client::builder(&broker.url).proxy(None).connect().unwrap();
    let frame = frame();
    let letter = letter(&frame);
    let began = clock::now();
    let mut unread = 0;
    for _ in 0..100 {
        while client.reactor.pass(began, &letter) {
            unread += frame.size as u64;
            assert!(unread < 128 << 20, "and no end");
        }
        client.turn(Duration::ZERO).unwrap();
        assert_eq!(client.reactor.unpolled(), 0);
    }
    broker.reads.send(unread).unwrap();
    while client.reactor.unpolled() == 0 {
        client.turn(Duration::ZERO).unwrap();
        assert!(clock::now() < began + LIMIT, "it is asked each time");
    }
    broker.has_read.recv_timeout(LIMIT).unwrap();
    drop((client, broker.reads));
    broker.thread.join().unwrap();
}
