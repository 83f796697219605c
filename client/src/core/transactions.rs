//! Transactions that are open at the broker, and may still be ended there.

use super::io::TransactionStep;
use crate::ledger::Ledger;

/// All or nothing: once one frame of a transaction did not leave, or its
/// connection ended, nothing more of it leaves, least of all its COMMIT.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    open: Ledger<()>,
}

impl Transactions {
    /// Whether a frame may leave; it counts as having left then.
    pub(super) fn admit(&mut self, id: u64, step: TransactionStep) -> bool {
        match step {
            TransactionStep::Begin => {
                let is_new = self.open.get(id).is_none();
                self.open.insert(id, ());
                is_new
            }
            TransactionStep::Within => self.open.get(id).is_some(),
            TransactionStep::End => self.open.remove(id).is_some(),
        }
    }

    /// A frame will not leave. Without its end a transaction is only open.
    pub(super) fn spoil(&mut self, id: u64, step: TransactionStep) {
        match step {
            TransactionStep::Begin | TransactionStep::Within => {
                self.open.remove(id);
            }
            TransactionStep::End => {}
        }
    }

    pub(super) fn is_any_open(&self) -> bool {
        self.open.len() > 0
    }

    /// The broker forgot them, or no longer hears all that belongs to them.
    pub(super) fn abort(&mut self) {
        self.open = Ledger::default();
    }
}
