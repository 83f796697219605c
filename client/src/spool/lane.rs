//! The way to the thread that writes.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc::SyncSender},
    time::Instant,
};

use super::{Lease, Spooled};
use crate::{
    clock,
    config::QueueLimits,
    core::Key,
    error::Error,
    queue::{DiskLimits, Notify},
};

pub(super) type Reply<R> = SyncSender<Result<R, Error>>;

/// Somebody waits for it.
pub(super) enum Request {
    Attach {
        key: Key,
        id: String,
        limits: QueueLimits,
        disk: DiskLimits,
        producer: Arc<dyn Notify>,
        reply: Reply<Lease>,
    },
    Flush(Reply<()>),
    List(Reply<Vec<Spooled>>),
    Forget {
        id: String,
        reply: Reply<()>,
    },
}

#[derive(Default)]
pub(super) struct Lane {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Queues with work.
    calls: BTreeSet<Key>,
    requests: VecDeque<Request>,
    closed: bool,
}

/// What the thread is woken for.
pub(super) enum Wake {
    Request(Request),
    /// These queues have work.
    Calls(BTreeSet<Key>),
    /// Nobody will ask for anything any more.
    Closed,
}

impl Lane {
    pub(super) fn request(&self, request: Request) {
        let mut state = self.lock();
        if !state.closed {
            state.requests.push_back(request);
            self.changed.notify_one();
        }
    }

    /// There is work for a queue.
    pub(super) fn call(&self, key: Key) {
        self.lock().calls.insert(key);
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits for something to do. Calls go before requests: who asks for a queue
    /// finds what its predecessor had to write. But they wait until `not_before`
    /// while the disk fails. `idle`: there are no queues.
    pub(super) fn next(&self, not_before: Option<Instant>, idle: bool) -> Wake {
        let mut state = self.lock();
        loop {
            let left = not_before.map(|at| at.saturating_duration_since(clock::now()));
            let left = left.filter(|left| !left.is_zero());
            if left.is_none() && !state.calls.is_empty() {
                return Wake::Calls(std::mem::take(&mut state.calls));
            }
            if let Some(request) = state.requests.pop_front() {
                return Wake::Request(request);
            }
            if state.closed && idle {
                return Wake::Closed;
            }
            state = match left {
                Some(left) if !state.calls.is_empty() => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                Some(_) | None => {
                    let waited = self.changed.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By which a queue calls.
pub(super) struct Bell {
    pub(super) key: Key,
    pub(super) lane: Arc<Lane>,
}

impl Notify for Bell {
    fn notify(&self) {
        self.lane.call(self.key);
    }
}
