//! A bounded queue between the reactor and a consumer: the only thing that
//! crosses threads. The reactor never blocks on it.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{
    clock,
    config::{Overflow, QueueLimits},
};

/// Called when a consumer made room for which the reactor waits.
pub(crate) trait Notify: Send + Sync {
    fn notify(&self);
}

pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    filled: Condvar,
    limits: QueueLimits,
    producer: Arc<dyn Notify>,
}

struct State<T> {
    items: VecDeque<(T, usize)>,
    octets: usize,
    ended: bool,
    consumers_waiting: u32,
    producer_waiting: bool,
}

/// What became of an item.
pub(crate) enum Pushed<T> {
    /// It is in the queue.
    Done,
    /// It is in the queue, and so many older ones are not any more.
    Displaced(u64),
    /// There is no room; the producer will be notified when there is.
    Full(T),
    /// Nobody will ever take it.
    Ended,
}

/// What came of waiting for an item.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Popped<T> {
    Item(T),
    Empty,
    Ended,
}

impl<T> Queue<T> {
    pub(crate) fn new(limits: QueueLimits, producer: Arc<dyn Notify>) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                octets: 0,
                ended: false,
                consumers_waiting: 0,
                producer_waiting: false,
            }),
            filled: Condvar::new(),
            limits,
            producer,
        }
    }

    /// Adds an item that counts as `size` octets, by the queue's policy.
    pub(crate) fn push(&self, item: T, size: usize) -> Pushed<T> {
        let mut state = self.lock();
        if state.ended {
            return Pushed::Ended;
        }
        let mut displaced = 0;
        while !self.fits(&state, size) {
            match self.limits.overflow {
                Overflow::Pause => {
                    state.producer_waiting = true;
                    return Pushed::Full(item);
                }
                Overflow::DropOldest => {
                    let Some((_, old)) = state.items.pop_front() else {
                        break;
                    };
                    state.octets -= old;
                    displaced += 1;
                }
            }
        }
        state.octets += size;
        state.items.push_back((item, size));
        if state.consumers_waiting > 0 {
            self.filled.notify_one();
        }
        if displaced > 0 {
            Pushed::Displaced(displaced)
        } else {
            Pushed::Done
        }
    }

    pub(crate) fn try_pop(&self) -> Popped<T> {
        let mut state = self.lock();
        self.take(&mut state)
    }

    /// Waits for an item until the deadline, or for ever.
    pub(crate) fn pop(&self, deadline: Option<Instant>) -> Popped<T> {
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
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.filled.notify_all();
    }

    /// Nobody takes anything any more.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.items.clear();
        state.octets = 0;
        let waiting = std::mem::take(&mut state.producer_waiting);
        drop(state);
        self.filled.notify_all();
        if waiting {
            self.producer.notify();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().items.len()
    }

    fn take(&self, state: &mut State<T>) -> Popped<T> {
        let Some((item, size)) = state.items.pop_front() else {
            return if state.ended {
                Popped::Ended
            } else {
                Popped::Empty
            };
        };
        state.octets -= size;
        // Half empty before the reactor reads on: it works in runs, not one by one.
        if state.producer_waiting
            && state.items.len() <= self.limits.messages / 2
            && state.octets <= self.limits.octets / 2
        {
            state.producer_waiting = false;
            self.producer.notify();
        }
        Popped::Item(item)
    }

    fn fits(&self, state: &State<T>, size: usize) -> bool {
        state.items.is_empty()
            || (state.items.len() < self.limits.messages
                && state.octets.saturating_add(size) <= self.limits.octets)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A consumer that panicked while it held the lock left it consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Notify for Count {
        fn notify(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn queue(messages: usize, octets: usize, overflow: Overflow) -> (Queue<u32>, Arc<Count>) {
        let count = Arc::new(Count::default());
        let limits = QueueLimits {
            messages,
            octets,
            overflow,
        };
        (Queue::new(limits, Arc::<Count>::clone(&count)), count)
    }

    #[test]
    fn pause_refuses_what_does_not_fit_and_notifies_once_half_is_free() {
        let (q, count) = queue(4, 1000, Overflow::Pause);
        for n in 0..4 {
            assert!(matches!(q.push(n, 1), Pushed::Done));
        }
        assert!(matches!(q.push(4, 1), Pushed::Full(4)));
        assert_eq!(q.try_pop(), Popped::Item(0));
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        assert_eq!(q.try_pop(), Popped::Item(1));
        assert_eq!(q.try_pop(), Popped::Item(2));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn drop_oldest_keeps_the_newest_within_both_bounds() {
        let (q, _) = queue(3, 10, Overflow::DropOldest);
        assert!(matches!(q.push(1, 4), Pushed::Done));
        assert!(matches!(q.push(2, 4), Pushed::Done));
        assert!(matches!(q.push(3, 8), Pushed::Displaced(2)));
        assert_eq!(q.try_pop(), Popped::Item(3));
        assert_eq!(q.try_pop(), Popped::Empty);
    }

    #[test]
    fn one_item_larger_than_the_bound_enters_an_empty_queue() {
        let (q, _) = queue(3, 10, Overflow::Pause);
        assert!(matches!(q.push(1, 100), Pushed::Done));
        assert!(matches!(q.push(2, 1), Pushed::Full(2)));
    }

    #[test]
    fn what_is_there_can_be_taken_after_the_end() {
        let (q, _) = queue(3, 10, Overflow::Pause);
        q.push(1, 1);
        q.end();
        assert!(matches!(q.push(2, 1), Pushed::Ended));
        assert_eq!(q.pop(None), Popped::Item(1));
        assert_eq!(q.pop(None), Popped::Ended);
    }

    #[test]
    fn waiting_ends_at_the_deadline_and_at_the_next_item() {
        let (q, _) = queue(3, 10, Overflow::Pause);
        assert_eq!(
            q.pop(Some(clock::after(Duration::from_millis(5)))),
            Popped::Empty
        );
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| q.pop(Some(clock::after(Duration::from_secs(10)))));
            q.push(7, 1);
            assert_eq!(taken.join().unwrap(), Popped::Item(7));
        });
    }
}
