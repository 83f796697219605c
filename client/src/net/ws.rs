//! The WebSocket connection, once it is up.
//!
//! tungstenite reads, answers pings and closes. It logs every frame that it
//! writes, though, and CONNECT holds a passcode: so data frames are written
//! here, into the same buffer, and tungstenite never sees one.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tungstenite::{
    Error, Message, Utf8Bytes,
    error::ProtocolError,
    protocol::{
        CloseFrame, Role, WebSocketConfig, WebSocketContext,
        frame::coding::{CloseCode, Data},
    },
};

use super::{frames::Frames, stream::Stream};
use crate::{config::Config, dialect::MessageKind, error::LinkError};

/// The largest WebSocket frame that is sent; larger messages are fragmented.
const FRAGMENT: usize = 64 << 10;
/// No more messages become frames while this much waits to be written.
const LOW_WATER: usize = 64 << 10;
/// Written without being asked when this much waits.
const WRITE_EARLY: usize = 32 << 10;
/// What `LOW_WATER` lets in, and pongs; tungstenite keeps further ones back.
const WRITE_LIMIT: usize = 256 << 10;
/// The default of 128 KiB would be zero-filled before every read.
const READ_BUFFER: usize = 32 << 10;
/// A message may hold a frame of the largest size and some heart-beats.
const MESSAGE_EXTRA: usize = 64 << 10;
/// How long the answer to the peer's Close may take to leave.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// Control frames and empty messages borne in one turn.
const PATIENCE: u32 = 65_536;

/// The peer's side of a connection and ours.
pub(super) struct Ws {
    context: WebSocketContext,
    wire: Wire,
    frames: Frames,
    kind: MessageKind,
    /// Messages that are not frames yet, or not wholly.
    queue: VecDeque<Outgoing>,
    closing: Closing,
    /// The last read ended in `WouldBlock`, and no event came since.
    dry: bool,
    octets_before: u64,
}

struct Outgoing {
    rest: Bytes,
    data: Data,
}

