//! A bounded queue between the reactor and a consumer: the only thing that
//! crosses threads. The reactor never blocks on it.

#[cfg(feature = "spill")]
mod backlog;
mod hand;
mod ring;
mod taking;
#[cfg(feature = "spill")]
mod work;

#[cfg(feature = "spill")]
pub(crate) use work::{DiskLimits, Evict, Left, Load, Outcome, Parting, Work};

use std::{
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
}

#[cfg(test)]
mod tests;
