use std::io::Cursor;

use proptest::prelude::*;
use tungstenite::{
    Message,
    protocol::{Role, WebSocketConfig, WebSocketContext, frame::coding::CloseCode},
};

use super::*;

/// Gives at most so many octets at each read, and then no more for now.
struct Dribble<'a> {
    rest: &'a [u8],
    step: usize,
}

impl Read for Dribble<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let n = self.step.min(room.len()).min(self.rest.len());
        if n == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        room[..n].copy_from_slice(&self.rest[..n]);
        self.rest = &self.rest[n..];
        Ok(n)
    }
}

/// All that is said, and the error that ends it: the same whether whole messages
/// are asked for first or not.
fn hear(octets: &[u8], step: usize, limit: usize) -> (Vec<Said>, Option<String>) {
    let [heard, plainly] = [true, false].map(|quickly| hear_how(quickly, octets, step, limit));
    assert_eq!(heard, plainly);
    heard
}

fn hear_how(
    quickly: bool,
    octets: &[u8],
    step: usize,
    limit: usize,
) -> (Vec<Said>, Option<String>) {
    let mut incoming = Incoming::new(b"", limit);
    let mut stream = Dribble { rest: octets, step };
    let mut said = Vec::new();
    loop {
        if quickly {
            while let Some(message) = incoming.message() {
                said.push(Said::Message(message));
            }
        }
        match incoming.next() {
            Ok(Some(one)) => said.push(one),
            Ok(None) => {
                if incoming.read(&mut stream).is_err() {
                    return (said, None);
                }
            }
            Err(e) => return (said, Some(e.to_string())),
        }
    }
}

/// The same through tungstenite, message by message.
fn reference(octets: &[u8], limit: usize) -> (Vec<Said>, Option<String>) {
    struct Wire<'a>(Cursor<&'a [u8]>);
    impl Read for Wire<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            match self.0.read(room)? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                n => Ok(n),
            }
        }
    }
    impl io::Write for Wire<'_> {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            Ok(octets.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let mut context = WebSocketContext::new(Role::Client, Some(config));
    let mut wire = Wire(Cursor::new(octets));
    let mut said = Vec::new();
    loop {
        said.push(match context.read(&mut wire) {
            Ok(Message::Text(text)) => Said::Message(Piece::text(text.into()).unwrap()),
            Ok(Message::Binary(data)) => Said::Message(data.into()),
            Ok(Message::Ping(data)) => Said::Ping(data),
            Ok(Message::Pong(_)) => Said::Pong,
            Ok(Message::Close(frame)) => {
                said.push(Said::Close(frame));
                return (said, None);
            }
            Ok(Message::Frame(_)) => panic!("a raw frame"),
            Err(Error::Io(_)) => return (said, None),
            Err(Error::Utf8(_)) => return (said, Some("UTF-8".into())),
            Err(e) => return (said, Some(e.to_string())),
        });
    }
}

/// Up to the first Close, and the kind of error.
fn comparable((mut said, error): (Vec<Said>, Option<String>)) -> (Vec<Said>, Option<String>) {
    if let Some(at) = said.iter().position(|s| matches!(s, Said::Close(_))) {
        said.truncate(at + 1);
        // What they do not tell of such a code is decided elsewhere here.
        if matches!(&said[at], Said::Close(Some(f)) if !f.code.is_allowed() || f.code == CloseCode::Protocol)
        {
            said.truncate(at);
        }
        return (said, None);
    }
    let error = error.map(|e| {
        if e.contains("UTF-8") {
            "UTF-8".into()
        } else {
            e
        }
    });
    (said, error)
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        n @ 0..126 => out.push(n as u8),
        n @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

fn conversation() -> Vec<u8> {
    [
        frame(0x81, "MESSAGE ä".as_bytes()),
        frame(0x82, &[0xFF, 0]),
        frame(0x81, b""),
        frame(0x01, b"one "),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x8A, b""),
        frame(0x80, b"two"),
        frame(0x82, &[b'x'; 300]),
        frame(0x88, b"\x03\xE8bye"),
    ]
    .concat()
}

