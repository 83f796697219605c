//! The bounded ring behind a transcript, and waiting for its entries.

use super::{Entry, Transcript, What};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The deadline passed, or the broker stopped, before the entry came.
#[derive(Clone, Debug, Error)]
#[error("{}; {seen} entries seen, the last ones:{}", self.reason(), self.tail())]
pub struct WaitError {
    /// Whether the broker was stopped (or else the deadline passed).
    pub stopped: bool,
    /// How long was waited.
    pub waited: Duration,
    /// How many matching entries were found before (for `wait_for_nth`).
    pub found: usize,
    /// How many entries were looked at.
    pub seen: u64,
    /// The last few entries, oldest first.
    pub last: Vec<Entry>,
}

impl WaitError {
    fn reason(&self) -> String {
        let what = if self.stopped {
            "the broker stopped"
        } else {
            "no such entry"
        };
        format!("{what} within {:?} ({} found)", self.waited, self.found)
    }

    fn tail(&self) -> String {
        self.last.iter().map(|e| format!("\n  {e}")).collect()
    }
}

/// The bounded ring behind a [`Transcript`]; clones share it.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    grown: Condvar,
}

#[derive(Debug)]
struct Ring {
    entries: VecDeque<Entry>,
    octets: usize,
    next: u64,
    waiters: usize,
    stopped: bool,
    max_entries: usize,
    max_octets: usize,
}

impl Journal {
    /// A ring for so many entries and so many octets of bodies.
    pub fn new(max_entries: usize, max_octets: usize) -> Self {
        let ring = Ring {
            entries: VecDeque::new(),
            octets: 0,
            next: 1,
            waiters: 0,
            stopped: false,
            max_entries: max_entries.max(1),
            max_octets,
        };
        Self(Arc::new(Shared {
            ring: Mutex::new(ring),
            grown: Condvar::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, at: Duration, conn: u64, what: What) {
        let mut ring = self.lock();
        let entry = Entry {
            seq: ring.next,
            at,
            conn,
            what,
        };
        log::trace!(target: "mock_broker", "{entry}");
        ring.next += 1;
        ring.octets += entry.weight();
        ring.entries.push_back(entry);
        while ring.entries.len() > ring.max_entries
            || (ring.octets > ring.max_octets && ring.entries.len() > 1)
        {
            let weight = ring.entries.pop_front().map_or(0, |e| e.weight());
            ring.octets -= weight;
        }
        if ring.waiters > 0 {
            self.0.grown.notify_all();
        }
    }

    /// A connection goes by another number now; so does its accept.
    pub(crate) fn renumber(&self, from: u64, to: u64) {
        let mut ring = self.lock();
        let accept = |e: &&mut Entry| e.conn == from && e.what == What::Tcp;
        if let Some(entry) = ring.entries.iter_mut().rev().find(accept) {
            entry.conn = to;
        }
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.0.grown.notify_all();
    }

    /// A copy of what is held now.
    pub fn snapshot(&self) -> Transcript {
        let ring = self.lock();
        let entries: Vec<Entry> = ring.entries.iter().cloned().collect();
        Transcript {
            dropped: ring.next - 1 - entries.len() as u64,
            entries,
        }
    }

    /// The entries from `seq` on: those that are held, or else the next ones
    /// that come. None come within `timeout`: nothing.
    ///
    /// # Errors
    /// [`WaitError`] when the broker stopped and there are no more.
    pub fn follow(&self, seq: u64, timeout: Duration) -> Result<Vec<Entry>, WaitError> {
        let begin = Instant::now();
        let mut ring = self.lock();
        loop {
            let skip = ring.skip_to(seq);
            let left = timeout.saturating_sub(begin.elapsed());
            if skip < ring.entries.len() || (left.is_zero() && !ring.stopped) {
                return Ok(ring.entries.iter().skip(skip).cloned().collect());
            }
            if ring.stopped {
                return Err(ring.give_up(begin.elapsed(), 0));
            }
            ring = self.sleep(ring, left);
        }
    }

    fn sleep<'a>(&self, mut ring: MutexGuard<'a, Ring>, left: Duration) -> MutexGuard<'a, Ring> {
        ring.waiters += 1;
        let woken = self.0.grown.wait_timeout(ring, left);
        let mut ring = woken.unwrap_or_else(PoisonError::into_inner).0;
        ring.waiters -= 1;
        ring
    }

    /// The `nth` entry (from 1) for which `pred` holds: looks at what is held,
    /// then waits for more, until the deadline.
    ///
    /// # Errors
    /// [`WaitError`] when the deadline passes or the broker stops first.
    pub fn wait_for_nth(
        &self,
        nth: usize,
        timeout: Duration,
        mut pred: impl FnMut(&Entry) -> bool,
    ) -> Result<Entry, WaitError> {
        let begin = Instant::now();
        let (mut seq, mut found) = (0, 0);
        let mut ring = self.lock();
        loop {
            let skip = ring.skip_to(seq);
            for entry in ring.entries.iter().skip(skip) {
                if pred(entry) {
                    found += 1;
                    if found >= nth.max(1) {
                        return Ok(entry.clone());
                    }
                }
            }
            seq = ring.next;
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() || ring.stopped {
                return Err(ring.give_up(begin.elapsed(), found));
            }
            ring = self.sleep(ring, left);
        }
    }
}

impl Ring {
    fn give_up(&self, waited: Duration, found: usize) -> WaitError {
        let skip = self.entries.len().saturating_sub(20);
        WaitError {
            stopped: self.stopped,
            waited,
            found,
            seen: self.next - 1,
            last: self.entries.iter().skip(skip).cloned().collect(),
        }
    }

