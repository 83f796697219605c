//! ACK and NACK: what is settled, what comes again, what is a dead letter.

use super::Engine;
use super::broker::{ack_id, missing, required};
use super::conn::Step;
use super::hub::{AckMode, Target};
use super::message::{Item, Message};
use super::refusal::Refused;
use crate::dialect::{Nack, Transactions};
use crate::wire::{Frame, Version};
use std::sync::Arc;

impl Engine {
    /// ACK and NACK.
    pub(super) fn on_settle(
        &mut self,
        conn: u64,
        frame: &Frame,
        version: Version,
        nack: bool,
    ) -> Result<(), Refused> {
        let dialect = &self.scenario.dialect;
        if dialect.nack == Nack::Nothing {
            return Ok(());
        }
        let transactional = dialect.transactions == Transactions::Full;
        let nack = nack && dialect.nack != Nack::Ack;
        let delivery = self.find_delivery(conn, frame, version)?;
        if frame.header("transaction").is_some() && transactional {
            return self.in_transaction(conn, frame, Step::Settle { delivery, nack });
        }
        self.settle_delivery(conn, delivery, nack);
        Ok(())
    }

    /// 1.2 names a delivery by its `ack` header, 1.1 by subscription and
    /// message-id, 1.0 by message-id alone.
    fn find_delivery(&self, conn: u64, frame: &Frame, version: Version) -> Result<u64, Refused> {
        let unknown = || Refused::new("no such message waits for an acknowledgement");
        let session = self.conns.get(&conn).and_then(|c| c.session.as_ref());
        let session = session.ok_or_else(unknown)?;
        if version == Version::V1_2 {
            let id = required(frame, "id")?;
            // The whole id must be the one that was given, not only its digits.
            let digits = id.rsplit(['-', '@', ':']).next();
            let delivery = digits.and_then(|n| n.parse().ok()).filter(|d| {
                let sub = session.pending.get(d).and_then(|no| self.hub.subs.get(no));
                let name = sub
                    .and_then(|sub| sub.wish.id.as_deref())
                    .unwrap_or_default();
                ack_id(self.scenario.dialect.ack_id, &session.id, name, *d) == id
            });
            return delivery
                .filter(|d| session.pending.contains_key(d))
                .ok_or_else(unknown);
        }
        let message = required(frame, "message-id")?;
        let sub = match frame.header("subscription") {
            Some(id) => Some(*session.subs.get(id).ok_or_else(unknown)?),
            None if version == Version::V1_1 => return Err(missing(frame, "subscription")),
            None => None,
        };
        let no: u64 = message
            .strip_prefix("m-")
            .and_then(|n| n.parse().ok())
            .ok_or_else(unknown)?;
        session
            .pending
            .iter()
            .filter(|(_, s)| sub.is_none_or(|sub| sub == **s))
            .find(|(delivery, s)| {
                let item = self
                    .hub
                    .subs
                    .get(s)
                    .and_then(|sub| sub.unacked.get(delivery));
                item.is_some_and(|item| item.message.no == no)
            })
            .map(|(delivery, _)| *delivery)
            .ok_or_else(unknown)
    }

    pub(super) fn settle_delivery(&mut self, conn: u64, delivery: u64, nack: bool) {
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let Some(session) = session else { return };
        let Some(sub) = session.pending.get(&delivery).copied() else {
            return;
        };
        let cumulative = self.hub.subs.get(&sub).map(|s| s.wish.ack) == Some(AckMode::Client);
        let older: Vec<(u64, u64)> = if self.scenario.dialect.ack_connection_wide && cumulative {
            session
                .pending
                .range(..delivery)
                .map(|(d, s)| (*d, *s))
                .collect()
        } else {
            Vec::new()
        };
        let mut settled = self.hub.settle(sub, delivery);
        for (delivery, _) in &settled {
            session.pending.remove(delivery);
        }
        for (delivery, other) in older.into_iter().filter(|(_, other)| *other != sub) {
            let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
            session.and_then(|s| s.pending.remove(&delivery));
            let more = self.hub.settle_one(other, delivery);
            if let (Some(item), true) = (more, nack) {
                self.again(other, item);
            }
        }
        if !nack {
            return;
        }
        // The newest first, so that a topic's come back in their old order.
        while let Some((_, item)) = settled.pop() {
            self.again(sub, item);
        }
    }

    /// What was refused is delivered again, or is a dead letter.
    fn again(&mut self, sub: u64, item: Item) {
        let Some(target) = self.hub.subs.get(&sub).map(|s| s.wish.target.clone()) else {
            return;
        };
        let dialect = &self.scenario.dialect;
        let again = match dialect.nack {
            Nack::Forever => true,
            Nack::Again => item.deliveries < self.scenario.max_deliveries,
            Nack::Bury | Nack::Ack | Nack::Nothing => false,
        };
        match (target, dialect.dead_letters) {
            (Target::Queue(name), Some(dead)) if !again && name != dead => self.bury(&item, dead),
            (Target::Topic(_), Some(dead)) if !again => self.bury(&item, dead),
            (Target::Queue(name), _) => self.hub.put_back(&name, item),
            (Target::Topic(_), _) => self.hub.offer_again(sub, item),
        }
    }

    /// What was refused too often goes to the dead letters, if these have room.
    fn bury(&mut self, item: &Item, dead: &str) {
        let message = &item.message;
        if !self.hub.has_room(dead, 1, message.body().len()) {
            return;
        }
        let mut headers = message.headers.clone();
        let origin = message.destination().to_owned();
        headers.push(("original-destination".to_owned(), origin));
        let item = Item::new(Message {
            no: message.no,
            told: Some(dead.to_owned()),
            headers,
            source: Arc::clone(&message.source),
            measured: message.measured,
            ..Message::default()
        });
        self.hub.enqueue(dead, item);
    }
}
