//! All deadlines of a session, on one wheel; but those of frames that wait for a RECEIPT
//! stand in lines, and those of heart-beats follow from when something last moved.

use std::time::Instant;

use super::{
    Core,
    io::{Key, Ticket},
    lines::{Lines, Place},
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

/// Names a deadline that is not one of a kind, until it has come or was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Armed {
    Wheel(TimerId),
    Line(Place),
}

#[derive(Debug)]
pub(super) struct Timers {
    wheel: Wheel<Timer>,
    lines: Lines,
    once: [Option<TimerId>; ONCE],
}

impl Timers {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            wheel: Wheel::new(now),
            lines: Lines::default(),
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

    pub(super) fn insert(&mut self, deadline: Instant, timer: Timer) -> Armed {
        Armed::Wheel(self.wheel.insert(deadline, timer))
    }

    /// As [`insert`](Self::insert), for one of many calls that are alike.
    pub(super) fn line_up(&mut self, deadline: Instant, id: ReceiptId) -> Armed {
        match self.lines.push(deadline, id) {
            Some(place) => Armed::Line(place),
            None => self.insert(deadline, Timer::Operation(id)),
        }
    }

    pub(super) fn cancel(&mut self, armed: Option<Armed>) {
        match armed {
            Some(Armed::Line(place)) => self.lines.remove(place),
            Some(Armed::Wheel(id)) => {
                self.wheel.cancel(id);
            }
            None => {}
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match (self.wheel.next_deadline(), self.next_in_line()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// When a wheel would let the first deadline of the lines pass.
    fn next_in_line(&self) -> Option<Instant> {
        self.wheel.rounded(self.lines.next_deadline()?)
    }

    /// Nothing is awaited any more.
    pub(super) fn clear(&mut self) {
        while let Some(at) = self.next_deadline() {
            while self.expire(at).is_some() {}
        }
    }

    /// The first deadline that is not after `now`; of those that pass at the same time
    /// the lines' come last.
    fn expire(&mut self, now: Instant) -> Option<Timer> {
        let in_line = self.next_in_line().filter(|at| *at <= now);
        let Some(timer) = self.wheel.expire(in_line.unwrap_or(now)) else {
            in_line?;
            return self.lines.pop().map(Timer::Operation);
        };
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    proptest! {
        /// Whether calls stand in lines or on the wheel, they end at the same time.
        #[test]
        fn lines_let_calls_end_when_the_wheel_would(
            patiences in prop::collection::vec(1_u64..20_000_000, 1..12),
            steps in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..6, 0_u64..5_000_000), 0..300),
        ) {
            let mut now = clock::now();
            let (mut lined, mut wheeled) = (Timers::new(now), Timers::new(now));
            let mut waiting = Vec::new();
            for (id, (which, what, passed)) in (0_u64..).zip(steps) {
                match what {
                    0..=2 => {
                        let deadline = now + Duration::from_micros(*which.get(&patiences));
                        let place = lined.line_up(deadline, id);
                        waiting.push((id, place, wheeled.insert(deadline, Timer::Operation(id))));
                    }
                    3 if !waiting.is_empty() => {
                        let (_, place, timer) = waiting.remove(which.index(waiting.len()));
                        lined.cancel(Some(place));
                        wheeled.cancel(Some(timer));
                    }
                    4 => {
                        lined.arm(Once::Sweep, now + Duration::from_micros(passed));
                        wheeled.arm(Once::Sweep, now + Duration::from_micros(passed));
                    }
                    _ => now += Duration::from_micros(passed),
                }
                let drain = |timers: &mut Timers| {
                    let mut ended = Vec::new();
                    while let Some(timer) = timers.expire(now) {
                        ended.push(format!("{timer:?}"));
                    }
                    ended.sort();
                    (ended, timers.next_deadline().is_none_or(|next| next > now))
                };
                let (ended, is_done) = drain(&mut lined);
                prop_assert!(is_done);
                prop_assert_eq!((&ended, is_done), (&drain(&mut wheeled).0, true));
                waiting.retain(|(id, ..)| !ended.contains(&format!("{:?}", Timer::Operation(*id))));
            }
            lined.clear();
            prop_assert_eq!(lined.next_deadline(), None);
        }
    }
}
