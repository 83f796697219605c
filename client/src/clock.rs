//! The one place that reads the clock.

use std::time::{Duration, Instant, SystemTime};

/// Now. Sampled once per turn of the reactor, and once per call that has a deadline.
#[expect(
    clippy::disallowed_methods,
    reason = "everything below takes time as an argument"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A clock that whoever asks often and quickly need not read each time.
#[derive(Debug)]
pub(crate) struct Glance {
    at: Instant,
    /// Questions that are still answered with what the clock showed last, and how
    /// many that were to be.
    left: (u32, u32),
}

impl Glance {
    pub(crate) fn new() -> Self {
        Self {
            at: now(),
            left: (0, 0),
        }
    }

    /// Now, or a moment that lies a few questions back.
    pub(crate) fn now(&mut self) -> Instant {
        if self.left.0 > 0 {
            self.left.0 -= 1;
            return self.at;
        }
        let before = std::mem::replace(&mut self.at, now());
        let quick = self.at.saturating_duration_since(before) <= QUICK;
        let next = if quick {
            (self.left.1 + 1).min(MANY)
        } else {
            0
        };
        self.left = (next, next);
        self.at
    }
}

/// How long a few questions may take altogether.
const QUICK: Duration = Duration::from_micros(200);
/// More questions are not answered from one look.
const MANY: u32 = 8;

/// So long from now, at most [`FOREVER`].
pub(crate) fn after(delay: Duration) -> Instant {
    later(now(), delay)
}

/// So long from a moment on, at most [`FOREVER`].
pub(crate) fn later(moment: Instant, delay: Duration) -> Instant {
    moment + delay.min(FOREVER)
}

/// Ten years. Longer waits are cut to it, so that no sum of a time and a few
/// waits leaves the clock's range.
pub(crate) const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What the clock on the wall showed at moments that are not later than `now`.
/// It decides nothing; it only names moments to people.
#[expect(
    clippy::disallowed_methods,
    reason = "an event names a moment that other programs understand"
)]
pub(crate) fn wall<const N: usize>(now: Instant, moments: [Instant; N]) -> [SystemTime; N] {
    let wall = SystemTime::now();
    moments.map(|at| {
        let ago = now.saturating_duration_since(at);
        wall.checked_sub(ago).unwrap_or(wall)
    })
}
