//! A stream decoder: octets in pieces of any size, whole frames out.

use super::rules::{EscapeRule, Rules, unescape};
use super::{Frame, Version, is_raw};
use std::fmt;
use thiserror::Error;

/// Bounds on what a peer may send. The defaults are far above what the
/// protocol's users need and far below what would hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most header lines of one frame (default 1000).
    pub headers: usize,
    /// Longest line in octets (default 64 KiB).
    pub line: usize,
    /// Most octets of command and headers together (default 256 KiB).
    pub head: usize,
    /// Most octets of a body (default 16 MiB).
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: 1000,
            line: 64 << 10,
            head: 256 << 10,
            body: 16 << 20,
        }
    }
}

/// Octets that are not STOMP. The decoder is of no use after it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct WireError {
    /// What was wrong.
    pub kind: WireErrorKind,
    /// The command of the broken frame, as far as it was read.
    pub command: Option<String>,
    /// The receipt which the broken frame asked for, if that line was readable.
    pub receipt: Option<String>,
}

/// What was wrong with the octets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireErrorKind {
    /// A backslash followed by something that is no escape of this version.
    #[error("undefined escape sequence in a header")]
    BadEscape,
    /// A header line without a colon.
    #[error("header line without a colon")]
    NoColon,
    /// A header line with a second colon, where [`Rules::one_colon`] holds.
    #[error("header line with a second colon")]
    SecondColon,
    /// A header line that begins with a colon.
    #[error("header without a name")]
    EmptyName,
    /// A CR that is not followed by LF (1.2).
    #[error("carriage return outside of a line end")]
    LoneCarriageReturn,
    /// A NUL before the blank line.
    #[error("NUL inside of the headers")]
    NulInHead,
    /// Command or headers are not UTF-8.
    #[error("command or header is not UTF-8")]
    NotUtf8,
    /// content-length is not a plain decimal number.
    #[error("content-length is not a number")]
    BadContentLength,
    /// The octet after content-length octets is not NUL.
    #[error("body is longer than its content-length")]
    NoNulAfterBody,
    /// One of [`Limits`] was exceeded; the word says which.
    #[error("frame exceeds the limit on {0}")]
    TooLarge(&'static str),
}

#[derive(Default)]
struct Head {
    command: Option<String>,
    headers: Vec<(String, String)>,
    octets: usize,
}

enum State {
    Between,
    Head(Head),
    Body { frame: Frame, length: Option<usize> },
    Failed(WireError),
}

/// Cuts frames out of a stream of octets; every octet is looked at once.
/// `Debug` does not show them.
pub struct Decoder {
    version: Version,
    limits: Limits,
    rules: Rules,
    buffer: Vec<u8>,
    /// Consumed octets at the front of `buffer`.
    start: usize,
    /// Octets before this are known not to hold what is being looked for.
    scanned: usize,
    state: State,
    beats: usize,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("version", &self.version)
            .field("waiting", &(self.buffer.len() - self.start))
            .finish_non_exhaustive()
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Version::V1_2)
    }
}

impl Decoder {
    /// A decoder with the default [`Limits`].
    pub fn new(version: Version) -> Self {
        Self::with_limits(version, Limits::default())
    }

    /// A decoder with limits of one's own.
    pub fn with_limits(version: Version, limits: Limits) -> Self {
        Self {
            version,
            limits,
            rules: Rules::STRICT,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            state: State::Between,
            beats: 0,
        }
    }

    /// Reads as strictly or as loosely as this; strict is the default.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Forgets the octets that wait, be they a part of a frame or whole ones.
    pub fn discard(&mut self) {
        self.buffer.clear();
        (self.start, self.scanned) = (0, 0);
        self.state = State::Between;
    }

