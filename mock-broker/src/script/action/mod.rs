//! What a rule does.

mod connection;
mod frames;
mod octets;
mod storm;

pub use connection::{BeatAction, Direction, Garbage, TlsFault};
pub use frames::{Corrupt, ErrorAction, Order, RawAs};
pub use octets::{Between, HeadFault, Kind, Shape, ShapeAction};
pub use storm::{EventKind, Storm};

use super::units::Span;
use crate::http::Response;
use crate::wire::Frame;

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
    /// Sends what a broken proxy sends.
    Garbage(Garbage),
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
    /// No MESSAGE of a destination reaches the connection any more; without a
    /// connection, none at all.
    Silence {
        /// The destination; `*` and `?` are wildcards.
        dest: String,
        /// For how long; `None` means for ever.
        span: Option<Span>,
    },
    /// The connection goes into another state, which rules may ask for.
    Goto(String),
    /// Says in the transcript that the client has failed, and why.
    Fail(String),
    /// Sets a mark in the transcript, which can trigger other rules.
    Mark(String),
    /// Writes a line to the transcript.
    Log(String),
    /// The n-th firing does the n-th list; later ones do nothing.
    Seq(Vec<Vec<Self>>),
    /// Does one list, picked by the seed.
    Pick(Vec<Vec<Self>>),
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
