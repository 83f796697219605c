//! The WebSocket connection, once it is up.
//!
//! Frames are read and written here, with the lower parts of tungstenite: its
//! upper ones log every frame that they write, and CONNECT holds a passcode;
//! and they fill their buffer with zeros before every read.

mod closing;
mod outgoing;

use std::{
    collections::VecDeque,
    io::{self, Write},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tungstenite::{
    error::ProtocolError,
    protocol::{
        CloseFrame,
        frame::coding::{CloseCode, Data},
    },
};

use super::{
    frames::Frames,
    incoming::{Incoming, Said},
    outbuf::Outbuf,
    socket::Readiness,
    stream::Stream,
};
use crate::{config::Config, dialect::MessageKind, error::LinkError, frame::Piece};

/// The largest WebSocket frame that is sent; larger messages are fragmented.
const FRAGMENT: usize = 64 << 10;
/// No more messages become frames while this much waits to be written.
const LOW_WATER: usize = 64 << 10;
/// Written without being asked when this much waits.
const WRITE_EARLY: usize = 64 << 10;
/// What `LOW_WATER` lets in, and pongs; of further ones the last is kept.
const WRITE_LIMIT: usize = 256 << 10;
/// A message may hold a frame of the largest size and some heart-beats.
const MESSAGE_EXTRA: usize = 64 << 10;
/// How long the answer to the peer's Close may take to leave.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// Control frames and empty messages borne in one turn.
const PATIENCE: u32 = 65_536;

/// The peer's side of a connection and ours.
pub(super) struct Ws {
    incoming: Incoming,
    wire: Wire,
    frames: Frames,
    kind: MessageKind,
    /// Messages that are not frames yet, or not wholly.
    queue: VecDeque<Outgoing>,
    /// The answer to a ping for which there was no room.
    pong: Option<Bytes>,
    closing: Closing,
    /// The last read ended in `WouldBlock`, and no event came since.
    dry: bool,
    /// A message was given out since the block was full last, or since an event:
    /// perhaps somebody still looks at it.
    gave: bool,
    octets_before: u64,
}

/// What came of looking for a message.
pub(super) enum Came {
    Message(Piece),
    /// What was read has been given out, and reading on needs another block
    /// unless nobody keeps any of this one.
    Full,
    Nothing,
}

struct Outgoing {
    rest: Bytes,
    data: Data,
}

/// The stream and what waits to be written to it: whole frames, in the order
/// in which they were made.
struct Wire {
    stream: Stream,
    out: Outbuf,
}

enum Closing {
    No,
    /// Our Close leaves when the queue is empty.
    Queued(CloseFrame),
    Sent,
    /// The peer's Close came first; its answer leaves.
    Answering {
        by: Instant,
        told: LinkError,
    },
}

impl Ws {
    /// Takes over a connection whose upgrade is done; `leftover` followed it.
    pub(super) fn new(stream: Stream, leftover: &[u8], config: &Config) -> Self {
        let limit = config.limits.frame.saturating_add(MESSAGE_EXTRA);
        let kind = config.dialect.messages;
        let octets_before = stream.socket().octets_read();
        let octets_before = octets_before.saturating_sub(leftover.len() as u64);
        Self {
            incoming: Incoming::new(leftover, limit),
            wire: Wire {
                stream,
                out: Outbuf::default(),
            },
            frames: Frames::default(),
            kind,
            queue: VecDeque::new(),
            pong: None,
            closing: Closing::No,
            dry: false,
            gave: false,
            octets_before,
        }
    }

    pub(super) fn ready(&mut self, ready: Readiness) {
        self.wire.stream.socket_mut().ready(ready);
        self.dry = false;
        self.gave = false;
    }

    pub(super) fn octets_read(&self) -> u64 {
        self.wire.stream.socket().octets_read() - self.octets_before
    }

    /// What the socket holds. Whatever lies above it has been read, and counted.
    pub(super) fn octets_waiting(&mut self, at_most: usize) -> usize {
        let mut looked_at = vec![0; at_most];
        let socket = self.wire.stream.socket_mut();
        socket.peek(&mut looked_at).unwrap_or(0)
    }

    /// Changes with every `poll`.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match &self.closing {
            Closing::Answering { by, .. } => Some(*by),
            Closing::No | Closing::Queued(_) | Closing::Sent => None,
        }
    }

    /// The next message if it is simply there. Whatever else there is comes out
    /// of [`poll`](Self::poll).
    #[inline]
    pub(super) fn message(&mut self, read: bool) -> Option<Piece> {
        if !read || matches!(self.closing, Closing::Answering { .. }) {
            return None;
        }
        let message = self.incoming.message()?;
        self.gave = true;
        Some(message)
    }

    /// The next message, if there is one now.
    pub(super) fn poll(&mut self, now: Instant, read: bool) -> Result<Came, LinkError> {
        for _ in 0..PATIENCE {
            if matches!(self.closing, Closing::Answering { .. }) {
                return self.answer(now);
            }
            if !read {
                return Ok(Came::Nothing);
            }
            match self.incoming.next() {
                // An empty message carries no octets.
                Ok(Some(Said::Message(message))) if message.octets().is_empty() => {}
                Ok(Some(Said::Message(message))) => {
                    self.gave = true;
                    return Ok(Came::Message(message));
                }
                Ok(Some(Said::Ping(payload))) => self.answer_ping(payload),
                Ok(Some(Said::Pong)) => {}
                Ok(Some(Said::Close(frame))) => self.closed(now, frame)?,
                Ok(None) if self.dry || self.wire.stream.is_drained() => {
                    self.incoming.rest();
                    return Ok(Came::Nothing);
                }
                Ok(None) if self.gave && self.incoming.is_full() => {
                    self.gave = false;
                    return Ok(Came::Full);
                }
                Ok(None) => match self.incoming.read(&mut self.wire.stream) {
                    Ok(0) => {
                        let end = ProtocolError::ResetWithoutClosingHandshake;
                        return Err(self.failed(&end.into()));
                    }
                    Ok(_) => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        self.dry = true;
                        self.incoming.rest();
                        return Ok(Came::Nothing);
                    }
                    Err(e) => return Err(self.failed(&e.into())),
                },
                Err(e) => return Err(self.failed(&e)),
            }
        }
        self.farewell(CloseCode::Policy);
        Err(LinkError::WebSocket(
            "the peer floods the connection with control frames".into(),
        ))
    }
}

impl Wire {
    /// Whether all that was made has left.
    fn is_flushed(&self) -> bool {
        self.out.is_empty() && self.stream.is_flushed()
    }

    /// Writes until nothing waits or the socket is full.
    fn push(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(self.out.octets())? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => self.out.consume(written),
            }
        }
        self.stream.flush()
    }
}

/// What ends a STOMP frame.
const NUL: &[u8] = b"\0";
