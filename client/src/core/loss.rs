//! How a connection ends, and what follows.

use std::time::{Duration, Instant};

use super::{
    Core, Intent, Link, Phase,
    close::Graceful,
    endpoints::sends_away,
    io::{Output, Reply, Ticket},
    operations::Kind,
    timers::Once,
};
use crate::{
    error::{Error, LinkError, ProtocolError, Stage},
    event::Event,
};

impl Core {
    pub(super) fn link_down(&mut self, now: Instant, ticket: Ticket, error: &LinkError) {
        match self.link {
            Link::Opening(t) | Link::Up(t) | Link::Closing(t) if t == ticket => {}
            Link::None | Link::Opening(_) | Link::Up(_) | Link::Closing(_) => return,
        }
        self.link = Link::None;
        self.gone(now, error);
    }

    /// Drops the link without ceremony, because nobody is there.
    pub(super) fn abandon(&mut self, now: Instant, error: LinkError) {
        self.outputs.push_back(Output::Abort);
        self.link = Link::None;
        self.gone(now, &error);
    }

    /// Gives the link up: a Close frame, and what follows when it is gone.
    pub(super) fn give_up(&mut self, now: Instant, code: u16, intent: Intent) {
        let intent = self.judged(intent);
        self.beats.stop();
        self.timers.disarm(Once::Open);
        self.timers.disarm(Once::Stable);
        match self.link {
            Link::Up(ticket) => {
                self.refuse_connect(&intent);
                self.link = Link::Closing(ticket);
                self.intent = Some(intent);
                if self.phase != Phase::Closing {
                    self.phase.advance(Phase::Closing);
                }
                self.outputs.push_back(Output::Close { code });
                let limit = now + self.config.timeouts.close;
                let asked = self.graceful.as_ref().map(|graceful| graceful.deadline);
                self.timers
                    .arm(Once::Close, asked.map_or(limit, |asked| asked.min(limit)));
            }
            // What was decided first stands, most of all that it is the end.
            Link::Closing(_) => {}
            Link::Opening(_) => {
                self.outputs.push_back(Output::Abort);
                self.link = Link::None;
                self.follow(now, intent);
            }
            Link::None => self.follow(now, intent),
        }
    }

    /// Who waits for a connection that will not come need not wait for the end
    /// of the link as well.
    fn refuse_connect(&mut self, intent: &Intent) {
        let cause = match intent {
            Intent::Fail(cause) => cause,
            Intent::Wait(cause) if self.is_hopeless(cause) => cause,
            Intent::Wait(_) | Intent::Redial | Intent::End => return,
        };
        for waiter in std::mem::take(&mut self.connect_waiters) {
            self.reply(waiter, Err(cause.clone()));
        }
    }

    pub(super) fn protocol_failure(&mut self, now: Instant, error: ProtocolError) {
        self.give_up(now, 1002, Intent::Wait(error.into()));
    }

    /// The link is gone, for whatever reason.
    fn gone(&mut self, now: Instant, error: &LinkError) {
        self.tell_unconfirmed();
        let graceful = self.graceful.take();
        let was_suspended = self.phase == Phase::Suspended;
        for timer in [Once::Open, Once::Close, Once::Stable, Once::Rotate] {
            self.timers.disarm(timer);
        }
        self.beats.stop();
        let decided = self.intent.take();
        let suspicion = match (&graceful, &decided) {
            (None, None) => self.suspect(now, error),
            (Some(_), _) | (_, Some(_)) => None,
        };
        self.lose();
        let intent = match (graceful, decided.or(suspicion)) {
            (
                Some(Graceful {
                    rotates: Some(_), ..
                }),
                Some(intent @ (Intent::Wait(_) | Intent::Fail(_) | Intent::End)),
            ) => intent,
            (
                Some(Graceful {
                    rotates: Some(_),
                    disconnected: true,
                    ..
                }),
                _,
            ) => Intent::Redial,
            (
                Some(Graceful {
                    rotates: Some(_), ..
                }),
                _,
            ) => Intent::Wait(error.clone().into()),
            // An end that answers our DISCONNECT is what was asked for, and
            // nothing leads back from it.
            (
                Some(Graceful {
                    disconnected: true, ..
                }),
                _,
            )
            | (Some(_), Some(Intent::End)) => Intent::End,
            (Some(_), Some(Intent::Wait(cause) | Intent::Fail(cause))) => Intent::Fail(cause),
            (Some(_), Some(Intent::Redial) | None) => Intent::Fail(error.clone().into()),
            (None, Some(intent)) => intent,
            // The broker chose not to be bound to a new token on this socket.
            (None, None) if was_suspended => Intent::Redial,
            (None, None) => Intent::Wait(error.clone().into()),
        };
        let intent = self.judged(intent);
        self.follow(now, intent);
    }

    /// What the application said about errors that are fatal, or are not.
    fn judged(&self, intent: Intent) -> Intent {
        let fatal = &self.config.retry.fatal;
        match intent {
            Intent::Fail(cause) if !self.is_sealed() && !fatal.confirms(&cause) => {
                Intent::Wait(cause)
            }
            Intent::Wait(cause) if fatal.adds(&cause) => Intent::Fail(cause),
            intent @ (Intent::Redial | Intent::Wait(_) | Intent::Fail(_) | Intent::End) => intent,
        }
    }

    fn follow(&mut self, now: Instant, intent: Intent) {
        match &intent {
            Intent::Wait(cause) | Intent::Fail(cause) => {
                super::health::count(&mut self.metrics.losses, cause);
            }
            Intent::Redial | Intent::End => {}
        }
        match intent {
            Intent::Redial => {
                if self.config.fail_back {
                    self.endpoints.fail_back(now);
                }
                self.dial(now);
            }
            Intent::Wait(cause) => self.wait(now, cause),
            Intent::Fail(cause) => self.closed(Some(cause)),
            Intent::End => self.closed(None),
        }
    }

