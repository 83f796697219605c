//! Brokers that answer a SUBSCRIBE with the end of the connection and nothing else:
//! RabbitMQ over WebSocket does, if the queue's node is down or access is refused.
//! Whichever it was must not keep the others from living.

use std::time::{Duration, Instant};

use super::{
    Core, Intent, Phase, endpoints::sends_away, io::Key, operations::Kind, quarantine::LONGEST,
};
use crate::{
    error::{Error, LinkError},
    event::Event,
};

/// So many sessions in a row may end before they are stable and be followed by the
/// next at once.
const HASTE: u32 = 8;

/// What is known of connections that end while SUBSCRIBEs are unanswered.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// SUBSCRIBEs leave one by one, each after the RECEIPT of the one before: one of
    /// them ended a session, and the broker did not say which.
    pub(super) cautious: bool,
    /// A RECEIPT came on the present connection.
    pub(super) proved: bool,
    /// Sessions in a row that ended so.
    unanswered: u32,
}

impl Suspects {
    /// All SUBSCRIBEs are answered.
    pub(super) fn acquit(&mut self) {
        self.cautious = false;
        self.unanswered = 0;
    }
}

impl Core {
    /// The peer ended the connection unasked. Returns what follows, if that is
    /// not the same as always.
    pub(super) fn suspect(&mut self, now: Instant, error: &LinkError) -> Option<Intent> {
        let cause = Error::from(error.clone());
        let is_verdict = match error {
            LinkError::Closed { code, .. } => *code != GOING_AWAY && !sends_away(&cause),
            LinkError::Lost(_) | LinkError::Io { .. } => false,
            LinkError::Resolve { .. }
            | LinkError::Timeout { .. }
            | LinkError::Tls { .. }
            | LinkError::Refused(_)
            | LinkError::Handshake(_)
            | LinkError::WebSocket(_)
            | LinkError::InvalidUtf8
            | LinkError::Silent { .. } => return None,
        };
        let asked = self.subscriptions.asked();
        if self.phase != Phase::Online || asked.is_empty() {
            return None;
        }
        let suspects = &mut self.suspects;
        match asked[..] {
            [key] if suspects.cautious => self.put_aside(now, key, cause.clone()),
            _ => {
                // Networks fail at such moments, too, but seldom twice.
                suspects.unanswered += 1;
                suspects.cautious = is_verdict || suspects.unanswered > 1;
            }
        }
        self.go_on_at_once(cause)
    }

    /// It was this one.
    fn put_aside(&mut self, now: Instant, key: Key, cause: Error) {
        for (_, operation) in self.operations.take(|o| o.kind == Kind::Subscribe(key)) {
            self.timers.cancel(operation.timer);
        }
        // Where nothing is confirmed at all, the broker may be to blame.
        let longest = if self.is_proved() {
            LONGEST
        } else {
            self.config.backoff.max
        };
        self.refused_for(now, key, cause, longest);
        self.refused_again = false;
    }

    /// The others are not to wait because of one, if the session was good else.
    fn go_on_at_once(&mut self, cause: Error) -> Option<Intent> {
        if !self.config.reconnect || !self.is_proved() || self.short_sessions >= HASTE {
            return None;
        }
        if self.was_stable.take() == Some(false) {
            self.was_short();
        }
        super::health::count(&mut self.metrics.losses, &cause);
        self.tell(Event::Disconnected {
            cause,
            retry_in: Some(Duration::ZERO),
        });
        Some(Intent::Redial)
    }

    fn is_proved(&self) -> bool {
        self.suspects.proved || self.was_stable == Some(true)
    }
}

/// The whole server, or the page, goes (RFC 6455 §7.4.1).
const GOING_AWAY: u16 = 1001;
