//! Why octets are not STOMP.

use std::fmt;

use super::mask;

/// The octets are not STOMP, or exceed a limit; the stream cannot be read any
/// further.
///
/// Says what is wrong, at which octet of the stream, and how the offending
/// frame begins. Never shows a body or the value of a secret header.
#[derive(Clone)]
pub struct DecodeError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: DecodeErrorKind,
    offset: u64,
    start: String,
}

impl DecodeError {
    pub(super) fn new(kind: DecodeErrorKind, offset: u64, frame: &[u8]) -> Self {
        let start = mask::printable(frame, SHOWN);
        Self(Box::new(Inner {
            kind,
            offset,
            start,
        }))
    }

    /// What is wrong.
    #[must_use]
    pub fn kind(&self) -> DecodeErrorKind {
        self.0.kind
    }

    /// Where it is wrong, in octets from the beginning of the stream.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// The first octets of the offending frame, 64 at most, escaped for print.
    /// Values of secret headers are replaced by `***`.
    #[must_use]
    pub fn start(&self) -> &str {
        &self.0.start
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            offset,
            start,
        } = &*self.0;
        write!(f, "{kind} at octet {offset}, in the frame \"{start}\"")
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodeError")
            .field("kind", &self.0.kind)
            .field("offset", &self.0.offset)
            .field("start", &format_args!("\"{}\"", self.0.start))
            .finish()
    }
}

impl std::error::Error for DecodeError {}

/// What is wrong with the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The first line is no command of STOMP; commands are case-sensitive
    /// (1.2 §STOMP Frames).
    #[error("unknown command")]
    UnknownCommand,
    /// A header line without a colon (1.2 §Augmented BNF).
    #[error("header line without a colon")]
    HeaderWithoutColon,
    /// A header line that begins with a colon (1.2 §Augmented BNF: a name has
    /// at least one octet).
    #[error("header without a name")]
    EmptyHeaderName,
    /// A NUL before the blank line.
    #[error("NUL before the end of the headers")]
    NulInHeader,
    /// A backslash that begins no escape of this version (1.2 §Value Encoding:
    /// undefined escapes are fatal).
    #[error("{}", escape_text(*octet))]
    BadEscape {
        /// What follows the backslash; `None` at the end of the line.
        octet: Option<u8>,
    },
    /// Command and headers must be UTF-8 (1.2 §Value Encoding).
    #[error("headers that are not UTF-8")]
    NotUtf8,
    /// The header content-length cannot be right (1.2 §Header content-length).
    #[error(transparent)]
    ContentLength(LengthFault),
    /// One of the [`DecodeLimits`](super::DecodeLimits) is exceeded
    /// (1.2 §Size Limits).
    #[error("frame with more than {limit} {what}")]
    TooLarge {
        /// What there is too much of.
        what: Limit,
        /// How much is allowed.
        limit: usize,
    },
}

/// What is wrong with a content-length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LengthFault {
    /// Anything but decimal digits: a sign, a blank, nothing at all.
    #[error("content-length that is not a number")]
    NotANumber,
    /// The octet after so many octets of body is not the NUL that ends a frame.
    #[error("octet 0x{found:02x} instead of NUL after content-length octets of body")]
    NoNulAfterBody {
        /// The octet that stands there.
        found: u8,
    },
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Octets of a frame, its NUL not counted.
    Frame,
    /// Header lines.
    Headers,
    /// Octets of command and headers, line ends included.
    HeaderOctets,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frame => "octets",
            Self::Headers => "headers",
            Self::HeaderOctets => "octets of headers",
        })
    }
}

fn escape_text(octet: Option<u8>) -> String {
    match octet {
        Some(octet) => format!("undefined escape \"\\{}\"", octet.escape_ascii()),
        None => "backslash at the end of a line".to_owned(),
    }
}

/// How much of an offending frame is shown.
const SHOWN: usize = 64;
