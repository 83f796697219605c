//! Octets that are no frame: what is said of them, and where.

use crate::support::*;
use bytes::Bytes;
use hobnail::frame::{DecodeErrorKind as Kind, LengthFault, Version};

fn length(fault: LengthFault) -> Kind {
    Kind::ContentLength(fault)
}

fn escape(letter: u8) -> Kind {
    let octet = Some(letter);
    Kind::BadEscape { octet }
}

const DANGLING: Kind = Kind::BadEscape { octet: None };

#[test]
fn every_kind_is_told_with_its_octet() {
    let no_nul = |found| length(LengthFault::NoNulAfterBody { found });
    let not_a_number = length(LengthFault::NotANumber);
    let cases: &[(Version, &[u8], Kind, u64)] = &[
        (V1_2, b"send\n\n\0", Kind::UnknownCommand, 0),
        (V1_2, b"\n\nSENDX\n\n\0", Kind::UnknownCommand, 2),
        (V1_2, b" SEND\n\n\0", Kind::UnknownCommand, 0),
        (V1_2, b"SEND \n\n\0", Kind::UnknownCommand, 0),
        (V1_2, b"SEND\r\r\n\n\0", Kind::UnknownCommand, 0),
        (V1_2, b"BEAT\0", Kind::UnknownCommand, 0),
        (V1_2, b"HTTP/1.1 400 Bad", Kind::UnknownCommand, 0),
        (V1_2, b"ACK\n\n\0\nX\n", Kind::UnknownCommand, 7),
        (V1_2, b"SEND\nnocolon\n\n\0", Kind::HeaderWithoutColon, 5),
        (V1_2, b"SEND\nk:v\n \n\0", Kind::HeaderWithoutColon, 9),
        (V1_2, b"SEND\nk:v\n:v\n\n\0", Kind::EmptyHeaderName, 9),
        (V1_2, b"SEND\nk:a\0b\n\n\0", Kind::NulInHeader, 8),
        (V1_2, b"SEND\0", Kind::NulInHeader, 4),
        (V1_2, b"RECEIPT\nreceipt-id:1\n\0", Kind::NulInHeader, 21),
        (V1_2, b"SEND\nk:a\\tb\n\n\0", escape(b't'), 8),
        (V1_2, b"SEND\nk:\\\\\\x\n\n\0", escape(b'x'), 9),
        (V1_2, b"SEND\na\\:v\n\n\0", escape(b':'), 6),
        (V1_2, b"SEND\nk:\\C\n\n\0", escape(b'C'), 7),
        (V1_2, b"SEND\nk:abc\\\n\n\0", DANGLING, 10),
        (V1_2, b"SEND\nk:abc\\\r\n\r\n\0", DANGLING, 10),
        (V1_1, b"SEND\nk:a\\rb\n\n\0", escape(b'r'), 8),
        (V1_1, b"SEND\nk:a\\tb\n\n\0", escape(b't'), 8),
        (V1_2, b"SEND\nk:\xff\xfe\n\n\0", Kind::NotUtf8, 7),
        (V1_0, b"SEND\nl:x\nk:\xc3\n\n\0", Kind::NotUtf8, 11),
        (
            V1_2,
            b"SEND\ncontent-length:3\n\nabcdef\0",
            no_nul(b'd'),
            26,
        ),
        (V1_2, b"SEND\ncontent-length:0\n\nx\0", no_nul(b'x'), 23),
        (V1_2, b"SEND\ncontent-length:abc\n\n\0", not_a_number, 20),
    ];
    for &(version, wire, kind, offset) in cases {
        let shown = wire.escape_ascii();
        assert_eq!(refusal(version, wire), (kind, offset), "{shown}");
    }
}

#[test]
fn a_content_length_is_digits_only() {
    for bad in ["", "-1", "+3", " 3", "3 ", "1e3", "0x3", "3,0", "٣", "3\\c"] {
        let wire = format!("MESSAGE\ncontent-length:{bad}\n\nabc\0");
        let (kind, offset) = refusal(V1_2, wire.as_bytes());
        assert_eq!(kind, length(LengthFault::NotANumber), "{bad:?}");
        assert_eq!(offset, 23);
    }
}

