//! Errors, sorted by whose fault they are.

mod drain;
mod misuse;
mod spool;

pub use drain::Undrained;
pub use misuse::Misuse;
pub use spool::SpoolError;

use std::{fmt, io, sync::Arc, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::frame::{DecodeError, EncodeError, Frame, is_secret};

/// What a call of this library can fail with.
///
/// The variants say whose fault it was: the broker's ([`Broker`](Self::Broker),
/// [`Protocol`](Self::Protocol)), the network's ([`Link`](Self::Link),
/// [`Lost`](Self::Lost)), the credentials' ([`Auth`](Self::Auth)), nobody's but
/// the clock's ([`Timeout`](Self::Timeout)) or the caller's
/// ([`Misuse`](Self::Misuse)).
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The broker answered with an ERROR frame.
    #[error(transparent)]
    Broker(Box<BrokerError>),
    /// The broker sent octets that are not STOMP, or frames that STOMP forbids.
    #[error(transparent)]
    Protocol(Box<ProtocolError>),
    /// The connection could not be made, or ended.
    #[error(transparent)]
    Link(Box<LinkError>),
    /// No usable token could be had.
    #[error(transparent)]
    Auth(AuthError),
    /// The deadline of the call passed while it was in the named stage.
    #[error("timed out while {0}")]
    Timeout(Stage),
    /// The call cannot be right as it was made.
    #[error(transparent)]
    Misuse(Misuse),
    /// The connection ended before the broker confirmed; whether the broker
    /// saw the frame is unknown.
    #[error("the connection was lost before the broker confirmed")]
    Lost,
    /// The session waits for a new token and the call was not willing to wait
    /// ([`Publish::try_publish`](crate::Publish::try_publish)).
    #[error("the session is suspended until a new token is accepted")]
    Suspended,
    /// The subscription's queue was full and its policy is to fail.
    #[error("the subscription ended because its queue was full")]
    Overflow,
    /// The disk on which a full queue goes on cannot be used.
    #[error("the spool cannot be used: {0}")]
    Spool(Box<SpoolError>),
    /// A drain came to its deadline with something left. The client has ended.
    #[error("not all was drained: {0}")]
    Undrained(Box<Undrained>),
    /// The client, or the subscription, was ended by the application.
    #[error("the client or subscription is closed")]
    Closed,
}

/// Its kind, its text, and the broker's code if there is one.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, code) = match self {
            Self::Broker(e) => ("broker", e.code()),
            Self::Protocol(_) => ("protocol", None),
            Self::Link(_) => ("link", None),
            Self::Auth(_) => ("auth", None),
            Self::Timeout(_) => ("timeout", None),
            Self::Misuse(_) => ("misuse", None),
            Self::Lost => ("lost", None),
            Self::Suspended => ("suspended", None),
            Self::Overflow => ("overflow", None),
            Self::Spool(_) => ("spool", None),
            Self::Undrained(_) => ("undrained", None),
            Self::Closed => ("closed", None),
        };
        let mut fields = serializer.serialize_struct("Error", 3)?;
        fields.serialize_field("kind", kind)?;
        fields.serialize_field("code", &code)?;
        fields.serialize_field("text", &self.to_string())?;
        fields.end()
    }
}

impl Error {
    /// Whether the same call may succeed later without any change by the caller.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Lost | Self::Suspended => true,
            Self::Link(e) => e.is_retryable(),
            Self::Auth(e) => !e.fatal,
            Self::Broker(e) => e.is_retryable(),
            Self::Protocol(_)
            | Self::Misuse(_)
            | Self::Overflow
            | Self::Spool(_)
            | Self::Undrained(_)
            | Self::Closed => false,
        }
    }
}

impl From<LinkError> for Error {
    fn from(e: LinkError) -> Self {
        Self::Link(Box::new(e))
    }
}

impl From<ProtocolError> for Error {
    fn from(e: ProtocolError) -> Self {
        Self::Protocol(Box::new(e))
    }
}

impl From<SpoolError> for Error {
    fn from(e: SpoolError) -> Self {
        Self::Spool(Box::new(e))
    }
}

impl From<Misuse> for Error {
    fn from(e: Misuse) -> Self {
        Self::Misuse(e)
    }
}

