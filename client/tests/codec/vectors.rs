//! Octets and the frames they are, by hand.

use crate::support::*;
use bytes::Bytes;
use hobnail::frame::Version;

type Expected = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [u8],
);

struct Vector {
    what: &'static str,
    version: Version,
    wire: &'static [u8],
    frames: &'static [Expected],
}

impl Vector {
    fn expected(&self) -> Vec<Seen> {
        let own = |&(command, headers, body): &Expected| Seen {
            command: command.to_owned(),
            headers: headers
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: body.to_vec(),
        };
        self.frames.iter().map(own).collect()
    }
}

macro_rules! vectors {
    ($($what:literal, $version:ident: $wire:literal => $($command:literal {$($name:literal: $value:literal),*} $body:literal),+;)*) => {
        &[$(Vector {
            what: $what,
            version: $version,
            wire: $wire,
            frames: &[$(($command, &[$(($name, $value)),*], $body)),+],
        }),*]
    };
}

const VECTORS: &[Vector] = vectors! {
    "no headers, no body", V1_2: b"DISCONNECT\n\n\0"
        => "DISCONNECT" {} b"";
    "an ERROR without headers", V1_2: b"ERROR\n\nboom\0"
        => "ERROR" {} b"boom";
    "headers and a body up to NUL", V1_2: b"MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/a\n\nab\0"
        => "MESSAGE" {"subscription": "0", "message-id": "1", "destination": "/a"} b"ab";
    "CR LF everywhere", V1_2: b"SEND\r\nk:v\r\n\r\nhi\0\r\n"
        => "SEND" {"k": "v"} b"hi";
    "mixed line ends", V1_2: b"SEND\nk:v\r\nl:w\n\r\nhi\0"
        => "SEND" {"k": "v", "l": "w"} b"hi";
    "CR LF is taken for a line end in 1.1 too", V1_1: b"MESSAGE\r\nk:v\r\n\r\nhi\0"
        => "MESSAGE" {"k": "v"} b"hi";
    "CR LF is taken for a line end in 1.0 too", V1_0: b"MESSAGE\r\nk:v\r\n\r\nhi\0"
        => "MESSAGE" {"k": "v"} b"hi";
    "only one CR belongs to the line end", V1_2: b"SEND\nk:v\r\r\n\n\0"
        => "SEND" {"k": "v\r"} b"";
    "a CR within a value is kept", V1_2: b"SEND\nk:a\rb\n\n\0"
        => "SEND" {"k": "a\rb"} b"";
    "line ends and blanks after the blank line are body", V1_2: b"SEND\n\n\n  x\r\n\0"
        => "SEND" {} b"\n  x\r\n";
    "blanks are kept", V1_2: b"SEND\n k : v \n\n\0"
        => "SEND" {" k ": " v "} b"";
    "an empty value", V1_2: b"SEND\nk:\n\n\0"
        => "SEND" {"k": ""} b"";
    "a raw colon belongs to the value", V1_2: b"MESSAGE\ndestination:http://x/y\n\n\0"
        => "MESSAGE" {"destination": "http://x/y"} b"";
    "UTF-8 of one to four octets", V1_2: b"SEND\n\xc3\xa9:\xe2\x82\xac\xf0\x9f\x98\x80\n\n\0"
        => "SEND" {"é": "€😀"} b"";
    "a body with NUL", V1_2: b"MESSAGE\ncontent-length:5\n\na\0b\0c\0"
        => "MESSAGE" {"content-length": "5"} b"a\0b\0c";
    "a body with the end of a frame", V1_2: b"MESSAGE\ncontent-length:10\n\nx\n\n\0ERROR\n\0"
        => "MESSAGE" {"content-length": "10"} b"x\n\n\0ERROR\n";
    "a body of NULs", V1_2: b"SEND\ncontent-length:3\n\n\0\0\0\0"
        => "SEND" {"content-length": "3"} b"\0\0\0";
    "content-length 0", V1_2: b"RECEIPT\nreceipt-id:1\ncontent-length:0\n\n\0"
        => "RECEIPT" {"receipt-id": "1", "content-length": "0"} b"";
    "content-length with zeros before", V1_2: b"SEND\ncontent-length:0002\n\na\0\0"
        => "SEND" {"content-length": "0002"} b"a\0";
    "the first content-length counts", V1_2: b"SEND\ncontent-length:3\ncontent-length:1\n\nabc\0"
        => "SEND" {"content-length": "3", "content-length": "1"} b"abc";
    "a Content-Length is another header", V1_2: b"SEND\nContent-Length:9\n\nab\0"
        => "SEND" {"Content-Length": "9"} b"ab";
    "a receipt with a body is put up with", V1_2: b"RECEIPT\nreceipt-id:r1\n\nX\0RECEIPT\n\n\0"
        => "RECEIPT" {"receipt-id": "r1"} b"X", "RECEIPT" {} b"";
    "the escapes of 1.2", V1_2: b"SEND\na\\cb:\\r\\n\\c\\\\\nk:a\\\\nb\n\n\\t\\\0"
        => "SEND" {"a:b": "\r\n:\\", "k": "a\\nb"} b"\\t\\";
    "the escapes of 1.1", V1_1: b"SEND\na\\cb:\\n\\c\\\\\n\n\0"
        => "SEND" {"a:b": "\n:\\"} b"";
    "1.0 has no escapes", V1_0: b"SEND\nk:a\\tb\\\n\n\0"
        => "SEND" {"k": "a\\tb\\"} b"";
    "CONNECTED has no escapes", V1_2: b"CONNECTED\nversion:1.2\nsession:a\\cb\\tz:c\\\n\n\0"
        => "CONNECTED" {"version": "1.2", "session": "a\\cb\\tz:c\\"} b"";
    "CONNECT has no escapes", V1_1: b"CONNECT\npasscode:a:b\\c\n\n\0"
        => "CONNECT" {"passcode": "a:b\\c"} b"";
    "STOMP has no escapes", V1_2: b"STOMP\npasscode:a:b\\t\n\n\0"
        => "STOMP" {"passcode": "a:b\\t"} b"";
    "heart-beats before, between and after", V1_2: b"\n\r\n\0ACK\nid:1\n\n\0\n\n\r\n\nNACK\nid:2\n\n\0\n"
        => "ACK" {"id": "1"} b"", "NACK" {"id": "2"} b"";
    "NULs as heart-beats", V1_2: b"BEGIN\n\n\0\0\0COMMIT\n\n\0\0ABORT\n\n\0"
        => "BEGIN" {} b"", "COMMIT" {} b"", "ABORT" {} b"";
    "every other command", V1_2: b"SUBSCRIBE\nid:0\n\n\0UNSUBSCRIBE\nid:0\n\n\0\nDISCONNECT\r\n\r\n\0"
        => "SUBSCRIBE" {"id": "0"} b"", "UNSUBSCRIBE" {"id": "0"} b"", "DISCONNECT" {} b"";
};

