//! The timer wheel beside the two ordered collections of std, with 10^3 to 10^6
//! timers in it.
//!
//! `cargo bench -p hobnail --bench wheel`

#![expect(clippy::disallowed_methods, reason = "a measurement has a clock")]

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashSet},
    time::{Duration, Instant},
};

use divan::{Bencher, black_box};
use hobnail::wheel::{TimerId, Wheel};

const MANY: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

const LONGEST: Duration = Duration::from_secs(60);

fn main() {
    divan::main();
}

/// What can be done with timers.
trait Timers {
    type Id;
    fn new(start: Instant) -> Self;
    fn insert(&mut self, at: Instant) -> Self::Id;
    fn cancel(&mut self, id: Self::Id);
    /// Whether there was one.
    fn expire(&mut self, now: Instant) -> bool;
}

impl Timers for Wheel<u64> {
    type Id = TimerId;
    fn new(start: Instant) -> Self {
        Self::new(start)
    }
    fn insert(&mut self, at: Instant) -> TimerId {
        self.insert(at, 0)
    }
    fn cancel(&mut self, id: TimerId) {
        self.cancel(id);
    }
    fn expire(&mut self, now: Instant) -> bool {
        self.expire(now).is_some()
    }
}

/// Timers by deadline and number.
#[derive(Default)]
struct Map {
    timers: BTreeMap<(Instant, u64), u64>,
    next: u64,
}

impl Timers for Map {
    type Id = (Instant, u64);
    fn new(_: Instant) -> Self {
        Self::default()
    }
    fn insert(&mut self, at: Instant) -> Self::Id {
        self.next += 1;
        self.timers.insert((at, self.next), 0);
        (at, self.next)
    }
    fn cancel(&mut self, id: Self::Id) {
        self.timers.remove(&id);
    }
    fn expire(&mut self, now: Instant) -> bool {
        let first = self.timers.first_entry();
        first.filter(|e| e.key().0 <= now).is_some_and(|e| {
            e.remove();
            true
        })
    }
}

/// A heap cannot take back: what is cancelled is passed over when it comes up.
#[derive(Default)]
struct Heap {
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
    cancelled: HashSet<u64>,
    next: u64,
}

impl Timers for Heap {
    type Id = u64;
    fn new(_: Instant) -> Self {
        Self::default()
    }
    fn insert(&mut self, at: Instant) -> u64 {
        self.next += 1;
        self.timers.push(Reverse((at, self.next)));
        self.next
    }
    fn cancel(&mut self, id: u64) {
        self.cancelled.insert(id);
        while let Some(Reverse((_, first))) = self.timers.peek() {
            if !self.cancelled.remove(first) {
                return;
            }
            self.timers.pop();
        }
    }
    fn expire(&mut self, now: Instant) -> bool {
        while let Some(Reverse((at, id))) = self.timers.peek().copied() {
            if at > now {
                return false;
            }
            self.timers.pop();
            if !self.cancelled.remove(&id) {
                return true;
            }
        }
        false
    }
}

/// Spans of up to a minute, the same in every run.
struct Spans(u64);

impl Spans {
    fn next(&mut self) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % LONGEST.as_micros() as u64)
    }
}

fn filled<T: Timers>(start: Instant, count: usize) -> (T, Spans) {
    let (mut timers, mut spans) = (T::new(start), Spans(7));
    for _ in 0..count {
        timers.insert(start + spans.next());
    }
    (timers, spans)
}

/// A receipt's deadline: set, and taken back when the receipt comes; a thousand
/// times, beside so many others.
#[divan::bench(types = [Wheel<u64>, Map, Heap], args = MANY, sample_count = 50, sample_size = 5)]
fn insert_and_cancel<T: Timers>(bencher: Bencher<'_, '_>, count: usize) {
    let start = Instant::now();
    let (mut timers, mut spans) = filled::<T>(start, count);
    bencher.counter(1_000_usize).bench_local(|| {
        for _ in 0..1_000 {
            let id = timers.insert(start + spans.next());
            timers.cancel(black_box(id));
        }
    });
}

/// All of them fire.
#[divan::bench(types = [Wheel<u64>, Map, Heap], args = MANY, sample_count = 5, sample_size = 1)]
fn expire<T: Timers>(bencher: Bencher<'_, '_>, count: usize) {
    let start = Instant::now();
    bencher
        .counter(count)
        .with_inputs(|| filled::<T>(start, count).0)
        .bench_local_values(|timers| fire_all(timers, start, count));
}

/// Their whole life: all are inserted, and all fire.
#[divan::bench(types = [Wheel<u64>, Map, Heap], args = MANY, sample_count = 3, sample_size = 1)]
fn insert_and_expire<T: Timers>(bencher: Bencher<'_, '_>, count: usize) {
    let start = Instant::now();
    bencher
        .counter(count)
        .bench_local(|| fire_all(filled::<T>(start, count).0, start, count));
}

/// About ten at each turn of a clock.
fn fire_all<T: Timers>(mut timers: T, start: Instant, count: usize) -> T {
    let turn = LONGEST / (count / 10) as u32;
    let (mut now, mut fired) = (start, 0);
    while fired < count {
        now += turn;
        while timers.expire(now) {
            fired += 1;
        }
    }
    timers
}
