//! The poll loop that joins core and link: the only place that waits.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, Waker};

#[cfg(feature = "spill")]
use crate::spool::News;
use crate::{
    acknowledge::Acknowledger,
    clock,
    config::{Config, Credentials, Overflow, QueueLimits},
    core::{Command, Core, Input, Key, Output, Phase, Reply, Ticket, Waiter},
    error::{Error, LinkError},
    event::Event,
    frame::Frame,
    health::Stall,
    mailbox::{Mailbox, Post, Slot},
    message::Message,
    net::{Link, LinkEvent, Readiness, Tls, Upgraded, check_headers},
    offload::{Offload, remembered},
    queue::{Pushed, Queue},
    sink::Sink,
};

const WAKE: Token = Token(0);
const LINK: Token = Token(1);

/// WebSocket messages read in one turn before everything else has its go.
const RUN: usize = 1024;
/// Octets of messages that are handed on together, but for the last of them.
const BATCH: usize = 64 << 10;

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
    offload: Offload,
    waiters: BTreeMap<Waiter, Arc<Slot>>,
    sinks: BTreeMap<Key, Sink>,
    events: Arc<Queue<Event>>,
    /// Messages for one subscription, to be handed on together.
    batch: Batch,
    /// From the message on for which its queue had no room, what came with it;
    /// nothing is read meanwhile.
    parked: VecDeque<Parked>,
    /// The application ends the client: what still arrives is dropped.
    closing: bool,
    /// The last turn left work behind: the next one does not wait.
    more: bool,
    /// When it turned last.
    turned: Instant,
}

#[derive(Default)]
struct Batch {
    key: Option<Key>,
    acknowledger: Option<Arc<dyn Acknowledger>>,
    messages: VecDeque<Message>,
    octets: usize,
}

/// What is for a subscription, in the order in which it came.
enum Parked {
    Message(Key, Message),
    Ended(Key, Option<Error>),
    /// A step of a drain is done: told after what came before it.
    Drained(Waiter),
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
            offload: Offload::default(),
            waiters: BTreeMap::new(),
            sinks: BTreeMap::new(),
            events: Arc::new(events),
            batch: Batch::default(),
            parked: VecDeque::new(),
            closing: false,
            more: false,
            turned: clock::now(),
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

    #[cfg(test)]
    pub(crate) fn subscriptions(&self) -> usize {
        self.sinks.len()
    }

    /// Whether the client has ended and everybody has been told.
    pub(crate) fn is_done(&self) -> bool {
        self.core.phase() == Phase::Closed && self.link.is_none()
    }

