//! The client that the calling thread drives.

mod outgoing;
mod receiving;

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    clock::{self, Glance},
    config::{Builder, Config},
    core::{Command, Phase, Reply},
    error::{Error, LinkError, Stage},
    event::Event,
    handle::{Handle, User},
    health::Health,
    mailbox::Mailbox,
    message::Message,
    metrics::Metrics,
    port::Port,
    post::Post,
    publish::{Pending, Publish},
    queue::{Popped, Queue},
    reactor::Reactor,
    slot::Slot,
    subscription::SubscribeRequest,
    transaction::Transaction,
};

/// A STOMP client that is driven by the thread that calls it: every call turns
/// the reactor. No other thread exists, but for name resolution and token sources.
///
/// Between calls nothing happens: no heart-beat leaves and none is noticed. Call
/// [`recv`](Self::recv) in a loop, or [`turn`](Self::turn) at
/// [`next_deadline`](Self::next_deadline) and whenever
/// [`as_raw_fd`](Self::as_raw_fd) is readable, or let [`spawn`](Self::spawn) give
/// it a thread of its own.
///
/// All its subscriptions share one inbox, bounded by
/// [`Limits::queue`](crate::config::Limits).
pub struct Client {
    reactor: Reactor,
    inbox: Arc<Queue<Message>>,
    /// Octets of buffered frames since something was written.
    gathered: usize,
    /// Messages to take before the clock is looked at again, and how many that
    /// was to be.
    unclocked: (u32, u32),
    glance: Glance,
    /// Keeps it alive; given up when a thread of its own turns it.
    user: Option<Arc<User>>,
}

impl Builder {
    /// Connects; returns when the broker has accepted.
    ///
    /// Each stage has its own limit in [`Timeouts`](crate::config::Timeouts), and
    /// link and upgrade together have `overall`. In sum it waits no longer than
    /// `token` + `overall` + `open` + `close`: a first token that is refused may
    /// cost a second attempt, and that, too, must end within this sum.
    ///
    /// # Errors
    /// [`Error::Misuse`] for settings that cannot be used. [`Error::Link`],
    /// [`Error::Broker`], [`Error::Auth`] or [`Error::Protocol`] if the attempt
    /// failed, naming the stage; unless [`persistent`](Builder::persistent) is set
    /// the first failure is told. [`Error::Spool`] for a spool that cannot be used.
    pub fn connect(self) -> Result<Client, Error> {
        Client::connect(self.build()?)
    }
}

