//! The small value types of a configuration.

use std::{fmt, sync::Arc, time::Duration};

use crate::{auth::TokenSource, secret::Secret};

/// Who connects.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Credentials {
    /// Neither `login` nor `passcode` is sent.
    #[default]
    None,
    /// Fixed `login` and `passcode`.
    Login {
        /// The `login` header.
        login: String,
        /// The `passcode` header.
        passcode: Secret,
    },
    /// A token in `passcode`, renewed by its source.
    Token {
        /// The `login` header beside it, if any.
        login: Option<String>,
        /// Gives a token whenever one is needed.
        source: Arc<dyn TokenSource>,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Login { login, .. } => write!(f, "Login({login:?}, ***)"),
            Self::Token { login, .. } => write!(f, "Token({login:?}, ***)"),
        }
    }
}

/// The heart-beat offer (STOMP 1.2 §Heart-beating). Zero means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartBeat {
    /// What this side can promise to send. Default: 10 s.
    pub outgoing: Duration,
    /// What this side wants to receive. Default: 10 s.
    pub incoming: Duration,
    /// The link is dead after this many hundredths of the agreed incoming
    /// interval, and never before interval + 1 s. Default: 150.
    pub tolerance_percent: u32,
}

impl Default for HeartBeat {
    fn default() -> Self {
        Self {
            outgoing: Duration::from_secs(10),
            incoming: Duration::from_secs(10),
            tolerance_percent: 150,
        }
    }
}

/// Deadlines of the stages of a connection attempt, and defaults for calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution. Default: 5 s.
    pub resolve: Duration,
    /// TCP connect, over all addresses. Default: 10 s.
    pub connect: Duration,
    /// The HTTP proxy's answer. Default: 10 s.
    pub tunnel: Duration,
    /// The TLS handshake. Default: 10 s.
    pub tls: Duration,
    /// The answer to the upgrade. Default: 10 s.
    pub upgrade: Duration,
    /// CONNECTED. Default: 10 s.
    pub open: Duration,
    /// One whole connection attempt. Default: 30 s.
    pub overall: Duration,
    /// A token from its source. Default: 30 s.
    pub token: Duration,
    /// Every blocking call, from call to RECEIPT. Default: 30 s.
    pub call: Duration,
    /// A graceful close, as a whole. Default: 5 s.
    pub close: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            resolve: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            tunnel: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            upgrade: Duration::from_secs(10),
            open: Duration::from_secs(10),
            overall: Duration::from_secs(30),
            token: Duration::from_secs(30),
            call: Duration::from_secs(30),
            close: Duration::from_secs(5),
        }
    }
}

/// Delays between connection attempts: doubling, with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay. Default: 5 s.
    pub initial: Duration,
    /// The longest delay. Default: 60 s.
    pub max: Duration,
    /// Jitter: the delay varies by up to this many percent down or up. Default: 20.
    pub jitter_percent: u32,
    /// A session must have lived this long before the delay starts anew.
    /// Default: 30 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_secs(5),
            max: Duration::from_secs(60),
            jitter_percent: 20,
            stable_after: Duration::from_secs(30),
        }
    }
}

/// Bounds on what a broker can make this client hold, and on what waits to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one whole frame. Default: 64 MiB.
    pub frame: usize,
    /// Header lines of one frame. Default: 1,000.
    pub headers: usize,
    /// Octets of one frame's command and headers. Default: 256 KiB.
    pub header_octets: usize,
    /// Octets of encoded frames that wait to leave. Default: 16 MiB.
    pub outbox: usize,
    /// Frames that wait to leave or for their RECEIPT. Default: 100,000.
    pub operations: usize,
    /// Requests that wait for their replies; another is refused. Default: 1,024.
    pub requests: usize,
    /// The default bound of a queue of messages.
    pub queue: QueueLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 64 << 20,
            headers: 1_000,
            header_octets: 256 << 10,
            outbox: 16 << 20,
            operations: 100_000,
            requests: 1_024,
            queue: QueueLimits::default(),
        }
    }
}

