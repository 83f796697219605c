//! The broker's own STOMP codec: frames, an encoder that can also write what
//! is illegal, and a stream [`Decoder`].
//!
//! It shares no code with any client, so that a misreading on one side cannot
//! hide behind the same misreading on the other.

mod decimal;
mod decode;
mod rules;

pub(crate) use decimal::Decimal;
pub use decode::{Decoder, Limits, WireError, WireErrorKind};
pub use rules::{EscapeRule, Rules};

use std::fmt;

/// A protocol version, which decides escapes and line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// STOMP 1.0: no escapes, lines end in LF.
    V1_0,
    /// STOMP 1.1: escapes `\n`, `\c` and `\\`; lines end in LF.
    V1_1,
    /// STOMP 1.2: also `\r`; lines end in LF or CR LF.
    V1_2,
}

impl Version {
    /// Reads `"1.0"`, `"1.1"` or `"1.2"`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1.0" => Some(Self::V1_0),
            "1.1" => Some(Self::V1_1),
            "1.2" => Some(Self::V1_2),
            _ => None,
        }
    }

    /// The version as it stands in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One STOMP frame, headers in wire order, repeated entries included.
///
/// `Debug` and `Display` write `***` in place of credentials; [`Frame::header`]
/// gives the real value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// The command, for example `SEND`.
    pub command: String,
    /// Names and values, unescaped.
    pub headers: Vec<(String, String)>,
    /// The body's octets.
    pub body: Vec<u8>,
}

impl Frame {
    /// A frame without headers and body.
    pub fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            ..Self::default()
        }
    }

    /// Appends one header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body, and leaves the headers alone.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The value of the first header of that name: a repeated header has the
    /// value of its first entry.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }

    /// Octets of its headers and its body.
    pub(crate) fn octets(&self) -> usize {
        header_octets(&self.headers) + self.body.len()
    }

    /// The body as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// Replaces the first header of that name, or appends it.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.headers.iter_mut().find(|(n, _)| n == name) {
            Some((_, v)) => *v = value.into(),
            None => self.headers.push((name.to_owned(), value.into())),
        }
    }

    /// Removes every header of that name.
    pub fn unset(&mut self, name: &str) {
        self.headers.retain(|(n, _)| n != name);
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.command)?;
        for (name, value) in &self.headers {
            write!(
                f,
                " {}:{}",
                name.escape_debug(),
                mask(name, value).escape_debug()
            )?;
        }
        match self.text() {
            _ if self.body.is_empty() => Ok(()),
            Some(text) if text.len() <= 120 => write!(f, " {text:?}"),
            Some(_) | None => write!(f, " [{} octets]", self.body.len()),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({self})")
    }
}

/// Whether octets are text. Most are ASCII, which is known sooner.
pub(crate) fn is_text(octets: &[u8]) -> bool {
    octets.is_ascii() || std::str::from_utf8(octets).is_ok()
}

/// Octets of names and values.
pub(crate) fn header_octets(headers: &[(String, String)]) -> usize {
    headers.iter().map(|(n, v)| n.len() + v.len()).sum()
}

/// What may be shown of a header: credentials are never shown.
pub(crate) fn mask<'a>(name: &str, value: &'a str) -> &'a str {
    const SECRET: [&str; 6] = [
        "passcode",
        "authorization",
        "token",
        "access-token",
        "cookie",
        "proxy-authorization",
    ];
    if SECRET.iter().any(|s| name.eq_ignore_ascii_case(s)) {
        "***"
    } else {
        value
    }
}

/// Writes a frame exactly as it stands: no header is added or checked, so what
/// is illegal can be written too.
///
/// Names and values are escaped as the version asks, except in CONNECT and
/// CONNECTED, which stay raw for the sake of 1.0 peers.
pub fn encode(frame: &Frame, version: Version) -> Vec<u8> {
    let raw = is_raw(&frame.command);
    let escapes = if raw {
        Escapes::None
    } else {
        version.escapes()
    };
    encode_with(frame, escapes)
}

