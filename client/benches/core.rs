//! Every protocol decision and nothing else: the core without a socket, a clock
//! or a thread.
//!
//! `cargo bench -p hobnail --bench core`

mod support;

use std::time::Duration;

use bytes::Bytes;
use divan::{Bencher, black_box};
use hobnail::core::{Input, Output};
use support::{
    Length, message,
    session::{Session, text},
};

const MESSAGES: usize = 1_000;

fn main() {
    divan::main();
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
