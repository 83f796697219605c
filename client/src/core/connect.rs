//! From nothing to a live session, and from a lost link to the next attempt.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::{
    Core, Intent, Link, Phase,
    close::Graceful,
    endpoints::sends_away,
    heartbeat,
    io::{Output, Reply, Ticket, Waiter},
    operations::{Kind, receipt_text},
    timers::Once,
};
use crate::{
    config::Credentials,
    error::{Error, LinkError, ProtocolError, Stage},
    event::{Connected, Event},
    frame::{Command, EncodeError, Encoder, Frame, Version},
};

impl Core {
    /// The application wants a session.
    pub(super) fn connect(&mut self, now: Instant, waiter: Waiter) {
        match self.phase {
            Phase::Idle => {
                self.connect_waiters.push(waiter);
                if self.config.persistent {
                    let limit = now + self.config.timeouts.overall;
                    self.timers.arm(Once::FirstConnect, limit);
                }
                self.dial(now);
            }
            Phase::Closed => self.reply(waiter, Err(Error::Closed)),
            Phase::Closing if self.is_sealed() => self.reply(waiter, Err(Error::Closed)),
            Phase::Online | Phase::Suspended => self.reply(waiter, Ok(Reply::Done)),
            Phase::Dialing | Phase::Handshaking | Phase::Waiting | Phase::Closing => {
                self.connect_waiters.push(waiter);
            }
        }
    }

    /// Opens a link, once a token is at hand.
    pub(super) fn dial(&mut self, now: Instant) {
        debug_assert_eq!(self.link, Link::None);
        self.phase.advance(Phase::Dialing);
        self.troubled_since.get_or_insert(now);
        if self.wants_token() && !self.tokens.usable(now) {
            self.fetch(now, self.tokens.reason());
        } else {
            self.open();
        }
    }

    pub(super) fn open(&mut self) {
        let ticket = self.next_ticket();
        self.link = Link::Opening(ticket);
        self.attempts = self.attempts.saturating_add(1);
        let endpoint = self.endpoints.current().clone();
        self.outputs.push_back(Output::Open { endpoint, ticket });
    }

    pub(super) fn link_up(&mut self, now: Instant, ticket: Ticket) {
        if self.link != Link::Opening(ticket) {
            return;
        }
        self.link = Link::Up(ticket);
        self.epoch += 1;
        self.version = Version::V1_2;
        self.decoder.reset();
        self.decoder.set_version(self.version);
        self.beats.heard(now);
        self.suspects.proved = false;
        self.phase.advance(Phase::Handshaking);
        self.timers.arm(Once::Open, now + self.config.timeouts.open);
        match self.connect_frame(None) {
            Ok(octets) => self.outbox.push_urgent(octets),
            Err(e) => self.give_up(now, 1000, Intent::Fail(e.into())),
        }
    }

    /// CONNECT (STOMP 1.2 §CONNECT). It carries a receipt only where a live
    /// session is bound to a new token.
    pub(super) fn connect_frame(&mut self, receipt: Option<u64>) -> Result<Bytes, EncodeError> {
        let mut buffer = BytesMut::with_capacity(512);
        let config = &self.config;
        let mut frame = Encoder::new(&mut buffer, Command::Connect, Version::V1_2);
        frame.escape_connect(config.dialect.connect_escaping);
        frame.header("accept-version", offered(config.allow_1_0))?;
        let host = config.virtual_host.as_deref();
        frame.header("host", host.unwrap_or(self.endpoints.current().host()))?;
        let beat = config.heart_beat;
        let value = format!(
            "{},{}",
            beat.outgoing.as_millis(),
            beat.incoming.as_millis()
        );
        frame.header("heart-beat", &value)?;
        match &config.credentials {
            Credentials::None => {}
            Credentials::Login { login, passcode } => {
                frame.header("login", login)?;
                frame.header("passcode", passcode.reveal())?;
            }
            Credentials::Token { login, .. } => {
                let login = login.as_deref().or(config.dialect.bearer_login);
                if let Some(login) = login {
                    frame.header("login", login)?;
                }
                if let Some(token) = self.tokens.present() {
                    frame.header("passcode", token.reveal())?;
                    if let Some(name) = config.dialect.bearer_header {
                        frame.header(name, &format!("Bearer {}", token.reveal()))?;
                    }
                }
            }
        }
        for (name, value) in &config.connect_headers {
            frame.header(name, value.reveal())?;
        }
        if let Some(id) = receipt {
            super::transmit::receipt_headers(&mut frame, config.dialect, &receipt_text(id))?;
        }
        frame.finish(b"")?;
        Ok(buffer.freeze())
    }

