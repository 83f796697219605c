//! ACK and NACK (STOMP 1.2 §ACK, §NACK).

use std::{sync::Arc, time::Instant};

use bytes::BytesMut;

use crate::{
    core::{Outgoing, TransactionStep, Waiter, transaction_text},
    dialect::Dialect,
    error::{Error, Misuse},
    frame::{Command, Encoder, Frame, Version},
};

/// Takes the acknowledgement of a message.
pub(crate) trait Acknowledger: Send + Sync {
    /// Lets an ACK or NACK leave, if the connection that the message came over
    /// still lives.
    fn acknowledge(
        &self,
        message: &Frame,
        epoch: u64,
        command: Command,
        transaction: Option<u64>,
    ) -> Result<(), Error>;
}

/// Where a message that is to be acknowledged came from; one for all of a connection.
pub(crate) struct Origin {
    pub(crate) acknowledger: Arc<dyn Acknowledger>,
    /// The number of the connection.
    pub(crate) epoch: u64,
}

/// An ACK or NACK as the version of the message's connection has it: `id` in
/// 1.2, `message-id` and `subscription` before.
pub(crate) fn encode(
    message: &Frame,
    epoch: u64,
    command: Command,
    transaction: Option<u64>,
    deadline: Instant,
    dialect: Dialect,
) -> Result<Outgoing, Error> {
    let version = message.version();
    let mut buffer = BytesMut::with_capacity(128);
    let mut frame = Encoder::new(&mut buffer, command, version);
    let header = |name| message.header(name).ok_or(Misuse::NotAcknowledgeable);
    if version == Version::V1_2 {
        frame.header("id", &header("ack")?)?;
    } else {
        frame.header("message-id", &header("message-id")?)?;
    }
    if version != Version::V1_2 || dialect.ack_subscription {
        let subscription = message.header("subscription");
        frame.header("subscription", &subscription.unwrap_or_default())?;
    }
    if let Some(id) = transaction {
        frame.header("transaction", &transaction_text(id))?;
    }
    frame.finish(b"")?;
    let needs = if command == Command::Nack {
        Version::V1_1
    } else {
        Version::V1_0
    };
    Ok(Outgoing {
        octets: buffer.freeze(),
        needs,
        receipt: None,
        waiter: Waiter::NONE,
        deadline,
        replay: false,
        epoch: Some(epoch),
        transaction: transaction.map(|id| (id, TransactionStep::Within)),
        replies: None,
    })
}