    /// How many held entries come before `seq`.
    fn skip_to(&self, seq: u64) -> usize {
        let first = self.entries.front().map_or(self.next, |e| e.seq);
        usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_says_what_it_dropped() {
        let journal = Journal::new(3, 1 << 20);
        for i in 0..5 {
            journal.push(Duration::from_secs(i), i, What::Tcp);
        }
        let transcript = journal.snapshot();
        assert_eq!(transcript.dropped, 2);
        assert_eq!(
            transcript.iter().map(|e| e.seq).collect::<Vec<_>>(),
            [3, 4, 5]
        );
        assert_eq!(journal.follow(5, Duration::ZERO).unwrap().len(), 1);
        assert_eq!(journal.follow(6, Duration::ZERO).unwrap(), []);
    }

    #[test]
    fn waiting_scans_what_is_there_then_what_comes() {
        let journal = Journal::new(10, 1 << 20);
        journal.push(Duration::ZERO, 1, What::Tcp);
        assert!(
            journal
                .wait_for_nth(1, Duration::ZERO, |e| e.conn == 1)
                .is_ok()
        );
        let writer = journal.clone();
        let thread = std::thread::spawn(move || {
            writer.push(Duration::ZERO, 2, What::Tcp);
            writer.push(Duration::ZERO, 3, What::Tcp);
        });
        let third = journal
            .wait_for_nth(3, Duration::from_secs(10), |_| true)
            .unwrap();
        assert_eq!(third.conn, 3);
        thread.join().unwrap();
    }

    #[test]
    fn a_failed_wait_shows_the_last_entries() {
        let journal = Journal::new(10, 1 << 20);
        journal.push(Duration::ZERO, 1, What::Mark("x".to_owned()));
        let error = journal
            .wait_for_nth(1, Duration::ZERO, |_| false)
            .unwrap_err();
        assert!(error.to_string().contains("mark x"), "{error}");
        journal.stop();
        let error = journal
            .wait_for_nth(1, Duration::from_secs(9), |_| false)
            .unwrap_err();
        assert!(error.stopped);
    }
}
