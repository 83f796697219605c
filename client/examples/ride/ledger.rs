//! What was sent, and what came of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The books of one road.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    /// Calls that the broker confirmed.
    confirmed: BTreeSet<u64>,
    /// Calls whose fate the publisher does not know.
    doubtful: u64,
    /// How often each call arrived.
    received: BTreeMap<u64, u32>,
    last: Option<Instant>,
    longest_gap: Duration,
    rotations: u64,
    longest_suspension: Duration,
    connections: u64,
    conflicts: u64,
}

impl Ledger {
    pub(crate) fn confirmed(&self, call: u64) {
        self.books().confirmed.insert(call);
    }

    pub(crate) fn doubtful(&self) {
        self.books().doubtful += 1;
    }

    pub(crate) fn received(&self, call: u64) {
        let mut books = self.books();
        *books.received.entry(call).or_default() += 1;
        let now = Instant::now();
        if let Some(last) = books.last.replace(now) {
            books.longest_gap = books.longest_gap.max(now - last);
        }
    }

    pub(crate) fn rotated(&self, after: Duration) {
        let mut books = self.books();
        books.rotations += 1;
        books.longest_suspension = books.longest_suspension.max(after);
    }

    pub(crate) fn connected(&self) {
        self.books().connections += 1;
    }

    pub(crate) fn conflicted(&self) {
        self.books().conflicts += 1;
    }

    /// Different calls that have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.books().received.len()
    }

    pub(crate) fn rotations(&self) -> u64 {
        self.books().rotations
    }

    /// Sessions that came live again: the first of either client is none.
    pub(crate) fn reconnects(&self) -> u64 {
        self.books().connections.saturating_sub(2)
    }

    pub(crate) fn conflicts(&self) -> u64 {
        self.books().conflicts
    }

    /// Confirmed calls that have not arrived.
    pub(crate) fn missing(&self) -> usize {
        let books = self.books();
        let arrived = |call: &&u64| !books.received.contains_key(call);
        books.confirmed.iter().filter(arrived).count()
    }

    /// The table's row.
    pub(crate) fn report(&self, road: &'static str, violations: usize, close: Duration) -> Report {
        let lost = self.missing();
        let books = self.books();
        Report {
            road,
            sent: books.confirmed.len(),
            received: books.received.len(),
            duplicates: books.received.values().map(|n| n - 1).sum(),
            lost,
            doubtful: books.doubtful,
            rotations: books.rotations,
            longest_suspension: books.longest_suspension,
            reconnects: books.connections.saturating_sub(2),
            longest_gap: books.longest_gap,
            violations,
            close,
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How one road ended.
pub(crate) struct Report {
    pub(crate) road: &'static str,
    pub(crate) sent: usize,
    pub(crate) received: usize,
    /// Deliveries of a call that had arrived before: an acknowledgement that a
    /// drop overtook, or a publish that had to be repeated.
    pub(crate) duplicates: u32,
    pub(crate) lost: usize,
    pub(crate) doubtful: u64,
    pub(crate) rotations: u64,
    pub(crate) longest_suspension: Duration,
    pub(crate) reconnects: u64,
    pub(crate) longest_gap: Duration,
    /// Frames that reached the broker while the session was suspended.
    pub(crate) violations: usize,
    pub(crate) close: Duration,
}

impl Report {
    pub(crate) fn is_good(&self) -> bool {
        self.lost == 0 && self.doubtful == 0 && self.violations == 0 && self.sent > 0
    }
}
