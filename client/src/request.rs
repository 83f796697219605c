//! Requests: a SEND whose reply is awaited.

use std::fmt;

use crate::{
    client::Client,
    core::{Command, Reply},
    error::{Error, Misuse, Stage},
    handle::Handle,
    message::Message,
    port::Port,
    post::Post,
    publish::{Pending, Publish},
};

impl Publish<'_> {
    /// Sends it as a request: with a `reply-to` header, a `correlation-id`, and a
    /// receipt. Returns the reply, the first MESSAGE that comes there with the
    /// same `correlation-id`.
    ///
    /// Where replies come is set up with the client's first request, and again on
    /// every connection that follows; see
    /// [`Dialect::replies`](crate::Dialect). [`timeout`](Self::timeout) is for all
    /// of it. A request whose connection ends before the reply came fails with
    /// [`Error::Lost`], or with [`replay`](Self::replay) leaves again on the next
    /// one with the same `correlation-id`: whoever answers may see it twice.
    ///
    /// # Errors
    /// [`Error::Timeout`] with the stage it was in,
    /// [`Stage::Reply`](crate::Stage::Reply) once it has left; [`Error::Broker`] if
    /// the broker refused the request or the subscription to replies;
    /// [`Misuse::TooManyRequests`]; [`Misuse::Setting`] in a transaction; else as
    /// [`publish`](Self::publish).
    pub fn request(mut self) -> Result<Message, Error> {
        let (request, pending) = self.ask()?;
        let mut reply = PendingReply::new(request, pending);
        let answer = self.wait(&reply.pending);
        reply.settle(answer)
    }

    /// As [`request`](Self::request), and does not wait for the reply: for many
    /// requests in flight at once.
    ///
    /// # Errors
    /// As [`request`](Self::request), but for what only an answer can tell.
    pub fn begin_request(mut self) -> Result<PendingReply, Error> {
        let (request, pending) = self.ask()?;
        Ok(PendingReply::new(request, pending))
    }
}

/// A request whose reply is under way. Dropped it is given up: it does not leave
/// if it has not yet, and its reply is dropped when it comes.
pub struct PendingReply {
    /// The receipt id of its SEND, until the answer is there.
    request: Option<u64>,
    pending: Pending,
}

impl PendingReply {
    fn new(request: u64, pending: Pending) -> Self {
        Self {
            request: Some(request),
            pending,
        }
    }

    /// A reply that has come leaves nothing to forget.
    fn settle(&mut self, answer: Result<Reply, Error>) -> Result<Message, Error> {
        if answer.is_ok() {
            self.request = None;
        }
        message(answer)
    }

    /// Waits for the reply, on a thread other than the one that turns the reactor;
    /// with a [`Client`] call [`Client::recv_reply`].
    ///
    /// # Errors
    /// As [`Publish::request`]; [`Misuse::WouldDeadlock`] on the thread that turns
    /// the reactor, unless the answer is there.
    pub fn wait(mut self) -> Result<Message, Error> {
        let answer = self.pending.answer();
        self.settle(answer)
    }
}

impl Drop for PendingReply {
    fn drop(&mut self) {
        if let Some(request) = self.request {
            let forget = Post::of(Command::Forget { request });
            self.pending.mailbox().post_now(forget);
        }
    }
}

impl fmt::Debug for PendingReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PendingReply(at most {:?})", self.pending.limit())
    }
}

impl Client {
    /// Waits for the reply to a request. Messages that come meanwhile go to the
    /// inbox.
    ///
    /// # Errors
    /// As [`Publish::request`].
    pub fn recv_reply(&mut self, mut pending: PendingReply) -> Result<Message, Error> {
        let (slot, limit) = (pending.pending.slot(), pending.pending.limit());
        let answer = self.wait(slot, limit, Stage::Reply);
        pending.settle(answer)
    }

    /// The reply to a request: a SEND to its `reply-to`, with its `correlation-id`.
    ///
    /// # Errors
    /// [`Misuse::NoReplyTo`] if the message asks for none.
    pub fn reply(&mut self, request: &Message) -> Result<Publish<'_>, Misuse> {
        reply(Port::Client(self), request)
    }
}

impl Handle {
    /// The reply to a request: a SEND to its `reply-to`, with its `correlation-id`.
    ///
    /// # Errors
    /// [`Misuse::NoReplyTo`] if the message asks for none.
    pub fn reply(&self, request: &Message) -> Result<Publish<'_>, Misuse> {
        reply(Port::Handle(self), request)
    }
}

fn reply<'a>(port: Port<'a>, request: &Message) -> Result<Publish<'a>, Misuse> {
    let to = request.header("reply-to").ok_or(Misuse::NoReplyTo)?;
    let publish = Publish::new(port, to.into_owned().into(), None);
    Ok(match request.header("correlation-id") {
        Some(id) => publish.header("correlation-id", id.into_owned()),
        None => publish,
    })
}

fn message(answer: Result<Reply, Error>) -> Result<Message, Error> {
    match answer? {
        Reply::Message { frame } => Ok(Message::new(*frame, None)),
        Reply::Done | Reply::Drained | Reply::Metrics(_) | Reply::Health(_) => Err(Error::Closed),
    }
}
