//! What the broker says.

use std::time::Instant;

use super::{
    Core, Intent, Phase, broker_error,
    io::{Key, Output, Reply},
    operations::{Kind, Operation, ReceiptId, receipt_number},
    replies::{REPLIES, Request},
    subscriptions::State,
};
use crate::{
    error::{AuthError, BrokerError, Error, Misuse, ProtocolError},
    event::Event,
    frame::{Command, Frame, Version},
};

impl Core {
    #[inline(always)]
    pub(super) fn receive(&mut self, now: Instant, frame: Frame) {
        self.metrics.frames_in += 1;
        if frame.command() == Command::Message {
            self.deliver(now, frame);
        } else {
            self.receive_other(now, frame);
        }
    }

    fn receive_other(&mut self, now: Instant, frame: Frame) {
        match frame.command() {
            Command::Receipt => self.receipt(now, receipt_id(&frame)),
            Command::Connected => self.connected_or_rebound(now, &frame),
            Command::Error => self.error(now, frame),
            // Gone its own way.
            Command::Message => {}
            command @ (Command::Connect
            | Command::Stomp
            | Command::Send
            | Command::Subscribe
            | Command::Unsubscribe
            | Command::Ack
            | Command::Nack
            | Command::Begin
            | Command::Commit
            | Command::Abort
            | Command::Disconnect) => self.protocol_failure(
                now,
                ProtocolError::Unexpected {
                    command: command.as_str(),
                    when: "although only clients do",
                },
            ),
        }
    }

    fn connected_or_rebound(&mut self, now: Instant, frame: &Frame) {
        match self.phase {
            Phase::Handshaking => self.connected(now, frame),
            Phase::Suspended if self.reauth.take_answer() => self.rebound(now, Some(frame)),
            // The RECEIPT of the same CONNECT was faster, or there were two.
            Phase::Online if self.reauth.take_answer() => {}
            Phase::Idle
            | Phase::Dialing
            | Phase::Online
            | Phase::Suspended
            | Phase::Waiting
            | Phase::Closing
            | Phase::Closed => self.protocol_failure(
                now,
                ProtocolError::Unexpected {
                    command: "CONNECTED",
                    when: "without a CONNECT to answer",
                },
            ),
        }
    }

    /// MESSAGE (STOMP 1.2 §MESSAGE). One without a known subscription is
    /// counted, never fatal: brokers do send them.
    #[inline(always)]
    fn deliver(&mut self, now: Instant, frame: Frame) {
        if self.phase == Phase::Handshaking {
            return self.comes_too_early(now);
        }
        let route = match self.subscriptions.route(&frame) {
            // 1.0 need not say which subscription it is for.
            None if self.version == Version::V1_0 => self.subscriptions.by_destination(&frame),
            route => route,
        };
        let Some(key) = route else {
            return self.unrouted(frame);
        };
        if key == REPLIES {
            self.replied(frame);
        } else if self.subscriptions.is_duplicate(key, &frame) {
            self.metrics.duplicates += 1;
        } else if self.comes_too_late(key) {
            self.metrics.undelivered += 1;
        } else {
            self.metrics.messages += 1;
            if self.outputs.is_empty() {
                self.deliveries.push_back((key, frame));
            } else {
                self.outputs.push_back(Output::Deliver {
                    key,
                    epoch: self.epoch,
                    frame,
                });
            }
        }
    }

    fn unrouted(&mut self, frame: Frame) {
        if self.is_reply(&frame) {
            self.replied(frame);
        } else {
            self.metrics.unrouted += 1;
        }
    }

    fn comes_too_early(&mut self, now: Instant) {
        let when = "before CONNECTED";
        let command = "MESSAGE";
        self.protocol_failure(now, ProtocolError::Unexpected { command, when });
    }

