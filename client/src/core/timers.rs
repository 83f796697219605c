//! All deadlines of a session, on one wheel; only those of heart-beats follow
//! from when something last moved.

use std::time::Instant;

use super::{
    Core,
    io::{Key, Ticket},
    operations::ReceiptId,
};
use crate::{
    error::LinkError,
    wheel::{TimerId, Wheel},
};

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    Once(Once),
    /// A call's RECEIPT.
    Operation(ReceiptId),
    /// The call that made a subscription.
    Subscribe(Key),
    /// A refused subscription's back-off.
    Quarantine(Key),
    /// The application's headers for a SUBSCRIBE.
    Headers(Ticket),
}

/// The deadlines of which there is at most one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Once {
    /// CONNECTED must have come.
    Open,
    /// The back-off ends.
    Redial,
    /// The token source must have answered.
    Fetch,
    /// The held token is to be renewed.
    Renew,
    /// The present step of a close ends.
    Close,
    /// The session counts as stable.
    Stable,
    /// Frames in the outbox may have waited too long.
    Sweep,
    /// The region source must have answered.
    Region,
    /// The session is to be rotated.
    Rotate,
    /// A drain has lasted long enough.
    Drain,
    /// A persistent first connect gives up.
    FirstConnect,
}

const ONCE: usize = Once::FirstConnect as usize + 1;

#[derive(Debug)]
pub(super) struct Timers {
    wheel: Wheel<Timer>,
    once: [Option<TimerId>; ONCE],
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wheel: Wheel::new(now),
            once: [None; ONCE],
        }
    }

    /// Arms a deadline, instead of the same one if it was armed.
    pub(super) fn arm(&mut self, which: Once, deadline: Instant) {
        self.disarm(which);
        self.once[which as usize] = Some(self.wheel.insert(deadline, Timer::Once(which)));
    }

    pub(super) fn disarm(&mut self, which: Once) {
        if let Some(id) = self.once[which as usize].take() {
            self.wheel.cancel(id);
        }
    }

    pub(super) fn is_armed(&self, which: Once) -> bool {
        self.once[which as usize].is_some()
    }

    pub(super) fn insert(&mut self, deadline: Instant, timer: Timer) -> TimerId {
        self.wheel.insert(deadline, timer)
    }

    pub(super) fn cancel(&mut self, id: Option<TimerId>) {
        if let Some(id) = id {
            self.wheel.cancel(id);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }

    /// Nothing is awaited any more.
    pub(super) fn clear(&mut self) {
        while let Some(at) = self.wheel.next_deadline() {
            while self.expire(at).is_some() {}
        }
    }

    fn expire(&mut self, now: Instant) -> Option<Timer> {
        let timer = self.wheel.expire(now)?;
        if let Timer::Once(which) = timer {
            self.once[which as usize] = None;
        }
        Some(timer)
    }
}

impl Core {
    pub(super) fn timeout(&mut self, now: Instant) {
        if self.beats.is_due(now) {
            self.beat(now);
        }
        if self.beats.is_dead(now) {
            let silent = self.beats.silent(now);
            self.abandon(now, LinkError::Silent { silent });
        }
        while let Some(timer) = self.timers.expire(now) {
            match timer {
                Timer::Once(once) => self.once(now, once),
                Timer::Operation(id) => self.operation_expired(now, id),
                Timer::Subscribe(key) => self.subscribe_expired(key),
                Timer::Quarantine(key) => self.quarantine_ended(now, key),
                Timer::Headers(ticket) => self.headers_expired(now, ticket),
            }
        }
    }

    fn once(&mut self, now: Instant, which: Once) {
        match which {
            Once::Open => self.open_expired(now),
            Once::Redial => self.dial(now),
            Once::Fetch => self.fetch_expired(now),
            Once::Renew => self.renew(now),
            Once::Close => self.close_expired(now),
            Once::Stable => self.stable(),
            Once::Sweep => self.sweep(now),
            Once::Region => self.region_expired(),
            Once::Rotate => self.rotate(now),
            Once::Drain => self.drain_expired(),
            Once::FirstConnect => self.first_connect_expired(),
        }
    }

    fn beat(&mut self, now: Instant) {
        self.metrics.beats_late += u64::from(self.beats.is_late(now));
        // One that the link had no room for yet will do.
        if !self.outbox.has_urgent() {
            self.outbox.push_urgent(self.beat_octet());
            self.metrics.beats_out += 1;
        }
        self.beats.sent(now);
    }
}
