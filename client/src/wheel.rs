//! The timer wheel: every deadline of a session, thousands of them, cheaply.
//!
//! Six levels of 64 slots. A slot of the lowest level is one tick of a
//! millisecond, a slot of each higher level is as long as the whole level below
//! it. A timer lies on the level of the highest group of six bits in which its
//! tick differs from the present one, in the slot which that group names; so a
//! lower level is always earlier than a higher one, and on one level a lower
//! slot is earlier than a higher. When time enters a slot of a higher level, the
//! whole slot is dealt out to the levels below it before anything else happens.
//!
//! What lies beyond the last level (about two years) waits in one more list.

use std::time::{Duration, Instant};

/// Names one timer of one [`Wheel`]; of no use once the timer fired or was
/// cancelled, even when its place is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    index: u32,
    generation: u32,
}

/// Deadlines, each with a value that is handed out when it passed.
///
/// Deadlines are rounded up to a millisecond, so that a timer fires late by less
/// than that and never early. Timers fire in the order of their deadlines; those
/// of the same millisecond in the order in which they were inserted. Time is an
/// argument and never goes back.
#[derive(Debug)]
pub struct Wheel<T> {
    start: Instant,
    /// The present tick. No timer lies before it.
    tick: u64,
    /// Which slots of a level are not empty.
    occupied: [u64; LEVELS],
    /// The slots, level by level, and the list of what lies beyond them.
    lists: Vec<List>,
    entries: Vec<Entry<T>>,
    /// The first of the free entries, which are chained by `next`.
    free: u32,
    len: usize,
}

#[derive(Debug)]
struct Entry<T> {
    /// `None` in a free entry.
    value: Option<T>,
    tick: u64,
    generation: u32,
    list: u16,
    prev: u32,
    next: u32,
}

