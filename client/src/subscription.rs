//! Subscriptions: made by a builder, read like a channel.

mod request;

pub use request::SubscribeRequest;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    clock,
    core::{Command, Key},
    error::Error,
    handle::Handle,
    message::Message,
    port::Port,
    post::Post,
    queue::{Popped, Queue},
};

pub(crate) struct Established {
    pub(crate) key: Key,
    pub(crate) id: Arc<str>,
    pub(crate) queue: Arc<Queue<Message>>,
    pub(crate) owned: bool,
    /// Why it ended, if that was not asked for.
    pub(crate) fate: Arc<OnceLock<Error>>,
}

impl Established {
    /// Nobody reads its queue any more: the reactor must not wait for room in it.
    fn abandon(&self, for_good: bool) {
        if self.owned {
            self.queue.abandon(for_good);
        }
    }

    fn verdict(&self) -> Error {
        self.fate.get().cloned().unwrap_or(Error::Closed)
    }
}

/// Messages of one destination, as the broker sends them. Iterating blocks
/// until the next, and ends when the client ends or the subscription does.
///
/// It survives lost connections: the client subscribes again by itself. Dropped
/// it unsubscribes, without waiting. While it lives, so does a client that was
/// [spawned](crate::Client::spawn).
///
/// One that a [`Client`](crate::Client) made shares that client's inbox; its
/// messages come out of [`Client::recv`](crate::Client::recv), too.
#[must_use = "a subscription that is dropped unsubscribes"]
pub struct Subscription {
    made: Established,
    handle: Handle,
}

impl Subscription {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.made.id
    }

    /// How many messages wait in its queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.made.queue.len()
    }

    /// Whether no message waits in its queue.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// Once there will be none any more, what ended the subscription: the
    /// broker's ERROR if it cancelled this one, else what ended the client;
    /// [`Error::Closed`] if that was asked for. On the thread that turns the reactor,
    /// [`Misuse::WouldDeadlock`](crate::error::Misuse::WouldDeadlock).
    pub fn recv(&self) -> Result<Message, Error> {
        if let Some(message) = self.try_recv()? {
            return Ok(message);
        }
        self.handle.check_thread()?;
        match self.made.queue.pop(None) {
            Popped::Item(message) => Ok(message),
            Popped::Empty | Popped::Ended => Err(self.made.verdict()),
        }
    }

    /// Waits for the next message, at most so long; `None` if none came.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<Message>, Error> {
        if let Some(message) = self.try_recv()? {
            return Ok(Some(message));
        }
        self.handle.check_thread()?;
        match self.made.queue.pop(Some(clock::after(timeout))) {
            Popped::Item(message) => Ok(Some(message)),
            Popped::Empty => Ok(None),
            Popped::Ended => Err(self.made.verdict()),
        }
    }

    /// The next message if one is there.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), but it never waits.
    pub fn try_recv(&self) -> Result<Option<Message>, Error> {
        match self.made.queue.try_pop() {
            Popped::Item(message) => Ok(Some(message)),
            Popped::Empty => Ok(None),
            Popped::Ended => Err(self.made.verdict()),
        }
    }

    /// Waits for messages, and takes all that are there: they stand behind what was in
    /// `messages`, oldest first. Returns how many they are, at least one.
    ///
    /// To take those of a storm together costs less than to [`recv`](Self::recv) each
    /// of them, and least if the last ones were taken out of `messages` before: its
    /// memory is the queue's then, unless that has no use for so much, and the other way
    /// around. What has been taken is the caller's; it counts for no bound any more, other
    /// readers do not get it, and there may be as much of it as the queue holds.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), hobnail::Error> {
    /// # let client = hobnail::Client::builder("ws://broker.test/").connect()?.spawn()?;
    /// let calls = client.subscribe("/topic/calls")?;
    /// let mut messages = std::collections::VecDeque::new();
    /// loop {
    ///     calls.recv_many(&mut messages)?;
    ///     for message in messages.drain(..) {
    ///         println!("{} octets", message.body().len());
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_many(&self, messages: &mut VecDeque<Message>) -> Result<usize, Error> {
        let count = self.try_recv_many(messages)?;
        if count > 0 {
            return Ok(count);
        }
        self.handle.check_thread()?;
        match self.made.queue.pop_all(messages, None) {
            Popped::Item(count) => Ok(count),
            Popped::Empty | Popped::Ended => Err(self.made.verdict()),
        }
    }

    /// As [`recv_many`](Self::recv_many), but waits at most so long; 0 if none came.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_many_timeout(
        &self,
        messages: &mut VecDeque<Message>,
        timeout: Duration,
    ) -> Result<usize, Error> {
        let count = self.try_recv_many(messages)?;
        if count > 0 {
            return Ok(count);
        }
        self.handle.check_thread()?;
        let deadline = Some(clock::after(timeout));
        match self.made.queue.pop_all(messages, deadline) {
            Popped::Item(count) => Ok(count),
            Popped::Empty => Ok(0),
            Popped::Ended => Err(self.made.verdict()),
        }
    }

    /// As [`recv_many`](Self::recv_many), but never waits; 0 if none is there.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv_many(&self, messages: &mut VecDeque<Message>) -> Result<usize, Error> {
        match self.made.queue.try_pop_all(messages) {
            Popped::Item(count) => Ok(count),
            Popped::Empty => Ok(0),
            Popped::Ended => Err(self.made.verdict()),
        }
    }

    /// Ends the subscription; returns when the broker has confirmed. What it has
    /// not handed out is dropped, on disk, too; to keep that, drop the subscription.
    ///
    /// # Errors
    /// [`Error::Broker`], [`Error::Timeout`], [`Error::Closed`]. The
    /// subscription is gone in any case.
    pub fn unsubscribe(self) -> Result<(), Error> {
        self.unsubscribe_with(&[])
    }

    /// As [`unsubscribe`](Self::unsubscribe), with more headers (some brokers
    /// want `durable:true` to forget a durable subscription).
    ///
    /// # Errors
    /// As [`unsubscribe`](Self::unsubscribe).
    pub fn unsubscribe_with(self, headers: &[(&str, &str)]) -> Result<(), Error> {
        self.made.abandon(true);
        let mut port = Port::Handle(&self.handle);
        end(&mut port, self.made.key, headers)
    }
}

/// UNSUBSCRIBE, confirmed.
pub(crate) fn end(port: &mut Port<'_>, key: Key, headers: &[(&str, &str)]) -> Result<(), Error> {
    let timeout = port.mailbox().config.timeouts.call;
    let deadline = clock::after(timeout);
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let call = |waiter| Command::Unsubscribe {
        key,
        headers,
        waiter,
        deadline,
    };
    port.call(timeout, None, call).map(drop)
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.made.abandon(false);
        let mailbox = self.handle.mailbox();
        // After unsubscribe() this finds nothing to do.
        mailbox.post_now(Post::of(Command::Unsubscribe {
            key: self.made.key,
            headers: Vec::new(),
            waiter: crate::core::Waiter::NONE,
            deadline: clock::after(mailbox.config.timeouts.call),
        }));
    }
}

impl Iterator for Subscription {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.recv().ok()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({:?})", self.id())
    }
}
