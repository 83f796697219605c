//! The end that leaves nothing behind if it can be helped.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    client::{self, Client},
    clock,
    core::{Command, DrainStep},
    error::{Error, Stage, Undrained},
    handle::Handle,
    message::Message,
    port::{GRACE, Port},
    queue::Popped,
    sink::Outlet,
};

impl Handle {
    /// Ends the client without leaving anything behind: no new messages are
    /// taken (UNSUBSCRIBE, confirmed; what is to be acknowledged stays with the
    /// broker), what the queues hold is waited for until other threads have taken
    /// it, then what was published until it is answered; then
    /// [`close`](Self::close).
    ///
    /// Until its queue is empty a subscription goes on as it was, and its readers
    /// may acknowledge and publish; nothing is subscribed to any more. What is to
    /// be acknowledged is done with when the thread that took it asks for more,
    /// drops the subscription, or makes this call. Without acknowledgements all is
    /// done when all is taken: what a reader publishes for the last message may
    /// then be refused with [`Error::Closed`].
    ///
    /// Nobody is waited for on the calling thread: what it is to read itself, it
    /// should have read, or it is left.
    ///
    /// All of it takes `timeout` at most, and the close `Timeouts::close`.
    ///
    /// # Errors
    /// [`Error::Undrained`] names what was left at the deadline; the client has
    /// been closed all the same. Else as [`close`](Self::close).
    pub fn drain(&self, timeout: Duration) -> Result<(), Error> {
        let deadline = clock::after(timeout);
        let port = &mut Port::Handle(self);
        let mut left = Undrained::default();
        note(&mut left, step(port, DrainStep::Unsubscribe, deadline))?;
        let outlets = self.mailbox().outlets();
        for (n, outlet) in outlets.iter().enumerate() {
            // Those made before the client got its thread share one queue.
            let shares = |other: &&Outlet| Arc::ptr_eq(&outlet.queue, &other.queue);
            if outlets[..n].iter().any(|other| shares(&other)) {
                continue;
            }
            let acknowledges = outlets.iter().filter(shares).any(|o| o.acknowledges);
            match outlet.queue.wait_taken(acknowledges, deadline) {
                0 => {}
                messages => left.messages.push((outlet.id.to_string(), messages)),
            }
        }
        finish(port, left, deadline)
    }
}

impl Client {
    /// Ends the client without leaving anything behind: no new messages are
    /// taken (UNSUBSCRIBE, confirmed; what is to be acknowledged stays with the
    /// broker), `take` gets what has come, then what was published is waited for
    /// until it is answered; then [`close`](Self::close).
    ///
    /// `take` may acknowledge, and publish through a [`Handle`] without a receipt.
    ///
    /// All of it takes `timeout` at most, beside what `take` spends, and the close
    /// `Timeouts::close`.
    ///
    /// # Errors
    /// [`Error::Undrained`] names what was left at the deadline; the client has
    /// been closed all the same, and [`recv`](Self::recv) still gives what is in
    /// the inbox. Else as [`close`](Self::close).
    pub fn drain(&mut self, timeout: Duration, take: impl FnMut(Message)) -> Result<(), Error> {
        let deadline = clock::after(timeout);
        let mut left = Undrained::default();
        note(&mut left, self.hand_out(deadline, take))?;
        match self.inbox().len() {
            0 => {}
            messages => left.messages.push((String::new(), messages)),
        }
        finish(&mut Port::Client(self), left, deadline)
    }

    /// Gives out all that comes until no more will.
    fn hand_out(&mut self, deadline: Instant, mut take: impl FnMut(Message)) -> Result<(), Error> {
        let inbox = self.inbox();
        let slot = self
            .mailbox()
            .ask(deadline, None, |waiter| Command::Drain {
                step: DrainStep::Unsubscribe,
                waiter,
                deadline,
            })?;
        loop {
            while let Popped::Item(message) = inbox.try_pop() {
                take(message);
                self.keep_up()?;
                if deadline <= clock::now() {
                    break;
                }
            }
            // Whatever came before the answer has been taken.
            if let Some(answer) = slot.take() {
                return answer.map(drop);
            }
            if deadline.saturating_duration_since(clock::now()).is_zero() {
                return self.wait(&slot, GRACE, Stage::Receipt).map(drop);
            }
            self.turn_until(Some(deadline))?;
        }
    }
}

fn step(port: &mut Port<'_>, step: DrainStep, deadline: Instant) -> Result<(), Error> {
    let timeout = deadline.saturating_duration_since(clock::now());
    let call = |waiter| Command::Drain {
        step,
        waiter,
        deadline,
    };
    port.call(timeout, None, call).map(drop)
}

/// What publishing has left, and the end.
fn finish(port: &mut Port<'_>, mut left: Undrained, deadline: Instant) -> Result<(), Error> {
    (left.publishes, left.requests, left.frames) = (0, 0, 0);
    note(&mut left, step(port, DrainStep::Settle, deadline))?;
    let closed = client::close(port);
    if left.is_empty() {
        return closed;
    }
    Err(Error::Undrained(Box::new(left)))
}

/// A step that came to the deadline is no reason to leave out those that follow.
fn note(left: &mut Undrained, step: Result<(), Error>) -> Result<(), Error> {
    match step {
        Ok(()) => Ok(()),
        Err(Error::Undrained(more)) => {
            left.subscriptions.extend(more.subscriptions);
            left.publishes = more.publishes;
            left.requests = more.requests;
            left.frames = more.frames;
            Ok(())
        }
        // The step was done, but its news waits behind messages that nobody took.
        Err(Error::Timeout(_)) => Ok(()),
        Err(other) => Err(other),
    }
}
