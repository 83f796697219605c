//! The server's half of RFC 6455 framing, without I/O.

use crate::wire::is_text;
use thiserror::Error;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::Continuation => CONTINUATION,
            Self::Text => TEXT,
            Self::Binary => BINARY,
            Self::Close => CLOSE,
            Self::Ping => PING,
            Self::Pong => PONG,
        }
    }
}

/// Appends one unmasked frame with a minimal length field.
pub(crate) fn write_frame(fin: bool, opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    let first = if fin { 0x80 } else { 0 } | opcode.bits();
    write_spoilt(first, None, payload, out);
}

/// Appends one whole frame as a client sends it.
pub(crate) fn write_masked(opcode: Opcode, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    write_spoilt(0x80 | opcode.bits(), Some(mask), payload, out);
}

/// Appends a frame whose first octet and mask may be illegal.
pub(crate) fn write_spoilt(first: u8, mask: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    out.push(first);
    write_length(masked, payload.len(), out);
    let start = out.len() + mask.map_or(0, |m| m.len());
    out.extend(mask.into_iter().flatten());
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask);
    }
}

/// Octets of the longest head that is written without a mask.
pub(crate) const MAX_FRAME_HEAD: usize = 10;

/// Appends the head of a whole unmasked frame.
pub(crate) fn write_head(opcode: Opcode, length: usize, out: &mut Vec<u8>) {
    out.push(0x80 | opcode.bits());
    write_length(0, length, out);
}

fn write_length(masked: u8, length: usize, out: &mut Vec<u8>) {
    match length {
        len @ 0..=125 => out.push(masked | len as u8),
        len @ 126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(masked | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
}

/// Masks or unmasks, eight octets at a time.
fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let mut octets = [0; 8];
        octets.copy_from_slice(word);
        word.copy_from_slice(&(u64::from_ne_bytes(octets) ^ wide).to_ne_bytes());
    }
    for (octet, key) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *octet ^= key;
    }
}

/// Appends a Close frame; the reason is cut to what a control frame holds.
pub(crate) fn write_close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    write_frame(true, Opcode::Close, &close_payload(code, reason), out);
}

/// What a Close frame holds.
pub(crate) fn close_payload(code: Option<u16>, reason: &str) -> Vec<u8> {
    let Some(code) = code else { return Vec::new() };
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    payload
}

/// What the peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Message { octets: Vec<u8>, binary: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close { code: Option<u16>, reason: String },
}

/// A breach of RFC 6455, with the code for the Close that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{why}")]
pub(crate) struct WsError {
    pub(crate) code: u16,
    pub(crate) why: &'static str,
}

const fn breach(why: &'static str) -> WsError {
    WsError { code: 1002, why }
}

