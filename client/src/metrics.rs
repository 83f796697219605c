//! What a client has counted since it was made, and how it stands.

use std::time::Duration;

use serde::Serialize;

/// Counters of one client.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Sessions that came live.
    pub connections: u64,
    /// New tokens accepted on a live connection.
    pub rebinds: u64,
    /// Sessions ended in order and begun anew before their token ended.
    pub rotations: u64,
    /// Connections that ended and attempts that failed, by cause.
    pub losses: Losses,
    /// Client frames that left, heart-beats not counted.
    pub frames_out: u64,
    /// Broker frames that arrived, heart-beats not counted.
    pub frames_in: u64,
    /// Octets of WebSocket messages that left, heart-beats included.
    pub octets_out: u64,
    /// Octets of WebSocket messages that arrived, heart-beats included.
    pub octets_in: u64,
    /// MESSAGE frames handed to a subscription.
    pub messages: u64,
    /// MESSAGE frames whose subscription is missing or unknown; dropped.
    pub unrouted: u64,
    /// MESSAGE frames that a dedupe window has seen before; dropped.
    pub duplicates: u64,
    /// MESSAGE frames to be acknowledged that came during a drain; nobody saw
    /// them, and the broker keeps them.
    pub undelivered: u64,
    /// Messages dropped because a queue was full or the session suspended, or that a
    /// subscription that spills no longer kept when it was dropped.
    pub dropped: u64,
    /// RECEIPT frames that came after their call had ended, or that nobody asked for.
    pub late_receipts: u64,
    /// Replies that ended a request.
    pub replies: u64,
    /// Replies whose request had ended, or that nobody asked for; dropped.
    pub late_replies: u64,
    /// How long RECEIPTs took to come.
    pub round_trip: RoundTrip,
    /// Frames without a receipt that never left before their deadline.
    pub expired: u64,
    /// Heart-beats that left.
    pub beats_out: u64,
    /// Heart-beats that left later than the broker was promised.
    pub beats_late: u64,
    /// Intervals in which the broker should have been heard and was not.
    pub beats_missed: u64,
    /// Times for which subscriptions were not served, connection by connection.
    pub gaps: Gaps,
    /// What waits to leave.
    pub outbox: Depth,
    /// The queues of subscriptions. With a client driven by its caller each of
    /// them shows the inbox that all share.
    pub queues: Vec<QueueDepth>,
}

/// Connections that ended and attempts that failed, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Losses {
    /// The broker sent ERROR.
    pub broker: u64,
    /// The broker said that the identity is connected elsewhere (409).
    pub conflict: u64,
    /// The broker broke the protocol.
    pub protocol: u64,
    /// The broker closed in order.
    pub closed: u64,
    /// The connection ended without a WebSocket close (1006).
    pub lost: u64,
    /// Nothing was heard for too long.
    pub silent: u64,
    /// The attempt was refused over HTTP.
    pub refused: u64,
    /// The name was not resolved, or nobody could be reached.
    pub unreachable: u64,
    /// Something took too long.
    pub timeout: u64,
    /// There was no usable token.
    pub token: u64,
    /// Anything else: TLS, the WebSocket handshake.
    pub other: u64,
}

/// How long RECEIPTs took to come, from the moment when the frame left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct RoundTrip {
    /// How many came.
    pub count: u64,
    /// The last one.
    pub last: Duration,
    /// A moving average: each counts an eighth.
    pub smoothed: Duration,
    /// The longest.
    pub longest: Duration,
}

impl RoundTrip {
    pub(crate) fn add(&mut self, took: Duration) {
        self.smoothed = if self.count == 0 {
            took
        } else {
            self.smoothed - self.smoothed / 8 + took / 8
        };
        self.count += 1;
        self.last = took;
        self.longest = self.longest.max(took);
    }
}

/// Times for which subscriptions were not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Gaps {
    /// How many, each subscription counted.
    pub count: u64,
    /// All together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Gaps {
    pub(crate) fn add(&mut self, lasted: Duration) {
        self.count += 1;
        self.total = self.total.saturating_add(lasted);
        self.longest = self.longest.max(lasted);
    }
}

/// How much a queue holds, and the most that it ever held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Depth {
    /// Messages or frames in memory.
    pub messages: usize,
    /// Their octets.
    pub octets: usize,
    /// The most messages or frames at once.
    pub high_messages: usize,
    /// The most octets at once.
    pub high_octets: usize,
    /// Messages on disk.
    pub spilled_messages: u64,
    /// Their octets.
    pub spilled_octets: u64,
    /// The most messages on disk at once.
    pub high_spilled_messages: u64,
    /// The most octets on disk at once.
    pub high_spilled_octets: u64,
}

/// The queue of one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct QueueDepth {
    /// Id of the subscription.
    pub subscription: String,
    /// How full it is.
    pub depth: Depth,
    /// Messages dropped.
    pub dropped: u64,
}
