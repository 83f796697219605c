//! Frames are read alike, whatever frames came before them.

use bytes::Bytes;
use hobnail::frame::{DecodeError, DecodeLimits, Decoder, Frame, Piece, Version};
use proptest::prelude::*;

use crate::support::{V1_0, V1_1, V1_2, decoder};

/// Heads of many kinds, and bodies with a length and without.
const SAMPLES: [&[u8]; 9] = [
    b"MESSAGE\nsubscription:1\nmessage-id:m-109\ndestination:/q/a\ncontent-length:12\n\nhello world\n\0",
    b"MESSAGE\nsubscription:1\nmessage-id:m-109\ndestination:/q/b:c\n\nhello world\0",
    b"MESSAGE\r\ndestination:/q\r\nsubscription:12\r\nmessage-id:7\r\ncontent-length:3\r\n\r\na\0b\0",
    b"MESSAGE\nsubscription:a\\cb\\\\n\nmessage-id:1\\n2\nna\\cme:x\n\n\0",
    "MESSAGE\nsubscription:1\ncity:M\u{fc}nchen \u{20ac}\nmessage-id:1\n\ns\u{fc}\u{df}\0".as_bytes(),
    b"MESSAGE\ndestination:/a\ndestination:/b\ncontent-length:1\ncontent-length:x\nmessage-id:\n\nx\0",
    b"RECEIPT\nreceipt-id:12345\n\n\0",
    b"ERROR\nmessage:no such thing\ncontent-length:0\n\n\0",
    b"CONNECTED\nversion:1.2\nserver:a\\b\n\n\0",
];

/// What a decoder makes of a frame that begins at this offset of its stream.
struct Read(Result<Option<Frame>, DecodeError>, u64);

impl Read {
    fn next(decoder: &mut Decoder, begins: u64) -> Self {
        Self(decoder.next_frame(), begins)
    }

    fn is_a_frame(&self) -> bool {
        matches!(self.0, Ok(Some(_)))
    }
}

impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Ok(Some(one)), Ok(Some(other))) => are_alike(one, other),
            (Ok(None), Ok(None)) => true,
            (Err(one), Err(e)) => {
                (one.kind(), one.offset() - self.1) == (e.kind(), e.offset() - other.1)
            }
            (Ok(_), _) | (_, Ok(_)) => false,
        }
    }
}

fn are_alike(one: &Frame, other: &Frame) -> bool {
    let names = ["subscription", "destination", "message-id", "receipt-id"];
    one.command() == other.command()
        && one.version() == other.version()
        && one.octets() == other.octets()
        && one.body() == other.body()
        && one.headers().eq(other.headers())
        && names
            .iter()
            .all(|name| one.header(name) == other.header(name))
}

/// Half of all octets are known to be text, if they are.
fn piece(octets: &[u8]) -> Piece {
    let octets = Bytes::copy_from_slice(octets);
    let text = (octets.iter().fold(0, |sum, octet| sum ^ octet) % 2 == 0)
        .then(|| Piece::text(octets.clone()));
    text.and_then(Result::ok).unwrap_or(octets.into())
}

/// The frame is read after these as by a decoder that knows nothing.
fn reads_alike(version: Version, before: &[&[u8]], frame: &[u8]) {
    let mut fresh = decoder(version);
    fresh.push(piece(frame));
    let alone = Read::next(&mut fresh, 0);
    let mut decoder = decoder(version);
    let mut begins = 0;
    for octets in before {
        decoder.push(piece(octets));
        assert!(Read::next(&mut decoder, begins).is_a_frame());
        begins += octets.len() as u64;
    }
    decoder.push(piece(frame));
    let read = Read::next(&mut decoder, begins);
    assert!(read == alone, "{}", frame.escape_ascii());
    assert_eq!(decoder.buffered(), fresh.buffered());
}

#[test]
fn a_head_that_differs_anywhere_in_any_octet_is_read_as_if_none_had_come_before() {
    for sample in SAMPLES {
        let mut other = sample.to_vec();
        for at in 0..sample.len() {
            for octet in 0..=0xFF {
                other[at] = octet;
                reads_alike(V1_2, &[sample], &other);
            }
            other[at] = sample[at];
        }
    }
}

#[test]
fn so_is_one_that_is_longer_or_shorter() {
    for sample in SAMPLES {
        for at in 0..sample.len() {
            let (left, right) = sample.split_at(at);
            reads_alike(V1_2, &[sample], &[left, &right[1..]].concat());
            for more in [&b"1"[..], b"\n", b"\0", b":", b"\\", b"a:b\n", b"\xc3\xa4"] {
                reads_alike(V1_2, &[sample], &[left, more, right].concat());
            }
            reads_alike(V1_2, &[sample], left);
        }
    }
}