#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl<T> Wheel<T> {
    /// An empty wheel; `start` is its present.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            tick: 0,
            occupied: [0; LEVELS],
            lists: vec![List::EMPTY; BEYOND + 1],
            entries: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// Adds a timer; one whose deadline has passed fires at the next
    /// [`expire`](Self::expire). O(1).
    pub fn insert(&mut self, deadline: Instant, value: T) -> TimerId {
        let tick = self.tick_after(deadline).max(self.tick);
        let index = self.allocate(tick, value);
        self.link(index);
        self.len += 1;
        let generation = self.entries[index as usize].generation;
        TimerId { index, generation }
    }

    /// Takes a timer back; `None` if it fired or was cancelled. O(1).
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let entry = self.entries.get(id.index as usize)?;
        if entry.generation != id.generation || entry.value.is_none() {
            return None;
        }
        self.remove(id.index)
    }

    /// When to call [`expire`](Self::expire) next: never later than the first
    /// deadline (rounded up), perhaps earlier. `None` if there is no timer.
    ///
    /// Its answer changes with every other method that takes `&mut self`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let next = self.first()?;
        // A tick that no `Instant` can name is never reached.
        self.start.checked_add(Duration::from_millis(next.tick))
    }

    /// The first timer whose deadline is not after `now`; to be called until
    /// there is none.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        let now = self.tick_before(now).max(self.tick);
        loop {
            match self.first() {
                Some(next) if next.tick <= now => {
                    self.tick = next.tick;
                    if next.list < SLOTS {
                        return self.remove(self.lists[next.list].first);
                    }
                    self.deal_out(next.list);
                }
                // No slot begins between the two, so that every timer is where
                // it belongs at the new tick as well.
                Some(_) | None => {
                    self.tick = now;
                    return None;
                }
            }
        }
    }

    /// The number of timers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no timer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first list that is not empty, and the tick at which it begins.
    fn first(&self) -> Option<Next> {
        for (level, &occupied) in self.occupied.iter().enumerate() {
            if occupied != 0 {
                let slot = occupied.trailing_zeros() as usize;
                let shift = BITS * level as u32;
                let above = self.tick >> (shift + BITS) << (shift + BITS);
                return Some(Next {
                    list: level * SLOTS + slot,
                    tick: above | (slot as u64) << shift,
                });
            }
        }
        let beyond = self.lists[BEYOND].first != NONE;
        beyond.then(|| Next {
            list: BEYOND,
            tick: ((self.tick >> RANGE_BITS) + 1) << RANGE_BITS,
        })
    }

    /// Links every timer of a list anew, as seen from the present tick. Their
    /// order is kept, so that equal ticks stay in the order of insertion.
    fn deal_out(&mut self, list: usize) {
        let mut index = self.lists[list].first;
        self.clear(list);
        while index != NONE {
            let next = self.entries[index as usize].next;
            self.link(index);
            index = next;
        }
    }

    fn link(&mut self, index: u32) {
        let list = self.list_of(self.entries[index as usize].tick);
        let last = self.lists[list].last;
        let entry = &mut self.entries[index as usize];
        entry.list = list as u16;
        entry.prev = last;
        entry.next = NONE;
        match self.entries.get_mut(last as usize) {
            Some(last) => last.next = index,
            None => self.lists[list].first = index,
        }
        self.lists[list].last = index;
        if list < BEYOND {
            self.occupied[list / SLOTS] |= 1 << (list % SLOTS);
        }
    }

    /// Unlinks and frees an entry.
    fn remove(&mut self, index: u32) -> Option<T> {
        let entry = &mut self.entries[index as usize];
        let value = entry.value.take()?;
        let (prev, next, list) = (entry.prev, entry.next, usize::from(entry.list));
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = self.free;
        self.free = index;
        self.len -= 1;
        match self.entries.get_mut(prev as usize) {
            Some(prev) => prev.next = next,
            None => self.lists[list].first = next,
        }
        match self.entries.get_mut(next as usize) {
            Some(next) => next.prev = prev,
            None => self.lists[list].last = prev,
        }
        if self.lists[list].first == NONE {
            self.clear(list);
        }
        Some(value)
    }

    fn clear(&mut self, list: usize) {
        self.lists[list] = List::EMPTY;
        if list < BEYOND {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }

    fn allocate(&mut self, tick: u64, value: T) -> u32 {
        let index = self.free;
        if let Some(entry) = self.entries.get_mut(index as usize) {
            self.free = entry.next;
            entry.value = Some(value);
            entry.tick = tick;
            return index;
        }
        let index = self.entries.len();
        assert!(index < NONE as usize, "more timers than a wheel can name");
        self.entries.push(Entry {
            value: Some(value),
            tick,
            generation: 0,
            list: 0,
            prev: NONE,
            next: NONE,
        });
        index as u32
    }

    /// The list for a tick that is not before the present one.
    fn list_of(&self, tick: u64) -> usize {
        let highest = (tick ^ self.tick).checked_ilog2().unwrap_or(0);
        let level = highest / BITS;
        if level as usize >= LEVELS {
            return BEYOND;
        }
        let slot = tick >> (BITS * level) & (SLOTS as u64 - 1);
        level as usize * SLOTS + slot as usize
    }

    /// The last tick that is not after `time`.
    fn tick_before(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.start);
        u64::try_from(since.as_millis()).map_or(LAST_TICK, |tick| tick.min(LAST_TICK))
    }

    /// The first tick that is not before `time`.
    fn tick_after(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.start);
        let part = since.subsec_nanos() % NANOS_PER_TICK != 0;
        self.tick_before(time) + u64::from(part)
    }
}

impl List {
    const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
    };
}

/// A list and when it is due.
struct Next {
    list: usize,
    tick: u64,
}

const LEVELS: usize = 6;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;

/// The bits of a tick that the levels cover.
const RANGE_BITS: u32 = BITS * LEVELS as u32;

/// The list of what lies beyond the levels.
const BEYOND: usize = LEVELS * SLOTS;

/// No entry.
const NONE: u32 = u32::MAX;

const NANOS_PER_TICK: u32 = 1_000_000;

/// Later deadlines than this (some hundred million years) are cut down to it.
const LAST_TICK: u64 = 1 << 62;

#[cfg(test)]
mod tests;
