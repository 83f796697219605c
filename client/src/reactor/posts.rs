//! Frames that pass, and what was posted.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use bytes::Bytes;

use super::Reactor;
use crate::{
    core::{Command, Outgoing, Passing, Phase},
    error::Error,
    mailbox::PACE,
    post::Post,
    run::{Letter, Run, Written},
};

/// Runs of frames taken in one turn before everything else has its go.
const RUNS: usize = 8;

impl Reactor {
    /// Writes a frame at once. False if something is before it or keeps it back: then
    /// nothing has happened.
    pub(crate) fn pass(&mut self, now: Instant, letter: &Letter<'_>) -> bool {
        self.mailbox.is_empty() && self.pass_next(now, letter)
    }

    /// As [`pass`](Self::pass), for the first of what was posted.
    fn pass_next(&mut self, now: Instant, letter: &Letter<'_>) -> bool {
        let frame = letter.frame;
        let Some((_, link)) = &mut self.link else {
            return false;
        };
        if !link.wants_frame() || !self.core.passes(now, frame) {
            return false;
        }
        self.core.pass(now, frame);
        if let (Some((_, waiter)), Some(slot)) = (frame.receipt, letter.slot) {
            self.waiters.insert(waiter.0, Arc::clone(slot));
        }
        link.pass(letter.head, letter.body);
        self.passed = true;
        true
    }

    /// Whether a frame that does not pass is to wait a moment for what is before it
    /// to leave, rather than to make the outbox longer: at most [`PACE`], and not
    /// again before anything has left.
    pub(crate) fn hold(&mut self, now: Instant, frame: &Passing) -> bool {
        let holds = self.holds(now, frame);
        if holds {
            self.held.get_or_insert(now);
        } else if self.held.take().is_some() && self.core.flows(now, frame) {
            self.stalled = Some(self.core.octets_out());
        }
        holds
    }

    fn holds(&self, now: Instant, frame: &Passing) -> bool {
        let since = self.held.unwrap_or(now);
        now.saturating_duration_since(since) < PACE
            && self.stalled != Some(self.core.octets_out())
            && self.core.flows(now, frame)
            && !self.is_free_for(now, frame)
    }

    /// Whether the link takes this frame now.
    fn is_free_for(&self, now: Instant, frame: &Passing) -> bool {
        let link = self.link.as_ref();
        link.is_some_and(|(_, link)| link.wants_frame()) && self.core.passes(now, frame)
    }

    /// Writes what has [passed](Self::pass), as far as the socket takes it.
    pub(crate) fn flush(&mut self) {
        if !std::mem::take(&mut self.passed) {
            return;
        }
        if let Some((_, link)) = &mut self.link {
            if let Err(e) = link.flush() {
                log::debug!("writing failed: {e}");
                self.more = true;
            }
        }
    }

    pub(super) fn drain_mailbox(&mut self, now: Instant) {
        if self.mailbox.is_empty() {
            return;
        }
        self.linger.answered(now);
        let mut urgent = VecDeque::new();
        let mut posts = std::mem::take(&mut self.posts);
        for _ in 0..RUNS {
            let core = &self.core;
            self.mailbox
                .take(&mut urgent, &mut posts, |frames, octets| {
                    core.has_room(frames, octets)
                });
            if posts.is_empty() && urgent.is_empty() {
                break;
            }
            for post in urgent.drain(..) {
                self.take_post(now, post);
            }
            if !self.take_posts(now, &mut posts) {
                break;
            }
        }
        // Empty, mostly, but with the memory that it had.
        self.posts = posts;
    }

    /// Takes posts up to a run that has to wait; false if there is one.
    fn take_posts(&mut self, now: Instant, posts: &mut VecDeque<Post>) -> bool {
        while let Some(post) = posts.pop_front() {
            let Post::Run(mut run) = post else {
                self.take_post(now, post);
                continue;
            };
            let before = run.len();
            self.take_run(now, &mut run);
            let done = before - run.len();
            if run.len() > 0 {
                self.mailbox.done(done, None);
                posts.push_front(Post::Run(run));
                return false;
            }
            self.mailbox.done(done, Some(run));
        }
        true
    }

    /// Lets frames pass, and puts into the outbox what is kept back; what only the
    /// socket has no room for has a moment to wait for it.
    fn take_run(&mut self, now: Instant, run: &mut Run) {
        let mut closing = None;
        while let Some(letter) = run.front() {
            if self.pass_next(now, &letter) {
                self.held = None;
                self.taken += 1;
                run.pop();
                continue;
            }
            if self.hold(now, letter.frame) {
                return;
            }
            let over = self.core.phase() == Phase::Closed
                || *closing.get_or_insert_with(|| self.mailbox.is_closing());
            if !over && !self.core.has_room(1, letter.frame.size) {
                return;
            }
            let octets = Bytes::from([letter.head, letter.body, b"\0"].concat());
            let Some(Written { frame, slot, .. }) = run.pop() else {
                return;
            };
            let post = Post::Command {
                command: Command::Publish(Outgoing::of(&frame, octets)),
                slot,
                sink: None,
            };
            self.take_post(now, post);
        }
        self.held = None;
    }

    /// Whether the run that had to wait need not any more.
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        let Some(Post::Run(run)) = self.posts.front() else {
            return false;
        };
        run.front().is_some_and(|Letter { frame, .. }| {
            !self.holds(now, frame) && self.core.has_room(1, frame.size)
        })
    }

    pub(super) fn refuse_posts(&mut self) {
        let posts = std::mem::take(&mut self.posts).into_iter();
        for post in posts.chain(self.mailbox.end()) {
            match post {
                Post::Command {
                    slot: Some(slot), ..
                } => slot.put(Err(Error::Closed)),
                Post::Run(mut run) => {
                    while let Some(refused) = run.pop() {
                        if let Some(slot) = refused.slot {
                            slot.put(Err(Error::Closed));
                        }
                    }
                }
                Post::Command { slot: None, .. }
                | Post::Resolved(..)
                | Post::Token(..)
                | Post::Region(..)
                | Post::Headers(..) => {}
                #[cfg(feature = "spill")]
                Post::Spool(_) => {}
            }
        }
    }
}
