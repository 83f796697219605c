//! Where a subscription delivers.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use crate::{
    config::Priority,
    error::Error,
    message::Message,
    metrics::QueueDepth,
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
    /// What makes the headers that are made anew for every SUBSCRIBE.
    pub(crate) makers: Makers,
    priority: Priority,
    /// The session waits for a new token.
    suspended: bool,
    drops: Drops,
}

/// What of a subscription's end a drain waits for.
pub(crate) struct Outlet {
    pub(crate) id: Arc<str>,
    pub(crate) queue: Arc<Queue<Message>>,
    pub(crate) acknowledges: bool,
}

/// Names of headers, and what makes their values.
pub(crate) type Makers = Arc<Vec<(String, Box<dyn Fn() -> String + Send + Sync>)>>;

/// Messages dropped that the application has not been told of.
#[derive(Default)]
struct Drops {
    all: u64,
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
        priority: Priority,
        makers: Makers,
    ) -> Self {
        Self {
            id,
            queue,
            acknowledges,
            owned,
            fate: Arc::default(),
            makers,
            priority,
            suspended: false,
            drops: Drops::default(),
        }
    }

    /// Adds messages until there is no `next` or the queue takes no more. Returns
    /// how many were dropped, and what became of the last.
    pub(crate) fn push(
        &self,
        next: &mut impl FnMut() -> Option<Message>,
    ) -> (u64, Pushed<Message>) {
        let mut keep = false;
        if self.suspended {
            match self.priority {
                Priority::Expendable => {
                    let dropped = std::iter::from_fn(next).count() as u64;
                    return (dropped, Pushed::Done);
                }
                Priority::Critical => keep = true,
                Priority::Normal => {}
            }
        }
        self.queue.push_all(next, keep)
    }

    /// The session is suspended, or is not any more. Returns how many messages
    /// were dropped for that.
    pub(crate) fn suspend(&mut self, suspended: bool) -> u64 {
        self.suspended = suspended;
        match self.priority {
            Priority::Expendable if suspended && self.owned => self.queue.clear(),
            #[cfg(feature = "spill")]
            Priority::Critical if suspended && self.owned => {
                self.queue.save();
                0
            }
            Priority::Expendable | Priority::Critical | Priority::Normal => 0,
        }
    }

    pub(crate) fn outlet(&self) -> Outlet {
        Outlet {
            id: Arc::clone(&self.id),
            queue: Arc::clone(&self.queue),
            acknowledges: self.acknowledges,
        }
    }

    pub(crate) fn depth(&self) -> QueueDepth {
        QueueDepth {
            subscription: self.id.to_string(),
            depth: self.queue.depth(),
            dropped: self.drops.all,
        }
    }

    /// Counts what was dropped. Returns how many the application is to be told
    /// of now, if it is time.
    pub(crate) fn dropped(&mut self, now: Instant, messages: u64) -> Option<u64> {
        self.drops.all += messages;
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
