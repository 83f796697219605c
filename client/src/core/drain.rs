//! A drain that the application asked for: first no new messages, then no new
//! frames, and what is under way is answered.

use std::time::Instant;

use super::{
    AckMode, Core, Key, Phase,
    io::{DrainStep, Reply, Waiter},
    operations::Kind,
    replies::REPLIES,
    timers::Once,
};
use crate::error::{Error, Undrained};

/// How far a drain has come, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Drain {
    step: Option<DrainStep>,
    waiters: Vec<(Waiter, DrainStep)>,
    /// When those who wait are answered at the latest.
    deadline: Option<Instant>,
}

impl Drain {
    /// Nothing is subscribed to any more.
    pub(super) fn has_begun(&self) -> bool {
        self.step.is_some()
    }

    /// Nothing is published any more.
    pub(super) fn is_sealed(&self) -> bool {
        self.step == Some(DrainStep::Settle)
    }

    pub(super) fn take_waiters(&mut self) -> Vec<(Waiter, DrainStep)> {
        self.deadline = None;
        std::mem::take(&mut self.waiters)
    }
}

impl Core {
    /// Two drains are one: the earlier deadline ends both.
    pub(super) fn drain(&mut self, waiter: Waiter, step: DrainStep, deadline: Instant) {
        if self.phase == Phase::Closed {
            return self.reply(waiter, Err(Error::Closed));
        }
        let deadline = self.drain.deadline.map_or(deadline, |at| at.min(deadline));
        self.drain.deadline = Some(deadline);
        // Before those of the UNSUBSCRIBEs: of equal deadlines the first armed
        // speaks first, and it is to tell which of them were not answered.
        self.timers.arm(Once::Drain, deadline);
        self.drain.waiters.push((waiter, step));
        for key in self.undrained(step) {
            self.leave(key, deadline);
        }
        self.drain.step = self.drain.step.max(Some(step));
    }

    /// Answers those who wait for a drain that is done. To be called after
    /// whatever may have done it.
    #[inline]
    pub(super) fn drain_progress(&mut self) {
        if !self.drain.waiters.is_empty() {
            self.answer_drained();
        }
    }

    fn answer_drained(&mut self) {
        let waiters = std::mem::take(&mut self.drain.waiters);
        for (waiter, step) in waiters {
            if self.is_drained(step) {
                self.reply(waiter, Ok(Reply::Drained));
            } else {
                self.drain.waiters.push((waiter, step));
            }
        }
        if self.drain.waiters.is_empty() {
            self.drain.deadline = None;
            self.timers.disarm(Once::Drain);
        }
    }

    pub(super) fn drain_expired(&mut self) {
        self.drain_progress();
        for (waiter, step) in self.drain.take_waiters() {
            let left = Box::new(self.left(step));
            self.reply(waiter, Err(Error::Undrained(left)));
        }
    }

    /// Whether a MESSAGE comes too late to be handed out. The broker keeps it,
    /// for nobody will acknowledge it.
    #[inline]
    pub(super) fn comes_too_late(&self, key: Key) -> bool {
        self.drain.has_begun()
            && self
                .subscriptions
                .get(key)
                .is_some_and(|s| s.spec.ack != AckMode::Auto)
    }

    fn leave(&mut self, key: Key, deadline: Instant) {
        if let Some(subscription) = self.subscriptions.get_mut(key) {
            let waiter = std::mem::replace(&mut subscription.waiter, Waiter::NONE);
            let timer = subscription.timer.take();
            self.timers.cancel(timer);
            self.reply(waiter, Err(Error::Closed));
        }
        self.unsubscribe(key, Vec::new(), Waiter::NONE, deadline);
    }

    fn is_drained(&self, step: DrainStep) -> bool {
        let is_answered = match step {
            DrainStep::Unsubscribe => true,
            DrainStep::Settle => self.operations.len() == 0 && self.outbox.len() == 0,
        };
        is_answered && self.undrained(step).is_empty()
    }

    /// Subscriptions that are to end with this step. An acknowledgement after
    /// UNSUBSCRIBE is an ERROR to several brokers, so those that acknowledge end
    /// with the second.
    fn undrained(&self, step: DrainStep) -> Vec<Key> {
        let ends = |key: &Key| {
            // Replies may be under way; DISCONNECT ends that one.
            *key != REPLIES
                && self.subscriptions.get(*key).is_some_and(|s| match step {
                    DrainStep::Unsubscribe => {
                        s.spec.ack == AckMode::Auto || s.waiter != Waiter::NONE
                    }
                    DrainStep::Settle => true,
                })
        };
        self.subscriptions.keys().filter(ends).collect()
    }

    fn left(&self, step: DrainStep) -> Undrained {
        let id = |key| Some(self.subscriptions.get(key)?.spec.id.clone());
        Undrained {
            messages: Vec::new(),
            subscriptions: self.undrained(step).into_iter().filter_map(id).collect(),
            publishes: self
                .operations
                .count(|o| matches!(o.kind, Kind::Publish(_))),
            requests: self.operations.requests(),
            frames: self.outbox.silent(),
        }
    }
}
