//! What comes from a client: messages, the frames in them, pings.

use super::conn::Phase;
use super::refusal::Refused;
use super::run::{Cx, Event, Run};
use super::{Engine, Output};
use crate::transcript::{Note, What};
use crate::wire::Frame;
use std::sync::Arc;

impl Engine {
    pub(super) fn on_message(&mut self, conn: u64, octets: &[u8], binary: bool) {
        self.touch(conn);
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        if c.phase != Phase::Open {
            return;
        }
        let fresh = !c.decoder.is_mid_frame();
        if self.proxy && self.relays_raw(conn, octets, binary) {
            return;
        }
        if !self.proxy && !self.hears(conn, octets, binary) {
            return;
        }
        let one_frame = !self.proxy && self.scenario.dialect.messages.one_frame;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        c.decoder.feed(octets);
        let mut whole = 0;
        loop {
            let Some(c) = self.conns.get_mut(&conn) else {
                return;
            };
            if c.phase != Phase::Open {
                return;
            }
            let next = c.decoder.next_frame();
            let beats = c.decoder.take_beats();
            // EOLs that trail a frame in the same message are no heart-beats
            // worth an entry; a message of nothing but EOLs is one.
            if beats > 0 && whole == 0 && next == Ok(None) {
                self.record(conn, What::BeatIn);
                self.relay_beat(conn, octets);
            }
            match next {
                Ok(Some(frame)) => {
                    whole += 1;
                    self.on_frame(conn, frame);
                    // What else the message holds is lost (DLX-17).
                    if let Some(c) = self.conns.get_mut(&conn).filter(|_| one_frame) {
                        c.decoder.discard();
                    }
                }
                Ok(None) if one_frame && whole == 0 && octets != b"\n" => {
                    self.shut_close(conn, 1000, "");
                    return;
                }
                Ok(None) => return,
                Err(error) if self.proxy => {
                    self.relay_broken(conn, octets, fresh && whole == 0, error.to_string());
                    return;
                }
                Err(error) => {
                    let refused = Refused::octets(&error.kind);
                    self.refuse(conn, error.receipt, refused, None);
                    return;
                }
            }
            while let Some((sub, item)) = self.hub.next_delivery() {
                self.deliver(sub, item);
            }
        }
    }

    pub(super) fn on_frame(&mut self, conn: u64, frame: Frame) {
        self.journal.push_recv(self.now, conn, &frame);
        let frame = Arc::new(frame);
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        c.frames_in += 1;
        let count = c.frames_in;
        if !self.watches.recv {
            self.process(conn, &frame, false);
            return;
        }
        let mut actions = self.fire(conn, Event::Recv(&frame));
        actions.extend(self.fire(conn, Event::FramesIn(count)));
        self.run(Run::new(conn, Cx::Recv(Frame::clone(&frame)), actions));
    }

    pub(super) fn on_ping(&mut self, conn: u64, octets: &[u8]) {
        self.touch(conn);
        self.record(conn, What::Ping(octets.to_vec()));
        let Some(c) = self.conns.get(&conn) else {
            return;
        };
        if c.mute_pong {
            return;
        }
        if self.proxy {
            self.active(conn);
            self.relay_ping(conn, octets, true);
        } else if c.phase == Phase::Open {
            self.active(conn);
            self.outputs.push_back(Output::Pong {
                conn,
                octets: octets.to_vec(),
            });
        }
    }

    /// Whether the octets of a message are to be read as STOMP; if not, it was
    /// answered as the dialect does.
    fn hears(&mut self, conn: u64, octets: &[u8], binary: bool) -> bool {
        let messages = self.scenario.dialect.messages;
        if messages.largest.is_some_and(|most| octets.len() > most) {
            let why = format!(
                "Text message size [{}] exceeds maximum size [{}]",
                octets.len(),
                messages.largest.unwrap_or_default()
            );
            self.close_for(conn, 1009, &why);
        } else if messages.text_refused && !binary {
            self.close_for(conn, 1003, "Text frames are not supported");
        } else if !(messages.binary_ignored && binary) {
            return true;
        }
        false
    }

    fn close_for(&mut self, conn: u64, code: u16, why: &str) {
        let why = why.to_owned();
        self.record(
            conn,
            What::Note(Note::WebSocket {
                code,
                why: why.clone(),
            }),
        );
        self.shut_close(conn, code, &why);
    }
}
