//! Many messages.

use crate::script::units::{Size, Span};

/// Many messages; see [`storm`](crate::script::act::storm).
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    /// The destination they are published to.
    pub dest: String,
    /// Messages per second.
    pub rate: f64,
    /// For how long.
    pub span: Span,
    /// Octets per body.
    pub size: Size,
    /// So many at a time.
    pub burst: u32,
    /// What the bodies tell; `None` means what lives at the destination:
    /// queues and users below `/events/`, conversations below `/messaging/v2/`
    /// and `/voice/`, and else no more than a number. A `*` as the last segment
    /// of the destination stands for the id of what it tells of.
    pub kind: Option<EventKind>,
}

/// What the events of a storm tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Figures of a queue.
    Queue,
    /// The state of a user.
    User,
    /// The course of a conversation.
    Conversation,
}

impl Storm {
    /// Most messages of one storm.
    pub const MOST: f64 = 1e8;

    /// Refuses what would take more than it could show.
    pub(crate) fn check(&self) -> Result<(), String> {
        let total = self.rate * self.span.max.as_secs_f64();
        if !(self.rate > 0.0 && self.rate <= 1e6) {
            Err("`rate` is a number of messages per second, at most a million".to_owned())
        } else if self.size.max > 64 << 20 || !(1..=1_000_000).contains(&self.burst) {
            Err("`size` is at most 64MiB, `burst` from 1 to 1000000".to_owned())
        } else if total > Self::MOST {
            Err(format!(
                "a storm has at most {:e} messages, this one has {total:e}",
                Self::MOST
            ))
        } else {
            Ok(())
        }
    }
    /// What the bodies tell.
    #[must_use]
    pub fn kind(mut self, kind: EventKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// So many at a time (default 1), at the same rate.
    #[must_use]
    pub fn burst(mut self, n: u32) -> Self {
        self.burst = n;
        self
    }
}
