//! Many lives, each from a seed of its own, on all processors.
//!
//! `HOBNAIL_SEEDS=17` plays one of them again, `HOBNAIL_SEEDS=1..100001` many.

use std::{
    ops::{AddAssign, Range},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::pair::Pair;

/// What lives came to, one or many.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) lives: u64,
    pub(super) sessions: u64,
    pub(super) rebinds: u64,
    pub(super) rotations: u64,
    pub(super) suspensions: u64,
    /// Calls that ended well.
    pub(super) well: u64,
    pub(super) badly: u64,
    /// Virtual time.
    lasted: Duration,
}

impl Tally {
    pub(super) fn of(pair: &Pair, suspensions: u64) -> Self {
        let answers = pair.app.calls.iter().map(|call| &call.answer);
        let well = answers
            .clone()
            .filter(|answer| matches!(answer, Some((_, Ok(_)))));
        Self {
            lives: 1,
            sessions: pair.core.metrics.connections,
            rebinds: pair.core.metrics.rebinds,
            rotations: pair.core.metrics.rotations,
            suspensions,
            well: well.clone().count() as u64,
            badly: (answers.count() - well.count()) as u64,
            lasted: pair.now,
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.lives += other.lives;
        self.sessions += other.sessions;
        self.rebinds += other.rebinds;
        self.rotations += other.rotations;
        self.suspensions += other.suspensions;
        self.well += other.well;
        self.badly += other.badly;
        self.lasted += other.lasted;
    }
}

/// The seeds that were asked for, if any were.
pub(super) fn asked() -> Option<Range<u64>> {
    let text = std::env::var("HOBNAIL_SEEDS").ok()?;
    let number = |text: &str| {
        text.parse::<u64>()
            .expect("HOBNAIL_SEEDS=FROM..TO or =SEED")
    };
    Some(match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => number(&text)..number(&text) + 1,
    })
}

/// Plays a life for each seed: those asked for, or the usual ones. The first that
/// breaks a law ends all, and says how to play it again.
#[allow(
    clippy::disallowed_methods,
    reason = "how fast it goes is measured by a clock"
)]
pub(super) fn play(test: &str, usual: Range<u64>, life: impl Fn(u64) -> Tally + Sync) -> Tally {
    let seeds = asked().unwrap_or(usual);
    let next = AtomicU64::new(seeds.start);
    let failed = AtomicBool::new(false);
    let sum = Mutex::new(Tally::default());
    let began = Instant::now();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let witness = Witness {
                test,
                seed,
                failed: &failed,
            };
            let tally = life(seed);
            drop(witness);
            let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
            *sum += tally;
            if sum.lives % 10_000 == 0 {
                report(test, &seeds, *sum, began.elapsed());
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let sum = *sum.lock().unwrap_or_else(PoisonError::into_inner);
    report(test, &seeds, sum, began.elapsed());
    sum
}

fn report(test: &str, seeds: &Range<u64>, t: Tally, took: Duration) {
    println!(
        "{test}: {} lives of seeds {}..{}, {} sessions in {:.1} s: {:.0} sessions/s; \
         {} rebinds, {} suspensions, {} rotations, {} calls well, {} badly, \
         {:.1} days of virtual time",
        t.lives,
        seeds.start,
        seeds.end,
        t.sessions,
        took.as_secs_f64(),
        t.sessions as f64 / took.as_secs_f64(),
        t.rebinds,
        t.suspensions,
        t.rotations,
        t.well,
        t.badly,
        t.lasted.as_secs_f64() / 86_400.0,
    );
}

/// Tells of a life that failed how to see it again.
struct Witness<'a> {
    test: &'a str,
    seed: u64,
    failed: &'a AtomicBool,
}

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.failed.store(true, Ordering::Relaxed);
            eprintln!(
                "seed {seed} failed; again: HOBNAIL_SEEDS={seed} cargo test -p hobnail --lib {test}",
                seed = self.seed,
                test = self.test,
            );
        }
    }
}
