//! What waits to leave, bounded by octets and by count.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;

use super::{
    io::{Key, Outgoing},
    operations::ReceiptId,
};
use crate::metrics::Depth;

/// One thing that waits to leave.
#[derive(Debug)]
pub(super) enum Entry {
    /// An encoded frame of the application.
    Frame(Outgoing),
    /// SUBSCRIBE; written when it leaves.
    Subscribe(Key),
    /// UNSUBSCRIBE; written when it leaves.
    Unsubscribe {
        id: String,
        headers: Vec<(String, String)>,
        /// None if nobody waits.
        receipt: Option<ReceiptId>,
        /// The connection on which there is something to end.
        epoch: u64,
    },
}

impl Entry {
    /// Whether nobody would learn that it never left.
    pub(super) fn is_silent(&self) -> bool {
        match self {
            Self::Frame(outgoing) => outgoing.receipt.is_none(),
            Self::Subscribe(_) | Self::Unsubscribe { .. } => false,
        }
    }
}

/// Two lanes: the session's own frames overtake the application's.
#[derive(Debug)]
pub(super) struct Outbox {
    urgent: VecDeque<Bytes>,
    lane: VecDeque<Entry>,
    octets: usize,
    max_octets: usize,
    max_entries: usize,
    /// When the first of the lane came to its front, if it waits.
    since: Option<Instant>,
    high: (usize, usize),
}

impl Outbox {
    pub(super) fn new(max_octets: usize, max_entries: usize) -> Self {
        Self {
            urgent: VecDeque::new(),
            lane: VecDeque::new(),
            octets: 0,
            max_octets,
            max_entries,
            since: None,
            high: (0, 0),
        }
    }

    /// Whether so many frames, together of `size` octets, may enter now, beside
    /// `held` octets that have left but may come back. One may always enter if
    /// there are none.
    pub(super) fn has_room(&self, frames: usize, size: usize, held: usize) -> bool {
        let octets = self.octets.saturating_add(held);
        let is_first = octets == 0 && frames <= 1;
        self.lane.len() + frames <= self.max_entries
            && (is_first || octets.saturating_add(size) <= self.max_octets)
    }

    /// Whether nothing waits, of the application or of the session.
    pub(super) fn is_clear(&self) -> bool {
        self.lane.is_empty() && self.urgent.is_empty()
    }

    /// How many entries of the application wait.
    pub(super) fn len(&self) -> usize {
        self.lane.len()
    }

    /// How many of them nobody waits for.
    pub(super) fn silent(&self) -> usize {
        self.lane.iter().filter(|entry| entry.is_silent()).count()
    }

    pub(super) fn push_urgent(&mut self, octets: Bytes) {
        self.urgent.push_back(octets);
    }

    pub(super) fn pop_urgent(&mut self) -> Option<Bytes> {
        self.urgent.pop_front()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.octets += size(&entry);
        self.lane.push_back(entry);
        self.high.0 = self.high.0.max(self.lane.len());
        self.high.1 = self.high.1.max(self.octets);
    }

    /// As [`push`](Self::push); the wait begins now if nothing waits.
    pub(super) fn push_at(&mut self, now: Instant, entry: Entry) {
        if self.lane.is_empty() {
            self.since = Some(now);
        }
        self.push(entry);
    }

    /// Something left: whatever else waits has done so since now.
    pub(super) fn moved(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// Since when nothing of what waits has left.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.since.filter(|_| !self.lane.is_empty())
    }

    pub(super) fn depth(&self) -> Depth {
        Depth {
            messages: self.lane.len(),
            octets: self.octets,
            high_messages: self.high.0,
            high_octets: self.high.1,
            ..Depth::default()
        }
    }

    /// Puts back what left on a connection that was lost, before all else.
    pub(super) fn push_front(&mut self, entry: Entry) {
        self.octets += size(&entry);
        self.lane.push_front(entry);
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.lane.pop_front()?;
        self.octets -= size(&entry);
        Some(entry)
    }

    pub(super) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// Drops the frames that will never leave, in whatever state the session
    /// is. Returns how many of them nobody waits for, and when the next one
    /// ends. `is_over` says whether the call that a receipt belongs to is over.
    ///
    /// What belongs to a transaction stays until its turn: that it did not
    /// leave must be noticed after BEGIN and before COMMIT.
    pub(super) fn sweep(
        &mut self,
        now: Instant,
        is_over: impl Fn(ReceiptId) -> bool,
    ) -> (u64, Option<Instant>) {
        let (mut silent, mut next) = (0, None::<Instant>);
        let octets = &mut self.octets;
        self.lane.retain(|entry| {
            let Entry::Frame(frame) = entry else {
                return true;
            };
            if frame.transaction.is_some() {
                return true;
            }
            // Whether it is the call that ends first or the frame.
            let dead = frame.deadline <= now || frame.receipt.is_some_and(&is_over);
            if dead {
                *octets -= frame.octets.len();
                silent += u64::from(frame.receipt.is_none());
            } else {
                next = Some(next.map_or(frame.deadline, |next| next.min(frame.deadline)));
            }
            !dead
        });
        (silent, next)
    }

    /// Whatever was asked for on the present connection without an answer was
    /// never done: there is nothing to take back.
    pub(super) fn forget_abandoned(&mut self) {
        self.lane
            .retain(|entry| !matches!(entry, Entry::Unsubscribe { receipt: None, .. }));
    }

    /// The connection is gone: what the session itself wanted to say is void.
    pub(super) fn clear_urgent(&mut self) {
        self.urgent.clear();
    }
}

fn size(entry: &Entry) -> usize {
    match entry {
        Entry::Frame(outgoing) => outgoing.octets.len(),
        Entry::Subscribe(_) | Entry::Unsubscribe { .. } => 0,
    }
}