/// The stream and what waits to be written to it: whole frames, of whoever's
/// making, in the order in which they were made.
struct Wire {
    stream: Stream,
    /// What followed the upgrade's answer, to be read first. tungstenite could
    /// take it over itself, but would forget the size of its read buffer then.
    ahead: Bytes,
    out: Vec<u8>,
    /// How much of `out` has left.
    sent: usize,
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
    pub(super) fn new(stream: Stream, leftover: Vec<u8>, config: &Config) -> Self {
        let limit = config.limits.frame.saturating_add(MESSAGE_EXTRA);
        let kind = config.dialect.messages;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_LIMIT)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let octets_before = stream.socket().octets_read();
        let octets_before = octets_before.saturating_sub(leftover.len() as u64);
        Self {
            context: WebSocketContext::new(Role::Client, Some(config)),
            wire: Wire {
                stream,
                ahead: leftover.into(),
                out: Vec::new(),
                sent: 0,
            },
            frames: Frames::default(),
            kind,
            queue: VecDeque::new(),
            closing: Closing::No,
            dry: false,
            octets_before,
        }
    }

    pub(super) fn ready(&mut self, readable: bool, writable: bool) {
        self.wire.stream.socket_mut().ready(readable, writable);
        self.dry = false;
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

    pub(super) fn is_closing(&self) -> bool {
        !matches!(self.closing, Closing::No)
    }

    /// Changes with every `poll`.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match &self.closing {
            Closing::Answering { by, .. } => Some(*by),
            Closing::No | Closing::Queued(_) | Closing::Sent => None,
        }
    }

    /// The next message; `None` if there is none now.
    pub(super) fn poll(&mut self, now: Instant, read: bool) -> Result<Option<Bytes>, LinkError> {
        for _ in 0..PATIENCE {
            if matches!(self.closing, Closing::Answering { .. }) {
                return self.answer(now);
            }
            if !read || self.dry {
                return Ok(None);
            }
            match self.context.read(&mut self.wire) {
                Ok(Message::Text(text)) if !text.is_empty() => return Ok(Some(text.into())),
                Ok(Message::Binary(data)) if !data.is_empty() => return Ok(Some(data)),
                // An empty message carries no octets, and none of ours is a raw frame.
                Ok(Message::Text(_) | Message::Binary(_) | Message::Frame(_)) => {}
                // tungstenite answers by itself.
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(frame)) => self.closed(now, frame)?,
                Err(e) => match self.failed(e) {
                    Some(e) => return Err(e),
                    None => {
                        self.dry = true;
                        return Ok(None);
                    }
                },
            }
        }
        self.farewell(CloseCode::Policy);
        Err(LinkError::WebSocket(
            "the peer floods the connection with control frames".into(),
        ))
    }

    /// Queues one message. TEXT if it is UTF-8 and nothing else is wanted:
    /// brokers that tell the two apart expect TEXT, and RFC 6455 §5.6 forbids
    /// anything else in it.
    pub(super) fn send(&mut self, message: Bytes) {
        let data = match self.kind {
            MessageKind::Text if std::str::from_utf8(&message).is_ok() => Data::Text,
            MessageKind::Text | MessageKind::Binary => Data::Binary,
        };
        self.queue.push_back(Outgoing {
            rest: message,
            data,
        });
        self.fill();
    }

    /// Whether another message would go straight out.
    pub(super) fn wants_frame(&self) -> bool {
        let socket = self.wire.stream.socket();
        !self.is_closing()
            && self.context.can_write()
            && self.queue.is_empty()
            && self.wire.waiting() <= LOW_WATER
            && socket.is_writable()
            && socket.broken().is_none()
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.queue.is_empty()
            && self.wire.waiting() == 0
            && !matches!(self.closing, Closing::Queued(_) | Closing::Answering { .. })
    }

    /// Writes until everything has left or the socket is full.
    pub(super) fn flush(&mut self) -> Result<(), LinkError> {
        loop {
            self.fill();
            match self.push() {
                Ok(()) => {
                    let more = !self.queue.is_empty() || matches!(self.closing, Closing::Queued(_));
                    if !more || !self.context.can_write() {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(LinkError::Lost(e.to_string())),
            }
        }
    }

    /// Writes what waits, and what tungstenite has kept back meanwhile.
    fn push(&mut self) -> io::Result<()> {
        self.wire.push()?;
        // Another error means that the connection is over, which reading tells.
        if let Err(Error::Io(e)) = self.context.flush(&mut self.wire) {
            return Err(e);
        }
        self.wire.push()
    }

    /// Sends Close after what is queued.
    pub(super) fn close(&mut self, code: u16, reason: &str) {
        if self.is_closing() {
            return;
        }
        // A Close frame's body is at most 125 octets, two of them the code.
        let mut cut = reason.len().min(123);
        while !reason.is_char_boundary(cut) {
            cut -= 1;
        }
        self.closing = Closing::Queued(CloseFrame {
            code: code.into(),
            reason: reason[..cut].into(),
        });
        self.fill();
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> u64 {
        let here: usize = self.queue.iter().map(|o| o.rest.len()).sum();
        (here + self.wire.waiting()) as u64
    }

    /// Makes frames of messages while few wait to be written.
    fn fill(&mut self) {
        while self.wire.waiting() <= LOW_WATER && self.context.can_write() {
            let Some(front) = self.queue.front_mut() else {
                return self.send_close();
            };
            let cut = fragment(&front.rest, front.data);
            let last = cut == front.rest.len();
            let payload = &front.rest[..cut];
            self.frames
                .write(&mut self.wire.out, front.data, last, payload);
            if last {
                self.queue.pop_front();
            } else {
                front.rest = front.rest.slice(cut..);
                front.data = Data::Continue;
            }
            if self.wire.waiting() > WRITE_EARLY {
                if let Err(e) = self.wire.push() {
                    log::trace!("the rest waits: {e}");
                }
            }
        }
    }

    fn send_close(&mut self) {
        let Closing::Queued(frame) = &self.closing else {
            return;
        };
        let frame = frame.clone();
        self.closing = Closing::Sent;
        // At once: if the peer's Close is here already, nothing is written later.
        let closed = self.context.close(&mut self.wire, Some(frame));
        if let Err(e) = closed.and_then(|()| Ok(self.wire.push()?)) {
            log::trace!("the Close waits: {e}");
        }
    }

    /// The peer's Close: the answer to ours, or the beginning of the end.
    fn closed(&mut self, now: Instant, frame: Option<CloseFrame>) -> Result<(), LinkError> {
        let told = match frame {
            Some(frame) => LinkError::Closed {
                code: frame.code.into(),
                reason: frame.reason.to_string(),
            },
            None => LinkError::Closed {
                code: 1005,
                reason: String::new(),
            },
        };
        if matches!(self.closing, Closing::Sent) && self.wire.waiting() == 0 {
            return Err(told);
        }
        // No data after a Close (RFC 6455 §5.5.1).
        self.queue.clear();
        self.closing = Closing::Answering {
            by: now.checked_add(ANSWER_PATIENCE).unwrap_or(now),
            told,
        };
        Ok(())
    }

    /// Tells of the peer's Close once its answer has left, or cannot leave.
    fn answer(&mut self, now: Instant) -> Result<Option<Bytes>, LinkError> {
        let flushed = match self.push() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
            Ok(()) | Err(_) => true,
        };
        // A peer that closed the socket after its Close waits for no answer.
        let gone = !flushed
            && match self.context.read(&mut self.wire) {
                Err(Error::Io(e)) => e.kind() != io::ErrorKind::WouldBlock,
                Ok(_) | Err(_) => true,
            };
        match &self.closing {
            Closing::Answering { by, told } if flushed || gone || now >= *by => Err(told.clone()),
            Closing::Answering { .. } | Closing::No | Closing::Queued(_) | Closing::Sent => {
                Ok(None)
            }
        }
    }

    /// The end that a read error means; `None` if it means to wait.
    fn failed(&mut self, e: Error) -> Option<LinkError> {
        match &e {
            Error::Io(e) if e.kind() == io::ErrorKind::WouldBlock => return None,
            Error::Utf8(_) => self.farewell(CloseCode::Invalid),
            Error::Capacity(_) => self.farewell(CloseCode::Size),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {}
            Error::Protocol(_) | Error::AttackAttempt => self.farewell(CloseCode::Protocol),
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Io(_)
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => {}
        }
        Some(self.explain(&e))
    }

    fn explain(&self, e: &Error) -> LinkError {
        match e {
            Error::Utf8(_) => LinkError::InvalidUtf8,
            Error::Capacity(e) => LinkError::WebSocket(format!("{e} (closed with 1009)")),
            Error::ConnectionClosed => LinkError::Closed {
                code: 1005,
                reason: String::new(),
            },
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                LinkError::Lost(match self.wire.stream.socket().broken() {
                    Some(e) => format!("writing failed: {e}"),
                    None => "the peer ended the TCP connection".into(),
                })
            }
            Error::Io(e) => LinkError::Lost(e.to_string()),
            Error::Protocol(_)
            | Error::AttackAttempt
            | Error::AlreadyClosed
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => LinkError::WebSocket(e.to_string()),
        }
    }

    /// Says why we go, if the socket takes it at once.
    fn farewell(&mut self, code: CloseCode) {
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(""),
        };
        let closed = self.context.close(&mut self.wire, Some(frame));
        if let Err(e) = closed.and_then(|()| Ok(self.wire.push()?)) {
            log::debug!("no Close could be sent: {e}");
        }
    }
}

impl Wire {
    fn waiting(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Writes until nothing waits or the socket is full.
    fn push(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.sent += n,
                Err(e) => {
                    self.out.drain(..self.sent);
                    self.sent = 0;
                    return Err(e);
                }
            }
        }
        self.out.clear();
        self.sent = 0;
        self.stream.flush()
    }
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let some = self.ahead.split_to(buf.len().min(self.ahead.len()));
            buf[..some.len()].copy_from_slice(&some);
            return Ok(some.len());
        }
        self.stream.read(buf)
    }
}

/// Where tungstenite writes: all of a frame or nothing of it, so that ours and
/// its own never mix.
impl Write for Wire {
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        if self.waiting() > WRITE_LIMIT {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.out.extend_from_slice(frames);
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the next WebSocket frame of a message ends. Text is cut between
/// characters: RFC 6455 §5.6 asks that of no one, and some peers want it.
fn fragment(rest: &[u8], data: Data) -> usize {
    if rest.len() <= FRAGMENT {
        return rest.len();
    }
    if data == Data::Binary {
        return FRAGMENT;
    }
    let back = (0..4).find(|back| rest[FRAGMENT - back] & 0xC0 != 0x80);
    FRAGMENT - back.unwrap_or(0)
}
