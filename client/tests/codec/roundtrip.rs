//! What is written is read again, by property.

use crate::support::*;
use bytes::Bytes;
use hobnail::frame::{Command, Version};
use proptest::{collection::vec, prelude::*};

/// Text of the octets that matter and a few that do not.
pub(crate) fn text(least: usize) -> impl Strategy<Value = String> {
    let octet = prop_oneof![
        4 => prop::sample::select(vec![':', '\\', '\n', '\r', 'n', 'c', 'r', 't', ' ']),
        1 => any::<char>(),
    ];
    vec(octet, least..8).prop_map(String::from_iter)
}

pub(crate) fn version() -> impl Strategy<Value = Version> {
    prop::sample::select(VERSIONS.to_vec())
}

pub(crate) fn command() -> impl Strategy<Value = Command> {
    prop::sample::select(Command::ALL.to_vec())
}

/// Octets that look much like the ends of frames.
pub(crate) fn body() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        prop::sample::select(vec![0, b'\n', b'\r', b':', b'\\']),
        any::<u8>(),
    ];
    vec(octet, 0..40)
}

/// The parts of a frame, and a version that can carry it.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) version: Version,
    pub(crate) command: Command,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn parts() -> impl Strategy<Value = Parts> {
    let headers = vec((text(1), text(0)), 0..6);
    (version(), command(), headers, body()).prop_map(|(version, command, headers, body)| {
        let exempt = matches!(
            command,
            Command::Connect | Command::Connected | Command::Stomp
        );
        let (name, value) = match version {
            _ if exempt => ("\0\n\r:", "\0\n\r"),
            V1_0 => ("\0\n\r:", "\0\n\r"),
            V1_1 => ("\0\r", "\0\r"),
            V1_2 => ("\0", "\0"),
        };
        let without = |text: String, octets: &str| text.replace(|c| octets.contains(c), "");
        let headers = headers.into_iter();
        Parts {
            version,
            command,
            // No name is empty.
            headers: headers
                .map(|(n, v)| (format!("x{}", without(n, name)), without(v, value)))
                .collect(),
            body: if command.may_have_body() {
                body
            } else {
                Vec::new()
            },
        }
    })
}

impl Parts {
    /// What the encoder makes of it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers.map(|(n, v)| (&n[..], &v[..])).collect();
        encode(self.command, self.version, &headers, &self.body)
    }

    /// What must be read of it.
    pub(crate) fn seen(self) -> Seen {
        let mut headers = self.headers;
        if !self.body.is_empty() {
            headers.push(("content-length".to_owned(), self.body.len().to_string()));
        }
        Seen {
            command: self.command.to_string(),
            headers,
            body: self.body,
        }
    }
}

/// The octets in pieces of these sizes, again and again.
pub(crate) fn pieces<'a>(wire: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = wire;
    let mut pieces = Vec::new();
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

pub(crate) fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(1usize..40, 1..6)
}

proptest! {
    #[test]
    fn every_header_of_1_2_without_nul_comes_back(name in text(1), value in text(0)) {
        prop_assume!(!name.contains('\0') && !value.contains('\0'));
        let wire = encode(Command::Send, V1_2, &[(&name, &value)], b"");
        let frame = frame(V1_2, &wire);
        let read = frame.header(&name);
        prop_assert_eq!(read.as_deref(), Some(&value[..]));
        prop_assert_eq!(frame.headers().count(), 1);
    }

    #[test]
    fn what_can_be_written_is_read_as_it_was(parts in parts(), sizes in sizes()) {
        let wire = parts.encode();
        let stream = [&wire[..], b"\n\r\n\0", &wire].concat();
        let frames = decode(parts.version, pieces(&stream, &sizes)).unwrap();
        let expected = parts.seen();
        prop_assert_eq!(frames, vec![expected.clone(), expected]);
    }

    #[test]
    fn any_octets_give_the_same_frames_or_error_in_any_cut(
        octets in octets(),
        version in version(),
        sizes in sizes(),
    ) {
        let outcome = |pieces: Vec<&[u8]>| {
            let mut decoder = decoder(version);
            let mut frames = Vec::new();
            for piece in pieces {
                decoder.push(Bytes::copy_from_slice(piece));
                loop {
                    match decoder.next_frame() {
                        Ok(Some(frame)) => frames.push(seen(&frame)),
                        Ok(None) => break,
                        Err(e) => return (frames, Some((e.kind(), e.offset()))),
                    }
                }
            }
            (frames, None)
        };
        prop_assert_eq!(outcome(pieces(&octets, &sizes)), outcome(vec![&octets[..]]));
    }
}

/// Octets made of what frames are made of, mostly in a wrong order.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<&[u8]> = vec![
        b"MESSAGE\n",
        b"SEND\r\n",
        b"ERROR",
        b"content-length:3\n",
        b"k:v\n",
        b"k:\\",
        b"\\n\n",
        b"\n",
        b"\r\n",
        b"\0",
        b"\n\n",
        b"abc\0",
        b":",
        b"\xff",
    ];
    vec(prop::sample::select(parts), 0..12).prop_map(|parts| parts.concat())
}