#[test]
fn it_matters_not_where_the_octets_are_cut() {
    let octets = conversation();
    let (whole, error) = hear(&octets, usize::MAX, 1000);
    assert_eq!(error, None);
    assert_eq!(whole.len(), 8, "{whole:?}");
    assert_eq!(whole[4], Said::Pong);
    assert_eq!(
        whole[5],
        Said::Message(Piece::text("one two".into()).unwrap())
    );
    for step in 1..octets.len() {
        assert_eq!(hear(&octets, step, 1000), (whole.clone(), None), "{step}");
    }
    for cut in 0..octets.len() {
        let (said, error) = hear(&octets[..cut], usize::MAX, 1000);
        assert_eq!(error, None, "{cut}");
        assert_eq!(said[..], whole[..said.len()], "{cut}");
    }
}

#[test]
fn a_message_of_any_size_comes_whole() {
    for size in [125, 126, 65_535, 65_536, 2 << 20] {
        let octets = frame(0x82, &vec![7; size]);
        for step in [1000, 70_000, usize::MAX] {
            let (said, error) = hear(&octets, step, 4 << 20);
            assert_eq!(error, None);
            assert_eq!(
                said,
                [Said::Message(Bytes::from(vec![7; size]).into())],
                "{size} {step}"
            );
        }
    }
}

#[test]
fn a_fragment_of_any_size_is_joined() {
    for size in [1, 126, 65_535, 65_536, 100_000] {
        let payload = vec![b'x'; size];
        let octets = [
            frame(0x82, b"before"),
            frame(0x01, &payload),
            frame(0x89, b"ping"),
            frame(0x00, &payload),
            frame(0x80, &payload),
            frame(0x82, b"after"),
        ]
        .concat();
        for step in [1000, 70_000, usize::MAX] {
            let (said, error) = hear(&octets, step, 4 << 20);
            assert_eq!(error, None);
            assert_eq!(said.len(), 4, "{size} {step}");
            let text = Piece::text(payload.repeat(3).into()).unwrap();
            assert_eq!(said[2], Said::Message(text), "{size} {step}");
            assert_eq!(said[3], Said::Message(Bytes::from("after").into()));
        }
    }
}

#[test]
fn a_promise_alone_takes_little_memory() {
    for first in [b"\x82", b"\x02"] {
        let promise = [&first[..], b"\x7F\0\0\0\0\x10\0\0\0"].concat();
        let mut incoming = Incoming::new(&promise, 1 << 30);
        let mut stream = Dribble {
            rest: &[0; 100],
            step: 1,
        };
        while incoming.read(&mut stream).is_ok() {
            assert!(matches!(incoming.next(), Ok(None)));
        }
        let joined = incoming.joined.map_or(0, |(_, joined)| joined.capacity());
        assert!(incoming.block.capacity() + joined <= 2 * TRUSTED);
    }
}

#[test]
fn a_block_is_used_again_once_its_messages_are_gone() {
    let octets = frame(0x82, &[7; 500]).repeat(1000);
    let mut incoming = Incoming::new(b"", 1000);
    let mut stream = Dribble {
        rest: &octets,
        step: usize::MAX,
    };
    let mut blocks = std::collections::BTreeSet::new();
    let mut read = 0;
    while incoming.read(&mut stream).is_ok() {
        read += 1;
        while let Ok(Some(Said::Message(message))) = incoming.next() {
            assert_eq!(message.octets(), &[7; 500][..]);
        }
        blocks.insert(incoming.block.as_ptr() as usize >> 16);
    }
    assert!(read < 20, "{read}");
    // A block touches two stretches of 64 KiB.
    assert!(blocks.len() <= 4, "{blocks:x?}");
}

/// Connections of one thread, each with its share of messages of many sizes.
fn side_by_side(step: usize) -> Vec<(Incoming, Vec<u8>, usize)> {
    let connection = |nth: u8| {
        let sizes = [1, 100, 126, 2_000, 30_000, 70_000, 300, 5_000];
        let messages = sizes.iter().cycle().skip(nth.into()).take(20);
        let octets = messages.flat_map(|size| frame(0x82, &vec![nth; *size]));
        (Incoming::new(b"", 100_000), octets.collect(), step)
    };
    (0..10).map(connection).collect()
}

