//! A bounded queue between the reactor and a consumer: the only thing that
//! crosses threads. The reactor never blocks on it.

#[cfg(feature = "spill")]
mod backlog;
mod hand;
mod ring;
#[cfg(feature = "spill")]
mod work;

#[cfg(feature = "spill")]
pub(crate) use work::{DiskLimits, Evict, Left, Load, Outcome, Parting, Work};

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{clock, config::QueueLimits, event::Event, metrics::Depth};
#[cfg(feature = "spill")]
use backlog::Backlog;
use hand::{Hand, Portion};
use ring::Ring;

/// Called when a consumer made room for which the reactor waits, or left work
/// for the thread that writes to disk.
pub trait Notify: Send + Sync {
    /// It may look again.
    fn notify(&self);
}

/// What a queue can hold.
pub trait Item {
    /// As how many octets it counts: always the same.
    fn size(&self) -> usize;

    /// What it is the latest of, by the value of a header.
    fn key(&self, header: &str) -> Option<Box<[u8]>>;

    /// Takes it out of the block that it shares with others.
    fn detach(&mut self);
}

/// None replaces another, and only their number is bounded.
impl Item for Event {
    fn size(&self) -> usize {
        0
    }

    fn key(&self, _: &str) -> Option<Box<[u8]>> {
        None
    }

    fn detach(&mut self) {}
}

/// A bounded queue of messages or events.
pub struct Queue<T> {
    /// Locked before the state, where both are.
    hand: Hand<T>,
    state: Mutex<State<T>>,
    filled: Condvar,
    taken: Condvar,
    producer: Arc<dyn Notify>,
    #[cfg(feature = "spill")]
    spiller: Option<Arc<dyn Notify>>,
}

struct State<T> {
    ring: Ring<T>,
    #[cfg(feature = "spill")]
    backlog: Option<Box<Backlog<T>>>,
    ended: bool,
    consumers_waiting: u32,
    producer_waiting: bool,
}

/// What became of an item.
pub enum Pushed<T> {
    /// It is in the queue.
    Done,
    /// So many were dropped: it, or older ones in its favour.
    Dropped(u64),
    /// There is no room; the producer will be notified when there is.
    Full(T),
    /// There is no room, and the queue is to end for that.
    Failed,
    /// Nobody will ever take it.
    Ended,
}

/// What came of waiting for an item.
#[derive(Debug, PartialEq, Eq)]
pub enum Popped<T> {
    /// The oldest.
    Item(T),
    /// There is none now.
    Empty,
    /// There is none, and none will come.
    Ended,
}

impl<T: Item + Clone> Queue<T> {
    /// An empty queue; `producer` is told when there is room again for which it waits.
    pub fn new(limits: QueueLimits, producer: Arc<dyn Notify>) -> Self {
        Self {
            hand: Hand::new(),
            state: Mutex::new(State {
                ring: Ring::new(limits),
                #[cfg(feature = "spill")]
                backlog: None,
                ended: false,
                consumers_waiting: 0,
                producer_waiting: false,
            }),
            filled: Condvar::new(),
            taken: Condvar::new(),
            producer,
            #[cfg(feature = "spill")]
            spiller: None,
        }
    }

    /// Adds an item by the queue's policy. `keep`: nothing may be dropped, rather is
    /// there no room.
    pub fn push(&self, item: T, keep: bool) -> Pushed<T> {
        let mut one = Some(item);
        match self.push_all(&mut || one.take(), keep) {
            (0, last) => last,
            (dropped, _) => Pushed::Dropped(dropped),
        }
    }

    /// As [`push`](Self::push) for each, at once: until there is no `next` or one
    /// is not let in. Returns how many were dropped, and what became of the last.
    pub fn push_all(&self, next: &mut impl FnMut() -> Option<T>, keep: bool) -> (u64, Pushed<T>) {
        let mut state = self.lock();
        state.ring.lent = self.hand.holds();
        let straight = state.goes_straight();
        let (mut added, mut dropped) = (0_u32, 0);
        let mut last = Pushed::Done;
        while let Some(item) = next() {
            if straight && state.ring.stays_half_empty(item.size()) {
                state.ring.append(item);
                added += 1;
                continue;
            }
            (state, last) = self.push_one(state, item, keep);
            match last {
                Pushed::Done => added += 1,
                Pushed::Dropped(more) => {
                    dropped += more;
                    added += 1;
                }
                Pushed::Full(_) | Pushed::Failed | Pushed::Ended => break,
            }
        }
        if matches!(last, Pushed::Dropped(_)) {
            last = Pushed::Done;
        }
        // Of what was lent some may be taken by now.
        state.ring.lent = self.hand.holds();
        state.ring.note();
        let waiting = state.consumers_waiting;
        drop(state);
        match waiting.min(added) {
            0 => {}
            1 => self.filled.notify_one(),
            _ => self.filled.notify_all(),
        }
        (dropped, last)
    }