impl Client {
    /// Collects the settings for a broker at a `ws://` or `wss://` URL.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder::new(url)
    }

    /// As [`Builder::connect`].
    ///
    /// # Errors
    /// As [`Builder::connect`].
    pub fn connect(config: Config) -> Result<Self, Error> {
        let timeouts = config.timeouts;
        let reactor = Reactor::new(config)?;
        let limits = reactor.mailbox().config.limits.queue;
        let producer = Arc::<Mailbox>::clone(reactor.mailbox());
        let mut client = Self {
            inbox: Arc::new(Queue::new(limits, producer)),
            user: Some(User::new(Arc::clone(reactor.mailbox()))),
            reactor,
            gathered: 0,
            unclocked: (0, 0),
            glance: Glance::new(),
        };
        // The core's own deadlines end each attempt; this one is for all of them.
        let limit = [timeouts.overall, timeouts.open, timeouts.close]
            .iter()
            .fold(timeouts.token, |sum, next| sum.saturating_add(*next));
        let slot = client
            .mailbox()
            .ask(clock::after(limit), None, |waiter| Command::Connect {
                waiter,
            })?;
        client.wait(&slot, limit, Stage::Open)?;
        Ok(client)
    }

    /// A SEND to a destination; [`Publish::publish`] lets it leave.
    pub fn send<'a>(&'a mut self, destination: impl Into<Cow<'a, str>>) -> Publish<'a> {
        Publish::new(Port::Client(self), destination.into(), None)
    }

    /// A SUBSCRIBE to a destination; [`SubscribeRequest::subscribe`] makes it.
    /// Its messages come out of [`recv`](Self::recv).
    pub fn subscription<'a>(
        &'a mut self,
        destination: impl Into<Cow<'a, str>>,
    ) -> SubscribeRequest<'a> {
        SubscribeRequest::new(Port::Client(self), destination.into())
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`Error::Closed`] after the end, [`Error::Timeout`] if the outbox is full.
    pub fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        Transaction::begin(Port::Client(self))
    }

    /// Waits for the RECEIPT of a frame.
    ///
    /// # Errors
    /// As [`Publish::publish`].
    pub fn confirm(&mut self, pending: &Pending) -> Result<(), Error> {
        self.wait(pending.slot(), pending.limit(), Stage::Receipt)
            .map(drop)
    }

    /// The oldest event that has not been taken. At most 1,024 wait; older ones
    /// are dropped.
    pub fn poll_event(&mut self) -> Option<Event> {
        match self.reactor.events().try_pop() {
            Popped::Item(event) => Some(event),
            Popped::Empty | Popped::Ended => None,
        }
    }

    /// Waits for something to happen, at most so long, and does what is to be done:
    /// one run of work, after which it returns though the time is not over and
    /// though more may be left ([`next_deadline`](Self::next_deadline) is now then).
    ///
    /// # Errors
    /// As [`recv`](Self::recv), and [`Error::Link`] if the operating system's
    /// poller fails.
    pub fn turn(&mut self, timeout: Duration) -> Result<(), Error> {
        self.turn_until(Some(clock::after(timeout)))
    }

    /// When [`turn`](Self::turn) must be called though nothing becomes readable.
    /// Changes with every call.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.reactor.next_deadline()
    }

    /// The descriptor to wait on in a foreign event loop: it is readable when
    /// [`turn`](Self::turn) has something to do, but for what
    /// [`next_deadline`](Self::next_deadline) tells. It stays the same for the life of
    /// the client.
    #[cfg(unix)]
    #[must_use]
    pub fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.reactor.raw_fd()
    }

    /// Where the session stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.reactor.phase()
    }

    /// The counters.
    ///
    /// # Errors
    /// [`Error::Closed`] after the end.
    pub fn metrics(&mut self) -> Result<Metrics, Error> {
        metrics(&mut Port::Client(self))
    }

    /// How the client stands: whether it is connected, and what holds it up if
    /// it is.
    ///
    /// # Errors
    /// [`Error::Closed`] after the end.
    pub fn health(&mut self) -> Result<Health, Error> {
        health(&mut Port::Client(self))
    }

    /// A handle for other threads. Its calls are answered while this thread
    /// turns the reactor.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.user(), Arc::clone(self.reactor.events()))
    }

    /// Gives the reactor a thread of its own.
    ///
    /// Subscriptions made so far go on delivering to their
    /// [`Subscription`](crate::Subscription)s.
    ///
    /// The thread ends with the client: by [`Handle::close`], when the connection
    /// is lost for good, or when the last [`Handle`], `Subscription` and
    /// [`Pending`] is dropped. That last drop asks for a close in order and waits
    /// for nothing; a program that ends right after it may cut the close short.
    ///
    /// # Errors
    /// [`Error::Link`] if the operating system gives no thread.
    pub fn spawn(mut self) -> Result<Handle, Error> {
        let handle = self.handle();
        self.user = None;
        self.reactor.go_away();
        self.mailbox().release();
        std::thread::Builder::new()
            .name("hobnail".into())
            .spawn(move || self.run())
            .map_err(system)?;
        Ok(handle)
    }

    /// Ends the session in order: what waits leaves and is confirmed, then
    /// DISCONNECT, then the WebSocket close; each step falls through so that all
    /// of it takes `Timeouts::close` at most.
    ///
    /// With a spool, what the queues hold is on disk when it returns.
    ///
    /// # Errors
    /// The cause, if the connection was lost before everything had left;
    /// [`Error::Spool`] if the disk failed.
    pub fn close(&mut self) -> Result<(), Error> {
        close(&mut Port::Client(self))
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        self.reactor.mailbox()
    }

    pub(crate) fn user(&self) -> Arc<User> {
        let user = self.user.as_ref().map(Arc::clone);
        user.unwrap_or_else(|| User::new(Arc::clone(self.mailbox())))
    }

    pub(crate) fn inbox(&self) -> Arc<Queue<Message>> {
        Arc::clone(&self.inbox)
    }

    /// Turns the reactor until a call is answered. The core does so by the
    /// call's own deadline; `limit` is for an answer that was taken already.
    pub(crate) fn wait(
        &mut self,
        slot: &Slot,
        limit: Duration,
        stage: Stage,
    ) -> Result<Reply, Error> {
        let mut until = None;
        loop {
            if let Some(answer) = slot.take() {
                return answer;
            }
            let now = clock::now();
            let until = *until.get_or_insert_with(|| clock::later(now, limit));
            if until <= now {
                return Err(Error::Timeout(stage));
            }
            self.turn_until(Some(until))?;
        }
    }

    pub(crate) fn turn_until(&mut self, limit: Option<Instant>) -> Result<(), Error> {
        if self.reactor.is_done() {
            return Err(self.mailbox().verdict());
        }
        self.reactor.turn(limit).map_err(system)?;
        if self.reactor.is_done() {
            self.inbox.end();
        }
        Ok(())
    }

    /// The life of the thread of its own.
    fn run(mut self) {
        while !self.reactor.is_done() {
            if let Err(e) = self.reactor.turn(None) {
                log::error!("the poller failed: {e}");
                return;
            }
        }
    }
}