impl From<AuthError> for Error {
    fn from(e: AuthError) -> Self {
        Self::Auth(e)
    }
}

impl From<EncodeError> for Error {
    fn from(e: EncodeError) -> Self {
        Self::Misuse(Misuse::Frame(e))
    }
}

/// How far a connection attempt or a call had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Asking the resolver for the host's addresses.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// Asking the HTTP proxy for a tunnel.
    Tunnel,
    /// The TLS handshake.
    Tls,
    /// The HTTP upgrade to WebSocket.
    Upgrade,
    /// Waiting for CONNECTED.
    Open,
    /// The session is live; octets are exchanged.
    Live,
    /// Waiting for a token.
    Token,
    /// Waiting for a connection, or for room: the frame never left.
    Outbox,
    /// Waiting for the application's headers for a SUBSCRIBE.
    Headers,
    /// Waiting for the broker's RECEIPT: the frame has left, on this connection
    /// or on one before, and the broker may have heard it.
    Receipt,
    /// Waiting for the reply to a request that has left.
    Reply,
    /// Waiting for the end of a suspension: the frame never left.
    Suspended,
    /// Waiting for the peer to finish a close.
    Close,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host",
            Self::Connect => "connecting",
            Self::Tunnel => "asking the proxy for a tunnel",
            Self::Tls => "in the TLS handshake",
            Self::Upgrade => "upgrading to WebSocket",
            Self::Open => "waiting for CONNECTED",
            Self::Live => "live",
            Self::Token => "waiting for a token",
            Self::Outbox => "waiting for the frame to leave",
            Self::Headers => "waiting for the headers of a SUBSCRIBE",
            Self::Receipt => "waiting for the RECEIPT",
            Self::Reply => "waiting for the reply",
            Self::Suspended => "suspended until a new token is accepted",
            Self::Close => "closing",
        })
    }
}

/// An ERROR frame, with the numeric code that was found in it.
#[derive(Debug, Clone)]
pub struct BrokerError {
    code: Option<u16>,
    frame: Frame,
}

impl BrokerError {
    pub(crate) fn new(code: Option<u16>, frame: Frame) -> Self {
        Self { code, frame }
    }

    /// The code, taken from the headers `code`, `status` or `error-code`, the
    /// leading three digits of `message`, or a JSON body, in that order.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.code
    }

    /// Whether the code is one that HTTP calls passing: 408, 409, 425, 429, 502,
    /// 503 or 504. Without a code nothing is known, and it is not.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.code, Some(408 | 409 | 425 | 429 | 502..=504))
    }

    /// The `message` header; empty if there was none.
    #[must_use]
    pub fn message(&self) -> std::borrow::Cow<'_, str> {
        self.frame.header("message").unwrap_or_default()
    }

    /// The whole frame.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the broker answered ERROR")?;
        let message = self.message();
        match self.code {
            Some(code) if !message.starts_with(&code.to_string()) => write!(f, " {code}")?,
            _ => {}
        }
        if !message.is_empty() {
            write!(f, ": {message}")?;
        }
        let body = String::from_utf8_lossy(self.frame.body());
        let body = body.trim();
        if !body.is_empty() {
            write!(f, " ({})", shorten(body, 200))?;
        }
        Ok(())
    }
}

impl std::error::Error for BrokerError {}

impl From<BrokerError> for Error {
    fn from(e: BrokerError) -> Self {
        Self::Broker(Box::new(e))
    }
}

/// The broker broke the protocol.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The octets are not a STOMP frame.
    #[error("the broker's octets are not STOMP: {0}")]
    Decode(#[from] DecodeError),
    /// CONNECTED named a version that was not offered, or none.
    #[error("the broker chose version {chosen}, which was not offered ({offered})")]
    Version {
        /// What CONNECTED said; `1.0` if it said nothing.
        chosen: String,
        /// The `accept-version` that was sent.
        offered: &'static str,
    },
    /// A frame arrived that makes no sense now.
    #[error("the broker sent {command} {when}")]
    Unexpected {
        /// The frame's command.
        command: &'static str,
        /// When it came, in words.
        when: &'static str,
    },
    /// The `heart-beat` header of CONNECTED cannot be read.
    #[error("CONNECTED carries an unreadable heart-beat header: {0:?}")]
    HeartBeat(String),
}