    /// RECEIPT (STOMP 1.2 §RECEIPT).
    pub(super) fn receipt(&mut self, now: Instant, id: Option<ReceiptId>) {
        let Some((id, operation)) = id.and_then(|id| Some((id, self.operations.remove(id)?)))
        else {
            // CONNECTED was faster than the RECEIPT of the same CONNECT.
            if id.is_none_or(|id| !self.reauth.take_settled(id)) {
                self.metrics.late_receipts += 1;
            }
            return;
        };
        self.suspects.proved = true;
        if let Some(left) = operation.unconfirmed() {
            let took = now.saturating_duration_since(left);
            self.metrics.round_trip.add(took);
        }
        if let Kind::Request(request) = operation.kind {
            let confirmed = true;
            let kind = Kind::Request(Request {
                confirmed,
                ..request
            });
            return self.operations.insert(id, Operation { kind, ..operation });
        }
        self.timers.cancel(operation.timer);
        match operation.kind {
            Kind::Publish(_) | Kind::Request(_) => self.confirm(operation.waiter),
            Kind::Subscribe(key) => self.subscribed(now, key),
            Kind::Unsubscribe(key) => {
                self.forget(key);
                self.reply(operation.waiter, Ok(Reply::Done));
            }
            Kind::Disconnect => self.disconnect_confirmed(now),
            Kind::Rebind => {
                if self.phase == Phase::Suspended && self.reauth.is_asked_with(id) {
                    self.rebound(now, None);
                }
            }
        }
    }

