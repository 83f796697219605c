//! From the client to the upstream.

use super::ToUpstream;
use crate::engine::Engine;
use crate::engine::beats::pair;
use crate::engine::conn::Phase;
use crate::engine::hub::{AckMode, Wish};
use crate::engine::refusal::Refused;
use crate::engine::run::{Cx, Event, Run};
use crate::script::Stage;
use crate::transcript::{Note, What};
use crate::wire::{Frame, encode};

impl Engine {
    /// A message of the client before it is decoded; true if that is not
    /// wanted any more.
    pub(in crate::engine) fn relays_raw(&mut self, conn: u64, octets: &[u8], binary: bool) -> bool {
        let Some(relay) = self.relay_mut(conn) else {
            return false;
        };
        relay.up_binary = binary;
        if relay.raw_up {
            let octets = octets.to_vec();
            self.upstream(conn, ToUpstream::Message { octets, binary });
            return true;
        }
        false
    }

    /// The client sent what is no STOMP: the upstream is to see it, if it
    /// still can be passed on as it came.
    pub(in crate::engine) fn relay_broken(
        &mut self,
        conn: u64,
        octets: &[u8],
        whole: bool,
        why: String,
    ) {
        self.record(conn, What::Note(Note::Refused { message: why }));
        let Some(relay) = self.relay_mut(conn) else {
            return;
        };
        if whole {
            relay.raw_up = true;
            let (octets, binary) = (octets.to_vec(), relay.up_binary);
            self.upstream(conn, ToUpstream::Message { octets, binary });
        } else {
            self.shut_close(conn, 1002, "broken frame");
        }
    }

    /// A heart-beat of the client.
    pub(in crate::engine) fn relay_beat(&mut self, conn: u64, octets: &[u8]) {
        if let Some(relay) = self.relay_mut(conn) {
            let (octets, binary) = (octets.to_vec(), relay.up_binary);
            self.upstream(conn, ToUpstream::Message { octets, binary });
        }
    }

    /// A ping (or else a pong) of the client.
    pub(in crate::engine) fn relay_ping(&mut self, conn: u64, octets: &[u8], ping: bool) {
        let octets = octets.to_vec();
        if self.is_open(conn) {
            self.upstream(
                conn,
                if ping {
                    ToUpstream::Ping(octets)
                } else {
                    ToUpstream::Pong(octets)
                },
            );
        }
    }

    /// A frame of the client takes place.
    pub(in crate::engine) fn relay(&mut self, conn: u64, frame: &Frame, rebind: bool) {
        let grace = self.scenario.suspend_grace;
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let suspended = c.session.as_ref().and_then(|s| s.suspended);
        match frame.command.as_str() {
            "CONNECT" | "STOMP" => {
                let live = c.session.is_some();
                if live && (rebind || suspended.is_some()) {
                    self.renew(conn, frame);
                    return;
                }
                if let Some(relay) = &mut c.relay {
                    relay.login = frame.header("login").map(str::to_owned);
                    relay.beats = frame
                        .header("heart-beat")
                        .and_then(pair)
                        .unwrap_or_default();
                }
                let identity = frame.header("login").map(str::to_owned);
                if live || self.other_session(conn, identity.as_deref()).is_some() {
                    let actions = self.fire(conn, Event::Overlap);
                    let frame = frame.clone();
                    self.run(Run::new(conn, Cx::Overlap { frame, identity }, actions));
                    return;
                }
            }
            "DISCONNECT" => {
                let actions = self.fire(conn, Event::Stage(Stage::Disconnect));
                self.run(Run::new(conn, Cx::None, actions));
            }
            command if suspended.is_some_and(|since| now >= since + grace) => {
                let command = command.to_owned();
                self.record(conn, What::Note(Note::SentWhileSuspended { command }));
                let refused = Refused::coded(401, "token expired");
                self.refuse(conn, self.receipt_of(frame), refused, Some(frame));
                return;
            }
            "SUBSCRIBE" => self.remember(conn, frame),
            "UNSUBSCRIBE" => self.forget(conn, frame),
            _ => {}
        }
        self.pass_up(conn, frame);
    }

    /// Sends a frame upstream.
    pub(in crate::engine) fn pass_up(&mut self, conn: u64, frame: &Frame) {
        let Some(c) = self.conns.get(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        let Some(relay) = &c.relay else { return };
        let octets = encode(frame, c.version);
        let binary = relay.up_binary || std::str::from_utf8(&octets).is_err();
        self.upstream(conn, ToUpstream::Message { octets, binary });
    }

    /// Storms reach those who subscribed upstream.
    fn remember(&mut self, conn: u64, frame: &Frame) {
        let (Some(id), Some(destination)) = (frame.header("id"), frame.header("destination"))
        else {
            return;
        };
        let session = self.conns.get(&conn).and_then(|c| c.session.as_ref());
        if session.is_none_or(|s| s.subs.contains_key(id)) {
            return;
        }
        // What the upstream knows by another name gets no storms.
        let Ok(target) = self.subscribe_target(conn, destination) else {
            return;
        };
        let no = self.hub.subscribe(Wish {
            conn,
            id: Some(id.to_owned()),
            target,
            ack: AckMode::Auto,
            prefetch: usize::MAX,
            selector: None,
        });
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        if let Some(session) = session {
            session.subs.insert(id.to_owned(), no);
        }
    }

    fn forget(&mut self, conn: u64, frame: &Frame) {
        let session = self.conns.get_mut(&conn).and_then(|c| c.session.as_mut());
        let no = session.and_then(|s| s.subs.remove(frame.header("id")?));
        if let Some(no) = no {
            self.hub.unsubscribe(no);
        }
    }

    /// The script takes a CONNECT on a live session as a renewal: the upstream,
    /// which would not, does not hear of it.
    pub(in crate::engine) fn renew(&mut self, conn: u64, frame: &Frame) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let connected = c.relay.as_ref().and_then(|r| r.connected.clone());
        let (Some(session), Some(connected)) = (&mut c.session, connected) else {
            return;
        };
        session.suspended = None;
        let waiting = session.take_waiting();
        self.emit(conn, connected, None);
        if let Some(receipt) = self.receipt_of(frame) {
            let receipt = Frame::new("RECEIPT").with("receipt-id", receipt);
            self.emit(conn, receipt, None);
        }
        for message in waiting {
            self.emit(conn, message, None);
        }
    }
}