/// Says good-bye as far as that needs no waiting.
impl Drop for Client {
    fn drop(&mut self) {
        let command = Command::Close {
            waiter: crate::core::Waiter::NONE,
            deadline: clock::now(),
        };
        self.mailbox().post_now(Post::of(command));
        self.reactor.progress(clock::now());
        self.inbox.end();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.mailbox().config.endpoint)
            .field("phase", &self.phase())
            .finish()
    }
}

pub(crate) fn metrics(port: &mut Port<'_>) -> Result<Metrics, Error> {
    let timeout = port.mailbox().config.timeouts.call;
    match port.call(timeout, None, |waiter| Command::Metrics { waiter })? {
        Reply::Metrics(metrics) => Ok(*metrics),
        Reply::Health(_) | Reply::Message { .. } | Reply::Done | Reply::Drained => {
            Err(Error::Closed)
        }
    }
}

pub(crate) fn health(port: &mut Port<'_>) -> Result<Health, Error> {
    let timeout = port.mailbox().config.timeouts.call;
    match port.call(timeout, None, |waiter| Command::Health { waiter })? {
        Reply::Health(health) => Ok(*health),
        Reply::Metrics(_) | Reply::Message { .. } | Reply::Done | Reply::Drained => {
            Err(Error::Closed)
        }
    }
}

pub(crate) fn close(port: &mut Port<'_>) -> Result<(), Error> {
    let timeout = port.mailbox().config.timeouts.close;
    let deadline = clock::after(timeout);
    let call = |waiter| Command::Close { waiter, deadline };
    let closed = match port.call(timeout, None, call) {
        Ok(_) | Err(Error::Closed) => Ok(()),
        Err(e) => Err(e),
    };
    // Whatever became of the session.
    #[cfg(feature = "spill")]
    if let Some(spool) = port.mailbox().spool() {
        return spool.flush(clock::after(timeout)).and(closed);
    }
    closed
}

fn system(source: std::io::Error) -> Error {
    LinkError::Io {
        stage: Stage::Live,
        source: Arc::new(source),
    }
    .into()
}

#[cfg(test)]
mod tests;