    fn subscribed(&mut self, now: Instant, key: Key) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        if matches!(subscription.state, State::Leaving | State::Quarantined) {
            return;
        }
        let twice = matches!(subscription.state, State::Overdue | State::Asked(2));
        subscription.state = State::Confirmed;
        let again = std::mem::replace(&mut subscription.established, true);
        let waiter = std::mem::replace(&mut subscription.waiter, super::Waiter::NONE);
        let timer = subscription.timer.take();
        subscription.refusals = 0;
        let silent = subscription.silent_since.take();
        let restored = (again && key != REPLIES).then(|| subscription.spec.id.clone());
        self.timers.cancel(timer);
        self.reply(waiter, Ok(Reply::Done));
        if twice {
            for (_, other) in self.operations.take(|o| o.kind == Kind::Subscribe(key)) {
                self.timers.cancel(other.timer);
            }
        }
        if key == REPLIES {
            self.release_requests();
        }
        if let Some(subscription) = restored {
            self.tell(Event::Restored {
                subscription: subscription.clone(),
            });
            if let Some(since) = silent {
                self.metrics.gaps.add(now.saturating_duration_since(since));
                self.outputs.push_back(Output::Gap {
                    subscription,
                    since,
                    until: now,
                });
            }
        }
    }

    /// ERROR (STOMP 1.2 §ERROR): it ends the session. Two exceptions, both by
    /// dialect: 401 with reauthentication, and one that names a subscription.
    fn error(&mut self, now: Instant, frame: Frame) {
        let code = broker_error::code(&frame);
        if code == Some(401) && self.unauthorised(now, &frame) {
            return;
        }
        let subscription = frame.header("subscription").map(|id| id.into_owned());
        let receipt = receipt_id(&frame);
        let error = Error::from(BrokerError::new(code, frame));
        if self.phase == Phase::Handshaking || self.phase == Phase::Suspended {
            self.blame_named(now, receipt, &error);
            return self.refused(now, code, error);
        }
        if self.config.dialect.subscription_errors && receipt.is_none() {
            let named = subscription.and_then(|id| self.subscriptions.by_id(&id));
            if let Some(key) = named {
                return self.subscription_refused(now, key, error);
            }
        }
        if code == Some(409) {
            // It is about the identity, not about any call.
            self.blame_named(now, receipt, &error);
            return self.conflict(now, error);
        }
        self.refused_again = false;
        self.blame(now, receipt, &error);
        // The others are not to wait because one was tried again: its own
        // back-off limits how often.
        let intent = if std::mem::take(&mut self.refused_again) {
            self.metrics.losses.broker += 1;
            Intent::Redial
        } else {
            Intent::Wait(error)
        };
        self.give_up(now, 1000, intent);
    }

    /// CONNECT was answered with an ERROR.
    fn refused(&mut self, now: Instant, code: Option<u16>, error: Error) {
        match code {
            Some(401) if self.wants_token() => {
                let error = AuthError {
                    text: format!(
                        "a token was refused that had been fetched because another was: {error}"
                    ),
                    fatal: true,
                };
                self.give_up(now, 1000, Intent::Fail(error.into()));
            }
            Some(401 | 403) => self.give_up(now, 1000, Intent::Fail(error)),
            Some(409) => self.conflict(now, error),
            Some(_) | None => self.give_up(now, 1000, Intent::Wait(error)),
        }
    }

    /// The identity is connected elsewhere: not an authentication matter. The
    /// socket goes, and the next attempt waits like any other.
    fn conflict(&mut self, now: Instant, error: Error) {
        self.conflicts += 1;
        let count = self.conflicts;
        self.tell(Event::Conflict { count });
        let intent = if count > self.config.conflict_limit {
            Intent::Fail(error)
        } else {
            Intent::Wait(error)
        };
        self.give_up(now, 1008, intent);
    }

    /// Ends the call that an ERROR answers: the one whose receipt-id it
    /// carries, else the only one under way, else all (some brokers never say).
    fn blame(&mut self, now: Instant, receipt: Option<u64>, error: &Error) {
        if receipt.is_some() {
            // If that call is over, the others have nothing to do with it.
            return self.blame_named(now, receipt, error);
        }
        let id = self.operations.only_sent();
        if let Some(operation) = id.and_then(|id| self.operations.remove(id)) {
            return self.failed(now, operation, error.clone());
        }
        for (_, operation) in self.operations.take(|o| o.unconfirmed().is_some()) {
            match operation.kind {
                // Which of several SUBSCRIBEs it was is unknown: those that
                // worked before are asked for again.
                Kind::Subscribe(key) if self.is_established(key) => {
                    self.timers.cancel(operation.timer);
                    self.suspects.cautious = true;
                }
                Kind::Publish(_)
                | Kind::Request(_)
                | Kind::Subscribe(_)
                | Kind::Unsubscribe(_)
                | Kind::Disconnect
                | Kind::Rebind => self.failed(now, operation, error.clone()),
            }
        }
    }

    /// Ends the call whose receipt-id an ERROR carries.
    fn blame_named(&mut self, now: Instant, receipt: Option<u64>, error: &Error) {
        if let Some(operation) = receipt.and_then(|id| self.operations.remove(id)) {
            self.failed(now, operation, error.clone());
        }
    }

    pub(super) fn failed(&mut self, now: Instant, operation: Operation, error: Error) {
        self.timers.cancel(operation.timer);
        match operation.kind {
            Kind::Publish(_) | Kind::Request(_) => self.reply(operation.waiter, Err(error)),
            // Perhaps the first SUBSCRIBE was heard after all, and only the
            // second was one too many: the next connection will tell.
            Kind::Subscribe(key) if self.is_asked_twice(key) => {}
            Kind::Subscribe(key) => self.subscription_refused(now, key, error),
            Kind::Unsubscribe(key) => {
                self.forget(key);
                self.reply(operation.waiter, Err(error));
            }
            Kind::Disconnect | Kind::Rebind => {}
        }
    }

    fn is_established(&self, key: Key) -> bool {
        self.subscriptions.get(key).is_some_and(|s| s.established)
    }

    fn is_asked_twice(&self, key: Key) -> bool {
        let subscription = self.subscriptions.get(key);
        subscription.is_some_and(|s| s.established && s.state == State::Asked(2))
    }

    /// A subscription is over; its queue ends.
    pub(super) fn forget(&mut self, key: Key) {
        if let Some(subscription) = self.subscriptions.remove(key) {
            self.timers.cancel(subscription.timer);
            let gone = Misuse::UnknownSubscription(subscription.spec.id);
            self.reply(subscription.waiter, Err(gone.into()));
            self.ended(key, None);
        }
    }
}

fn receipt_id(frame: &Frame) -> Option<ReceiptId> {
    receipt_number(frame.raw_header(b"receipt-id")?)
}

/// What a message confirms that is one RECEIPT and says nothing else, as they mostly
/// do: nothing in it is left to be looked at.
pub(super) fn plain_receipt(message: &[u8]) -> Option<ReceiptId> {
    let line = message.strip_prefix(b"RECEIPT\nreceipt-id:")?;
    receipt_number(line.strip_suffix(b"\n\n\0")?)
}
