//! From frames to WebSocket messages, plain or in the shapes of the script.

use super::conn::Phase;
use super::run::{Cx, Event, Mangle, Run};
use super::{Engine, Output, Pending, Plan, Timer};
use crate::dialect::Dialect;
use crate::script::units::pieces;
use crate::script::{Corrupt, Kind};
use crate::transcript::{Note, What};
use crate::wire::{Escapes, Frame, Version, encode, encode_with};

impl Engine {
    /// Sends a frame of the broker: the rules are asked, and a Close may
    /// follow it. A suspended session gets its MESSAGEs later.
    pub(super) fn emit(&mut self, conn: u64, frame: Frame, then: Option<(u16, String)>) {
        let most = self.scenario.bounds.held;
        let now = self.now;
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        if frame.command == "MESSAGE" {
            let destination = frame.header("destination").unwrap_or_default();
            if c.silences.covers(destination, now) || self.silences.covers(destination, now) {
                return;
            }
        }
        if let Some(session) = c.session.as_mut().filter(|s| s.suspended.is_some()) {
            if frame.command == "MESSAGE" {
                if let Err(frame) = session.keep(frame, most) {
                    let subscription = frame.header("subscription").unwrap_or_default().to_owned();
                    self.record(conn, What::Note(Note::Dropped { subscription }));
                }
                return;
            }
        }
        if self.watches.send {
            let actions = self.fire(conn, Event::Send(&frame));
            self.run(Run::new(conn, Cx::Send { frame, then }, actions));
            return;
        }
        self.transmit(conn, &frame, &[], None);
        if let Some((code, reason)) = then {
            self.shut_close(conn, code, &reason);
        }
    }

    /// Puts a frame on the wire, damaged and cut short as the script has it.
    pub(super) fn transmit(
        &mut self,
        conn: u64,
        frame: &Frame,
        mangles: &[Mangle],
        cut: Option<usize>,
    ) {
        let now = self.now;
        let dialect = &self.scenario.dialect;
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.phase == Phase::Open) else {
            return;
        };
        let mut octets = match padded(frame, mangles) {
            Some(padded) => written(&padded, c.version, dialect),
            None => written(frame, c.version, dialect),
        };
        for mangle in mangles {
            if let Mangle::Corrupt(how) = mangle {
                corrupt(&mut octets, how);
            }
        }
        c.beats.last_out = now;
        c.active = now;
        let woken = !c.gathered.idle.is_empty();
        c.frames_out += 1;
        let before = c.bytes_out;
        c.bytes_out += octets.len() as u64;
        let (frames, after) = (c.frames_out, c.bytes_out);
        self.journal.push_sent(now, conn, frame);
        if woken {
            self.active(conn);
        }
        if self.watches.frames_out {
            self.triggers.push_back((conn, Pending::FramesOut(frames)));
        }
        if self.watches.bytes_out {
            self.triggers
                .push_back((conn, Pending::BytesOut(before, after)));
        }
        self.join_or_lay(conn, octets, cut);
    }

    fn join_or_lay(&mut self, conn: u64, octets: Vec<u8>, cut: Option<usize>) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        let Some((frames, within)) = c.shapes.join.take() else {
            self.lay(conn, octets, cut);
            return;
        };
        let (count, joined) = &mut c.shapes.joined;
        *count += 1;
        joined.extend_from_slice(&octets);
        if cut.is_some() {
            c.shapes.cut = cut;
        }
        if *count >= frames || !c.shapes.join.is_set() {
            self.flush_join(conn);
        } else if *count == 1 {
            let generation = c.shapes.join_generation;
            self.arm(
                self.now.saturating_add(within),
                Timer::Join { conn, generation },
            );
        }
    }

    pub(super) fn join_due(&mut self, conn: u64, generation: u64) {
        if self
            .conns
            .get(&conn)
            .is_some_and(|c| c.shapes.join_generation == generation)
        {
            self.flush_join(conn);
        }
    }

    /// Sends what waits to be joined.
    pub(super) fn flush_join(&mut self, conn: u64) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        c.shapes.join_generation += 1;
        let (count, octets) = std::mem::take(&mut c.shapes.joined);
        if count > 0 && c.phase == Phase::Open {
            self.lay(conn, octets, None);
        }
    }

    /// Makes one or more WebSocket messages of octets.
    fn lay(&mut self, conn: u64, octets: Vec<u8>, cut: Option<usize>) {
        let Some(c) = self.conns.get_mut(&conn) else {
            return;
        };
        // What an upstream calls text or binary stays that, even if it lies.
        let called_binary = c.relay.as_ref().map(|r| r.down_binary);
        let lie = called_binary == Some(false) && std::str::from_utf8(&octets).is_err();
        let shapes = &mut c.shapes;
        let truncate = cut.or_else(|| shapes.cut.take());
        let kind = shapes.kind.take();
        let frag = shapes.frag.take();
        let drip = shapes.drip.take();
        let head = shapes.head.take().unwrap_or_default();
        let offsets = shapes
            .split
            .take()
            .map(|cut| cut.offsets(octets.len()))
            .unwrap_or_default();
        let messages = self.scenario.dialect.messages;
        let parts = if offsets.is_empty() {
            vec![octets]
        } else {
            pieces(&octets, &offsets)
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect()
        };
        for octets in parts {
            let is_text = || std::str::from_utf8(&octets).is_ok();
            let binary = match kind {
                Some(Kind::Text) => false,
                Some(Kind::Binary) => true,
                Some(Kind::Mixed) => {
                    shapes.turn = !shapes.turn;
                    !shapes.turn || !is_text()
                }
                None if messages.send_binary => true,
                None if messages.send_text => false,
                None => called_binary == Some(true) || (!lie && !is_text()),
            };
            let (cut, between) = match &frag {
                Some((cut, between)) => (Some(cut.clone()), *between),
                None => (None, None),
            };
            let how = Plan {
                cut,
                between,
                drip,
                truncate,
                rsv: head.rsv,
                opcode: head.opcode,
                mask: head.mask.then(|| {
                    let [a, b, c, d, ..] = c.dice.own.next().to_le_bytes();
                    [a, b, c, d]
                }),
            };
            self.outputs.push_back(Output::Message {
                conn,
                octets,
                binary,
                how,
            });
            if truncate.is_some() {
                break;
            }
        }
        if truncate.is_some() {
            self.over(conn);
        }
    }
}

