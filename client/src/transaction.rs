//! Transactions (STOMP 1.2 §BEGIN, §COMMIT, §ABORT).

use std::borrow::Cow;

use bytes::BytesMut;

use crate::{
    clock,
    core::{Command, Outgoing, TransactionStep, Waiter, receipt_headers, transaction_text},
    error::Error,
    frame::{self, EncodeError, Encoder, Version},
    message::Message,
    port::Port,
    publish::Publish,
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
        let begin = encode(&port, frame::Command::Begin, id, step, false)?;
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
        let outgoing = encode(&self.port, command, self.id, step, true)?;
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
        let aborted = encode(&self.port, command, id, step, false)
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

/// BEGIN, COMMIT or ABORT.
fn encode(
    port: &Port<'_>,
    command: frame::Command,
    id: u64,
    step: TransactionStep,
    receipt: bool,
) -> Result<Outgoing, EncodeError> {
    let mailbox = port.mailbox();
    let receipt = receipt.then(|| mailbox.number());
    let mut buffer = BytesMut::with_capacity(64);
    let mut frame = Encoder::new(&mut buffer, command, Version::V1_2);
    frame.header("transaction", &transaction_text(id))?;
    if let Some(id) = receipt {
        receipt_headers(&mut frame, mailbox.config.dialect, id);
    }
    frame.finish(b"")?;
    Ok(Outgoing {
        octets: buffer.freeze(),
        needs: Version::V1_0,
        receipt,
        waiter: Waiter::NONE,
        deadline: clock::after(mailbox.config.timeouts.call),
        replay: false,
        epoch: None,
        transaction: Some((id, step)),
        replies: None,
    })
}