#[test]
fn what_one_connection_keeps_no_other_writes_to() {
    for step in [1, 7, 1_000, 9_999, usize::MAX] {
        let mut connections = side_by_side(step);
        let mut kept = Vec::new();
        let mut at = [0; 10];
        while connections.iter().zip(at).any(|(c, at)| at < c.1.len()) {
            for (nth, (incoming, octets, step)) in connections.iter_mut().enumerate() {
                let mut stream = Dribble {
                    rest: &octets[at[nth]..],
                    step: *step,
                };
                // Octet by octet only what is small.
                let turns = if *step < 100 { 200 } else { 1 };
                for _ in 0..turns {
                    at[nth] += incoming.read(&mut stream).unwrap_or_default();
                    while let Some(said) = incoming.next().unwrap() {
                        kept.push((nth, said));
                    }
                    incoming.rest();
                }
            }
            // Some are dropped soon, others late.
            kept.retain(|(_, said)| match said {
                Said::Message(message) => message.octets().len() % 7 != 0,
                Said::Ping(_) | Said::Pong | Said::Close(_) => false,
            });
        }
        assert!(kept.len() > 100, "{}", kept.len());
        for (nth, said) in kept {
            let Said::Message(message) = said else {
                continue;
            };
            assert!(
                message
                    .octets()
                    .iter()
                    .all(|octet| usize::from(*octet) == nth)
            );
        }
    }
}

#[test]
fn connections_that_rest_between_use_the_same_memory() {
    let octets = frame(0x82, &[7; 500]).repeat(20);
    let mut connections: Vec<_> = (0..100).map(|_| Incoming::new(b"", 1000)).collect();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        for incoming in &mut connections {
            let mut stream = Dribble {
                rest: &octets[..octets.len() - 250],
                step: usize::MAX,
            };
            while incoming.read(&mut stream).is_ok() {
                while let Some(Said::Message(message)) = incoming.next().unwrap() {
                    seen.insert(message.octets().as_ptr() as usize >> 16);
                }
            }
            incoming.rest();
            let mut stream = Dribble {
                rest: &octets[octets.len() - 250..],
                step: usize::MAX,
            };
            incoming.read(&mut stream).unwrap();
            assert!(matches!(incoming.next(), Ok(Some(Said::Message(_)))));
            incoming.rest();
        }
    }
    // A block touches two stretches of 64 KiB.
    assert!(seen.len() <= 4, "{seen:?}");
}

proptest! {
    #[test]
    fn it_agrees_with_tungstenite(
        frames in prop::collection::vec(
            (
                prop::sample::select(vec![
                    0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x88, 0x09, 0x83,
                    0x8B, 0xC1, 0x91,
                ]),
                prop::sample::select(vec![
                    &b""[..], b"a", b"ab", "\u{e4}".as_bytes(), b"\xC3", b"\xA4", b"\xFF",
                    b"\x03\xE8", b"\x03\xE8why", b"\x03\xE8\xFF", &[b'x'; 130], &[b'y'; 70],
                ]),
            ),
            0..8,
        ),
        step in 1_usize..40,
        masked in prop::option::of(0_usize..8),
    ) {
        let mut octets = Vec::new();
        for (nth, (first, payload)) in frames.iter().enumerate() {
            let mut one = frame(*first, payload);
            if masked == Some(nth) {
                one[1] |= 0x80;
                let head = one.len() - payload.len();
                one.splice(head..head, [0; 4]);
            }
            octets.extend_from_slice(&one);
        }
        let theirs = comparable(reference(&octets, 200));
        let ours = comparable(hear(&octets, step, 200));
        // They tell of invalid UTF-8 at the fragment, this one at the end.
        if theirs.1.as_deref() == Some("UTF-8") {
            let (both, more) = ours.0.split_at(theirs.0.len().min(ours.0.len()));
            prop_assert_eq!(both, &theirs.0[..both.len()]);
            prop_assert!(!more.iter().any(|said| matches!(said, Said::Message(_))));
        } else {
            prop_assert_eq!(ours, theirs);
        }
    }
}
