//! What happened, in one total order.

mod journal;
mod json;
mod ring;
mod store;
mod words;

pub use journal::{Events, Journal, WaitError};
pub(crate) use store::{pack, packed_size};

use crate::http::Headers;
use crate::wire::{Frame, header_octets};
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// One thing that happened.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// Position in the total order, from 1 without gaps.
    pub seq: u64,
    /// When, since the broker's start.
    pub at: Duration,
    /// On which connection, from 1 in the order of accept; 0 for none.
    /// Connections that speak plain HTTP have numbers of their own, see
    /// [`PLAIN`].
    pub conn: u64,
    /// What.
    pub what: What,
}

/// Connections that speak plain HTTP are numbered from here on, so that rules
/// and assertions about the n-th connection mean those of STOMP.
pub const PLAIN: u64 = 1 << 30;

/// The number of a plain HTTP connection among its kind, from 1; `None` if it
/// is none.
pub fn plain_number(conn: u64) -> Option<u64> {
    conn.checked_sub(PLAIN).filter(|n| *n > 0)
}

/// What can happen.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A TCP connection was accepted.
    Tcp,
    /// A plain HTTP request came.
    Request {
        /// The method.
        method: String,
        /// The path with its query.
        path: String,
        /// The request's headers.
        headers: Headers,
        /// The request's body.
        body: Vec<u8>,
        /// The number of the connection before it was known to be plain HTTP.
        was: u64,
    },
    /// A request for a WebSocket came.
    Upgrade {
        /// The path with its query.
        path: String,
        /// The request's headers.
        headers: Headers,
    },
    /// The upgrade was answered with 101.
    Open {
        /// The agreed subprotocol.
        subprotocol: Option<String>,
    },
    /// The request was answered with another status than 101.
    Http {
        /// That status.
        status: u16,
    },
    /// A STOMP frame came from the client.
    Recv(Frame),
    /// A STOMP frame was handed to the wire for the client.
    Sent(Frame),
    /// A heart-beat came.
    BeatIn,
    /// A heart-beat was sent.
    BeatOut,
    /// A WebSocket ping came.
    Ping(Vec<u8>),
    /// A WebSocket pong came.
    Pong(Vec<u8>),
    /// The client's Close frame came.
    CloseIn {
        /// Its code, if it had one.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// The broker sent a Close frame.
    CloseOut {
        /// Its code.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The scenario misbehaved; the words say how.
    Fault(String),
    /// The scenario set a mark.
    Mark(String),
    /// The scenario wrote a line.
    Log(String),
    /// The scenario says that the client has failed, and why.
    Fail(String),
    /// A signal was given.
    Signal(String),
    /// Something worth a look, mostly a breach by the client.
    Note(Note),
    /// The listener came up or went down.
    Listening(bool),
    /// The connection is over.
    Closed(How),
}

/// Something that a test may want to forbid or expect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A frame other than CONNECT or DISCONNECT came on a session whose token
    /// is dead.
    SentWhileSuspended {
        /// Its command.
        command: String,
    },
    /// A CONNECT came although the identity has a live session.
    ConnectWhileLive {
        /// Its connection, which may be the same one.
        other: u64,
    },
    /// The frame broke a rule of STOMP; the words are those of the ERROR.
    Refused {
        /// The `message` header of the ERROR.
        message: String,
    },
    /// The octets broke a rule of WebSocket.
    WebSocket {
        /// The code of the Close that answers it.
        code: u16,
        /// Which rule.
        why: String,
    },
    /// The request was no HTTP, or TLS failed, or the like.
    Handshake(String),
    /// No octet came for longer than the agreed tolerance.
    HeartBeatLost {
        /// For how long.
        silent: Duration,
    },
    /// The client does not read: more octets wait than the bound allows.
    SlowConsumer {
        /// How many octets wait.
        waiting: usize,
    },
    /// A MESSAGE was dropped because a bound was reached; said once per
    /// subscription.
    Dropped {
        /// The subscription's id.
        subscription: String,
    },
    /// In a proxy: what became of the connection to the broker upstream, in
    /// words.
    Upstream(String),
    /// The script triggered itself too often in one moment, and was cut short.
    ScriptLoop,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// The client sent the first Close frame.
    Peer {
        /// Its code, if it had one.
        code: Option<u16>,
    },
    /// The broker sent the first Close frame.
    Broker {
        /// Its code.
        code: u16,
        /// Whether the client answered with its own.
        answered: bool,
    },
    /// The client ended TCP without a Close frame.
    PeerGone,
    /// The broker ended TCP with FIN and without a Close frame.
    Fin,
    /// The broker reset TCP.
    Rst,
    /// The request was answered without an upgrade.
    Http,
    /// The handshake failed, or the connection broke; in words.
    Failed(String),
    /// The broker was stopped.
    Stopped,
}

