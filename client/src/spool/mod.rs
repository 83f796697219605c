//! Where full queues go on: one file and one thread for each client that wants
//! it. Nobody else touches the disk, and the reactor waits for neither.

mod file;
mod lane;
mod store;
mod writer;

pub use store::Spooled;

use std::{
    fmt,
    path::Path,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use crate::{
    clock,
    config::{QueueLimits, Spool as Settings},
    core::Key,
    error::{Error, SpoolError},
    message::Message,
    queue::{DiskLimits, Notify, Parting, Queue},
};
use lane::{Lane, Request};
use store::Store;
use writer::Writer;

/// What there is to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// Messages on disk were dropped.
    Dropped(Key, u64),
    /// The disk does not do what it should.
    Failed { subscription: String, cause: String },
}

/// The spool of one client. Its thread ends once this and all queues have been
/// dropped, and what was to be written is written.
pub(crate) struct Spool {
    lane: Arc<Lane>,
    disk: DiskLimits,
}

impl Spool {
    /// Starts the thread, which opens the file.
    pub(crate) fn open(
        settings: &Settings,
        tell: impl Fn(News) + Send + 'static,
    ) -> Result<Self, Error> {
        let path = settings.path.clone();
        let lane = Arc::new(Lane::default());
        let theirs = Arc::clone(&lane);
        let (opened, answer) = mpsc::sync_channel(1);
        // Not here: allocators keep memory for each thread apart, and what it
        // takes to open the file is taken again whenever the file grows.
        let run = move || match open(&path) {
            Ok(store) => {
                opened.send(Ok(())).ok();
                Writer::new(theirs, path, store, tell).run();
            }
            Err(e) => {
                opened.send(Err(e)).ok();
            }
        };
        std::thread::Builder::new()
            .name("hobnail-spool".into())
            .spawn(run)
            .map_err(|e| SpoolError::Io {
                path: settings.path.clone(),
                source: Arc::new(e),
            })?;
        answer.recv().unwrap_or(Err(SpoolError::Busy))?;
        Ok(Self {
            lane,
            disk: DiskLimits {
                messages: settings.messages,
                octets: settings.octets,
                overflow: settings.full,
            },
        })
    }

    /// A queue that goes on on disk, and begins with what lies there for this id.
    pub(crate) fn attach(
        &self,
        key: Key,
        id: &str,
        limits: QueueLimits,
        producer: Arc<dyn Notify>,
        deadline: Instant,
    ) -> Result<Arc<Queue<Message>>, Error> {
        let (id, disk) = (id.to_owned(), self.disk);
        let lease = self.ask(deadline, |reply| Request::Attach {
            key,
            id,
            limits,
            disk,
            producer,
            reply,
        })?;
        Ok(lease.accept())
    }

    /// Writes down what is in the memory of all queues; returns when that is done.
    pub(crate) fn flush(&self, deadline: Instant) -> Result<(), Error> {
        self.ask(deadline, Request::Flush)
    }

    /// What lies on disk, by subscription.
    pub(crate) fn list(&self, deadline: Instant) -> Result<Vec<Spooled>, Error> {
        self.ask(deadline, Request::List)
    }

    /// Forgets what lies on disk for a subscription that does not exist.
    pub(crate) fn forget(&self, id: &str, deadline: Instant) -> Result<(), Error> {
        let id = id.to_owned();
        self.ask(deadline, |reply| Request::Forget { id, reply })
    }

    fn ask<R>(
        &self,
        deadline: Instant,
        request: impl FnOnce(lane::Reply<R>) -> Request,
    ) -> Result<R, Error> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.lane.request(request(reply));
        let left = deadline.saturating_duration_since(clock::now());
        answer
            .recv_timeout(left)
            .unwrap_or_else(|_| Err(SpoolError::Busy.into()))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.lane.close();
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spool").finish_non_exhaustive()
    }
}

/// A queue on its way to who asked for it; nobody else ends it if that one waits
/// no more.
pub(crate) struct Lease(Option<Arc<Queue<Message>>>);

impl Lease {
    fn new(queue: Arc<Queue<Message>>) -> Self {
        Self(Some(queue))
    }

    /// It is theirs now, and they will end it.
    #[expect(clippy::expect_used, reason = "only this takes it, and only once")]
    fn accept(mut self) -> Arc<Queue<Message>> {
        self.0.take().expect("a lease is accepted once")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.part(Parting::Keep);
        }
    }
}

/// Opens the file. A client that has just ended may still hold it for a moment.
fn open(path: &Path) -> Result<Store, SpoolError> {
    let limit = clock::after(PATIENCE);
    loop {
        match Store::open(path, true) {
            Err(SpoolError::InUse { .. }) if clock::now() < limit => {
                std::thread::park_timeout(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// How long a file that is in use is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