/// The connection failed or ended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The host name gave no address.
    #[error("cannot resolve {host}: {text}")]
    Resolve {
        /// The name that was asked for.
        host: String,
        /// The resolver's answer.
        text: String,
    },
    /// The operating system reported an error.
    #[error("{stage}: {source}")]
    Io {
        /// How far the connection had come.
        stage: Stage,
        /// The error.
        source: Arc<io::Error>,
    },
    /// The TLS handshake failed.
    #[error("TLS with {host}: {text}")]
    Tls {
        /// The name that the certificate was checked against.
        host: String,
        /// What the TLS library said.
        text: String,
    },
    /// A stage did not end within its deadline.
    #[error("timed out while {stage} (limit {limit:?})")]
    Timeout {
        /// The stage.
        stage: Stage,
        /// Its deadline, counted from its beginning.
        limit: Duration,
    },
    /// An HTTP answer other than the one asked for.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The answer to the upgrade is not a WebSocket handshake.
    #[error("the upgrade was answered wrongly: {0}")]
    Handshake(String),
    /// The peer broke RFC 6455.
    #[error("WebSocket: {0}")]
    WebSocket(String),
    /// A TEXT message held octets that are not UTF-8 (RFC 6455 §8.1).
    #[error(
        "the broker sent a TEXT message that is not UTF-8; with RabbitMQ, set web_stomp.ws_frame = binary"
    )]
    InvalidUtf8,
    /// The peer closed with a Close frame.
    #[error(
        "the peer closed the connection with code {code}{}",
        reason_suffix(reason)
    )]
    Closed {
        /// The close code; 1005 if the frame held none.
        code: u16,
        /// The reason; may be empty.
        reason: String,
    },
    /// The connection ended without a Close frame (what browsers call 1006).
    #[error("the connection ended without a WebSocket close (1006): {0}")]
    Lost(String),
    /// Nothing was heard from the peer for too long.
    #[error("nothing was heard from the broker for {silent:?}")]
    Silent {
        /// How long.
        silent: Duration,
    },
}

impl LinkError {
    /// Whether another attempt may succeed without any change by the caller.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(r) => !matches!(r.status, 400..=407 | 410..=424 | 426..=428 | 431..=499),
            Self::Tls { .. } | Self::Handshake(_) | Self::InvalidUtf8 => false,
            Self::Resolve { .. }
            | Self::Io { .. }
            | Self::Timeout { .. }
            | Self::WebSocket(_)
            | Self::Closed { .. }
            | Self::Lost(_)
            | Self::Silent { .. } => true,
        }
    }
}

fn reason_suffix(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", shorten(reason, 123))
    }
}

/// An HTTP answer that refused the upgrade or the proxy tunnel.
///
/// `Debug` shows neither the body, which may repeat the request, nor the values
/// of secret headers.
#[derive(Clone)]
pub struct Refusal {
    /// [`Stage::Upgrade`] or [`Stage::Tunnel`].
    pub stage: Stage,
    /// The HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: Vec<(String, String)>,
    /// The first octets of the body, 512 at most.
    pub body: Vec<u8>,
    /// What the answer looks like, in words, if it was recognised.
    pub hint: Option<&'static str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.stage == Stage::Tunnel {
            "the proxy"
        } else {
            "the server"
        };
        write!(f, "{who} answered HTTP {}", self.status)?;
        if let Some(hint) = self.hint {
            write!(f, ": {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): &(String, String)| {
            let value = if is_secret(name) { "***" } else { value };
            (name.clone(), value.to_owned())
        };
        let headers: Vec<_> = self.headers.iter().map(shown).collect();
        f.debug_struct("Refusal")
            .field("stage", &self.stage)
            .field("status", &self.status)
            .field("headers", &headers)
            .field("body", &format_args!("{} octets", self.body.len()))
            .field("hint", &self.hint)
            .finish()
    }
}

impl std::error::Error for Refusal {}

/// A token source could not deliver.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no usable token: {text}")]
pub struct AuthError {
    /// What went wrong, without any secret.
    pub text: String,
    /// True if asking again is pointless.
    pub fatal: bool,
}

/// A region source could not name the active region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the active region is unknown: {text}")]
pub struct RegionError {
    /// What went wrong, without any secret.
    pub text: String,
}

fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
