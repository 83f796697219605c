//! When a rule fires.

use super::units::{Span, glob};
use crate::wire::Frame;
use std::time::Duration;

/// When a rule fires. The functions of [`on`] make them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Trigger {
    /// A connection reaches a stage.
    Stage(Stage),
    /// A frame came from the client.
    Recv(FrameTrigger),
    /// A frame is about to leave for the client.
    Send(FrameTrigger),
    /// Some time has passed, once per connection.
    After {
        /// How long.
        span: Span,
        /// Since what.
        of: Origin,
    },
    /// Again and again from CONNECTED on.
    Every(Span),
    /// So many frames came on the connection.
    FramesIn(u64),
    /// So many frames left on the connection.
    FramesOut(u64),
    /// So many octets of STOMP left on the connection.
    BytesOut(u64),
    /// The token of a live session has ended.
    TokenExpired,
    /// A CONNECT came for an identity that has a live session.
    Overlap,
    /// [`MockBroker::signal`](crate::MockBroker::signal) was called.
    Signal(String),
    /// A mark was set.
    Mark(String),
}

/// The stages of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// TCP was accepted.
    Tcp,
    /// The request for the upgrade was read and is about to be answered.
    Upgrade,
    /// The upgrade is done.
    Open,
    /// CONNECTED was sent.
    Connected,
    /// DISCONNECT was read, its RECEIPT not yet sent.
    Disconnect,
    /// The connection is over.
    Closed,
}

/// What `after` counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// CONNECTED (the default).
    Connected,
    /// The upgrade.
    Open,
    /// The accept of the connection.
    Tcp,
    /// The start of the broker; fires once, not per connection.
    Start,
}

/// Which frames of a direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameTrigger {
    outgoing: bool,
    command: String,
    nth: Option<u64>,
    every: Option<u64>,
    headers: Vec<(String, String)>,
    after: Option<Duration>,
}

impl FrameTrigger {
    fn new(command: &str, outgoing: bool) -> Self {
        Self {
            outgoing,
            command: command.to_owned(),
            nth: None,
            every: None,
            headers: Vec::new(),
            after: None,
        }
    }

    /// Only the n-th such frame of each connection, from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.nth = Some(n);
        self
    }

    /// Only every n-th such frame of each connection.
    #[must_use]
    pub fn every(mut self, n: u64) -> Self {
        self.every = Some(n);
        self
    }

    /// Only frames with such a header; `*` and `?` are wildcards.
    #[must_use]
    pub fn matching(mut self, header: &str, pattern: &str) -> Self {
        self.headers.push((header.to_owned(), pattern.to_owned()));
        self
    }

    /// Only when CONNECTED is at least so long ago.
    #[must_use]
    pub fn after(mut self, span: Duration) -> Self {
        self.after = Some(span);
        self
    }

    /// Whether command and headers fit; counting is the engine's affair.
    pub(crate) fn fits(&self, frame: &Frame) -> bool {
        glob(&self.command, &frame.command)
            && self
                .headers
                .iter()
                .all(|(name, pattern)| frame.header(name).is_some_and(|value| glob(pattern, value)))
    }

    /// Whether the `count`-th fitting frame, so long after CONNECTED, is meant.
    pub(crate) fn is_due(&self, count: u64, connected: Option<Duration>) -> bool {
        self.nth.is_none_or(|n| n == count)
            && self.every.is_none_or(|n| count % n.max(1) == 0)
            && self
                .after
                .is_none_or(|span| connected.is_some_and(|c| c >= span))
    }
}

impl From<FrameTrigger> for Trigger {
    fn from(t: FrameTrigger) -> Self {
        if t.outgoing {
            Self::Send(t)
        } else {
            Self::Recv(t)
        }
    }
}

impl From<Stage> for Trigger {
    fn from(stage: Stage) -> Self {
        Self::Stage(stage)
    }
}

/// The words for [`Trigger`]s.
pub mod on {
    use super::*;

    /// A frame came; `"*"` stands for any command.
    pub fn recv(command: &str) -> FrameTrigger {
        FrameTrigger::new(command, false)
    }

    /// A frame is about to leave; `"*"` stands for any command.
    pub fn sending(command: &str) -> FrameTrigger {
        FrameTrigger::new(command, true)
    }

    /// TCP was accepted.
    pub fn tcp() -> Trigger {
        Stage::Tcp.into()
    }

    /// The upgrade is about to be answered.
    pub fn upgrade() -> Trigger {
        Stage::Upgrade.into()
    }

    /// The upgrade is done.
    pub fn open() -> Trigger {
        Stage::Open.into()
    }

    /// CONNECTED was sent.
    pub fn connected() -> Trigger {
        Stage::Connected.into()
    }

    /// DISCONNECT was read.
    pub fn disconnect() -> Trigger {
        Stage::Disconnect.into()
    }

    /// The connection is over.
    pub fn closed() -> Trigger {
        Stage::Closed.into()
    }

    /// So long after CONNECTED, once per connection.
    pub fn after(span: impl Into<Span>) -> Trigger {
        Trigger::After {
            span: span.into(),
            of: Origin::Connected,
        }
    }

    /// So long after something else.
    pub fn after_origin(span: impl Into<Span>, of: Origin) -> Trigger {
        Trigger::After {
            span: span.into(),
            of,
        }
    }

    /// Again and again from CONNECTED on.
    pub fn every(span: impl Into<Span>) -> Trigger {
        Trigger::Every(span.into())
    }

    /// So many frames came on the connection.
    pub fn frames_in(n: u64) -> Trigger {
        Trigger::FramesIn(n)
    }

    /// So many frames left on the connection.
    pub fn frames_out(n: u64) -> Trigger {
        Trigger::FramesOut(n)
    }

    /// So many octets of STOMP left on the connection.
    pub fn bytes_out(n: u64) -> Trigger {
        Trigger::BytesOut(n)
    }

    /// The token of a live session has ended.
    pub fn token_expired() -> Trigger {
        Trigger::TokenExpired
    }

    /// A CONNECT came for an identity that has a live session.
    pub fn overlap() -> Trigger {
        Trigger::Overlap
    }

    /// A signal was given.
    pub fn signal(name: &str) -> Trigger {
        Trigger::Signal(name.to_owned())
    }

    /// A mark was set.
    pub fn marked(name: &str) -> Trigger {
        Trigger::Mark(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_matched_by_header() {
        let trigger = on::recv("S*").matching("destination", "/topic/*");
        assert!(trigger.fits(&Frame::new("SEND").with("destination", "/topic/a")));
        assert!(!trigger.fits(&Frame::new("SEND").with("destination", "/queue/a")));
        assert!(!trigger.fits(&Frame::new("SEND")));
        assert!(!trigger.fits(&Frame::new("ACK").with("destination", "/topic/a")));
    }
}
