//! The consumers' end: one by one, or all that is there.

use std::{collections::VecDeque, sync::PoisonError, time::Instant};

use super::{Item, Popped, Queue, State, hand::Portion};
use crate::clock;

impl<T: Item + Clone> Queue<T> {
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
    /// and the other way around: then none is moved. More than the queue can use
    /// stays where it is.
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
        let most = state.ring.most_memory();
        move_all(&mut portion.items, items, most);
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
}

impl<T: Item> State<T> {
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

/// Appends all. If there is nothing before them none is moved: memory is exchanged for
/// memory, unless `to` has some for more than `most`.
pub(super) fn move_all<T>(from: &mut VecDeque<T>, to: &mut VecDeque<T>, most: usize) {
    if to.is_empty() && to.capacity() <= most && !from.is_empty() {
        std::mem::swap(from, to);
    } else {
        to.append(from);
    }
}
