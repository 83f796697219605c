//! The way from any thread to the reactor.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::{
    acknowledge::{self, Acknowledger},
    clock,
    config::Config,
    core::{Command, Key, Replies, Waiter},
    error::{Error, Misuse, Stage},
    frame::{self, Frame},
    post::Post,
    queue::Notify,
    sink::{Outlet, Sink},
    slot::Slot,
    thread,
};

/// What handles share with their reactor.
pub(crate) struct Mailbox {
    pub(crate) config: Arc<Config>,
    lane: Mutex<Lane>,
    /// How many posts the lane holds, for those who only look.
    waiting: AtomicUsize,
    room: Condvar,
    /// Whether a queue has room again since the reactor looked last.
    called: AtomicBool,
    /// Whether the reactor sees no news by itself.
    asleep: AtomicBool,
    waker: mio::Waker,
    receipts: AtomicU64,
    waiters: AtomicU64,
    transactions: AtomicU64,
    keys: AtomicU32,
    /// Where replies come, once a request was made.
    pub(crate) replies: OnceLock<Arc<Replies>>,
    /// The connection that lives now; messages of an older one cannot be acknowledged.
    epoch: AtomicU64,
    /// The thread that turns the reactor, by its number.
    driver: AtomicU64,
    /// Whether the session waits for a new token.
    suspended: AtomicBool,
    /// The subscriptions that there were when a drain began.
    outlets: OnceLock<Vec<Outlet>>,
    /// Why the client ended, if that was not asked for.
    cause: OnceLock<Error>,
    /// Where full queues go on.
    #[cfg(feature = "spill")]
    spool: OnceLock<crate::spool::Spool>,
}

struct Lane {
    /// What must not wait for room in the outbox: a connection may depend on it.
    urgent: VecDeque<Post>,
    posts: VecDeque<Post>,
    octets: usize,
    /// Who waits for room.
    waiters: u32,
    /// A close was posted: nothing is published any more, and what was posted
    /// before goes to the core whether there is room or not.
    closing: bool,
    ended: bool,
}

impl Lane {
    fn push(&mut self, post: Post) {
        match &post {
            Post::Resolved(..)
            | Post::Token(..)
            | Post::Region(..)
            | Post::Headers(..)
            | Post::Command {
                command: Command::Metrics { .. } | Command::Health { .. },
                ..
            } => return self.urgent.push_back(post),
            #[cfg(feature = "spill")]
            Post::Spool(_) => return self.urgent.push_back(post),
            Post::Command {
                command: Command::Close { .. },
                ..
            } => self.closing = true,
            Post::Command { .. } => {}
        }
        self.octets += post.frame_size();
        self.posts.push_back(post);
    }
}

impl Mailbox {
    pub(crate) fn new(config: Arc<Config>, waker: mio::Waker) -> Self {
        Self {
            config,
            lane: Mutex::new(Lane {
                urgent: VecDeque::new(),
                posts: VecDeque::new(),
                octets: 0,
                waiters: 0,
                closing: false,
                ended: false,
            }),
            waiting: AtomicUsize::new(0),
            room: Condvar::new(),
            called: AtomicBool::new(false),
            asleep: AtomicBool::new(true),
            waker,
            receipts: AtomicU64::new(1),
            waiters: AtomicU64::new(1),
            transactions: AtomicU64::new(1),
            keys: AtomicU32::new(1),
            replies: OnceLock::new(),
            epoch: AtomicU64::new(0),
            driver: AtomicU64::new(0),
            suspended: AtomicBool::new(false),
            outlets: OnceLock::new(),
            cause: OnceLock::new(),
            #[cfg(feature = "spill")]
            spool: OnceLock::new(),
        }
    }

    /// Opens the file on which full queues go on, if there is to be one.
    #[cfg(feature = "spill")]
    pub(crate) fn open_spool(self: &Arc<Self>) -> Result<(), Error> {
        let Some(settings) = &self.config.spool else {
            return Ok(());
        };
        let mailbox = Arc::downgrade(self);
        let spool = crate::spool::Spool::open(settings, move |news| {
            if let Some(mailbox) = mailbox.upgrade() {
                mailbox.post_now(Post::Spool(news));
            }
        })?;
        self.spool.set(spool).ok();
        Ok(())
    }

