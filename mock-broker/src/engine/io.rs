//! What goes into the engine and what comes out.

use super::relay::{FromUpstream, ToUpstream};
use crate::http::{Request, Response};
use crate::script::{Between, Cut, Direction, TlsFault};
use crate::transcript::{How, Note};
use std::fmt;
use std::time::Duration;

/// What the engine is told. Connections are numbered by the caller, from 1 in
/// the order of accept. `Debug` names the kind only: inputs hold tokens.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A connection was accepted.
    Tcp {
        /// Its number.
        conn: u64,
    },
    /// Its request came, for a WebSocket or plain.
    Request {
        /// The connection.
        conn: u64,
        /// The request.
        request: &'a Request,
    },
    /// Some octets came that are not yet a message: a sign of life.
    Alive {
        /// The connection.
        conn: u64,
    },
    /// A whole WebSocket message came.
    Message {
        /// The connection.
        conn: u64,
        /// What it holds.
        octets: &'a [u8],
        /// Whether it was binary; the broker takes both.
        binary: bool,
    },
    /// A ping came.
    Ping {
        /// The connection.
        conn: u64,
        /// Its payload.
        octets: &'a [u8],
    },
    /// A pong came.
    Pong {
        /// The connection.
        conn: u64,
        /// Its payload.
        octets: &'a [u8],
    },
    /// The client's Close came; the caller answers it.
    Close {
        /// The connection.
        conn: u64,
        /// Its code.
        code: Option<u16>,
        /// Its reason.
        reason: &'a str,
    },
    /// Something happened on the upstream side of a proxied connection.
    Upstream {
        /// The connection.
        conn: u64,
        /// What.
        what: FromUpstream<'a>,
    },
    /// The connection is over.
    Closed {
        /// The connection.
        conn: u64,
        /// How it ended.
        how: &'a How,
    },
    /// The caller noticed something about the connection.
    Note {
        /// The connection.
        conn: u64,
        /// What.
        note: &'a Note,
    },
    /// The octets broke a rule of WebSocket: the connection is to be closed.
    Breach {
        /// The connection.
        conn: u64,
        /// The code for the Close.
        code: u16,
        /// Which rule.
        why: &'a str,
    },
    /// A signal for the rules that wait for it.
    Signal(&'a str),
    /// A token is valid from now on.
    Issue {
        /// The token.
        token: &'a str,
        /// Whose it is.
        identity: &'a str,
        /// How long it lives.
        ttl: Duration,
    },
    /// A token ends now (named by itself or by its identity), or `"all"`.
    Expire(&'a str),
    /// A message is published as if a client had sent it.
    Publish {
        /// The destination.
        destination: &'a str,
        /// Its headers.
        headers: &'a [(&'a str, &'a str)],
        /// Its body.
        body: &'a [u8],
    },
    /// The connection ends with FIN and without Close.
    Kick {
        /// The connection.
        conn: u64,
    },
    /// The listener goes down: for a while, or until [`Input::Listen`].
    Refuse(Option<Duration>),
    /// The listener comes up.
    Listen,
    /// All connections are reset; queues keep what they hold.
    Restart,
    /// Time has passed.
    Timeout,
}

/// What the engine wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Answer the upgrade with 101.
    Accept {
        /// The connection.
        conn: u64,
        /// The subprotocol to name.
        subprotocol: Option<String>,
        /// Whether Sec-WebSocket-Accept is to be wrong.
        bad_accept: bool,
    },
    /// Answer the request with this and end the connection.
    Http {
        /// The connection.
        conn: u64,
        /// The answer.
        response: Response,
        /// How it is laid on the wire.
        how: Plan,
    },
    /// Answer the request with this, but for its body: that comes from
    /// [`Engine::more`](super::Engine::more), asked again and again.
    HttpStream {
        /// The connection.
        conn: u64,
        /// The answer.
        response: Response,
    },
    /// The body of such an answer is whole: end the connection.
    HttpEnd {
        /// The connection.
        conn: u64,
    },
    /// Stop the broker, after what is on its way.
    Stop,
    /// The connection speaks plain HTTP and goes by another number from now
    /// on. Its old one is that of the next connection, unless one that came
    /// later has spoken otherwise or not yet.
    Plain {
        /// The old number.
        conn: u64,
        /// The new number.
        plain: u64,
    },
    /// Never answer this connection, and keep it.
    Stall {
        /// The connection.
        conn: u64,
    },
    /// Spoil the TLS handshake, which has not begun.
    Tls {
        /// The connection.
        conn: u64,
        /// How.
        fault: TlsFault,
    },
    /// Send one WebSocket message.
    Message {
        /// The connection.
        conn: u64,
        /// What it holds.
        octets: Vec<u8>,
        /// Whether it is binary.
        binary: bool,
        /// How it is laid on the wire.
        how: Plan,
    },
    /// Send a ping.
    Ping {
        /// The connection.
        conn: u64,
        /// Its payload.
        octets: Vec<u8>,
    },
    /// Send a pong.
    Pong {
        /// The connection.
        conn: u64,
        /// Its payload.
        octets: Vec<u8>,
    },
    /// Send octets outside of WebSocket.
    Stream {
        /// The connection.
        conn: u64,
        /// The octets.
        octets: Vec<u8>,
    },
    /// Send Close, wait for the client's, end TCP.
    Close {
        /// The connection.
        conn: u64,
        /// Its code.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// End TCP with FIN and without Close, after what is on its way.
    Fin {
        /// The connection.
        conn: u64,
    },
    /// Reset TCP, after what is on its way.
    Rst {
        /// The connection.
        conn: u64,
    },
    /// Do something on the upstream side of a proxied connection.
    Upstream {
        /// The connection.
        conn: u64,
        /// What.
        what: ToUpstream,
    },
    /// Neither read nor write, but keep TCP.
    Blackhole {
        /// The connection.
        conn: u64,
        /// Which of the two.
        direction: Direction,
    },
    /// Read and write again.
    Heal {
        /// The connection.
        conn: u64,
    },
    /// Accept no connections.
    Refuse,
    /// Accept connections again.
    Listen,
}

/// How one WebSocket message is laid on the wire. The default is plain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Where it is cut into WebSocket frames.
    pub cut: Option<Cut>,
    /// What goes between these.
    pub between: Option<Between>,
    /// So many octets at a time, and a pause after each piece.
    pub drip: Option<(usize, Duration)>,
    /// Only so many octets of the WebSocket frames are written; FIN follows.
    pub truncate: Option<usize>,
    /// This reserved bit (1, 2 or 3) is set in each WebSocket frame.
    pub rsv: Option<u8>,
    /// The first WebSocket frame has this opcode.
    pub opcode: Option<u8>,
    /// The WebSocket frames are masked with this key.
    pub mask: Option<[u8; 4]>,
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp { .. } => "Tcp",
            Self::Request { .. } => "Request",
            Self::Alive { .. } => "Alive",
            Self::Message { .. } => "Message",
            Self::Ping { .. } => "Ping",
            Self::Pong { .. } => "Pong",
            Self::Close { .. } => "Close",
            Self::Upstream { .. } => "Upstream",
            Self::Closed { .. } => "Closed",
            Self::Note { .. } => "Note",
            Self::Breach { .. } => "Breach",
            Self::Signal(_) => "Signal",
            Self::Issue { .. } => "Issue",
            Self::Expire(_) => "Expire",
            Self::Publish { .. } => "Publish",
            Self::Kick { .. } => "Kick",
            Self::Refuse(_) => "Refuse",
            Self::Listen => "Listen",
            Self::Restart => "Restart",
            Self::Timeout => "Timeout",
        })
    }
}
