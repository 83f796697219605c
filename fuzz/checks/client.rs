//! What must hold of the client's reader of STOMP, whatever it reads: for the
//! fuzzer, and for a test that needs none.

use bytes::{BufMut, Bytes, BytesMut};
use hobnail::frame::{DecodeLimits, Decoder, Frame, Piece, Version};

/// It does not matter how the octets are cut, what was read is read again from
/// its own octets, and nothing is kept beyond the limits. The first octet
/// chooses the version and the cut.
pub(crate) fn check(octets: &[u8]) {
    let Some((&choice, wire)) = octets.split_first() else {
        return;
    };
    let version = match choice % 3 {
        0 => Version::V1_0,
        1 => Version::V1_1,
        _ => Version::V1_2,
    };
    let (whole, broken) = frames(version, wire, wire.len());
    let (cut, cut_broken) = frames(version, wire, usize::from(choice / 3));
    assert_eq!(seen(&whole), seen(&cut));
    assert_eq!(broken, cut_broken);
    for frame in &whole {
        let mut again = BytesMut::from(frame.octets());
        again.put_u8(0);
        let again = frames(version, &again, usize::MAX);
        assert_eq!(
            (seen(&again.0), again.1),
            (seen(std::slice::from_ref(frame)), false)
        );
    }
    if let Ok(text) = Piece::text(Bytes::copy_from_slice(wire)) {
        let (text, text_broken) = read(version, [text]);
        assert_eq!((seen(&text), text_broken), (seen(&cut), broken));
    }
}

fn frames(version: Version, wire: &[u8], piece: usize) -> (Vec<Frame>, bool) {
    let pieces = wire.chunks(piece.max(1)).map(Bytes::copy_from_slice);
    read(version, pieces.map(Piece::from))
}

fn read(version: Version, pieces: impl IntoIterator<Item = Piece>) -> (Vec<Frame>, bool) {
    let limits = DecodeLimits {
        frame: 1000,
        headers: 20,
        header_octets: 600,
    };
    let mut decoder = Decoder::new(limits);
    decoder.set_version(version);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    return (frames, true);
                }
            }
        }
        assert!(decoder.buffered() <= 1000 + 600);
    }
    (frames, false)
}

type Seen = (String, Vec<(String, String)>, Vec<u8>);

fn seen(frames: &[Frame]) -> Vec<Seen> {
    let headers = |frame: &Frame| {
        let text = |(n, v): (_, _)| (String::from(n), String::from(v));
        frame.headers().map(text).collect()
    };
    frames
        .iter()
        .map(|f| {
            (
                f.command().as_str().to_owned(),
                headers(f),
                f.body().to_vec(),
            )
        })
        .collect()
}
