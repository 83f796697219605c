//! A small language for tests of the codec.

use bytes::Bytes;
use hobnail::frame::{
    Command, DecodeError, DecodeErrorKind, DecodeLimits, Decoder, Encoder, Frame, Piece, Version,
};

pub(crate) use hobnail::frame::Version::{V1_0, V1_1, V1_2};

pub(crate) const VERSIONS: [Version; 3] = [V1_0, V1_1, V1_2];

/// All that a frame says, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) command: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn seen(frame: &Frame) -> Seen {
    let own = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        (name.into_owned(), value.into_owned())
    };
    Seen {
        command: frame.command().as_str().to_owned(),
        headers: frame.headers().map(own).collect(),
        body: frame.body().to_vec(),
    }
}

pub(crate) fn decoder(version: Version) -> Decoder {
    let mut decoder = Decoder::new(DecodeLimits::default());
    decoder.set_version(version);
    decoder
}

pub(crate) fn push(decoder: &mut Decoder, octets: &[u8]) -> Result<Vec<Frame>, DecodeError> {
    decoder.push(Bytes::copy_from_slice(octets));
    std::iter::from_fn(|| decoder.next_frame().transpose()).collect()
}

/// What becomes of octets that come in these pieces, whether they are known to
/// be text or not.
pub(crate) fn decode<'a>(
    version: Version,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<Seen>, DecodeError> {
    let pieces: Vec<_> = pieces.into_iter().map(Bytes::copy_from_slice).collect();
    let any = decode_all(version, pieces.iter().cloned());
    if let Ok(texts) = pieces
        .into_iter()
        .map(Piece::text)
        .collect::<Result<Vec<_>, _>>()
    {
        let text = decode_all(version, texts);
        let comparable = |e: &DecodeError| (e.kind(), e.offset(), e.to_string());
        assert_eq!(
            text.as_ref().map_err(comparable),
            any.as_ref().map_err(comparable)
        );
    }
    any
}

fn decode_all(
    version: Version,
    pieces: impl IntoIterator<Item = impl Into<Piece>>,
) -> Result<Vec<Seen>, DecodeError> {
    let mut decoder = decoder(version);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(frame) = decoder.next_frame()? {
            frames.push(seen(&frame));
        }
    }
    Ok(frames)
}

/// The only frame in these octets.
pub(crate) fn frame(version: Version, wire: &[u8]) -> Frame {
    let frames = push(&mut decoder(version), wire).expect("the octets are STOMP");
    let [frame] = <[Frame; 1]>::try_from(frames).expect("one frame");
    frame
}

/// Why these octets are no frame, and at which octet; the same however they
/// are cut.
pub(crate) fn refusal(version: Version, wire: &[u8]) -> (DecodeErrorKind, u64) {
    let kind_and_offset = |pieces: Vec<&[u8]>| {
        let e = decode(version, pieces).expect_err("the octets are not STOMP");
        (e.kind(), e.offset())
    };
    let whole = kind_and_offset(vec![wire]);
    for cut in 0..=wire.len() {
        let (left, right) = wire.split_at(cut);
        assert_eq!(kind_and_offset(vec![left, right]), whole, "cut at {cut}");
    }
    assert_eq!(kind_and_offset(wire.chunks(1).collect()), whole);
    whole
}

/// The octets of one frame, which must be writable.
pub(crate) fn encode(
    command: Command,
    version: Version,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    try_encode(command, version, headers, body).expect("the frame can be written")
}

pub(crate) fn try_encode(
    command: Command,
    version: Version,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Vec<u8>, hobnail::frame::EncodeError> {
    let mut buffer = bytes::BytesMut::from(&b"before"[..]);
    let mut encoder = Encoder::new(&mut buffer, command, version);
    let written = headers
        .iter()
        .try_for_each(|(name, value)| encoder.header(name, value))
        .and_then(|()| encoder.finish(body));
    if written.is_err() {
        assert_eq!(&buffer[..], b"before", "a refused frame left something");
    }
    written.map(|()| buffer[b"before".len()..].to_vec())
}
