//! When a rule fires.

use super::units::{Span, glob};
use crate::wire::Frame;

/// When a rule fires. The functions of [`on`] make them.
///
/// Some are *events*, which happen in a moment: stages, frames, `every`,
/// `idle`, `hb-due`, `token-expired`, `overlap`. The others are *conditions*,
/// which hold from some moment on: `after`, `frames_in`, `frames_out`,
/// `bytes_out`, `signal`, `mark`. A condition alone fires when it comes true.
/// See [`Trigger::and`] for several together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Trigger {
    /// A connection reaches a stage.
    Stage(Stage),
    /// A frame came from the client.
    Recv(FrameTrigger),
    /// A frame is about to leave for the client.
    Send(FrameTrigger),
    /// Some time has passed, once per connection; since a mark, once for each
    /// time that it is set while no such time is running.
    After {
        /// How long.
        span: Span,
        /// Since what.
        of: Origin,
    },
    /// Again and again.
    Every {
        /// How long each time.
        span: Span,
        /// From what on.
        of: Origin,
    },
    /// So many frames came on the connection.
    FramesIn(u64),
    /// So many frames left on the connection.
    FramesOut(u64),
    /// So many octets of STOMP left on the connection.
    BytesOut(u64),
    /// Not one octet has come or left on the open connection for so long.
    Idle(Span),
    /// A heart-beat of the broker is about to leave.
    BeatDue,
    /// The token of a live session has ended.
    TokenExpired,
    /// A CONNECT came for an identity that has a live session.
    Overlap,
    /// [`MockBroker::signal`](crate::MockBroker::signal) was called.
    Signal(String),
    /// A mark was set.
    Mark(String),
    /// All of these; see [`Trigger::and`].
    All(Vec<Self>),
}

impl Trigger {
    /// Both. With an event among them the rule fires each time that it happens
    /// while the conditions hold; with conditions alone it fires once per
    /// connection, as soon as all hold. Two events never happen together.
    #[must_use]
    pub fn and(self, other: impl Into<Self>) -> Self {
        let mut all = Vec::new();
        for part in [self, other.into()] {
            match part {
                Self::All(parts) => all.extend(parts),
                Self::Stage(_)
                | Self::Recv(_)
                | Self::Send(_)
                | Self::After { .. }
                | Self::Every { .. }
                | Self::FramesIn(_)
                | Self::FramesOut(_)
                | Self::BytesOut(_)
                | Self::Idle(_)
                | Self::BeatDue
                | Self::TokenExpired
                | Self::Overlap
                | Self::Signal(_)
                | Self::Mark(_) => all.push(part),
            }
        }
        Self::All(all)
    }

    /// What must come together: mostly one thing.
    pub(crate) fn parts(&self) -> &[Self] {
        if let Self::All(parts) = self {
            parts
        } else {
            std::slice::from_ref(self)
        }
    }

    /// Whether it happens in a moment, and does not hold from then on.
    pub(crate) fn is_event(&self) -> bool {
        match self {
            Self::Stage(_)
            | Self::Recv(_)
            | Self::Send(_)
            | Self::Every { .. }
            | Self::Idle(_)
            | Self::BeatDue
            | Self::TokenExpired
            | Self::Overlap => true,
            Self::After { .. }
            | Self::FramesIn(_)
            | Self::FramesOut(_)
            | Self::BytesOut(_)
            | Self::Signal(_)
            | Self::Mark(_) => false,
            Self::All(parts) => parts.iter().any(Self::is_event),
        }
    }

    /// Whether several conditions and no event make it up.
    pub(crate) fn is_gathering(&self) -> bool {
        matches!(self, Self::All(_)) && !self.is_event()
    }

    /// The origin of a span.
    pub(crate) fn origin(&self) -> Option<(Span, &Origin)> {
        if let Self::After { span, of } | Self::Every { span, of } = self {
            Some((*span, of))
        } else {
            None
        }
    }
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

/// What `after` and `every` count from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// CONNECTED (the default).
    Connected,
    /// The upgrade.
    Open,
    /// The accept of the connection.
    Tcp,
    /// The start of the broker; fires once, not per connection.
    Start,
    /// The moment when a mark is set, on the connection that sets it. A rule
    /// for certain connections counts on each of these that is open.
    Mark(String),
}

/// Which frames of a direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameTrigger {
    outgoing: bool,
    command: String,
    nth: Option<u64>,
    every: Option<u64>,
    headers: Vec<(String, String)>,
}

impl FrameTrigger {
    fn new(command: &str, outgoing: bool) -> Self {
        Self {
            outgoing,
            command: command.to_owned(),
            nth: None,
            every: None,
            headers: Vec::new(),
        }
    }

    /// Only the n-th such frame of each connection, from 1. Frames count that
    /// fit everything else the rule asks for.
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

    /// Only while a condition holds; see [`Trigger::and`].
    #[must_use]
    pub fn and(self, condition: impl Into<Trigger>) -> Trigger {
        Trigger::from(self).and(condition)
    }

    pub(crate) fn is_outgoing(&self) -> bool {
        self.outgoing
    }

    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    pub(crate) fn number(&self) -> Option<u64> {
        self.nth
    }

    pub(crate) fn period(&self) -> Option<u64> {
        self.every
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Whether command and headers fit; counting is the engine's affair.
    pub(crate) fn fits(&self, frame: &Frame) -> bool {
        is_command(&self.command, &frame.command)
            && self
                .headers
                .iter()
                .all(|(name, pattern)| frame.header(name).is_some_and(|value| glob(pattern, value)))
    }

    /// Whether the `count`-th fitting frame is meant.
    pub(crate) fn is_due(&self, count: u64) -> bool {
        self.nth.is_none_or(|n| n == count) && self.every.is_none_or(|n| count % n.max(1) == 0)
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
        every_of(span, Origin::Connected)
    }

    /// Again and again from something else on.
    pub fn every_of(span: impl Into<Span>, of: Origin) -> Trigger {
        Trigger::Every {
            span: span.into(),
            of,
        }
    }

    /// Not one octet has come or left for so long.
    pub fn idle(span: impl Into<Span>) -> Trigger {
        Trigger::Idle(span.into())
    }

    /// A heart-beat of the broker is about to leave.
    pub fn hb_due() -> Trigger {
        Trigger::BeatDue
    }

    /// So long after a mark was set.
    pub fn after_mark(span: impl Into<Span>, mark: &str) -> Trigger {
        after_origin(span, Origin::Mark(mark.to_owned()))
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

/// Whether a command fits a pattern. `CONNECT` stands for `STOMP` as well: a
/// broker treats both alike.
pub(crate) fn is_command(pattern: &str, command: &str) -> bool {
    glob(pattern, command) || (command == "STOMP" && pattern == "CONNECT")
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