/// Cuts messages out of a stream of octets.
pub(crate) struct Reader {
    buffer: Vec<u8>,
    start: usize,
    /// The message whose fragments are being joined.
    joined: Option<(bool, Vec<u8>)>,
    max_message: usize,
    /// What a server sends is read: unmasked, and its text as it is.
    of_client: bool,
    /// For the next payload, in place of a new allocation.
    pub(crate) spare: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(max_message: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            joined: None,
            max_message,
            of_client: false,
            spare: Vec::new(),
        }
    }

    /// A reader of what a server sends. It bears text that is not UTF-8, for
    /// there are brokers that send it.
    pub(crate) fn of_client(max_message: usize) -> Self {
        Self {
            of_client: true,
            ..Self::new(max_message)
        }
    }

    pub(crate) fn feed(&mut self, octets: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > 64 << 10 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(octets);
    }

    /// The next event; `None` means that more octets are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, WsError> {
        loop {
            let Some((fin, opcode, payload)) = self.next_frame()? else {
                return Ok(None);
            };
            match opcode {
                PING => return Ok(Some(Event::Ping(payload))),
                PONG => return Ok(Some(Event::Pong(payload))),
                CLOSE => return close(&payload).map(Some),
                CONTINUATION => {
                    let Some((_, whole)) = &mut self.joined else {
                        return Err(breach("continuation without a message"));
                    };
                    whole.extend_from_slice(&payload);
                }
                _ if self.joined.is_some() => return Err(breach("message inside of a message")),
                _ => self.joined = Some((opcode == BINARY, payload)),
            }
            if !fin {
                continue;
            }
            if let Some((binary, octets)) = self.joined.take() {
                if !binary && !self.of_client && !is_text(&octets) {
                    return Err(WsError {
                        code: 1007,
                        why: "text message is not UTF-8",
                    });
                }
                return Ok(Some(Event::Message { octets, binary }));
            }
        }
    }

    fn next_frame(&mut self) -> Result<Option<(bool, u8, Vec<u8>)>, WsError> {
        let input = &self.buffer[self.start..];
        let &[first, second, ..] = input else {
            return Ok(None);
        };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(breach("reserved bit set"));
        }
        match (second & 0x80 != 0, self.of_client) {
            (false, false) => return Err(breach("frame without mask")),
            (true, true) => return Err(breach("masked frame from a server")),
            (true, false) | (false, true) => {}
        }
        let (length, head) = match second & 0x7f {
            126 => match input.get(2..4).and_then(|o| o.try_into().ok()) {
                Some(octets) => (u64::from(u16::from_be_bytes(octets)), 4),
                None => return Ok(None),
            },
            127 => match input.get(2..10).and_then(|o| o.try_into().ok()) {
                Some(octets) => (u64::from_be_bytes(octets), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        match opcode {
            CONTINUATION | TEXT | BINARY => {}
            CLOSE | PING | PONG if fin && length <= 125 => {}
            CLOSE | PING | PONG => return Err(breach("control frame fragmented or too long")),
            _ => return Err(breach("unknown opcode")),
        }
        let joined = self.joined.as_ref().map_or(0, |(_, whole)| whole.len());
        let too_large = WsError {
            code: 1009,
            why: "message too large",
        };
        if length > (self.max_message.saturating_sub(joined)) as u64 {
            return Err(too_large);
        }
        let body: usize = head + if self.of_client { 0 } else { 4 };
        // There may be no limit.
        let end = body.checked_add(length as usize).ok_or(too_large)?;
        if input.len() < end {
            return Ok(None);
        }
        let mut payload = std::mem::take(&mut self.spare);
        payload.clear();
        payload.extend_from_slice(&input[body..end]);
        if let &[a, b, c, d] = &input[head..body] {
            apply_mask(&mut payload, [a, b, c, d]);
        }
        self.start += end;
        Ok(Some((fin, opcode, payload)))
    }
}

fn close(payload: &[u8]) -> Result<Event, WsError> {
    let (code, reason) = match payload {
        [] => (None, ""),
        [_] => return Err(breach("close frame with half a code")),
        [high, low, rest @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(breach("close code that may not be sent"));
            }
            let reason = std::str::from_utf8(rest).map_err(|_| WsError {
                code: 1007,
                why: "close reason is not UTF-8",
            })?;
            (Some(code), reason)
        }
    };
    Ok(Event::Close {
        code,
        reason: reason.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            len @ 0..=125 => out.push(0x80 | len as u8),
            len => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        out.extend_from_slice(&mask);
        out.extend(payload.iter().zip(mask.iter().cycle()).map(|(o, k)| o ^ k));
        out
    }

    fn text(s: &str) -> Event {
        Event::Message {
            octets: s.as_bytes().to_vec(),
            binary: false,
        }
    }

    fn read(octets: &[u8]) -> Result<Vec<Event>, WsError> {
        let mut reader = Reader::new(1000);
        reader.feed(octets);
        let mut events = Vec::new();
        while let Some(event) = reader.next()? {
            events.push(event);
        }
        Ok(events)
    }

    #[test]
    fn a_length_beyond_all_memory_is_refused_though_there_is_no_limit() {
        for of_client in [false, true] {
            let mut reader = Reader::new(usize::MAX);
            reader.of_client = of_client;
            let mask = if of_client { 0 } else { 0x80 };
            let mut octets = vec![0x82, 127 | mask];
            octets.extend([0xff; 8]);
            octets.extend([0; 32]);
            reader.feed(&octets);
            assert_eq!(reader.next().expect_err("too large").code, 1009);
        }
    }

    #[test]
    fn fragments_are_joined_around_control_frames_at_every_split() {
        let mut wire = masked(0x01, b"a\xc3");
        wire.extend(masked(0x89, b"p"));
        wire.extend(masked(0x00, b"\xa4"));
        wire.extend(masked(0x80, &[b'b'; 200]));
        wire.extend(masked(0x88, &[3, 232, b'x']));
        let expected = [
            Event::Ping(b"p".to_vec()),
            text(&format!("a\u{e4}{}", "b".repeat(200))),
            Event::Close {
                code: Some(1000),
                reason: "x".to_owned(),
            },
        ];
        for cut in 0..=wire.len() {
            let mut reader = Reader::new(1000);
            let mut events = Vec::new();
            for part in [&wire[..cut], &wire[cut..]] {
                reader.feed(part);
                while let Some(event) = reader.next().unwrap() {
                    events.push(event);
                }
            }
            assert_eq!(events, expected, "cut at {cut}");
        }
    }

    #[test]
    fn breaches_are_named_with_their_code() {
        let code = |octets: &[u8]| read(octets).unwrap_err().code;
        assert_eq!(code(&[0x81, 1, b'x']), 1002, "no mask");
        assert_eq!(code(&masked(0xc1, b"x")), 1002, "reserved bit");
        assert_eq!(code(&masked(0x83, b"x")), 1002, "opcode");
        assert_eq!(code(&masked(0x80, b"x")), 1002, "continuation first");
        assert_eq!(code(&masked(0x09, b"x")), 1002, "ping in fragments");
        assert_eq!(code(&masked(0x89, &[0; 126])), 1002, "long ping");
        assert_eq!(code(&masked(0x88, &[3])), 1002, "half a close code");
        assert_eq!(code(&masked(0x88, &[3, 238])), 1002, "1006 sent");
        assert_eq!(code(&masked(0x81, b"\xff")), 1007, "not UTF-8");
        assert_eq!(code(&masked(0x82, &[0; 1001])), 1009, "too large");
        let two = [masked(0x01, b"x"), masked(0x81, b"x")].concat();
        assert_eq!(code(&two), 1002, "message inside of a message");
    }

    #[test]
    fn lengths_are_minimal() {
        let head = |len: usize| {
            let mut out = Vec::new();
            write_frame(true, Opcode::Text, &vec![0; len], &mut out);
            out.len() - len
        };
        assert_eq!(
            (head(125), head(126), head(65535), head(65536)),
            (2, 4, 4, 10)
        );
    }
}
