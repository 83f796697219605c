//! A message, as the application sees it.

use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{
    acknowledge::Origin,
    error::{Error, Misuse},
    frame::{self, Frame},
    queue::Item,
};

/// One MESSAGE (STOMP 1.2 §MESSAGE).
///
/// It is a slice of the octets it came in, and headers are unescaped only when
/// they are asked for. To keep it for long, call [`detach`](Self::detach).
#[derive(Clone)]
pub struct Message {
    frame: Frame,
    /// If it is to be acknowledged.
    origin: Option<Arc<Origin>>,
}

impl Message {
    #[inline]
    pub(crate) fn new(frame: Frame, origin: Option<Arc<Origin>>) -> Self {
        Self { frame, origin }
    }

    /// The `destination` header; empty if the broker sent none.
    #[must_use]
    #[inline]
    pub fn destination(&self) -> Cow<'_, str> {
        self.frame.destination().unwrap_or_default()
    }

    /// The `message-id` header; empty if the broker sent none.
    #[must_use]
    #[inline]
    pub fn message_id(&self) -> Cow<'_, str> {
        self.frame.message_id().unwrap_or_default()
    }

    /// The `subscription` header: the id of the subscription it is for.
    #[must_use]
    #[inline]
    pub fn subscription(&self) -> Cow<'_, str> {
        self.frame.subscription().unwrap_or_default()
    }

    /// The first header of this name, unescaped.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.frame.header(name)
    }

    /// All headers in the order in which they stand, repeats included.
    #[must_use]
    pub fn headers(&self) -> frame::Headers<'_> {
        self.frame.headers()
    }

    /// The body.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &[u8] {
        self.frame.body()
    }

    /// The body, shared instead of copied.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.frame.body_bytes()
    }

    /// The body as text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub fn text(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(self.body())
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// If it is not JSON, or not of this shape; the error says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.body())
    }

    /// The whole frame.
    #[must_use]
    #[inline]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Copies the message out of the block that it was read into, which may be
    /// much larger and is freed only with its last message.
    pub fn detach(&mut self) {
        self.frame.detach();
    }

    /// Acknowledges: this message, or with [`AckMode::Client`](crate::AckMode)
    /// all up to it. Leaves with the next turn of the reactor; nothing is awaited.
    ///
    /// # Errors
    /// [`Misuse::NotAcknowledgeable`] if the subscription acknowledges
    /// automatically, [`Misuse::StaleDelivery`] if the connection it came over
    /// has ended (the broker delivers it again), [`Error::Closed`] after the end.
    pub fn ack(&self) -> Result<(), Error> {
        self.acknowledge(frame::Command::Ack)
    }

    /// Refuses: the broker may deliver it again, or to somebody else.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn nack(&self) -> Result<(), Error> {
        self.acknowledge(frame::Command::Nack)
    }

    fn acknowledge(&self, command: frame::Command) -> Result<(), Error> {
        self.acknowledge_within(command, None)
    }

    pub(crate) fn acknowledge_within(
        &self,
        command: frame::Command,
        transaction: Option<u64>,
    ) -> Result<(), Error> {
        let origin = self.origin.as_ref().ok_or(Misuse::NotAcknowledgeable)?;
        origin
            .acknowledger
            .acknowledge(&self.frame, origin.epoch, command, transaction)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.frame.fmt(f)
    }
}

impl Item for Message {
    #[inline]
    fn size(&self) -> usize {
        self.frame.len()
    }

    fn key(&self, header: &str) -> Option<Box<[u8]>> {
        self.frame.raw_header(header.as_bytes()).map(Into::into)
    }

    fn detach(&mut self) {
        self.frame.detach();
    }
}
