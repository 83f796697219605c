//! Every protocol decision and nothing else: the core without a socket, a clock
//! or a thread.
//!
//! `cargo bench -p hobnail --bench core`

#![expect(clippy::disallowed_methods, reason = "a measurement has a clock")]

mod support;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use divan::{Bencher, black_box};
use hobnail::{
    AckMode, Client,
    core::{Command, Core, Input, Key, Outgoing, Output, Subscribe, Waiter},
    frame::{Piece, Version},
};
use support::{Length, message};

const MESSAGES: usize = 1_000;

fn main() {
    divan::main();
}

/// As it comes out of a WebSocket message.
fn text(octets: Bytes) -> Piece {
    Piece::text(octets).expect("it is UTF-8")
}

/// A session in virtual time.
struct Session {
    core: Core,
    now: Instant,
    receipts: u64,
}

impl Session {
    fn live() -> Self {
        let builder = Client::builder("ws://broker.test/").proxy(None).seed(1);
        let config = Arc::new(builder.build().expect("it can be used"));
        let now = Instant::now();
        let mut session = Self {
            core: Core::new(config, 1, now),
            now,
            receipts: 1 << 32,
        };
        let waiter = Waiter(1);
        let outputs = session.input(Input::Command(Command::Connect { waiter }));
        let Some(Output::Open { ticket, .. }) = outputs.first() else {
            panic!("it does not connect: {outputs:?}");
        };
        session.input(Input::LinkUp(*ticket));
        let answer = "CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0";
        session.input(Input::Message(text(answer.into())));
        let subscribe = Subscribe {
            key: Key(1),
            id: "s-1".into(),
            destination: "/topic/a".into(),
            ack: AckMode::Auto,
            headers: Vec::new(),
            fresh: None,
            dedupe: None,
        };
        let deadline = now + Duration::from_secs(60);
        session.input(Input::Command(Command::Subscribe {
            subscribe,
            waiter,
            deadline,
        }));
        session
    }

    /// What follows from an input; what leaves is gone.
    fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        self.core.handle(self.now, input);
        let mut outputs = Vec::new();
        while let Some(output) = self.core.poll() {
            outputs.push(output);
        }
        while let Some(octets) = self.core.poll_transmit(self.now) {
            black_box(octets);
        }
        outputs
    }

    fn publish(&mut self, octets: &Bytes, receipt: Option<u64>) {
        let publish = Command::Publish(Outgoing {
            octets: octets.clone(),
            needs: Version::V1_0,
            receipt,
            waiter: receipt.map_or(Waiter::NONE, Waiter),
            deadline: self.now + Duration::from_secs(30),
            replay: false,
            epoch: None,
            transaction: None,
            replies: None,
        });
        self.core.handle(self.now, Input::Command(publish));
        while let Some(octets) = self.core.poll_transmit(self.now) {
            black_box(octets);
        }
    }
}

/// A MESSAGE in, and out again for its subscription.
#[divan::bench(args = [40, 300, 4 << 10])]
fn receive(bencher: Bencher<'_, '_>, size: usize) {
    let mut session = Session::live();
    let frames: Vec<Bytes> = (0..MESSAGES)
        .map(|nth| message(nth, size, Length::Said).into())
        .collect();
    bencher.counter(MESSAGES).bench_local(|| {
        let mut delivered = 0;
        session.now += Duration::from_micros(10);
        for frame in &frames {
            let input = Input::Message(text(frame.clone()));
            session.core.handle(session.now, input);
            while let Some(delivery) = session.core.poll() {
                black_box(delivery);
                delivered += 1;
            }
        }
        assert_eq!(delivered, MESSAGES);
    });
}

/// An encoded SEND in, and out again for the link.
#[divan::bench]
fn publish(bencher: Bencher<'_, '_>) {
    let mut session = Session::live();
    let octets = Bytes::from_static(b"SEND\ndestination:/queue/a\n\nx\0");
    bencher.counter(MESSAGES).bench_local(|| {
        for _ in 0..MESSAGES {
            session.publish(&octets, None);
        }
    });
}

/// As before, and its RECEIPT; a thousand are in flight.
#[divan::bench]
fn publish_and_confirm(bencher: Bencher<'_, '_>) {
    let mut session = Session::live();
    let octets = Bytes::from_static(b"SEND\ndestination:/queue/a\n\nx\0");
    bencher.counter(MESSAGES).bench_local(|| {
        let first = session.receipts;
        for _ in 0..MESSAGES {
            session.receipts += 1;
            session.publish(&octets, Some(session.receipts));
        }
        for id in first + 1..=session.receipts {
            let receipt = format!("RECEIPT\nreceipt-id:{id}\n\n\0");
            let outputs = session.input(Input::Message(text(receipt.into())));
            assert!(
                matches!(outputs[..], [Output::Reply(_, Ok(_))]),
                "{outputs:?}"
            );
        }
    });
}
