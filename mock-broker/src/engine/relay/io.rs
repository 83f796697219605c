//! What passes between the engine and the upstream side of a connection.

use crate::http::{Request, Response};
use std::fmt;

/// What the upstream side of a connection did. `Debug` names the kind only.
#[derive(Clone, Copy)]
pub enum FromUpstream<'a> {
    /// It answered the upgrade with 101.
    Open {
        /// The subprotocol it named.
        subprotocol: Option<&'a str>,
    },
    /// It answered the upgrade with something else.
    Refused(&'a Response),
    /// It could not be reached, or what it answered was no HTTP.
    Failed {
        /// In words.
        why: &'a str,
        /// Whether a deadline passed.
        late: bool,
    },
    /// A whole WebSocket message came.
    Message {
        /// What it holds.
        octets: &'a [u8],
        /// Whether it was binary.
        binary: bool,
    },
    /// A ping came.
    Ping(&'a [u8]),
    /// A pong came.
    Pong(&'a [u8]),
    /// Its Close came.
    Close {
        /// Its code.
        code: Option<u16>,
        /// Its reason.
        reason: &'a str,
    },
    /// It ended without a Close.
    Gone {
        /// Whether by a reset.
        reset: bool,
    },
}

impl fmt::Debug for FromUpstream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open { .. } => "Open",
            Self::Refused(_) => "Refused",
            Self::Failed { .. } => "Failed",
            Self::Message { .. } => "Message",
            Self::Ping(_) => "Ping",
            Self::Pong(_) => "Pong",
            Self::Close { .. } => "Close",
            Self::Gone { .. } => "Gone",
        })
    }
}

/// What is to be done on the upstream side of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToUpstream {
    /// Connect, and pass this request on.
    Dial(Request),
    /// Send one WebSocket message.
    Message {
        /// What it holds.
        octets: Vec<u8>,
        /// Whether it is binary.
        binary: bool,
    },
    /// Send a ping.
    Ping(Vec<u8>),
    /// Send a pong.
    Pong(Vec<u8>),
    /// Send Close, and end with it.
    Close {
        /// Its code.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// End TCP with FIN and without Close, after what is on its way.
    End,
}
