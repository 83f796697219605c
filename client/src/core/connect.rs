//! From nothing to a live session, and from a lost link to the next attempt.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::{
    Core, Intent, Link, Phase, heartbeat,
    io::{Output, Reply, Ticket, Waiter},
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
            super::operations::receipt_headers(&mut frame, config.dialect, id);
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

    pub(super) fn wants_token(&self) -> bool {
        matches!(self.config.credentials, Credentials::Token { .. })
    }
}

/// The `accept-version` header, in rising order (STOMP 1.2 §Protocol Negotiation).
fn offered(allow_1_0: bool) -> &'static str {
    if allow_1_0 { "1.0,1.1,1.2" } else { "1.1,1.2" }
}