#[test]
fn every_vector_is_read() {
    for vector in VECTORS {
        let frames = decode(vector.version, [vector.wire]).unwrap();
        assert_eq!(frames, vector.expected(), "{}", vector.what);
    }
}

#[test]
fn every_split_gives_the_same_frames() {
    for vector in VECTORS {
        for cut in 0..=vector.wire.len() {
            let (left, right) = vector.wire.split_at(cut);
            let frames = decode(vector.version, [left, right]).unwrap();
            assert_eq!(frames, vector.expected(), "{} cut at {cut}", vector.what);
        }
        for size in 1..8 {
            let frames = decode(vector.version, vector.wire.chunks(size)).unwrap();
            assert_eq!(frames, vector.expected(), "{} by {size}", vector.what);
        }
    }
}

#[test]
fn every_pair_of_splits_of_a_stream_gives_the_same_frames() {
    let wire =
        b"MESSAGE\r\nk:\\r\ncontent-length:4\n\n\n\n\0\0\0\n\nERROR\n\nboom\0\r\nACK\nid:1\n\n\0";
    let whole = decode(V1_2, [&wire[..]]).unwrap();
    assert_eq!(whole.len(), 3);
    for first in 0..=wire.len() {
        for second in first..=wire.len() {
            let pieces = [&wire[..first], &wire[first..second], &wire[second..]];
            assert_eq!(decode(V1_2, pieces).unwrap(), whole, "{first} {second}");
        }
    }
}

