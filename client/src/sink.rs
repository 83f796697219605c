//! Where a subscription delivers.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use crate::{
    error::Error,
    message::Message,
    queue::{Pushed, Queue},
};

/// A subscription's queue, as the reactor sees it.
pub(crate) struct Sink {
    pub(crate) id: Arc<str>,
    pub(crate) queue: Arc<Queue<Message>>,
    /// Whether its messages are acknowledged by the application.
    pub(crate) acknowledges: bool,
    /// Whether the queue ends with the subscription; one shared by several does not.
    pub(crate) owned: bool,
    /// Why it ended, if that was not asked for.
    pub(crate) fate: Arc<OnceLock<Error>>,
    drops: Drops,
}

/// Messages dropped that the application has not been told of.
#[derive(Default)]
struct Drops {
    untold: u64,
    told: Option<Instant>,
}

/// A slow consumer is told of once in so long: the news must not become a
/// storm of its own.
const TELL_EVERY: Duration = Duration::from_secs(1);

impl Sink {
    pub(crate) fn new(
        id: Arc<str>,
        queue: Arc<Queue<Message>>,
        acknowledges: bool,
        owned: bool,
    ) -> Self {
        Self {
            id,
            queue,
            acknowledges,
            owned,
            fate: Arc::default(),
            drops: Drops::default(),
        }
    }

    pub(crate) fn push(&self, message: Message) -> Pushed<Message> {
        let size = message.frame().len();
        self.queue.push(message, size)
    }

    /// Counts what was dropped. Returns how many the application is to be told
    /// of now, if it is time.
    pub(crate) fn dropped(&mut self, now: Instant, messages: u64) -> Option<u64> {
        self.drops.untold += messages;
        let due = self
            .drops
            .told
            .is_none_or(|told| now.saturating_duration_since(told) >= TELL_EVERY);
        if !due {
            return None;
        }
        self.drops.told = Some(now);
        self.untold()
    }

    /// How many the application has not been told of.
    pub(crate) fn untold(&mut self) -> Option<u64> {
        match std::mem::take(&mut self.drops.untold) {
            0 => None,
            dropped => Some(dropped),
        }
    }
}
