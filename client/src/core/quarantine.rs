//! Subscriptions that the broker refused although they had worked before. They
//! are asked for again, each with a back-off of its own; the others go on.

use std::time::{Duration, Instant};

use super::{Core, Phase, io::Key, replies::REPLIES, subscriptions::State, timers::Timer};
use crate::{error::Error, event::Event};

/// The longest wait. Most brokers refuse with an ERROR, which ends the
/// connection for all: that must become rare.
pub(super) const LONGEST: Duration = Duration::from_secs(3600);

impl Core {
    /// The broker refused or cancelled a subscription.
    pub(super) fn subscription_refused(&mut self, now: Instant, key: Key, error: Error) {
        self.refused_for(now, key, error, LONGEST);
    }

    /// The same; it is asked for again after `longest` at the latest.
    pub(super) fn refused_for(&mut self, now: Instant, key: Key, error: Error, longest: Duration) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        if !subscription.established || subscription.state == State::Leaving {
            return self.forget_refused(key, error);
        }
        let initial = self.config.backoff.initial;
        let delay = 1_u32
            .checked_shl(subscription.refusals)
            .and_then(|factor| initial.checked_mul(factor))
            .map_or(longest, |delay| delay.min(longest));
        self.refused_again |= subscription.refusals > 0;
        // What was waited less for is not to double either.
        subscription.refusals += u32::from(delay < longest || subscription.refusals == 0);
        subscription.state = State::Quarantined;
        subscription.silent_since.get_or_insert(now);
        let name = subscription.spec.id.clone();
        let timer = self.timers.insert(now + delay, Timer::Quarantine(key));
        let before = subscription.timer.replace(timer);
        self.timers.cancel(before);
        self.tell(Event::Refused {
            subscription: name,
            cause: error,
            retry_in: delay,
        });
    }

    /// One that never worked: whoever made it learns why not.
    fn forget_refused(&mut self, key: Key, error: Error) {
        if let Some(subscription) = self.subscriptions.remove(key) {
            self.timers.cancel(subscription.timer);
            self.reply(subscription.waiter, Err(error.clone()));
            if key == REPLIES {
                self.fail_requests(&error);
            }
            self.ended(key, Some(error));
        }
    }

    /// Its back-off has ended.
    pub(super) fn quarantine_ended(&mut self, now: Instant, key: Key) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        subscription.timer = None;
        if subscription.state == State::Quarantined {
            subscription.state = State::Wanted;
            // Else it leaves with all others once there is a session.
            if self.phase == Phase::Online {
                self.replay.push_back(key);
                self.ask_headers(now, key);
            }
        }
    }
}
