//! WebSocket data frames, as a client writes them.

use std::hash::{BuildHasher, RandomState};

use tungstenite::protocol::frame::coding::OpCode;

use super::outbuf::Outbuf;

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
    /// Adds one frame, whose payload consists of these parts. Its opcode may depend on
    /// whether all of them are ASCII.
    pub(super) fn write(
        &mut self,
        out: &mut Outbuf,
        last: bool,
        parts: &[&[u8]],
        opcode: impl FnOnce(bool) -> OpCode,
    ) {
        let [a, b, c, d] = self.mask();
        let length = parts.iter().map(|part| part.len()).sum();
        let size = match length {
            0..=125 => 6,
            126..=0xFFFF => 8,
            _ => 14,
        };
        let (header, mut payload) = out.add(size + length).split_at_mut(size);
        let [l0, l1, l2, l3, l4, l5, l6, l7] = (length as u64).to_be_bytes();
        if let Ok(short) = <&mut [u8; 6]>::try_from(&mut *header) {
            *short = [0, MASKED | l7, a, b, c, d];
        } else if let Ok(medium) = <&mut [u8; 8]>::try_from(&mut *header) {
            *medium = [0, MASKED | 126, l6, l7, a, b, c, d];
        } else if let Ok(long) = <&mut [u8; 14]>::try_from(&mut *header) {
            let form = MASKED | 127;
            *long = [0, form, l0, l1, l2, l3, l4, l5, l6, l7, a, b, c, d];
        }
        let mut mask = u64::from_le_bytes([a, b, c, d, a, b, c, d]);
        let mut any = 0;
        for part in parts {
            let (here, rest) = payload.split_at_mut(part.len());
            any |= copy(mask, here, part);
            mask = turned(mask, part.len());
            payload = rest;
        }
        header[0] = u8::from(opcode(any & BEYOND_ASCII == 0)) | if last { FIN } else { 0 };
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

/// Copies octets, masked (RFC 6455 §5.3) with what repeats itself after four octets.
/// Returns which bits are set in any of them.
fn copy(mask: u64, to: &mut [u8], from: &[u8]) -> u64 {
    let (mut any, length) = (0, from.len());
    // A plain loop over words is one that compilers make wider.
    for (to, from) in to.chunks_exact_mut(8).zip(from.chunks_exact(8)) {
        if let (Some(to), Some(from)) = (to.first_chunk_mut(), from.first_chunk()) {
            any |= copy_word(mask, to, from);
        }
    }
    if let (Some(last), Some(from)) = (to.last_chunk_mut(), from.last_chunk()) {
        // It reaches back into the word before it, which is written again.
        return any | copy_word(turned(mask, length), last, from);
    }
    for (nth, (to, from)) in to.iter_mut().zip(from).enumerate() {
        any |= u64::from(*from);
        *to = from ^ (mask >> (8 * nth)) as u8;
    }
    any
}

fn copy_word(mask: u64, to: &mut [u8; 8], from: &[u8; 8]) -> u64 {
    let word = u64::from_le_bytes(*from);
    *to = (word ^ mask).to_le_bytes();
    word
}

/// What a payload is masked with after so many octets.
fn turned(mask: u64, octets: usize) -> u64 {
    mask.rotate_right(8 * (octets % 4) as u32)
}

/// The first bit of each octet: none of them is set in ASCII.
pub(super) const BEYOND_ASCII: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tungstenite::protocol::frame::{FrameHeader, coding::Data};

    use super::*;

    fn unmasked(mask: [u8; 4], octets: &[u8]) -> Vec<u8> {
        let octets = octets.iter().zip(mask.iter().cycle());
        octets.map(|(octet, mask)| octet ^ mask).collect()
    }

    fn octets(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn frames_of_every_size_of_header_are_read_back() {
        let (mut frames, mut out) = (Frames::default(), Outbuf::default());
        out.add(6).copy_from_slice(b"before");
        for size in [0, 1, 7, 8, 9, 125, 126, 127, 65_535, 65_536, 70_001] {
            for (data, last) in [
                (Data::Text, true),
                (Data::Binary, false),
                (Data::Continue, true),
            ] {
                let payload = octets(size);
                let before = out.len();
                frames.write(&mut out, last, &[&payload], |_| OpCode::Data(data));
                let mut cursor = Cursor::new(&out.octets()[before..]);
                let (header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
                assert_eq!(header.opcode, OpCode::Data(data));
                assert_eq!((header.is_final, length), (last, size as u64));
                let masked = &out.octets()[before + cursor.position() as usize..];
                assert!(unmasked(header.mask.unwrap(), masked) == payload);
            }
        }
    }

    #[test]
    fn a_payload_in_parts_of_any_size_is_masked_as_one() {
        for size in (0..300).chain([8_191, 40_000]) {
            for (one, other) in [(0, 1), (1, 1), (2, 7), (3, 63), (5, 64), (70, 129)] {
                let payload = octets(size);
                let (first, rest) = payload.split_at(one.min(size));
                let (second, third) = rest.split_at(other.min(rest.len()));
                let mut out = Outbuf::default();
                Frames::default().write(&mut out, true, &[first, second, third], |_| {
                    OpCode::Data(Data::Binary)
                });
                let mut cursor = Cursor::new(out.octets());
                let (header, _) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
                let masked = &out.octets()[cursor.position() as usize..];
                let read = unmasked(header.mask.unwrap(), masked);
                assert!(read == payload, "{size} {one} {other}");
            }
        }
    }

    #[test]
    fn one_octet_that_is_not_ascii_is_noticed_wherever_it_is() {
        for size in 1..200 {
            for at in 0..size {
                let mut payload = vec![b'x'; size];
                let mut to = vec![0; size];
                assert!(copy(0x0403_0201_0403_0201, &mut to, &payload) & BEYOND_ASCII == 0);
                payload[at] = 0x80;
                assert!(
                    copy(0x0403_0201_0403_0201, &mut to, &payload) & BEYOND_ASCII != 0,
                    "{size} {at}"
                );
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
