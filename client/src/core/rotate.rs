//! Planned rotation: a session ends in order before its token does, and begins
//! anew with the next one.

use std::time::{Duration, Instant};

use super::{Core, Phase, close::Graceful, timers::Once};
use crate::{config::Rotate, event::Event};

/// Open transactions are waited for, so long at a time.
const PATIENCE: Duration = Duration::from_secs(1);

impl Core {
    /// A token was accepted: when to be done with it. Many clients do not come
    /// back at once.
    pub(super) fn plan_rotation(&mut self, now: Instant) {
        self.rotation_due = false;
        self.timers.disarm(Once::Rotate);
        if self.config.rotate != Rotate::Planned {
            return;
        }
        if let Some(ends) = self.tokens.presented_ends() {
            let life = ends.saturating_duration_since(now);
            let margin = life / 20 + self.rng.up_to(life / 20);
            self.timers.arm(Once::Rotate, now + (life - margin));
        }
    }

    /// The session is to be rotated, now or as soon as there is a token.
    pub(super) fn rotate(&mut self, now: Instant) {
        if self.phase != Phase::Online {
            return;
        }
        self.rotation_due = !self.tokens.has_next(now);
        if self.rotation_due {
            return;
        }
        let ends = self.tokens.presented_ends();
        if self.transactions.is_any_open() && ends.is_some_and(|ends| now + PATIENCE < ends) {
            self.timers.arm(Once::Rotate, now + PATIENCE);
            return;
        }
        self.phase.advance(Phase::Closing);
        let deadline = now + self.config.timeouts.close;
        let graceful = Graceful {
            rotates: Some(self.outbox.len()),
            ..Graceful::until(deadline)
        };
        self.graceful = Some(graceful);
        self.arm_close(now, deadline);
        self.timers.disarm(Once::Stable);
        self.metrics.rotations += 1;
        self.tell(Event::Rotating);
    }

    /// A token was fetched while the session is live.
    pub(super) fn rotate_if_due(&mut self, now: Instant) {
        if self.rotation_due {
            self.rotate(now);
        }
    }
}
