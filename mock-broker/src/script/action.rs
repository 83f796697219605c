//! What a rule does.

use super::units::{Cut, Size, Span};
use crate::http::Response;
use crate::wire::Frame;
use std::time::Duration;

/// One step of a rule. The functions of [`act`](super::act) make them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// What triggered the rule takes place now (or else at the end).
    Pass,
    /// What triggered the rule does not take place.
    Drop,
    /// Sends a frame; content-length is added if it has a body and no such
    /// header.
    Send(Frame),
    /// Sends an ERROR, in place of what triggered the rule.
    Error(ErrorAction),
    /// Waits before the rest of the list.
    Delay(Span),
    /// The frame leaves (or is processed) so many times altogether.
    Dup(u32),
    /// Sets headers of the frame.
    Set(Vec<(String, String)>),
    /// Removes headers of the frame.
    Unset(Vec<String>),
    /// Keeps the frame back under a name.
    Hold(String),
    /// Lets the frames go that were kept back under a name.
    Release {
        /// The name.
        name: String,
        /// In which order.
        order: Order,
    },
    /// Damages the octets of the frame.
    Corrupt(Corrupt),
    /// Makes the frame large.
    Pad {
        /// So many extra headers.
        headers: usize,
        /// So many extra octets of body.
        body: usize,
    },
    /// Sends octets as they are.
    Raw {
        /// The octets.
        octets: Vec<u8>,
        /// Inside of which WebSocket message.
        ws: RawAs,
    },
    /// Changes how frames are laid on the wire from now on.
    Shape(ShapeAction),
    /// Frames are laid on the wire plainly again.
    Plain,
    /// Sends Close, after what is on its way.
    Close {
        /// The code.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// Ends TCP with FIN and without Close (1006 for the client): now, or
    /// after so many octets of the next WebSocket frame.
    Fin {
        /// How many octets still go out; `None` means now.
        after: Option<usize>,
    },
    /// Resets TCP.
    Rst,
    /// TCP stays, but nothing is read or written any more.
    Blackhole {
        /// What is lost.
        direction: Direction,
        /// For how long; `None` means for ever.
        span: Option<Span>,
    },
    /// Sends a WebSocket ping.
    Ping(Vec<u8>),
    /// Answers no ping from now on.
    MutePong,
    /// The listener goes down; connections that stand are kept.
    Refuse(Span),
    /// Answers the upgrade with this.
    Http(Response),
    /// Answers the upgrade with 302 to this place.
    Redirect(String),
    /// Never answers the upgrade (or, at `tcp`, anything).
    Hang,
    /// Spoils the TLS handshake of this connection.
    Tls(TlsFault),
    /// Answers the upgrade with this subprotocol, offered or not.
    Subprotocol(Option<String>),
    /// Answers the upgrade with a wrong Sec-WebSocket-Accept.
    BadAccept,
    /// Changes the broker's heart-beats.
    Beat(BeatAction),
    /// Takes the CONNECT on a live session as a renewal of its credentials.
    Rebind,
    /// Ends the older session of the same identity with FIN.
    Kick,
    /// Ends the life of a token (named by itself or by its identity), or of
    /// `"all"`.
    Expire(String),
    /// Publishes many messages.
    Storm(Storm),
    /// Sets a mark in the transcript, which can trigger other rules.
    Mark(String),
    /// Writes a line to the transcript.
    Log(String),
    /// The n-th firing does the n-th list; later ones do nothing.
    Seq(Vec<Vec<Self>>),
    /// Does one list, picked by the seed.
    Pick(Vec<Vec<Self>>),
}

/// How an ERROR is to be; see [`error`](super::act::error).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorAction {
    /// The `code` header.
    pub code: Option<u16>,
    /// The `message` header (default: words for the code).
    pub message: Option<String>,
    /// More headers.
    pub headers: Vec<(String, String)>,
    /// The body (default: none).
    pub body: Vec<u8>,
    /// Whether Close follows. `None` means yes, unless the same list ends the
    /// connection by its own action.
    pub close: Option<bool>,
}

impl ErrorAction {
    /// The `message` header.
    #[must_use]
    pub fn message(mut self, text: &str) -> Self {
        self.message = Some(text.to_owned());
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The connection stays open. With code 401 the session is suspended.
    #[must_use]
    pub fn keep_open(mut self) -> Self {
        self.close = Some(false);
        self
    }
}

/// In which order held frames go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    #[default]
    AsHeld,
    /// By these positions; what is not named follows as it came.
    Positions(Vec<usize>),
    /// The last first.
    Reverse,
    /// As the seed has it.
    Shuffle,
}

/// How octets are damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// These octets are XORed in, from an offset on (negative: from the end).
    Xor {
        /// The offset.
        at: i64,
        /// The octets.
        with: Vec<u8>,
    },
    /// The NUL at the end is left out.
    StripNul,
    /// Octets are put in at an offset (negative: from the end).
    Insert {
        /// The offset.
        at: i64,
        /// The octets.
        octets: Vec<u8>,
    },
    /// Only so many octets are kept; a negative number is taken off the end.
    Truncate(i64),
}

/// Inside of which WebSocket message raw octets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawAs {
    /// A text message, even if they are not UTF-8.
    Text,
    /// A binary message.
    Binary,
    /// None: they go straight into the TCP stream.
    Stream,
}

/// What is wrong with a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// It is never answered.
    Stall,
    /// The hello is answered with the fatal alert `handshake_failure`.
    Alert,
    /// The certificate ended yesterday.
    Expired,
    /// The certificate is for another host.
    WrongHost,
    /// The certificate is signed by itself and not by the authority.
    SelfSigned,
}

/// What a black hole swallows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the client sends.
    In,
    /// What the broker sends.
    Out,
    /// Both.
    Both,
}

/// A way to lay frames on the wire, for the next few frames or until
/// [`Action::Plain`].
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
    /// So many octets at a time, with a pause after each piece.
    Drip {
        /// Octets per piece.
        bytes: usize,
        /// The pause.
        gap: Duration,
    },
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

/// What becomes of the broker's heart-beats.
#[derive(Clone, Debug, PartialEq)]
pub enum BeatAction {
    /// None any more.
    Stop,
    /// As agreed again.
    Start,
    /// At so many times the agreed interval.
    Late(f64),
    /// Later by a random time up to this.
    Jitter(Span),
    /// With these octets in place of one LF.
    As(Vec<u8>),
}

/// Many messages; see [`storm`](super::act::storm).
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    /// The destination they are published to.
    pub dest: String,
    /// Messages per second.
    pub rate: f64,
    /// For how long.
    pub span: Span,
    /// Octets per body.
    pub size: Size,
    /// So many at a time.
    pub burst: u32,
}

impl Storm {
    /// So many at a time (default 1), at the same rate.
    #[must_use]
    pub fn burst(mut self, n: u32) -> Self {
        self.burst = n;
        self
    }
}

impl From<ErrorAction> for Action {
    fn from(e: ErrorAction) -> Self {
        Self::Error(e)
    }
}

impl From<ShapeAction> for Action {
    fn from(s: ShapeAction) -> Self {
        Self::Shape(s)
    }
}

impl From<Storm> for Action {
    fn from(s: Storm) -> Self {
        Self::Storm(s)
    }
}
