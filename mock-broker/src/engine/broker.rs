//! What each client frame does.

use super::Engine;
use super::conn::{Phase, Step};
use super::hub::{AckMode, DEAD_LETTERS, Item, Message, is_queue, user_headers};
use super::run::{Cx, Event, Run};
use super::session::{Entry, Refused};
use crate::script::Stage;
use crate::transcript::{Note, What};
use crate::wire::{Frame, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// Does what a frame asks for, or answers it with ERROR.
    pub(super) fn process(&mut self, conn: u64, frame: Frame, rebind: bool) {
        let Some(c) = self.conns.get(&conn) else {
            return;
        };
        if c.phase != Phase::Open || c.farewell {
            return;
        }
        if self.proxy {
            self.relay(conn, &frame, rebind);
            return;
        }
        let receipt = self.receipt_of(&frame);
        if let Err(refused) = self.dispatch(conn, &frame, rebind) {
            self.refuse(conn, receipt, refused, Some(&frame));
        }
    }

    fn dispatch(&mut self, conn: u64, frame: &Frame, rebind: bool) -> Result<(), Refused> {
        let Some(c) = self.conns.get(&conn) else {
            return Ok(());
        };
        let connect = matches!(frame.command.as_str(), "CONNECT" | "STOMP");
        // Only SEND may have a body among the frames of a client.
        if !frame.body.is_empty() && frame.command != "SEND" {
            return Err(Refused::new(format!(
                "{} with a body",
                frame.command.escape_debug()
            )));
        }
        let Some(session) = &c.session else {
            if connect {
                return self.connect(conn, frame, Entry::Fresh);
            }
            return Err(Refused::new("the first frame must be CONNECT"));
        };
        if connect {
            if session.suspended.is_some() || rebind {
                return self.connect(conn, frame, Entry::Rebind);
            }
            let identity = session.identity.clone();
            self.record(conn, What::Note(Note::ConnectWhileLive { other: conn }));
            let actions = self.fire(conn, Event::Overlap);
            let cx = Cx::Overlap {
                frame: frame.clone(),
                identity,
            };
            self.run(Run::new(conn, cx, actions));
            return Ok(());
        }
        let late = session.suspended.is_some_and(|since| {
            frame.command != "DISCONNECT" && self.now >= since + self.scenario.suspend_grace
        });
        if late {
            let command = frame.command.clone();
            self.record(conn, What::Note(Note::SentWhileSuspended { command }));
            return Err(Refused::coded(401, "token expired"));
        }
        self.command(conn, frame)
    }

    fn command(&mut self, conn: u64, frame: &Frame) -> Result<(), Refused> {
        let version = self.conns.get(&conn).map_or(Version::V1_2, |c| c.version);
        match frame.command.as_str() {
            "SEND" => self.on_send(conn, frame)?,
            "SUBSCRIBE" => self.on_subscribe(conn, frame, version)?,
            "UNSUBSCRIBE" => self.on_unsubscribe(conn, frame, version)?,
            "ACK" => self.on_settle(conn, frame, version, false)?,
            "NACK" if version > Version::V1_0 => self.on_settle(conn, frame, version, true)?,
            "BEGIN" => self.on_begin(conn, frame)?,
            "COMMIT" => self.on_commit(conn, frame)?,
            "ABORT" => {
                self.take_transaction(conn, frame)?;
            }
            "DISCONNECT" => {
                self.on_disconnect(conn, frame);
                return Ok(());
            }
            other => {
                return Err(Refused::new(format!(
                    "unknown command {}",
                    other.escape_debug()
                )));
            }
        }
        if let Some(receipt) = self.receipt_of(frame) {
            self.emit(
                conn,
                Frame::new("RECEIPT").with("receipt-id", receipt),
                None,
            );
        }
        Ok(())
    }

    /// The receipt a frame asks for.
    pub(super) fn receipt_of(&self, frame: &Frame) -> Option<String> {
        let dialect = || {
            frame
                .header("receipt-id")
                .filter(|_| self.scenario.receipt_id_header)
        };
        frame.header("receipt").or_else(dialect).map(str::to_owned)
    }

    fn on_disconnect(&mut self, conn: u64, frame: &Frame) {
        let actions = self.fire(conn, Event::Stage(Stage::Disconnect));
        self.run(Run::new(conn, Cx::None, actions));
        self.end_session(conn);
        if let Some(c) = self.conns.get_mut(&conn) {
            c.farewell = true;
        }
        match self.receipt_of(frame) {
            Some(receipt) => {
                let receipt = Frame::new("RECEIPT").with("receipt-id", receipt);
                self.emit(conn, receipt, Some((1000, String::new())));
            }
            None => self.shut_close(conn, 1000, ""),
        }
    }

    fn on_send(&mut self, conn: u64, frame: &Frame) -> Result<(), Refused> {
        required(frame, "destination")?;
        if frame.header("transaction").is_some() {
            return self.in_transaction(conn, frame, Step::Send(frame.clone()));
        }
        self.publish(frame)
    }

    /// Hands a SEND to its queue or topic.
    pub(super) fn publish(&mut self, frame: &Frame) -> Result<(), Refused> {
        let destination = required(frame, "destination")?;
        if is_queue(destination) && !self.hub.has_room(destination, 1) {
            return Err(Refused::new("queue is full"));
        }
        let message = Arc::new(Message {
            no: self.hub.number(),
            destination: destination.to_owned(),
            headers: user_headers(frame),
            body: frame.body.clone(),
        });
        let item = Item {
            message,
            deliveries: 0,
        };
        if is_queue(destination) {
            self.hub.enqueue(destination, item);
        } else {
            for sub in self.hub.audience(destination) {
                self.deliver(sub, item.clone());
            }
        }
        Ok(())
    }

    /// Sends a message to one subscription.
    pub(super) fn deliver(&mut self, no: u64, mut item: Item) {
        let delivery = self.hub.number();
        let max_unacked = self.hub.max_unacked;
        let Some(sub) = self.hub.subs.get_mut(&no) else {
            return;
        };
        let conn = sub.conn;
        if sub.ack != AckMode::Auto && sub.unacked.len() >= max_unacked {
            // Only topics come here: a queue waits for the ACKs.
            if !std::mem::replace(&mut sub.noted, true) {
                let subscription = sub.id.clone().unwrap_or_default();
                self.record(conn, What::Note(Note::Dropped { subscription }));
            }
            return;
        }
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let redelivered = item.deliveries > 0;
        item.deliveries += 1;
        let message = &item.message;
        let mut frame = Frame::new("MESSAGE");
        frame.headers.reserve(message.headers.len() + 6);
        if let Some(id) = &sub.id {
            frame = frame.with("subscription", id.as_str());
        }
        frame = frame
            .with("message-id", format!("m-{}", message.no))
            .with("destination", message.destination.as_str());
        if sub.ack != AckMode::Auto && c.version == Version::V1_2 {
            frame = frame.with("ack", format!("a-{delivery}"));
        }
        if redelivered {
            frame = frame.with("redelivered", "true");
        }
        frame.headers.extend(message.headers.iter().cloned());
        frame = frame
            .with("content-length", message.body.len().to_string())
            .body(message.body.as_slice());
        if sub.ack != AckMode::Auto {
            sub.unacked.insert(delivery, item);
            if let Some(session) = &mut c.session {
                session.pending.insert(delivery, no);
            }
        }
        self.emit(conn, frame, None);
    }

    fn on_subscribe(&mut self, conn: u64, frame: &Frame, version: Version) -> Result<(), Refused> {
        let destination = required(frame, "destination")?;
        let id = match frame.header("id") {
            None if version > Version::V1_0 => return Err(missing(frame, "id")),
            id => id.map(str::to_owned),
        };
        let ack = match frame.header("ack") {
            None | Some("auto") => AckMode::Auto,
            Some("client") => AckMode::Client,
            Some("client-individual") if version > Version::V1_0 => AckMode::Individual,
            Some(_) => return Err(Refused::new("unknown ack mode")),
        };
        let key = id.clone().unwrap_or_else(|| anonymous(destination));
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let Some(session) = session else {
            return Ok(());
        };
        if session.subs.contains_key(&key) {
            return Err(Refused::new("subscription id is in use"));
        }
        let no = self.hub.subscribe(conn, id, destination, ack);
        session.subs.insert(key, no);
        Ok(())
    }

    fn on_unsubscribe(
        &mut self,
        conn: u64,
        frame: &Frame,
        version: Version,
    ) -> Result<(), Refused> {
        let key = match (frame.header("id"), frame.header("destination")) {
            (Some(id), _) => id.to_owned(),
            (None, Some(destination)) if version == Version::V1_0 => anonymous(destination),
            (None, _) => return Err(missing(frame, "id")),
        };
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let Some(session) = session else {
            return Ok(());
        };
        let Some(no) = session.subs.remove(&key) else {
            return Err(Refused::new("unknown subscription id"));
        };
        session.pending.retain(|_, sub| *sub != no);
        self.hub.unsubscribe(no);
        Ok(())
    }

    /// ACK and NACK.
    fn on_settle(
        &mut self,
        conn: u64,
        frame: &Frame,
        version: Version,
        nack: bool,
    ) -> Result<(), Refused> {
        let delivery = self.find_delivery(conn, frame, version)?;
        if frame.header("transaction").is_some() {
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
            let delivery = id.strip_prefix("a-").and_then(|n| n.parse().ok());
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

    fn settle_delivery(&mut self, conn: u64, delivery: u64, nack: bool) {
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let Some(session) = session else { return };
        let Some(sub) = session.pending.get(&delivery).copied() else {
            return;
        };
        let settled = self.hub.settle(sub, delivery);
        for (delivery, _) in &settled {
            session.pending.remove(delivery);
        }
        if !nack {
            return;
        }
        for (_, item) in settled {
            let destination = item.message.destination.clone();
            if item.deliveries >= self.scenario.max_deliveries && destination != DEAD_LETTERS {
                self.bury(&item);
            } else if is_queue(&destination) {
                self.hub.enqueue(&destination, item);
            } else {
                self.deliver(sub, item);
            }
        }
    }

    /// What was refused too often goes to the dead letters.
    fn bury(&mut self, item: &Item) {
        let mut headers = item.message.headers.clone();
        let origin = item.message.destination.clone();
        headers.push(("original-destination".to_owned(), origin));
        let message = Arc::new(Message {
            no: item.message.no,
            destination: DEAD_LETTERS.to_owned(),
            headers,
            body: item.message.body.clone(),
        });
        self.hub.enqueue(
            DEAD_LETTERS,
            Item {
                message,
                deliveries: 0,
            },
        );
    }

    fn on_begin(&mut self, conn: u64, frame: &Frame) -> Result<(), Refused> {
        let name = required(frame, "transaction")?;
        let most = self.scenario.bounds.transaction;
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let Some(session) = session else {
            return Ok(());
        };
        if session.transactions.contains_key(name) {
            return Err(Refused::new("transaction has already begun"));
        }
        if session.transactions.len() >= most {
            return Err(Refused::new("too many open transactions"));
        }
        session.transactions.insert(name.to_owned(), Vec::new());
        Ok(())
    }

    fn in_transaction(&mut self, conn: u64, frame: &Frame, step: Step) -> Result<(), Refused> {
        let name = required(frame, "transaction")?;
        let most = self.scenario.bounds.transaction;
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let steps = session.and_then(|s| s.transactions.get_mut(name));
        let Some(steps) = steps else {
            return Err(Refused::new("unknown transaction"));
        };
        if steps.len() >= most {
            return Err(Refused::new("transaction is too large"));
        }
        steps.push(step);
        Ok(())
    }

    fn take_transaction(&mut self, conn: u64, frame: &Frame) -> Result<Vec<Step>, Refused> {
        let name = required(frame, "transaction")?;
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let steps = session.and_then(|s| s.transactions.remove(name));
        steps.ok_or_else(|| Refused::new("unknown transaction"))
    }

    /// All steps take effect, or none.
    fn on_commit(&mut self, conn: u64, frame: &Frame) -> Result<(), Refused> {
        let steps = self.take_transaction(conn, frame)?;
        let mut queues: BTreeMap<&str, usize> = BTreeMap::new();
        for step in &steps {
            if let Step::Send(frame) = step {
                let destination = frame.header("destination").unwrap_or_default();
                if is_queue(destination) {
                    *queues.entry(destination).or_default() += 1;
                }
            }
        }
        if queues
            .iter()
            .any(|(queue, more)| !self.hub.has_room(queue, *more))
        {
            return Err(Refused::new("queue is full"));
        }
        for step in steps {
            match step {
                Step::Send(frame) => self.publish(&frame)?,
                Step::Settle { delivery, nack } => self.settle_delivery(conn, delivery, nack),
            }
        }
        Ok(())
    }
}

/// The key of a 1.0 subscription without id.
fn anonymous(destination: &str) -> String {
    format!("\u{0}{destination}")
}

fn missing(frame: &Frame, header: &str) -> Refused {
    Refused::new(format!("{} without {header}", frame.command))
}

fn required<'a>(frame: &'a Frame, header: &str) -> Result<&'a str, Refused> {
    frame
        .header(header)
        .filter(|v| !v.is_empty())
        .ok_or_else(|| missing(frame, header))
}
