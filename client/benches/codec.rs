//! Frames cut out of octets, and written.
//!
//! `cargo bench -p hobnail --bench codec`

mod support;

use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box, counter::BytesCount};
use hobnail::frame::{Command, DecodeLimits, Decoder, Encoder, Version};
use support::{Length, SIZES, frames};

fn main() {
    divan::main();
}

fn run(bencher: Bencher<'_, '_>, size: usize, length: Length, touch: bool) {
    let wire = Bytes::from(frames(size, length).concat());
    bencher
        .counter(BytesCount::new(wire.len()))
        .bench_local(|| {
            let mut decoder = Decoder::new(DecodeLimits::default());
            decoder.push(wire.clone());
            while let Some(frame) = decoder.next_frame().expect("it is STOMP") {
                if touch {
                    for name in ["destination", "subscription", "message-id"] {
                        black_box(frame.header(name));
                    }
                    black_box(frame.body());
                }
                black_box(&frame);
            }
        });
}

#[divan::bench(args = SIZES)]
fn decode(bencher: Bencher<'_, '_>, size: usize) {
    run(bencher, size, Length::Said, false);
}

/// With the three values looked up that a consumer looks at.
#[divan::bench(args = SIZES)]
fn decode_and_look(bencher: Bencher<'_, '_>, size: usize) {
    run(bencher, size, Length::Said, true);
}

/// Each body must be searched for its NUL.
#[divan::bench(args = SIZES)]
fn decode_without_length(bencher: Bencher<'_, '_>, size: usize) {
    run(bencher, size, Length::Unsaid, false);
}

#[divan::bench(args = SIZES)]
fn encode(bencher: Bencher<'_, '_>, size: usize) {
    let body = vec![b'x'; size];
    let mut wire = BytesMut::with_capacity(size + 256);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        wire.clear();
        let mut send = Encoder::new(&mut wire, Command::Send, Version::V1_2);
        send.header("destination", "/topic/v2.routing.queues")
            .expect("fits");
        send.header("content-type", "application/json")
            .expect("fits");
        send.header("priority", "4").expect("fits");
        send.finish(&body).expect("fits");
        black_box(&wire);
    });
}
