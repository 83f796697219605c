//! What a client tells about itself, besides messages.

use std::time::Duration;

use crate::{
    error::{Error, RegionError},
    frame::Version,
};

/// A step in the life of a client. None is ever an answer to a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The broker accepted CONNECT; publishing goes on.
    Connected(Box<Connected>),
    /// The broker refused the token of the live session; nothing leaves until a
    /// new one is accepted.
    Suspended,
    /// A new token was accepted on the same connection.
    Resumed {
        /// How long nothing could leave.
        after: Duration,
    },
    /// A subscription was confirmed by its RECEIPT on a new connection.
    Restored {
        /// Its id.
        subscription: String,
    },
    /// The broker refused or cancelled one subscription; it is gone.
    Refused {
        /// Its id.
        subscription: String,
        /// The broker's words.
        cause: Error,
    },
    /// The connection ended, or an attempt failed.
    Disconnected {
        /// Why.
        cause: Error,
        /// When the next attempt begins; `None` if there will be none.
        retry_in: Option<Duration>,
    },
    /// The broker says that this identity is connected elsewhere (409).
    Conflict {
        /// How many times in a row.
        count: u32,
    },
    /// Session after session ended before it was stable: somebody should look.
    Looping {
        /// How many in a row.
        sessions: u32,
    },
    /// A region source has named the endpoint that is active.
    Region {
        /// Its URL, without the query.
        endpoint: String,
    },
    /// The active region is unknown; the client goes on with what it knows.
    RegionFailed {
        /// Why.
        cause: RegionError,
    },
    /// The session is ended in order and begun anew before its token ends.
    Rotating,
    /// A token could not be fetched. The client asks again when it must.
    TokenFailed {
        /// Why.
        cause: Error,
    },
    /// Messages were dropped because a queue was full. Told at most once a
    /// second for each subscription, and when it ends.
    SlowConsumer {
        /// Id of the subscription.
        subscription: String,
        /// How many were dropped since the last such event.
        dropped: u64,
    },
    /// Frames without a receipt waited longer than their deadline and never left.
    /// An acknowledgement that its connection's end overtook does not count: the
    /// broker delivers its message again.
    Expired {
        /// How many since the last such event.
        frames: u64,
    },
    /// The client ended; nothing follows.
    Closed {
        /// Why, unless it was asked to.
        cause: Option<Error>,
    },
}

/// What CONNECTED said (STOMP 1.2 §CONNECTED).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// The agreed version.
    pub version: Version,
    /// The `session` header.
    pub session: Option<String>,
    /// The `server` header.
    pub server: Option<String>,
    /// How often this side beats; `None` for never.
    pub beats_out: Option<Duration>,
    /// How often the broker has promised to; `None` for never.
    pub beats_in: Option<Duration>,
    /// The number of this connection, from 1.
    pub connection: u64,
}
