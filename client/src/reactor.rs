//! The poll loop that joins core and link: the only place that waits.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, Waker};

#[cfg(feature = "spill")]
use crate::spool::News;
use crate::{
    clock,
    config::{Config, Overflow, QueueLimits},
    core::{Command, Core, Input, Phase, Reply, Ticket, Waiter},
    delivery::Delivery,
    error::{Error, LinkError},
    event::Event,
    ledger::Ledger,
    mailbox::{DOZE, Mailbox, PACE},
    net::{Link, Readiness, Tls, check_headers},
    offload::{Offload, remembered},
    post::Post,
    queue::Queue,
    slot::Slot,
};
use linger::Linger;

mod linger;
mod outputs;
mod posts;
mod traffic;

const WAKE: Token = Token(0);
const LINK: Token = Token(1);

/// Octets of messages that are handed on together, but for the last of them.
const BATCH: usize = 64 << 10;
/// The same if other threads take them: each wake-up costs as much as they do.
const BATCH_AWAY: usize = 256 << 10;

/// So many frames of handles in one turn are a dense stream.
const DENSE: usize = 32;

/// So many turns in a row may read on without a look at what else is ready.
const UNPOLLED: u32 = 8;

/// How long a driven client may go on with what it has before it must turn.
const OVERDUE: Duration = Duration::from_millis(10);

/// Turned by one thread, the caller's or its own.
pub(crate) struct Reactor {
    config: Arc<Config>,
    poll: Poll,
    ready: Events,
    core: Core,
    tls: Tls,
    link: Option<(Ticket, Link)>,
    heard: u64,
    /// Octets that waited in the socket when it was looked at last while paused.
    waiting: usize,
    mailbox: Arc<Mailbox>,
    /// What was taken from the mailbox and not looked at yet.
    /// Only a run may have to wait here.
    posts: VecDeque<Post>,
    /// Since when a frame waits for what is before it to leave.
    held: Option<Instant>,
    /// Octets that had left when one had waited long enough.
    stalled: Option<u64>,
    offload: Offload,
    waiters: Ledger<Arc<Slot>>,
    /// Those who wait here are told together, once all are answered: each would
    /// only take the processor from the next.
    answered: Vec<Arc<Slot>>,
    delivery: Delivery,
    /// Octets of messages that the core has taken and nobody was handed yet.
    gathered: usize,
    /// How many of them are handed on together.
    batch: usize,
    events: Arc<Queue<Event>>,
    /// The last turn left work behind: the next one does not wait.
    more: bool,
    /// There is more to read, whatever the poller says, and it was not asked so often.
    reads_on: bool,
    unpolled: u32,
    /// Frames have passed that were not written yet.
    passed: bool,
    /// Frames of handles that have passed in this turn.
    taken: usize,
    /// They were many: until then it looks for more by itself.
    dozes: Option<Instant>,
    /// When it should have turned again.
    overdue: Instant,
    linger: Linger,
}

impl Reactor {
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        check_headers(&config.upgrade_headers)?;
        let tls = Tls::new(&config.tls)?;
        let config = Arc::new(config);
        let poll = Poll::new().map_err(system)?;
        let waker = Waker::new(poll.registry(), WAKE).map_err(system)?;
        let mailbox = Arc::new(Mailbox::new(Arc::clone(&config), waker));
        #[cfg(feature = "spill")]
        mailbox.open_spool()?;
        let limits = QueueLimits {
            messages: 1_024,
            octets: usize::MAX,
            overflow: Overflow::DropOldest,
        };
        let events = Queue::new(limits, Arc::<Mailbox>::clone(&mailbox));
        let delivery = Delivery::new(Arc::clone(&mailbox));
        let mut core = Core::new(Arc::clone(&config), config.seed, clock::now());
        if let Some(endpoint) = config.remember.as_deref().and_then(remembered) {
            core.prefer(&endpoint);
        }
        Ok(Self {
            poll,
            ready: Events::with_capacity(8),
            core,
            tls,
            link: None,
            heard: 0,
            waiting: 0,
            mailbox,
            posts: VecDeque::new(),
            held: None,
            stalled: None,
            offload: Offload::default(),
            waiters: Ledger::default(),
            answered: Vec::new(),
            delivery,
            gathered: 0,
            batch: BATCH,
            events: Arc::new(events),
            more: false,
            reads_on: false,
            unpolled: 0,
            passed: false,
            taken: 0,
            dozes: None,
            overdue: clock::after(OVERDUE),
            linger: Linger::default(),
            config,
        })
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    pub(crate) fn events(&self) -> &Arc<Queue<Event>> {
        &self.events
    }

    pub(crate) fn phase(&self) -> Phase {
        self.core.phase()
    }

    /// From now on other threads take the messages.
    pub(crate) fn go_away(&mut self) {
        self.batch = BATCH_AWAY;
        self.linger = Linger::for_others();
    }

