//! Whoever has something for the reactor, and perhaps waits for room.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Lane, MANY, Mailbox, PACE, PACED};
use crate::{
    clock,
    core::{Command, Key, Waiter},
    error::{Error, Misuse, Stage},
    post::Post,
    run::{LARGE, Letter, Run},
    sink::Sink,
    slot::Slot,
};

impl Mailbox {
    /// Posts once there is room, at the latest at the deadline.
    pub(crate) fn post(&self, post: Post, deadline: Instant) -> Result<(), Error> {
        let mut lane = self.room(self.lock(), post.frame_size(), deadline)?;
        lane.push(post);
        let closing = lane.closing;
        self.posted(lane, true);
        if closing {
            // Those who wait for room learn that there will be none.
            self.room.notify_all();
        }
        Ok(())
    }

    /// As [`post`](Self::post), for a frame that may pass.
    /// With `pace` it gives a slower reactor a moment before frames pile up.
    pub(crate) fn post_frame(
        &self,
        letter: &Letter<'_>,
        deadline: Instant,
        pace: bool,
    ) -> Result<(), Error> {
        let size = letter.frame.size;
        // Much is copied before anybody is kept out.
        let large = (size > LARGE).then(|| Run::of(letter));
        let mut lane = self.lock();
        if pace {
            lane = self.pace(lane, size);
        }
        lane = self.room(lane, size, deadline)?;
        match large {
            Some(run) => lane.push(Post::Run(run)),
            None => {
                lane.octets += size;
                if let Some(run) = lane.run(size) {
                    run.push(letter);
                }
            }
        }
        self.posted(lane, letter.slot.is_some());
        Ok(())
    }

    /// Waits for room for so many octets of frames.
    fn room<'a>(
        &'a self,
        mut lane: MutexGuard<'a, Lane>,
        size: usize,
        deadline: Instant,
    ) -> Result<MutexGuard<'a, Lane>, Error> {
        let limit = self.config.limits.outbox;
        loop {
            if lane.ended || (lane.closing && size > 0) {
                return Err(Error::Closed);
            }
            if size > limit {
                return Err(Misuse::TooLarge { size, limit }.into());
            }
            if size == 0 || lane.octets == 0 || lane.octets + size <= limit {
                return Ok(lane);
            }
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Err(Error::Timeout(Stage::Outbox));
            }
            // The thread that makes the room must not wait for it.
            if self.is_driver() {
                return Err(Misuse::WouldDeadlock.into());
            }
            lane = self.wait(lane, left);
        }
    }

    /// Gives a reactor that is slower than its callers a moment, unless it stalls.
    fn pace<'a>(&'a self, mut lane: MutexGuard<'a, Lane>, size: usize) -> MutexGuard<'a, Lane> {
        let mut until = None;
        while lane.octets > 0
            && lane.octets + size > PACED
            && !lane.stalled
            && !lane.closing
            && !lane.ended
            && !self.is_driver()
        {
            let now = clock::now();
            let until = *until.get_or_insert_with(|| clock::later(now, PACE));
            let left = until.saturating_duration_since(now);
            lane.stalled = left.is_zero();
            if !lane.stalled {
                lane.paced += 1;
                lane = self.wait(lane, left);
                lane.paced -= 1;
            }
        }
        lane
    }

    fn wait<'a>(&'a self, mut lane: MutexGuard<'a, Lane>, left: Duration) -> MutexGuard<'a, Lane> {
        // Whatever it has to do makes room.
        self.wake(true);
        lane.waiting += 1;
        let waited = self.room.wait_timeout(lane, left);
        lane = waited.unwrap_or_else(PoisonError::into_inner).0;
        lane.waiting -= 1;
        lane
    }

    /// Something was posted; `awaited` if somebody may wait for what comes of it.
    fn posted(&self, lane: MutexGuard<'_, Lane>, awaited: bool) {
        self.count(&lane);
        let must = awaited || lane.octets >= MANY;
        drop(lane);
        self.wake(must);
    }

    /// Posts what is not bounded: answers of helper threads, acknowledgements
    /// of an end.
    pub(crate) fn post_now(&self, post: Post) {
        let mut lane = self.lock();
        if lane.ended {
            return;
        }
        lane.push(post);
        self.posted(lane, true);
    }

    /// A command whose answer is waited for elsewhere.
    pub(crate) fn ask(
        &self,
        deadline: Instant,
        sink: Option<(Key, Sink)>,
        command: impl FnOnce(Waiter) -> Command,
    ) -> Result<Arc<Slot>, Error> {
        let (post, slot) = self.question(sink, command);
        self.post(post, deadline)?;
        Ok(slot)
    }

    /// A command that is not posted yet, and where its answer will appear.
    pub(crate) fn question(
        &self,
        sink: Option<(Key, Sink)>,
        command: impl FnOnce(Waiter) -> Command,
    ) -> (Post, Arc<Slot>) {
        let (waiter, slot) = self.slot();
        let post = Post::Command {
            command: command(waiter),
            slot: Some(Arc::clone(&slot)),
            sink,
        };
        (post, slot)
    }

    /// Where the answer to a call will appear.
    pub(crate) fn slot(&self) -> (Waiter, Arc<Slot>) {
        (Waiter(self.number()), Slot::new())
    }
}
