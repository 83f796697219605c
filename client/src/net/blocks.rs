//! Memory to read into, shared by all connections that a thread turns: a hot
//! block that one of them has just used is worth more than a cold one of each.

use std::{cell::RefCell, collections::VecDeque};

use bytes::BytesMut;

/// How much a block holds.
pub(super) const BLOCK: usize = 64 << 10;

/// So many are kept: those of which messages are still looked at, elsewhere
/// perhaps, and one that is free again.
const KEPT: usize = 8;

/// So many octets are kept of blocks that a connection has for itself, because its
/// frames are larger. The system would take their pages back at once, and each page
/// it gives again costs more than to read into it.
pub(super) const KEPT_LARGE: usize = 1 << 20;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static LARGE: RefCell<Large> = const { RefCell::new(Large::new()) };
}

/// Large blocks, the oldest first, each with what was allocated for it.
struct Large {
    blocks: VecDeque<(BytesMut, usize)>,
    octets: usize,
}

/// Room for at least so many octets, no more than [`BLOCK`]. What it holds has no
/// meaning.
pub(super) fn take(room: usize) -> BytesMut {
    let spare = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        // The last is the hottest.
        let fits = spare.iter_mut().rposition(|block| {
            if block.len() < room {
                block.clear();
                if block.try_reclaim(BLOCK) {
                    block.resize(BLOCK, 0);
                }
            }
            block.len() >= room
        });
        fits.map(|at| spare.remove(at))
    });
    // A thread that ends has none any more.
    let spare = spare.ok().flatten();
    spare.unwrap_or_else(|| BytesMut::zeroed(BLOCK))
}

/// Gives back a block, or the part of it that was not used.
pub(super) fn put(block: BytesMut) {
    let kept = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() == KEPT {
            spare.remove(0);
        }
        spare.push(block);
    });
    // The memory goes with the thread.
    kept.ok();
}

/// As [`take`], for any number of octets, and what was allocated for them: it has
/// so many or more, of which the first `room` are zeros.
pub(super) fn take_large(room: usize) -> (BytesMut, usize) {
    let spare = LARGE.try_with(|large| large.borrow_mut().take(room));
    let fresh = || (BytesMut::with_capacity(room), room);
    let (mut block, size) = spare.ok().flatten().unwrap_or_else(fresh);
    block.resize(room, 0);
    (block, size)
}

/// Gives back a block, or what was not used of it, for which `size` octets were
/// allocated.
pub(super) fn put_large(block: BytesMut, size: usize) {
    // The memory goes with the thread.
    LARGE
        .try_with(|large| large.borrow_mut().put(block, size))
        .ok();
}

impl Large {
    const fn new() -> Self {
        Self {
            blocks: VecDeque::new(),
            octets: 0,
        }
    }

    /// The latest of which nobody keeps anything, and which is not far too large.
    fn take(&mut self, room: usize) -> Option<(BytesMut, usize)> {
        let fits = self.blocks.iter_mut().rposition(|(block, size)| {
            block.clear();
            let fits = (room..=4 * room.max(BLOCK)).contains(size);
            fits && block.try_reclaim(room)
        });
        let taken = self.blocks.remove(fits?)?;
        self.octets -= taken.1;
        Some(taken)
    }

    fn put(&mut self, block: BytesMut, size: usize) {
        if size > KEPT_LARGE {
            return;
        }
        self.octets += size;
        self.blocks.push_back((block, size));
        while self.octets > KEPT_LARGE {
            let oldest = self.blocks.pop_front();
            self.octets -= oldest.map_or(0, |(_, size)| size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 100 << 10;

    #[test]
    fn a_large_block_is_used_again_once_nobody_keeps_any_of_it() {
        let mut large = Large::new();
        let mut block = BytesMut::zeroed(ROOM);
        let place = block.as_ptr();
        let message = block.split_to(ROOM / 2).freeze();
        large.put(block, ROOM);
        assert!(large.take(ROOM).is_none(), "the message is still looked at");
        drop(message);
        assert!(large.take(ROOM + 1).is_none());
        large.put(BytesMut::with_capacity(9 * BLOCK), 9 * BLOCK);
        assert!(large.take(2 * BLOCK).is_none(), "that would be a waste");
        let (_, size) = large.take(5 * BLOCK).expect("it is large enough");
        assert_eq!(size, 9 * BLOCK);
        let (mut block, size) = large.take(ROOM).expect("it is free");
        block.resize(ROOM, 0);
        assert_eq!((block.as_ptr(), size), (place, ROOM));
        assert!(large.take(1).is_none() && large.octets == 0);
    }

    #[test]
    fn no_more_is_kept_of_large_blocks_than_there_should_be() {
        let mut large = Large::new();
        for _ in 0..100 {
            large.put(BytesMut::with_capacity(ROOM), ROOM);
            let kept: usize = large.blocks.iter().map(|(_, size)| size).sum();
            assert!(kept <= KEPT_LARGE && kept == large.octets);
        }
        assert_eq!(large.octets, KEPT_LARGE / ROOM * ROOM);
        large.put(BytesMut::new(), KEPT_LARGE + 1);
        assert_eq!(large.octets, KEPT_LARGE / ROOM * ROOM);
    }
}