impl Note {
    /// All words that [`Note::word`] gives.
    pub const WORDS: &[&str] = &[
        "sent-while-suspended",
        "connect-while-live",
        "refused",
        "websocket",
        "handshake",
        "heart-beat-lost",
        "slow-consumer",
        "dropped",
        "script-loop",
        "upstream",
    ];

    /// The word for this note that assertions know.
    pub fn word(&self) -> &'static str {
        match self {
            Self::SentWhileSuspended { .. } => "sent-while-suspended",
            Self::ConnectWhileLive { .. } => "connect-while-live",
            Self::Refused { .. } => "refused",
            Self::WebSocket { .. } => "websocket",
            Self::Handshake(_) => "handshake",
            Self::HeartBeatLost { .. } => "heart-beat-lost",
            Self::SlowConsumer { .. } => "slow-consumer",
            Self::Dropped { .. } => "dropped",
            Self::ScriptLoop => "script-loop",
            Self::Upstream(_) => "upstream",
        }
    }
}

/// All words of [`How::words`] but the codes.
pub(crate) const HOW_WORDS: &[&str] = &[
    "client", "broker", "clean", "lost", "fin", "rst", "http", "failed", "stopped",
];

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seq,
            at,
            conn,
            what,
        } = self;
        write!(f, "#{seq} {:.3}s ", at.as_secs_f64())?;
        match plain_number(*conn) {
            Some(n) => write!(f, "http {n} {what}"),
            None => write!(f, "conn {conn} {what}"),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Entry {
    /// The frame that came from the client with this entry.
    pub fn received(&self) -> Option<&Frame> {
        if let What::Recv(frame) = &self.what {
            Some(frame)
        } else {
            None
        }
    }

    /// The frame that went to the client with this entry.
    pub fn sent(&self) -> Option<&Frame> {
        if let What::Sent(frame) = &self.what {
            Some(frame)
        } else {
            None
        }
    }

    /// Whether a frame with this command came from the client.
    pub fn is_recv(&self, command: &str) -> bool {
        self.received().is_some_and(|f| f.command == command)
    }

    /// Whether a frame with this command went to the client.
    pub fn is_sent(&self, command: &str) -> bool {
        self.sent().is_some_and(|f| f.command == command)
    }

    /// Whether the scenario set this mark here.
    pub fn is_mark(&self, name: &str) -> bool {
        matches!(&self.what, What::Mark(m) if m == name)
    }

    /// The note of this entry.
    pub fn note(&self) -> Option<&Note> {
        if let What::Note(note) = &self.what {
            Some(note)
        } else {
            None
        }
    }

    fn weight(&self) -> usize {
        match &self.what {
            What::Recv(frame) | What::Sent(frame) => frame_weight(frame.octets()),
            What::Request {
                path,
                headers,
                body,
                ..
            } => 200 + path.len() + header_octets(headers) + body.len(),
            What::Upgrade { path, headers } => 200 + path.len() + header_octets(headers),
            What::Ping(octets) | What::Pong(octets) => 100 + octets.len(),
            What::CloseIn { reason: words, .. }
            | What::CloseOut { reason: words, .. }
            | What::Fault(words)
            | What::Mark(words)
            | What::Log(words)
            | What::Fail(words)
            | What::Signal(words)
            | What::Closed(How::Failed(words))
            | What::Note(
                Note::SentWhileSuspended { command: words }
                | Note::Refused { message: words }
                | Note::WebSocket { why: words, .. }
                | Note::Handshake(words)
                | Note::Dropped {
                    subscription: words,
                }
                | Note::Upstream(words),
            ) => 100 + words.len(),
            What::Open { subprotocol } => 100 + subprotocol.as_ref().map_or(0, String::len),
            What::Tcp
            | What::Http { .. }
            | What::BeatIn
            | What::BeatOut
            | What::Note(
                Note::ConnectWhileLive { .. }
                | Note::HeartBeatLost { .. }
                | Note::SlowConsumer { .. }
                | Note::ScriptLoop,
            )
            | What::Listening(_)
            | What::Closed(
                How::Peer { .. }
                | How::Broker { .. }
                | How::PeerGone
                | How::Fin
                | How::Rst
                | How::Http
                | How::Stopped,
            ) => 100,
        }
    }
}

/// How much an entry of a frame weighs that has so many octets.
fn frame_weight(octets: usize) -> usize {
    200 + octets
}

/// A copy of what happened, oldest first.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The entries that are still held.
    pub entries: Vec<Entry>,
    /// How many older ones were dropped because the ring was full.
    pub dropped: u64,
}

impl Deref for Transcript {
    type Target = [Entry];
    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}
