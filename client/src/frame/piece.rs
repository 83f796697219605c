//! Octets on their way to becoming frames.

use std::{ops::Range, str};

use bytes::{Buf, Bytes};
use tungstenite::Utf8Bytes;

/// Octets in shared memory, and perhaps the knowledge that they are UTF-8: what
/// came as text has been looked at once, and need not be for each header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece(Octets);

/// With a tag of one octet the rest would be moved in odd portions, which
/// processors are slow at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(usize)]
enum Octets {
    Text(Utf8Bytes),
    Any(Bytes),
}

impl Piece {
    pub(super) const fn new() -> Self {
        Self(Octets::Any(Bytes::new()))
    }

    /// Text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    #[inline]
    pub fn text(octets: Bytes) -> Result<Self, str::Utf8Error> {
        if octets.len() > WORTH {
            return Self::long_text(octets);
        }
        Ok(Self(Octets::Text(Utf8Bytes::try_from(octets)?)))
    }

    fn long_text(octets: Bytes) -> Result<Self, str::Utf8Error> {
        // Most is ASCII, which is told faster.
        if !octets.is_ascii() {
            str::from_utf8(&octets)?;
        }
        Ok(octets.into())
    }

    /// All octets.
    #[must_use]
    #[inline]
    pub fn octets(&self) -> &Bytes {
        match &self.0 {
            Octets::Text(text) => text.as_ref(),
            Octets::Any(octets) => octets,
        }
    }

    /// Whether that is known; what is not may be text, too.
    #[inline]
    pub(super) fn is_text(&self) -> bool {
        matches!(self.0, Octets::Text(_))
    }

    /// Text that the decoder has checked, within what lines and colons cut.
    #[inline]
    pub(super) fn str(&self, range: Range<usize>) -> &str {
        match &self.0 {
            Octets::Text(text) => text.get(range),
            Octets::Any(octets) => octets.get(range).and_then(|o| str::from_utf8(o).ok()),
        }
        .unwrap_or_default()
    }

    /// The first octets, which are no longer in this.
    pub(super) fn split_to(&mut self, at: usize) -> Self {
        self.cut(|octets| octets.split_to(at)).into()
    }

    pub(super) fn advance(&mut self, octets: usize) {
        if octets > 0 {
            self.cut(|rest| rest.advance(octets));
        }
    }

    /// Copies the octets into memory of their own.
    pub(super) fn detach(&mut self) {
        self.0 = match &self.0 {
            Octets::Text(text) => Octets::Text(text.as_str().into()),
            Octets::Any(octets) => Octets::Any(Bytes::copy_from_slice(octets)),
        };
    }

    /// What is left of text need not be text.
    fn cut<T>(&mut self, how: impl FnOnce(&mut Bytes) -> T) -> T {
        let mut octets = match std::mem::replace(&mut self.0, Octets::Any(Bytes::new())) {
            Octets::Text(text) => text.into(),
            Octets::Any(octets) => octets,
        };
        let out = how(&mut octets);
        self.0 = Octets::Any(octets);
        out
    }
}

impl From<Bytes> for Piece {
    #[inline]
    fn from(octets: Bytes) -> Self {
        Self(Octets::Any(octets))
    }
}

/// In more than so many octets a few headers do not matter, and ASCII does.
const WORTH: usize = 16 << 10;
