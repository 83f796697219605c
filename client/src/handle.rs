//! The client as other threads see it.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use crate::{
    client, clock,
    core::{Command, Waiter},
    error::{Error, Misuse},
    event::Event,
    health::Health,
    mailbox::Mailbox,
    metrics::Metrics,
    port::Port,
    post::Post,
    publish::Publish,
    queue::{Popped, Queue},
    subscription::{SubscribeRequest, Subscription},
    transaction::Transaction,
};

/// A client whose reactor another thread turns. Cheap to clone; any thread may
/// use it. Every blocking call has a deadline; if the reactor itself is held up
/// and does not answer by then, the call ends one second later all the same.
///
/// A client that was [spawned](crate::Client::spawn) ends with the last of its
/// handles, [`Subscription`]s and [`Pending`](crate::Pending)s: in order, but
/// nobody waits for it. To wait, call [`close`](Self::close). [`Events`] and
/// messages keep nothing alive.
#[derive(Clone)]
pub struct Handle {
    user: Arc<User>,
    events: Arc<Queue<Event>>,
}

/// Somebody who may still want something of a client. With the last one the
/// client ends.
pub(crate) struct User {
    mailbox: Arc<Mailbox>,
}

impl User {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Arc<Self> {
        Arc::new(Self { mailbox })
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }
}

/// Asks for the end, and never waits for it.
impl Drop for User {
    fn drop(&mut self) {
        self.mailbox.post_now(Post::of(Command::Close {
            waiter: Waiter::NONE,
            deadline: clock::after(self.mailbox.config.timeouts.close),
        }));
    }
}

impl Handle {
    pub(crate) fn new(user: Arc<User>, events: Arc<Queue<Event>>) -> Self {
        Self { user, events }
    }

    /// A SEND to a destination; [`Publish::publish`] lets it leave.
    pub fn send<'a>(&'a self, destination: impl Into<Cow<'a, str>>) -> Publish<'a> {
        Publish::new(Port::Handle(self), destination.into(), None)
    }

    /// Subscribes to a destination with the defaults.
    ///
    /// # Errors
    /// As [`SubscribeRequest::subscribe`].
    pub fn subscribe<'a>(
        &'a self,
        destination: impl Into<Cow<'a, str>>,
    ) -> Result<Subscription, Error> {
        self.subscription(destination).subscribe()
    }

    /// A SUBSCRIBE to a destination, with settings.
    pub fn subscription<'a>(
        &'a self,
        destination: impl Into<Cow<'a, str>>,
    ) -> SubscribeRequest<'a> {
        SubscribeRequest::new(Port::Handle(self), destination.into())
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`Error::Closed`] after the end, [`Error::Timeout`] if the outbox is full.
    pub fn transaction(&self) -> Result<Transaction<'_>, Error> {
        Transaction::begin(Port::Handle(self))
    }

    /// What happens to the client. All handles read from one queue: an event
    /// goes to the first that takes it.
    #[must_use]
    pub fn events(&self) -> Events {
        Events {
            queue: Arc::clone(&self.events),
            mailbox: Arc::clone(self.mailbox()),
        }
    }

    /// The counters.
    ///
    /// # Errors
    /// [`Error::Closed`] after the end.
    pub fn metrics(&self) -> Result<Metrics, Error> {
        client::metrics(&mut Port::Handle(self))
    }

    /// How the client stands: whether it is connected, and what holds it up if
    /// it is.
    ///
    /// # Errors
    /// [`Error::Closed`] after the end.
    pub fn health(&self) -> Result<Health, Error> {
        client::health(&mut Port::Handle(self))
    }

    /// What lies on disk, by subscription: of those that exist now, what has been
    /// written and not been removed yet.
    ///
    /// # Errors
    /// [`Error::Spool`] if the disk fails; [`Error::Misuse`] without a spool.
    #[cfg(feature = "spill")]
    pub fn spooled(&self) -> Result<Vec<crate::spool::Spooled>, Error> {
        let (spool, deadline) = self.spool()?;
        spool.list(deadline)
    }

    /// Forgets what lies on disk for a subscription that does not exist now.
    ///
    /// # Errors
    /// [`Misuse::DuplicateSubscription`] if it exists, [`Error::Spool`] if the
    /// disk fails, [`Error::Misuse`] without a spool.
    #[cfg(feature = "spill")]
    pub fn forget_spooled(&self, id: &str) -> Result<(), Error> {
        let (spool, deadline) = self.spool()?;
        spool.forget(id, deadline)
    }

    #[cfg(feature = "spill")]
    fn spool(&self) -> Result<(&crate::spool::Spool, std::time::Instant), Error> {
        self.check_thread()?;
        let spool = self.mailbox().spool();
        let spool = spool.ok_or(Misuse::Setting("there is no spool"))?;
        let timeout = self.mailbox().config.timeouts.call;
        Ok((spool, clock::after(timeout)))
    }

    /// As [`Client::close`](crate::Client::close); returns when it is done.
    ///
    /// # Errors
    /// As [`Client::close`](crate::Client::close).
    pub fn close(&self) -> Result<(), Error> {
        client::close(&mut Port::Handle(self))
    }

    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        self.user.mailbox()
    }

    pub(crate) fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// A call that waits for the reactor must not be made by the thread that
    /// turns it.
    pub(crate) fn check_thread(&self) -> Result<(), Misuse> {
        self.mailbox().check_thread()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.mailbox().config.endpoint)
    }
}

/// What happens to a client. Iterating blocks until the next, and ends with the
/// client. At most 1,024 wait; older ones are dropped. On the thread that turns
/// the reactor nothing is waited for: there, no event means that none is there.
pub struct Events {
    queue: Arc<Queue<Event>>,
    mailbox: Arc<Mailbox>,
}

impl Events {
    /// The next event if one is there.
    #[must_use]
    pub fn try_recv(&self) -> Option<Event> {
        item(self.queue.try_pop())
    }

    /// Waits for the next event, at most so long.
    #[must_use]
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        if self.mailbox.check_thread().is_err() {
            return self.try_recv();
        }
        item(self.queue.pop(Some(clock::after(timeout))))
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.mailbox.check_thread().is_err() {
            return self.try_recv();
        }
        item(self.queue.pop(None))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} waiting)", self.queue.len())
    }
}

fn item(popped: Popped<Event>) -> Option<Event> {
    match popped {
        Popped::Item(event) => Some(event),
        Popped::Empty | Popped::Ended => None,
    }
}
