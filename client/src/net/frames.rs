//! WebSocket data frames, as a client writes them.

use std::hash::{BuildHasher, RandomState};

use tungstenite::protocol::frame::coding::OpCode;

/// Writes masked frames (RFC 6455 §5.2).
///
/// A mask must be unforeseeable for whoever provides the payload (RFC 6455
/// §10.3): it is a keyed hash of a counter, and the key comes from the
/// operating system.
#[derive(Debug, Default)]
pub(super) struct Frames {
    key: RandomState,
    hashed: u64,
    spare: Option<[u8; 4]>,
}

impl Frames {
    /// Appends one frame.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, opcode: OpCode, last: bool, payload: &[u8]) {
        self.begin(out, opcode, last, payload.len())
            .append(out, payload);
    }

    /// Appends the header of a frame whose payload is to follow: so many octets, by
    /// [`Mask::append`].
    pub(super) fn begin(
        &mut self,
        out: &mut Vec<u8>,
        opcode: OpCode,
        last: bool,
        length: usize,
    ) -> Mask {
        let [a, b, c, d] = self.mask();
        let first = u8::from(opcode) | if last { FIN } else { 0 };
        out.reserve(length + LONGEST_HEADER);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short @ 0..=125), _) => {
                out.extend_from_slice(&[first, MASKED | short, a, b, c, d]);
            }
            (_, Ok(medium)) => {
                let [high, low] = medium.to_be_bytes();
                out.extend_from_slice(&[first, MASKED | 126, high, low, a, b, c, d]);
            }
            (_, Err(_)) => {
                out.extend_from_slice(&[first, MASKED | 127]);
                out.extend_from_slice(&(length as u64).to_be_bytes());
                out.extend_from_slice(&[a, b, c, d]);
            }
        }
        Mask([a, b, c, d])
    }

    /// One hash is good for two.
    fn mask(&mut self) -> [u8; 4] {
        let [a, b, c, d, e, f, g, h] = match self.spare.take() {
            Some([a, b, c, d]) => return [a, b, c, d],
            None => self.key.hash_one(self.hashed).to_ne_bytes(),
        };
        self.hashed += 1;
        self.spare = Some([e, f, g, h]);
        [a, b, c, d]
    }
}

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const LONGEST_HEADER: usize = 14;

/// What the next octets of a payload are masked with (RFC 6455 §5.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask([u8; 4]);

impl Mask {
    /// Appends more of the payload. What is copied is masked while it is near.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, payload: &[u8]) {
        for near in payload.chunks(NEAR) {
            let start = out.len();
            out.extend_from_slice(near);
            apply(self.0, &mut out[start..]);
        }
        self.0.rotate_left(payload.len() % 4);
    }

    /// As [`append`](Self::append), for parts of which the last ends the payload.
    pub(super) fn append_all(mut self, out: &mut Vec<u8>, parts: &[&[u8]]) {
        if parts.iter().map(|part| part.len()).sum::<usize>() > NEAR {
            return parts.iter().for_each(|part| self.append(out, part));
        }
        let start = out.len();
        for part in parts {
            out.extend_from_slice(part);
        }
        apply(self.0, &mut out[start..]);
    }
}

fn apply(mask: [u8; 4], octets: &mut [u8]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = octets.chunks_exact_mut(8);
    for word in &mut words {
        if let Some(word) = word.first_chunk_mut() {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
    }
    let rest = words.into_remainder();
    for (octet, mask) in rest.iter_mut().zip(wide.to_ne_bytes()) {
        *octet ^= mask;
    }
}

/// A part of the fastest cache of any processor; a multiple of the mask's length.
const NEAR: usize = 8 << 10;
#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tungstenite::protocol::frame::{FrameHeader, coding::Data};

    use super::*;

    #[test]
    fn frames_of_every_size_of_header_are_read_back() {
        let mut frames = Frames::default();
        for size in [0, 1, 7, 8, 9, 125, 126, 127, 65_535, 65_536, 70_001] {
            for (data, last) in [
                (Data::Text, true),
                (Data::Binary, false),
                (Data::Continue, true),
            ] {
                let payload: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
                let mut out = b"before".to_vec();
                frames.write(&mut out, OpCode::Data(data), last, &payload);
                let mut cursor = Cursor::new(&out[6..]);
                let (header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
                assert_eq!(header.opcode, OpCode::Data(data));
                assert_eq!((header.is_final, length), (last, size as u64));
                let mut read = out[6 + cursor.position() as usize..].to_vec();
                apply(header.mask.unwrap(), &mut read);
                assert_eq!(read, payload);
            }
        }
    }

    #[test]
    fn a_payload_in_parts_of_any_size_is_masked_as_one() {
        let payload: Vec<u8> = (0..40_000).map(|n| (n % 251) as u8).collect();
        for (one, other) in [(0, 1), (1, 1), (2, 7), (3, 8_192), (5, 20_001)] {
            let mut out = Vec::new();
            let mut mask =
                Frames::default().begin(&mut out, OpCode::Data(Data::Binary), true, payload.len());
            let (head, mut whole) = (out.len(), mask);
            let (first, rest) = payload.split_at(one);
            let (second, third) = rest.split_at(other);
            for part in [first, second, third] {
                mask.append(&mut out, part);
            }
            let mut at_once = Vec::new();
            whole.append(&mut at_once, &payload);
            assert!(out[head..] == at_once, "{one} {other}");
        }
    }

    #[test]
    fn no_two_masks_in_a_row_are_alike() {
        let (mut one, mut other) = (Frames::default(), Frames::default());
        for _ in 0..100 {
            let mask = one.mask();
            assert_ne!(mask, one.mask());
            assert_ne!(mask, other.mask());
        }
    }
}
