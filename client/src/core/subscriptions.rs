//! Subscriptions: what the application wants, and how far the broker confirmed it.

use std::{collections::BTreeMap, time::Instant};

use super::{
    dedupe::Window,
    io::{Key, Subscribe, Ticket, Waiter},
};
use crate::{frame::Frame, ledger::Ledger};

/// How far a subscription has come on the present connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// SUBSCRIBE has not left.
    Wanted,
    /// SUBSCRIBE has left; its RECEIPT has not come. The number counts how many
    /// times it left on this connection.
    Asked(u32),
    /// The first SUBSCRIBE has gone unanswered for too long; a second is to leave.
    Overdue,
    /// Its RECEIPT came.
    Confirmed,
    /// UNSUBSCRIBE waits or has left.
    Leaving,
    /// The broker refused it although it had worked before; it is asked for
    /// again when its own back-off ends.
    Quarantined,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) spec: Subscribe,
    pub(super) state: State,
    /// Who made it and waits; nobody once it has been confirmed.
    pub(super) waiter: Waiter,
    /// When the making call ends.
    pub(super) timer: Option<super::timers::Armed>,
    /// Whether a RECEIPT ever confirmed it.
    pub(super) established: bool,
    /// More headers for its UNSUBSCRIBE.
    pub(super) farewell: Vec<(String, String)>,
    /// How often it was refused since it was confirmed last.
    pub(super) refusals: u32,
    /// Since when it has not been served.
    pub(super) silent_since: Option<Instant>,
    /// The question for fresh headers that has not been answered.
    pub(super) asking: Option<Ticket>,
}

impl Subscription {
    pub(super) fn new(
        spec: Subscribe,
        waiter: Waiter,
        timer: Option<super::timers::Armed>,
    ) -> Self {
        Self {
            spec,
            state: State::Wanted,
            waiter,
            timer,
            established: false,
            farewell: Vec::new(),
            refusals: 0,
            silent_since: None,
            asking: None,
        }
    }

    /// Whether it needs other headers than last time, for which nobody was asked.
    pub(super) fn is_stale(&self) -> bool {
        self.established && self.spec.fresh.is_some() && self.asking.is_none()
    }
}

/// With so many subscriptions the last one is remembered.
const FEW: usize = 1;

/// The subscriptions of a session, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    all: Ledger<Subscription, Key>,
    by_id: BTreeMap<Box<[u8]>, Key>,
    /// What those remember that drop a MESSAGE that has come before, by key.
    windows: Vec<(Key, Window)>,
    /// The id that the last MESSAGE was for, as it stood there: the next is
    /// likely for the same.
    last: Option<(Box<[u8]>, Key)>,
}

