//! The same octets through each crate's own entry point.
//!
//! `cargo bench --manifest-path client/benches/peers/Cargo.toml`

#[path = "../../support/mod.rs"]
mod support;

use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box, counter::BytesCount};
use hobnail::frame::{DecodeLimits, Decoder};
use stomp_parser::server::ServerFrame;
use support::{Length, SIZES, frames};
use tokio_util::codec;

fn main() {
    divan::main();
}

/// All frames in one buffer, through a `tokio_util` decoder.
fn by_codec<D: codec::Decoder>(
    bencher: Bencher<'_, '_>,
    size: usize,
    length: Length,
    new: fn() -> D,
) where
    D::Error: std::fmt::Debug,
{
    let frames = frames(size, length);
    let (count, wire) = (frames.len(), frames.concat());
    bencher
        .counter(BytesCount::new(wire.len()))
        .with_inputs(|| BytesMut::from(&wire[..]))
        .bench_local_values(|mut wire| {
            let mut decoder = new();
            let mut seen = 0;
            while let Some(item) = decoder.decode(&mut wire).expect("it is STOMP") {
                black_box(item);
                seen += 1;
            }
            assert_eq!(seen, count);
            wire
        });
}

/// Whether a head says how long the body is, as a type: each benchmark is run with both.
trait Kind {
    const LENGTH: Length;
}

struct Said;

struct Unsaid;

impl Kind for Said {
    const LENGTH: Length = Length::Said;
}

impl Kind for Unsaid {
    const LENGTH: Length = Length::Unsaid;
}

#[divan::bench(types = [Said, Unsaid], args = SIZES)]
fn async_stomp<K: Kind>(bencher: Bencher<'_, '_>, size: usize) {
    let new = async_stomp::client::ClientCodec::new;
    by_codec(bencher, size, K::LENGTH, new);
}

#[divan::bench(types = [Said, Unsaid], args = SIZES)]
fn iridium_stomp<K: Kind>(bencher: Bencher<'_, '_>, size: usize) {
    by_codec(bencher, size, K::LENGTH, iridium_stomp::StompCodec::new);
}

/// What a search for the NULs alone takes.
#[divan::bench(args = SIZES)]
fn memchr(bencher: Bencher<'_, '_>, size: usize) {
    let wire = frames(size, Length::Unsaid).concat();
    bencher
        .counter(BytesCount::new(wire.len()))
        .bench_local(|| {
            memchr::memchr_iter(0, black_box(&wire)).for_each(|at| {
                black_box(at);
            })
        });
}

#[divan::bench(types = [Said, Unsaid], args = SIZES)]
fn hobnail<K: Kind>(bencher: Bencher<'_, '_>, size: usize) {
    let frames = frames(size, K::LENGTH);
    let (count, wire) = (frames.len(), Bytes::from(frames.concat()));
    bencher
        .counter(BytesCount::new(wire.len()))
        .bench_local(|| {
            let mut decoder = Decoder::new(DecodeLimits::default());
            decoder.push(wire.clone());
            let mut seen = 0;
            while let Some(frame) = decoder.next_frame().expect("it is STOMP") {
                black_box(frame);
                seen += 1;
            }
            assert_eq!(seen, count);
        });
}

/// It takes whole frames only, each in a vector of its own.
#[divan::bench(types = [Said, Unsaid], args = SIZES)]
fn stomp_parser<K: Kind>(bencher: Bencher<'_, '_>, size: usize) {
    let frames = frames(size, K::LENGTH);
    let octets: usize = frames.iter().map(Vec::len).sum();
    bencher
        .counter(BytesCount::new(octets))
        .with_inputs(|| frames.clone())
        .bench_local_values(|frames| {
            let parsed = frames
                .into_iter()
                .map(|frame| match ServerFrame::try_from(frame) {
                    Ok(ServerFrame::Message(message)) => message,
                    Ok(_) => panic!("it is a MESSAGE"),
                    Err(e) => panic!("{e:?}"),
                });
            parsed.map(black_box).collect::<Vec<_>>()
        });
}