#[test]
fn so_is_one_that_comes_after_others_in_any_order() {
    for one in SAMPLES {
        for other in SAMPLES {
            for third in SAMPLES {
                reads_alike(V1_2, &[one, other], third);
                reads_alike(V1_2, &[one, other, one, other, third], one);
            }
        }
    }
}

#[test]
fn so_is_one_that_comes_in_two_pieces() {
    for sample in SAMPLES {
        for cut in 0..=sample.len() {
            let mut decoder = decoder(V1_2);
            let mut begins = 0;
            let (left, right) = sample.split_at(cut);
            for octets in [sample, sample] {
                decoder.push(Bytes::copy_from_slice(octets));
                assert!(Read::next(&mut decoder, begins).is_a_frame());
                begins += octets.len() as u64;
            }
            decoder.push(Bytes::copy_from_slice(left));
            decoder.push(Bytes::copy_from_slice(right));
            decoder.push(Bytes::copy_from_slice(sample));
            let frames = [(); 2].map(|()| Read::next(&mut decoder, begins));
            let mut fresh = crate::support::decoder(V1_2);
            fresh.push(Bytes::copy_from_slice(sample));
            let alone = Read::next(&mut fresh, 0);
            assert!(frames.iter().all(|frame| *frame == alone));
        }
    }
}

#[test]
fn a_head_is_read_by_the_rules_of_the_version_that_holds_when_it_comes() {
    let wire = b"MESSAGE\nsubscription:1\nmessage-id:a\\rb\\nc\n\n\0";
    let mut decoder = decoder(V1_2);
    for (version, value) in [(V1_2, "a\rb\nc"), (V1_0, "a\\rb\\nc"), (V1_2, "a\rb\nc")] {
        decoder.set_version(version);
        for _ in 0..2 {
            decoder.push(Bytes::from_static(wire));
            let frame = decoder.next_frame().unwrap().unwrap();
            assert_eq!(frame.version(), version);
            assert_eq!(frame.header("message-id").unwrap(), value);
        }
    }
    decoder.set_version(V1_1);
    decoder.push(Bytes::from_static(wire));
    decoder.next_frame().unwrap_err();
}

#[test]
fn a_limit_holds_for_a_head_that_is_expected() {
    let limits = DecodeLimits {
        frame: 57,
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::new(limits);
    for (length, fits) in [(10, true), (15, true), (16, false)] {
        let body = "x".repeat(length);
        let wire = format!("MESSAGE\nsubscription:1\ncontent-length:{length}\n\n{body}\0");
        assert_eq!(wire.len() - 1 - length, 42);
        decoder.push(Bytes::from(wire));
        assert_eq!(decoder.next_frame().is_ok(), fits, "{length}");
    }
    for (length, fits) in [(30, true), (33, true), (34, false)] {
        decoder.reset();
        for length in [20, length] {
            let body = "x".repeat(length);
            decoder.push(Bytes::from(format!("MESSAGE\nsubscription:1\n\n{body}\0")));
        }
        decoder.next_frame().unwrap().unwrap();
        assert_eq!(decoder.next_frame().is_ok(), fits, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn many_frames_that_differ_in_some_octets_are_each_read_as_if_alone(
        sample in prop::sample::select(&SAMPLES[..]),
        version in prop::sample::select(&[V1_0, V1_1, V1_2][..]),
        changes in prop::collection::vec(
            prop::collection::vec((any::<prop::sample::Index>(), octet()), 0..6),
            1..8,
        ),
    ) {
        let mut decoder = decoder(version);
        let mut begins = 0;
        for changes in changes {
            let mut other = sample.to_vec();
            for (at, octet) in changes {
                *at.get_mut(&mut other) = octet;
            }
            let mut fresh = crate::support::decoder(version);
            fresh.push(Bytes::copy_from_slice(&other));
            decoder.push(Bytes::copy_from_slice(&other));
            loop {
                let (read, alone) = (
                    Read::next(&mut decoder, begins),
                    Read::next(&mut fresh, 0),
                );
                prop_assert!(read == alone, "{}", other.escape_ascii());
                match read.0 {
                    Ok(Some(_)) => {}
                    Ok(None) if decoder.buffered() == 0 => break,
                    Ok(None) | Err(_) => return Ok(()),
                }
            }
            begins += other.len() as u64;
        }
    }
}

/// Those that mean something, more often than others.
fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![
        any::<u8>(),
        b'0'..=b'9',
        prop::sample::select(&b"\n\r\0\\:nc"[..])
    ]
}