impl Subscriptions {
    /// Adds one, unless its id is taken.
    pub(super) fn insert(&mut self, subscription: Subscription) -> Result<(), String> {
        let id: Box<[u8]> = subscription.spec.id.as_bytes().into();
        if self.by_id.contains_key(&id) {
            return Err(subscription.spec.id);
        }
        let key = subscription.spec.key;
        self.by_id.insert(id, key);
        if let Some(dedupe) = &subscription.spec.dedupe {
            let place = self.window(key).unwrap_or_else(|place| place);
            self.windows.insert(place, (key, Window::new(dedupe)));
        }
        self.all.insert(key, subscription);
        self.last = None;
        Ok(())
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Subscription> {
        let subscription = self.all.remove(key)?;
        self.by_id.remove(subscription.spec.id.as_bytes());
        if let Ok(place) = self.window(key) {
            self.windows.remove(place);
        }
        self.last = None;
        Some(subscription)
    }

    pub(super) fn get(&self, key: Key) -> Option<&Subscription> {
        self.all.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Subscription> {
        self.all.get_mut(key)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<Key> {
        self.by_id.get(id.as_bytes()).copied()
    }

    /// The subscription that a MESSAGE is for. The header is compared as it
    /// stands; it is unescaped only if that finds nothing.
    #[inline]
    pub(super) fn route(&mut self, message: &Frame) -> Option<Key> {
        let raw = message.raw_header(b"subscription")?;
        match &self.last {
            Some((id, key)) if **id == *raw => Some(*key),
            Some(_) | None => self.look_up(raw, message),
        }
    }

    fn look_up(&mut self, raw: &[u8], message: &Frame) -> Option<Key> {
        let key = match self.by_id.get(raw) {
            Some(key) => *key,
            None => *self.by_id.get(message.header("subscription")?.as_bytes())?,
        };
        // With many subscriptions the map is as good, and costs no copy.
        if self.all.len() <= FEW {
            self.last = Some((raw.into(), key));
        }
        Some(key)
    }

    /// The subscription of a MESSAGE that names none, as in 1.0: the first of its
    /// destination.
    pub(super) fn by_destination(&self, message: &Frame) -> Option<Key> {
        if message.raw_header(b"subscription").is_some() {
            return None;
        }
        let destination = message.header("destination")?;
        let mut all = self.all.iter();
        let found = all.find(|(_, s)| s.spec.destination == destination)?;
        Some(found.0)
    }

    /// Whether the MESSAGE has come before. Most sessions remember nothing.
    #[inline]
    pub(super) fn is_duplicate(&mut self, key: Key, message: &Frame) -> bool {
        !self.windows.is_empty() && self.has_seen(key, message)
    }

    fn has_seen(&mut self, key: Key, message: &Frame) -> bool {
        let place = self.window(key).ok();
        place.is_some_and(|place| self.windows[place].1.has_seen(message))
    }

    fn window(&self, key: Key) -> Result<usize, usize> {
        self.windows.binary_search_by_key(&key, |(key, _)| *key)
    }

    /// The connection is gone, on which something was last heard at `heard`: all
    /// are to be asked for again. Returns those that were about to leave; they
    /// have left now.
    pub(super) fn lost(&mut self, heard: Instant) -> Vec<Key> {
        let mut gone = Vec::new();
        for (key, subscription) in self.all.iter_mut() {
            subscription.asking = None;
            if subscription.established {
                subscription.silent_since.get_or_insert(heard);
            }
            match subscription.state {
                State::Leaving => gone.push(key),
                State::Wanted | State::Asked(_) | State::Overdue | State::Confirmed => {
                    subscription.state = State::Wanted;
                }
                State::Quarantined => {}
            }
        }
        gone
    }

    /// The broker did not hear what it has not confirmed.
    pub(super) fn unheard(&mut self) {
        for subscription in self.all.values_mut() {
            match subscription.state {
                State::Asked(_) | State::Overdue => subscription.state = State::Wanted,
                State::Wanted | State::Confirmed | State::Leaving | State::Quarantined => {}
            }
        }
    }

    /// Those whose SUBSCRIBE has left and is not answered.
    pub(super) fn asked(&self) -> Vec<Key> {
        let is_it = |s: &Subscription| matches!(s.state, State::Asked(_) | State::Overdue);
        let asked = self.all.iter().filter(|(_, s)| is_it(s));
        asked.map(|(key, _)| key).collect()
    }

    /// How many work, of all that should.
    pub(super) fn confirmed(&self) -> (usize, usize) {
        let confirmed = self.all.iter().filter(|(_, s)| s.state == State::Confirmed);
        (confirmed.count(), self.all.len())
    }

    /// The one that a question for headers is about.
    pub(super) fn asked_with(&mut self, ticket: Ticket) -> Option<(Key, &mut Subscription)> {
        self.all.iter_mut().find(|(_, s)| s.asking == Some(ticket))
    }

    /// Those whose SUBSCRIBE is to leave (again), in order; but those that were
    /// refused come last, for their refusal may end the connection.
    pub(super) fn unconfirmed(&self) -> std::collections::VecDeque<Key> {
        let wanted = self.all.iter().filter(|(_, s)| s.state == State::Wanted);
        let (good, bad): (Vec<_>, Vec<_>) = wanted.partition(|(_, s)| s.refusals == 0);
        good.into_iter().chain(bad).map(|(key, _)| key).collect()
    }

    /// Those of them that need other headers than last time.
    pub(super) fn stale(&self) -> Vec<Key> {
        let stale = |s: &Subscription| s.state == State::Wanted && s.is_stale();
        let all = self.all.iter().filter(|(_, s)| stale(s));
        all.map(|(key, _)| key).collect()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.all.iter().map(|(key, _)| key)
    }
}