#[test]
fn an_error_stays() {
    let mut decoder = decoder(V1_2);
    decoder.push(Bytes::from_static(&b"ACK\n\n\0bad\nACK\n\n\0"[..]));
    assert!(decoder.next_frame().unwrap().is_some());
    let first = decoder.next_frame().unwrap_err();
    decoder.push(Bytes::from_static(&b"ACK\n\n\0"[..]));
    let again = decoder.next_frame().unwrap_err();
    assert_eq!(
        (first.kind(), first.offset()),
        (again.kind(), again.offset())
    );
    assert_eq!(decoder.buffered(), 0);
    assert!(!decoder.is_mid_frame());
    decoder.reset();
    assert_eq!(push(&mut decoder, b"ACK\n\n\0").unwrap().len(), 1);
    assert_eq!(push(&mut decoder, b"x\n").unwrap_err().offset(), 6);
}

#[test]
fn frames_before_the_broken_one_are_read() {
    let mut decoder = decoder(V1_2);
    decoder.push(Bytes::from_static(&b"ACK\n\n\0NACK\nid:1\n\n\0bad\n"[..]));
    assert!(decoder.next_frame().unwrap().is_some());
    assert!(decoder.next_frame().unwrap().is_some());
    assert!(decoder.next_frame().is_err());
}

#[test]
fn an_error_says_what_where_and_how_the_frame_begins() {
    let e = decode(V1_2, [&b"\nMESSAGE\nk:a\\tb\n\nsecret body\0"[..]]).unwrap_err();
    assert_eq!(e.start(), "MESSAGE\\nk:a\\\\tb\\n\\n");
    assert_eq!(
        e.to_string(),
        "undefined escape \"\\t\" at octet 12, in the frame \"MESSAGE\\nk:a\\\\tb\\n\\n\""
    );
    let long = [b"MESSAGE\nk:", &[b'x'; 100][..], b"\nbad\n"].concat();
    let e = decode(V1_2, [&long[..]]).unwrap_err();
    assert_eq!(e.start(), format!("MESSAGE\\nk:{}…", "x".repeat(54)));
}

#[test]
fn an_error_shows_no_secret() {
    for wire in [
        &b"CONNECT\npasscode:hunter2\nbad\n"[..],
        b"CONNECT\nPassCode:hunter2\r\nbad\r\n",
        b"CONNECT\nAuthorization:Bearer hunter2\nbad\n",
        b"CONNECT\nx-access-token:hunter2\nbad\n",
        b"CONNECT\nclient_secret:hunter2\nbad\n",
        b"CONNECT\npasscode hunter2\n",
        b"CONNECT\npasscode:x\nhunter2\n",
        b"CONNECT\npasscode:hunter2\0",
        b"{\"access_token\":\"hunter2\"}\n",
        b"CONNECT\ncontent-length:0\n\nhunter2\0",
    ] {
        for cut in 0..wire.len() {
            let (left, right) = wire.split_at(cut);
            let e = decode(V1_2, [left, right]).unwrap_err();
            let shown = format!("{e} {e:?} {}", e.start());
            assert!(!shown.contains("hunter"), "{shown}");
        }
    }
}

#[test]
fn a_frame_shows_no_secret_and_no_body() {
    let frame = frame(
        V1_2,
        b"CONNECT\nlogin:me\npasscode:hunter2\nAUTHORIZATION:hunter2\nMyToken:hunter2\nx-secret-y:hunter2\n\nhunter2\0",
    );
    let shown = format!("{frame:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.contains("login: me") && shown.contains("MyToken: ***"),
        "{shown}"
    );
    assert!(shown.contains("7 octets"), "{shown}");
    assert_eq!(frame.header("passcode").as_deref(), Some("hunter2"));
}
