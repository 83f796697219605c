//! Calls that wait for a RECEIPT, each with its deadline.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::{
    io::{Key, Waiter},
    replies::{Replies, Request},
    timers::Armed,
};
use crate::{
    dialect::{Dialect, ReceiptHeader},
    frame::Encoder,
    ledger::Ledger,
};

/// The number in a receipt id. Callers draw theirs from one counter; those the
/// core makes itself have the top bit set and a mark before the digits.
pub(super) type ReceiptId = u64;

const OWN: u64 = 1 << 63;

/// What stands before the digits, for `concat!`.
macro_rules! own_mark {
    () => {
        "s"
    };
}

const OWN_MARK: &str = own_mark!();

/// What a RECEIPT will confirm.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A frame of the application. Its octets, if it is to leave again after a loss.
    Publish(Option<Box<Replayed>>),
    /// The same that asks for a reply: that, too, is awaited.
    Request(Request),
    /// SUBSCRIBE.
    Subscribe(Key),
    /// UNSUBSCRIBE.
    Unsubscribe(Key),
    /// DISCONNECT.
    Disconnect,
    /// CONNECT on a live socket.
    Rebind,
}

/// A frame that can leave once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replayed {
    pub(super) octets: Bytes,
    pub(super) needs: crate::frame::Version,
    pub(super) deadline: Instant,
    /// Where its reply is awaited, if it is a request.
    pub(super) replies: Option<Arc<Replies>>,
    /// Whether it has left on a connection that was lost since.
    pub(super) left: bool,
}

#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) waiter: Waiter,
    pub(super) timer: Option<Armed>,
    /// When the frame left on the present connection, if it has.
    pub(super) sent: Option<Instant>,
    /// Whether it ends a transaction.
    pub(super) ends: bool,
}

/// All calls that wait for a RECEIPT, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Operations {
    waiting: Ledger<Operation>,
    made: u64,
    /// Octets of frames that have left and are kept to leave again.
    held: usize,
    /// How many have left.
    sent: usize,
    /// How many are requests.
    requests: usize,
    /// How many are SUBSCRIBEs.
    subscribes: usize,
}

impl Operation {
    /// Whether the frame has left, on the present connection or one before.
    pub(super) fn has_left(&self) -> bool {
        self.sent.is_some() || self.replayed().is_some_and(|r| r.left)
    }

    /// Whether it waits for a reply.
    pub(super) fn asks(&self) -> bool {
        matches!(self.kind, Kind::Request(_))
    }

    fn subscribes(&self) -> bool {
        matches!(self.kind, Kind::Subscribe(_))
    }

    /// When the frame left whose RECEIPT is awaited.
    pub(super) fn unconfirmed(&self) -> Option<Instant> {
        let confirmed = matches!(&self.kind, Kind::Request(request) if request.confirmed);
        self.sent.filter(|_| !confirmed)
    }

    /// What is kept to leave again.
    pub(super) fn replayed(&self) -> Option<&Replayed> {
        match &self.kind {
            Kind::Publish(replayed) | Kind::Request(Request { replayed, .. }) => {
                replayed.as_deref()
            }
            Kind::Subscribe(_) | Kind::Unsubscribe(_) | Kind::Disconnect | Kind::Rebind => None,
        }
    }

    /// Octets that only this operation still holds: before the frame left, the
    /// outbox counts them.
    fn held(&self) -> usize {
        match self.replayed() {
            Some(replayed) if self.sent.is_some() => replayed.octets.len(),
            Some(_) | None => 0,
        }
    }
}

impl Operations {
    /// A receipt id of the core's own.
    pub(super) fn own_id(&mut self) -> ReceiptId {
        self.made += 1;
        OWN | self.made
    }

    pub(super) fn insert(&mut self, id: ReceiptId, operation: Operation) {
        self.held += operation.held();
        self.sent += usize::from(operation.sent.is_some());
        self.requests += usize::from(operation.asks());
        self.subscribes += usize::from(operation.subscribes());
        self.waiting.insert(id, operation);
    }

    pub(super) fn remove(&mut self, id: ReceiptId) -> Option<Operation> {
        let operation = self.waiting.remove(id)?;
        self.held -= operation.held();
        self.sent -= usize::from(operation.sent.is_some());
        self.requests -= usize::from(operation.asks());
        self.subscribes -= usize::from(operation.subscribes());
        Some(operation)
    }

    pub(super) fn get(&self, id: ReceiptId) -> Option<&Operation> {
        self.waiting.get(id)
    }