    /// The next attempt after a delay, unless there is to be none.
    pub(super) fn wait(&mut self, now: Instant, cause: Error) {
        let was_stable = self.was_stable.take();
        if was_stable == Some(false) {
            self.was_short();
        }
        if self.is_hopeless(&cause) {
            return self.closed(Some(cause));
        }
        let is_ours = is_about_tokens(&cause);
        let delay = if is_ours {
            self.may_hurry = false;
            self.tokens.next_delay(&mut self.rng)
        } else {
            self.endpoints.blame(now, &cause, &mut self.rng);
            // The last good one comes first.
            let is_good = was_stable == Some(true) && !sends_away(&cause);
            self.may_hurry = !is_conflict(&cause);
            if is_good || is_conflict(&cause) {
                self.endpoints.stay(now)
            } else {
                self.endpoints.turn(now)
            }
        };
        if self.is_exhausted(now, delay) {
            return self.closed(Some(cause));
        }
        self.phase.advance(Phase::Waiting);
        if !is_ours {
            self.ask_region(now, &cause);
        }
        self.timers.arm(Once::Redial, now + delay);
        self.last_cause = Some(cause.clone());
        self.tell(Event::Disconnected {
            cause,
            retry_in: Some(delay),
        });
    }

    /// Whether no other attempt follows one that failed like this.
    fn is_hopeless(&self, cause: &Error) -> bool {
        let first = !self.ever_online;
        let again = (self.config.persistent && cause.is_retryable())
            || (is_about_endpoint(cause) && self.endpoints.has_another());
        !self.config.reconnect || (first && !again)
    }

    /// Whether the policy says that it is enough.
    fn is_exhausted(&mut self, now: Instant, delay: Duration) -> bool {
        let policy = self.config.retry;
        let since = *self.troubled_since.get_or_insert(now);
        policy.max_attempts.is_some_and(|max| self.attempts >= max)
            || policy
                .max_elapsed
                .is_some_and(|max| now + delay > since + max)
    }

    /// A session ended before it was stable.
    pub(super) fn was_short(&mut self) {
        self.short_sessions = self.short_sessions.saturating_add(1);
        let sessions = self.short_sessions;
        if sessions % self.config.retry.short_sessions.max(1) == 0 {
            self.tell(Event::Looping { sessions });
        }
    }

    /// What the end of a connection does to everything that was bound to it.
    fn lose(&mut self) {
        self.outbox.clear_urgent();
        self.replay.clear();
        self.transactions.abort();
        self.reauth.reset();
        for key in self.subscriptions.lost(self.beats.last_heard()) {
            self.forget(key);
        }
        if self.drain.has_begun() {
            // None of them is asked for again.
            let keys: Vec<_> = self.subscriptions.keys().collect();
            for key in keys {
                self.forget(key);
            }
        }
        for (_, operation) in self
            .operations
            .take(|o| matches!(o.kind, Kind::Unsubscribe(_)))
        {
            // The broker forgot the subscription with the connection.
            self.timers.cancel(operation.timer);
            self.reply(operation.waiter, Ok(Reply::Done));
        }
        self.operations.forget_confirmed();
        self.unconfirmed();
    }

    /// The end. Every call is answered and every queue closed.
    pub(super) fn closed(&mut self, cause: Option<Error>) {
        if self.phase == Phase::Closed {
            return;
        }
        let verdict = cause.clone().unwrap_or(Error::Closed);
        self.phase.advance(Phase::Closed);
        self.timers.clear();
        self.tokens.give_up();
        self.region = None;
        for (_, operation) in self.operations.take(|_| true) {
            let lost = operation.replayed().is_some_and(|replayed| replayed.left);
            let error = if lost { Error::Lost } else { verdict.clone() };
            self.reply(operation.waiter, Err(error));
        }
        let keys: Vec<_> = self.subscriptions.keys().collect();
        for key in keys {
            if let Some(subscription) = self.subscriptions.remove(key) {
                self.reply(subscription.waiter, Err(verdict.clone()));
            }
            self.ended(key, cause.clone());
        }
        self.requests = super::replies::Requests::default();
        self.discard_outbox();
        let draining = self.drain.take_waiters().into_iter().map(|(w, _)| w);
        let waiters: Vec<_> = std::mem::take(&mut self.connect_waiters);
        for waiter in waiters.into_iter().chain(draining) {
            self.reply(waiter, Err(verdict.clone()));
        }
        if self.ever_online {
            if let Some(cause) = &cause {
                self.tell(Event::Disconnected {
                    cause: cause.clone(),
                    retry_in: None,
                });
            }
        }
        self.tell_unconfirmed();
        self.tell(Event::Closed {
            cause: cause.clone(),
        });
        // Last: who is told that all is over finds it over.
        for waiter in std::mem::take(&mut self.close_waiters) {
            let result = cause.clone().map_or(Ok(Reply::Done), Err);
            self.reply(waiter, result);
        }
    }
}

fn is_conflict(cause: &Error) -> bool {
    matches!(cause, Error::Broker(e) if e.code() == Some(409))
}

/// No endpoint is to blame for a token that could not be had.
fn is_about_tokens(cause: &Error) -> bool {
    matches!(cause, Error::Auth(_) | Error::Timeout(Stage::Token))
}

/// Whether another endpoint may do better.
fn is_about_endpoint(cause: &Error) -> bool {
    matches!(cause, Error::Link(_) | Error::Protocol(_))
}
