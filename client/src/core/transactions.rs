//! Transactions that are open at the broker, and may still be ended there.

use std::collections::BTreeSet;

use super::io::TransactionStep;

/// All or nothing: once one frame of a transaction did not leave, or its
/// connection ended, nothing more of it leaves, least of all its COMMIT.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: BTreeSet<u64>,
}

impl Transactions {
    /// Whether a frame may leave; it counts as having left then.
    pub(super) fn admit(&mut self, id: u64, step: TransactionStep) -> bool {
        match step {
            TransactionStep::Begin => self.open.insert(id),
            TransactionStep::Within => self.open.contains(&id),
            TransactionStep::End => self.open.remove(&id),
        }
    }

    /// A frame will not leave. Without its end a transaction is only open.
    pub(super) fn spoil(&mut self, id: u64, step: TransactionStep) {
        match step {
            TransactionStep::Begin | TransactionStep::Within => self.open.remove(&id),
            TransactionStep::End => false,
        };
    }

    pub(super) fn is_any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The broker forgot them, or no longer hears all that belongs to them.
    pub(super) fn abort(&mut self) {
        self.open.clear();
    }
}
