//! What waits to leave, bounded by octets and by count.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    io::{Key, Outgoing},
    operations::ReceiptId,
};

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
        receipt: ReceiptId,
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
}

impl Outbox {
    pub(super) fn new(max_octets: usize, max_entries: usize) -> Self {
        Self {
            urgent: VecDeque::new(),
            lane: VecDeque::new(),
            octets: 0,
            max_octets,
            max_entries,
        }
    }

    /// Whether a frame of `size` octets may enter now. One may always enter an
    /// empty outbox.
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.lane.len() < self.max_entries
            && (self.octets == 0 || self.octets.saturating_add(size) <= self.max_octets)
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

    pub(super) fn is_empty(&self) -> bool {
        self.lane.is_empty() && self.urgent.is_empty()
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
