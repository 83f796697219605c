//! What the session tells about how it stands.

use std::time::{Duration, Instant};

use super::{Core, Phase};
use crate::{
    error::{Error, LinkError},
    health::{Health, Stall},
    metrics::{Losses, Metrics},
};

/// What takes longer holds up the session.
const PATIENCE: Duration = Duration::from_secs(5);

impl Core {
    pub(super) fn health(&self, now: Instant) -> Health {
        let since = |at: Instant| now.saturating_duration_since(at);
        let connected = matches!(self.phase, Phase::Online | Phase::Suspended);
        let (confirmed, subscriptions) = self.subscriptions.confirmed();
        let mut health = Health {
            connected,
            stalls: Vec::new(),
            heard: connected.then(|| self.beats.silent(now)),
            waiting: self.outbox.len(),
            oldest_receipt: self.operations.oldest_sent().map(since),
            subscriptions,
            confirmed,
        };
        if !connected {
            return health;
        }
        let stuck = self
            .outbox
            .waits_since()
            .is_some_and(|at| since(at) > PATIENCE);
        let unconfirmed = health.oldest_receipt.is_some_and(|age| age > PATIENCE);
        for (stall, holds) in [
            (Stall::Suspended, self.phase == Phase::Suspended),
            (Stall::Silent, self.beats.missed(now) > 0),
            (Stall::Outbox, stuck),
            (Stall::Receipt, unconfirmed),
            (Stall::Subscriptions, confirmed < subscriptions),
        ] {
            if holds {
                health.stalls.push(stall);
            }
        }
        health
    }

    /// The counters, and what waits to leave.
    pub(super) fn snapshot(&self) -> Metrics {
        Metrics {
            outbox: self.outbox.depth(),
            ..self.metrics.clone()
        }
    }
}

/// Counts the end of a connection or attempt by its cause.
pub(super) fn count(losses: &mut Losses, cause: &Error) {
    let counter = match cause {
        Error::Broker(e) if e.code() == Some(409) => &mut losses.conflict,
        Error::Broker(_) => &mut losses.broker,
        Error::Protocol(_) => &mut losses.protocol,
        Error::Auth(_) => &mut losses.token,
        Error::Timeout(_) => &mut losses.timeout,
        Error::Link(e) => match **e {
            LinkError::Closed { .. } => &mut losses.closed,
            LinkError::Lost(_) => &mut losses.lost,
            LinkError::Silent { .. } => &mut losses.silent,
            LinkError::Refused(_) => &mut losses.refused,
            LinkError::Resolve { .. } | LinkError::Io { .. } => &mut losses.unreachable,
            LinkError::Timeout { .. } => &mut losses.timeout,
            LinkError::Tls { .. }
            | LinkError::Handshake(_)
            | LinkError::WebSocket(_)
            | LinkError::InvalidUtf8 => &mut losses.other,
        },
        Error::Misuse(_)
        | Error::Lost
        | Error::Suspended
        | Error::Overflow
        | Error::Spool(_)
        | Error::Undrained(_)
        | Error::Closed => &mut losses.other,
    };
    *counter += 1;
}
