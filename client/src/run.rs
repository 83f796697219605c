//! Frames on their way from many callers to the reactor, one after another in the
//! same memory.

use std::{collections::VecDeque, sync::Arc};

use crate::{core::Passing, slot::Slot};

/// SENDs that may pass, in their order.
#[derive(Default)]
pub(crate) struct Run {
    octets: Vec<u8>,
    frames: VecDeque<Written>,
    /// How much of `octets` was taken.
    taken: usize,
}

/// A frame of a run.
pub(crate) struct Written {
    pub(crate) frame: Passing,
    /// Where its answer will appear.
    pub(crate) slot: Option<Arc<Slot>>,
    /// Octets before its body.
    head: usize,
}

impl Run {
    /// A run of one frame.
    pub(crate) fn of(frame: Passing, head: &[u8], body: &[u8], slot: Option<&Arc<Slot>>) -> Self {
        let mut run = Self {
            octets: Vec::with_capacity(frame.size),
            ..Self::default()
        };
        run.push(frame, head, body, slot);
        run
    }

    /// Adds a frame: `head`, `body` and a NUL.
    pub(crate) fn push(
        &mut self,
        frame: Passing,
        head: &[u8],
        body: &[u8],
        slot: Option<&Arc<Slot>>,
    ) {
        for part in [head, body, b"\0"] {
            self.octets.extend_from_slice(part);
        }
        self.frames.push_back(Written {
            frame,
            slot: slot.map(Arc::clone),
            head: head.len(),
        });
    }

    /// Octets that were not taken.
    pub(crate) fn len(&self) -> usize {
        self.octets.len() - self.taken
    }

    /// The first frame, with what stands before its body, and its body.
    pub(crate) fn front(&self) -> Option<(&Written, &[u8], &[u8])> {
        let first = self.frames.front()?;
        let octets = &self.octets[self.taken..self.taken + first.frame.size - 1];
        let (head, body) = octets.split_at(first.head);
        Some((first, head, body))
    }

    /// Takes the first frame away.
    pub(crate) fn pop(&mut self) -> Option<Written> {
        let first = self.frames.pop_front()?;
        self.taken += first.frame.size;
        Some(first)
    }

    /// Whether another frame of so many octets belongs here.
    pub(crate) fn takes(&self, size: usize) -> bool {
        self.octets.len() + size <= Self::LONG
    }

    /// The memory of a run that was taken, for another.
    pub(crate) fn recycle(mut self) -> Option<Self> {
        self.octets.clear();
        self.frames.clear();
        self.taken = 0;
        (self.octets.capacity() <= Self::LONG).then_some(self)
    }

    /// A run that is longer gets no more frames.
    pub(crate) const LONG: usize = 64 << 10;
}
