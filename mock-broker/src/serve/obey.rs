//! Doing what the engine wants: what goes out, and how connections end.

use super::alarm::Alarm;
use super::sock::{Flushed, Sock, Stage};
use super::{Server, token};
use crate::engine::{Delivery, Input, Output, Plan, Step};
use crate::faults::{Chunk, lay, pour};
use crate::http::{self, Response};
use crate::transcript::{How, Note};
use crate::ws;
use std::time::Duration;

/// Octets that may wait for one who watches.
const ROOM: usize = 64 << 10;
/// Pieces for one who watches before the others have their turn.
const ROUNDS: usize = 8;
/// How long a socket whose two ends are both done may linger.
const LINGER: Duration = Duration::from_millis(500);

/// Numbers of connections that may be given again.
const MOST_FREED: usize = 1000;
/// So many octets are worth a write of their own.
const FULL: usize = 64 << 10;

impl Server {
    /// Does what the engine wants, in order. What goes out of it waits for the
    /// end of the turn: many small frames then leave in one write.
    pub(super) fn obey(&mut self) {
        // What happens in here may lead here again: one level is enough, and
        // ten thousand would not fit on the stack.
        if std::mem::replace(&mut self.obeying, true) {
            return;
        }
        while let Some(step) = self.engine.next_step() {
            match step {
                Step::Output(output) => self.apply(output),
                Step::Deliver { conn, delivery } => self.deliver(conn, &delivery),
            }
        }
        self.obeying = false;
    }

    /// The connection has something to write at the end of the turn.
    pub(super) fn mark(&mut self, conn: u64) {
        if let Some(sock) = self.socks.get_mut(&conn) {
            if !std::mem::replace(&mut sock.dirty, true) {
                self.unflushed.push_back(conn);
            }
        }
    }

    /// Writes what waits on all connections.
    pub(super) fn flush_all(&mut self) {
        loop {
            if let Some(conn) = self.unflushed.pop_front() {
                self.flush(conn);
            } else if let Some(conn) = self.unflushed_ups.pop_front() {
                self.flush_up(conn);
            } else {
                return;
            }
        }
    }