/// The octets of a frame, as the dialect writes them.
fn written(frame: &Frame, version: Version, dialect: &Dialect) -> Vec<u8> {
    let mut octets = if dialect.no_escapes {
        encode_with(frame, Escapes::None)
    } else if dialect.connected_escapes && frame.command == "CONNECTED" {
        encode_with(frame, Escapes::V1_2)
    } else {
        encode(frame, version)
    };
    if dialect.trailing_lf {
        octets.push(b'\n');
    }
    octets
}

fn padded(frame: &Frame, mangles: &[Mangle]) -> Option<Frame> {
    let mut out: Option<Frame> = None;
    for mangle in mangles {
        match mangle {
            Mangle::Corrupt(_) => {}
            Mangle::Pad { headers, body } => {
                let out = out.get_or_insert_with(|| frame.clone());
                for i in 0..*headers {
                    out.headers.push((format!("pad-{i}"), "x".to_owned()));
                }
                out.body.resize(out.body.len() + body, b'x');
                if *body > 0 {
                    out.set("content-length", out.body.len().to_string());
                }
            }
            Mangle::Header(name, value) => {
                let out = out.get_or_insert_with(|| frame.clone());
                out.set(name, value.as_str());
            }
            Mangle::Instead(filled) => out = Some(filled.as_ref().clone()),
        }
    }
    out
}

fn corrupt(octets: &mut Vec<u8>, how: &Corrupt) {
    let place = |at: i64, len: usize| {
        let at = if at < 0 { len as i64 + at } else { at };
        usize::try_from(at).unwrap_or(0).min(len)
    };
    match how {
        Corrupt::Xor { at, with } => {
            let from = place(*at, octets.len());
            for (octet, key) in octets[from..].iter_mut().zip(with) {
                *octet ^= key;
            }
        }
        Corrupt::StripNul => {
            if octets.last() == Some(&0) {
                octets.pop();
            }
        }
        Corrupt::Insert { at, octets: new } => {
            let from = place(*at, octets.len());
            octets.splice(from..from, new.iter().copied());
        }
        Corrupt::Truncate(n) => octets.truncate(place(*n, octets.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_damaged_as_told() {
        let damage = |how: Corrupt| {
            let mut octets = b"abc\0".to_vec();
            corrupt(&mut octets, &how);
            octets
        };
        assert_eq!(
            damage(Corrupt::Xor {
                at: 1,
                with: vec![0x20]
            }),
            b"aBc\0"
        );
        assert_eq!(damage(Corrupt::StripNul), b"abc");
        assert_eq!(
            damage(Corrupt::Insert {
                at: -1,
                octets: vec![b'x']
            }),
            b"abcx\0"
        );
        assert_eq!(damage(Corrupt::Truncate(-2)), b"ab");
        assert_eq!(
            damage(Corrupt::Xor {
                at: 99,
                with: vec![1]
            }),
            b"abc\0"
        );
    }
}
