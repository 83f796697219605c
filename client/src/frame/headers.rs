//! Looking up and walking through the headers of a decoded frame.

use std::{borrow::Cow, ops::Range, str};

use memchr::memchr;

use super::{Frame, Value, escape::Escapes};

/// The headers of a [`Frame`] in the order of the wire, repeated entries
/// included; names and values are unescaped.
///
/// Of repeated entries only the first counts (STOMP 1.2 §Repeated Header
/// Entries); the others are the history that brokers in between left.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    lines: Lines<'a>,
    escapes: Escapes,
}

impl<'a> Headers<'a> {
    pub(super) fn new(block: &'a [u8], escapes: Escapes) -> Self {
        Self {
            lines: Lines { rest: block },
            escapes,
        }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.lines.next()?;
        Some((
            self.escapes.unescape(text(name)),
            self.escapes.unescape(text(value)),
        ))
    }
}

impl Frame {
    /// The value of the first header of that name, unescaped.
    ///
    /// Names are case-sensitive (STOMP 1.2 §STOMP Frames) and compared after
    /// unescaping. Borrowed unless the value holds an escape.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = match self.noted(name.as_bytes()) {
            Some(place) => self.piece.str(place),
            // Every escape stands for one of these, so that a name without them
            // is on the wire what it is here.
            None if name.contains([':', '\\', '\n', '\r']) => {
                return self.headers().find(|(n, _)| n == name).map(|(_, v)| v);
            }
            None => text(self.search(name.as_bytes())?),
        };
        Some(self.layout.escapes.unescape(value))
    }

    /// The value of the first header of that name; both as they stand on the
    /// wire, still escaped. Never allocates.
    #[must_use]
    #[inline]
    pub fn raw_header(&self, name: &[u8]) -> Option<&[u8]> {
        match self.noted(name) {
            Some(place) => self.octets().get(place),
            None => self.search(name),
        }
    }

    /// As [`header`](Self::header).
    #[inline]
    pub(crate) fn destination(&self) -> Option<Cow<'_, str>> {
        self.value(self.layout.destination, "destination")
    }

    /// As [`header`](Self::header).
    #[inline]
    pub(crate) fn message_id(&self) -> Option<Cow<'_, str>> {
        self.value(self.layout.message_id, "message-id")
    }

    /// As [`header`](Self::header).
    #[inline]
    pub(crate) fn subscription(&self) -> Option<Cow<'_, str>> {
        self.value(self.layout.subscription, "subscription")
    }

    /// What was noted needs no look at the name.
    #[inline]
    fn value(&self, value: Value, name: &str) -> Option<Cow<'_, str>> {
        match value.place() {
            Some(place) if self.layout.escapes == Escapes::None => {
                Some(Cow::Borrowed(self.piece.str(place)))
            }
            Some(_) | None => self.header(name),
        }
    }

    /// Where the value of a header is, if that was noted.
    #[inline]
    fn noted(&self, name: &[u8]) -> Option<Range<usize>> {
        match name {
            b"subscription" => self.layout.subscription.place(),
            b"destination" => self.layout.destination.place(),
            b"message-id" => self.layout.message_id.place(),
            _ => None,
        }
    }

    fn search(&self, name: &[u8]) -> Option<&[u8]> {
        let mut lines = Lines { rest: self.block() };
        lines.find(|&(n, _)| n == name).map(|(_, v)| v)
    }

    /// All headers, see [`Headers`].
    #[must_use]
    pub fn headers(&self) -> Headers<'_> {
        Headers::new(self.block(), self.layout.escapes)
    }

    /// The header lines and the blank line.
    fn block(&self) -> &[u8] {
        &self.octets()[self.layout.headers as usize..self.layout.body as usize]
    }
}

/// Names and values up to the blank line. The name ends at the first colon;
/// later colons, and any blank, belong to the value.
#[derive(Debug, Clone)]
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, rest) = line_and_rest(self.rest);
        let colon = memchr(b':', line)?;
        self.rest = rest;
        Some((&line[..colon], &line[colon + 1..]))
    }
}

fn line_and_rest(octets: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', octets) {
        Some(end) => (trim_cr(&octets[..end]), &octets[end + 1..]),
        None => (octets, &[]),
    }
}

/// The CR of a CR LF pair belongs to the line end (STOMP 1.2 §STOMP Frames).
/// Before 1.2 it would be data; no known peer means it so.
pub(super) fn trim_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The decoder has checked the whole block, and lines and colons cut UTF-8
/// only between characters.
fn text(octets: &[u8]) -> &str {
    str::from_utf8(octets).unwrap_or_default()
}
