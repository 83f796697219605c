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
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    answer: Option<Result<Reply, Error>>,
    /// Whether a thread is to be told.
    is_awaited: bool,
}

impl Slot {
    pub(crate) fn put(&self, answer: Result<Reply, Error>) {
        if self.place(answer) {
            self.tell();
        }
    }

    /// As [`put`](Self::put), but if somebody waits, which it returns, they learn
    /// of it with [`tell`](Self::tell).
    #[must_use]
    pub(crate) fn place(&self, answer: Result<Reply, Error>) -> bool {
        let mut state = self.lock();
        state.answer = Some(answer);
        state.is_awaited
    }

    pub(crate) fn tell(&self) {
        self.answered.notify_all();
    }

    pub(crate) fn take(&self) -> Option<Result<Reply, Error>> {
        self.lock().answer.take()
    }

    /// Waits for the answer. The core answers by the call's own deadline; this
    /// one is for a reactor that is not turned.
    pub(crate) fn wait(&self, deadline: Instant) -> Result<Reply, Error> {
        let mut state = self.lock();
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Err(Error::Timeout(Stage::Receipt));
            }
            state.is_awaited = true;
            state = self
                .answered
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
