//! What a client tells about itself, besides messages.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::{
    error::{Error, RegionError},
    frame::Version,
};

/// A step in the life of a client. None is ever an answer to a call.
///
/// As JSON it is an object whose `event` names the step; errors become their
/// kind and their text.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
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
    /// The broker refused or cancelled one subscription that worked before. The
    /// others are not touched.
    Refused {
        /// Its id.
        subscription: String,
        /// The broker's words.
        cause: Error,
        /// When it is asked for again. A broker that answers with an ERROR ends
        /// the connection, too, so this delay doubles up to an hour.
        retry_in: Duration,
    },
    /// A subscription was not served for some time; what was published
    /// meanwhile may have been missed, unless the broker kept it. Follows
    /// [`Restored`](Self::Restored).
    Gap {
        /// Its id.
        subscription: String,
        /// When something was last heard before.
        since: SystemTime,
        /// When the broker confirmed the subscription again.
        until: SystemTime,
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
    /// Messages were dropped because a queue was full, because their subscription
    /// is expendable and the session suspended, or because one that spills was
    /// dropped before they were in its queue. Told at most once a second for each
    /// subscription, and when it ends.
    SlowConsumer {
        /// Id of the subscription.
        subscription: String,
        /// How many were dropped since the last such event.
        dropped: u64,
    },
    /// A queue with `Overflow::Fail` was full: the subscription has ended.
    Overflowed {
        /// Its id.
        subscription: String,
    },
    /// The disk on which a full queue goes on failed. It is tried again after a
    /// second, then at longer intervals up to 30 s; meanwhile the queue goes on in
    /// memory, and when that is full the policy of the spool speaks.
    SpoolFailed {
        /// Id of the subscription.
        subscription: String,
        /// What the disk said.
        cause: String,
    },
    /// Frames without a receipt waited longer than their deadline and never left.
    /// An acknowledgement that its connection's end overtook does not count: the
    /// broker delivers its message again.
    Expired {
        /// How many since the last such event.
        frames: u64,
    },
    /// The broker did not confirm DISCONNECT: its RECEIPT came neither in time nor
    /// before the connection ended. What left just before may not have been
    /// processed. Some brokers never send that RECEIPT over WebSocket.
    Unconfirmed,
    /// The client ended; nothing follows.
    Closed {
        /// Why, unless it was asked to.
        cause: Option<Error>,
    },
}

/// What CONNECTED said (STOMP 1.2 §CONNECTED).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// The URL of the endpoint, without the query.
    pub endpoint: String,
}
