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
}

impl Core {
    pub(super) fn close(&mut self, now: Instant, waiter: Waiter, deadline: Instant) {
        match self.phase {
            Phase::Closed => self.reply(waiter, Ok(Reply::Done)),
            Phase::Online => {
                self.close_waiters.push(waiter);
                self.phase.advance(Phase::Closing);
                self.graceful = Some(Graceful {
                    deadline,
                    hurried: false,
                    disconnected: false,
                });
                self.timers.arm(Once::Close, half_way(now, deadline));
            }
            Phase::Closing => {
                self.close_waiters.push(waiter);
                if self.graceful.is_none() {
                    self.intent = Some(Intent::End);
                }
            }
            Phase::Idle
            | Phase::Dialing
            | Phase::Handshaking
            | Phase::Suspended
            | Phase::Waiting => {
                self.close_waiters.push(waiter);
                if self.link != Link::None {
                    self.outputs.push_back(Output::Abort);
                    self.link = Link::None;
                }
                self.closed(None);
            }
        }
    }

    /// Whether DISCONNECT is to leave now. Some brokers answer nothing that was
    /// sent just before it, so confirmations are awaited first.
    pub(super) fn disconnect_due(&self) -> bool {
        self.graceful.as_ref().is_some_and(|graceful| {
            !graceful.disconnected && (graceful.hurried || self.operations.len() == 0)
        })
    }

    pub(super) fn disconnect_confirmed(&mut self, now: Instant) {
        self.finish(now);
    }

    /// The present step took too long: on to the next.
    pub(super) fn close_expired(&mut self, now: Instant) {
        match &mut self.graceful {
            Some(graceful) if !graceful.hurried => {
                graceful.hurried = true;
                let next = half_way(now, graceful.deadline);
                self.timers.arm(Once::Close, next);
            }
            Some(_) if matches!(self.link, Link::Up(_)) => self.finish(now),
            Some(_) | None => self.abandon(
                now,
                LinkError::Lost("the peer did not finish the close".into()),
            ),
        }
    }

    /// The last step: the WebSocket close.
    fn finish(&mut self, now: Instant) {
        let deadline = self.graceful.as_ref().map(|graceful| graceful.deadline);
        self.give_up(now, 1000, Intent::End);
        if let Some(deadline) = deadline {
            self.timers.arm(Once::Close, deadline.max(now));
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