#[test]
fn no_prefix_of_a_frame_is_a_frame_or_an_error() {
    for vector in VECTORS.iter().filter(|vector| vector.frames.len() == 1) {
        let frame = vector.wire.trim_ascii_end();
        for end in 1..frame.len() {
            let mut decoder = decoder(vector.version);
            let frames = push(&mut decoder, &frame[..end]).unwrap();
            assert!(frames.is_empty(), "{} up to {end}", vector.what);
            assert!(decoder.is_mid_frame(), "{} up to {end}", vector.what);
            assert_eq!(decoder.buffered(), end, "{} up to {end}", vector.what);
        }
    }
}

#[test]
fn a_frame_is_whole_at_its_nul_and_not_one_octet_later() {
    for vector in VECTORS {
        let mut decoder = decoder(vector.version);
        let mut count = 0;
        for octet in vector.wire.chunks(1) {
            let frames = push(&mut decoder, octet).unwrap();
            assert!(frames.is_empty() || octet == b"\0", "{}", vector.what);
            count += frames.len();
        }
        assert_eq!(count, vector.frames.len(), "{}", vector.what);
        assert!(!decoder.is_mid_frame(), "{}", vector.what);
    }
}

#[test]
fn heart_beats_alone_are_nothing() {
    let mut decoder = decoder(V1_2);
    for beat in [&b"\n"[..], b"\r\n", b"\0", b"\r", b"\n", b""] {
        assert!(push(&mut decoder, beat).unwrap().is_empty());
        assert!(!decoder.is_mid_frame());
        assert_eq!(decoder.buffered(), 0);
    }
}

#[test]
fn pieces_may_be_pushed_ahead_of_reading() {
    let wire = b"ACK\nid:1\n\n\0\nNACK\nid:2\n\n\0";
    let mut decoder = decoder(V1_2);
    for piece in wire.chunks(3) {
        decoder.push(Bytes::copy_from_slice(piece));
    }
    assert_eq!(decoder.buffered(), wire.len());
    assert!(decoder.is_mid_frame());
    let frames = push(&mut decoder, b"").unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn the_first_of_repeated_headers_counts_and_all_are_shown() {
    let wire = b"MESSAGE\nsubscription:0\nsubscription:9\nfoo:World\nfoo:Hello\nmessage-id:1\n\n\0";
    let frame = frame(V1_2, wire);
    assert_eq!(frame.header("subscription").as_deref(), Some("0"));
    assert_eq!(frame.header("foo").as_deref(), Some("World"));
    assert_eq!(frame.raw_header(b"message-id"), Some(&b"1"[..]));
    assert_eq!(frame.headers().filter(|(name, _)| name == "foo").count(), 2);
}

#[test]
fn names_are_compared_after_unescaping_and_with_their_case() {
    let frame = frame(
        V1_2,
        b"MESSAGE\na\\cb:x\\\\y\nDestination:/a\nmessage-id:\\c1\r\n\n\0",
    );
    assert_eq!(frame.header("a:b").as_deref(), Some("x\\y"));
    assert_eq!(frame.header("a\\cb"), None);
    assert_eq!(frame.raw_header(b"a\\cb"), Some(&b"x\\\\y"[..]));
    assert_eq!(frame.raw_header(b"a:b"), None);
    assert_eq!(frame.header("destination"), None);
    assert_eq!(frame.header("message-id").as_deref(), Some(":1"));
    assert_eq!(frame.raw_header(b"message-id"), Some(&b"\\c1"[..]));
    assert_eq!(frame.header(""), None);
}

#[test]
fn a_body_is_never_searched_for_headers() {
    let frame = frame(V1_2, b"MESSAGE\nk:v\n\ndestination:/a\nk:w\nl:x\n\0");
    assert_eq!(frame.header("destination"), None);
    assert_eq!(frame.header("l"), None);
    assert_eq!(frame.headers().count(), 1);
}

#[test]
fn the_agreed_version_holds_from_the_next_frame_on() {
    let mut decoder = decoder(V1_2);
    decoder.push(Bytes::from_static(
        &b"CONNECTED\nversion:1.0\n\n\0MESSAGE\nk:\\t\n\n\0"[..],
    ));
    let connected = decoder.next_frame().unwrap().unwrap();
    assert_eq!(connected.version(), V1_2);
    decoder.set_version(V1_0);
    let message = decoder.next_frame().unwrap().unwrap();
    assert_eq!(message.version(), V1_0);
    assert_eq!(message.header("k").as_deref(), Some("\\t"));
}
