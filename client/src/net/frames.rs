//! WebSocket data frames, as a client writes them.

use std::hash::{BuildHasher, RandomState};

use tungstenite::protocol::frame::coding::{Data, OpCode};

/// Writes masked frames (RFC 6455 §5.2).
///
/// A mask must be unforeseeable for whoever provides the payload (RFC 6455
/// §10.3): it is a keyed hash of a counter, and the key comes from the
/// operating system.
#[derive(Debug, Default)]
pub(super) struct Frames {
    key: RandomState,
    written: u64,
}

impl Frames {
    /// Appends one frame.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, data: Data, last: bool, payload: &[u8]) {
        let mask = self.mask();
        out.reserve(payload.len() + LONGEST_HEADER);
        out.push(u8::from(OpCode::Data(data)) | if last { FIN } else { 0 });
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(short @ 0..=125), _) => out.push(MASKED | short),
            (_, Ok(medium)) => {
                out.push(MASKED | 126);
                out.extend_from_slice(&medium.to_be_bytes());
            }
            (_, Err(_)) => {
                out.push(MASKED | 127);
                out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&mask);
        let start = out.len();
        out.extend_from_slice(payload);
        apply(mask, &mut out[start..]);
    }

    fn mask(&mut self) -> [u8; 4] {
        self.written += 1;
        let [a, b, c, d, ..] = self.key.hash_one(self.written).to_ne_bytes();
        [a, b, c, d]
    }
}

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const LONGEST_HEADER: usize = 14;

/// RFC 6455 §5.3.
fn apply([a, b, c, d]: [u8; 4], octets: &mut [u8]) {
    let wide = [a, b, c, d, a, b, c, d];
    let mut chunks = octets.chunks_exact_mut(wide.len());
    for chunk in &mut chunks {
        for (octet, mask) in chunk.iter_mut().zip(wide) {
            *octet ^= mask;
        }
    }
    for (octet, mask) in chunks.into_remainder().iter_mut().zip(wide) {
        *octet ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tungstenite::protocol::frame::FrameHeader;

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
                frames.write(&mut out, data, last, &payload);
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