    /// Where there may be no room.
    #[inline(never)]
    fn push_one<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<T>>,
        item: T,
        keep: bool,
    ) -> (MutexGuard<'a, State<T>>, Pushed<T>) {
        if state.ring.lacks_what_is_lent(item.size()) {
            state = self.take_back(state);
        }
        #[cfg(feature = "spill")]
        if state.backlog.is_some() {
            let pushed = self.push_spilling(&mut state, item, keep);
            return (state, pushed);
        }
        if state.ended {
            return (state, Pushed::Ended);
        }
        let pushed = state.ring.push(item, keep);
        state.producer_waiting |= matches!(pushed, Pushed::Full(_));
        (state, pushed)
    }

    /// What consumers have in hand is in the ring again, where the policy decides
    /// about it.
    #[cold]
    fn take_back<'a>(&'a self, state: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        drop(state);
        let mut portion = self.hand.lock();
        let mut state = self.lock();
        let (_, octets) = self.hand.holds();
        state.ring.take_back(&mut portion.items, octets);
        self.hand.set_holds(0, 0);
        state
    }

    /// The oldest item, if there is one.
    #[inline(always)]
    pub fn try_pop(&self) -> Popped<T> {
        let mut portion = self.hand.lock();
        match self.pop_portion(&mut portion) {
            Some(item) => Popped::Item(item),
            None => self.fetch(&mut portion, &mut self.lock()),
        }
    }

    /// Waits for an item until the deadline, or for ever.
    pub fn pop(&self, deadline: Option<Instant>) -> Popped<T> {
        self.wait(deadline, |portion, state| self.fetch(portion, state))
    }

    /// As [`pop`](Self::pop) for all that is there, oldest first; tells how many that
    /// were. If there is nothing in `items`, its memory is the queue's from now on,
    /// and the other way around: then none is moved.
    pub fn pop_all(&self, items: &mut VecDeque<T>, deadline: Option<Instant>) -> Popped<usize> {
        self.wait(deadline, |portion, state| {
            self.fetch_all(portion, state, items)
        })
    }

    /// As [`pop_all`](Self::pop_all), without waiting.
    pub fn try_pop_all(&self, items: &mut VecDeque<T>) -> Popped<usize> {
        self.fetch_all(&mut self.hand.lock(), &mut self.lock(), items)
    }

    /// Tries until there is something, or nothing will come, or the deadline is there.
    fn wait<P>(
        &self,
        deadline: Option<Instant>,
        mut take: impl FnMut(&mut Portion<T>, &mut State<T>) -> Popped<P>,
    ) -> Popped<P> {
        loop {
            let mut portion = self.hand.lock();
            let mut state = self.lock();
            match take(&mut portion, &mut state) {
                Popped::Empty => {}
                done @ (Popped::Item(_) | Popped::Ended) => return done,
            }
            drop(portion);
            let left = deadline.map(|at| at.saturating_duration_since(clock::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Popped::Empty;
            }
            state.consumers_waiting += 1;
            let mut state = match left {
                None => self
                    .filled
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.filled.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.consumers_waiting -= 1;
        }
    }

    /// Nothing is added any more; what is there can still be taken.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        // Whoever takes no more finds it on disk the next time.
        #[cfg(feature = "spill")]
        self.save_all(&mut state);
        drop(state);
        self.filled.notify_all();
    }

    /// Nobody takes anything any more. `for_good`: nor does a later queue that
    /// goes on where this one stops.
    pub(crate) fn abandon(&self, for_good: bool) {
        #[cfg(feature = "spill")]
        if self.spiller.is_some() {
            return self.part(match for_good {
                true => Parting::Discard,
                false => Parting::Keep,
            });
        }
        #[cfg(not(feature = "spill"))]
        let _ = for_good;
        let mut portion = self.hand.lock();
        let mut state = self.lock();
        state.ended = true;
        self.hand.forget();
        self.discard(&mut portion, &mut state);
        let waiting = std::mem::take(&mut state.producer_waiting);
        drop((portion, state));
        self.filled.notify_all();
        self.taken.notify_all();
        if waiting {
            self.producer.notify();
        }
    }

    /// Drops what is there. Returns how many items that were.
    pub(crate) fn clear(&self) -> u64 {
        let mut portion = self.hand.lock();
        let mut state = self.lock();
        // What spills loses nothing.
        #[cfg(feature = "spill")]
        if state.backlog.is_some() {
            return 0;
        }
        let dropped = self.discard(&mut portion, &mut state);
        let waiting = std::mem::take(&mut state.producer_waiting);
        drop((portion, state));
        self.taken.notify_all();
        if waiting {
            self.producer.notify();
        }
        dropped
    }

    fn discard(&self, portion: &mut Portion<T>, state: &mut State<T>) -> u64 {
        let in_hand = portion.items.len() as u64;
        portion.items.clear();
        self.hand.set_holds(0, 0);
        in_hand + state.ring.clear()
    }

    pub(crate) fn len(&self) -> usize {
        self.length(&self.lock())
    }

    /// Waits until all has been taken and, with `and_more`, until the thread that
    /// took the last has asked for another, unless that is the calling thread.
    /// Returns how many are left at the deadline.
    pub(crate) fn wait_taken(&self, and_more: bool, deadline: Instant) -> usize {
        // From now on whoever takes one says so.
        self.hand.lock().watchers += 1;
        let mut state = self.lock();
        let left = loop {
            let length = self.length(&state);
            let left = length + usize::from(and_more && self.hand.is_held_elsewhere());
            let wait = deadline.saturating_duration_since(clock::now());
            if left == 0 || wait.is_zero() {
                break left;
            }
            state = self
                .taken
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        };
        drop(state);
        self.hand.lock().watchers -= 1;
        left
    }

    fn length(&self, state: &State<T>) -> usize {
        let (in_hand, _) = self.hand.holds();
        #[cfg(feature = "spill")]
        if let Some(backlog) = &state.backlog {
            return in_hand + state.ring.len() + backlog.len();
        }
        in_hand + state.ring.len()
    }

    /// How much it holds, and the most that it ever held.
    pub(crate) fn depth(&self) -> Depth {
        let state = self.lock();
        let (messages, octets) = self.hand.holds();
        let depth = Depth {
            messages: messages + state.ring.len(),
            octets: octets + state.ring.octets(),
            high_messages: state.ring.high.0,
            high_octets: state.ring.high.1,
            ..Depth::default()
        };
        #[cfg(feature = "spill")]
        if let Some(backlog) = &state.backlog {
            return backlog.add_to(depth);
        }
        depth
    }

    /// The oldest of what consumers have in hand.
    #[inline(always)]
    fn pop_portion(&self, portion: &mut Portion<T>) -> Option<T> {
        let item = self.hand.pop(portion)?;
        if portion.watchers > 0 {
            drop(self.lock());
            self.taken.notify_all();
        }
        Some(item)
    }

    /// The oldest. A hand that is empty takes all that is in the ring, unless that is
    /// wanted one by one.
    fn fetch(&self, portion: &mut Portion<T>, state: &mut State<T>) -> Popped<T> {
        if portion.items.is_empty() {
            state.ring.lent = (0, 0);
            if state.lends() {
                let octets = state.ring.lend(&mut portion.items);
                self.hand.set_holds(portion.items.len(), octets);
            }
        }
        let popped = match self.hand.pop(portion) {
            Some(item) => Popped::Item(item),
            None => self.next(state),
        };
        self.fetched(portion, &popped);
        popped
    }

    /// What is in hand and what is in the ring.
    fn fetch_all(
        &self,
        portion: &mut Portion<T>,
        state: &mut State<T>,
        items: &mut VecDeque<T>,
    ) -> Popped<usize> {
        let before = items.len();
        move_all(&mut portion.items, items);
        self.hand.set_holds(0, 0);
        state.ring.lent = (0, 0);
        if state.lends() {
            state.ring.give(items);
        }
        let end = loop {
            match self.next(state) {
                Popped::Item(item) => items.push_back(item),
                Popped::Empty => break Popped::Empty,
                Popped::Ended => break Popped::Ended,
            }
        };
        let popped = match items.len() - before {
            0 => end,
            count => Popped::Item(count),
        };
        self.fetched(portion, &popped);
        popped
    }

    /// Whoever waits until all is taken is told of it.
    fn fetched<P>(&self, portion: &Portion<T>, popped: &Popped<P>) {
        match popped {
            Popped::Item(_) => self.hand.taken(),
            Popped::Empty | Popped::Ended => self.hand.done(),
        }
        if portion.watchers > 0 {
            self.taken.notify_all();
        }
    }

    fn next(&self, state: &mut State<T>) -> Popped<T> {
        let Some(item) = state.ring.pop() else {
            #[cfg(feature = "spill")]
            if state.backlog.as_ref().is_some_and(|b| b.is_coming()) {
                return Popped::Empty;
            }
            return if state.ended {
                Popped::Ended
            } else {
                Popped::Empty
            };
        };
        #[cfg(feature = "spill")]
        if state.backlog.is_some() {
            self.taken_spilling(state);
            return Popped::Item(item);
        }
        // Half empty before the reactor reads on: it works in runs, not one by one.
        if state.producer_waiting && state.ring.is_half_empty() {
            state.producer_waiting = false;
            self.producer.notify();
        }
        Popped::Item(item)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A consumer that panicked while it held the lock left it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Item> State<T> {
    /// Whether an item for which there is room enters the ring as it is.
    fn goes_straight(&self) -> bool {
        #[cfg(feature = "spill")]
        if self.backlog.is_some() {
            return false;
        }
        !self.ended && !self.ring.replaces()
    }

    /// Whether consumers may take all of the ring at once. Not while the producer is
    /// to be told when there is room, nor what it still replaces or writes to disk.
    fn lends(&self) -> bool {
        #[cfg(feature = "spill")]
        if self.backlog.is_some() {
            return false;
        }
        !self.producer_waiting && self.ring.lends()
    }
}

/// Appends all, without moving one if there is nothing before them.
fn move_all<T>(from: &mut VecDeque<T>, to: &mut VecDeque<T>) {
    if to.is_empty() {
        std::mem::swap(from, to);
    } else {
        to.append(from);
    }
}

#[cfg(test)]
mod tests;
