use super::*;
use crate::wire::encode;

const STREAM: &[u8] = b"SEND\r\ndestination:/a\r\nk:a\\nb\\c\\\\\\r\n\r\n\n x\0\n\r\n\n\
      SEND\ndestination:/b\ncontent-length:3\ncontent-length:1\n\na\0b\0DISCONNECT\n\n\0";

fn expected() -> Vec<Frame> {
    vec![
        Frame::new("SEND")
            .with("destination", "/a")
            .with("k", "a\nb:\\\r")
            .body("\n x"),
        Frame::new("SEND")
            .with("destination", "/b")
            .with("content-length", "3")
            .with("content-length", "1")
            .body("a\0b"),
        Frame::new("DISCONNECT"),
    ]
}

fn kind(octets: &[u8], version: Version) -> WireErrorKind {
    Decoder::new(version).push(octets).unwrap_err().kind
}

#[test]
fn every_split_gives_the_same_frames() {
    for cut in 0..=STREAM.len() {
        let mut decoder = Decoder::default();
        let mut frames = decoder.push(&STREAM[..cut]).unwrap();
        frames.extend(decoder.push(&STREAM[cut..]).unwrap());
        assert_eq!(frames, expected(), "cut at {cut}");
    }
}

#[test]
fn single_octets_give_the_same_frames() {
    let mut decoder = Decoder::default();
    let frames: Vec<Frame> = STREAM
        .iter()
        .flat_map(|&o| decoder.push(&[o]).unwrap())
        .collect();
    assert_eq!(frames, expected());
    assert!(!decoder.is_mid_frame());
}

#[test]
fn every_prefix_is_incomplete_and_never_an_error() {
    for end in 0..STREAM.len() {
        let frames = Decoder::default().push(&STREAM[..end]).unwrap();
        assert!(frames.len() < 3, "prefix of {end}");
    }
}

#[test]
fn beats_are_counted_and_never_become_frames() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.push(b"\n\r\n\0\n").unwrap(), []);
    assert_eq!(decoder.take_beats(), 4);
    assert_eq!(decoder.take_beats(), 0);
}

#[test]
fn carriage_returns_are_data_before_1_2() {
    let frames = Decoder::new(Version::V1_1)
        .push(b"SEND\nk:v\r\n\nx\0")
        .unwrap();
    assert_eq!(frames[0].header("k"), Some("v\r"));
    assert_eq!(
        kind(b"SEND\nk:a\rb\n\n\0", Version::V1_2),
        WireErrorKind::LoneCarriageReturn
    );
}

#[test]
fn bad_frames_are_told_apart() {
    let v = Version::V1_2;
    assert_eq!(kind(b"SEND\nk:a\\tb\n", v), WireErrorKind::BadEscape);
    assert_eq!(kind(b"SEND\nk:a\\\n", v), WireErrorKind::BadEscape);
    assert_eq!(
        kind(b"SEND\nk:a\\rb\n", Version::V1_1),
        WireErrorKind::BadEscape
    );
    assert_eq!(kind(b"SEND\nnocolon\n", v), WireErrorKind::NoColon);
    assert_eq!(kind(b"SEND\n:v\n", v), WireErrorKind::EmptyName);
    assert_eq!(kind(b"SEND\nk:a\0b", v), WireErrorKind::NulInHead);
    assert_eq!(kind(b"SEND\nk:\xff\n", v), WireErrorKind::NotUtf8);
    assert_eq!(
        kind(b"SEND\ncontent-length:3\n\nabcd\0", v),
        WireErrorKind::NoNulAfterBody
    );
    for bad in ["abc", "-1", "+3", " 3", "3 ", "1e3", ""] {
        let wire = format!("SEND\ncontent-length:{bad}\n\n");
        assert_eq!(
            kind(wire.as_bytes(), v),
            WireErrorKind::BadContentLength,
            "{bad:?}"
        );
    }
    let huge = b"SEND\ncontent-length:99999999999999999999\n\n";
    assert_eq!(kind(huge, v), WireErrorKind::TooLarge("content-length"));
}

#[test]
fn limits_hold_before_a_frame_is_complete() {
    let limits = Limits {
        headers: 2,
        line: 16,
        head: 40,
        body: 8,
    };
    let fail = |octets: &[u8]| {
        Decoder::with_limits(Version::V1_2, limits)
            .push(octets)
            .unwrap_err()
            .kind
    };
    assert_eq!(fail(&[b'A'; 32]), WireErrorKind::TooLarge("line length"));
    assert_eq!(
        fail(b"S\na:1\nb:2\nc:3\n"),
        WireErrorKind::TooLarge("header count")
    );
    assert_eq!(
        fail(b"S\n\n123456789"),
        WireErrorKind::TooLarge("body octets")
    );
    assert_eq!(
        fail(b"S\na:1234567890123\nb:1234567890123\n1234567890:1\n"),
        WireErrorKind::TooLarge("header octets")
    );
}

#[test]
fn an_error_names_the_receipt_before_or_after_the_broken_line() {
    for wire in [
        "SEND\nreceipt:r\\c1\nk:\\t\n\n\0",
        "SEND\nk:\\t\nreceipt:r\\c1\n\n\0",
    ] {
        let error = Decoder::default().push(wire.as_bytes()).unwrap_err();
        assert_eq!(error.receipt.as_deref(), Some("r:1"));
        assert_eq!(error.command.as_deref(), Some("SEND"));
    }
}

#[test]
fn frames_before_the_broken_one_come_first() {
    let mut decoder = Decoder::default();
    assert_eq!(decoder.push(b"A\n\n\0B\nbad\n").unwrap(), [Frame::new("A")]);
    assert!(decoder.push(b"").is_err());
    assert!(decoder.push(b"A\n\n\0").is_err());
}

proptest::proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        headers in proptest::collection::vec((".{1,8}", ".{0,12}"), 0..6),
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
        cut in 0usize..200,
    ) {
        let mut frame = Frame::new("MESSAGE").with("content-length", body.len().to_string());
        frame.headers.extend(headers.into_iter().filter(|(n, v)| !n.contains('\0') && !v.contains('\0')));
        frame.body = body;
        let wire = encode(&frame, Version::V1_2);
        let cut = cut.min(wire.len());
        let mut decoder = Decoder::default();
        let mut frames = decoder.push(&wire[..cut]).unwrap();
        frames.extend(decoder.push(&wire[cut..]).unwrap());
        proptest::prop_assert_eq!(frames, vec![frame]);
    }
}
