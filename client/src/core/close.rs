//! The end that the application asked for: bounded, step by step.

use std::time::Instant;

use super::{
    Core, Intent, Link, Phase,
    io::{Output, Reply, Waiter},
    timers::Once,
};
use crate::{error::LinkError, event::Event};

/// A close under way. Every step falls through at its deadline: frames leave
/// and are confirmed, DISCONNECT is confirmed, the link closes.
#[derive(Debug)]
pub(super) struct Graceful {
    /// When all of it ends.
    pub(super) deadline: Instant,
    /// The wait for confirmations is over.
    pub(super) hurried: bool,
    /// DISCONNECT has left.
    pub(super) disconnected: bool,
    /// Its RECEIPT came.
    pub(super) confirmed: bool,
    /// A new session follows: how much of the outbox may leave before that.
    pub(super) rotates: Option<usize>,
}

impl Graceful {
    pub(super) fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            hurried: false,
            disconnected: false,
            confirmed: false,
            rotates: None,
        }
    }
}

impl Core {
    pub(super) fn close(&mut self, now: Instant, waiter: Waiter, deadline: Instant) {
        match self.phase {
            Phase::Closed => self.reply(waiter, Ok(Reply::Done)),
            Phase::Online => {
                self.close_waiters.push(waiter);
                self.phase.advance(Phase::Closing);
                self.graceful = Some(Graceful::until(deadline));
                self.arm_close(now, deadline);
            }
            Phase::Closing => {
                self.close_waiters.push(waiter);
                if let Some(graceful) = &mut self.graceful {
                    graceful.rotates = None;
                }
                self.close_sooner(now, deadline);
            }
            // Nothing may be said but that it is over.
            Phase::Handshaking | Phase::Suspended => {
                self.close_waiters.push(waiter);
                self.give_up(now, 1000, Intent::End);
                self.close_sooner(now, deadline);
            }
            Phase::Idle | Phase::Dialing | Phase::Waiting => {
                self.close_waiters.push(waiter);
                if self.link != Link::None {
                    self.outputs.push_back(Output::Abort);
                    self.link = Link::None;
                }
                self.closed(None);
            }
        }
    }

    /// Half of the time is for confirmations.
    pub(super) fn arm_close(&mut self, now: Instant, deadline: Instant) {
        self.timers.arm(Once::Close, half_way(now, deadline));
    }

    /// A close that is under way is to end earlier.
    fn close_sooner(&mut self, now: Instant, deadline: Instant) {
        if let Some(graceful) = &mut self.graceful {
            if deadline < graceful.deadline {
                graceful.deadline = deadline;
                let is_last = !matches!(self.link, Link::Up(_));
                let next = if is_last {
                    deadline
                } else {
                    half_way(now, deadline)
                };
                self.timers.arm(Once::Close, next);
            }
        } else {
            self.intent = Some(Intent::End);
            let limit = now + self.config.timeouts.close;
            self.timers.arm(Once::Close, deadline.min(limit));
        }
    }

    /// Whether DISCONNECT is to leave now. Some brokers answer nothing that was
    /// sent just before it, so confirmations are awaited first.
    pub(super) fn disconnect_due(&self) -> bool {
        self.graceful.as_ref().is_some_and(|graceful| {
            let is_quiet = match graceful.rotates {
                Some(left) => left == 0 && self.operations.under_way() == 0,
                None => self.operations.len() == 0,
            };
            !graceful.disconnected && (graceful.hurried || is_quiet)
        })
    }

    pub(super) fn disconnect_confirmed(&mut self, now: Instant) {
        if let Some(graceful) = &mut self.graceful {
            graceful.confirmed = true;
        }
        self.finish(now);
    }

    /// The present step took too long: on to the next.
    pub(super) fn close_expired(&mut self, now: Instant) {
        let is_up = matches!(self.link, Link::Up(_));
        match &mut self.graceful {
            Some(graceful) if is_up && !graceful.hurried => {
                graceful.hurried = true;
                let next = half_way(now, graceful.deadline);
                self.timers.arm(Once::Close, next);
            }
            Some(_) if is_up => self.finish(now),
            Some(_) | None => self.abandon(
                now,
                LinkError::Lost("the peer did not finish the close".into()),
            ),
        }
    }

    /// The last step: the WebSocket close.
    fn finish(&mut self, now: Instant) {
        let deadline = self.graceful.as_ref().map(|graceful| graceful.deadline);
        let rotates = self.graceful.as_ref().is_some_and(|g| g.rotates.is_some());
        let next = if rotates { Intent::Redial } else { Intent::End };
        self.give_up(now, 1000, next);
        if let Some(deadline) = deadline {
            self.timers.arm(Once::Close, deadline.max(now));
        }
    }

    /// A DISCONNECT that was not answered is told before the end.
    pub(super) fn tell_unconfirmed(&mut self) {
        if let Some(graceful) = &mut self.graceful {
            let told = std::mem::replace(&mut graceful.confirmed, true);
            if graceful.disconnected && !told {
                self.tell(Event::Unconfirmed);
            }
        }
    }

    /// What never left is told, not forgotten.
    pub(super) fn discard_outbox(&mut self) {
        while let Some(entry) = self.outbox.pop() {
            if entry.is_silent() {
                self.expired += 1;
            }
        }
        self.tell_expired();
    }

    pub(super) fn tell_expired(&mut self) {
        let frames = std::mem::take(&mut self.expired);
        if frames > 0 {
            self.metrics.expired += frames;
            self.tell(Event::Expired { frames });
        }
    }
}

fn half_way(now: Instant, deadline: Instant) -> Instant {
    now + deadline.saturating_duration_since(now) / 2
}
