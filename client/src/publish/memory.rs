//! Where frames are written that cannot leave at once: two blocks by turns, each used
//! again once its frames have left. While those of one leave there is room in the other.

use std::{cell::RefCell, mem};

use bytes::{Bytes, BytesMut};

use crate::run::LARGE;

const BLOCK: usize = 64 << 10;

thread_local! {
    static BLOCKS: RefCell<[BytesMut; 2]> = RefCell::default();
}

/// A frame of these parts.
pub(super) fn frame(parts: &[&[u8]]) -> Bytes {
    let size = parts.iter().map(|part| part.len()).sum();
    let put = |buffer: &mut BytesMut| parts.iter().for_each(|p| buffer.extend_from_slice(p));
    let own = || {
        let mut own = BytesMut::with_capacity(size);
        put(&mut own);
        own.freeze()
    };
    if size > LARGE {
        return own();
    }
    let shared = BLOCKS.try_with(|blocks| {
        let [block, other] = &mut *blocks.borrow_mut();
        if !block.try_reclaim(size) {
            mem::swap(block, other);
            if !block.try_reclaim(size) {
                *block = BytesMut::with_capacity(BLOCK);
            }
        }
        put(block);
        block.split().freeze()
    });
    // A thread that ends has none any more.
    shared.unwrap_or_else(|_| own())
}
