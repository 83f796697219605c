//! A moment awake for an answer.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::clock;

/// Whoever waits for a message and answers it at once costs two wake-ups: their own, and
/// that of a reactor that has gone to sleep meanwhile. The second is saved by one that
/// looks for the answer for a moment first; which it does only while that pays.
#[derive(Default)]
pub(super) struct Linger {
    /// Other threads take what is handed over.
    serves: bool,
    /// Something was handed over since it was last asked to wait.
    handed: bool,
    /// When that was last, unless it was answered.
    since: Option<Instant>,
    /// Answers that came soon enough before it is tried, the fewer the better it went.
    left: u32,
    /// How many that were to be.
    wary: u32,
}

/// What it takes to wake a consumer, and for that one to answer, with some room.
const MOMENT: Duration = Duration::from_micros(20);

/// An answer that came so soon, though the reactor had to be woken, would have come within
/// the [`MOMENT`].
const SOON: Duration = Duration::from_micros(40);

/// So many answers are let pass at most, where waiting for them was in vain.
const MOST_WARY: u32 = 1 << 10;

impl Linger {
    pub(super) fn for_others() -> Self {
        Self {
            serves: true,
            left: 1,
            wary: 1,
            ..Self::default()
        }
    }

    /// Something was handed to those who may wait for it.
    pub(super) fn handed(&mut self) {
        self.handed = true;
    }

    /// Something was posted.
    pub(super) fn answered(&mut self, now: Instant) {
        let Some(since) = self.since.take() else {
            return;
        };
        if now.saturating_duration_since(since) <= SOON {
            self.left = self.left.saturating_sub(1);
        } else {
            self.left = self.left.max(1);
        }
    }

    /// After all work is done: waits for what `is_there` tells of, if it is likely to come.
    /// What time it is if it has.
    pub(super) fn wait(&mut self, mut is_there: impl FnMut() -> bool) -> Option<Instant> {
        if !std::mem::take(&mut self.handed) || !self.serves {
            return None;
        }
        let mut now = clock::now();
        self.since = Some(now);
        if self.left > 0 {
            return None;
        }
        let until = now + MOMENT;
        while !is_there() {
            if now >= until {
                self.since = None;
                self.wary = (self.wary * 2).min(MOST_WARY);
                self.left = self.wary;
                return None;
            }
            // The one who is to answer may wait for this very processor.
            thread::yield_now();
            now = clock::now();
        }
        self.wary = (self.wary / 2).max(1);
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it looks for an answer to what was handed over. It finds one if it `comes`.
    fn looks(linger: &mut Linger, comes: bool) -> bool {
        let mut looked = false;
        linger.handed();
        linger.wait(|| {
            looked = true;
            comes
        });
        looked
    }

    /// How many soon answers it takes until it looks again.
    fn pauses(linger: &mut Linger, early: Instant, comes: bool) -> u32 {
        let mut passed = 0;
        while !looks(linger, comes) {
            linger.answered(early);
            passed += 1;
        }
        passed
    }

    #[test]
    fn who_answers_at_once_is_waited_for_and_who_does_not_is_not() {
        let (early, late) = (clock::now(), clock::after(Duration::from_secs(9)));
        let mut linger = Linger::for_others();
        assert!(!looks(&mut linger, true), "nobody has answered yet");
        linger.answered(late);
        assert!(!looks(&mut linger, true), "that was not soon");
        linger.answered(early);
        for _ in 0..3 {
            assert!(looks(&mut linger, true));
            linger.answered(early);
        }
        assert!(linger.wait(|| true).is_none(), "nothing was handed over");
        assert!(looks(&mut linger, true));
        linger.answered(late);
        assert!(!looks(&mut linger, true));
    }

    #[test]
    fn waiting_in_vain_is_tried_less_and_less() {
        let early = clock::now();
        let mut linger = Linger::for_others();
        for wary in [1, 2, 4, 8] {
            assert_eq!(pauses(&mut linger, early, false), wary);
        }
        assert_eq!(pauses(&mut linger, early, true), 16);
        assert!(looks(&mut linger, true), "that went well");
        assert!(looks(&mut linger, false));
        assert_eq!(pauses(&mut linger, early, true), 8, "which counts");
        for _ in 0..20 {
            pauses(&mut linger, early, false);
        }
        assert_eq!(pauses(&mut linger, early, true), MOST_WARY);
    }

    #[test]
    fn a_client_that_others_do_not_serve_is_never_held_up() {
        let mut linger = Linger::default();
        for _ in 0..3 {
            assert!(!looks(&mut linger, true));
            linger.answered(clock::now());
        }
    }
}
