//! The way out of what the driving thread publishes.

use std::time::{Duration, Instant};

use super::Client;
use crate::{
    clock,
    core::Passing,
    error::{Error, Misuse, Stage},
    mailbox::PACE,
    post::Post,
    run::Letter,
};

impl Client {
    /// Hands over a frame that nobody waits for, and lets it leave: at once, or
    /// when enough has been gathered for one write.
    pub(crate) fn submit(
        &mut self,
        now: Instant,
        deadline: Instant,
        post: Post,
        buffered: bool,
    ) -> Result<(), Error> {
        let size = post.frame_size();
        let now = self.make_room(now, size, deadline)?;
        self.reactor.accept(now, post);
        self.gather(now, size, buffered)
    }

    /// Whether a frame of `size` octets may be handed over without a detour.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        size > 0 && self.reactor.has_room(size)
    }

    /// Hands over a frame whose answer is waited for elsewhere; it leaves with the
    /// next turn.
    pub(crate) fn accept(&mut self, now: Instant, post: Post) {
        self.reactor.accept(now, post);
    }

    /// About now, for a frame that need not be written at once.
    pub(crate) fn about_now(&mut self) -> Instant {
        self.glance.now()
    }

    /// Writes a frame if nothing is before it and nothing keeps it back; false if
    /// something does. It leaves with what is [gathered](Self::gather).
    pub(crate) fn pass(&mut self, now: Instant, letter: &Letter<'_>) -> bool {
        self.reactor.pass(now, letter)
    }

    /// Gives a slower peer a moment before its frames pile up in the outbox. Whether
    /// a frame that did not [pass](Self::pass) is worth another try.
    pub(crate) fn pace(&mut self, frame: &Passing) -> Result<bool, Error> {
        let mut now = clock::now();
        let limit = clock::later(now, PACE).min(frame.deadline);
        let mut waited = false;
        while self.reactor.hold(now, frame) {
            self.turn_until(Some(limit))?;
            waited = true;
            now = clock::now();
        }
        Ok(waited)
    }

    /// A frame of so many octets was handed over, or has passed: lets it leave now,
    /// or later with others. Whoever only publishes is to hear of the session, too.
    pub(crate) fn gather(
        &mut self,
        now: Instant,
        size: usize,
        buffered: bool,
    ) -> Result<(), Error> {
        self.gathered += size;
        let is_overdue = self.reactor.was_overdue(now);
        if buffered && self.gathered < GATHER && !is_overdue {
            return Ok(());
        }
        self.gathered = 0;
        if is_overdue || self.reactor.has_more() {
            return self.turn(Duration::ZERO);
        }
        self.reactor.flush();
        Ok(())
    }

    /// Turns until a frame of `size` octets may enter and nothing is before it.
    /// Returns what time it is then.
    pub(crate) fn make_room(
        &mut self,
        mut now: Instant,
        size: usize,
        deadline: Instant,
    ) -> Result<Instant, Error> {
        let limit = self.mailbox().config.limits.outbox;
        if size > limit {
            return Err(Misuse::TooLarge { size, limit }.into());
        }
        while !self.reactor.has_room(size) {
            now = clock::now();
            if deadline <= now {
                return Err(Error::Timeout(Stage::Outbox));
            }
            // What it is behind may lie there without having woken anybody.
            self.reactor.rouse();
            self.turn_until(Some(deadline))?;
            now = clock::now();
        }
        if self.reactor.is_done() {
            return Err(self.mailbox().verdict());
        }
        Ok(now)
    }
}

/// How much buffered frames are gathered for one write.
const GATHER: usize = 64 << 10;
