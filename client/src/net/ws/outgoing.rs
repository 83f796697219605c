//! Messages on their way out.

use std::io;

use bytes::Bytes;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::{Closing, FRAGMENT, LOW_WATER, NUL, Outgoing, WRITE_EARLY, WRITE_LIMIT, Ws};
use crate::{dialect::MessageKind, error::LinkError, net::frames::BEYOND_ASCII};

impl Ws {
    /// Queues one message. TEXT if it is UTF-8 and nothing else is wanted:
    /// brokers that tell the two apart expect TEXT, and RFC 6455 §5.6 forbids
    /// anything else in it.
    pub(in crate::net) fn send(&mut self, message: Bytes) {
        let waits = !self.queue.is_empty() || self.wire.out.len() > LOW_WATER;
        if !waits && message.len() <= FRAGMENT && self.can_write() {
            return self.write_text(&[&message], &message);
        }
        let data = data(self.kind, &message, is_ascii(&message));
        self.queue.push_back(Outgoing {
            rest: message,
            data,
        });
        self.fill();
    }

    /// Writes a message in three parts: `head`, which is UTF-8, `body` and a NUL.
    /// To be called only while it [wants a frame](Self::wants_frame).
    pub(in crate::net) fn pass(&mut self, head: &[u8], body: &[u8]) {
        if head.len() + body.len() + NUL.len() <= FRAGMENT {
            return self.write_text(&[head, body, NUL], body);
        }
        if head.len() > FRAGMENT / 2 {
            return self.send([head, body, NUL].concat().into());
        }
        let data = data(self.kind, body, is_ascii(body));
        let cut = cut(body, FRAGMENT - head.len(), data);
        let (now, later) = body.split_at(cut);
        self.write_data(data, false, &[head, now]);
        self.pass_on(later);
    }

    /// Writes a message in parts of which only `doubtful` may be no UTF-8.
    fn write_text(&mut self, parts: &[&[u8]], doubtful: &[u8]) {
        let kind = self.kind;
        let opcode = |ascii| OpCode::Data(data(kind, doubtful, ascii));
        self.frames.write(&mut self.wire.out, true, parts, opcode);
        self.write_early();
    }

    fn write_data(&mut self, data: Data, last: bool, parts: &[&[u8]]) {
        let opcode = |_| OpCode::Data(data);
        self.frames.write(&mut self.wire.out, last, parts, opcode);
        self.write_early();
    }

    /// The rest of a message and a NUL: what the socket takes now, it takes from
    /// where it lies.
    fn pass_on(&mut self, mut rest: &[u8]) {
        let mut last = false;
        while !last && self.wire.out.len() <= LOW_WATER {
            last = rest.len() + NUL.len() <= FRAGMENT;
            if last {
                self.write_data(Data::Continue, true, &[rest, NUL]);
            } else {
                let (now, later) = rest.split_at(cut(rest, FRAGMENT, Data::Continue));
                self.write_data(Data::Continue, false, &[now]);
                rest = later;
            }
        }
        if !last {
            self.queue.push_back(Outgoing {
                rest: [rest, NUL].concat().into(),
                data: Data::Continue,
            });
        }
    }

    /// Whether another message would go straight out.
    pub(in crate::net) fn wants_frame(&self) -> bool {
        let socket = self.wire.stream.socket();
        !self.is_closing()
            && self.queue.is_empty()
            && self.wire.out.len() <= LOW_WATER
            && socket.is_writable()
            && socket.broken().is_none()
    }

    pub(in crate::net) fn is_flushed(&self) -> bool {
        self.queue.is_empty()
            && self.wire.is_flushed()
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
        (here + self.wire.out.len()) as u64
    }

    /// Makes frames of messages while few wait to be written.
    pub(super) fn fill(&mut self) {
        while self.wire.out.len() <= LOW_WATER && self.can_write() {
            let Some(front) = self.queue.front_mut() else {
                return self.send_close();
            };
            let cut = fragment(&front.rest, front.data);
            let last = cut == front.rest.len();
            let opcode = |_| OpCode::Data(front.data);
            let payload = &front.rest[..cut];
            self.frames
                .write(&mut self.wire.out, last, &[payload], opcode);
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
        if self.wire.out.len() > WRITE_EARLY {
            if let Err(e) = self.wire.push() {
                log::trace!("the rest waits: {e}");
            }
        }
    }

    pub(super) fn write_control(&mut self, control: Control, payload: &[u8]) {
        let opcode = |_| OpCode::Control(control);
        self.frames
            .write(&mut self.wire.out, true, &[payload], opcode);
    }

    /// With the ping's payload (RFC 6455 §5.5.3).
    pub(super) fn answer_ping(&mut self, payload: Bytes) {
        if !self.can_write() {
            return;
        }
        if self.wire.out.len() <= WRITE_LIMIT {
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

/// TEXT if it is UTF-8 and nothing else is wanted.
fn data(kind: MessageKind, message: &[u8], is_ascii: bool) -> Data {
    match kind {
        MessageKind::Text if is_ascii || std::str::from_utf8(message).is_ok() => Data::Text,
        MessageKind::Text | MessageKind::Binary => Data::Binary,
    }
}

/// Most is ASCII, which is told much faster than UTF-8: without a branch for each part.
fn is_ascii(octets: &[u8]) -> bool {
    let words = octets.chunks_exact(8);
    let rest = words.remainder().iter().fold(0, |any, octet| any | octet);
    let mut any = u64::from(rest);
    for word in words {
        any |= word
            .first_chunk()
            .map_or(0, |word| u64::from_ne_bytes(*word));
    }
    any & BEYOND_ASCII == 0
}
