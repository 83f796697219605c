//! Requests, and the replies to them: MESSAGEs that are told apart by their
//! `correlation-id`. All requests of a client share one destination for replies,
//! which is subscribed to when the first of them is to leave, and again on every
//! connection that follows.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Core,
    io::{AckMode, Key, Outgoing, Reply, Subscribe, Waiter},
    operations::{Kind, Operation, Replayed},
    outbox::Entry,
    subscriptions::{State, Subscription},
};
use crate::{
    config::Config,
    dialect::ReplyQueue,
    error::{Error, Misuse},
    frame::Frame,
};

/// The subscription to replies; the application's begin with 1.
pub(super) const REPLIES: Key = Key(0);

/// Where the replies to a client's requests come.
#[derive(Debug, PartialEq, Eq)]
pub struct Replies {
    /// What no other client has: the beginning of every `correlation-id`, and the
    /// `id` of the subscription.
    pub name: String,
    /// The `reply-to` header.
    pub destination: String,
    /// Whether it is to be subscribed to. Else the broker does that by itself, by
    /// an id like the destination.
    pub subscribed: bool,
}

impl Replies {
    /// For a client whose `name` no other has.
    pub(crate) fn new(config: &Config, name: String) -> Self {
        let (destination, subscribed) = match (&config.reply_to, config.dialect.replies) {
            (Some(given), _) => (given.clone(), true),
            (None, ReplyQueue::Subscribed(prefix)) => (format!("{prefix}{name}"), true),
            (None, ReplyQueue::Implied(prefix)) => (format!("{prefix}{name}"), false),
        };
        Self {
            name,
            destination,
            subscribed,
        }
    }

    /// The `correlation-id` of a request.
    pub(crate) fn correlation(&self, id: u64) -> String {
        format!("{}-{id}", self.name)
    }

    /// Which request a MESSAGE answers.
    fn request(&self, reply: &Frame) -> Option<u64> {
        let correlation = reply.header("correlation-id")?;
        let id = correlation.strip_prefix(&*self.name)?.strip_prefix('-')?;
        id.parse().ok()
    }
}

/// What is to be known of a request while it waits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Its octets, if it is to leave again after a loss.
    pub(super) replayed: Option<Box<Replayed>>,
    /// Its RECEIPT came on the present connection.
    pub(super) confirmed: bool,
}

/// The state that all requests share.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Where replies come; nobody has asked for any before that is known.
    to: Option<Arc<Replies>>,
    /// Requests that wait until the destination of replies is subscribed to.
    held: VecDeque<Outgoing>,
    octets: usize,
}

impl Requests {
    /// Octets that wait.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    fn hold(&mut self, outgoing: Outgoing) {
        self.octets += outgoing.octets.len();
        self.held.push_back(outgoing);
    }

    /// The last that waits.
    fn pop(&mut self) -> Option<Outgoing> {
        let outgoing = self.held.pop_back()?;
        self.octets -= outgoing.octets.len();
        Some(outgoing)
    }

    pub(super) fn remove(&mut self, id: u64) {
        let octets = &mut self.octets;
        self.held.retain(|outgoing| {
            let stays = outgoing.receipt != Some(id);
            if !stays {
                *octets -= outgoing.octets.len();
            }
            stays
        });
    }
}

impl Core {
    /// Why no other request may be made.
    pub(super) fn request_fault(&self, outgoing: &Outgoing) -> Option<Misuse> {
        let limit = self.config.limits.requests;
        let full = outgoing.replies.is_some() && self.operations.requests() >= limit;
        full.then_some(Misuse::TooManyRequests(limit))
    }

    /// Keeps a request back whose reply could not be received yet.
    pub(super) fn hold_request(&mut self, outgoing: Outgoing) -> Option<Outgoing> {
        let Some(to) = &outgoing.replies else {
            return Some(outgoing);
        };
        self.requests.to.get_or_insert_with(|| Arc::clone(to));
        let to = Arc::clone(to);
        match self.subscriptions.get(REPLIES) {
            _ if !to.subscribed => return Some(outgoing),
            Some(subscription) if subscription.state == State::Confirmed => return Some(outgoing),
            Some(_) => {}
            None => self.subscribe_to_replies(&to),
        }
        self.requests.hold(outgoing);
        None
    }

    fn subscribe_to_replies(&mut self, to: &Replies) {
        let spec = Subscribe {
            key: REPLIES,
            id: to.name.clone(),
            destination: to.destination.clone(),
            ack: AckMode::Auto,
            headers: Vec::new(),
            fresh: None,
            dedupe: None,
        };
        let added = self
            .subscriptions
            .insert(Subscription::new(spec, Waiter::NONE, None));
        // Before the requests that wait for it.
        if added.is_ok() {
            self.outbox.push_front(Entry::Subscribe(REPLIES));
        }
    }

    /// Replies can be received: the requests that waited for that go before all else.
    pub(super) fn release_requests(&mut self) {
        while let Some(outgoing) = self.requests.pop() {
            self.outbox.push_front(Entry::Frame(outgoing));
        }
    }

    /// Replies cannot be had.
    pub(super) fn fail_requests(&mut self, error: &Error) {
        self.requests.octets = 0;
        for outgoing in std::mem::take(&mut self.requests.held) {
            let id = outgoing.receipt.unwrap_or_default();
            if let Some(operation) = self.operations.remove(id) {
                self.timers.cancel(operation.timer);
                self.reply(operation.waiter, Err(error.clone()));
            }
        }
    }

    /// Whether a MESSAGE comes over the subscription that the broker made by itself.
    pub(super) fn is_reply(&self, message: &Frame) -> bool {
        let is_it = |to: &&Arc<Replies>| {
            let id = message.header("subscription");
            !to.subscribed && id.as_deref() == Some(&*to.destination)
        };
        self.requests.to.as_ref().filter(is_it).is_some()
    }

    /// A reply. One whose request is over, or that nobody asked for, is dropped.
    pub(super) fn replied(&mut self, frame: Frame) {
        let to = self.requests.to.as_ref();
        let id = to.and_then(|to| to.request(&frame));
        let id = id.filter(|id| self.operations.get(*id).is_some_and(Operation::asks));
        let Some(id) = id else {
            self.metrics.late_replies += 1;
            return;
        };
        self.metrics.replies += 1;
        let frame = Box::new(frame);
        let reply = Reply::Message { frame };
        self.end_request(id, Ok(reply));
    }

    /// Nobody waits for the reply any more.
    pub(super) fn forget_request(&mut self, id: u64) {
        if self.operations.get(id).is_some_and(Operation::asks) {
            self.end_request(id, Err(Error::Closed));
        }
    }

    /// The request is over, whatever becomes of its RECEIPT.
    fn end_request(&mut self, id: u64, result: Result<Reply, Error>) {
        self.requests.remove(id);
        let Some(operation) = self.operations.remove(id) else {
            return;
        };
        self.reply(operation.waiter, result);
        let confirmed = matches!(&operation.kind, Kind::Request(r) if r.confirmed);
        if confirmed || operation.sent.is_none() {
            self.timers.cancel(operation.timer);
        } else {
            let kind = Kind::Publish(None);
            let waiter = Waiter::NONE;
            let rest = Operation {
                kind,
                waiter,
                ..operation
            };
            self.operations.insert(id, rest);
        }
    }
}
