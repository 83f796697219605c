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
    /// The oldest version in which the escapes so far mean what they should.
    needs: Version,
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
        let mut frame = Self::resume(buffer, command, version);
        frame.start = start;
        frame
    }

    /// Goes on with the only frame of a buffer, in which nothing was
    /// [escaped](Self::unescaped) so far.
    #[must_use = "the frame is taken back unless it is finished"]
    pub(crate) fn resume(buffer: &'b mut BytesMut, command: Command, version: Version) -> Self {
        Self {
            buffer,
            start: 0,
            command,
            version,
            escapes: Escapes::of_frame(command, version),
            content_length: None,
            needs: Version::V1_0,
            failed: None,
            finished: false,
        }
    }

    /// How many octets were written, if all headers stand there as they were given.
    pub(crate) fn unescaped(&self) -> Option<usize> {
        (self.needs == Version::V1_0).then(|| self.buffer.len() - self.start)
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
        let digits = str::from_utf8(decimal(value, &mut digits));
        self.header(name, digits.unwrap_or_default())
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
        self.end_headers(body.len())?;
        self.buffer.reserve(body.len() + 1);
        self.buffer.put_slice(body);
        self.buffer.put_u8(0);
        self.finished = true;
        Ok(())
    }

    /// Ends the frame before its body, of so many octets, which is written
    /// elsewhere with the NUL. Returns the oldest version in which the escapes
    /// mean what they should: they came with 1.1, that of the carriage return
    /// with 1.2.
    pub(crate) fn finish_head(mut self, body: usize) -> Result<Version, EncodeError> {
        self.end_headers(body)?;
        self.finished = true;
        Ok(self.needs)
    }

    fn end_headers(&mut self, body: usize) -> Result<(), EncodeError> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        if body > 0 && !self.command.may_have_body() {
            let command = self.command;
            return Err(EncodeError::BodyNotAllowed { command });
        }
        let actual = body as u64;
        if self.content_length.is_some_and(|given| given != actual) {
            return Err(EncodeError::Reserved);
        }
        if body > 0 || self.content_length.is_some() {
            self.known_number("content-length:", actual);
        }
        self.buffer.put_u8(b'\n');
        Ok(())
    }

    /// As [`header`](Self::header), for a name that needs no look; with its colon.
    pub(crate) fn known_header(
        &mut self,
        name: &'static str,
        value: &str,
    ) -> Result<(), EncodeError> {
        if let Some(e) = &self.failed {
            return Err(e.clone());
        }
        self.buffer.put_slice(name.as_bytes());
        let written = self.escape(&name[..name.len() - 1], value, Place::Value);
        written.map_err(|e| self.fail(e))?;
        self.buffer.put_u8(b'\n');
        Ok(())
    }

    /// The same for a number.
    pub(crate) fn known_number(&mut self, name: &'static str, value: u64) {
        if self.failed.is_none() {
            self.buffer.put_slice(name.as_bytes());
            let mut digits = [0; DIGITS];
            self.buffer.put_slice(decimal(value, &mut digits));
            self.buffer.put_u8(b'\n');
        }
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

    fn escape(&mut self, name: &str, text: &str, place: Place) -> Result<(), EncodeError> {
        let octets = text.as_bytes();
        let is_special = |any, octet: &u8| any | SPECIAL[usize::from(*octet)];
        if octets.iter().fold(false, is_special) {
            return self.escape_some(name, octets, place);
        }
        self.buffer.put_slice(octets);
        Ok(())
    }

    /// What needs no escape is copied in runs.
    #[cold]
    fn escape_some(&mut self, name: &str, octets: &[u8], place: Place) -> Result<(), EncodeError> {
        let mut run = 0;
        for (at, &octet) in octets.iter().enumerate() {
            if !SPECIAL[usize::from(octet)] {
                continue;
            }
            match self.escapes.written(octet, place) {
                Ok(None) => {}
                Ok(Some(escape)) => {
                    let since = Escapes::since(octet);
                    self.needs = self.needs.max(since);
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
fn decimal(mut value: u64, digits: &mut [u8; DIGITS]) -> &[u8] {
    let mut at = DIGITS;
    while value >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    let [tens, ones] = PAIRS[value as usize];
    at -= 1;
    digits[at] = ones;
    if value >= 10 {
        at -= 1;
        digits[at] = tens;
    }
    &digits[at..]
}

/// The numbers of two digits.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut nth = 0;
    while nth < 100 {
        pairs[nth] = [b'0' + (nth / 10) as u8, b'0' + (nth % 10) as u8];
        nth += 1;
    }
    pairs
};

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
