//! What is copied and what is not.

use crate::support::*;
use bytes::Bytes;
use hobnail::frame::{Frame, Piece};

const WIRE: &[u8] = b"MESSAGE\ndestination:/a\nk:v\n\nbody\0";

fn lies_within(part: &[u8], whole: &[u8]) -> bool {
    let whole = whole.as_ptr_range();
    let part = part.as_ptr_range();
    whole.start <= part.start && part.end <= whole.end
}

#[test]
fn frames_within_a_piece_are_slices_of_it() {
    let piece = Bytes::from([WIRE, b"\n", WIRE, b"\r\n\0", WIRE].concat());
    let mut decoder = decoder(V1_2);
    decoder.push(piece.clone());
    let mut count = 0;
    while let Some(frame) = decoder.next_frame().unwrap() {
        assert!(lies_within(frame.octets(), &piece));
        assert!(lies_within(frame.body(), &piece));
        assert!(lies_within(&frame.body_bytes(), &piece));
        let value = frame.header("destination").unwrap();
        assert!(lies_within(value.as_bytes(), &piece));
        count += 1;
    }
    assert_eq!(count, 3);
}

#[test]
fn only_the_frame_at_a_seam_is_copied() {
    let (left, right) = WIRE.split_at(20);
    let left = Bytes::from([WIRE, left].concat());
    let right = Bytes::from([right, WIRE].concat());
    let mut decoder = decoder(V1_2);
    decoder.push(left.clone());
    decoder.push(right.clone());
    let mut next = || decoder.next_frame().unwrap().unwrap();
    let (before, seam, after) = (next(), next(), next());
    assert!(lies_within(before.octets(), &left));
    assert!(!lies_within(seam.octets(), &left) && !lies_within(seam.octets(), &right));
    assert!(lies_within(after.octets(), &right));
    assert_eq!(seen(&before), seen(&seam));
    assert_eq!(seen(&seam), seen(&after));
}

#[test]
fn a_detached_frame_is_the_same_elsewhere() {
    let piece = Bytes::from([WIRE, &[b'\n'; 4096][..]].concat());
    let mut decoder = decoder(V1_2);
    decoder.push(piece.clone());
    let frame = decoder.next_frame().unwrap().unwrap();
    let mut detached: Frame = frame.clone();
    detached.detach();
    assert!(!lies_within(detached.octets(), &piece));
    assert_eq!(seen(&detached), seen(&frame));
    assert_eq!(detached.octets(), &WIRE[..WIRE.len() - 1]);
    assert_eq!(detached.len(), WIRE.len() - 1);
    assert_eq!(detached.header("destination").as_deref(), Some("/a"));
}

/// Each octet is looked at once: a decoder that began anew with every piece
/// would look at 10^12 octets here, and the test would not end.
#[test]
fn a_large_frame_may_come_octet_by_octet() {
    let body = vec![b'x'; 1 << 20];
    for head in ["MESSAGE\nk:v\n\n", "MESSAGE\ncontent-length:1048576\n\n"] {
        let wire = Bytes::from([head.as_bytes(), &body, b"\0"].concat());
        let mut decoder = decoder(V1_2);
        for at in 0..wire.len() - 1 {
            decoder.push(wire.slice(at..=at));
            assert!(decoder.next_frame().unwrap().is_none());
        }
        decoder.push(wire.slice(wire.len() - 1..));
        let frame = decoder.next_frame().unwrap().unwrap();
        assert_eq!(frame.body(), body);
    }
}

#[test]
fn a_large_head_may_come_octet_by_octet() {
    let wire = format!("MESSAGE\nk:{}\n\n\0", "v".repeat(250_000));
    let wire = Bytes::from(wire);
    let mut decoder = decoder(V1_2);
    let mut frames = Vec::new();
    for at in 0..wire.len() {
        decoder.push(wire.slice(at..=at));
        frames.extend(decoder.next_frame().unwrap());
    }
    assert_eq!(frames[0].raw_header(b"k").map(<[u8]>::len), Some(250_000));
}

#[test]
fn what_came_as_text_is_read_as_what_did_not() {
    let frame = "MESSAGE\nsubscription:s-ä\ndestination:/a\\cb\nmessage-id:\nk:ö\n\nbody\0";
    for wire in [
        frame.to_owned(),
        format!("\n{frame}"),
        format!("{frame}\r\n"),
        format!("{frame}{frame}"),
    ] {
        let octets = Bytes::from(wire);
        for piece in [Piece::text(octets.clone()).unwrap(), octets.into()] {
            let mut decoder = decoder(V1_2);
            decoder.push(piece);
            let mut count = 0;
            while let Some(mut frame) = decoder.next_frame().unwrap() {
                for _ in 0..2 {
                    let header = |name| frame.header(name);
                    assert_eq!(header("subscription").as_deref(), Some("s-ä"));
                    assert_eq!(header("destination").as_deref(), Some("/a:b"));
                    assert_eq!(header("message-id").as_deref(), Some(""));
                    assert_eq!(header("k").as_deref(), Some("ö"));
                    assert_eq!(header("other"), None);
                    assert_eq!(frame.raw_header(b"destination"), Some(&b"/a\\cb"[..]));
                    assert_eq!(frame.body(), b"body");
                    assert_eq!(frame.body_bytes(), "body");
                    frame.detach();
                }
                count += 1;
            }
            assert!(count > 0 && !decoder.is_mid_frame());
        }
    }
    assert!(Piece::text(Bytes::from_static(b"\xC3")).is_err());
    assert!(Piece::text(vec![0xFF; 1 << 20].into()).is_err());
}

#[test]
fn a_value_is_found_however_far_it_is_and_the_first_counts() {
    for long in [0, 60_000, 65_535 - 20, 65_536, 70_000] {
        let far = "x".repeat(long);
        let wire = format!(
            "MESSAGE\nk:{far}\ndestination:{far}1\nmessage-id:1\nmessage-id:2\ndestination:2\n\n\0"
        );
        let frame = frame(V1_2, wire.as_bytes());
        assert_eq!(frame.header("destination"), Some(format!("{far}1").into()));
        assert_eq!(frame.header("message-id").as_deref(), Some("1"));
        assert_eq!(frame.header("subscription"), None);
    }
}
