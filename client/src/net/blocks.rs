//! Memory to read into, shared by all connections that a thread turns: a hot
//! block that one of them has just used is worth more than a cold one of each.

use std::cell::RefCell;

use bytes::BytesMut;

/// How much a block holds.
pub(super) const BLOCK: usize = 64 << 10;

/// So many are kept: those of which messages are still looked at, elsewhere
/// perhaps, and one that is free again.
const KEPT: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
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
