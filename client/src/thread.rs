//! Which thread it is.

use std::sync::atomic::{AtomicU64, Ordering};

/// The calling thread's number, from 1, that no other thread of the process has.
pub(crate) fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: u64 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|n| *n)
}
