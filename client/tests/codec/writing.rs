//! What the encoder writes, and what it refuses to write.

use crate::support::*;
use bytes::BytesMut;
use hobnail::frame::{Command, EncodeError, Encoder, Version};

fn forbidden(header: &str, octet: u8, command: Command, version: Version) -> EncodeError {
    EncodeError::Forbidden {
        header: header.into(),
        octet,
        command,
        version,
    }
}

#[test]
fn frames_are_written_to_the_letter() {
    let send = |headers: &[(&str, &str)], body: &[u8]| encode(Command::Send, V1_2, headers, body);
    assert_eq!(
        encode(Command::Disconnect, V1_2, &[], b""),
        b"DISCONNECT\n\n\0"
    );
    assert_eq!(
        send(&[("k", " v "), ("e", "")], b""),
        b"SEND\nk: v \ne:\n\n\0"
    );
    assert_eq!(
        send(&[("destination", "/a")], "é€😀".as_bytes()),
        "SEND\ndestination:/a\ncontent-length:9\n\né€😀\0".as_bytes()
    );
    assert_eq!(send(&[], b"a\0\\t"), b"SEND\ncontent-length:4\n\na\0\\t\0");
}

#[test]
fn escapes_follow_the_version() {
    let headers = &[("a:b", "c:\n\\")];
    assert_eq!(
        encode(Command::Send, V1_2, &[("a:\n\r\\b", ":\r\n\\")], b""),
        b"SEND\na\\c\\n\\r\\\\b:\\c\\r\\n\\\\\n\n\0"
    );
    assert_eq!(
        encode(Command::Send, V1_1, headers, b""),
        b"SEND\na\\cb:c\\c\\n\\\\\n\n\0"
    );
    assert_eq!(
        encode(Command::Send, V1_0, &[("a", "b:\\c")], b""),
        b"SEND\na:b:\\c\n\n\0"
    );
}

#[test]
fn connect_and_connected_are_not_escaped() {
    for command in [Command::Connect, Command::Stomp, Command::Connected] {
        for version in VERSIONS {
            let wire = encode(command, version, &[("passcode", "a:b\\c")], b"");
            let expected = format!("{command}\npasscode:a:b\\c\n\n\0");
            assert_eq!(wire, expected.as_bytes());
        }
    }
}

#[test]
fn connect_is_escaped_for_brokers_that_want_it() {
    let mut buffer = BytesMut::new();
    let mut encoder = Encoder::new(&mut buffer, Command::Connect, V1_2);
    encoder.escape_connect(true);
    encoder.header("passcode", "a:b\\c\nd").unwrap();
    encoder.finish(b"").unwrap();
    assert_eq!(&buffer[..], b"CONNECT\npasscode:a\\cb\\\\c\\nd\n\n\0");
}

#[test]
fn what_would_smuggle_in_a_header_is_refused() {
    let connect = Command::Connect;
    for octet in ["\n", "\r", "\0"] {
        let value = format!("me{octet}passcode:stolen");
        let e = try_encode(connect, V1_2, &[("login", &value)], b"").unwrap_err();
        assert_eq!(e, forbidden("login", octet.as_bytes()[0], connect, V1_2));
        assert!(!e.to_string().contains("stolen"), "{e}");
        let name = format!("a{octet}b");
        let e = try_encode(connect, V1_2, &[(&name, "")], b"").unwrap_err();
        assert_eq!(e, forbidden(&name, octet.as_bytes()[0], connect, V1_2));
        assert!(!e.to_string().contains(octet), "{e}");
    }
}

#[test]
fn every_octet_that_a_version_cannot_carry_is_refused() {
    use Command::{Connect, Send};
    let cases: &[(Command, Version, &str, &str, u8)] = &[
        (Send, V1_2, "k", "a\0", 0),
        (Send, V1_2, "k\0", "a", 0),
        (Send, V1_1, "k", "a\0", 0),
        (Send, V1_1, "k", "a\r", b'\r'),
        (Send, V1_1, "k\r", "a", b'\r'),
        (Send, V1_0, "k", "a\n", b'\n'),
        (Send, V1_0, "k", "a\r", b'\r'),
        (Send, V1_0, "k:l", "a", b':'),
        (Send, V1_0, "k", "\0", 0),
        (Connect, V1_2, "k:l", "a", b':'),
    ];
    for &(command, version, name, value, octet) in cases {
        let e = try_encode(command, version, &[("good", "1"), (name, value)], b"").unwrap_err();
        assert_eq!(e, forbidden(name, octet, command, version));
    }
    let e = try_encode(Send, V1_2, &[("", "v")], b"").unwrap_err();
    assert_eq!(e, EncodeError::EmptyName);
}

