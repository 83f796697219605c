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
//!
//! A timer that is cancelled leaves a dead item in its list, which is dealt out anew
//! when more than half of it is dead. So lists are only ever read from end to end: what
//! a timer costs does not depend on how many there are beside it, and that many more do
//! not fit into the caches.

mod list;

use std::{
    mem,
    time::{Duration, Instant},
};

use list::{Item, List, Pool};

/// Names one timer of one [`Wheel`]; of no use once the timer fired or was
/// cancelled, even when its place is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    tick: u64,
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
    lists: Box<[List]>,
    pool: Pool<T>,
    /// By the index of a timer: what its id must say. It goes on when the timer is
    /// gone, so that older ids do not fit.
    generations: Vec<u32>,
    /// The indices that no timer has.
    free: Vec<u32>,
}

impl<T: Copy> Wheel<T> {
    /// An empty wheel; `start` is its present.
    #[must_use]
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            tick: 0,
            occupied: [0; LEVELS],
            lists: vec![List::EMPTY; BEYOND + 1].into(),
            pool: Pool::EMPTY,
            generations: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Adds a timer; one whose deadline has passed fires at the next
    /// [`expire`](Self::expire). O(1).
    pub fn insert(&mut self, deadline: Instant, value: T) -> TimerId {
        let tick = self.tick_after(deadline).max(self.tick);
        let id = self.name(tick);
        self.link(Item { id, value });
        id
    }

    /// Takes a timer back; `false` if it fired or was cancelled. O(1) on average.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        if !self.is_live(id) {
            return false;
        }
        self.release(id);
        let nth = self.list_of(id.tick);
        let list = &mut self.lists[nth];
        list.dead += 1;
        if list.dead > list.len / 2 + SPARED {
            self.deal_out(nth);
        } else {
            self.settle(nth);
        }
        true
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

    /// When a timer with this deadline fires, if it is not late.
    pub(crate) fn rounded(&self, deadline: Instant) -> Option<Instant> {
        let tick = self.tick_after(deadline);
        self.start.checked_add(Duration::from_millis(tick))
    }

    /// The first timer whose deadline is not after `now`; to be called until
    /// there is none.
    pub fn expire(&mut self, now: Instant) -> Option<T> {
        let now = self.tick_before(now).max(self.tick);
        loop {
            match self.first() {
                Some(next) if next.tick <= now => {
                    self.tick = next.tick;
                    if next.list >= SLOTS {
                        self.deal_out(next.list);
                    } else if let Some(value) = self.fire(next.list) {
                        return Some(value);
                    }
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
        self.generations.len() - self.free.len()
    }

    /// Whether there is no timer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
        let beyond = &self.lists[BEYOND];
        (beyond.len != 0).then(|| Next {
            list: BEYOND,
            tick: ((self.tick >> RANGE_BITS) + 1) << RANGE_BITS,
        })
    }

    /// Takes the first item of a list; `None` if it was dead.
    fn fire(&mut self, nth: usize) -> Option<T> {
        let list = &mut self.lists[nth];
        let item = self.pool.pop(list)?;
        // Nothing of a timer is looked up where all live.
        let lives = list.dead == 0 || self.is_live(item.id);
        if lives {
            self.release(item.id);
        } else {
            self.lists[nth].dead -= 1;
        }
        self.settle(nth);
        lives.then_some(item.value)
    }

    /// Links every living timer of a list anew, as seen from the present tick. Their
    /// order is kept, so that equal ticks stay in the order of insertion.
    fn deal_out(&mut self, nth: usize) {
        let mut rest = mem::replace(&mut self.lists[nth], List::EMPTY);
        self.settle(nth);
        let all_live = rest.dead == 0;
        while let Some(item) = self.pool.pop(&mut rest) {
            if all_live || self.is_live(item.id) {
                self.link(item);
            }
        }
    }

    fn link(&mut self, item: Item<T>) {
        let nth = self.list_of(item.id.tick);
        self.pool.push(&mut self.lists[nth], item);
        if nth < BEYOND {
            self.occupied[nth / SLOTS] |= 1 << (nth % SLOTS);
        }
    }

    /// A list in which nothing lives is empty.
    fn settle(&mut self, nth: usize) {
        let list = &mut self.lists[nth];
        if list.len == list.dead {
            self.pool.clear(list);
            if nth < BEYOND {
                self.occupied[nth / SLOTS] &= !(1 << (nth % SLOTS));
            }
        }
    }

    fn is_live(&self, id: TimerId) -> bool {
        self.generations.get(id.index as usize) == Some(&id.generation)
    }

    /// Ends the life of a timer.
    fn release(&mut self, id: TimerId) {
        self.generations[id.index as usize] = id.generation.wrapping_add(1);
        self.free.push(id.index);
    }

    /// The id of a new timer.
    fn name(&mut self, tick: u64) -> TimerId {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = self.generations.len();
            assert!(index < NONE as usize, "more timers than a wheel can name");
            self.generations.push(0);
            index as u32
        });
        TimerId {
            tick,
            index,
            generation: self.generations[index as usize],
        }
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

/// So many dead items a list may hold beside as many as live.
const SPARED: u32 = 32;

/// No block.
const NONE: u32 = u32::MAX;

const NANOS_PER_TICK: u32 = 1_000_000;

/// Later deadlines than this (some hundred million years) are cut down to it.
const LAST_TICK: u64 = 1 << 62;

#[cfg(test)]
mod tests;
