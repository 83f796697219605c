//! The bounded ring: entries in order, and who is to be told of them.

use super::journal::WaitError;
use super::store::{Place, Store, pack, packed_size, unpack};
use super::{Entry, What, frame_weight};
use crate::engine::{Delivery, Label};
use crate::wire::Frame;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// An entry as it is kept: a frame is put together again when somebody looks.
#[derive(Debug)]
pub(super) enum Kept {
    /// What is no frame.
    Event(Box<Entry>),
    Recv(Stamp, Place),
    /// With the header that is not shared with others.
    Sent(Stamp, Place, Option<Arc<Label>>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    seq: u64,
    at: Duration,
    conn: u64,
    weight: usize,
}

impl Stamp {
    fn entry(self, what: What) -> Entry {
        let Self { seq, at, conn, .. } = self;
        Entry {
            seq,
            at,
            conn,
            what,
        }
    }
}

impl Kept {
    pub(super) fn seq(&self) -> u64 {
        match self {
            Self::Event(entry) => entry.seq,
            Self::Recv(stamp, _) | Self::Sent(stamp, ..) => stamp.seq,
        }
    }

    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Event(entry) => entry.weight(),
            Self::Recv(stamp, _) | Self::Sent(stamp, ..) => stamp.weight,
        }
    }
}

#[derive(Debug)]
pub(super) struct Ring {
    pub(super) entries: VecDeque<Kept>,
    /// The numbers of those that are no frames.
    pub(super) events: VecDeque<u64>,
    /// The frames' octets.
    store: Store,
    /// The message that was sent last, and where it is.
    shared: Option<(u64, Place)>,
    octets: usize,
    pub(super) next: u64,
    /// Who wait for anything.
    waiters: usize,
    /// Who wait for what is no frame.
    event_waiters: usize,
    /// They were not yet told of what came.
    pub(super) owed: bool,
    pub(super) stopped: bool,
    max_entries: usize,
    max_octets: usize,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Anything,
    Events,
}

impl Ring {
    pub(super) fn new(max_entries: usize, max_octets: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            events: VecDeque::new(),
            store: Store::default(),
            shared: None,
            octets: 0,
            next: 1,
            waiters: 0,
            event_waiters: 0,
            owed: false,
            stopped: false,
            max_entries: max_entries.max(1),
            max_octets,
        }
    }

    /// A frame came.
    pub(super) fn recv(&mut self, at: Duration, conn: u64, frame: &Frame) {
        let (weight, place) = self.put(frame);
        let stamp = self.stamp(at, conn, weight);
        self.keep(Kept::Recv(stamp, place));
    }

    /// A frame was sent.
    pub(super) fn sent(&mut self, at: Duration, conn: u64, frame: &Frame) {
        let (weight, place) = self.put(frame);
        let stamp = self.stamp(at, conn, weight);
        self.keep(Kept::Sent(stamp, place, None));
    }

    /// A frame that is shared was sent.
    pub(super) fn delivered(&mut self, at: Duration, conn: u64, delivery: &Delivery) {
        let place = self.put_shared(delivery);
        let stamp = self.stamp(at, conn, frame_weight(delivery.len()));
        self.keep(Kept::Sent(stamp, place, Some(delivery.label())));
    }

    /// Something happened that is no frame.
    pub(super) fn event(&mut self, at: Duration, conn: u64, what: What) {
        let stamp = self.stamp(at, conn, 0);
        self.keep(Kept::Event(Box::new(stamp.entry(what))));
    }

    pub(super) fn waiting(&mut self, what: For) -> &mut usize {
        match what {
            For::Anything => &mut self.waiters,
            For::Events => &mut self.event_waiters,
        }
    }

    pub(super) fn entry<'a>(&self, kept: &'a Kept) -> Cow<'a, Entry> {
        match kept {
            Kept::Event(entry) => Cow::Borrowed(entry),
            Kept::Recv(stamp, place) => {
                let frame = unpack(self.store.get(*place));
                Cow::Owned(stamp.entry(What::Recv(frame)))
            }
            Kept::Sent(stamp, place, label) => {
                let mut frame = unpack(self.store.get(*place));
                if let Some(label) = label {
                    label.put_on(&mut frame);
                }
                Cow::Owned(stamp.entry(What::Sent(frame)))
            }
        }
    }

    pub(super) fn told(&self, kept: &Kept) -> Entry {
        self.entry(kept).into_owned()
    }

    pub(super) fn told_from(&self, skip: usize) -> Vec<Entry> {
        let entries = self.entries.iter().skip(skip);
        entries.map(|kept| self.told(kept)).collect()
    }

    pub(super) fn give_up(&self, waited: Duration, found: usize) -> WaitError {
        let skip = self.entries.len().saturating_sub(20);
        WaitError {
            stopped: self.stopped,
            waited,
            found,
            seen: self.next - 1,
            last: self.told_from(skip),
        }
    }

    /// How many held entries come before `seq`.
    pub(super) fn skip_to(&self, seq: u64) -> usize {
        let first = self.entries.front().map_or(self.next, Kept::seq);
        usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX)
    }

    fn stamp(&self, at: Duration, conn: u64, weight: usize) -> Stamp {
        Stamp {
            seq: self.next,
            at,
            conn,
            weight,
        }
    }

    /// Puts a frame into the store; says what its entry weighs, too.
    fn put(&mut self, frame: &Frame) -> (usize, Place) {
        // The store may let go of what was shared.
        self.shared = None;
        let octets = frame.octets();
        let size = packed_size(frame.command.len() + octets, frame.headers.len());
        let place = self.store.put(size, |out| {
            let headers = frame.headers.iter();
            let headers = headers.map(|(n, v)| (n.as_bytes(), v.as_bytes()));
            pack(&frame.command, headers, &frame.body, out);
        });
        (frame_weight(octets), place)
    }

    /// The same for what all deliveries of a message share: once for those
    /// that follow each other.
    fn put_shared(&mut self, delivery: &Delivery) -> Place {
        let no = delivery.message_no();
        if let Some((_, place)) = self.shared.filter(|(last, _)| *last == no) {
            return place;
        }
        let size = delivery.packed_size();
        let place = self.store.put(size, |out| delivery.pack(out));
        self.shared = Some((no, place));
        place
    }

    fn keep(&mut self, kept: Kept) {
        if log::log_enabled!(target: "mock_broker", log::Level::Trace) {
            log::trace!(target: "mock_broker", "{}", self.entry(&kept));
        }
        let is_event = matches!(kept, Kept::Event(_));
        if is_event {
            self.events.push_back(self.next);
        }
        self.next += 1;
        self.octets += kept.weight();
        self.entries.push_back(kept);
        while self.entries.len() > self.max_entries
            || (self.octets > self.max_octets && self.entries.len() > 1)
        {
            self.drop_oldest();
        }
        self.owed |= self.waiters > 0 || (is_event && self.event_waiters > 0);
    }

    fn drop_oldest(&mut self) {
        let Some(kept) = self.entries.pop_front() else {
            return;
        };
        self.octets -= kept.weight();
        match kept {
            Kept::Event(_) => {
                self.events.pop_front();
            }
            Kept::Recv(_, place) | Kept::Sent(_, place, _) => self.store.forget_before(place),
        }
    }
}
