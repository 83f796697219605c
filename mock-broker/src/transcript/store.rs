//! Octets kept in the order in which they came: appended at the end, let go
//! from the front, in blocks. An allocation for each would cost more than
//! everything else: by the time it goes, it is long out of the caches.

use crate::wire::Frame;
use std::collections::VecDeque;

/// Octets of a block, unless one piece is longer.
const BLOCK: usize = 64 << 10;

/// Where something is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    block: u64,
    at: usize,
    end: usize,
}

/// The blocks that are held, and the number of the first.
#[derive(Debug, Default)]
pub(super) struct Store {
    blocks: VecDeque<Vec<u8>>,
    first: u64,
    /// One that was let go, for the next.
    spare: Vec<u8>,
}

impl Store {
    /// Keeps what is written; `size` says how much that will be at most.
    pub(super) fn put(&mut self, size: usize, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        let fits = |block: &Vec<u8>| block.capacity() - block.len() >= size;
        if !self.blocks.back().is_some_and(fits) {
            let spare = std::mem::take(&mut self.spare);
            let new = if spare.capacity() >= size.max(BLOCK) {
                spare
            } else {
                Vec::with_capacity(size.max(BLOCK))
            };
            self.blocks.push_back(new);
        }
        let block = self.first + self.blocks.len() as u64 - 1;
        let (at, end) = self.blocks.back_mut().map_or((0, 0), |octets| {
            let at = octets.len();
            write(octets);
            (at, octets.len())
        });
        Place { block, at, end }
    }

    /// What is kept there; nothing if it was let go.
    pub(super) fn get(&self, place: Place) -> &[u8] {
        let block = place.block.checked_sub(self.first);
        let block = block.and_then(|n| self.blocks.get(usize::try_from(n).ok()?));
        block
            .and_then(|octets| octets.get(place.at..place.end))
            .unwrap_or_default()
    }

    /// Lets go of the blocks before that of a place.
    pub(super) fn forget_before(&mut self, place: Place) {
        while self.first < place.block {
            self.first += 1;
            if let Some(mut block) = self.blocks.pop_front() {
                block.clear();
                if block.capacity() == BLOCK {
                    self.spare = block;
                }
            }
        }
    }
}

/// How many octets [`pack`] writes for a frame of so many, with so many headers.
pub(crate) fn packed_size(octets: usize, headers: usize) -> usize {
    octets + 8 + 8 * headers
}

/// Writes a frame so that [`unpack`] gives it back, whatever it holds.
pub(crate) fn pack<'a>(
    command: &str,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: &[u8],
    out: &mut Vec<u8>,
) {
    text(command.as_bytes(), out);
    for (name, value) in headers {
        text(name, out);
        text(value, out);
    }
    // No header has this length.
    out.extend_from_slice(&END.to_ne_bytes());
    out.extend_from_slice(body);
}

const END: u32 = u32::MAX;

/// Bounds on what is read and sent keep every text far below 4 GiB.
fn text(text: &[u8], out: &mut Vec<u8>) {
    let most = text.len().min(END as usize - 1);
    out.extend_from_slice(&(most as u32).to_ne_bytes());
    out.extend_from_slice(&text[..most]);
}

/// The frame that was packed.
pub(super) fn unpack(mut octets: &[u8]) -> Frame {
    let command = take(&mut octets).unwrap_or_default();
    let mut headers = Vec::new();
    while let Some(name) = take(&mut octets) {
        headers.push((name, take(&mut octets).unwrap_or_default()));
    }
    Frame {
        command,
        headers,
        body: octets.to_vec(),
    }
}

/// The next text; `None` at the end of the headers.
fn take(octets: &mut &[u8]) -> Option<String> {
    let (length, rest) = octets.split_first_chunk()?;
    *octets = rest;
    let length = u32::from_ne_bytes(*length);
    let (text, rest) = rest.split_at_checked(length as usize)?;
    *octets = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(frame: &Frame) -> Vec<u8> {
        let mut out = Vec::new();
        let headers = frame.headers.iter();
        let headers = headers.map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        pack(&frame.command, headers, &frame.body, &mut out);
        out
    }

    proptest! {
        #[test]
        fn every_frame_comes_back(
            command in ".{0,9}",
            headers in prop::collection::vec((".{0,9}", ".{0,20}"), 0..5),
            body in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let frame = Frame { command, headers, body };
            let octets = packed(&frame);
            prop_assert_eq!(&unpack(&octets), &frame);
            let size = packed_size(frame.command.len() + frame.octets(), frame.headers.len());
            prop_assert_eq!(octets.len(), size);
        }
    }

    #[test]
    fn what_is_let_go_of_is_gone_and_the_rest_stays() {
        let mut store = Store::default();
        let pieces: Vec<Vec<u8>> = (0..500_u32)
            .map(|i| vec![i as u8; (i as usize * 37) % 5000])
            .chain([vec![7; 3 * BLOCK]])
            .collect();
        let places: Vec<Place> = pieces
            .iter()
            .map(|piece| store.put(piece.len(), |out| out.extend_from_slice(piece)))
            .collect();
        for (i, place) in places.iter().enumerate() {
            store.forget_before(*place);
            for (piece, place) in pieces.iter().zip(&places).skip(i) {
                assert_eq!(store.get(*place), piece);
            }
        }
        assert_eq!(store.blocks.len(), 1);
        assert_eq!(store.get(places[1]), b"");
    }
}