    /// Lets a reactor that dozes do so until then; false if it does not doze.
    #[cfg(test)]
    pub(crate) fn oversleep(&mut self, until: Instant) -> bool {
        self.dozes.replace(until).is_some() && !self.more
    }

    /// Turns since the poller was asked.
    #[cfg(test)]
    pub(crate) fn unpolled(&self) -> u32 {
        self.unpolled
    }

    #[cfg(test)]
    pub(crate) fn subscriptions(&self) -> usize {
        self.delivery.len()
    }

    /// Whether the client has ended and everybody has been told.
    pub(crate) fn is_done(&self) -> bool {
        self.core.phase() == Phase::Closed && self.link.is_none()
    }

    /// Whether a frame of `size` octets may be handed in now.
    /// What was posted before comes first.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.core.has_room(1, size) && self.mailbox.is_empty_of_frames()
    }

    /// Takes a post on the thread that turns the reactor; what was posted before
    /// goes first.
    pub(crate) fn accept(&mut self, now: Instant, post: Post) {
        if !self.mailbox.is_empty() {
            self.drain_mailbox(now);
        }
        self.take_post(now, post);
        self.tell_answered();
        self.more = true;
    }

    /// Whether the next turn will not wait, since there is work for it.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Whether it has not turned for so long that the session might suffer.
    pub(crate) fn is_overdue(&self) -> bool {
        self.was_overdue(clock::now())
    }

    pub(crate) fn was_overdue(&self, now: Instant) -> bool {
        now > self.overdue
    }

    /// When [`turn`](Self::turn) must run again even if nothing becomes ready.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.more || self.passed {
            return Some(clock::now());
        }
        let link = self
            .link
            .as_ref()
            .and_then(|(_, link)| link.next_deadline());
        let held = self.held.map(|since| since + PACE);
        let next = [self.core.next_deadline(), link, held, self.dozes];
        next.into_iter().flatten().min()
    }

    #[cfg(unix)]
    pub(crate) fn raw_fd(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsRawFd;
        self.poll.as_raw_fd()
    }

    /// Waits until there is something to do, at the latest until `limit`, and
    /// does it. Returns after one run of work.
    pub(crate) fn turn(&mut self, limit: Option<Instant>) -> io::Result<()> {
        self.mailbox.drive();
        self.flush();
        let timeout = if std::mem::take(&mut self.more) {
            Some(Duration::ZERO)
        } else {
            let now = clock::now();
            let next = match (self.next_deadline(), limit) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            // It rounds up to what the system counts in.
            next.map(|at| at.saturating_duration_since(now))
        };
        if self.reads_on() {
            self.ready.clear();
        } else {
            match self.poll.poll(&mut self.ready, timeout) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        let now = clock::now();
        self.overdue = now + OVERDUE;
        for event in &self.ready {
            if event.token() == LINK {
                if let Some((_, link)) = &mut self.link {
                    link.ready(Readiness::of(event));
                }
            }
        }
        self.progress(now);
        Ok(())
    }

    /// Whether the poller need not be asked, for there is more to read. It is where
    /// something waits for the socket, and every now and then.
    fn reads_on(&mut self) -> bool {
        let link = self.link.as_ref().map(|(_, link)| link);
        let reads_on = std::mem::take(&mut self.reads_on)
            && self.unpolled < UNPOLLED
            && link.is_some_and(Link::is_flushed);
        self.unpolled = if reads_on { self.unpolled + 1 } else { 0 };
        reads_on
    }

    /// Lets the next turn look at what is posted, though little of it is.
    pub(crate) fn rouse(&mut self) {
        self.more |= self.dozes.take().is_some();
    }

    /// Does everything that can be done without waiting.
    pub(crate) fn progress(&mut self, now: Instant) {
        // Before anything is looked at, so that no wake-up is lost.
        self.mailbox.rise();
        self.taken = 0;
        // Before anything is heard that would have kept it back.
        self.flush();
        self.unpark(now);
        self.read(now);
        self.tell_answered();
        self.drain_mailbox(now);
        // After reading: a reactor that was held up hears before it judges.
        if self.core.next_deadline().is_some_and(|at| at <= now) {
            self.feed(now, Input::Timeout);
        }
        self.write(now);
        self.tell_answered();
        self.linger();
        // What has left has made room.
        let core = &self.core;
        let fits = |octets| core.has_room(1, octets);
        self.dozes = (self.taken >= DENSE).then(|| now + DOZE);
        let lightly = self.dozes.is_some();
        self.more = self.more
            || self.goes_on(now)
            || self.mailbox.sleep(lightly, !self.posts.is_empty(), fits);
    }

    /// Stays awake a moment for what others may answer to what they were handed; not in a
    /// dense stream, which is better gathered.
    fn linger(&mut self) {
        let dense = self.taken >= DENSE || self.dozes.is_some();
        if self.more || dense || !self.posts.is_empty() {
            return;
        }
        if let Some(now) = self.linger.wait(|| !self.mailbox.is_empty()) {
            self.drain_mailbox(now);
            self.write(now);
            self.tell_answered();
        }
    }

    fn tell_answered(&mut self) {
        if self.answered.is_empty() {
            return;
        }
        self.linger.handed();
        for slot in self.answered.drain(..) {
            slot.tell();
        }
    }

    fn take_post(&mut self, now: Instant, post: Post) {
        match post {
            Post::Command {
                command,
                slot,
                sink,
            } => {
                if let (Some(slot), Some(waiter)) = (slot, waiter_of(&command)) {
                    self.waiters.insert(waiter.0, slot);
                }
                if let Some((key, sink)) = sink {
                    self.delivery.add(key, sink);
                }
                if matches!(command, Command::Drain { .. }) {
                    self.mailbox.set_outlets(self.delivery.outlets());
                }
                if matches!(command, Command::Close { .. }) {
                    self.closing(now);
                }
                self.feed(now, Input::Command(command));
            }
            // Taken elsewhere, frame by frame.
            Post::Run(_) => {}
            Post::Resolved(ticket, answer) => {
                if let Some((open, link)) = &mut self.link {
                    if *open == ticket {
                        link.resolved(now, answer);
                        self.read(now);
                    }
                }
            }
            Post::Token(ticket, answer) => self.feed(now, Input::Token(ticket, answer)),
            Post::Region(ticket, answer) => self.feed(now, Input::Region(ticket, answer)),
            Post::Headers(ticket, answer) => self.feed(now, Input::Headers(ticket, answer)),
            #[cfg(feature = "spill")]
            Post::Spool(News::Dropped(key, messages)) => {
                self.delivery.dropped(now, key, messages);
                self.take_news(now);
            }
            #[cfg(feature = "spill")]
            Post::Spool(News::Failed {
                subscription,
                cause,
            }) => self.tell(Event::SpoolFailed {
                subscription,
                cause,
            }),
        }
    }

    fn feed(&mut self, now: Instant, input: Input<'_>) {
        self.core.handle(now, input);
        self.check_suspended(now);
        self.drain(now);
    }

    fn check_suspended(&mut self, now: Instant) {
        let suspended = self.core.phase() == Phase::Suspended;
        if suspended != self.mailbox.is_suspended() {
            // What came before is not suspended.
            self.hand_on(now);
            self.mailbox.set_suspended(suspended);
            self.delivery.suspend(now, suspended);
            self.take_news(now);
        }
    }

    /// The end begins: what waited for room is delivered, or dropped, now.
    fn closing(&mut self, now: Instant) {
        self.delivery.close(now);
        self.take_news(now);
    }

    /// Tries again to deliver what was parked, as far as there is room.
    fn unpark(&mut self, now: Instant) {
        if self.delivery.is_paused() {
            self.more |= self.delivery.unpark(now);
            self.take_news(now);
        }
    }

    /// Does all that the core asks for, to the end.
    fn drain(&mut self, now: Instant) {
        loop {
            self.hand_on(now);
            match self.core.poll() {
                None => return,
                Some(output) => self.perform(now, output),
            }
        }
    }

    /// Hands on the messages that the core has.
    fn hand_on(&mut self, now: Instant) {
        self.gathered = 0;
        let epoch = self.core.epoch();
        let deliveries = self.core.deliveries();
        if !deliveries.is_empty() {
            self.linger.handed();
            self.delivery.deliver(now, epoch, deliveries);
        }
        while let Some(waiter) = self.core.confirmed().pop_front() {
            self.answer(waiter, Ok(Reply::Done));
        }
        self.take_news(now);
    }

    /// Everybody who waits is answered, every queue ends, nothing is posted any more.
    fn end(&mut self) {
        self.events.end();
        self.refuse_posts();
        self.delivery.end();
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.end();
        self.tell_answered();
        for slot in std::mem::take(&mut self.waiters).into_values() {
            slot.put(Err(Error::Closed));
        }
    }
}

fn waiter_of(command: &Command) -> Option<Waiter> {
    let waiter = match command {
        Command::Publish(outgoing) => outgoing.waiter,
        Command::Connect { waiter }
        | Command::Subscribe { waiter, .. }
        | Command::Unsubscribe { waiter, .. }
        | Command::Drain { waiter, .. }
        | Command::Close { waiter, .. }
        | Command::Metrics { waiter }
        | Command::Health { waiter } => *waiter,
        Command::Forget { .. } => Waiter::NONE,
    };
    (waiter != Waiter::NONE).then_some(waiter)
}

fn system(source: io::Error) -> Error {
    LinkError::Io {
        stage: crate::error::Stage::Connect,
        source: Arc::new(source),
    }
    .into()
}
