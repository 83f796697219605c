//! The place of one answer.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{
    clock,
    core::Reply,
    error::{Error, Stage},
};

/// Where the answer to one call appears.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    answer: Mutex<Option<Result<Reply, Error>>>,
    answered: Condvar,
}

impl Slot {
    pub(crate) fn put(&self, answer: Result<Reply, Error>) {
        self.place(answer);
        self.tell();
    }

    /// As [`put`](Self::put), but whoever waits learns of it with [`tell`](Self::tell).
    pub(crate) fn place(&self, answer: Result<Reply, Error>) {
        *self.lock() = Some(answer);
    }

    pub(crate) fn tell(&self) {
        self.answered.notify_all();
    }

    pub(crate) fn take(&self) -> Option<Result<Reply, Error>> {
        self.lock().take()
    }

    /// Waits for the answer. The core answers by the call's own deadline; this
    /// one is for a reactor that is not turned.
    pub(crate) fn wait(&self, deadline: Instant) -> Result<Reply, Error> {
        let mut answer = self.lock();
        loop {
            if let Some(answer) = answer.take() {
                return answer;
            }
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Err(Error::Timeout(Stage::Receipt));
            }
            answer = self
                .answered
                .wait_timeout(answer, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Result<Reply, Error>>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
