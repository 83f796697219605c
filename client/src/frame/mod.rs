//! STOMP frames: what is on the wire, and nothing about what it means.
//!
//! [`Decoder`] cuts [`Frame`]s out of octets that arrive in pieces of any size;
//! [`Encoder`] writes one frame. Both know STOMP 1.0, 1.1 and 1.2. The reader
//! is lenient wherever a real broker needs it and the meaning stays clear, the
//! writer is strict.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use hobnail::frame::{Command, Decoder, DecodeLimits, Encoder, Version};
//!
//! let mut wire = BytesMut::new();
//! let mut send = Encoder::new(&mut wire, Command::Send, Version::V1_2);
//! send.header("destination", "/queue/a:b")?;
//! send.finish(b"hello")?;
//! assert_eq!(&wire[..], b"SEND\ndestination:/queue/a\\cb\ncontent-length:5\n\nhello\0");
//!
//! let mut decoder = Decoder::new(DecodeLimits::default());
//! decoder.push(wire.freeze());
//! decoder.push(Bytes::from_static(b"\n"));
//! let frame = decoder.next_frame()?.expect("a whole frame was pushed");
//! assert_eq!(frame.header("destination").as_deref(), Some("/queue/a:b"));
//! assert_eq!(frame.body(), b"hello");
//! assert!(decoder.next_frame()?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod decode;
mod encode;
mod error;
mod escape;
mod expect;
mod headers;
mod mask;
mod piece;
mod scan;

pub use command::{Command, Version};
pub use decode::{DecodeLimits, Decoder};
pub use encode::{EncodeError, Encoder};
pub use error::{DecodeError, DecodeErrorKind, LengthFault, Limit};
pub use headers::Headers;
pub use mask::is_secret;
pub use piece::Piece;

use std::{fmt, ops::Range};

use bytes::Bytes;

use escape::Escapes;

/// One decoded frame: command, headers, body (STOMP 1.2 §STOMP Frames).
///
/// A frame is a slice of the octets it came in. Headers are looked up in it and
/// unescaped only when asked for; nothing is copied and a clone is cheap. So a
/// small frame that is kept keeps the block alive that it was read into:
/// [`detach`](Self::detach) what is kept for long.
///
/// `Debug` shows neither the body nor the values of secret headers.
#[derive(Clone)]
pub struct Frame {
    /// The whole frame with its NUL.
    piece: Piece,
    layout: Layout,
}

impl Frame {
    /// The command.
    #[must_use]
    #[inline]
    pub fn command(&self) -> Command {
        self.layout.command
    }

    /// The version by whose rules the frame was read.
    #[must_use]
    pub fn version(&self) -> Version {
        self.layout.version
    }

    /// The body; empty if there is none.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &[u8] {
        &self.octets()[self.layout.body as usize..]
    }

    /// The body, sharing the frame's memory.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.piece
            .octets()
            .slice(self.layout.body as usize..self.len())
    }

    /// The whole frame as it stood on the wire, without the NUL that ends it.
    #[must_use]
    #[inline]
    pub fn octets(&self) -> &[u8] {
        &self.piece.octets()[..self.len()]
    }

    /// The number of [`octets`](Self::octets).
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
    #[inline]
    pub fn len(&self) -> usize {
        self.piece.octets().len() - 1
    }

    /// Copies the frame into memory of its own, so that it no longer keeps
    /// alive what else was read with it.
    pub fn detach(&mut self) {
        self.piece.detach();
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.command().as_str())?;
        f.write_str(" {")?;
        for (nth, (name, value)) in self.headers().enumerate() {
            f.write_str(if nth == 0 { " " } else { ", " })?;
            let value = if is_secret(&name) { "***" } else { &value };
            write!(f, "{}: {}", name.escape_debug(), value.escape_debug())?;
        }
        write!(f, " }} body of {} octets", self.body().len())
    }
}

/// Where the parts of a frame are, as offsets into its octets.
///
/// The offsets are of 32 bits, which keeps a frame small; the decoder's limit
/// on the size of a frame is never larger.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// The first header line.
    headers: u32,
    /// The first octet after the blank line.
    body: u32,
    /// The values that every MESSAGE is looked at for.
    subscription: Value,
    destination: Value,
    message_id: Value,
    command: Command,
    version: Version,
    /// The escapes that do occur in the headers.
    escapes: Escapes,
}

/// Where a header's value is, if that is near the beginning. None stands at 0,
/// so that 0 is "absent, or far".
#[derive(Debug, Clone, Copy, Default)]
struct Value {
    at: u16,
    length: u16,
}

impl Value {
    #[inline]
    fn place(self) -> Option<Range<usize>> {
        let at = usize::from(self.at);
        (at != 0).then(|| at..at + usize::from(self.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_small() {
        assert!(size_of::<Frame>() <= 64, "{}", size_of::<Frame>());
        assert!(size_of::<Option<Frame>>() <= 64);
        assert_eq!(size_of::<DecodeError>(), size_of::<usize>());
    }
}