/// The bound of one queue of messages, and what happens when it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Messages. Default: 1,024.
    pub messages: usize,
    /// Octets of their frames. Default: 16 MiB. One message may always enter
    /// an empty queue.
    pub octets: usize,
    /// What happens when a message does not fit. Default: [`Overflow::Pause`].
    pub overflow: Overflow,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            messages: 1_024,
            octets: 16 << 20,
            overflow: Overflow::Pause,
        }
    }
}

/// What happens when a queue of messages is full. What is dropped is counted and
/// told ([`Event::SlowConsumer`](crate::Event::SlowConsumer)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Stop reading from the connection until there is room. Nothing is lost
    /// while the connection lives, but all subscriptions of the client wait, and
    /// so do RECEIPTs and the answers to WebSocket pings. Our heart-beats go on,
    /// and a broker whose heart-beats do not come to wait is found dead; what it
    /// had sent and was not read yet is lost with its connection.
    Pause,
    /// Drop the oldest message of the queue.
    DropOldest,
    /// Drop the message that does not fit.
    DropNewest,
    /// Keep only the latest message for each value of this header, in the place
    /// of the one before, full or not; if there is no room for another value,
    /// drop the oldest. Messages without the header stand for themselves.
    LatestBy(&'static str),
    /// End the subscription:
    /// [`Event::Overflowed`](crate::Event::Overflowed) tells, and what is in the
    /// queue can still be read.
    Fail,
    /// Go on on disk, in order: half of the bound is for what is read next, half
    /// for what is about to be written. See [`Spool`](super::Spool). Only with
    /// [`AckMode::Auto`](crate::AckMode), for the broker keeps what was not
    /// acknowledged, and not for `Priority::Expendable`. The inbox of a client
    /// that is driven by its caller pauses instead.
    #[cfg(feature = "spill")]
    Spill,
}

/// What a subscription's messages are worth while the session is suspended,
/// waiting for a new token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Priority {
    /// Nothing is dropped whatever the queue's policy; with
    /// `Overflow::Spill` what is in memory and what arrives is written to disk
    /// at once.
    Critical,
    /// The queue's policy decides. The default.
    #[default]
    Normal,
    /// What waits and what arrives is dropped, counted and told.
    Expendable,
}

/// Where queues go on that are full, with [`Overflow::Spill`].
///
/// Each subscription that spills has an `id()` of the program's own: what lies on
/// disk is found again by it, by the next subscription of that id, in this run of
/// the program or another. What belongs to ids that are used no more stays until
/// [`Handle::forget_spooled`](crate::Handle::forget_spooled). A subscription that
/// is dropped, or whose client ends, keeps what it has; `unsubscribe()` discards it.
/// What waits for room in the queue when the subscription is dropped, or comes after
/// that, ends with it; it is counted and told as dropped.
///
/// A program that is killed finds everything again that had been written and not
/// been taken. Those that were taken last may come twice: at most 64, and what was
/// taken while the disk was busy. What was in memory only is lost, unless
/// [`Priority::Critical`] had it written. [`Handle::close`](crate::Handle::close)
/// writes everything down.
///
/// The file holds messages as they came, and is for its owner to read only. Every
/// write waits for the disk, so a power failure is no worse than a kill.
#[cfg(feature = "spill")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spool {
    /// The file, made if it does not exist. One client at a time may use it.
    pub path: std::path::PathBuf,
    /// Messages that may lie on disk, for each subscription. What was in memory
    /// when a subscription ended comes on top. Default: 10,000,000.
    pub messages: u64,
    /// Octets of frames that may lie on disk, for each subscription. The file
    /// itself is up to twice as large. Default: 1 GiB.
    pub octets: u64,
    /// What happens when the disk holds that, or when it fails and memory is full:
    /// `Pause`, `DropOldest` (on disk; what is in memory is read next and stays),
    /// `DropNewest` or `Fail`. Default: `Pause`.
    pub full: Overflow,
}

#[cfg(feature = "spill")]
impl Spool {
    /// A file with the default bounds.
    pub fn new(path: impl Into<std::path::PathBuf>) -> Self {
        Self {
            path: path.into(),
            messages: 10_000_000,
            octets: 1 << 30,
            full: Overflow::Pause,
        }
    }
}