    /// Changes the rules for the frames that follow, after negotiation.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Takes octets and returns the frames that are now complete.
    ///
    /// # Errors
    /// [`WireError`] when the stream is broken. Frames before the broken one
    /// are returned first; the error then comes with the next call.
    pub fn push(&mut self, octets: &[u8]) -> Result<Vec<Frame>, WireError> {
        self.feed(octets);
        let mut frames = Vec::new();
        loop {
            match self.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return Ok(frames),
                Err(_) if !frames.is_empty() => return Ok(frames),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes octets without looking at them.
    pub fn feed(&mut self, octets: &[u8]) {
        if self.start > 0 && (self.start == self.buffer.len() || self.start > 64 << 10) {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        if !matches!(self.state, State::Failed(_)) {
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next complete frame; `None` means that more octets are needed.
    ///
    /// # Errors
    /// [`WireError`], again and again, once the stream is broken.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, WireError> {
        match self.step() {
            Ok(frame) => Ok(frame),
            Err(kind) => {
                let error = self.describe(kind);
                self.state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    /// How many EOLs or NULs stood between frames since the last call.
    pub fn take_beats(&mut self) -> usize {
        std::mem::take(&mut self.beats)
    }

    /// Whether a frame has begun and not ended.
    pub fn is_mid_frame(&self) -> bool {
        match self.state {
            State::Between => self.start < self.buffer.len(),
            State::Head(_) | State::Body { .. } => true,
            State::Failed(_) => false,
        }
    }

    fn step(&mut self) -> Result<Option<Frame>, WireErrorKind> {
        loop {
            match &mut self.state {
                State::Failed(error) => return Err(error.kind.clone()),
                State::Between => {
                    if !self.skip_beats()? {
                        return Ok(None);
                    }
                    self.state = State::Head(Head::default());
                }
                State::Head(_) => {
                    let Some((from, to)) = self.next_line()? else {
                        return Ok(None);
                    };
                    self.take_line(from, to)?;
                }
                State::Body { .. } => return self.take_body(),
            }
        }
    }

    /// Skips what may stand between frames; true if a frame begins.
    fn skip_beats(&mut self) -> Result<bool, WireErrorKind> {
        while let Some(&octet) = self.buffer.get(self.start) {
            match octet {
                // Some platforms beat with NUL; it cannot begin a frame either.
                b'\n' | 0 => self.start += 1,
                b'\r' if self.version == Version::V1_2 => match self.buffer.get(self.start + 1) {
                    Some(b'\n') => self.start += 2,
                    Some(_) => return Err(WireErrorKind::LoneCarriageReturn),
                    None => {
                        self.scanned = self.start;
                        return Ok(false);
                    }
                },
                _ => {
                    self.scanned = self.start;
                    return Ok(true);
                }
            }
            self.beats += 1;
        }
        self.scanned = self.start;
        Ok(false)
    }

    /// The next whole line without its end, as offsets into the buffer.
    fn next_line(&mut self) -> Result<Option<(usize, usize)>, WireErrorKind> {
        let from = self.start;
        let found = self.buffer[self.scanned..]
            .iter()
            .position(|&o| o == b'\n' || o == 0);
        let Some(offset) = found else {
            self.scanned = self.buffer.len();
            if self.scanned - from > self.limits.line {
                return Err(WireErrorKind::TooLarge("line length"));
            }
            return Ok(None);
        };
        let mut to = self.scanned + offset;
        if self.buffer[to] == 0 {
            return Err(WireErrorKind::NulInHead);
        }
        if to - from > self.limits.line {
            return Err(WireErrorKind::TooLarge("line length"));
        }
        self.start = to + 1;
        self.scanned = self.start;
        // The CR of a CR LF pair belongs to the line end in 1.2; before, it is data.
        if !self.rules.crlf && self.buffer[from..to].contains(&b'\r') {
            return Err(WireErrorKind::LoneCarriageReturn);
        }
        if self.version == Version::V1_2 {
            if to > from && self.buffer[to - 1] == b'\r' {
                to -= 1;
            }
            if self.buffer[from..to].contains(&b'\r') {
                return Err(WireErrorKind::LoneCarriageReturn);
            }
        }
        Ok(Some((from, to)))
    }

    fn take_line(&mut self, from: usize, to: usize) -> Result<(), WireErrorKind> {
        let State::Head(head) = &mut self.state else {
            return Ok(());
        };
        let line = &self.buffer[from..to];
        head.octets += line.len() + 1;
        if head.octets > self.limits.head {
            return Err(WireErrorKind::TooLarge("header octets"));
        }
        let Some(command) = &head.command else {
            let text = std::str::from_utf8(line).map_err(|_| WireErrorKind::NotUtf8)?;
            let text = if self.rules.trim { text.trim() } else { text };
            head.command = Some(text.to_owned());
            return Ok(());
        };
        if line.is_empty() {
            let frame = Frame {
                command: head.command.take().unwrap_or_default(),
                headers: std::mem::take(&mut head.headers),
                body: Vec::new(),
            };
            let length = match content_length(&frame, self.limits.body) {
                Err(WireErrorKind::BadContentLength) if self.rules.bad_length => Ok(None),
                _ if self.rules.send_bodies_only && frame.command != "SEND" => Ok(None),
                length => length,
            };
            // Kept even if the length is bad: the error names its receipt.
            self.state = State::Body {
                frame,
                length: None,
            };
            if let (State::Body { length: slot, .. }, length) = (&mut self.state, length?) {
                *slot = length;
            }
            return Ok(());
        }
        if head.headers.len() == self.limits.headers {
            return Err(WireErrorKind::TooLarge("header count"));
        }
        // The name ends at the first colon; later colons belong to the value.
        let Some(colon) = line.iter().position(|&o| o == b':') else {
            if self.rules.colonless {
                return Ok(());
            }
            return Err(WireErrorKind::NoColon);
        };
        if colon == 0 {
            return Err(WireErrorKind::EmptyName);
        }
        if self.rules.one_colon && line[colon + 1..].contains(&b':') {
            return Err(WireErrorKind::SecondColon);
        }
        let raw = is_raw(command) && !self.rules.connect_escapes;
        let escapes = if raw || !line.contains(&b'\\') {
            EscapeRule::Raw
        } else {
            self.rules.escapes
        };
        let text = std::str::from_utf8(line).map_err(|_| WireErrorKind::NotUtf8)?;
        let (name, mut value) = (&text[..colon], &text[colon + 1..]);
        if self.rules.trim || (self.rules.trim_1_0 && self.version == Version::V1_0) {
            value = value.trim_ascii_start();
        }
        let name = unescape(name, self.version, escapes)?;
        let value = unescape(value, self.version, escapes)?;
        head.headers.push((name, value));
        Ok(())
    }

    fn take_body(&mut self) -> Result<Option<Frame>, WireErrorKind> {
        let State::Body { frame, length } = &mut self.state else {
            return Ok(None);
        };
        let end = match *length {
            Some(length) => {
                // There may be no limit; what is beyond all memory never comes.
                let end = self.start.saturating_add(length);
                match self.buffer.get(end) {
                    None => return Ok(None),
                    Some(0) => end,
                    Some(_) if self.rules.unchecked_end => end,
                    Some(_) => return Err(WireErrorKind::NoNulAfterBody),
                }
            }
            None => match self.buffer[self.scanned..].iter().position(|&o| o == 0) {
                Some(offset) => self.scanned + offset,
                None => {
                    self.scanned = self.buffer.len();
                    if self.scanned - self.start > self.limits.body {
                        return Err(WireErrorKind::TooLarge("body octets"));
                    }
                    return Ok(None);
                }
            },
        };
        if end - self.start > self.limits.body {
            return Err(WireErrorKind::TooLarge("body octets"));
        }
        let mut frame = std::mem::take(frame);
        frame.body = self.buffer[self.start..end].to_vec();
        self.start = end + 1;
        self.scanned = self.start;
        self.state = State::Between;
        Ok(Some(frame))
    }

    /// Adds to an error what can still be learnt about the frame: an ERROR
    /// should name the receipt, even if the broken line came before it.
    fn describe(&self, kind: WireErrorKind) -> WireError {
        let (command, mut receipt) = match &self.state {
            State::Failed(error) => return error.clone(),
            State::Between => (None, None),
            State::Head(head) => {
                let known = head.headers.iter().find(|(name, _)| name == "receipt");
                (head.command.clone(), known.map(|(_, value)| value.clone()))
            }
            State::Body { frame, .. } => (
                Some(frame.command.clone()),
                frame.header("receipt").map(str::to_owned),
            ),
        };
        if receipt.is_none() && matches!(self.state, State::Head(_)) {
            receipt = self.buffer[self.start..]
                .split(|&o| o == b'\n')
                .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
                .take_while(|line| !line.is_empty() && !line.contains(&0))
                .find_map(|line| line.strip_prefix(b"receipt:"))
                .and_then(|value| std::str::from_utf8(value).ok())
                .and_then(|value| unescape(value, self.version, self.rules.escapes).ok());
        }
        WireError {
            kind,
            command,
            receipt,
        }
    }
}

/// Only digits count; the first entry of a repeated header does.
fn content_length(frame: &Frame, limit: usize) -> Result<Option<usize>, WireErrorKind> {
    let Some(text) = frame.header("content-length") else {
        return Ok(None);
    };
    if text.is_empty() || !text.bytes().all(|o| o.is_ascii_digit()) {
        return Err(WireErrorKind::BadContentLength);
    }
    match text.parse::<usize>() {
        Ok(length) if length <= limit => Ok(Some(length)),
        Ok(_) | Err(_) => Err(WireErrorKind::TooLarge("content-length")),
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
