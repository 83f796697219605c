//! Transactions (STOMP 1.2 §BEGIN, §COMMIT, §ABORT).

use std::borrow::Cow;

use crate::{
    clock,
    core::{Command, Outgoing, TransactionStep},
    error::Error,
    frame,
    message::Message,
    port::Port,
    publish::{Publish, encode_transaction},
};

/// Frames that take effect together, or not at all. Dropped without
/// [`commit`](Self::commit) it is aborted. It ends with the connection it was
/// begun on: its later frames and the commit fail with [`Error::Lost`].
#[derive(Debug)]
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction<'a> {
    port: Port<'a>,
    id: u64,
    ended: bool,
}

impl<'a> Transaction<'a> {
    pub(crate) fn begin(mut port: Port<'a>) -> Result<Self, Error> {
        let id = port.mailbox().transaction();
        let step = TransactionStep::Begin;
        let begin = encode_transaction(&port, frame::Command::Begin, id, step, false)?;
        port.post(clock::now(), begin.deadline, Command::Publish(begin), false)?;
        Ok(Self {
            port,
            id,
            ended: false,
        })
    }

    /// Publishes within the transaction.
    pub fn send<'b>(&'b mut self, destination: impl Into<Cow<'b, str>>) -> Publish<'b> {
        Publish::new(self.port.reborrow(), destination.into(), Some(self.id))
    }

    /// Acknowledges within the transaction.
    ///
    /// # Errors
    /// As [`Message::ack`].
    pub fn ack(&mut self, message: &Message) -> Result<(), Error> {
        message.acknowledge_within(frame::Command::Ack, Some(self.id))
    }

    /// Refuses a message within the transaction.
    ///
    /// # Errors
    /// As [`Message::nack`].
    pub fn nack(&mut self, message: &Message) -> Result<(), Error> {
        message.acknowledge_within(frame::Command::Nack, Some(self.id))
    }

    /// Makes all of it happen; returns when the broker has confirmed.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection ended meanwhile: before the COMMIT left
    /// nothing has happened, after it that is unknown. Else as [`Publish::publish`].
    pub fn commit(self) -> Result<(), Error> {
        self.end(frame::Command::Commit)
    }

    /// Makes none of it happen; returns when the broker has confirmed.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn abort(self) -> Result<(), Error> {
        self.end(frame::Command::Abort)
    }

    fn end(mut self, command: frame::Command) -> Result<(), Error> {
        self.ended = true;
        let timeout = self.port.mailbox().config.timeouts.call;
        let step = TransactionStep::End;
        let outgoing = encode_transaction(&self.port, command, self.id, step, true)?;
        let call = |waiter| Command::Publish(Outgoing { waiter, ..outgoing });
        self.port.call(timeout, None, call).map(drop)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let step = TransactionStep::End;
        let (id, command) = (self.id, frame::Command::Abort);
        let aborted = encode_transaction(&self.port, command, id, step, false)
            .map_err(Error::from)
            .and_then(|abort| {
                let deadline = abort.deadline;
                let abort = Command::Publish(abort);
                self.port.post(clock::now(), deadline, abort, false)
            });
        if let Err(e) = aborted {
            log::debug!("a transaction could not be aborted: {e}");
        }
    }
}