    pub(super) fn apply(&mut self, output: Output) {
        match output {
            Output::Accept {
                conn,
                subprotocol,
                bad_accept,
            } => {
                let Some(sock) = self.socks.get_mut(&conn) else {
                    return;
                };
                let key = if bad_accept { "a wrong key" } else { &sock.key };
                let accept = http::accept_key(key);
                sock.push(Chunk::octets(http::switching(
                    &accept,
                    subprotocol.as_deref(),
                    &sock.extra,
                )));
                sock.stage = Stage::Ws;
                let early = std::mem::take(&mut sock.head);
                sock.reader.feed(&early);
                self.mark(conn);
                if !early.is_empty() {
                    self.on_frames(conn);
                }
            }
            Output::Http {
                conn,
                response,
                how,
            } => self.answer(conn, &response, &how),
            Output::HttpStream { conn, response } => {
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.stage = Stage::Deaf;
                }
                self.push(conn, Chunk::octets(response.encode_head()));
            }
            Output::HttpEnd { conn } => {
                self.end(conn, How::Http);
                self.push(conn, Chunk::Fin);
                self.hurry(conn);
            }
            Output::Stop => self.stopping = true,
            Output::Plain { conn, plain } => self.rename(conn, plain),
            Output::Stall { conn } => {
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.stage = Stage::Deaf;
                }
            }
            Output::Tls { conn, fault } => {
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.tls_fault = Some(fault);
                }
                if self.tls.is_none() {
                    let note = Note::Handshake("`tls` has no meaning without TLS".to_owned());
                    let now = self.now();
                    self.engine.handle(now, Input::Note { conn, note: &note });
                }
            }
            Output::Message {
                conn,
                octets,
                binary,
                how,
            } => {
                if how.truncate.is_some() {
                    self.end(conn, How::Fin);
                }
                for chunk in lay(&octets, binary, &how) {
                    self.push(conn, chunk);
                }
                if how.truncate.is_some() {
                    self.hurry(conn);
                }
            }
            Output::Ping { conn, octets } => self.push_frame(conn, ws::Opcode::Ping, &octets),
            Output::Pong { conn, octets } => self.push_frame(conn, ws::Opcode::Pong, &octets),
            Output::Stream { conn, octets } => self.push(conn, Chunk::octets(octets)),
            Output::Close { conn, code, reason } => {
                let Some(sock) = self.socks.get_mut(&conn) else {
                    return;
                };
                let deaf = sock.stage == Stage::Deaf;
                self.end(
                    conn,
                    How::Broker {
                        code,
                        answered: false,
                    },
                );
                let mut wire = Vec::new();
                // 1005 stands for a Close without a code.
                ws::write_close(Some(code).filter(|c| *c != 1005), &reason, &mut wire);
                self.push(conn, Chunk::octets(wire));
                if deaf {
                    self.push(conn, Chunk::Fin);
                }
                self.hurry(conn);
            }
            Output::Fin { conn } => {
                self.end(conn, How::Fin);
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.stage = Stage::Deaf;
                }
                self.push(conn, Chunk::Fin);
                self.hurry(conn);
            }
            Output::Rst { conn } => {
                self.end(conn, How::Rst);
                self.push(conn, Chunk::Rst);
                self.hurry(conn);
            }
            Output::Upstream { conn, what } => self.apply_upstream(conn, what),
            Output::Blackhole { conn, direction } => {
                self.flush(conn);
                if let Some(sock) = self.socks.get_mut(&conn) {
                    let was_deaf = sock.is_deaf();
                    sock.hole = Some(direction);
                    // One of two holes may have closed.
                    let hears = was_deaf && !sock.is_deaf();
                    self.enqueue(conn);
                    if hears {
                        self.on_frames(conn);
                    }
                }
            }
            Output::Heal { conn } => {
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.hole = None;
                    if sock.overflown {
                        sock.push(Chunk::Rst);
                    }
                    self.enqueue(conn);
                    // What was read but not yet looked at when the hole opened.
                    self.on_frames(conn);
                }
            }
            Output::Refuse => self.port.refuse(self.poll.registry()),
            Output::Listen => {
                if let Err(error) = self.port.listen(self.poll.registry()) {
                    log::error!("cannot listen again: {error}");
                }
                self.starved = true;
            }
        }
    }

    /// Lets answers without a known end go on, where the socket can take more.
    pub(super) fn pump(&mut self) {
        self.pumping = false;
        for conn in self.engine.watchers() {
            for round in 0.. {
                let has_room = |s: &Sock| s.waiting < ROOM;
                if !self.socks.get(&conn).is_some_and(has_room) {
                    break;
                }
                if round == ROUNDS {
                    // The others have their turn first.
                    self.pumping = true;
                    break;
                }
                let now = self.now();
                let Some(octets) = self.engine.more(now, conn) else {
                    break;
                };
                self.push(conn, Chunk::octets(octets));
                self.flush(conn);
            }
        }
        self.obey();
    }

    /// Remembers how the connection will have ended; the first word counts.
    pub(super) fn end(&mut self, conn: u64, how: How) {
        if let Some(sock) = self.socks.get_mut(&conn) {
            sock.ending.get_or_insert(how);
        }
    }

    pub(super) fn answer(&mut self, conn: u64, response: &Response, how: &Plan) {
        self.end(conn, how.truncate.map_or(How::Http, |_| How::Fin));
        if let Some(sock) = self.socks.get_mut(&conn) {
            sock.stage = Stage::Deaf;
        }
        for chunk in pour(response.encode(), how) {
            self.push(conn, chunk);
        }
        self.push(conn, Chunk::Fin);
        self.hurry(conn);
    }

    /// A connection goes by another number from now on.
    fn rename(&mut self, conn: u64, plain: u64) {
        let Some(mut sock) = self.socks.remove(&conn) else {
            return;
        };
        if let Err(error) = sock.register_again(self.poll.registry(), token(plain)) {
            log::warn!("register: {error}");
        }
        (sock.readable, sock.writable, sock.queued) = (true, true, false);
        sock.dirty = false;
        self.socks.insert(plain, sock);
        self.enqueue(plain);
        // A browser opens several connections before it speaks on one of them.
        self.freed.insert(conn);
        if self.freed.len() > MOST_FREED {
            self.freed.pop_first();
        }
        while self.freed.remove(&(self.next - 1)) {
            self.next -= 1;
        }
    }

    pub(super) fn push_frame(&mut self, conn: u64, opcode: ws::Opcode, octets: &[u8]) {
        let mut wire = Vec::new();
        let end = octets.len().min(125);
        ws::write_frame(true, opcode, &octets[..end], &mut wire);
        self.push(conn, Chunk::octets(wire));
    }

    /// Puts a message on its way to one of those that share it.
    fn deliver(&mut self, conn: u64, delivery: &Delivery) {
        if let Some(sock) = self.socks.get_mut(&conn).filter(|s| !s.overflown) {
            let opcode = if delivery.is_text() {
                ws::Opcode::Text
            } else {
                ws::Opcode::Binary
            };
            let (own, shared) = delivery.parts();
            sock.push_message(opcode, own, shared);
            self.see_to(conn);
        }
    }

    /// Puts something on its way. A peer that does not read is given up; into
    /// a black hole no more is poured than it can hold.
    pub(super) fn push(&mut self, conn: u64, chunk: Chunk) {
        if let Some(sock) = self.socks.get_mut(&conn).filter(|s| !s.overflown) {
            sock.push(chunk);
            self.see_to(conn);
        }
    }

    /// Sees to it that what was put on its way leaves, and that it is bounded.
    fn see_to(&mut self, conn: u64) {
        let bound = self.engine.scenario().bounds.out;
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        if !std::mem::replace(&mut sock.dirty, true) {
            self.unflushed.push_back(conn);
        }
        if sock.waiting <= bound && (sock.waiting < FULL || !sock.writable) {
            return;
        }
        // What the socket takes now does not count.
        self.flush(conn);
        self.mark(conn);
        let Some(sock) = self.socks.get_mut(&conn).filter(|s| s.waiting > bound) else {
            return;
        };
        sock.overflown = true;
        let waiting = sock.waiting;
        sock.discard();
        if sock.is_mute() {
            return;
        }
        // The reset must not wait behind a socket that takes nothing.
        (sock.writable, sock.paused) = (true, false);
        sock.push(Chunk::Rst);
        sock.ending
            .get_or_insert(How::Failed("the client does not read".to_owned()));
        let now = self.now();
        let note = Note::SlowConsumer { waiting };
        self.engine.handle(now, Input::Note { conn, note: &note });
        self.mark(conn);
    }

    pub(super) fn flush(&mut self, conn: u64) {
        let bound = self.backlog();
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        sock.dirty = false;
        let before = sock.waiting;
        let flushed = sock.flush();
        if before > bound && sock.waiting <= bound {
            // The upstream's turn, if it waited for this.
            self.enqueue_up(conn);
        }
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        match flushed {
            Ok(Flushed::Enough) => {}
            Ok(Flushed::Pause(gap)) => self.alarm(conn, gap, Alarm::Resume),
            Ok(Flushed::Fin) => self.alarm(conn, LINGER, Alarm::Impatience),
            Ok(Flushed::Rst) => {
                let how = sock.ending.clone().unwrap_or(How::Rst);
                self.close(conn, how);
            }
            Err(error) => {
                log::debug!("conn {conn}: {error}");
                let how = sock.ending.clone().unwrap_or(How::PeerGone);
                self.close(conn, how);
            }
        }
    }
}
