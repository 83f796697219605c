//! Whether a client that is connected also makes progress.

use std::time::Duration;

use serde::Serialize;

/// How a client stands at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The broker has accepted CONNECT and the connection lives.
    pub connected: bool,
    /// What holds it up although it is connected.
    pub stalls: Vec<Stall>,
    /// How long ago something was heard; `None` without a connection.
    pub heard: Option<Duration>,
    /// Frames that wait to leave.
    pub waiting: usize,
    /// How long the oldest RECEIPT has been awaited.
    pub oldest_receipt: Option<Duration>,
    /// Subscriptions that there should be.
    pub subscriptions: usize,
    /// Those of them that the broker has confirmed on this connection.
    pub confirmed: usize,
}

impl Health {
    /// Whether it is connected and nothing holds it up.
    #[must_use]
    pub fn is_progressing(&self) -> bool {
        self.connected && self.stalls.is_empty()
    }
}

/// What holds up a client that is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stall {
    /// The session waits for a new token.
    Suspended,
    /// A queue with `Overflow::Pause` is full: nothing is read.
    Paused,
    /// The broker should have been heard for an interval, and was not.
    Silent,
    /// Frames wait, and none has left for 5 s.
    Outbox,
    /// A RECEIPT has been awaited for 5 s.
    Receipt,
    /// Not every subscription is confirmed.
    Subscriptions,
}
