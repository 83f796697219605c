//! The thread that reads and writes the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Lease, News,
    lane::{Bell, Lane, Request, Wake},
    store::Store,
};
use crate::{
    clock,
    config::QueueLimits,
    core::Key,
    error::{Error, Misuse, SpoolError},
    message::Message,
    queue::{DiskLimits, Notify, Queue, Work},
};

pub(super) struct Writer<F> {
    lane: Arc<Lane>,
    path: PathBuf,
    /// None after it has failed, until it can be opened again.
    store: Option<Store>,
    tell: F,
    queues: BTreeMap<Key, Entry>,
    /// The disk failed: when it is tried again, and how long was waited for that.
    retry: Option<(Instant, Duration)>,
    /// When the disk has failed and nobody is left, what is in memory is given
    /// up then.
    give_up: Option<Instant>,
}

struct Entry {
    id: String,
    queue: Arc<Queue<Message>>,
}

/// The first delay before a disk that failed is tried again; it doubles.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How long a disk that fails is tried after the client has ended.
const LAST_TRIES: Duration = Duration::from_secs(5);

impl<F: Fn(News)> Writer<F> {
    pub(super) fn new(lane: Arc<Lane>, path: PathBuf, store: Store, tell: F) -> Self {
        Self {
            lane,
            path,
            store: Some(store),
            tell,
            queues: BTreeMap::new(),
            retry: None,
            give_up: None,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let not_before = self.retry.map(|(at, _)| at);
            match self.lane.next(not_before, self.queues.is_empty()) {
                Wake::Calls(keys) => {
                    if self.work(&keys).is_err() && self.is_hopeless() {
                        let path = self.path.display();
                        log::error!("{path} could not be written: messages in memory are lost");
                        return;
                    }
                }
                Wake::Request(request) => self.answer(request),
                Wake::Closed => return,
            }
        }
    }

    fn answer(&mut self, request: Request) {
        // Who asked may have stopped waiting.
        match request {
            Request::Attach {
                key,
                id,
                limits,
                disk,
                producer,
                reply,
            } => {
                let lease = self.attach(key, id, limits, disk, producer);
                reply.send(lease).ok();
            }
            Request::Flush(reply) => {
                for entry in self.queues.values() {
                    entry.queue.save();
                }
                let all: BTreeSet<_> = self.queues.keys().copied().collect();
                reply.send(self.work(&all).map_err(Error::from)).ok();
            }
            Request::List(reply) => {
                let list = self.store().and_then(|store| store.list());
                reply.send(list.map_err(Error::from)).ok();
            }
            Request::Forget { id, reply } => {
                let forgotten = self.check_free(&id).and_then(|()| {
                    let store = self.store()?;
                    Ok(store.forget(&id)?)
                });
                reply.send(forgotten).ok();
            }
        }
    }

    fn attach(
        &mut self,
        key: Key,
        id: String,
        limits: QueueLimits,
        disk: DiskLimits,
        producer: Arc<dyn Notify>,
    ) -> Result<Lease, Error> {
        self.check_free(&id)?;
        let left = self.store()?.left(&id)?;
        let lane = Arc::clone(&self.lane);
        let bell = Arc::new(Bell { key, lane });
        let queue = Arc::new(Queue::spilling(limits, producer, bell, disk, left));
        let lease = Lease::new(Arc::clone(&queue));
        self.queues.insert(key, Entry { id, queue });
        Ok(lease)
    }

    /// One id is for one queue at a time.
    fn check_free(&self, id: &str) -> Result<(), Error> {
        if self.queues.values().any(|entry| entry.id == id) {
            return Err(Misuse::DuplicateSubscription(id.to_owned()).into());
        }
        Ok(())
    }

    /// The store, opened anew if it had failed.
    fn store(&mut self) -> Result<&Store, SpoolError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.path, false)?,
        };
        Ok(self.store.insert(store))
    }

    /// Does what these queues want done, in one transaction.
    fn work(&mut self, keys: &BTreeSet<Key>) -> Result<(), SpoolError> {
        let works: Vec<(Key, Work<Message>)> = keys
            .iter()
            .filter_map(|key| Some((*key, self.queues.get(key)?.queue.work())))
            .collect();
        match self.commit(&works) {
            Ok(()) => {
                self.retry = None;
                Ok(())
            }
            Err(e) => {
                // What it failed with, it would answer for ever.
                self.store = None;
                self.fail(&works, &e);
                Err(e)
            }
        }
    }

    fn commit(&mut self, works: &[(Key, Work<Message>)]) -> Result<(), SpoolError> {
        let ids: Vec<_> = works
            .iter()
            .filter_map(|(key, _)| self.queues.get(key).map(|entry| entry.id.clone()))
            .collect();
        let pairs = ids.iter().zip(works);
        let batch: Vec<_> = pairs.map(|(id, (_, work))| (id.as_str(), work)).collect();
        let outcomes = if works.iter().all(|(_, work)| work.is_empty()) {
            works.iter().map(|_| Default::default()).collect()
        } else {
            let outcomes = self.store()?.commit(&batch)?;
            if let Some(Err(e)) = self.store.as_mut().map(Store::shrink) {
                // What was to be done is done; the next time tells.
                log::warn!("the spool was not made smaller: {e}");
            }
            outcomes
        };
        for ((key, work), outcome) in works.iter().zip(outcomes) {
            if outcome.lost > 0 {
                (self.tell)(News::Dropped(*key, outcome.lost));
            }
            let Some(entry) = self.queues.get(key) else {
                continue;
            };
            entry.queue.done(work, outcome);
            if work.parting.is_some() {
                self.queues.remove(key);
            }
        }
        Ok(())
    }

    fn fail(&mut self, works: &[(Key, Work<Message>)], e: &SpoolError) {
        let now = clock::now();
        let wait = self
            .retry
            .map_or(RETRY, |(_, wait)| (wait * 2).min(RETRY_MAX));
        let wait = if self.lane.is_closed() { RETRY } else { wait };
        self.retry = Some((now + wait, wait));
        for (key, work) in works {
            let Some(entry) = self.queues.get(key) else {
                continue;
            };
            if entry.queue.failed(work) {
                (self.tell)(News::Failed {
                    subscription: entry.id.clone(),
                    cause: e.to_string(),
                });
            }
            if !work.is_empty() || work.parting.is_some() {
                self.lane.call(*key);
            }
        }
    }

    /// Whether the disk has failed for long, and there is nobody to whom that matters.
    fn is_hopeless(&mut self) -> bool {
        if !self.lane.is_closed() {
            return false;
        }
        let now = clock::now();
        *self.give_up.get_or_insert(now + LAST_TRIES) <= now
    }
}
