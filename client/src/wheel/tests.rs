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

fn drain<T: Copy>(wheel: &mut Wheel<T>, now: Instant) -> Vec<T> {
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
                let expected = oracle.timers.remove(&key).is_some();
                assert_eq!(wheel.cancel(id), expected, "{}", place());
                assert!(!wheel.cancel(id), "{}", place());
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
    assert!(!wheel.cancel(first));
    let second = wheel.insert(start, 2);
    assert_eq!(second.index, first.index);
    assert!(!wheel.cancel(first));
    assert!(wheel.cancel(second));
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
    assert!(wheel.cancel(id));
    assert_eq!(wheel.expire(start + 50 * year - millis(1)), None);
    assert_eq!(wheel.expire(start + 50 * year), Some("fifty"));
}

#[test]
fn what_is_cancelled_costs_no_room_and_no_waking() {
    let start = start();
    let mut wheel = Wheel::new(start);
    let first = wheel.insert(start + millis(5000), 0);
    for nth in 1..100_000 {
        let id = wheel.insert(start + millis(5001), nth);
        assert!(wheel.cancel(id));
    }
    assert!(wheel.generations.len() <= 2);
    assert!(wheel.pool.blocks() <= 2 * SPARED as usize, "dead items");
    wheel.insert(start + millis(20_000), 100_000);
    assert!(wheel.cancel(first));
    assert!(wheel.next_deadline() > Some(start + millis(5001)));
    assert_eq!(drain(&mut wheel, start + millis(20_000)), [100_000]);
}

#[test]
fn a_thousand_that_fire_among_thousands_that_were_cancelled_fire_in_order() {
    let start = start();
    let mut wheel = Wheel::new(start);
    let ids: Vec<_> = (0..4000)
        .map(|nth| wheel.insert(start + millis(9000), nth))
        .collect();
    for id in ids.iter().filter(|id| id.index % 4 != 0) {
        wheel.cancel(*id);
    }
    let fired = drain(&mut wheel, start + millis(9000));
    assert!(fired.iter().copied().eq((0..4000).step_by(4)));
    assert!(wheel.is_empty());
}
