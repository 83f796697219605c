//! From the upstream to the client.

use crate::engine::beats::agreed;
use crate::engine::beats::pair;
use crate::engine::conn::{Phase, Session};
use crate::engine::run::{Cx, Event, Run};
use crate::engine::{Engine, Output, Pending, Plan};
use crate::script::{Origin, Stage};
use crate::transcript::What;
use crate::wire::{Frame, Version};
use std::sync::atomic::Ordering;

impl Engine {
    pub(super) fn on_up_message(&mut self, conn: u64, octets: &[u8], binary: bool) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        let Some(relay) = &mut c.relay else { return };
        relay.down_binary = binary;
        if relay.raw_down {
            self.pass_down(conn, octets, binary);
            return;
        }
        let fresh = !relay.decoder.is_mid_frame();
        relay.decoder.feed(octets);
        let mut whole = 0;
        loop {
            let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase == Phase::Open) else {
                return;
            };
            let Some(relay) = &mut c.relay else { return };
            let next = relay.decoder.next_frame();
            let beats = relay.decoder.take_beats();
            match next {
                Ok(Some(frame)) => {
                    whole += 1;
                    self.on_up_frame(conn, frame);
                }
                Ok(None) => {
                    if beats > 0 && whole == 0 && !relay.own_beats && !relay.decoder.is_mid_frame()
                    {
                        c.beats.last_out = now;
                        self.pass_beat(conn, octets, binary);
                    }
                    return;
                }
                Err(error) => {
                    relay.raw_down = true;
                    self.note_upstream(conn, format!("sent a broken frame: {error}"));
                    if fresh && whole == 0 {
                        self.pass_down(conn, octets, binary);
                    } else {
                        self.shut_close(conn, 1002, "broken frame from the upstream");
                    }
                    return;
                }
            }
        }
    }

    /// A heart-beat of the upstream, which the rules may want to keep back.
    fn pass_beat(&mut self, conn: u64, octets: &[u8], binary: bool) {
        if self.watches.beats {
            let actions = self.fire(conn, Event::BeatDue);
            self.run(Run::new(conn, Cx::Beat, actions));
            return;
        }
        self.active(conn);
        self.record(conn, What::BeatOut);
        self.pass_down(conn, octets, binary);
    }

    fn pass_down(&mut self, conn: u64, octets: &[u8], binary: bool) {
        let (octets, how) = (octets.to_vec(), Plan::default());
        self.outputs.push_back(Output::Message {
            conn,
            octets,
            binary,
            how,
        });
    }

    fn on_up_frame(&mut self, conn: u64, frame: Frame) {
        if frame.command == "CONNECTED" {
            self.on_up_connected(conn, frame);
        } else {
            self.emit(conn, frame, None);
        }
    }

    fn on_up_connected(&mut self, conn: u64, frame: Frame) {
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let Some(relay) = &mut c.relay else { return };
        let version = frame.header("version").and_then(Version::parse);
        c.version = version.unwrap_or(Version::V1_0);
        c.decoder.set_version(c.version);
        relay.decoder.set_version(c.version);
        relay.connected = Some(frame.clone());
        let (can, _) = frame
            .header("heart-beat")
            .and_then(pair)
            .unwrap_or_default();
        let (out, own) = (agreed(can, relay.beats.1), relay.own_beats);
        let identity = relay.login.clone();
        let fresh = c.session.is_none();
        if fresh {
            c.connected_at = Some(now);
            c.session = Some(Session {
                identity: identity.clone(),
                ..Session::default()
            });
            self.sessions.fetch_add(1, Ordering::AcqRel);
            if let Some(identity) = identity {
                self.live.entry(identity).or_default().insert(conn);
            }
        }
        self.emit(conn, frame, None);
        if own {
            self.start_beats(conn, out, None);
        } else if let Some(c) = self.conns.get_mut(&conn) {
            c.beats.out = out;
        }
        if fresh {
            self.arm_rules(conn, &Origin::Connected);
            self.triggers
                .push_back((conn, Pending::Stage(Stage::Connected)));
        }
    }
}