#[test]
fn only_send_message_and_error_have_bodies() {
    for command in Command::ALL {
        let written = try_encode(command, V1_2, &[], b"x");
        if command.may_have_body() {
            assert!(written.is_ok());
        } else {
            assert_eq!(written, Err(EncodeError::BodyNotAllowed { command }));
        }
    }
    let with_body = Command::ALL.into_iter().filter(|c| c.may_have_body());
    assert_eq!(
        with_body.collect::<Vec<_>>(),
        [Command::Send, Command::Message, Command::Error]
    );
}

#[test]
fn a_content_length_that_is_given_must_be_right() {
    let send = |given: &[(&str, &str)], body: &[u8]| try_encode(Command::Send, V1_2, given, body);
    let length = |given| ("content-length", given);
    assert_eq!(send(&[length("2")], b"ab"), send(&[], b"ab"));
    assert_eq!(
        send(&[length("0")], b"").unwrap(),
        b"SEND\ncontent-length:0\n\n\0"
    );
    assert_eq!(
        send(&[length("2"), length("2")], b"ab").unwrap(),
        b"SEND\ncontent-length:2\n\nab\0"
    );
    for wrong in ["1", "3", "x", "", "+2", " 2", "99999999999999999999"] {
        assert_eq!(
            send(&[length(wrong)], b"ab"),
            Err(EncodeError::Reserved),
            "{wrong:?}"
        );
    }
    let twice = send(&[length("1"), length("2")], b"ab");
    assert_eq!(twice, Err(EncodeError::Reserved));
}

#[test]
fn a_refusal_lasts_until_the_end_of_the_frame() {
    let mut buffer = BytesMut::from(&b"before"[..]);
    let mut encoder = Encoder::new(&mut buffer, Command::Send, V1_2);
    encoder.header("k", "v").unwrap();
    let refused = encoder.header("", "v").unwrap_err();
    assert_eq!(encoder.header("k", "v"), Err(refused.clone()));
    assert_eq!(encoder.header_u64("n", 1), Err(refused.clone()));
    assert_eq!(encoder.finish(b"body"), Err(refused));
    assert_eq!(&buffer[..], b"before");
}

#[test]
fn a_frame_that_is_not_finished_is_taken_back() {
    let mut buffer = BytesMut::from(&b"before"[..]);
    let mut encoder = Encoder::new(&mut buffer, Command::Send, V1_2);
    encoder.header("k", "v").unwrap();
    drop(encoder);
    assert_eq!(&buffer[..], b"before");
}

#[test]
fn numbers_are_written_in_full() {
    for number in [0, 7, 10, 4_294_967_296, u64::MAX] {
        let mut buffer = BytesMut::new();
        let mut encoder = Encoder::new(&mut buffer, Command::Ack, V1_2);
        encoder.header_u64("id", number).unwrap();
        encoder.finish(b"").unwrap();
        assert_eq!(buffer, format!("ACK\nid:{number}\n\n\0"));
    }
}

#[test]
fn commands_and_versions_are_read_as_they_are_written() {
    for command in Command::ALL {
        let name = command.as_str();
        assert_eq!(Command::from_octets(name.as_bytes()), Some(command));
        assert_eq!(Command::from_octets(name.to_lowercase().as_bytes()), None);
        assert_ne!(command.is_client(), command.is_server());
    }
    for version in VERSIONS {
        assert_eq!(Version::parse(version.as_str()), Some(version));
    }
    for unknown in ["", "1", "1.3", "1.2 ", "v1.2"] {
        assert_eq!(Version::parse(unknown), None);
    }
    assert!(V1_0 < V1_1 && V1_1 < V1_2);
}