    /// Marks that the frame left. False if its call has ended meanwhile.
    pub(super) fn sent(&mut self, now: Instant, id: ReceiptId) -> bool {
        let Some(operation) = self.waiting.get_mut(id) else {
            return false;
        };
        if operation.sent.is_none() {
            operation.sent = Some(now);
            self.sent += 1;
            self.held += operation.held();
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many match.
    pub(super) fn count(&self, matches: impl Fn(&Operation) -> bool) -> usize {
        self.waiting.iter().filter(|(_, o)| matches(o)).count()
    }

    /// How many are requests.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    /// How many have left and wait for their RECEIPT, or for a reply.
    pub(super) fn under_way(&self) -> usize {
        self.sent
    }

    /// Octets of frames that have left and are kept to leave again.
    pub(super) fn octets(&self) -> usize {
        self.held
    }

    /// Whether the RECEIPT of some SUBSCRIBE is awaited.
    pub(super) fn awaits_subscribe(&self) -> bool {
        self.subscribes > 0
    }

    /// The connection is gone, and with it what its RECEIPTs promised of replies.
    pub(super) fn forget_confirmed(&mut self) {
        if self.requests == 0 {
            return;
        }
        for operation in self.waiting.values_mut() {
            if let Kind::Request(request) = &mut operation.kind {
                request.confirmed = false;
            }
        }
    }

    /// Takes out those that match, oldest first.
    pub(super) fn take(
        &mut self,
        matches: impl Fn(&Operation) -> bool,
    ) -> Vec<(ReceiptId, Operation)> {
        let ids: Vec<_> = self
            .waiting
            .iter()
            .filter(|(_, operation)| matches(operation))
            .map(|(id, _)| id)
            .collect();
        ids.into_iter()
            .filter_map(|id| Some((id, self.remove(id)?)))
            .collect()
    }

    /// When the frame left whose RECEIPT has been awaited longest.
    pub(super) fn oldest_sent(&self) -> Option<Instant> {
        self.waiting
            .iter()
            .filter_map(|(_, o)| o.unconfirmed())
            .min()
    }

    /// The only operation that has left and waits, if there is exactly one.
    pub(super) fn only_sent(&self) -> Option<ReceiptId> {
        let mut sent = self
            .waiting
            .iter()
            .filter(|(_, o)| o.unconfirmed().is_some());
        match (sent.next(), sent.next()) {
            (Some((id, _)), None) => Some(id),
            (Some(_) | None, _) => None,
        }
    }
}

/// A receipt id as it stands in a header.
pub(crate) fn receipt_text(id: ReceiptId) -> String {
    if id & OWN == 0 {
        id.to_string()
    } else {
        format!("{OWN_MARK}{}", id & !OWN)
    }
}

/// Asks for a RECEIPT in the way that the dialect has it.
pub(crate) fn receipt_headers(frame: &mut Encoder<'_>, dialect: Dialect, id: ReceiptId) {
    let (receipt, receipt_id) = if id & OWN == 0 {
        ("receipt:", "receipt-id:")
    } else {
        (
            concat!("receipt:", own_mark!()),
            concat!("receipt-id:", own_mark!()),
        )
    };
    let number = id & !OWN;
    match dialect.receipt_header {
        ReceiptHeader::Receipt => frame.known_number(receipt, number),
        ReceiptHeader::ReceiptId => frame.known_number(receipt_id, number),
        ReceiptHeader::Both => {
            frame.known_number(receipt, number);
            frame.known_number(receipt_id, number);
        }
    }
}

/// The number of a `receipt-id` header; `None` if it is none of ours.
pub(super) fn receipt_number(text: &[u8]) -> Option<ReceiptId> {
    let (own, digits) = match text.strip_prefix(OWN_MARK.as_bytes()) {
        Some(digits) => (OWN, digits),
        None => (0, text),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |n: u64, c| {
            c.is_ascii_digit().then(|| n * 10 + u64::from(c - b'0'))
        })
        .map(|n| n | own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipt_ids_round_trip_and_foreign_ones_are_none() {
        for id in [0, 1, 42, OWN | 1, OWN | 99] {
            assert_eq!(receipt_number(receipt_text(id).as_bytes()), Some(id));
        }
        for foreign in ["", "s", "x1", "1x", "-1", "99999999999999999999"] {
            assert_eq!(receipt_number(foreign.as_bytes()), None, "{foreign}");
        }
    }
}
