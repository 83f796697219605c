//! What a client has counted since it was made.

/// Counters of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Sessions that came live.
    pub connections: u64,
    /// New tokens accepted on a live connection.
    pub rebinds: u64,
    /// Sessions ended in order and begun anew before their token ended.
    pub rotations: u64,
    /// Client frames that left, heart-beats not counted.
    pub frames_out: u64,
    /// Broker frames that arrived, heart-beats not counted.
    pub frames_in: u64,
    /// MESSAGE frames handed to a subscription.
    pub messages: u64,
    /// MESSAGE frames whose subscription is missing or unknown; dropped.
    pub unrouted: u64,
    /// RECEIPT frames that came after their call had ended, or that nobody asked for.
    pub late_receipts: u64,
    /// Frames without a receipt that never left before their deadline.
    pub expired: u64,
    /// Messages dropped because a queue was full.
    pub dropped: u64,
    /// Heart-beats that left.
    pub beats_out: u64,
}