    /// Whether a frame of `size` octets may be handed in now.
    /// What was posted before comes first.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.core.has_room(size) && self.mailbox.is_empty_of_frames()
    }

    /// Takes a command that nobody waits for, on the thread that turns the
    /// reactor; what was posted before goes first.
    pub(crate) fn accept(&mut self, now: Instant, command: Command) {
        if !self.mailbox.is_empty() {
            self.drain_mailbox(now);
        }
        self.feed(now, Input::Command(command));
        self.more = true;
    }

    /// Whether it has not turned for so long that the session might suffer.
    pub(crate) fn is_overdue(&self) -> bool {
        self.was_overdue(clock::now())
    }

    pub(crate) fn was_overdue(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.turned) > OVERDUE
    }

    /// When [`turn`](Self::turn) must run again even if nothing becomes ready.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.more {
            return Some(clock::now());
        }
        let link = self
            .link
            .as_ref()
            .and_then(|(_, link)| link.next_deadline());
        match (self.core.next_deadline(), link) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
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
        let timeout = if std::mem::take(&mut self.more) {
            Some(Duration::ZERO)
        } else {
            let now = clock::now();
            let next = match (self.next_deadline(), limit) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            next.map(|at| round_up(at.saturating_duration_since(now)))
        };
        match self.poll.poll(&mut self.ready, timeout) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        let now = clock::now();
        self.turned = now;
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

    /// Does everything that can be done without waiting.
    pub(crate) fn progress(&mut self, now: Instant) {
        self.unpark(now);
        self.read(now);
        self.drain_mailbox(now);
        // After reading: a reactor that was held up hears before it judges.
        if self.core.next_deadline().is_some_and(|at| at <= now) {
            self.feed(now, Input::Timeout);
        }
        self.write(now);
        // What has left has made room.
        let core = &self.core;
        self.more |= self.mailbox.is_ready(|octets| core.has_room(octets));
    }

    fn drain_mailbox(&mut self, now: Instant) {
        // Before the lane is drained, so that no wake-up is lost.
        self.mailbox.disarm();
        loop {
            let core = &self.core;
            let Some(post) = self.mailbox.take(|octets| core.has_room(octets)) else {
                return;
            };
            self.take_post(now, post);
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
                    self.waiters.insert(waiter, slot);
                }
                if let Some((key, sink)) = sink {
                    self.sinks.insert(key, sink);
                }
                if matches!(command, Command::Drain { .. }) {
                    let outlets = self.sinks.values().map(Sink::outlet);
                    self.mailbox.set_outlets(outlets.collect());
                }
                if matches!(command, Command::Close { .. }) {
                    self.closing(now);
                }
                self.feed(now, Input::Command(command));
            }
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
            Post::Spool(News::Dropped(key, messages)) => self.dropped(now, key, messages),
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

    /// Moves the link along and hands what it has to the core.
    fn read(&mut self, now: Instant) {
        self.read_run(now);
        self.drain(now);
    }

    fn read_run(&mut self, now: Instant) {
        for _ in 0..RUN {
            let may_read = self.may_read();
            let Some((ticket, link)) = &mut self.link else {
                return;
            };
            let ticket = *ticket;
            match link.poll(now, self.poll.registry(), may_read) {
                LinkEvent::Message(octets) => {
                    self.core.handle(now, Input::Message(octets));
                    self.check_suspended(now);
                    self.collect(now);
                }
                LinkEvent::Up(Upgraded { subprotocol, peer }) => {
                    log::info!("WebSocket to {peer} is open, subprotocol {subprotocol:?}");
                    self.heard = 0;
                    self.feed(now, Input::LinkUp(ticket));
                    self.mailbox.set_epoch(self.core.epoch());
                }
                LinkEvent::Resolve { host, port } => {
                    self.offload.resolve(&self.mailbox, ticket, host, port);
                }
                LinkEvent::Idle => return self.hear(now, !may_read),
                // Once what was read has been taken away.
                LinkEvent::Full => break,
                LinkEvent::Down(error) => {
                    self.link = None;
                    self.mailbox.set_epoch(0);
                    self.feed(now, Input::LinkDown(ticket, &error));
                }
            }
        }
        self.more = true;
        self.hear(now, false);
    }

    /// Whether the link may be read: not while a queue is full, but for
    /// CONNECTED, before which no message can come.
    fn may_read(&self) -> bool {
        self.parked.is_empty() || self.core.phase() == Phase::Handshaking
    }

    /// Any octet is life; so is one that has come to wait while reading is
    /// paused, and so are so many that the peer may have no room for another.
    fn hear(&mut self, now: Instant, paused: bool) {
        let Some((_, link)) = &mut self.link else {
            return;
        };
        let waiting = if paused { link.octets_waiting() } else { 0 };
        let more = waiting > self.waiting || waiting >= Link::MANY;
        self.waiting = waiting;
        let octets = link.octets_read();
        if octets != self.heard || more {
            self.heard = octets;
            self.core.handle(now, Input::Octets);
        }
    }

    fn write(&mut self, now: Instant) {
        // What was still leaving has kept back what comes after it; once it has
        // left, no event tells of a socket that is writable all the time.
        while self.write_run(now) {}
        self.drain(now);
    }

    /// Pulls frames while the link takes them, and writes. Whether there is more
    /// to try.
    fn write_run(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some((_, link)) = &mut self.link {
            if !link.wants_frame() {
                break;
            }
            let Some(octets) = self.core.poll_transmit(now) else {
                break;
            };
            any = true;
            if let Err(e) = link.send(octets) {
                log::debug!("a frame could not be queued: {e}");
                break;
            }
        }
        let Some((_, link)) = &mut self.link else {
            return false;
        };
        if !any && link.is_flushed() {
            return false;
        }
        // A failed write is told by the next read, after what the peer still had
        // to say.
        if let Err(e) = link.flush() {
            log::debug!("writing failed: {e}");
            self.more = true;
            return false;
        }
        link.wants_frame()
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
            self.suspend(now, suspended);
        }
    }

    /// The end begins: what waited for room is delivered, or dropped, now.
    fn closing(&mut self, now: Instant) {
        self.closing = true;
        #[cfg(feature = "spill")]
        for sink in self.sinks.values() {
            sink.queue.last_call();
        }
        self.unpark(now);
    }

    /// Tries again to deliver what was parked, as far as there is room.
    fn unpark(&mut self, now: Instant) {
        while let Some(parked) = self.parked.pop_front() {
            match parked {
                Parked::Message(key, message) => {
                    let mut one = VecDeque::from([message]);
                    if let Some(message) = self.deliver(now, key, &mut one) {
                        self.parked.push_front(Parked::Message(key, message));
                        return;
                    }
                }
                Parked::Ended(key, cause) => self.end_subscription(key, cause),
                Parked::Drained(waiter) => self.reply(waiter, Ok(Reply::Drained)),
            }
            self.more |= self.parked.is_empty();
        }
    }

    /// Does all that the core asks for, to the end.
    fn drain(&mut self, now: Instant) {
        loop {
            self.collect(now);
            if self.batch.messages.is_empty() {
                return;
            }
            self.hand_on(now);
        }
    }

    /// Does all that the core asks for, but may keep a batch of messages back.
    fn collect(&mut self, now: Instant) {
        loop {
            while let Some((key, frame)) = self.core.poll_delivery() {
                let epoch = self.core.epoch();
                self.message(now, key, epoch, frame);
            }
            match self.core.poll() {
                None => return,
                Some(Output::Deliver { key, epoch, frame }) => self.message(now, key, epoch, frame),
                Some(output) => {
                    self.hand_on(now);
                    self.perform(now, output);
                }
            }
        }
    }

    fn perform(&mut self, now: Instant, output: Output) {
        // Whoever learns of the end, from whatever it is, finds that it has come.
        if self.core.phase() == Phase::Closed {
            self.refuse_posts();
        }
        match output {
            Output::Deliver { key, epoch, frame } => self.message(now, key, epoch, frame),
            Output::Reply(waiter, Ok(Reply::Drained)) if !self.parked.is_empty() => {
                self.parked.push_back(Parked::Drained(waiter));
            }
            Output::Reply(waiter, result) => self.reply(waiter, result),
            Output::Event(event) => {
                if let Event::Closed { cause } = &event {
                    self.mailbox.set_cause(cause.clone());
                    self.closing(now);
                }
                self.tell(event);
            }
            Output::Ended(key, cause) => {
                if self.parked.is_empty() {
                    self.end_subscription(key, cause);
                } else {
                    self.parked.push_back(Parked::Ended(key, cause));
                }
            }
            Output::Open { endpoint, ticket } => {
                log::debug!("connecting to {endpoint}");
                let registry = self.poll.registry();
                let config = Arc::clone(&self.config);
                let link = Link::open(config, endpoint, &self.tls, registry, LINK, now);
                self.link = Some((ticket, link));
                self.more = true;
            }
            Output::Close { code } => {
                if let Some((_, link)) = &mut self.link {
                    link.close(now, code, "");
                    self.more = true;
                }
            }
            Output::Abort => {
                self.link = None;
                self.mailbox.set_epoch(0);
            }
            Output::NeedRegion(ticket) => {
                if let Some(regions) = &self.config.regions {
                    self.offload.region(&self.mailbox, ticket, regions.clone());
                }
            }
            Output::Remember(endpoint) => {
                if let Some(file) = &self.config.remember {
                    self.offload.remember(file.clone(), endpoint.to_string());
                }
            }
            Output::NeedToken(ticket, reason) => {
                if let Credentials::Token { source, .. } = &self.config.credentials {
                    self.offload
                        .token(&self.mailbox, ticket, reason, Arc::clone(source));
                }
            }
            Output::NeedHeaders(ticket, key) => {
                let makers = self.sinks.get(&key).map(|sink| Arc::clone(&sink.makers));
                self.offload
                    .headers(&self.mailbox, ticket, key, makers.unwrap_or_default());
            }
            Output::Gap {
                subscription,
                since,
                until,
            } => self.tell(Event::Gap {
                subscription,
                since: clock::wall(now, since),
                until: clock::wall(now, until),
            }),
        }
    }

    /// Adds a message to the batch of its subscription.
    fn message(&mut self, now: Instant, key: Key, epoch: u64, frame: Frame) {
        if self.batch.key != Some(key) || self.batch.octets >= BATCH {
            self.hand_on(now);
            let Some(sink) = self.sinks.get(&key) else {
                return;
            };
            self.batch.key = Some(key);
            self.batch.acknowledger = sink
                .acknowledges
                .then(|| Arc::<Mailbox>::clone(&self.mailbox) as Arc<dyn Acknowledger>);
        }
        self.batch.octets += frame.len();
        let acknowledger = self.batch.acknowledger.clone();
        let message = Message::new(frame, epoch, acknowledger);
        self.batch.messages.push_back(message);
    }

    /// Hands the batch on.
    fn hand_on(&mut self, now: Instant) {
        let Some(key) = self.batch.key.take() else {
            return;
        };
        self.batch.octets = 0;
        let mut messages = std::mem::take(&mut self.batch.messages);
        if self.parked.is_empty() {
            if let Some(message) = self.deliver(now, key, &mut messages) {
                self.parked.push_back(Parked::Message(key, message));
            }
        }
        let parked = messages.drain(..).map(|m| Parked::Message(key, m));
        self.parked.extend(parked);
        // Empty, but with the memory that it had.
        self.batch.messages = messages;
    }

    /// Puts messages into their queue. If one has to wait for room it is
    /// returned, and those after it are left.
    fn deliver(
        &mut self,
        now: Instant,
        key: Key,
        messages: &mut VecDeque<Message>,
    ) -> Option<Message> {
        while let Some(sink) = self.sinks.get_mut(&key) {
            let (mut dropped, last) = sink.push(messages);
            let waits = match last {
                Pushed::Done | Pushed::Dropped(_) => None,
                Pushed::Ended => {
                    messages.clear();
                    None
                }
                Pushed::Full(message) if !self.closing => Some(message),
                Pushed::Full(_) => {
                    dropped += 1;
                    None
                }
                Pushed::Failed => {
                    self.dropped(now, key, dropped);
                    messages.clear();
                    self.fail(now, key);
                    return None;
                }
            };
            self.dropped(now, key, dropped);
            if waits.is_some() || messages.is_empty() {
                return waits;
            }
        }
        messages.clear();
        None
    }

    fn dropped(&mut self, now: Instant, key: Key, messages: u64) {
        if messages == 0 {
            return;
        }
        self.core.dropped(messages);
        let Some(sink) = self.sinks.get_mut(&key) else {
            return;
        };
        if let Some(dropped) = sink.dropped(now, messages) {
            let subscription = sink.id.to_string();
            self.tell(Event::SlowConsumer {
                subscription,
                dropped,
            });
        }
    }

    /// A queue is full whose policy is to fail: the subscription ends.
    fn fail(&mut self, now: Instant, key: Key) {
        self.dropped(now, key, 1);
        if let Some(sink) = self.sinks.get(&key) {
            let subscription = sink.id.to_string();
            self.end_subscription(key, Some(Error::Overflow));
            self.tell(Event::Overflowed { subscription });
        }
        let unsubscribe = Command::Unsubscribe {
            key,
            headers: Vec::new(),
            waiter: Waiter::NONE,
            deadline: now + self.config.timeouts.call,
        };
        // What the core has to say is taken up by the drain under way.
        self.core.handle(now, Input::Command(unsubscribe));
    }

    /// What waits for a new token, and what it is worth.
    fn suspend(&mut self, now: Instant, suspended: bool) {
        self.mailbox.set_suspended(suspended);
        let suspend = |(key, sink): (&Key, &mut Sink)| (*key, sink.suspend(suspended));
        let dropped: Vec<_> = self.sinks.iter_mut().map(suspend).collect();
        for (key, messages) in dropped.into_iter().filter(|(_, messages)| *messages > 0) {
            self.dropped(now, key, messages);
        }
    }

    fn reply(&mut self, waiter: Waiter, mut result: Result<Reply, Error>) {
        match &mut result {
            Ok(Reply::Metrics(metrics)) => {
                metrics.queues = self.sinks.values().map(Sink::depth).collect();
            }
            Ok(Reply::Health(health)) if health.connected && !self.parked.is_empty() => {
                health.stalls.push(Stall::Paused);
            }
            Ok(Reply::Health(_) | Reply::Message { .. } | Reply::Done | Reply::Drained)
            | Err(_) => {}
        }
        if let Some(slot) = self.waiters.remove(&waiter) {
            slot.put(result);
        }
    }

    fn tell(&mut self, event: Event) {
        let last = matches!(event, Event::Closed { .. });
        log::info!("{event:?}");
        self.events.push(event, 0, false);
        if last {
            self.end();
        }
    }

    /// A subscription is over: what was dropped is told, and its queue ends.
    fn end_subscription(&mut self, key: Key, cause: Option<Error>) {
        let Some(mut sink) = self.sinks.remove(&key) else {
            return;
        };
        if let Some(cause) = cause {
            sink.fate.set(cause).ok();
        }
        if let Some(dropped) = sink.untold() {
            let subscription = sink.id.to_string();
            self.tell(Event::SlowConsumer {
                subscription,
                dropped,
            });
        }
        if sink.owned {
            sink.queue.end();
        }
    }

    /// Everybody who waits is answered, every queue ends, nothing is posted any more.
    fn end(&mut self) {
        self.events.end();
        self.refuse_posts();
        for sink in std::mem::take(&mut self.sinks).into_values() {
            sink.queue.end();
        }
    }

    fn refuse_posts(&self) {
        for post in self.mailbox.end() {
            if let Post::Command {
                slot: Some(slot), ..
            } = post
            {
                slot.put(Err(Error::Closed));
            }
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.end();
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

/// The poller counts in milliseconds and rounds down; a wait that ends early
/// would only be begun again.
fn round_up(wait: Duration) -> Duration {
    if wait.subsec_nanos() % 1_000_000 == 0 {
        wait
    } else {
        wait + Duration::from_millis(1)
    }
}

fn system(source: io::Error) -> Error {
    LinkError::Io {
        stage: crate::error::Stage::Connect,
        source: Arc::new(source),
    }
    .into()
}
