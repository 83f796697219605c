//! What is awaited of a frame that was handed over.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock, core::Reply, error::Error, handle::User, mailbox::Mailbox, port::GRACE, slot::Slot,
};

/// A frame whose RECEIPT is under way.
pub struct Pending {
    slot: Arc<Slot>,
    timeout: Duration,
    user: Arc<User>,
}

impl Pending {
    pub(super) fn new(slot: Arc<Slot>, timeout: Duration, user: Arc<User>) -> Self {
        Self {
            slot,
            timeout,
            user,
        }
    }

    /// Waits for the RECEIPT, on a thread other than the one that turns the
    /// reactor; with a [`Client`](crate::Client) call
    /// [`Client::confirm`](crate::Client::confirm).
    ///
    /// # Errors
    /// As [`Publish::publish`](super::Publish::publish);
    /// [`Misuse::WouldDeadlock`](crate::error::Misuse::WouldDeadlock) on the thread that
    /// turns the reactor, unless the answer is there.
    pub fn wait(self) -> Result<(), Error> {
        self.answer().map(drop)
    }

    pub(crate) fn answer(&self) -> Result<Reply, Error> {
        if let Some(answer) = self.slot.take() {
            return answer;
        }
        self.mailbox().check_thread()?;
        self.slot.wait(clock::after(self.limit()))
    }

    /// How long the answer may take to come.
    pub(crate) fn limit(&self) -> Duration {
        self.timeout.saturating_add(GRACE)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn mailbox(&self) -> &Mailbox {
        self.user.mailbox()
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

/// An answer that nobody took does not wait for the slot's next call.
impl Drop for Pending {
    fn drop(&mut self) {
        self.slot.take();
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending(at most {:?})", self.timeout)
    }
}
