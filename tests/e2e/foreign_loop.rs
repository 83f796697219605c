//! A client in somebody else's event loop.
#![cfg(unix)]

use std::{
    thread,
    time::{Duration, Instant},
};

use hobnail::{Client, Message};
use hobnail_tests::{SOON, broker, client, drive_until};
use mio::{Events, Interest, Poll, Token, unix::SourceFd};

/// An event loop that knows a client by its descriptor and its deadline alone.
struct Foreign {
    poll: Poll,
    client: Client,
}

impl Foreign {
    fn new(client: Client) -> Self {
        let poll = Poll::new().expect("a poller");
        poll.registry()
            .register(
                &mut SourceFd(&client.as_raw_fd()),
                Token(7),
                Interest::READABLE,
            )
            .expect("the descriptor can be waited on");
        Self { poll, client }
    }

    /// Waits until the client has something to do, and lets it.
    fn turn(&mut self) {
        let left = self
            .client
            .next_deadline()
            .map(|at| at.saturating_duration_since(Instant::now()));
        let wait = left.unwrap_or(SOON).min(SOON);
        let mut events = Events::with_capacity(4);
        self.poll.poll(&mut events, Some(wait)).expect("polls");
        self.client.turn(Duration::ZERO).expect("the client lives");
    }

    fn messages(&mut self, wanted: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        let deadline = Instant::now() + SOON;
        while messages.len() < wanted {
            assert!(Instant::now() < deadline, "{} came", messages.len());
            self.turn();
            while let Some(message) = self.client.try_recv().expect("the client lives") {
                messages.push(message);
            }
        }
        messages
    }
}

#[test]
fn everything_happens_when_the_descriptor_or_the_deadline_says_so() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let _all = client.subscription("/topic/a").subscribe().unwrap();
    let mut foreign = Foreign::new(client);
    for round in 0..5 {
        for n in 0..500 {
            broker.publish("/topic/a", &[], format!("{round} {n}").as_bytes());
        }
        for (n, message) in foreign.messages(500).iter().enumerate() {
            assert_eq!(message.text().unwrap(), format!("{round} {n}"));
        }
    }
    foreign.client.close().unwrap();
}

/// As before, but messages are taken only after each turn, not by turning.
#[test]
fn no_work_is_forgotten_between_turns() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let all = client.subscription("/topic/a").subscribe().unwrap();
    let mut foreign = Foreign::new(client);
    for _ in 0..700 {
        broker.publish("/topic/a", &[], b"x");
    }
    let began = Instant::now();
    while all.len() < 700 {
        foreign.turn();
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{} came",
            all.len()
        );
    }
    foreign.client.close().unwrap();
}

#[test]
fn calls_of_handles_wake_the_foreign_loop() {
    let broker = broker();
    let client = client(&broker).connect().unwrap();
    let handle = client.handle();
    let mut foreign = Foreign::new(client);
    let caller = thread::spawn(move || {
        let back = handle.subscribe("/queue/a").expect("subscribes");
        handle
            .send("/queue/a")
            .body("x")
            .receipt()
            .publish()
            .expect("confirmed");
        back.recv_timeout(SOON).expect("open").expect("comes")
    });
    while !caller.is_finished() {
        foreign.turn();
    }
    assert_eq!(caller.join().unwrap().body(), b"x");
    foreign.client.close().unwrap();
}

#[test]
fn a_lost_connection_is_made_again_in_a_foreign_loop() {
    let broker = broker();
    let mut client = client(&broker).connect().unwrap();
    let _all = client.subscription("/topic/a").subscribe().unwrap();
    let mut foreign = Foreign::new(client);
    let descriptor = foreign.client.as_raw_fd();
    broker.kick(1);
    let began = Instant::now();
    let mut restored = false;
    while !restored {
        foreign.turn();
        while let Some(event) = foreign.client.poll_event() {
            restored |= matches!(event, hobnail::Event::Restored { .. });
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(foreign.client.as_raw_fd(), descriptor);
    broker.publish("/topic/a", &[], b"x");
    assert_eq!(foreign.messages(1)[0].body(), b"x");
    broker.kick(2);
    drive_until(&mut foreign.client, |e| {
        matches!(e, hobnail::Event::Restored { .. })
    });
    foreign.client.close().unwrap();
}
