//! Writes one frame.

use std::str;

use bytes::{BufMut, BytesMut};

use super::{
    Command, Version,
    escape::{Escapes, Place},
};

/// Writes one frame to the end of a buffer, as strictly as STOMP defines it:
/// LF line ends, no padding, escapes as the version has them, content-length
/// with every body.
///
/// A header that the version cannot carry is refused, not mangled. If anything
/// is refused, or the encoder is dropped before [`finish`](Self::finish),
/// nothing of the frame remains in the buffer.
#[derive(Debug)]
pub struct Encoder<'b> {
    buffer: &'b mut BytesMut,
    /// Where the frame begins; what stands before it is not ours.
    start: usize,
    command: Command,
    version: Version,
    escapes: Escapes,
    /// The content-length that the caller insists on.
    content_length: Option<u64>,
    failed: Option<EncodeError>,
    finished: bool,
}

impl<'b> Encoder<'b> {
    /// Begins a frame.
    #[must_use = "the frame is taken back unless it is finished"]
    pub fn new(buffer: &'b mut BytesMut, command: Command, version: Version) -> Self {
        let start = buffer.len();
        buffer.put_slice(command.as_str().as_bytes());
        buffer.put_u8(b'\n');
        Self {
            buffer,
            start,
            command,
            version,
            escapes: Escapes::of_frame(command, version),
            content_length: None,
            failed: None,
            finished: false,
        }
    }

    /// Whether the headers of CONNECT and CONNECTED are escaped like those of
    /// other frames; to be said before the first header.
    ///
    /// STOMP says no (1.2 §Value Encoding), and that is the default. RabbitMQ
    /// and ActiveMQ unescape them all the same.
    pub fn escape_connect(&mut self, yes: bool) {
        self.escapes = if yes {
            Escapes::of(self.version)
        } else {
            Escapes::of_frame(self.command, self.version)
        };
    }

    /// Writes one header.
    ///
    /// `content-length` is [`finish`](Self::finish)'s to write. It may be given,
    /// if only to have it written for an empty body, and must be right then.
    ///
    /// # Errors
    ///
    /// If the frame cannot carry this name or this value. All later calls
    /// return the same error.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), EncodeError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        let written = match name {
            "" => Err(EncodeError::EmptyName),
            "content-length" => self.claim_length(value),
            _ => self.write(name, value),
        };
        written.map_err(|e| self.fail(e))
    }

    /// Writes one header whose value is a number.
    ///
    /// # Errors
    ///
    /// As [`header`](Self::header).
    pub fn header_u64(&mut self, name: &str, value: u64) -> Result<(), EncodeError> {
        let mut digits = [0; DIGITS];
        self.header(name, decimal(value, &mut digits))
    }

    /// Writes the body and ends the frame.
    ///
    /// A body that is not empty gets a content-length, so that it may hold NUL
    /// (1.2 §Header content-length); an empty one gets none.
    ///
    /// # Errors
    ///
    /// If a header was refused before, if the command may not have a body (1.2
    /// §Body), or if a content-length was given that is not the body's.
    pub fn finish(mut self, body: &[u8]) -> Result<(), EncodeError> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        if !body.is_empty() && !self.command.may_have_body() {
            let command = self.command;
            return Err(EncodeError::BodyNotAllowed { command });
        }
        let actual = body.len() as u64;
        if self.content_length.is_some_and(|given| given != actual) {
            return Err(EncodeError::Reserved);
        }
        if !body.is_empty() || self.content_length.is_some() {
            let mut digits = [0; DIGITS];
            self.buffer.put_slice(b"content-length:");
            self.buffer
                .put_slice(decimal(actual, &mut digits).as_bytes());
            self.buffer.put_u8(b'\n');
        }
        self.buffer.reserve(body.len() + 2);
        self.buffer.put_u8(b'\n');
        self.buffer.put_slice(body);
        self.buffer.put_u8(0);
        self.finished = true;
        Ok(())
    }

    fn claim_length(&mut self, value: &str) -> Result<(), EncodeError> {
        let digits = value.bytes().all(|octet| octet.is_ascii_digit());
        let given = value.parse().ok().filter(|_| digits);
        let given = given.ok_or(EncodeError::Reserved)?;
        match self.content_length.replace(given) {
            Some(before) if before != given => Err(EncodeError::Reserved),
            Some(_) | None => Ok(()),
        }
    }

    fn write(&mut self, name: &str, value: &str) -> Result<(), EncodeError> {
        self.buffer.reserve(name.len() + value.len() + 2);
        self.escape(name, name, Place::Name)?;
        self.buffer.put_u8(b':');
        self.escape(name, value, Place::Value)?;
        self.buffer.put_u8(b'\n');
        Ok(())
    }

    /// One pass: what needs no escape is copied in runs.
    fn escape(&mut self, name: &str, text: &str, place: Place) -> Result<(), EncodeError> {
        let octets = text.as_bytes();
        let mut run = 0;
        for (at, &octet) in octets.iter().enumerate() {
            if !SPECIAL[usize::from(octet)] {
                continue;
            }
            match self.escapes.written(octet, place) {
                Ok(None) => {}
                Ok(Some(escape)) => {
                    self.buffer.put_slice(&octets[run..at]);
                    self.buffer.put_slice(escape);
                    run = at + 1;
                }
                Err(_) => {
                    return Err(EncodeError::Forbidden {
                        header: name.into(),
                        octet,
                        command: self.command,
                        version: self.version,
                    });
                }
            }
        }
        self.buffer.put_slice(&octets[run..]);
        Ok(())
    }

    fn fail(&mut self, e: EncodeError) -> EncodeError {
        self.buffer.truncate(self.start);
        self.failed = Some(e.clone());
        e
    }
}

impl Drop for Encoder<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.buffer.truncate(self.start);
        }
    }
}

/// The frame cannot be written. Never shows the value of a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A header needs a name (STOMP 1.2 §Augmented BNF).
    #[error("a header needs a name")]
    EmptyName,
    /// The name or the value holds an octet that this frame has no way to
    /// carry. A raw line end would smuggle in another header.
    #[error(
        "the header {header:?} holds {}, which {command} cannot carry in STOMP {version}",
        octet_text(*octet)
    )]
    Forbidden {
        /// The header's name.
        header: Box<str>,
        /// The octet.
        octet: u8,
        /// The frame's command.
        command: Command,
        /// The version it was to be written in.
        version: Version,
    },
    /// A content-length was given that is not the length of the body.
    #[error("content-length is not the length of the body; leave it to the encoder")]
    Reserved,
    /// Only SEND, MESSAGE and ERROR have a body (STOMP 1.2 §Body).
    #[error("{command} may not have a body")]
    BodyNotAllowed {
        /// The frame's command.
        command: Command,
    },
}

fn octet_text(octet: u8) -> String {
    match octet {
        0 => "NUL".to_owned(),
        b'\n' => "a line feed".to_owned(),
        b'\r' => "a carriage return".to_owned(),
        b':' => "a colon in its name".to_owned(),
        _ => format!("octet 0x{octet:02x}"),
    }
}

/// The decimal digits of a number, without an allocation.
fn decimal(mut value: u64, digits: &mut [u8; DIGITS]) -> &str {
    let mut at = DIGITS;
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return str::from_utf8(&digits[at..]).unwrap_or_default();
        }
    }
}

/// Octets that some version escapes or some frame cannot carry.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut nth = 0;
    while nth < 5 {
        special[[b':', b'\\', b'\n', b'\r', 0][nth] as usize] = true;
        nth += 1;
    }
    special
};

/// Of `u64::MAX`.
const DIGITS: usize = 20;
