//! Messages on their way out.

use std::io;

use bytes::Bytes;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{Closing, FRAGMENT, LOW_WATER, NUL, Outgoing, WRITE_EARLY, WRITE_LIMIT, Ws};
use crate::{dialect::MessageKind, error::LinkError};

impl Ws {
    /// Queues one message. TEXT if it is UTF-8 and nothing else is wanted:
    /// brokers that tell the two apart expect TEXT, and RFC 6455 §5.6 forbids
    /// anything else in it.
    pub(in crate::net) fn send(&mut self, message: Bytes) {
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
    pub(in crate::net) fn pass(&mut self, head: &[u8], body: &[u8]) {
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
    pub(super) fn pass_on(&mut self, mut rest: &[u8]) {
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
    pub(super) fn data(&self, message: &[u8]) -> Data {
        match self.kind {
            MessageKind::Text if is_ascii(message) => Data::Text,
            MessageKind::Text if std::str::from_utf8(message).is_ok() => Data::Text,
            MessageKind::Text | MessageKind::Binary => Data::Binary,
        }
    }

    /// Whether another message would go straight out.
    pub(in crate::net) fn wants_frame(&self) -> bool {
        let socket = self.wire.stream.socket();
        !self.is_closing()
            && self.queue.is_empty()
            && self.wire.waiting() <= LOW_WATER
            && socket.is_writable()
            && socket.broken().is_none()
    }

    pub(in crate::net) fn is_flushed(&self) -> bool {
        self.queue.is_empty()
            && self.wire.waiting() == 0
            && !matches!(self.closing, Closing::Queued(_) | Closing::Answering { .. })
    }

    /// Writes until everything has left or the socket is full.
    pub(in crate::net) fn flush(&mut self) -> Result<(), LinkError> {
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
    pub(super) fn push(&mut self) -> io::Result<()> {
        self.wire.push()?;
        match self.pong.take() {
            None => Ok(()),
            Some(payload) => {
                self.write_control(Control::Pong, &payload);
                self.wire.push()
            }
        }
    }

    #[cfg(test)]
    pub(in crate::net) fn queued(&self) -> u64 {
        let here: usize = self.queue.iter().map(|o| o.rest.len()).sum();
        (here + self.wire.waiting()) as u64
    }

    /// Makes frames of messages while few wait to be written.
    pub(super) fn fill(&mut self) {
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

    pub(super) fn write_early(&mut self) {
        if self.wire.waiting() > WRITE_EARLY {
            if let Err(e) = self.wire.push() {
                log::trace!("the rest waits: {e}");
            }
        }
    }

    pub(super) fn write_control(&mut self, control: Control, payload: &[u8]) {
        self.frames
            .write(&mut self.wire.out, OpCode::Control(control), true, payload);
    }

    /// With the ping's payload (RFC 6455 §5.5.3).
    pub(super) fn answer_ping(&mut self, payload: Bytes) {
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
