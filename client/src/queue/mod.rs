//! A bounded queue between the reactor and a consumer: the only thing that
//! crosses threads. The reactor never blocks on it.

#[cfg(feature = "spill")]
mod backlog;
mod ring;
#[cfg(feature = "spill")]
mod work;

#[cfg(feature = "spill")]
pub(crate) use work::{DiskLimits, Evict, Left, Load, Outcome, Parting, Work};

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{clock, config::QueueLimits, event::Event, metrics::Depth, thread};
#[cfg(feature = "spill")]
use backlog::Backlog;
use ring::Ring;

/// Called when a consumer made room for which the reactor waits, or left work
/// for the thread that writes to disk.
pub trait Notify: Send + Sync {
    /// It may look again.
    fn notify(&self);
}

/// What a queue can hold.
pub trait Item {
    /// What it is the latest of, by the value of a header.
    fn key(&self, header: &str) -> Option<Box<[u8]>>;

    /// Takes it out of the block that it shares with others.
    fn detach(&mut self);
}

/// None replaces another.
impl Item for Event {
    fn key(&self, _: &str) -> Option<Box<[u8]>> {
        None
    }

    fn detach(&mut self) {}
}

/// A bounded queue of messages or events.
pub struct Queue<T> {
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
    /// The thread that took an item and has not asked for another since; 0 for none.
    holder: u64,
    /// Who waits until all is taken.
    watchers: u32,
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
            state: Mutex::new(State {
                ring: Ring::new(limits),
                #[cfg(feature = "spill")]
                backlog: None,
                ended: false,
                consumers_waiting: 0,
                producer_waiting: false,
                holder: 0,
                watchers: 0,
            }),
            filled: Condvar::new(),
            taken: Condvar::new(),
            producer,
            #[cfg(feature = "spill")]
            spiller: None,
        }
    }

    /// Adds an item that counts as `size` octets, by the queue's policy. `keep`:
    /// nothing may be dropped, rather is there no room.
    pub fn push(&self, item: T, size: usize, keep: bool) -> Pushed<T> {
        let mut state = self.lock();
        if state.ended {
            return Pushed::Ended;
        }
        #[cfg(feature = "spill")]
        if state.backlog.is_some() {
            return self.push_spilling(&mut state, item, size, keep);
        }
        let pushed = state.ring.push(item, size, keep);
        match &pushed {
            Pushed::Full(_) => state.producer_waiting = true,
            Pushed::Done | Pushed::Dropped(_) => {
                if state.consumers_waiting > 0 {
                    self.filled.notify_one();
                }
            }
            Pushed::Failed | Pushed::Ended => {}
        }
        pushed
    }

    /// As [`push`](Self::push) for each, at once: until there is no `next` or one
    /// is not let in. Returns how many were dropped, and what became of the last.
    pub fn push_all(
        &self,
        next: &mut impl FnMut() -> Option<T>,
        size: impl Fn(&T) -> usize,
        keep: bool,
    ) -> (u64, Pushed<T>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let (mut added, mut dropped) = (0_u32, 0);
        let mut last = Pushed::Done;
        while let Some(item) = next() {
            if state.ended {
                last = Pushed::Ended;
                break;
            }
            let size = size(&item);
            #[cfg(feature = "spill")]
            if state.backlog.is_some() {
                match self.push_spilling(state, item, size, keep) {
                    Pushed::Done => continue,
                    Pushed::Dropped(more) => dropped += more,
                    other @ (Pushed::Full(_) | Pushed::Failed | Pushed::Ended) => {
                        last = other;
                        break;
                    }
                }
                continue;
            }
            match state.ring.push(item, size, keep) {
                Pushed::Done => added += 1,
                Pushed::Dropped(more) => {
                    dropped += more;
                    added += 1;
                }
                other @ (Pushed::Full(_) | Pushed::Failed | Pushed::Ended) => {
                    state.producer_waiting |= matches!(other, Pushed::Full(_));
                    last = other;
                    break;
                }
            }
        }
        let waiting = state.consumers_waiting;
        drop(guard);
        match waiting.min(added) {
            0 => {}
            1 => self.filled.notify_one(),
            _ => self.filled.notify_all(),
        }
        (dropped, last)
    }

    /// The oldest item, if there is one.
    pub fn try_pop(&self) -> Popped<T> {
        let mut state = self.lock();
        self.take(&mut state)
    }

    /// Waits for an item until the deadline, or for ever.
    pub fn pop(&self, deadline: Option<Instant>) -> Popped<T> {
        let mut state = self.lock();
        loop {
            match self.take(&mut state) {
                Popped::Empty => {}
                done @ (Popped::Item(_) | Popped::Ended) => return done,
            }
            state.consumers_waiting += 1;
            state = match deadline {
                None => self
                    .filled
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(clock::now());
                    if left.is_zero() {
                        state.consumers_waiting -= 1;
                        return Popped::Empty;
                    }
                    self.filled
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
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
        let mut state = self.lock();
        state.ended = true;
        state.holder = 0;
        state.ring.clear();
        let waiting = std::mem::take(&mut state.producer_waiting);
        drop(state);
        self.filled.notify_all();
        self.taken.notify_all();
        if waiting {
            self.producer.notify();
        }
    }

    /// Drops what is there. Returns how many items that were.
    pub(crate) fn clear(&self) -> u64 {
        let mut state = self.lock();
        // What spills loses nothing.
        #[cfg(feature = "spill")]
        if state.backlog.is_some() {
            return 0;
        }
        let dropped = state.ring.clear();
        let waiting = std::mem::take(&mut state.producer_waiting);
        drop(state);
        if waiting {
            self.producer.notify();
        }
        dropped
    }

    pub(crate) fn len(&self) -> usize {
        Self::length(&self.lock())
    }

    /// Waits until all has been taken and, with `and_more`, until the thread that
    /// took the last has asked for another, unless that is the calling thread.
    /// Returns how many are left at the deadline.
    pub(crate) fn wait_taken(&self, and_more: bool, deadline: Instant) -> usize {
        let mut state = self.lock();
        loop {
            let is_mine = [0, thread::number()].contains(&state.holder);
            let in_hand = usize::from(and_more && !is_mine);
            let left = Self::length(&state) + in_hand;
            let wait = deadline.saturating_duration_since(clock::now());
            if left == 0 || wait.is_zero() {
                return left;
            }
            state.watchers += 1;
            state = self
                .taken
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            state.watchers -= 1;
        }
    }

    fn length(state: &State<T>) -> usize {
        #[cfg(feature = "spill")]
        if let Some(backlog) = &state.backlog {
            return state.ring.len() + backlog.len();
        }
        state.ring.len()
    }

    /// How much it holds, and the most that it ever held.
    pub(crate) fn depth(&self) -> Depth {
        let state = self.lock();
        let depth = Depth {
            messages: state.ring.len(),
            octets: state.ring.octets(),
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

    fn take(&self, state: &mut State<T>) -> Popped<T> {
        let popped = self.next(state);
        state.holder = match popped {
            Popped::Item(_) => thread::number(),
            Popped::Empty | Popped::Ended => 0,
        };
        if state.watchers > 0 {
            self.taken.notify_all();
        }
        popped
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

#[cfg(test)]
mod tests;