    /// CONNECTED (STOMP 1.2 §CONNECTED).
    pub(super) fn connected(&mut self, now: Instant, frame: &Frame) {
        if let Err(e) = self.negotiate(now, frame) {
            return self.give_up(now, 1002, Intent::Fail(e.into()));
        }
        self.timers.disarm(Once::Open);
        self.timers.disarm(Once::FirstConnect);
        self.tokens.accepted(now);
        self.phase.advance(Phase::Online);
        self.ever_online = true;
        self.was_stable = Some(false);
        if self.endpoints.live() && self.config.remember.is_some() {
            let endpoint = self.endpoints.current().clone();
            self.outputs.push_back(Output::Remember(endpoint));
        }
        self.plan_rotation(now);
        self.metrics.connections += 1;
        self.beats.start();
        let stable = now + self.config.backoff.stable_after;
        self.timers.arm(Once::Stable, stable);
        self.begin_replay(now);
        let text = |name| frame.header(name).map(std::borrow::Cow::into_owned);
        self.tell(Event::Connected(Box::new(Connected {
            version: self.version,
            session: text("session"),
            server: text("server"),
            beats_out: self.beats.out(),
            beats_in: self.beats.incoming(),
            connection: self.epoch,
            endpoint: self.endpoints.current().to_string(),
        })));
        for waiter in std::mem::take(&mut self.connect_waiters) {
            self.reply(waiter, Ok(Reply::Done));
        }
    }

    /// Version and heart-beats, from CONNECTED.
    pub(super) fn negotiate(&mut self, now: Instant, frame: &Frame) -> Result<(), ProtocolError> {
        let chosen = frame.header("version").unwrap_or("1.0".into());
        let version = Version::parse(&chosen)
            .filter(|v| *v != Version::V1_0 || self.config.allow_1_0)
            .ok_or_else(|| ProtocolError::Version {
                chosen: chosen.chars().take(40).collect(),
                offered: offered(self.config.allow_1_0),
            })?;
        let theirs = match frame.header("heart-beat") {
            None => (0, 0),
            Some(value) => heartbeat::parse(&value)
                .ok_or_else(|| ProtocolError::HeartBeat(value.chars().take(40).collect()))?,
        };
        self.version = version;
        self.decoder.set_version(version);
        let mut own = self.config.heart_beat;
        own.tolerance_percent = own
            .tolerance_percent
            .max(self.config.dialect.beat_tolerance);
        self.beats.agree(now, own, theirs);
        Ok(())
    }

    pub(super) fn stable(&mut self) {
        self.endpoints.stable();
        self.conflicts = 0;
        self.attempts = 0;
        self.troubled_since = None;
        self.short_sessions = 0;
        self.was_stable = Some(true);
    }

    /// The broker did not answer CONNECT in time.
    pub(super) fn open_expired(&mut self, now: Instant) {
        let intent = if self.phase == Phase::Suspended {
            Intent::Redial
        } else {
            Intent::Wait(Error::Link(Box::new(LinkError::Timeout {
                stage: Stage::Open,
                limit: self.config.timeouts.open,
            })))
        };
        self.give_up(now, 1000, intent);
    }

    pub(super) fn first_connect_expired(&mut self) {
        if self.link != Link::None {
            self.outputs.push_back(Output::Abort);
            self.link = Link::None;
        }
        let cause = self.last_cause.take();
        self.closed(Some(cause.unwrap_or(Error::Timeout(Stage::Open))));
    }

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

    pub(super) fn wants_token(&self) -> bool {
        matches!(self.config.credentials, Credentials::Token { .. })
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

/// The `accept-version` header, in rising order (STOMP 1.2 §Protocol Negotiation).
fn offered(allow_1_0: bool) -> &'static str {
    if allow_1_0 { "1.0,1.1,1.2" } else { "1.1,1.2" }
}
