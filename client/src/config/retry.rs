//! How long a client goes on, and when it begins anew by itself.

use std::time::Duration;

use crate::error::{Error, LinkError, ProtocolError};

/// When a client gives up, and what it does not forgive. By default only what
/// [`FatalErrors`] names ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Connection attempts in a row, counted anew after each stable session.
    /// Default: without end.
    pub max_attempts: Option<u32>,
    /// Time from the loss of the last stable session (or the first attempt) to
    /// the beginning of the last attempt. Default: without end.
    pub max_elapsed: Option<Duration>,
    /// After so many sessions in a row that ended before they were stable,
    /// [`Event::Looping`](crate::Event::Looping) tells of it, and again after as
    /// many more. Default: 5.
    pub short_sessions: u32,
    /// Errors after which there is no further attempt.
    pub fatal: FatalErrors,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: None,
            max_elapsed: None,
            short_sessions: 5,
            fatal: FatalErrors::default(),
        }
    }
}

/// Errors after which there is no further attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FatalErrors {
    /// The token source says that asking again is pointless, or the broker has
    /// refused a token that was fetched because it had refused another.
    /// Default: true.
    pub token: bool,
    /// CONNECT was answered with 401 or 403. Default: true.
    pub refused: bool,
    /// More answers 409 in a row than `conflict_limit`. Default: true.
    pub conflict: bool,
    /// CONNECTED names a version that was not offered, or its heart-beats cannot
    /// be read. Default: true.
    pub version: bool,
    /// The TLS handshake fails: most of all, a certificate that is not trusted.
    /// Default: false, for certificates are renewed.
    pub tls: bool,
    /// The upgrade is refused with an HTTP status that says that it will be
    /// refused again, such as 401 or 404. Default: false, for gateways say so
    /// during maintenance.
    pub http: bool,
}

impl Default for FatalErrors {
    fn default() -> Self {
        Self {
            token: true,
            refused: true,
            conflict: true,
            version: true,
            tls: false,
            http: false,
        }
    }
}

impl FatalErrors {
    /// Whether what is fatal by its nature is so here.
    pub(crate) fn confirms(&self, cause: &Error) -> bool {
        match cause {
            Error::Auth(_) => self.token,
            Error::Broker(e) => match e.code() {
                Some(401 | 403) => self.refused,
                Some(409) => self.conflict,
                Some(_) | None => true,
            },
            Error::Protocol(e) => match **e {
                ProtocolError::Version { .. } | ProtocolError::HeartBeat(_) => self.version,
                ProtocolError::Decode(_) | ProtocolError::Unexpected { .. } => true,
            },
            Error::Link(_)
            | Error::Timeout(_)
            | Error::Misuse(_)
            | Error::Lost
            | Error::Suspended
            | Error::Overflow
            | Error::Spool(_)
            | Error::Undrained(_)
            | Error::Closed => true,
        }
    }

    /// Whether what could be tried again is not to be.
    pub(crate) fn adds(&self, cause: &Error) -> bool {
        let Error::Link(e) = cause else {
            return false;
        };
        match **e {
            LinkError::Tls { .. } => self.tls,
            LinkError::Refused(_) => self.http && !e.is_retryable(),
            LinkError::Resolve { .. }
            | LinkError::Io { .. }
            | LinkError::Timeout { .. }
            | LinkError::Handshake(_)
            | LinkError::WebSocket(_)
            | LinkError::InvalidUtf8
            | LinkError::Closed { .. }
            | LinkError::Lost(_)
            | LinkError::Silent { .. } => false,
        }
    }
}

/// Whether connections are made anew before their token ends, for brokers that
/// never tell of its end: RabbitMQ lets the session live on, and closes it
/// without a word at the first permission that it has to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rotate {
    /// A session is ended by others only. The default.
    #[default]
    Never,
    /// A session ends in order (what has left is confirmed, DISCONNECT) between
    /// 90 and 95 % of its token's life, if the next token is at hand, and begins
    /// anew with that one. Publishes wait meanwhile; subscriptions are restored.
    Planned,
}