impl Version {
    /// What is escaped in the headers of most frames.
    fn escapes(self) -> Escapes {
        match self {
            Self::V1_0 => Escapes::None,
            Self::V1_1 => Escapes::V1_1,
            Self::V1_2 => Escapes::V1_2,
        }
    }
}

/// Appends one header line of a frame that is no CONNECT or CONNECTED.
pub(crate) fn encode_header(name: &str, value: &str, version: Version, out: &mut Vec<u8>) {
    line(name, value, version.escapes(), out);
}

fn line(name: &str, value: &str, escapes: Escapes, out: &mut Vec<u8>) {
    escape(name, escapes, out);
    out.push(b':');
    escape(value, escapes, out);
    out.push(b'\n');
}

/// Writes a frame with the escapes chosen by hand.
pub fn encode_with(frame: &Frame, escapes: Escapes) -> Vec<u8> {
    let head: usize = frame
        .headers
        .iter()
        .map(|(n, v)| n.len() + v.len() + 2)
        .sum();
    let mut out = Vec::with_capacity(frame.command.len() + head + frame.body.len() + 8);
    out.extend_from_slice(frame.command.as_bytes());
    out.push(b'\n');
    for (name, value) in &frame.headers {
        line(name, value, escapes, &mut out);
    }
    out.push(b'\n');
    out.extend_from_slice(&frame.body);
    out.push(0);
    out
}

/// Which octets of names and values are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// Nothing, as in 1.0 and in CONNECT.
    None,
    /// Backslash, LF and colon.
    V1_1,
    /// Backslash, CR, LF and colon.
    V1_2,
}

/// CONNECT and CONNECTED are exempt from escaping, so that a 1.0 peer reads
/// them (STOMP 1.2, Value Encoding). STOMP is CONNECT by another name.
fn is_raw(command: &str) -> bool {
    matches!(command, "CONNECT" | "CONNECTED" | "STOMP")
}

fn escape(text: &str, escapes: Escapes, out: &mut Vec<u8>) {
    let plain = |o: u8| !matches!(o, b'\\' | b'\n' | b':' | b'\r');
    if escapes == Escapes::None || text.bytes().all(plain) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for &octet in text.as_bytes() {
        match (octet, escapes) {
            (_, Escapes::None) => out.push(octet),
            (b'\\', _) => out.extend_from_slice(b"\\\\"),
            (b'\n', _) => out.extend_from_slice(b"\\n"),
            (b':', _) => out.extend_from_slice(b"\\c"),
            (b'\r', Escapes::V1_2) => out.extend_from_slice(b"\\r"),
            _ => out.push(octet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_follow_the_version() {
        let frame = Frame::new("SEND").with("a:b", "c\\d\ne\rf").body("x");
        assert_eq!(
            encode(&frame, Version::V1_2),
            b"SEND\na\\cb:c\\\\d\\ne\\rf\n\nx\0"
        );
        assert_eq!(
            encode(&frame, Version::V1_1),
            b"SEND\na\\cb:c\\\\d\\ne\rf\n\nx\0"
        );
        assert_eq!(
            encode(&frame, Version::V1_0),
            b"SEND\na:b:c\\d\ne\rf\n\nx\0"
        );
    }

    #[test]
    fn connect_and_connected_stay_raw() {
        for command in ["CONNECT", "CONNECTED", "STOMP"] {
            let frame = Frame::new(command).with("passcode", "a\\c:b");
            let wire = encode(&frame, Version::V1_2);
            assert_eq!(
                wire,
                format!("{command}\npasscode:a\\c:b\n\n\0").into_bytes()
            );
        }
    }

    #[test]
    fn credentials_are_masked_but_reachable() {
        let frame = Frame::new("CONNECT")
            .with("passcode", "hunter2")
            .with("Authorization", "Bearer hunter2");
        assert!(!format!("{frame:?} {frame}").contains("hunter2"));
        assert_eq!(frame.header("passcode"), Some("hunter2"));
    }
}