    #[cfg(feature = "spill")]
    pub(crate) fn spool(&self) -> Option<&crate::spool::Spool> {
        self.spool.get()
    }

    /// Posts once there is room, at the latest at the deadline.
    pub(crate) fn post(&self, post: Post, deadline: Instant) -> Result<(), Error> {
        let size = post.frame_size();
        let limits = self.config.limits;
        let mut lane = self.lock();
        loop {
            if lane.ended || (lane.closing && size > 0) {
                return Err(Error::Closed);
            }
            if size > limits.outbox {
                let limit = limits.outbox;
                return Err(Misuse::TooLarge { size, limit }.into());
            }
            if size == 0 || lane.octets == 0 || lane.octets + size <= limits.outbox {
                break;
            }
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Err(Error::Timeout(Stage::Outbox));
            }
            // The thread that makes the room must not wait for it.
            if self.is_driver() {
                return Err(Misuse::WouldDeadlock.into());
            }
            lane.waiters += 1;
            lane = self
                .room
                .wait_timeout(lane, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            lane.waiters -= 1;
        }
        lane.push(post);
        self.count(&lane);
        let closing = lane.closing;
        drop(lane);
        if closing {
            // Those who wait for room learn that there will be none.
            self.room.notify_all();
        }
        self.wake();
        Ok(())
    }

    /// Posts what is not bounded: answers of helper threads, acknowledgements
    /// of an end.
    pub(crate) fn post_now(&self, post: Post) {
        let mut lane = self.lock();
        if lane.ended {
            return;
        }
        lane.push(post);
        self.count(&lane);
        drop(lane);
        self.wake();
    }

    /// A command whose answer is waited for elsewhere.
    pub(crate) fn ask(
        &self,
        deadline: Instant,
        sink: Option<(Key, Sink)>,
        command: impl FnOnce(Waiter) -> Command,
    ) -> Result<Arc<Slot>, Error> {
        let (post, slot) = self.question(sink, command);
        self.post(post, deadline)?;
        Ok(slot)
    }

    /// A command that is not posted yet, and where its answer will appear.
    pub(crate) fn question(
        &self,
        sink: Option<(Key, Sink)>,
        command: impl FnOnce(Waiter) -> Command,
    ) -> (Post, Arc<Slot>) {
        let (waiter, slot) = self.slot();
        let post = Post::Command {
            command: command(waiter),
            slot: Some(Arc::clone(&slot)),
            sink,
        };
        (post, slot)
    }

    /// Where the answer to a call will appear.
    pub(crate) fn slot(&self) -> (Waiter, Arc<Slot>) {
        let waiter = self.waiters.fetch_add(1, Ordering::Relaxed);
        (Waiter(waiter), Arc::new(Slot::default()))
    }

    /// Takes the oldest posts for which the core has room: for so many frames of
    /// so many octets.
    pub(crate) fn take(&self, posts: &mut VecDeque<Post>, fits: impl Fn(usize, usize) -> bool) {
        if self.is_empty() {
            return;
        }
        let mut lane = self.lock();
        posts.append(&mut lane.urgent);
        let (mut frames, mut octets) = (0, 0);
        while let Some(size) = lane.posts.front().map(Post::frame_size) {
            if size > 0 && !lane.closing && !fits(frames + 1, octets + size) {
                break;
            }
            frames += usize::from(size > 0);
            octets += size;
            posts.extend(lane.posts.pop_front());
        }
        lane.octets -= octets;
        self.count(&lane);
        let is_awaited = lane.waiters > 0;
        drop(lane);
        if octets > 0 && is_awaited {
            self.room.notify_all();
        }
    }

    /// Whether no frame waits for room in the outbox.
    pub(crate) fn is_empty_of_frames(&self) -> bool {
        self.is_empty() || self.lock().octets == 0
    }

