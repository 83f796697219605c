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
        let mask = self.mask();
        let first = u8::from(opcode) | if last { FIN } else { 0 };
        out.reserve(payload.len() + LONGEST_HEADER);
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short @ 0..=125), _) => out.extend_from_slice(&[first, MASKED | short]),
            (_, Ok(medium)) => {
                let [high, low] = medium.to_be_bytes();
                out.extend_from_slice(&[first, MASKED | 126, high, low]);
            }
            (_, Err(_)) => {
                out.extend_from_slice(&[first, MASKED | 127]);
                out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&mask);
        let start = out.len();
        out.extend_from_slice(payload);
        apply(mask, &mut out[start..]);
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

/// RFC 6455 §5.3.
fn apply(mask: [u8; 4], octets: &mut [u8]) {
    let mut wide = [0; WIDE];
    for (nth, octet) in wide.iter_mut().enumerate() {
        *octet = mask[nth % 4];
    }
    let mut chunks = octets.chunks_exact_mut(WIDE);
    for chunk in &mut chunks {
        if let Some(chunk) = chunk.first_chunk_mut::<WIDE>() {
            for (octet, mask) in chunk.iter_mut().zip(&wide) {
                *octet ^= mask;
            }
        }
    }
    for (octet, mask) in chunks.into_remainder().iter_mut().zip(&wide) {
        *octet ^= mask;
    }
}

/// A few registers of any processor; a multiple of the mask's length.
const WIDE: usize = 32;

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
    fn no_two_masks_in_a_row_are_alike() {
        let (mut one, mut other) = (Frames::default(), Frames::default());
        for _ in 0..100 {
            let mask = one.mask();
            assert_ne!(mask, one.mask());
            assert_ne!(mask, other.mask());
        }
    }
}
