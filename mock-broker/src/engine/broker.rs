//! What each client frame does.

use super::Engine;
use super::conn::{Phase, Step};
use super::events;
use super::hub::{AckMode, Offer, Target, Wish};
use super::message::{Item, Message, is_measured, user_headers};
use super::refusal::{Fault, Refused};
use super::run::{Cx, Event, Run};
use super::session::Entry;
use crate::dialect::{AckId, Durable, Ending, Receipts, Transactions};
use crate::script::Stage;
use crate::selector::Selector;
use crate::transcript::{Note, What};
use crate::wire::{Frame, Version, header_octets};
use std::sync::Arc;

impl Engine {
    /// Does what a frame asks for, or answers it with ERROR.
    pub(super) fn process(&mut self, conn: u64, frame: &Arc<Frame>, rebind: bool) {
        let Some(c) = self.conns.get(&conn) else {
            return;
        };
        if c.phase != Phase::Open || c.farewell {
            return;
        }
        if self.proxy {
            self.relay(conn, frame, rebind);
            return;
        }
        let receipt = self.receipt_of(frame);
        if let Err(refused) = self.dispatch(conn, frame, rebind) {
            self.refuse(conn, receipt, refused, Some(frame));
        }
    }

    fn dispatch(&mut self, conn: u64, frame: &Arc<Frame>, rebind: bool) -> Result<(), Refused> {
        let Some(c) = self.conns.get(&conn) else {
            return Ok(());
        };
        let connect = matches!(frame.command.as_str(), "CONNECT" | "STOMP");
        // Only SEND may have a body among the frames of a client.
        let swallowed = self.scenario.dialect.rules.send_bodies_only;
        if !frame.body.is_empty() && frame.command != "SEND" && !swallowed {
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
                frame: Frame::clone(frame),
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

    fn command(&mut self, conn: u64, frame: &Arc<Frame>) -> Result<(), Refused> {
        let version = self.conns.get(&conn).map_or(Version::V1_2, |c| c.version);
        match frame.command.as_str() {
            "SEND" => self.on_send(conn, frame)?,
            "SUBSCRIBE" => self.on_subscribe(conn, frame, version)?,
            "UNSUBSCRIBE" => self.on_unsubscribe(conn, frame, version)?,
            "ACK" => self.on_settle(conn, frame, version, false)?,
            "NACK" if version > Version::V1_0 => self.on_settle(conn, frame, version, true)?,
            "BEGIN" | "COMMIT" | "ABORT"
                if self.scenario.dialect.transactions == Transactions::Ignored => {}
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
                return Err(
                    Refused::new(format!("unknown command {}", other.escape_debug()))
                        .of(Fault::Command),
                );
            }
        }
        let confirms = self.scenario.dialect.receipts != Receipts::Disconnect;
        if let Some(receipt) = self.receipt_of(frame).filter(|_| confirms) {
            let receipt = Frame::new("RECEIPT").with("receipt-id", receipt);
            self.emit(conn, receipt, None);
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
        let (code, reason) = self.scenario.dialect.farewell;
        let confirms = self.scenario.dialect.receipts != Receipts::NotDisconnect;
        match self.receipt_of(frame).filter(|_| confirms) {
            Some(receipt) => {
                let receipt = Frame::new("RECEIPT").with("receipt-id", receipt);
                self.emit(conn, receipt, Some((code, reason.to_owned())));
            }
            None => self.shut_close(conn, code, reason),
        }
    }

    fn on_send(&mut self, conn: u64, frame: &Arc<Frame>) -> Result<(), Refused> {
        required(frame, "destination")?;
        let dialect = &self.scenario.dialect;
        if dialect.message_id_refused && frame.header("message-id").is_some() {
            return Err(Refused::new("'message-id' is not allowed on 'SEND'."));
        }
        let ignored = dialect.transactions == Transactions::Ignored;
        if frame.header("transaction").is_some() && !ignored {
            return self.in_transaction(conn, frame, Step::Send(Arc::clone(frame)));
        }
        self.publish(conn, frame)
    }

    /// Hands a SEND to its queue or topic.
    pub(super) fn publish(&mut self, conn: u64, frame: &Arc<Frame>) -> Result<(), Refused> {
        let destination = required(frame, "destination")?;
        let (target, told) = self.send_target(conn, destination)?;
        let mut headers = user_headers(frame, self.scenario.dialect.leaks);
        if let Target::Queue(name) = &target {
            let octets = header_octets(&headers) + frame.body.len();
            if !self.hub.has_room(name, 1, octets) {
                return Err(Refused::new("queue is full"));
            }
        }
        self.own_reply_to(conn, &mut headers)?;
        let item = Item::new(Message {
            no: self.hub.number(),
            told,
            headers,
            source: Arc::clone(frame),
            measured: is_measured(frame, self.scenario.dialect.content_length),
            ..Message::default()
        });
        match target {
            Target::Queue(name) => self.hub.enqueue(&name, item),
            Target::Topic(name) => {
                for no in self.hub.topics.audience(&name) {
                    if self.keep_durably(no, &item) {
                        continue;
                    }
                    match self.hub.offer(no, &item) {
                        Offer::Deliver if !self.outputs.are_too_many() => {
                            self.deliver(no, item.clone());
                        }
                        Offer::Deliver | Offer::Dropped => self.note_drop(no),
                        Offer::Kept | Offer::Unwanted => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Says once per subscription that it lost a message.
    fn note_drop(&mut self, no: u64) {
        let Some(sub) = self.hub.subs.get_mut(&no) else {
            return;
        };
        if !std::mem::replace(&mut sub.noted, true) {
            let subscription = sub.wish.id.clone().unwrap_or_default();
            let conn = sub.wish.conn;
            self.record(conn, What::Note(Note::Dropped { subscription }));
        }
    }

    /// Sends a message to one subscription.
    pub(super) fn deliver(&mut self, no: u64, mut item: Item) {
        let delivery = self.hub.number();
        let Some(sub) = self.hub.subs.get(&no).map(|sub| &sub.wish) else {
            return;
        };
        let (conn, ack) = (sub.conn, sub.ack);
        let dialect = &self.scenario.dialect;
        let usual = !(dialect.jms_headers || dialect.no_escapes || dialect.trailing_lf);
        let alike = usual && ack == AckMode::Auto && item.deliveries == 0;
        if alike && self.is_unwatched() && self.deliver_shared(no, &item.message) {
            return;
        }
        let Some(sub) = self.hub.subs.get(&no).map(|sub| &sub.wish) else {
            return;
        };
        let dialect = &self.scenario.dialect;
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
            .with("destination", message.destination());
        if ack != AckMode::Auto && c.version == Version::V1_2 {
            let session = c.session.as_ref().map_or("", |s| s.id.as_str());
            let id = sub.id.as_deref().unwrap_or_default();
            frame = frame.with("ack", ack_id(dialect.ack_id, session, id, delivery));
        }
        if redelivered {
            frame = frame.with("redelivered", "true");
        }
        if dialect.jms_headers {
            let millis = events::EPOCH + self.now.as_millis() as u64;
            frame = frame
                .with("expires", "0")
                .with("priority", "4")
                .with("timestamp", millis.to_string());
        }
        frame.headers.extend(message.headers.iter().cloned());
        if message.measured {
            frame = frame.with("content-length", message.body().len().to_string());
        }
        frame = frame.body(message.body());
        if ack != AckMode::Auto {
            if let Some(session) = &mut c.session {
                session.pending.insert(delivery, no);
            }
            self.hub.expect_ack(no, delivery, item);
        }
        self.emit(conn, frame, None);
    }

    fn on_subscribe(&mut self, conn: u64, frame: &Frame, version: Version) -> Result<(), Refused> {
        let dialect = self.scenario.dialect;
        let destination = required(frame, "destination")?;
        self.check_stale(conn)?;
        let id = match frame.header("id") {
            None if version > Version::V1_0 && dialect.id_required => {
                return Err(missing(frame, "id"));
            }
            id => id.map(str::to_owned),
        };
        let ack = match frame.header("ack") {
            None | Some("auto") => AckMode::Auto,
            Some("client") => AckMode::Client,
            Some("client-individual") if version > Version::V1_0 => AckMode::Individual,
            Some(_) if dialect.any_ack_mode => AckMode::Auto,
            Some(_) => return Err(Refused::new("unknown ack mode")),
        };
        let key = id.clone().unwrap_or_else(|| anonymous(destination));
        let most = self.scenario.bounds.subscriptions;
        let prefetch = dialect.prefetch.and_then(|name| frame.header(name));
        let prefetch = prefetch
            .map(|n| n.trim().parse::<usize>())
            .transpose()
            .map_err(|_| Refused::new("the prefetch is not a number"))?;
        let mut selector = frame
            .header("selector")
            .filter(|text| dialect.selectors && !text.trim().is_empty())
            .map(Selector::parse)
            .transpose()
            .map_err(|error| Refused::new(error.to_string()))?;
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let Some(session) = session else {
            return Ok(());
        };
        let twin = session.subs.contains_key(&key);
        if twin && dialect.endings.twin != Ending::Fine {
            return Err(Refused::new("subscription id is in use").of(Fault::Twin));
        }
        if session.subs.len() >= most {
            return Err(Refused::new("too many subscriptions"));
        }
        let target = self.subscribe_target(conn, destination)?;
        let target = self.durably(conn, frame, target, &mut selector)?;
        let no = self.hub.subscribe(Wish {
            conn,
            id,
            target,
            ack,
            // None means all that the bounds allow, as 0 does with brokers.
            prefetch: prefetch.filter(|n| *n > 0).unwrap_or(usize::MAX),
            selector,
        });
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let twin = session.and_then(|session| session.subs.insert(key, no));
        if let Some(older) = twin {
            // Where a second one is fine, it takes the place of the first.
            self.hub.unsubscribe(older);
        }
        Ok(())
    }

    /// Where the end of a token does nothing by itself, the next SUBSCRIBE
    /// finds out.
    fn check_stale(&mut self, conn: u64) -> Result<(), Refused> {
        let session = self.conns.get(&conn).and_then(|c| c.session.as_ref());
        let token = session.and_then(|s| s.token.clone());
        let live = token.is_none_or(|t| self.tokens.is_live(&t, self.now, self.leeway()));
        if live || self.ending(Fault::StaleToken) == Ending::Fine {
            return Ok(());
        }
        Err(Refused::new("access refused").of(Fault::StaleToken))
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
            if self.end_durable(conn, frame)? {
                return Ok(());
            }
            return Err(Refused::new("unknown subscription id"));
        };
        session.pending.retain(|_, sub| *sub != no);
        self.hub.unsubscribe(no);
        if self.scenario.dialect.durable == Durable::Header {
            self.end_durable(conn, frame)?;
        }
        Ok(())
    }
}

/// An ack id; its last digits are the delivery.
pub(super) fn ack_id(how: AckId, session: &str, subscription: &str, delivery: u64) -> String {
    match how {
        AckId::Plain => format!("a-{delivery}"),
        AckId::Rabbit => format!("T_{subscription}@@{session}@@{delivery}"),
        AckId::Colons => format!("{session}:{delivery}"),
    }
}

/// The key of a 1.0 subscription without id.
fn anonymous(destination: &str) -> String {
    format!("\u{0}{destination}")
}

pub(super) fn missing(frame: &Frame, header: &str) -> Refused {
    Refused::new(format!("{} without {header}", frame.command))
}

pub(super) fn required<'a>(frame: &'a Frame, header: &str) -> Result<&'a str, Refused> {
    frame
        .header(header)
        .filter(|v| !v.is_empty())
        .ok_or_else(|| missing(frame, header))
}
