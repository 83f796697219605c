//! Messages on their way from the core to the queues of subscriptions.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use crate::{
    acknowledge::Origin,
    core::{Key, Waiter},
    error::Error,
    event::Event,
    frame::Frame,
    ledger::Ledger,
    mailbox::Mailbox,
    message::Message,
    metrics::QueueDepth,
    queue::Pushed,
    sink::{Outlet, Sink},
};

/// Where each subscription delivers, and what has to wait for room there.
///
/// What comes of it is told by [`news`](Self::news), to be asked after each call.
pub(crate) struct Delivery {
    sinks: Ledger<Sink, Key>,
    /// From the message on for which its queue had no room, what came with it;
    /// nothing is read meanwhile.
    parked: VecDeque<Parked>,
    /// The application ends the client: what still arrives is dropped.
    closing: bool,
    news: VecDeque<News>,
    /// For the messages that the application acknowledges.
    acknowledger: Arc<Mailbox>,
    /// What those of the present connection have.
    origin: Option<Arc<Origin>>,
}

/// What is for a subscription, in the order in which it came.
enum Parked {
    Message(Key, Message),
    Ended(Key, Option<Error>),
    /// A step of a drain is done: told after what came before it.
    Drained(Waiter),
    /// What follows came after a suspension, and what is before it during that one.
    Resumed,
}

/// What came of a delivery.
pub(crate) enum News {
    /// So many messages were dropped.
    Dropped(u64),
    /// The application is to be told.
    Event(Event),
    /// A queue is full whose policy is to fail: the subscription has ended.
    Failed(Key),
    /// What a step of a drain had to wait for has been delivered.
    Drained(Waiter),
}

impl Delivery {
    pub(crate) fn new(acknowledger: Arc<Mailbox>) -> Self {
        Self {
            sinks: Ledger::default(),
            parked: VecDeque::new(),
            closing: false,
            news: VecDeque::new(),
            acknowledger,
            origin: None,
        }
    }

    pub(crate) fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    pub(crate) fn add(&mut self, key: Key, sink: Sink) {
        self.sinks.insert(key, sink);
    }

    pub(crate) fn sink(&self, key: Key) -> Option<&Sink> {
        self.sinks.get(key)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.sinks.len()
    }

    pub(crate) fn outlets(&self) -> Vec<Outlet> {
        self.sinks.iter().map(|(_, sink)| sink.outlet()).collect()
    }

    pub(crate) fn depths(&self) -> Vec<QueueDepth> {
        self.sinks.iter().map(|(_, sink)| sink.depth()).collect()
    }

