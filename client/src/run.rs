//! Frames on their way from many callers to the reactor, one after another in the
//! same memory.

use std::{collections::VecDeque, sync::Arc};

use crate::{core::Passing, slot::Slot};

/// A SEND that may pass, as its caller has it: `head`, `body` and a NUL.
#[derive(Clone, Copy)]
pub(crate) struct Letter<'a> {
    pub(crate) frame: &'a Passing,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
    /// Where its answer will appear.
    pub(crate) slot: Option<&'a Arc<Slot>>,
}

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
    pub(crate) fn of(letter: &Letter<'_>) -> Self {
        let mut run = Self {
            octets: Vec::with_capacity(letter.frame.size),
            ..Self::default()
        };
        run.push(letter);
        run
    }

    /// Adds a frame.
    pub(crate) fn push(&mut self, letter: &Letter<'_>) {
        if self.octets.capacity() - self.octets.len() < letter.frame.size {
            self.grow(letter.frame.size);
        }
        for part in [letter.head, letter.body, b"\0"] {
            self.octets.extend_from_slice(part);
        }
        self.frames.push_back(Written {
            frame: *letter.frame,
            slot: letter.slot.map(Arc::clone),
            head: letter.head.len(),
        });
    }

    /// Not beyond what a run holds: one that is larger would not be used again.
    #[cold]
    fn grow(&mut self, size: usize) {
        let least = self.octets.len() + size;
        let wanted = (2 * self.octets.capacity()).min(Self::LONG).max(least);
        self.octets.reserve_exact(wanted - self.octets.len());
    }

    /// Octets that were not taken.
    pub(crate) fn len(&self) -> usize {
        self.octets.len() - self.taken
    }

    /// The first frame.
    pub(crate) fn front(&self) -> Option<Letter<'_>> {
        let Written { frame, slot, head } = self.frames.front()?;
        let octets = &self.octets[self.taken..self.taken + frame.size - 1];
        let (head, body) = octets.split_at(*head);
        Some(Letter {
            frame,
            head,
            body,
            slot: slot.as_ref(),
        })
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

/// A frame that is larger gets memory of its own.
pub(crate) const LARGE: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock, frame::Version};

    fn push(run: &mut Run, head: &[u8], body: &[u8]) {
        let frame = Passing {
            size: head.len() + body.len() + 1,
            needs: Version::V1_0,
            deadline: clock::now(),
            receipt: None,
        };
        run.push(&Letter {
            frame: &frame,
            head,
            body,
            slot: None,
        });
    }

    #[test]
    fn frames_come_out_as_they_went_in_and_leave_their_memory() {
        let mut run = Run::default();
        for _ in 0..3 {
            let frames: [(&[u8], &[u8]); 3] = [(b"A\n\n", b""), (b"B\n\n", b"b\0b"), (b"", b"x")];
            for (head, body) in frames {
                push(&mut run, head, body);
            }
            assert_eq!(run.len(), 4 + 7 + 2);
            for (head, body) in frames {
                let letter = run.front().expect("it is there");
                assert_eq!((letter.head, letter.body), (head, body));
                assert!(run.pop().is_some());
            }
            assert!(run.front().is_none() && run.pop().is_none());
            assert_eq!(run.len(), 0);
            let memory = run.octets.capacity();
            run = run.recycle().expect("it is not large");
            assert_eq!(run.octets.capacity(), memory);
            assert!(run.takes(Run::LONG) && !run.takes(Run::LONG + 1));
        }
        push(&mut run, b"", &[b'x'; Run::LONG]);
        assert!(run.recycle().is_none(), "much is given back");
    }

    #[test]
    fn a_run_that_was_full_is_used_again_whatever_its_frames_were() {
        for size in (1..100).chain([300, 346, 1_000, 5_000, LARGE]) {
            let mut run = Run::default();
            while run.takes(size) {
                push(&mut run, b"", &vec![b'x'; size - 1]);
            }
            assert!(run.recycle().is_some(), "frames of {size} octets");
        }
    }
}
