//! The place of one answer.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use crate::{
    clock,
    core::Reply,
    error::{Error, Stage},
};

/// Where the answer to one call appears. That it is done, which it mostly says, needs
/// no lock.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    state: AtomicU8,
    /// An answer that says more.
    answer: Mutex<Option<Answer>>,
    answered: Condvar,
}

type Answer = Result<Reply, Error>;

/// No answer, and nobody waits.
const OPEN: u8 = 0;
/// No answer, and a thread is to be told.
const AWAITED: u8 = 1;
/// It is done.
const DONE: u8 = 2;
/// The answer lies there, if nobody took it.
const ANSWERED: u8 = 3;

impl Slot {
    /// A slot for a new call. Its memory is that of an older one of this thread which
    /// nobody knows any more, if there is one.
    pub(crate) fn new() -> Arc<Self> {
        let reused = TURNS.try_with(|turns| {
            let mut turns = turns.try_borrow_mut().ok()?;
            let free = turns.front_mut().and_then(Arc::get_mut).map(Self::clear);
            if free.is_none() && turns.len() < KEPT {
                let slot = Arc::default();
                turns.push_back(Arc::clone(&slot));
                return Some(slot);
            }
            // One that is still in use would keep those behind it from theirs.
            let oldest = turns.pop_front()?;
            let slot = free.map_or_else(Arc::default, |()| oldest);
            turns.push_back(Arc::clone(&slot));
            Some(slot)
        });
        reused.ok().flatten().unwrap_or_default()
    }

    fn clear(&mut self) {
        *self.state.get_mut() = OPEN;
        *self
            .answer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn put(&self, answer: Answer) {
        if self.place(answer) {
            self.tell();
        }
    }

    /// As [`put`](Self::put), but if somebody waits, which it returns, they learn
    /// of it with [`tell`](Self::tell).
    #[must_use]
    pub(crate) fn place(&self, answer: Answer) -> bool {
        let now = if matches!(answer, Ok(Reply::Done)) {
            DONE
        } else {
            *self.lock() = Some(answer);
            ANSWERED
        };
        self.state.swap(now, Ordering::AcqRel) == AWAITED
    }

    pub(crate) fn tell(&self) {
        // Whoever said that they wait do so once the lock is free.
        drop(self.lock());
        self.answered.notify_all();
    }

    pub(crate) fn take(&self) -> Option<Answer> {
        match self.state.load(Ordering::Acquire) {
            DONE => {
                self.state.store(ANSWERED, Ordering::Relaxed);
                Some(Ok(Reply::Done))
            }
            ANSWERED => self.lock().take(),
            _ => None,
        }
    }

    /// Waits for the answer. The core answers by the call's own deadline; this
    /// one is for a reactor that is not turned.
    pub(crate) fn wait(&self, deadline: Instant) -> Answer {
        loop {
            if let Some(answer) = self.take() {
                return answer;
            }
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Err(Error::Timeout(Stage::Receipt));
            }
            let lock = self.lock();
            let (ours, theirs) = (Ordering::AcqRel, Ordering::Acquire);
            let before = self.state.compare_exchange(OPEN, AWAITED, ours, theirs);
            let taken = before == Err(ANSWERED) && lock.is_none();
            if taken || matches!(before, Ok(_) | Err(AWAITED)) {
                drop(self.answered.wait_timeout(lock, left));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Answer>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// The latest slots of this thread, the oldest first.
    static TURNS: RefCell<VecDeque<Arc<Slot>>> = const { RefCell::new(VecDeque::new()) };
}

/// More calls that wait at once do not use memory again.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    fn done(answer: Option<Answer>) -> bool {
        matches!(answer, Some(Ok(Reply::Done)))
    }

    #[test]
    fn an_answer_is_taken_once() {
        let slot = Slot::new();
        assert!(slot.take().is_none());
        assert!(!slot.place(Ok(Reply::Done)), "nobody waits");
        assert!(done(slot.take()));
        assert!(slot.take().is_none());
        let slot = Slot::new();
        slot.put(Err(Error::Closed));
        assert!(matches!(slot.take(), Some(Err(Error::Closed))));
        assert!(slot.take().is_none());
    }

    #[test]
    fn a_slot_is_used_again_once_nobody_knows_it_and_says_nothing_of_before() {
        let first = Slot::new();
        let place: *const Slot = &*first;
        let second = Slot::new();
        assert!(!std::ptr::eq(place, &*second), "the first is still known");
        first.put(Err(Error::Closed));
        drop(first);
        let third = Slot::new();
        assert!(std::ptr::eq(place, &*third));
        assert!(third.take().is_none(), "that answer was another call's");
        second.put(Ok(Reply::Done));
        assert!(third.take().is_none() && done(second.take()));
    }

    #[test]
    fn one_that_stays_in_use_does_not_keep_the_others_from_being_used_again() {
        let stays = Slot::new();
        let mut known = VecDeque::new();
        let mut others = std::collections::HashSet::new();
        for nth in 0..10 * KEPT {
            let slot = Slot::new();
            assert!(slot.take().is_none());
            if nth > 3 * KEPT {
                others.insert(Arc::as_ptr(&slot));
            }
            slot.put(Ok(Reply::Done));
            known.push_back(slot);
            if known.len() > KEPT / 2 {
                assert!(done(known.pop_front().expect("there is one").take()));
            }
        }
        assert!(others.len() <= KEPT, "{}", others.len());
        assert!(stays.take().is_none());
    }

    #[test]
    fn whoever_waits_is_told_whatever_comes_first() {
        let soon = || clock::after(Duration::from_secs(20));
        for nth in 0..2_000 {
            let slot = Slot::new();
            let other = Arc::clone(&slot);
            let answer = move || match nth % 2 {
                0 => other.put(Ok(Reply::Done)),
                _ => other.put(Err(Error::Closed)),
            };
            let teller = thread::spawn(answer);
            let answer = slot.wait(soon());
            assert_eq!(answer.is_ok(), nth % 2 == 0, "{answer:?}");
            teller.join().expect("it does not panic");
        }
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let slot = Slot::new();
        let answer = slot.wait(clock::after(Duration::from_millis(5)));
        assert!(matches!(answer, Err(Error::Timeout(Stage::Receipt))));
        assert!(slot.place(Ok(Reply::Done)), "somebody may still wait");
        assert!(done(slot.take()));
    }
}
