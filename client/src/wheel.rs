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
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What the wheel must do, in the simplest way: an ordered map.
    struct Oracle {
        timers: BTreeMap<(u64, u64), ()>,
        tick: u64,
        inserted: u64,
    }

    impl Oracle {
        fn insert(&mut self, tick: u64) -> (u64, u64) {
            let key = (tick.max(self.tick), self.inserted);
            self.inserted += 1;
            self.timers.insert(key, ());
            key
        }

        fn expire(&mut self, now: u64) -> Option<u64> {
            let due = self.timers.first_entry();
            let Some(due) = due.filter(|timer| timer.key().0 <= now) else {
                self.tick = now;
                return None;
            };
            let ((tick, seq), ()) = due.remove_entry();
            self.tick = tick;
            Some(seq)
        }
    }

    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, bound: u64) -> u64 {
            self.next() % bound
        }

        /// A span in microseconds: of every order of magnitude, and often one
        /// that ends near the border of a slot.
        fn span(&mut self) -> u64 {
            let bits = self.below(RANGE_BITS.into()) as u32;
            let millis = match self.below(8) {
                0 => 0,
                1 => (1 << bits) - self.below(2),
                2 => (1 << RANGE_BITS) + self.below(1 << 38),
                _ => self.below(1 << bits.min(20)),
            };
            millis * 1000 + self.below(3) * 333
        }
    }

    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn start() -> Instant {
        Instant::now()
    }

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn drain<T>(wheel: &mut Wheel<T>, now: Instant) -> Vec<T> {
        std::iter::from_fn(|| wheel.expire(now)).collect()
    }

    #[test]
    fn a_million_random_operations_agree_with_an_ordered_map() {
        for seed in [1, 0x9e37_79b9_7f4a_7c15, 0xdead_beef, 0x0123_4567_89ab_cdef] {
            agrees_with_the_oracle(seed, 250_000);
        }
    }

    fn agrees_with_the_oracle(seed: u64, operations: usize) {
        let start = start();
        let mut random = Random(seed);
        let mut wheel = Wheel::new(start);
        let mut oracle = Oracle {
            timers: BTreeMap::new(),
            tick: 0,
            inserted: 0,
        };
        let mut ids = Vec::new();
        let mut now = 0u64;
        for nth in 0..operations {
            let place = || format!("seed {seed:#x}, operation {nth}");
            match random.below(20) {
                0..8 => {
                    // One in eight is in the past.
                    let past = random.below(8) == 0;
                    let deadline = if past {
                        now.saturating_sub(random.below(5000))
                    } else {
                        now + random.span()
                    };
                    let key = oracle.insert(deadline.div_ceil(1000));
                    let id = wheel.insert(start + Duration::from_micros(deadline), key.1);
                    ids.push((id, key));
                }
                8..12 if !ids.is_empty() => {
                    let chosen = random.below(ids.len() as u64) as usize;
                    let (id, key) = ids.swap_remove(chosen);
                    let expected = oracle.timers.remove(&key).map(|()| key.1);
                    assert_eq!(wheel.cancel(id), expected, "{}", place());
                    assert_eq!(wheel.cancel(id), None, "{}", place());
                }
                kind => {
                    match (kind, wheel.next_deadline()) {
                        (18, Some(next)) => now = now.max((next - start).as_micros() as u64),
                        (19, _) if random.below(16) == 0 => now += random.span(),
                        (19, _) => now += random.below(1 << 27),
                        _ => now += random.below(3000),
                    }
                    // Sometimes only a few are taken, and others come between.
                    let most = if kind == 17 { 2 } else { usize::MAX };
                    for _ in 0..most {
                        let fired = wheel.expire(start + Duration::from_micros(now));
                        assert_eq!(fired, oracle.expire(now / 1000), "{}", place());
                        if fired.is_none() {
                            break;
                        }
                    }
                }
            }
            assert_eq!(wheel.len(), oracle.timers.len(), "{}", place());
            let next = wheel.next_deadline();
            let first = oracle.timers.first_key_value();
            let first = first.map(|((tick, _), ())| start + millis(*tick));
            assert_eq!(next.is_none(), first.is_none(), "{}", place());
            assert!(next <= first, "late: {}", place());
        }
        assert!(oracle.inserted > operations as u64 / 3, "seed {seed:#x}");
    }

    #[test]
    fn jumping_from_deadline_to_deadline_reaches_every_timer() {
        let start = start();
        let mut random = Random(7);
        let mut wheel = Wheel::new(start);
        for _ in 0..2000 {
            wheel.insert(start + Duration::from_micros(random.span()), ());
        }
        let mut jumps = 0;
        let mut before = None;
        while let Some(next) = wheel.next_deadline() {
            assert!(before < Some(next), "no progress");
            before = Some(next);
            drain(&mut wheel, next);
            jumps += 1;
        }
        assert!(wheel.is_empty());
        assert!(jumps <= 2000 * (LEVELS + 2), "{jumps} jumps");
    }

    #[test]
    fn equal_deadlines_fire_in_the_order_of_insertion_across_levels() {
        let start = start();
        let mut wheel = Wheel::new(start);
        let deadline = start + millis(5000);
        for (nth, now) in [0, 1000, 4096, 4990, 5000].into_iter().enumerate() {
            assert_eq!(wheel.expire(start + millis(now.min(4999))), None);
            wheel.insert(deadline, nth);
        }
        assert_eq!(drain(&mut wheel, deadline), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_deadline_is_rounded_up_and_a_past_one_fires_at_once() {
        let start = start();
        let mut wheel = Wheel::new(start);
        wheel.insert(start + Duration::from_micros(1500), "later");
        assert_eq!(wheel.next_deadline(), Some(start + millis(2)));
        assert_eq!(wheel.expire(start + Duration::from_micros(1999)), None);
        wheel.insert(start, "past");
        assert_eq!(
            wheel.expire(start + Duration::from_micros(1999)),
            Some("past")
        );
        assert_eq!(wheel.expire(start + millis(2)), Some("later"));
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn an_id_is_of_no_use_when_its_place_is_used_again() {
        let start = start();
        let mut wheel = Wheel::new(start);
        let first = wheel.insert(start, 1);
        assert_eq!(wheel.expire(start), Some(1));
        assert_eq!(wheel.cancel(first), None);
        let second = wheel.insert(start, 2);
        assert_eq!(second.index, first.index);
        assert_eq!(wheel.cancel(first), None);
        assert_eq!(wheel.cancel(second), Some(2));
        assert_eq!(wheel.len(), 0);
    }

    #[test]
    fn a_deadline_beyond_the_levels_is_kept() {
        let start = start();
        let mut wheel = Wheel::new(start);
        let year = Duration::from_secs(365 * 24 * 3600);
        let id = wheel.insert(start + 7 * year, "seven");
        wheel.insert(start + 50 * year, "fifty");
        assert_eq!(wheel.expire(start + 6 * year), None);
        assert_eq!(wheel.cancel(id), Some("seven"));
        assert_eq!(wheel.expire(start + 50 * year - millis(1)), None);
        assert_eq!(wheel.expire(start + 50 * year), Some("fifty"));
    }
}
