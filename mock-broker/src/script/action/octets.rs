//! How frames are laid on the wire.

use crate::script::units::Cut;
use std::time::Duration;

/// A way to lay frames on the wire, for the next few frames or until
/// [`Action::Plain`](super::Action::Plain).
#[derive(Clone, Debug, PartialEq)]
pub struct ShapeAction {
    /// The way.
    pub shape: Shape,
    /// For how many frames; `None` means until further notice.
    pub next: Option<u64>,
}

/// The ways to lay frames on the wire; they combine.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// One STOMP frame over several WebSocket messages. A piece that is not
    /// UTF-8 goes as a binary message.
    Split(Cut),
    /// One WebSocket message as several WebSocket frames.
    Frag {
        /// Where.
        cut: Cut,
        /// What goes between the frames.
        between: Option<Between>,
    },
    /// Several STOMP frames in one WebSocket message.
    Join {
        /// So many.
        frames: usize,
        /// But no frame waits longer than this.
        within: Duration,
    },
    /// Text or binary messages.
    Type(Kind),
    /// So many octets per second in the TCP stream; stands in place of `Drip`.
    Rate(u64),
    /// Damages the heads of the WebSocket frames.
    Ws(HeadFault),
    /// So many octets at a time in the TCP stream, with a pause after each
    /// piece; stands in place of `Rate`.
    Drip {
        /// Octets per piece.
        bytes: usize,
        /// The pause.
        gap: Duration,
    },
}

/// What is wrong with the heads of WebSocket frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadFault {
    /// This reserved bit is set: 1, 2 or 3.
    pub rsv: Option<u8>,
    /// The first frame of a message has this opcode, up to 15.
    pub opcode: Option<u8>,
    /// The frames are masked, as only a client's may be.
    pub mask: bool,
}

/// What goes between the fragments of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// A ping.
    Ping,
    /// An unasked pong.
    Pong,
    /// An empty continuation.
    Empty,
}

/// Which kind of WebSocket message carries frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Always text, even if the frame is not UTF-8.
    Text,
    /// Always binary.
    Binary,
    /// Turn and turn about, text as long as it is UTF-8.
    Mixed,
}

impl ShapeAction {
    /// Only for the next `n` frames.
    #[must_use]
    pub fn next(mut self, n: u64) -> Self {
        self.next = Some(n);
        self
    }

    /// With pings between the fragments (only for fragments).
    #[must_use]
    pub fn ping_between(self) -> Self {
        self.between(Between::Ping)
    }

    /// With something between the fragments (only for fragments).
    #[must_use]
    pub fn between(mut self, what: Between) -> Self {
        if let Shape::Frag { between, .. } = &mut self.shape {
            *between = Some(what);
        }
        self
    }
}
