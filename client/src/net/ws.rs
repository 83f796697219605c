//! The WebSocket connection, once it is up.
//!
//! Frames are read and written here, with the lower parts of tungstenite: its
//! upper ones log every frame that they write, and CONNECT holds a passcode;
//! and they fill their buffer with zeros before every read.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tungstenite::{
    Error, Utf8Bytes,
    error::ProtocolError,
    protocol::{
        CloseFrame,
        frame::coding::{CloseCode, Control, Data, OpCode},
    },
};

use super::{
    frames::Frames,
    incoming::{Incoming, Said},
    stream::{Readiness, Stream},
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
    pub(super) fn new(stream: Stream, leftover: &[u8], config: &Config) -> Self {
        let limit = config.limits.frame.saturating_add(MESSAGE_EXTRA);
        let kind = config.dialect.messages;
        let octets_before = stream.socket().octets_read();
        let octets_before = octets_before.saturating_sub(leftover.len() as u64);
        Self {
            incoming: Incoming::new(leftover, limit),
            wire: Wire {
                stream,
                out: Vec::new(),
                sent: 0,
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

    /// Queues one message. TEXT if it is UTF-8 and nothing else is wanted:
    /// brokers that tell the two apart expect TEXT, and RFC 6455 §5.6 forbids
    /// anything else in it.
    pub(super) fn send(&mut self, message: Bytes) {
        let data = self.data(&message);
        let waits = !self.queue.is_empty() || self.wire.waiting() > LOW_WATER;
        if !waits && message.len() <= FRAGMENT && self.can_write() {
            self.frames
                .write(&mut self.wire.out, OpCode::Data(data), true, &message);
            return self.write_early();
        }
        self.queue.push_back(Outgoing {
            rest: message,
            data,
        });
        self.fill();
    }

    /// Writes a message in three parts: `head`, which is UTF-8, `body` and a NUL.
    /// To be called only while it [wants a frame](Self::wants_frame).
    pub(super) fn pass(&mut self, head: &[u8], body: &[u8]) {
        if head.len() > FRAGMENT / 2 {
            return self.send([head, body, NUL].concat().into());
        }
        let data = self.data(body);
        let (cut, last) = match head.len() + body.len() + NUL.len() {
            0..=FRAGMENT => (body.len(), true),
            _ => (cut(body, FRAGMENT - head.len(), data), false),
        };
        let (now, later) = body.split_at(cut);
        let end = if last { NUL } else { b"" };
        let length = head.len() + now.len() + end.len();
        let out = &mut self.wire.out;
        let mask = self.frames.begin(out, OpCode::Data(data), last, length);
        mask.append_all(out, &[head, now, end]);
        self.write_early();
        if !last {
            self.pass_on(later);
        }
    }

    /// The rest of a message and a NUL: what the socket takes now, it takes from
    /// where it lies.
    fn pass_on(&mut self, mut rest: &[u8]) {
        let mut last = false;
        while !last && self.wire.waiting() <= LOW_WATER {
            last = rest.len() + NUL.len() <= FRAGMENT;
            let cut = if last {
                rest.len()
            } else {
                cut(rest, FRAGMENT, Data::Continue)
            };
            let end = if last { NUL } else { b"" };
            let code = OpCode::Data(Data::Continue);
            let out = &mut self.wire.out;
            let mask = self.frames.begin(out, code, last, cut + end.len());
            mask.append_all(out, &[&rest[..cut], end]);
            rest = &rest[cut..];
            self.write_early();
        }
        if !last {
            self.queue.push_back(Outgoing {
                rest: [rest, NUL].concat().into(),
                data: Data::Continue,
            });
        }
    }

    /// TEXT if it is UTF-8 and nothing else is wanted. Most is ASCII, which is told
    /// much faster.
    fn data(&self, message: &[u8]) -> Data {
        match self.kind {
            MessageKind::Text if is_ascii(message) => Data::Text,
            MessageKind::Text if std::str::from_utf8(message).is_ok() => Data::Text,
            MessageKind::Text | MessageKind::Binary => Data::Binary,
        }
    }

    /// Whether another message would go straight out.
    pub(super) fn wants_frame(&self) -> bool {
        let socket = self.wire.stream.socket();
        !self.is_closing()
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
                    if !more || !self.can_write() {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(LinkError::Lost(e.to_string())),
            }
        }
    }

    /// Writes what waits, and the pong that was kept back meanwhile.
    fn push(&mut self) -> io::Result<()> {
        self.wire.push()?;
        match self.pong.take() {
            None => Ok(()),
            Some(payload) => {
                self.write_control(Control::Pong, &payload);
                self.wire.push()
            }
        }
    }

    /// Whether there is more to say: nothing is after a Close.
    fn can_write(&self) -> bool {
        matches!(self.closing, Closing::No | Closing::Queued(_))
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
        while self.wire.waiting() <= LOW_WATER && self.can_write() {
            let Some(front) = self.queue.front_mut() else {
                return self.send_close();
            };
            let cut = fragment(&front.rest, front.data);
            let last = cut == front.rest.len();
            let payload = &front.rest[..cut];
            self.frames
                .write(&mut self.wire.out, OpCode::Data(front.data), last, payload);
            if last {
                self.queue.pop_front();
            } else {
                front.rest = front.rest.slice(cut..);
                front.data = Data::Continue;
            }
            self.write_early();
        }
    }

    fn write_early(&mut self) {
        if self.wire.waiting() > WRITE_EARLY {
            if let Err(e) = self.wire.push() {
                log::trace!("the rest waits: {e}");
            }
        }
    }

    fn send_close(&mut self) {
        if let Closing::Queued(frame) = &self.closing {
            let frame = frame.clone();
            self.closing = Closing::Sent;
            // At once: if the peer's Close is here already, nothing is written later.
            self.write_close(Some(&frame));
            if let Err(e) = self.push() {
                log::trace!("the Close waits: {e}");
            }
        }
    }

    fn write_control(&mut self, control: Control, payload: &[u8]) {
        self.frames
            .write(&mut self.wire.out, OpCode::Control(control), true, payload);
    }

    fn write_close(&mut self, frame: Option<&CloseFrame>) {
        let mut payload = Vec::new();
        if let Some(frame) = frame {
            payload.extend_from_slice(&u16::from(frame.code).to_be_bytes());
            payload.extend_from_slice(frame.reason.as_bytes());
        }
        // No pong after it.
        self.pong = None;
        self.write_control(Control::Close, &payload);
    }

    /// With the ping's payload (RFC 6455 §5.5.3).
    fn answer_ping(&mut self, payload: Bytes) {
        if !self.can_write() {
            return;
        }
        if self.wire.waiting() <= WRITE_LIMIT {
            self.write_control(Control::Pong, &payload);
        } else {
            // Only the latest must be answered.
            self.pong = Some(Bytes::copy_from_slice(&payload));
        }
    }

    /// The peer's Close: the answer to ours, or the beginning of the end.
    fn closed(&mut self, now: Instant, frame: Option<CloseFrame>) -> Result<(), LinkError> {
        let answers = matches!(self.closing, Closing::Sent);
        let frame = match frame {
            Some(frame) if !answers && !frame.code.is_allowed() => Some(CloseFrame {
                code: CloseCode::Protocol,
                reason: Utf8Bytes::from_static("Protocol violation"),
            }),
            frame => frame,
        };
        let told = LinkError::Closed {
            code: frame.as_ref().map_or(1005, |frame| frame.code.into()),
            reason: frame
                .as_ref()
                .map_or_else(String::new, |frame| frame.reason.to_string()),
        };
        if answers && self.wire.waiting() == 0 {
            return Err(told);
        }
        // No data after a Close (RFC 6455 §5.5.1).
        self.queue.clear();
        if !answers {
            self.write_close(frame.as_ref());
        }
        self.closing = Closing::Answering {
            by: now.checked_add(ANSWER_PATIENCE).unwrap_or(now),
            told,
        };
        Ok(())
    }

    /// Tells of the peer's Close once its answer has left, or cannot leave.
    fn answer(&mut self, now: Instant) -> Result<Came, LinkError> {
        let flushed = match self.push() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
            Ok(()) | Err(_) => true,
        };
        // A peer that closed the socket after its Close waits for no answer.
        let gone = !flushed && self.is_gone();
        match &self.closing {
            Closing::Answering { by, told } if flushed || gone || now >= *by => Err(told.clone()),
            Closing::Answering { .. } | Closing::No | Closing::Queued(_) | Closing::Sent => {
                Ok(Came::Nothing)
            }
        }
    }

    /// Reads what a peer says after its Close, to find its end.
    fn is_gone(&mut self) -> bool {
        let mut ignored = [0; 512];
        for _ in 0..64 {
            match self.wire.stream.read(&mut ignored) {
                Ok(1..) => {}
                Ok(0) => return true,
                Err(e) => return e.kind() != io::ErrorKind::WouldBlock,
            }
        }
        false
    }

    /// The end that an error means. The peer is told, too, if it is its fault.
    fn failed(&mut self, e: &Error) -> LinkError {
        match e {
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
        self.explain(e)
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
        if self.can_write() {
            self.write_close(Some(&CloseFrame {
                code,
                reason: Utf8Bytes::from_static(""),
            }));
        }
        if let Err(e) = self.push() {
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
                    // Not each time: what waits would have to move.
                    if self.sent >= self.waiting() {
                        self.out.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Err(e);
                }
            }
        }
        self.out.clear();
        self.sent = 0;
        self.stream.flush()
    }
}

/// Where the next WebSocket frame of a message ends.
fn fragment(rest: &[u8], data: Data) -> usize {
    if rest.len() <= FRAGMENT {
        rest.len()
    } else {
        cut(rest, FRAGMENT, data)
    }
}

/// Where to cut off about `size` octets. Text is cut between characters: RFC 6455
/// §5.6 asks that of no one, and some peers want it.
fn cut(rest: &[u8], size: usize, data: Data) -> usize {
    let Some(next) = rest.get(size) else {
        return rest.len();
    };
    if data == Data::Binary || next & 0xC0 != 0x80 {
        return size;
    }
    let back = (1..4).find(|back| rest[size - back] & 0xC0 != 0x80);
    size - back.unwrap_or(0)
}

/// Without a branch for each part of it.
fn is_ascii(octets: &[u8]) -> bool {
    let words = octets.chunks_exact(8);
    let rest = words.remainder().iter().fold(0, |any, octet| any | octet);
    let words = words.filter_map(|word| Some(u64::from_ne_bytes(*word.first_chunk()?)));
    let words = words.fold(0, |any, word| any | word);
    words & 0x8080_8080_8080_8080 == 0 && rest < 0x80
}

/// What ends a STOMP frame.
const NUL: &[u8] = b"\0";
