//! The escapes of header names and values (STOMP 1.2 §Value Encoding).

use std::borrow::Cow;

use memchr::memchr;

use super::{Command, Version};

/// Which escapes hold in a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// None: 1.0, and the frames that open a session.
    None,
    /// `\n`, `\c` and `\\`.
    V1_1,
    /// These and `\r`.
    V1_2,
}

impl Escapes {
    pub(super) const fn of(version: Version) -> Self {
        match version {
            Version::V1_0 => Self::None,
            Version::V1_1 => Self::V1_1,
            Version::V1_2 => Self::V1_2,
        }
    }

    pub(super) const fn of_frame(command: Command, version: Version) -> Self {
        if command.is_exempt_from_escaping() {
            Self::None
        } else {
            Self::of(version)
        }
    }

    /// The version that first knew how to write `octet`.
    pub(super) const fn since(octet: u8) -> Version {
        match octet {
            b'\r' => Version::V1_2,
            _ => Version::V1_1,
        }
    }

    /// The octet that a backslash and `letter` stand for.
    const fn meaning(self, letter: u8) -> Option<char> {
        match (self, letter) {
            (Self::V1_1 | Self::V1_2, b'n') => Some('\n'),
            (Self::V1_1 | Self::V1_2, b'c') => Some(':'),
            (Self::V1_1 | Self::V1_2, b'\\') => Some('\\'),
            (Self::V1_2, b'r') => Some('\r'),
            _ => None,
        }
    }

    /// How `octet` must be written; `Ok(None)` is "as it is", an error means
    /// that it cannot be written at all.
    ///
    /// 1.1 and 1.0 would take a CR for data, but many of their readers take
    /// CR LF for a line end, so that it is refused. NUL has no escape and ends
    /// frames for most readers.
    pub(super) const fn written(
        self,
        octet: u8,
        place: Place,
    ) -> Result<Option<&'static [u8]>, Unwritable> {
        match (octet, self, place) {
            (0, _, _) => Err(Unwritable),
            (b'\n' | b'\r', Self::None, _) | (b'\r', Self::V1_1, _) => Err(Unwritable),
            (b':', Self::None, Place::Name) => Err(Unwritable),
            (_, Self::None, _) => Ok(None),
            (b'\\', _, _) => Ok(Some(b"\\\\")),
            (b'\n', _, _) => Ok(Some(b"\\n")),
            (b':', _, _) => Ok(Some(b"\\c")),
            (b'\r', Self::V1_2, _) => Ok(Some(b"\\r")),
            _ => Ok(None),
        }
    }

    /// Looks at every escape of a header block. An undefined one is a fatal
    /// protocol error, and so is a backslash at the end of a line.
    pub(super) fn check(self, block: &[u8]) -> Result<Presence, BadEscape> {
        if self == Self::None {
            return Ok(Presence::Absent);
        }
        let Some(mut at) = memchr(b'\\', block) else {
            return Ok(Presence::Absent);
        };
        loop {
            let after = block.get(at + 1).copied();
            if after.and_then(|letter| self.meaning(letter)).is_none() {
                let dangling = matches!(block[at + 1..], [] | [b'\n', ..] | [b'\r', b'\n', ..]);
                let letter = if dangling { None } else { after };
                return Err(BadEscape { at, letter });
            }
            at += 2;
            match memchr(b'\\', &block[at..]) {
                Some(next) => at += next,
                None => return Ok(Presence::Present),
            }
        }
    }

    /// Reads one name or value, in a single pass: `\\n` is a backslash and an n.
    ///
    /// The block went through [`check`](Self::check), so that an escape that is
    /// unknown here cannot be met; it would be kept as it is.
    #[inline]
    pub(super) fn unescape(self, text: &str) -> Cow<'_, str> {
        if self == Self::None {
            return Cow::Borrowed(text);
        }
        self.unescape_some(text)
    }

    fn unescape_some(self, text: &str) -> Cow<'_, str> {
        let Some(first) = memchr(b'\\', text.as_bytes()) else {
            return Cow::Borrowed(text);
        };
        let mut out = String::with_capacity(text.len());
        out.push_str(&text[..first]);
        let mut rest = &text[first..];
        while let Some(at) = memchr(b'\\', rest.as_bytes()) {
            out.push_str(&rest[..at]);
            let letter = rest.as_bytes().get(at + 1);
            let Some(meaning) = letter.and_then(|&letter| self.meaning(letter)) else {
                out.push('\\');
                rest = &rest[at + 1..];
                continue;
            };
            out.push(meaning);
            rest = &rest[at + 2..];
        }
        out.push_str(rest);
        Cow::Owned(out)
    }
}

/// Whether a block holds any escape; most hold none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Absent,
    Present,
}

/// A name ends at the first colon, a value at the end of its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Name,
    Value,
}

/// The octet has no place in this header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwritable;

/// A backslash that begins no escape, and what follows it on its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadEscape {
    pub(super) at: usize,
    pub(super) letter: Option<u8>,
}
