//! What consumers have taken out of a queue together, and not handed out yet.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::Item;
use crate::thread;

/// The consumers' end of a queue: while there is something in the hand, they need
/// not ask the producer for the lock. It counts as held by the queue all the same,
/// and a producer that has no room left may take it back.
///
/// In a cache line of its own, for the producer writes what is beside it.
#[repr(align(64))]
pub(super) struct Hand<T> {
    portion: Mutex<Portion<T>>,
    /// How much is in it, for those who have not locked it. Changes without the
    /// queue's own lock only to less.
    messages: AtomicUsize,
    octets: AtomicUsize,
    /// The thread that took an item and has not asked for another since; 0 for none.
    holder: AtomicU64,
}

pub(super) struct Portion<T> {
    /// Oldest first; older than all that the queue holds elsewhere.
    pub(super) items: VecDeque<T>,
    /// Who waits until all is taken.
    pub(super) watchers: u32,
}

impl<T: Item> Hand<T> {
    pub(super) fn new() -> Self {
        Self {
            portion: Mutex::new(Portion {
                items: VecDeque::new(),
                watchers: 0,
            }),
            messages: AtomicUsize::new(0),
            octets: AtomicUsize::new(0),
            holder: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Portion<T>> {
        self.portion.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many items and octets are in it, at most.
    pub(super) fn holds(&self) -> (usize, usize) {
        let messages = self.messages.load(Ordering::Acquire);
        (messages, self.octets.load(Ordering::Relaxed))
    }

    /// So much is in it now; told under the queue's own lock, too, unless it is less.
    #[inline]
    pub(super) fn set_holds(&self, messages: usize, octets: usize) {
        self.octets.store(octets, Ordering::Relaxed);
        self.messages.store(messages, Ordering::Release);
    }

    #[inline(always)]
    pub(super) fn pop(&self, portion: &mut Portion<T>) -> Option<T> {
        let size = portion.items.front()?.size();
        let item = portion.items.pop_front()?;
        // Whoever finds that there is none left finds who has the last.
        self.taken();
        let octets = self.octets.load(Ordering::Relaxed);
        self.set_holds(portion.items.len(), octets - size);
        Some(item)
    }

    /// The calling thread has the latest item now.
    #[inline]
    pub(super) fn taken(&self) {
        self.holder.store(thread::number(), Ordering::Relaxed);
    }

    /// The calling thread asks for more: if it had the latest item, it is done with it.
    pub(super) fn done(&self) {
        let (me, order) = (thread::number(), Ordering::Relaxed);
        self.holder.compare_exchange(me, 0, order, order).ok();
    }

    /// Nobody waits for the one who has the latest item any more.
    pub(super) fn forget(&self) {
        self.holder.store(0, Ordering::Relaxed);
    }

    /// Whether another thread has an item.
    pub(super) fn is_held_elsewhere(&self) -> bool {
        let holder = self.holder.load(Ordering::Relaxed);
        holder != 0 && holder != thread::number()
    }
}
