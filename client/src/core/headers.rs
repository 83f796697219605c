//! Headers that are made anew for every SUBSCRIBE, by the application's own
//! code: not on this thread. The SUBSCRIBE waits for them, and what follows it
//! waits with it.

use std::time::Instant;

use super::{
    Core,
    io::{Key, Output, Ticket},
    subscriptions::Subscription,
    timers::Timer,
};
use crate::error::{Error, Misuse, Stage};

impl Core {
    /// SUBSCRIBEs are to leave again: asks for the headers that they need.
    pub(super) fn begin_replay(&mut self, now: Instant) {
        self.replay = self.subscriptions.unconfirmed();
        for key in self.subscriptions.stale() {
            self.ask_headers(now, key);
        }
    }

    pub(super) fn ask_headers(&mut self, now: Instant, key: Key) {
        let subscription = self.subscriptions.get(key);
        if !subscription.is_some_and(Subscription::is_stale) {
            return;
        }
        let ticket = self.next_ticket();
        if let Some(subscription) = self.subscriptions.get_mut(key) {
            subscription.asking = Some(ticket);
        }
        let limit = now + self.config.timeouts.open;
        self.timers.insert(limit, Timer::Headers(ticket));
        self.outputs.push_back(Output::NeedHeaders(ticket, key));
    }

    /// The application answered.
    pub(super) fn headers(
        &mut self,
        now: Instant,
        ticket: Ticket,
        answer: Result<Vec<(String, String)>, String>,
    ) {
        let Some((key, subscription)) = self.subscriptions.asked_with(ticket) else {
            return;
        };
        subscription.asking = None;
        match answer {
            Ok(headers) => subscription.spec.fresh = Some(headers),
            Err(why) => self.subscription_refused(now, key, Misuse::Config(why).into()),
        }
    }

    /// It did not, in time.
    pub(super) fn headers_expired(&mut self, now: Instant, ticket: Ticket) {
        if let Some((key, subscription)) = self.subscriptions.asked_with(ticket) {
            subscription.asking = None;
            self.subscription_refused(now, key, Error::Timeout(Stage::Headers));
        }
    }

    /// Whether the next SUBSCRIBE waits for its headers.
    pub(super) fn awaits_headers(&self) -> bool {
        self.replay
            .front()
            .and_then(|key| self.subscriptions.get(*key))
            .is_some_and(|s| s.asking.is_some())
    }
}
