//! Messages for the thread that drives the client.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::Client;
use crate::{
    clock,
    error::Error,
    message::Message,
    queue::{Popped, Queue},
};

impl Client {
    /// Waits for the next message of any subscription.
    ///
    /// # Errors
    /// Once the client has ended, and what it had received is taken, what ended
    /// it; [`Error::Closed`] if that was [`close`](Self::close). A connection
    /// that is lost and made again is no end.
    #[inline]
    pub fn recv(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(message) = self.recv_until(None, Queue::try_pop)? {
                return Ok(message);
            }
        }
    }

    /// Waits for the next message of any subscription, at most so long; `None`
    /// if none came.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>, Error> {
        self.recv_until(Some(clock::after(timeout)), Queue::try_pop)
    }

    /// The next message if one is there, after one turn that does not wait.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Option<Message>, Error> {
        self.try_take(Queue::try_pop)
    }

    /// Waits for messages of any subscription, and takes all that are there: they
    /// stand behind what was in `messages`, oldest first. Returns how many they are,
    /// at least one.
    ///
    /// To take those of a storm together costs less than to [`recv`](Self::recv) each
    /// of them, and least if the last ones were taken out of `messages` before: its
    /// memory is the inbox's then, unless that has no use for so much, and the other way
    /// around. What has been taken is the caller's; it counts for no bound any more, and
    /// there may be as much of it as [`Limits::queue`](crate::config::Limits) lets in.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), hobnail::Error> {
    /// # let mut client = hobnail::Client::builder("ws://broker.test/").connect()?;
    /// let mut messages = std::collections::VecDeque::new();
    /// loop {
    ///     client.recv_many(&mut messages)?;
    ///     for message in messages.drain(..) {
    ///         println!("{}: {} octets", message.destination(), message.body().len());
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// The client does not turn while the caller looks at them: who takes his time
    /// for each takes one after the other.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_many(&mut self, messages: &mut VecDeque<Message>) -> Result<usize, Error> {
        loop {
            match self.recv_many_until(None, messages)? {
                0 => {}
                count => return Ok(count),
            }
        }
    }

    /// As [`recv_many`](Self::recv_many), but waits at most so long; 0 if none came.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_many_timeout(
        &mut self,
        messages: &mut VecDeque<Message>,
        timeout: Duration,
    ) -> Result<usize, Error> {
        self.recv_many_until(Some(clock::after(timeout)), messages)
    }

    /// As [`recv_many`](Self::recv_many), of what is there after one turn that does
    /// not wait; 0 if there is none.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn try_recv_many(&mut self, messages: &mut VecDeque<Message>) -> Result<usize, Error> {
        let count = self.try_take(|inbox| inbox.try_pop_all(messages))?;
        Ok(self.took(count))
    }

    fn recv_many_until(
        &mut self,
        deadline: Option<Instant>,
        messages: &mut VecDeque<Message>,
    ) -> Result<usize, Error> {
        let count = self.recv_until(deadline, |inbox| inbox.try_pop_all(messages))?;
        Ok(self.took(count))
    }

    /// Whoever takes many may look at them for long.
    fn took(&mut self, count: Option<usize>) -> usize {
        let count = count.unwrap_or(0);
        let many = u32::try_from(count).unwrap_or(u32::MAX);
        self.unclocked.0 = self.unclocked.0.saturating_sub(many);
        count
    }

    fn try_take<T>(
        &mut self,
        mut take: impl FnMut(&Queue<Message>) -> Popped<T>,
    ) -> Result<Option<T>, Error> {
        self.keep_up()?;
        if let Popped::Item(taken) = take(&self.inbox) {
            return Ok(Some(taken));
        }
        self.turn(Duration::ZERO)?;
        match take(&self.inbox) {
            Popped::Item(taken) => Ok(Some(taken)),
            Popped::Empty | Popped::Ended => Ok(None),
        }
    }

    fn recv_until<T>(
        &mut self,
        deadline: Option<Instant>,
        mut take: impl FnMut(&Queue<Message>) -> Popped<T>,
    ) -> Result<Option<T>, Error> {
        loop {
            self.keep_up()?;
            if let Popped::Item(taken) = take(&self.inbox) {
                return Ok(Some(taken));
            }
            let is_live = !self.reactor.is_done();
            if is_live && deadline.is_some_and(|at| at <= clock::now()) {
                return Ok(None);
            }
            self.turn_until(deadline)?;
        }
    }

    /// A caller that finds its messages in the inbox must not starve the
    /// session: heart-beats and acknowledgements leave all the same.
    ///
    /// While it is quick, the clock need not be read for every message.
    #[inline]
    pub(crate) fn keep_up(&mut self) -> Result<(), Error> {
        if self.unclocked.0 > 0 {
            self.unclocked.0 -= 1;
            return Ok(());
        }
        self.turn_if_overdue()
    }

    fn turn_if_overdue(&mut self) -> Result<(), Error> {
        let overdue = self.reactor.is_overdue();
        let next = if overdue {
            0
        } else {
            (self.unclocked.1 + 1).min(UNCLOCKED)
        };
        self.unclocked = (next, next);
        if overdue && !self.reactor.is_done() {
            self.turn(Duration::ZERO)?;
        }
        Ok(())
    }
}

/// Messages that a caller who was quick so far may take without a look at the clock.
const UNCLOCKED: u32 = 8;
