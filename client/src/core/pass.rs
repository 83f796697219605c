//! The short way out: a frame that nothing is before and nothing keeps back takes
//! no place in the outbox.

use std::time::Instant;

use bytes::Bytes;

use super::{
    Core, Link, Outgoing, Phase, Waiter,
    operations::{Kind, Operation, ReceiptId},
};
use crate::frame::Version;

/// What there is to know of a SEND that belongs to no transaction and leaves once
/// at most.
#[derive(Debug, Clone, Copy)]
pub struct Passing {
    /// Its octets, with the final NUL.
    pub size: usize,
    /// The oldest version in which these octets mean what they should.
    pub needs: Version,
    /// Until when it may wait to leave, and for its RECEIPT.
    pub deadline: Instant,
    /// The receipt id that it carries, and who waits for the RECEIPT.
    pub receipt: Option<(ReceiptId, Waiter)>,
}

impl Outgoing {
    /// The same frame on the long way.
    pub(crate) fn of(frame: &Passing, octets: Bytes) -> Self {
        Self {
            octets,
            needs: frame.needs,
            receipt: frame.receipt.map(|(id, _)| id),
            waiter: frame.receipt.map_or(Waiter::NONE, |(_, waiter)| waiter),
            deadline: frame.deadline,
            replay: false,
            epoch: None,
            transaction: None,
            replies: None,
        }
    }
}

impl Core {
    /// Whether such a frame would be the next that
    /// [`poll_transmit`](Self::poll_transmit) gives. Changes after `handle`, `pass`
    /// and `poll_transmit`.
    #[must_use]
    pub fn passes(&self, now: Instant, frame: &Passing) -> bool {
        self.flows(now, frame) && self.outbox.is_clear() && self.has_room(1, frame.size)
    }

    /// Whether nothing but what waits for the link is before such a frame. Changes as
    /// [`passes`](Self::passes) does.
    #[must_use]
    pub fn flows(&self, now: Instant, frame: &Passing) -> bool {
        self.phase == Phase::Online
            && matches!(self.link, Link::Up(_))
            && self.replay.is_empty()
            && !self.suspects.cautious
            && !self.is_sealed()
            && frame.needs <= self.version
            && frame.deadline > now
            && frame.size <= self.config.limits.outbox
    }

    /// Octets that have left so far. Changes after `pass` and `poll_transmit`.
    #[must_use]
    pub fn octets_out(&self) -> u64 {
        self.metrics.octets_out
    }

    /// Lets a frame that [passes](Self::passes) leave; the caller hands it to the
    /// link, which must want one.
    pub fn pass(&mut self, now: Instant, frame: &Passing) {
        if let Some((id, waiter)) = frame.receipt {
            let timer = self.timers.line_up(frame.deadline, id);
            let operation = Operation {
                kind: Kind::Publish(None),
                waiter,
                timer: Some(timer),
                sent: Some(now),
                ends: false,
            };
            self.operations.insert(id, operation);
        }
        self.leaves(now, frame.size);
    }

    /// A frame or a heart-beat of so many octets leaves.
    pub(super) fn leaves(&mut self, now: Instant, size: usize) {
        if size > 1 {
            self.metrics.frames_out += 1;
        }
        self.metrics.octets_out += size as u64;
        self.beats.sent(now);
        self.outbox.moved(now);
    }
}
