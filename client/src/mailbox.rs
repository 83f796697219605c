//! The way from any thread to the reactor.

mod lane;
mod posting;

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use lane::Lane;

use crate::{
    acknowledge::{self, Acknowledger},
    clock,
    config::Config,
    core::{Command, Key, Replies},
    error::{Error, Misuse},
    frame::{self, Frame},
    post::Post,
    queue::Notify,
    run::Run,
    sink::Outlet,
    thread,
};

/// What handles share with their reactor.
pub(crate) struct Mailbox {
    pub(crate) config: Arc<Config>,
    lane: Mutex<Lane>,
    /// Whether the lane holds anything, for those who only look.
    filled: AtomicBool,
    room: Condvar,
    /// Whether a queue has room again since the reactor looked last.
    called: AtomicBool,
    /// For what the reactor is to be woken.
    sleep: AtomicU8,
    waker: mio::Waker,
    /// The next receipt or waiter.
    numbers: AtomicU64,
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

impl Mailbox {
    pub(crate) fn new(config: Arc<Config>, waker: mio::Waker) -> Self {
        Self {
            config,
            lane: Mutex::default(),
            filled: AtomicBool::new(false),
            room: Condvar::new(),
            called: AtomicBool::new(false),
            sleep: AtomicU8::new(ASLEEP),
            waker,
            numbers: AtomicU64::new(1),
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

    /// Takes what must not wait, and if `posts` is empty the oldest other posts for
    /// which the core has room, for so many frames of so many octets, up to a run.
    /// The octets of a run are [done](Self::done) later.
    pub(crate) fn take(
        &self,
        urgent: &mut VecDeque<Post>,
        posts: &mut VecDeque<Post>,
        fits: impl Fn(usize, usize) -> bool,
    ) {
        if self.is_empty() {
            return;
        }
        let mut lane = self.lock();
        urgent.append(&mut lane.urgent);
        let (mut frames, mut octets) = (0, 0);
        let mut more = posts.is_empty();
        while let Some(post) = lane.posts.front().filter(|_| more) {
            let size = post.frame_size();
            if matches!(post, Post::Run(_)) {
                more = false;
            } else if size == 0 || lane.closing || fits(frames + 1, octets + size) {
                frames += usize::from(size > 0);
                octets += size;
            } else {
                break;
            }
            posts.extend(lane.posts.pop_front());
        }
        self.less(lane, octets);
    }

    /// So many octets of a run have left, or are in the outbox. What is left of it
    /// may serve as memory.
    pub(crate) fn done(&self, octets: usize, rest: Option<Run>) {
        let mut lane = self.lock();
        if lane.spare.len() < SPARE {
            lane.spare.extend(rest.and_then(Run::recycle));
        }
        self.less(lane, octets);
    }

    fn less(&self, mut lane: MutexGuard<'_, Lane>, octets: usize) {
        lane.octets = lane.octets.saturating_sub(octets);
        self.count(&lane);
        let few = lane.octets <= PACED / 2;
        lane.stalled &= octets == 0;
        // Whoever is only held up a moment is not to wake up for a few frames.
        let tell = octets > 0 && (lane.waiting > lane.paced || (few && lane.paced > 0));
        drop(lane);
        if tell {
            self.room.notify_all();
        }
    }

    /// Whether no frame waits for room in the outbox.
    pub(crate) fn is_empty_of_frames(&self) -> bool {
        self.is_empty() || self.lock().octets == 0
    }

    /// Whether nothing waits. Who posts afterwards sends a wake-up, unless the reactor
    /// [sleeps](Self::sleep).
    pub(crate) fn is_empty(&self) -> bool {
        !self.filled.load(Ordering::SeqCst)
    }

    /// Whether a close was posted.
    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn count(&self, lane: &Lane) {
        let filled = !lane.is_empty();
        if filled != self.filled.load(Ordering::Relaxed) {
            self.filled.store(filled, Ordering::SeqCst);
        }
    }

    /// Whether [`take`](Self::take) would give something: nothing but what is urgent
    /// while the reactor is `busy` with what it took before.
    fn is_ready(&self, busy: bool, fits: impl Fn(usize) -> bool) -> bool {
        if self.is_empty() {
            return false;
        }
        let lane = self.lock();
        !lane.urgent.is_empty()
            || lane.posts.front().filter(|_| !busy).is_some_and(|post| {
                let size = post.frame_size();
                size == 0 || lane.closing || matches!(post, Post::Run(_)) || fits(size)
            })
    }

    /// The reactor looks at everything after this: no wake-up is needed before it
    /// [sleeps](Self::sleep).
    pub(crate) fn rise(&self) {
        self.sleep.store(AWAKE, Ordering::SeqCst);
        self.called.store(false, Ordering::SeqCst);
    }

    /// From now on the reactor is to be woken; unless there is something for it
    /// to look at already, which is then the answer. As [`is_ready`](Self::is_ready).
    ///
    /// One that sleeps `lightly` dozes: frames that nobody waits for wake it only once
    /// they are [`MANY`] octets, and it looks by itself within [`DOZE`]. Who posts leaves
    /// what he has in the lane before he looks how it sleeps, and the reactor says how it
    /// sleeps before it looks into the lane. So either it finds what was posted, or
    /// who posted finds it asleep; of those who find it dozing with too few octets
    /// to wake it, the one who brings the last of them, in the order in which they
    /// held the lane, finds enough.
    pub(crate) fn sleep(&self, lightly: bool, busy: bool, fits: impl Fn(usize) -> bool) -> bool {
        let sleep = if lightly { DOZING } else { ASLEEP };
        self.sleep.store(sleep, Ordering::SeqCst);
        let news = self.called.load(Ordering::SeqCst) || self.is_ready(busy, fits);
        if news {
            self.sleep.store(AWAKE, Ordering::SeqCst);
        }
        news
    }

    /// Nothing is posted any more. Returns what was there.
    pub(crate) fn end(&self) -> VecDeque<Post> {
        let mut lane = self.lock();
        lane.ended = true;
        let mut posts = std::mem::take(&mut lane.posts);
        posts.append(&mut lane.urgent);
        lane.octets = 0;
        self.count(&lane);
        drop(lane);
        self.room.notify_all();
        posts
    }

    /// A number that no other call has: for the receipt that it asks for, for who
    /// waits, or for both.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
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

    /// Wakes the reactor; one that only dozes if it `must` know.
    fn wake(&self, must: bool) {
        // It mostly is awake, and that is told quickly.
        match self.sleep.load(Ordering::SeqCst) {
            AWAKE => return,
            DOZING if !must => return,
            _ => {}
        }
        if self.sleep.swap(AWAKE, Ordering::SeqCst) != AWAKE {
            if let Err(e) = self.waker.wake() {
                log::error!("cannot wake the reactor: {e}");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reactor sees what is posted by itself, before it sleeps.
const AWAKE: u8 = 0;
/// It will look within [`DOZE`].
const DOZING: u8 = 1;
/// It sleeps until it is woken.
const ASLEEP: u8 = 2;

/// How long frames that nobody waits for may wait for others in a dense stream.
pub(crate) const DOZE: Duration = Duration::from_millis(1);
/// So many octets of frames do not wait for more.
const MANY: usize = 64 << 10;

/// How long a peer that takes nothing more holds up one who publishes, before
/// frames pile up.
pub(crate) const PACE: Duration = Duration::from_millis(10);
/// Callers are held up a moment when so many octets of frames wait for the reactor.
const PACED: usize = 256 << 10;
/// Runs whose memory is kept for others.
const SPARE: usize = 4;

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
        self.wake(true);
    }
}

#[cfg(test)]
mod tests;
