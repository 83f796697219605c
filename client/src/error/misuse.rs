//! Calls that cannot be right.

use crate::frame::{EncodeError, Version};

/// The call cannot be right as it was made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The frame cannot be written.
    #[error(transparent)]
    Frame(EncodeError),
    /// The URL cannot be used.
    #[error("unusable URL {url:?}: {why}")]
    Url {
        /// The URL, without user information and query.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The destination is empty.
    #[error("a destination is needed")]
    NoDestination,
    /// A header that the library writes itself.
    #[error("the header {0:?} is written by the library")]
    Header(String),
    /// A setting cannot be used.
    #[error("unusable setting: {0}")]
    Config(String),
    /// A certificate or key that was given cannot be read.
    #[error("unusable certificate or key: {0}")]
    Certificate(String),
    /// A subscription with this id exists.
    #[error("a subscription with id {0:?} exists")]
    DuplicateSubscription(String),
    /// There is no such subscription.
    #[error("there is no subscription with id {0:?}")]
    UnknownSubscription(String),
    /// A transaction was begun twice, or was never begun.
    #[error("transaction {0:?}: {1}")]
    Transaction(String, &'static str),
    /// The message came over a connection that has ended; the broker will
    /// deliver it again.
    #[error("the message came over a connection that has ended")]
    StaleDelivery,
    /// ACK or NACK of a message whose subscription is in `auto` mode.
    #[error("the message's subscription acknowledges automatically")]
    NotAcknowledgeable,
    /// The frame cannot be said in the negotiated version: NACK in 1.0, a
    /// carriage return in a header of 1.1.
    #[error("the frame cannot be said in STOMP {0}")]
    Version(Version),
    /// The frame is larger than the outbox can ever hold.
    #[error("the frame of {size} octets exceeds the limit of {limit}")]
    TooLarge {
        /// Size of the encoded frame.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The setting makes no sense with this dialect, or with another setting.
    #[error("unusable setting: {0}")]
    Setting(&'static str),
    /// A subscription to a whole domain without a selector.
    #[error("{0:?} covers a whole domain without a selector; say allow_broad() if that is meant")]
    BroadSubscription(String),
    /// A subscription of a client that turns its own reactor has no queue of its own.
    #[error("a client without a thread of its own has one queue, bounded by Limits::queue")]
    SharedQueue,
    /// As many requests wait for their replies as may:
    /// [`Limits::requests`](crate::config::Limits).
    #[error("{0} requests wait for their replies already")]
    TooManyRequests(usize),
    /// The message says nowhere to reply to.
    #[error("the message has no reply-to header")]
    NoReplyTo,
    /// A blocking call was made on the thread that runs the reactor.
    #[error("a blocking call on the reactor's own thread would never return")]
    WouldDeadlock,
}
