//! The lists of a wheel: timers lie in them in blocks, one after the other, so that a
//! whole list is read as memory is read best.

use super::{NONE, TimerId};

/// A timer, as it lies in a list. One that was cancelled stays until the list is
/// dealt out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<T> {
    pub(super) id: TimerId,
    pub(super) value: T,
}

/// A queue of items, in the blocks of a [`Pool`].
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    first: u32,
    last: u32,
    pub(super) len: u32,
    /// How many of them were cancelled.
    pub(super) dead: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
        len: 0,
        dead: 0,
    };
}

/// The blocks of all lists; those that are free are used again.
#[derive(Debug)]
pub(super) struct Pool<T> {
    blocks: Vec<Block<T>>,
    /// The first of the free blocks, which are chained by `next`.
    free: u32,
}

#[derive(Debug)]
struct Block<T> {
    items: [Item<T>; ROOM],
    /// Which of them are there.
    start: u8,
    end: u8,
    next: u32,
}

/// Enough that the way from block to block is short, few enough that a wheel with some
/// timers is small.
const ROOM: usize = 15;

impl<T: Copy> Pool<T> {
    pub(super) const EMPTY: Self = Self {
        blocks: Vec::new(),
        free: NONE,
    };

    pub(super) fn push(&mut self, list: &mut List, item: Item<T>) {
        list.len += 1;
        if let Some(last) = self.blocks.get_mut(list.last as usize) {
            if let Some(place) = last.items.get_mut(usize::from(last.end)) {
                *place = item;
                last.end += 1;
                return;
            }
        }
        let index = self.allocate(item);
        match self.blocks.get_mut(list.last as usize) {
            Some(last) => last.next = index,
            None => list.first = index,
        }
        list.last = index;
    }

    pub(super) fn pop(&mut self, list: &mut List) -> Option<Item<T>> {
        let index = list.first;
        let block = self.blocks.get_mut(index as usize)?;
        let item = block.items[usize::from(block.start)];
        list.len -= 1;
        block.start += 1;
        if block.start == block.end {
            list.first = block.next;
            block.next = self.free;
            self.free = index;
            if list.first == NONE {
                list.last = NONE;
            }
        }
        Some(item)
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self, list: &mut List) {
        if let Some(last) = self.blocks.get_mut(list.last as usize) {
            last.next = self.free;
            self.free = list.first;
        }
        *list = List::EMPTY;
    }

    /// A block that holds one item.
    fn allocate(&mut self, item: Item<T>) -> u32 {
        let index = self.free;
        if let Some(block) = self.blocks.get_mut(index as usize) {
            self.free = block.next;
            block.items[0] = item;
            (block.start, block.end, block.next) = (0, 1, NONE);
            return index;
        }
        self.blocks.push(Block {
            items: [item; ROOM],
            start: 0,
            end: 1,
            next: NONE,
        });
        (self.blocks.len() - 1) as u32
    }

    #[cfg(test)]
    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }
}