    /// Whether nothing waits. Who posts afterwards sends a wake-up.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    fn count(&self, lane: &Lane) {
        let waiting = lane.urgent.len() + lane.posts.len();
        self.waiting.store(waiting, Ordering::SeqCst);
    }

    /// Whether [`take`](Self::take) would give something.
    fn is_ready(&self, fits: impl Fn(usize) -> bool) -> bool {
        if self.is_empty() {
            return false;
        }
        let lane = self.lock();
        let front = lane.posts.front().map(Post::frame_size);
        !lane.urgent.is_empty()
            || front.is_some_and(|octets| octets == 0 || lane.closing || fits(octets))
    }

    /// The reactor looks at everything after this: no wake-up is needed before it
    /// [dozes](Self::doze).
    pub(crate) fn rise(&self) {
        self.asleep.store(false, Ordering::SeqCst);
        self.called.store(false, Ordering::SeqCst);
    }

    /// From now on the reactor is to be woken; unless there is something for it
    /// to look at already, which is then the answer. As [`is_ready`](Self::is_ready).
    pub(crate) fn doze(&self, fits: impl Fn(usize) -> bool) -> bool {
        // Before it looks: what is posted later wakes it.
        self.asleep.store(true, Ordering::SeqCst);
        let news = self.called.load(Ordering::SeqCst) || self.is_ready(fits);
        if news {
            self.asleep.store(false, Ordering::SeqCst);
        }
        news
    }

    /// Nothing is posted any more. Returns what was there.
    pub(crate) fn end(&self) -> VecDeque<Post> {
        let mut lane = self.lock();
        lane.ended = true;
        let mut posts = std::mem::take(&mut lane.posts);
        posts.append(&mut lane.urgent);
        self.count(&lane);
        drop(lane);
        self.room.notify_all();
        posts
    }

    pub(crate) fn receipt(&self) -> u64 {
        self.receipts.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn transaction(&self) -> u64 {
        self.transactions.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn key(&self) -> Key {
        Key(self.keys.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether what came over a connection can still be acknowledged.
    fn check_epoch(&self, epoch: u64) -> Result<(), Error> {
        if self.epoch.load(Ordering::Acquire) == epoch {
            Ok(())
        } else if self.lock().ended {
            Err(Error::Closed)
        } else {
            Err(Misuse::StaleDelivery.into())
        }
    }

    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    pub(crate) fn set_suspended(&self, suspended: bool) {
        self.suspended.store(suspended, Ordering::Relaxed);
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended.load(Ordering::Relaxed)
    }

    /// A drain begins, if it is the first: nothing is subscribed to after it.
    pub(crate) fn set_outlets(&self, outlets: Vec<Outlet>) {
        self.outlets.set(outlets).ok();
    }

    /// What a drain waits for.
    pub(crate) fn outlets(&self) -> &[Outlet] {
        self.outlets.get().map_or(&[], Vec::as_slice)
    }

    /// The client has ended.
    pub(crate) fn set_cause(&self, cause: Option<Error>) {
        if let Some(cause) = cause {
            self.cause.set(cause).ok();
        }
    }

    /// What a client that has ended answers to those who wait for more of it.
    pub(crate) fn verdict(&self) -> Error {
        self.cause.get().cloned().unwrap_or(Error::Closed)
    }

    /// The calling thread turns the reactor from now on.
    pub(crate) fn drive(&self) {
        self.driver.store(thread::number(), Ordering::Relaxed);
    }

    /// No thread turns the reactor for now; another will.
    pub(crate) fn release(&self) {
        self.driver.store(0, Ordering::Relaxed);
    }

    /// Refuses to wait on the thread that would have to end the wait. After the
    /// end nobody waits.
    pub(crate) fn check_thread(&self) -> Result<(), Misuse> {
        if self.is_driver() && !self.lock().ended {
            Err(Misuse::WouldDeadlock)
        } else {
            Ok(())
        }
    }

    /// Whether the calling thread turns the reactor: it must never wait for it.
    fn is_driver(&self) -> bool {
        self.driver.load(Ordering::Relaxed) == thread::number()
    }

    fn wake(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            if let Err(e) = self.waker.wake() {
                log::error!("cannot wake the reactor: {e}");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Acknowledger for Mailbox {
    fn acknowledge(
        &self,
        message: &Frame,
        epoch: u64,
        command: frame::Command,
        transaction: Option<u64>,
    ) -> Result<(), Error> {
        self.check_epoch(epoch)?;
        let deadline = clock::after(self.config.timeouts.call);
        let ack = acknowledge::encode(
            message,
            epoch,
            command,
            transaction,
            deadline,
            self.config.dialect,
        )?;
        self.post(Post::of(Command::Publish(ack)), deadline)
    }
}

impl Notify for Mailbox {
    fn notify(&self) {
        self.called.store(true, Ordering::SeqCst);
        self.wake();
    }
}
