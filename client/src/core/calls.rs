//! What the application asks for.

use std::time::{Duration, Instant};

use super::{
    Core, Phase, Waiter,
    io::{Command, Key, Outgoing, Reply, Subscribe, TransactionStep},
    operations::{Kind, Operation, Replayed},
    outbox::Entry,
    replies::Request,
    subscriptions::{State, Subscription},
    timers::{Once, Timer},
};
use crate::error::{Error, Misuse, Stage};

/// A full outbox is not searched more often than this.
const BETWEEN_SWEEPS: Duration = Duration::from_millis(100);

impl Core {
    pub(super) fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Connect { waiter } => self.connect(now, waiter),
            Command::Publish(outgoing) => self.publish(now, outgoing),
            Command::Forget { request } => self.forget_request(request),
            Command::Subscribe {
                subscribe,
                waiter,
                deadline,
            } => self.subscribe(subscribe, waiter, deadline),
            Command::Unsubscribe {
                key,
                headers,
                waiter,
                deadline,
            } => self.unsubscribe(key, headers, waiter, deadline),
            Command::Drain {
                step,
                waiter,
                deadline,
            } => self.drain(waiter, step, deadline),
            Command::Close { waiter, deadline } => self.close(now, waiter, deadline),
            Command::Metrics { waiter } => {
                let metrics = Box::new(self.snapshot());
                self.reply(waiter, Ok(Reply::Metrics(metrics)));
            }
            Command::Health { waiter } => {
                let health = Box::new(self.health(now));
                self.reply(waiter, Ok(Reply::Health(health)));
            }
        }
    }

    pub(super) fn is_sealed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
            || !self.close_waiters.is_empty()
            || self.drain.is_sealed()
    }

    fn publish(&mut self, now: Instant, outgoing: Outgoing) {
        let (size, limit) = (outgoing.octets.len(), self.config.limits.outbox);
        if self.is_sealed() {
            return self.reply(outgoing.waiter, Err(Error::Closed));
        }
        if size > limit {
            let e = Misuse::TooLarge { size, limit };
            return self.reply(outgoing.waiter, Err(e.into()));
        }
        if let Some(fault) = self.request_fault(&outgoing) {
            return self.reply(outgoing.waiter, Err(fault.into()));
        }
        if outgoing.deadline <= now {
            if outgoing.receipt.is_none() {
                self.expired += 1;
                self.tell_expired();
            }
            return self.reply(outgoing.waiter, Err(Error::Timeout(Stage::Outbox)));
        }
        if let Some(id) = outgoing.receipt {
            let timer = self.timers.line_up(outgoing.deadline, id);
            // What belongs to a connection makes no sense on the next.
            let bound = outgoing.transaction.is_some() || outgoing.epoch.is_some();
            let replayed = (outgoing.replay && !bound).then(|| {
                Box::new(Replayed {
                    octets: outgoing.octets.clone(),
                    needs: outgoing.needs,
                    deadline: outgoing.deadline,
                    replies: outgoing.replies.clone(),
                    left: false,
                })
            });
            let kind = match outgoing.replies {
                Some(_) => Kind::Request(Request {
                    replayed,
                    confirmed: false,
                }),
                None => Kind::Publish(replayed),
            };
            self.operations.insert(
                id,
                Operation {
                    kind,
                    waiter: outgoing.waiter,
                    timer: Some(timer),
                    sent: None,
                    ends: matches!(outgoing.transaction, Some((_, TransactionStep::End))),
                },
            );
        }
        if !self.timers.is_armed(Once::Sweep) {
            self.timers.arm(Once::Sweep, outgoing.deadline);
        }
        self.outbox.push_at(now, Entry::Frame(outgoing));
    }

    /// Frees the room of frames that waited too long.
    pub(super) fn sweep(&mut self, now: Instant) {
        let operations = &self.operations;
        let (silent, next) = self.outbox.sweep(now, |id| operations.get(id).is_none());
        self.expired += silent;
        self.tell_expired();
        if let Some(next) = next {
            self.timers.arm(Once::Sweep, next.max(now + BETWEEN_SWEEPS));
        }
    }

    fn subscribe(&mut self, spec: Subscribe, waiter: Waiter, deadline: Instant) {
        let key = spec.key;
        if self.is_sealed() || self.drain.has_begun() {
            if self.phase != Phase::Closed {
                self.ended(key, None);
            }
            return self.reply(waiter, Err(Error::Closed));
        }
        let timer = self.timers.insert(deadline, Timer::Subscribe(key));
        let subscription = Subscription::new(spec, waiter, Some(timer));
        let added = self.subscriptions.insert(subscription);
        match added {
            Ok(()) => self.outbox.push(Entry::Subscribe(key)),
            Err(id) => {
                self.timers.cancel(Some(timer));
                self.ended(key, None);
                self.reply(waiter, Err(Misuse::DuplicateSubscription(id).into()));
            }
        }
    }

    pub(super) fn unsubscribe(
        &mut self,
        key: Key,
        headers: Vec<(String, String)>,
        waiter: Waiter,
        deadline: Instant,
    ) {
        let sealed = self.is_sealed();
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return self.reply(waiter, Ok(Reply::Done));
        };
        let unheard = match subscription.state {
            State::Wanted | State::Quarantined => true,
            // What a suspended session has not confirmed it will not confirm.
            State::Asked(_) | State::Overdue => self.phase == Phase::Suspended,
            State::Confirmed => false,
            // A second UNSUBSCRIBE would be an error.
            State::Leaving => return self.reply(waiter, Ok(Reply::Done)),
        };
        // Once the outbox is sealed DISCONNECT does the same.
        if unheard || sealed {
            self.forget(key);
            return self.reply(waiter, Ok(Reply::Done));
        }
        subscription.state = State::Leaving;
        subscription.farewell.clone_from(&headers);
        let id = subscription.spec.id.clone();
        let receipt = self.operations.own_id();
        let timer = self.timers.insert(deadline, Timer::Operation(receipt));
        self.operations.insert(
            receipt,
            Operation {
                kind: Kind::Unsubscribe(key),
                waiter,
                timer: Some(timer),
                sent: None,
                ends: false,
            },
        );
        self.outbox.push(Entry::Unsubscribe {
            id,
            headers,
            receipt: Some(receipt),
            epoch: self.epoch,
        });
    }

    /// A call waited for its RECEIPT as long as it was willing to.
    pub(super) fn operation_expired(&mut self, now: Instant, id: u64) {
        let Some(operation) = self.operations.remove(id) else {
            return;
        };
        let stage = self.stage_of(operation.has_left());
        match operation.kind {
            Kind::Publish(_) => self.reply(operation.waiter, Err(Error::Timeout(stage))),
            Kind::Request(_) => {
                self.requests.remove(id);
                let left = stage == Stage::Receipt;
                let stage = if left { Stage::Reply } else { stage };
                self.reply(operation.waiter, Err(Error::Timeout(stage)));
            }
            Kind::Unsubscribe(key) => {
                if operation.sent.is_none() {
                    self.unsubscribe_later(key);
                }
                self.forget(key);
                self.reply(operation.waiter, Err(Error::Timeout(stage)));
            }
            Kind::Subscribe(key) => self.restore_expired(now, id, operation, key),
            Kind::Disconnect | Kind::Rebind => {}
        }
    }

    /// The broker did not confirm a restored subscription: asked once more,
    /// then the connection is not worth keeping.
    fn restore_expired(&mut self, now: Instant, id: u64, operation: Operation, key: Key) {
        // Neither will a suspended session, nor is it asked to; and one that is
        // to end need not be restored.
        if self.phase != Phase::Online {
            return;
        }
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        match subscription.state {
            State::Asked(1) => {
                subscription.state = State::Overdue;
                self.replay.push_back(key);
                // The first RECEIPT counts even if it comes late.
                self.operations.insert(
                    id,
                    Operation {
                        timer: None,
                        ..operation
                    },
                );
            }
            State::Asked(_) => {
                let cause = Error::Timeout(Stage::Receipt);
                self.give_up(now, 1000, super::Intent::Wait(cause));
            }
            State::Wanted
            | State::Overdue
            | State::Confirmed
            | State::Leaving
            | State::Quarantined => {}
        }
    }

    /// Nobody waits any more, but the broker is still to be told.
    fn unsubscribe_later(&mut self, key: Key) {
        if let Some(subscription) = self.subscriptions.get(key) {
            self.outbox.push(Entry::Unsubscribe {
                id: subscription.spec.id.clone(),
                headers: subscription.farewell.clone(),
                receipt: None,
                epoch: self.epoch,
            });
        }
    }

    /// The call that made a subscription waited as long as it was willing to;
    /// the subscription does not exist then.
    pub(super) fn subscribe_expired(&mut self, key: Key) {
        let Some(subscription) = self.subscriptions.remove(key) else {
            return;
        };
        let asked = matches!(subscription.state, State::Asked(_));
        self.operations.take(|o| o.kind == Kind::Subscribe(key));
        if asked && self.phase != Phase::Suspended {
            // The broker may yet confirm; it is not to deliver to nobody.
            self.outbox.push(Entry::Unsubscribe {
                id: subscription.spec.id,
                headers: Vec::new(),
                receipt: None,
                epoch: self.epoch,
            });
        }
        let error = Error::Timeout(self.stage_of(asked));
        self.reply(subscription.waiter, Err(error));
        self.ended(key, None);
    }

    /// What a call waited for at its deadline: only of a frame that has left
    /// can the broker have heard.
    pub(super) fn stage_of(&self, left: bool) -> Stage {
        match (left, self.phase) {
            (true, _) => Stage::Receipt,
            (false, Phase::Suspended) => Stage::Suspended,
            (false, _) => Stage::Outbox,
        }
    }
}