    /// Whether something waits for room in a queue.
    pub(crate) fn is_paused(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Puts messages of one connection into their queues, those in a row for one
    /// subscription together.
    pub(crate) fn deliver(
        &mut self,
        now: Instant,
        epoch: u64,
        frames: &mut VecDeque<(Key, Frame)>,
    ) {
        while let Some(&(key, _)) = frames.front() {
            let acknowledges = self.sinks.get(key).is_some_and(|s| s.acknowledges);
            let origin = acknowledges.then(|| self.origin(epoch));
            let alike = frames.iter().take_while(|(other, _)| *other == key);
            let alike = alike.count();
            let mut run = frames.drain(..alike);
            let mut next = || {
                let (_, frame) = run.next()?;
                Some(Message::new(frame, origin.clone()))
            };
            if self.parked.is_empty() {
                if let Some(message) = self.push(now, key, &mut next) {
                    self.parked.push_back(Parked::Message(key, message));
                }
            }
            // None is left unless one has to wait.
            let rest = std::iter::from_fn(next);
            self.parked.extend(rest.map(|m| Parked::Message(key, m)));
        }
    }

    fn origin(&mut self, epoch: u64) -> Arc<Origin> {
        match &self.origin {
            Some(origin) if origin.epoch == epoch => Arc::clone(origin),
            Some(_) | None => {
                let acknowledger = Arc::<Mailbox>::clone(&self.acknowledger);
                let origin = Arc::new(Origin {
                    acknowledger,
                    epoch,
                });
                self.origin = Some(Arc::clone(&origin));
                origin
            }
        }
    }

    /// Puts messages into their queue until there are none. One that has to wait
    /// for room is returned.
    fn push(
        &mut self,
        now: Instant,
        key: Key,
        next: &mut impl FnMut() -> Option<Message>,
    ) -> Option<Message> {
        while let Some(sink) = self.sinks.get(key) {
            let (mut dropped, last) = sink.push(next);
            let (waits, more) = match last {
                Pushed::Done | Pushed::Dropped(_) => (None, false),
                Pushed::Ended => {
                    while next().is_some() {}
                    (None, false)
                }
                Pushed::Full(message) if !self.closing => (Some(message), false),
                Pushed::Full(_) => {
                    dropped += 1;
                    (None, true)
                }
                Pushed::Failed => {
                    self.dropped(now, key, dropped + 1);
                    self.fail(key);
                    break;
                }
            };
            self.dropped(now, key, dropped);
            if !more {
                return waits;
            }
        }
        while next().is_some() {}
        None
    }

    /// Tries again to deliver what was parked, as far as there is room. Whether
    /// nothing is parked any more.
    pub(crate) fn unpark(&mut self, now: Instant) -> bool {
        while let Some(parked) = self.parked.pop_front() {
            match parked {
                Parked::Message(key, message) => {
                    let mut one = Some(message);
                    if let Some(message) = self.push(now, key, &mut || one.take()) {
                        self.parked.push_front(Parked::Message(key, message));
                        return false;
                    }
                }
                Parked::Ended(key, cause) => self.finish(key, cause),
                Parked::Drained(waiter) => self.news.push_back(News::Drained(waiter)),
                Parked::Resumed => self.weigh(now, false),
            }
        }
        true
    }

    /// The end begins: what waited for room is delivered, or dropped, now.
    pub(crate) fn close(&mut self, now: Instant) {
        self.closing = true;
        #[cfg(feature = "spill")]
        for (_, sink) in self.sinks.iter() {
            sink.queue.last_call();
        }
        self.unpark(now);
    }

    /// Everything is over: all queues end.
    pub(crate) fn end(&mut self) {
        for sink in std::mem::take(&mut self.sinks).into_values() {
            sink.queue.end();
        }
    }

    /// No more messages come for a subscription.
    pub(crate) fn ended(&mut self, key: Key, cause: Option<Error>) {
        if self.parked.is_empty() {
            self.finish(key, cause);
        } else {
            self.parked.push_back(Parked::Ended(key, cause));
        }
    }

    /// A step of a drain is done, once what came before it is delivered.
    pub(crate) fn drained(&mut self, waiter: Waiter) {
        if self.parked.is_empty() {
            self.news.push_back(News::Drained(waiter));
        } else {
            self.parked.push_back(Parked::Drained(waiter));
        }
    }

    /// The session is suspended, or is not any more.
    pub(crate) fn suspend(&mut self, now: Instant, suspended: bool) {
        self.parked.retain(|p| !matches!(p, Parked::Resumed));
        if suspended || self.parked.is_empty() {
            self.weigh(now, suspended);
        } else {
            self.parked.push_back(Parked::Resumed);
        }
    }

    /// What waits for a new token, and what it is worth.
    fn weigh(&mut self, now: Instant, suspended: bool) {
        let sinks = self.sinks.iter_mut();
        let dropped: Vec<_> = sinks
            .map(|(key, sink)| (key, sink.suspend(suspended)))
            .collect();
        for (key, messages) in dropped {
            self.dropped(now, key, messages);
        }
    }

    /// Counts messages that were dropped, and tells of them if it is time.
    pub(crate) fn dropped(&mut self, now: Instant, key: Key, messages: u64) {
        if messages == 0 {
            return;
        }
        self.news.push_back(News::Dropped(messages));
        let sink = self.sinks.get_mut(key);
        if let Some((dropped, sink)) = sink.and_then(|s| Some((s.dropped(now, messages)?, s))) {
            self.news.push_back(News::slow(sink, dropped));
        }
    }

    fn fail(&mut self, key: Key) {
        if let Some(sink) = self.sinks.get(key) {
            let subscription = sink.id.to_string();
            self.finish(key, Some(Error::Overflow));
            let event = Event::Overflowed { subscription };
            self.news.push_back(News::Event(event));
        }
        self.news.push_back(News::Failed(key));
    }

    /// A subscription is over: what was dropped is told, and its queue ends.
    fn finish(&mut self, key: Key, cause: Option<Error>) {
        let Some(mut sink) = self.sinks.remove(key) else {
            return;
        };
        if let Some(cause) = cause {
            sink.fate.set(cause).ok();
        }
        if let Some(dropped) = sink.untold() {
            self.news.push_back(News::slow(&sink, dropped));
        }
        if sink.owned {
            sink.queue.end();
        }
    }
}

impl News {
    fn slow(sink: &Sink, dropped: u64) -> Self {
        Self::Event(Event::SlowConsumer {
            subscription: sink.id.to_string(),
            dropped,
        })
    }
}
