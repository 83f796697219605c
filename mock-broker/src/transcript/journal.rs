//! The bounded ring behind a transcript, and waiting for its entries.

use super::ring::{For, Kept, Ring};
use super::{Entry, Transcript, What};
use crate::engine::Delivery;
use crate::wire::Frame;
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

/// What [`Journal::follow_events`] saw.
#[derive(Clone, Debug)]
pub struct Events {
    /// The number of the first entry that was still held; those before it were
    /// dropped unseen.
    pub first: u64,
    /// The entries other than frames.
    pub entries: Vec<Entry>,
    /// The number of the entry to go on from.
    pub next: u64,
}

impl Journal {
    /// A ring for so many entries and so many octets of bodies.
    pub fn new(max_entries: usize, max_octets: usize) -> Self {
        let ring = Ring::new(max_entries, max_octets);
        Self(Arc::new(Shared {
            ring: Mutex::new(ring),
            grown: Condvar::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, at: Duration, conn: u64, what: What) {
        if let What::Recv(frame) = &what {
            self.push_recv(at, conn, frame);
        } else if let What::Sent(frame) = &what {
            self.push_sent(at, conn, frame);
        } else {
            self.lock().event(at, conn, what);
            self.wake();
        }
    }

    /// Tells those who wait of the frames that came and were sent: there may be
    /// so many that each alone is not worth it.
    pub(crate) fn wake(&self) {
        let mut ring = self.lock();
        if std::mem::take(&mut ring.owed) {
            self.0.grown.notify_all();
        }
    }

    /// A frame came.
    pub(crate) fn push_recv(&self, at: Duration, conn: u64, frame: &Frame) {
        self.lock().recv(at, conn, frame);
    }

    /// A frame was sent.
    pub(crate) fn push_sent(&self, at: Duration, conn: u64, frame: &Frame) {
        self.lock().sent(at, conn, frame);
    }

    /// A frame that is shared was sent.
    pub(crate) fn push_delivery(&self, at: Duration, conn: u64, delivery: &Delivery) {
        self.lock().delivered(at, conn, delivery);
    }

    /// The number of the next entry.
    pub(crate) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Held entries from one number up to another, of about so many octets,
    /// but at least one; and how many of those asked for are gone.
    pub(crate) fn range(&self, from: u64, to: u64, octets: usize) -> (Vec<Entry>, u64) {
        let ring = self.lock();
        let first = ring.entries.front().map_or(ring.next, Kept::seq);
        let mut room = octets;
        let entries = ring.entries.iter().skip(ring.skip_to(from));
        let entries = entries
            .take_while(|e| {
                let fits = room > 0 && e.seq() < to;
                room = room.saturating_sub(e.weight());
                fits
            })
            .map(|kept| ring.told(kept))
            .collect();
        (entries, first.min(to).saturating_sub(from.max(1)))
    }

    /// A connection goes by another number now; so does its accept.
    pub(crate) fn renumber(&self, from: u64, to: u64) {
        let mut ring = self.lock();
        let accept = |kept: &mut Kept| match kept {
            Kept::Event(entry) if entry.conn == from && entry.what == What::Tcp => {
                entry.conn = to;
                true
            }
            Kept::Event(_) | Kept::Recv(..) | Kept::Sent(..) => false,
        };
        ring.entries.iter_mut().rev().any(accept);
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.0.grown.notify_all();
    }

    /// A copy of what is held now.
    pub fn snapshot(&self) -> Transcript {
        let ring = self.lock();
        let entries = ring.told_from(0);
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
                return Ok(ring.told_from(skip));
            }
            if ring.stopped {
                return Err(ring.give_up(begin.elapsed(), 0));
            }
            ring = self.sleep(ring, left, For::Anything);
        }
    }

    /// The same without the frames that came and were sent, of which there may
    /// be many more than can be looked at.
    ///
    /// # Errors
    /// [`WaitError`] when the broker stopped and there are no more.
    pub fn follow_events(&self, seq: u64, timeout: Duration) -> Result<Events, WaitError> {
        let begin = Instant::now();
        let mut ring = self.lock();
        loop {
            let left = timeout.saturating_sub(begin.elapsed());
            let some = ring.events.back().is_some_and(|last| *last >= seq);
            if some || (left.is_zero() && !ring.stopped) {
                let skip = ring.events.partition_point(|event| *event < seq);
                let event = |seq: &u64| match ring.entries.get(ring.skip_to(*seq)) {
                    Some(Kept::Event(entry)) => Some(Entry::clone(entry)),
                    Some(Kept::Recv(..) | Kept::Sent(..)) | None => None,
                };
                let first = ring.entries.get(ring.skip_to(seq));
                return Ok(Events {
                    first: first.map_or(ring.next, Kept::seq),
                    entries: ring.events.iter().skip(skip).filter_map(event).collect(),
                    next: ring.next,
                });
            }
            if ring.stopped {
                return Err(ring.give_up(begin.elapsed(), 0));
            }
            ring = self.sleep(ring, left, For::Events);
        }
    }

    fn sleep<'a>(
        &self,
        mut ring: MutexGuard<'a, Ring>,
        left: Duration,
        what: For,
    ) -> MutexGuard<'a, Ring> {
        *ring.waiting(what) += 1;
        let woken = self.0.grown.wait_timeout(ring, left);
        let mut ring = woken.unwrap_or_else(PoisonError::into_inner).0;
        *ring.waiting(what) -= 1;
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
            for entry in ring.entries.iter().skip(skip).map(|kept| ring.entry(kept)) {
                if pred(&entry) {
                    found += 1;
                    if found >= nth.max(1) {
                        return Ok(entry.into_owned());
                    }
                }
            }
            seq = ring.next;
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() || ring.stopped {
                return Err(ring.give_up(begin.elapsed(), found));
            }
            ring = self.sleep(ring, left, For::Anything);
        }
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
