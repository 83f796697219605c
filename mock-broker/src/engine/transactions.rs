//! Transactions: steps that take effect together, or not at all.

use super::Engine;
use super::broker::required;
use super::conn::Step;
use super::hub::Target;
use super::refusal::Refused;
use crate::wire::Frame;
use std::collections::BTreeMap;

/// Most octets in all open transactions of one session.
const MOST_OCTETS: usize = 256 << 20;

impl Engine {
    pub(super) fn on_begin(&mut self, conn: u64, frame: &Frame) -> Result<(), Refused> {
        let name = required(frame, "transaction")?;
        let most = self.scenario.bounds.transaction;
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let Some(session) = session else {
            return Ok(());
        };
        if session.transactions.contains_key(name) {
            if self.scenario.dialect.begin_twice {
                return Ok(());
            }
            return Err(Refused::new("transaction has already begun"));
        }
        if session.transactions.len() >= most {
            return Err(Refused::new("too many open transactions"));
        }
        session.transactions.insert(name.to_owned(), Vec::new());
        Ok(())
    }

    pub(super) fn in_transaction(
        &mut self,
        conn: u64,
        frame: &Frame,
        step: Step,
    ) -> Result<(), Refused> {
        let name = required(frame, "transaction")?;
        let most = self.scenario.bounds.transaction;
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let open = session.and_then(|s| Some((s.transactions.get_mut(name)?, &mut s.in_doubt)));
        let Some((steps, kept)) = open else {
            return Err(Refused::new("unknown transaction"));
        };
        let octets = step.octets();
        if steps.len() >= most || *kept + octets > MOST_OCTETS {
            return Err(Refused::new("transaction is too large"));
        }
        *kept += octets;
        steps.push(step);
        Ok(())
    }

    pub(super) fn take_transaction(
        &mut self,
        conn: u64,
        frame: &Frame,
    ) -> Result<Vec<Step>, Refused> {
        let name = required(frame, "transaction")?;
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let open = session.and_then(|s| Some((s.transactions.remove(name)?, &mut s.in_doubt)));
        let (steps, kept) = open.ok_or_else(|| Refused::new("unknown transaction"))?;
        *kept -= steps.iter().map(Step::octets).sum::<usize>();
        Ok(steps)
    }

    /// All steps take effect, or none.
    pub(super) fn on_commit(&mut self, conn: u64, frame: &Frame) -> Result<(), Refused> {
        let steps = self.take_transaction(conn, frame)?;
        let mut queues: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for step in &steps {
            if let Step::Send(frame) = step {
                let destination = required(frame, "destination")?;
                if let (Target::Queue(name), _) = self.send_target(conn, destination)? {
                    let (messages, octets) = queues.entry(name).or_default();
                    *messages += 1;
                    *octets += frame.octets();
                }
            }
        }
        if queues
            .iter()
            .any(|(queue, (more, octets))| !self.hub.has_room(queue, *more, *octets))
        {
            return Err(Refused::new("queue is full"));
        }
        for step in steps {
            match step {
                Step::Send(frame) => self.publish(conn, &frame)?,
                Step::Settle { delivery, nack } => self.settle_delivery(conn, delivery, nack),
            }
        }
        Ok(())
    }
}
