//! Nothing that a peer sends makes the decoder grow without bound.

use crate::support::*;
use bytes::Bytes;
use hobnail::frame::{DecodeError, DecodeErrorKind as Kind, DecodeLimits, Decoder, Limit};

const SMALL: DecodeLimits = DecodeLimits {
    frame: 100,
    headers: 3,
    header_octets: 50,
};

fn small() -> Decoder {
    Decoder::new(SMALL)
}

/// Feeds the same octet for ever, and returns how many were fed when it ended.
fn endless(mut decoder: Decoder, begin: &[u8], octet: u8, size: usize) -> (usize, DecodeError) {
    decoder.push(Bytes::copy_from_slice(begin));
    for nth in 0..1_000_000 {
        match decoder.next_frame() {
            Ok(None) => decoder.push(Bytes::from(vec![octet; size])),
            Ok(Some(_)) => panic!("a frame without an end ended"),
            Err(e) => return (begin.len() + nth * size, e),
        }
        assert!(decoder.buffered() <= SMALL.frame + 1 + size);
    }
    panic!("it never ended");
}

fn too_large(what: Limit, limit: usize) -> Kind {
    Kind::TooLarge { what, limit }
}

#[test]
fn a_frame_without_an_end_is_refused_when_the_limit_is_exceeded() {
    let body = too_large(Limit::Frame, 100);
    let head = too_large(Limit::HeaderOctets, 50);
    for size in [1, 7, 64] {
        let (fed, e) = endless(small(), b"SEND\n\n", b'x', size);
        assert_eq!((e.kind(), e.offset()), (body, 100));
        assert!((101..=100 + size).contains(&fed), "{fed} by {size}");
        let (fed, e) = endless(small(), b"SEND\nk:", b'x', size);
        assert_eq!((e.kind(), e.offset()), (head, 50));
        assert!((51..=50 + size).contains(&fed), "{fed} by {size}");
        let (fed, e) = endless(small(), b"", b'x', size);
        assert_eq!(e.kind(), Kind::UnknownCommand);
        assert!(fed <= 13 + size, "{fed} by {size}");
    }
}

#[test]
fn a_limit_is_allowed_and_one_more_is_not() {
    let body = |length: usize| [b"SEND\n\n", &vec![b'x'; length][..], b"\0"].concat();
    assert_eq!(push(&mut small(), &body(94)).unwrap()[0].len(), 100);
    let e = push(&mut small(), &body(95)).unwrap_err();
    assert_eq!(e.kind(), too_large(Limit::Frame, 100));

    let known = |n: usize| {
        let head = format!("SEND\ncontent-length:{n}\n\n");
        [head.as_bytes(), &vec![0; n][..], b"\0"].concat()
    };
    assert_eq!(push(&mut small(), &known(76)).unwrap()[0].len(), 100);
    let e = push(&mut small(), &known(77)).unwrap_err();
    assert_eq!(e.kind(), too_large(Limit::Frame, 100));

    let head = |length: usize| format!("SEND\nk:{}\n\n\0", "v".repeat(length)).into_bytes();
    assert_eq!(push(&mut small(), &head(41)).unwrap()[0].len(), 50);
    let e = push(&mut small(), &head(42)).unwrap_err();
    assert_eq!(e.kind(), too_large(Limit::HeaderOctets, 50));

    assert!(push(&mut small(), b"SEND\na:1\nb:2\nc:3\n\n\0").is_ok());
    let e = push(&mut small(), b"SEND\na:1\nb:2\nc:3\nd:4\n\n\0").unwrap_err();
    assert_eq!((e.kind(), e.offset()), (too_large(Limit::Headers, 3), 17));
}

#[test]
fn limits_do_not_depend_on_how_octets_are_cut() {
    for wire in [
        [b"SEND\n\n", &[b'x'; 95][..], b"\0"].concat(),
        b"SEND\na:1\nb:2\nc:3\nd:4\n\n\0".to_vec(),
        format!("SEND\nk:{}\n\n\0", "v".repeat(42)).into_bytes(),
    ] {
        let whole = push(&mut small(), &wire).unwrap_err();
        for cut in 0..wire.len() {
            let mut decoder = small();
            let early = push(&mut decoder, &wire[..cut]).err();
            let e = early.unwrap_or_else(|| push(&mut decoder, &wire[cut..]).unwrap_err());
            assert_eq!(
                (e.kind(), e.offset()),
                (whole.kind(), whole.offset()),
                "{cut}"
            );
        }
    }
}

#[test]
fn a_content_length_beyond_the_limit_is_refused_at_its_line() {
    for length in [
        "101",
        "1000000000000",
        "99999999999999999999",
        &"9".repeat(25),
    ] {
        let wire = format!("SEND\ncontent-length:{length}\n");
        let e = push(&mut small(), wire.as_bytes()).unwrap_err();
        assert_eq!(e.kind(), too_large(Limit::Frame, 100), "{length}");
        assert_eq!(e.offset(), 20);
    }
}

#[test]
fn the_largest_limits_do_not_overflow() {
    let limits = DecodeLimits {
        frame: usize::MAX,
        headers: usize::MAX,
        header_octets: usize::MAX,
    };
    for wire in [
        &b"SEND\ncontent-length:18446744073709551615\n\nx\0"[..],
        b"SEND\ncontent-length:4294967295\n\nx\0",
    ] {
        let e = push(&mut Decoder::new(limits), wire).unwrap_err();
        assert!(matches!(e.kind(), Kind::TooLarge { .. }));
    }
    let mut decoder = Decoder::new(limits);
    assert!(
        push(&mut decoder, b"SEND\ncontent-length:4294967000\n\nx")
            .unwrap()
            .is_empty()
    );
    assert_eq!(decoder.buffered(), 33);
}

#[test]
fn the_default_limits_let_pass_what_brokers_must() {
    let mut wire = b"MESSAGE\n".to_vec();
    for nth in 0..50 {
        wire.extend(format!("h{nth}:{}\n", "v".repeat(1000)).bytes());
    }
    wire.extend(format!("long:{}\n\n", "v".repeat(8192)).bytes());
    wire.extend([b'b'; 65536]);
    wire.push(0);
    assert_eq!(frame(V1_2, &wire).body().len(), 65536);
}
