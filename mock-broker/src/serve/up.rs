//! The upstream side of a proxied connection: its socket, and what passes.

use super::sock::{Flushed, Sock, Stage};
use super::{Alarm, Server, TURN};
use crate::engine::{FromUpstream, Input, ToUpstream};
use crate::faults::Chunk;
use crate::http::Request;
use crate::proxy::{self, Answer, Exchange, Target};
use crate::ws::{self, Event, Opcode};
use data_encoding::BASE64;
use mio::net::TcpStream;
use mio::{Interest, Token};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Tokens of upstream sockets have this bit.
pub(super) const UPSTREAM: usize = 1 << (usize::BITS - 1);
/// Connect, TLS and the upgrade together.
const DIAL: Duration = Duration::from_secs(10);
/// How long the last octets and the upstream's own end are awaited.
const FAREWELL: Duration = Duration::from_secs(2);
/// While so many octets wait on one side, nothing is read on the other.
const BACKLOG: usize = 1 << 20;

pub(super) struct Up {
    sock: Sock,
    target: Arc<Target>,
    /// Which of the target's addresses is tried next.
    next: usize,
    request: Vec<u8>,
    exchange: Exchange,
    connecting: bool,
}

impl Up {
    fn is_dialling(&self) -> bool {
        matches!(self.sock.stage, Stage::Tls | Stage::Http | Stage::Asked)
    }
}

impl Server {
    pub(super) fn apply_upstream(&mut self, conn: u64, what: ToUpstream) {
        match what {
            ToUpstream::Dial(request) => self.dial(conn, &request),
            ToUpstream::Message { octets, binary } => {
                let opcode = if binary { Opcode::Binary } else { Opcode::Text };
                self.push_up_frame(conn, opcode, &octets);
            }
            ToUpstream::Ping(octets) => self.push_up_frame(conn, Opcode::Ping, &octets),
            ToUpstream::Pong(octets) => self.push_up_frame(conn, Opcode::Pong, &octets),
            ToUpstream::Close { code, reason } => {
                let payload = ws::close_payload(code, &reason);
                self.push_up_frame(conn, Opcode::Close, &payload);
                self.part(conn, false);
            }
            ToUpstream::End => self.part(conn, true),
        }
    }

    /// Nothing more comes of the upstream; it still takes what waits for it.
    fn part(&mut self, conn: u64, fin: bool) {
        let Some(up) = self.ups.get_mut(&conn) else {
            return;
        };
        if up.is_dialling() {
            self.ups.remove(&conn);
            return;
        }
        up.sock.stage = Stage::Deaf;
        if fin {
            up.sock.push(Chunk::Fin);
        }
        self.mark_up(conn);
        self.enqueue_up(conn);
        self.alarm(conn, FAREWELL, Alarm::Farewell);
    }

    fn dial(&mut self, conn: u64, request: &Request) {
        let Some(target) = self.upstream.clone() else {
            return;
        };
        let nonce = [
            self.masks.next().to_be_bytes(),
            self.masks.next().to_be_bytes(),
        ];
        let key = BASE64.encode(&nonce.concat());
        let request = proxy::request(&target, request, &key);
        self.alarm(conn, DIAL, Alarm::Dial);
        self.connect(conn, target, 0, request, Exchange::new(key), None);
    }

    /// Tries the addresses in turn, from the `next` one on.
    fn connect(
        &mut self,
        conn: u64,
        target: Arc<Target>,
        next: usize,
        request: Vec<u8>,
        exchange: Exchange,
        mut last: Option<io::Error>,
    ) {
        for (i, address) in target.addresses.iter().enumerate().skip(next) {
            match self.connect_one(conn, *address) {
                Ok(stream) => {
                    let mut sock = Sock::of_upstream(stream, self.max_message());
                    // A socket that is not connected is neither.
                    (sock.readable, sock.writable) = (false, false);
                    let up = Up {
                        sock,
                        target: Arc::clone(&target),
                        next: i + 1,
                        request,
                        exchange,
                        connecting: true,
                    };
                    self.ups.insert(conn, up);
                    return;
                }
                Err(error) => last = Some(error),
            }
        }
        self.ups.remove(&conn);
        let why = last.map_or_else(String::new, |error| format!(": {error}"));
        self.tell_up(
            conn,
            FromUpstream::Failed {
                why: &format!("cannot connect{why}"),
                late: false,
            },
        );
    }

    fn connect_one(&mut self, conn: u64, address: std::net::SocketAddr) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(address)?;
        let token = Token(UPSTREAM | usize::try_from(conn).unwrap_or(0));
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(&mut stream, token, interest)?;
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("nodelay: {error}");
        }
        Ok(stream)
    }

    pub(super) fn wake_up(&mut self, conn: u64, event: &mio::event::Event) {
        if let Some(up) = self.ups.get_mut(&conn) {
            let any = event.is_error() || up.target.connector.is_some();
            up.sock.readable |= any || event.is_readable() || event.is_read_closed();
            up.sock.writable |= any || event.is_writable() || event.is_write_closed();
            self.enqueue_up(conn);
        }
    }

    pub(super) fn enqueue_up(&mut self, conn: u64) {
        if let Some(up) = self.ups.get_mut(&conn) {
            if !std::mem::replace(&mut up.sock.queued, true) {
                self.ready_ups.push_back(conn);
            }
        }
    }

    /// Lets one upstream do what it can.
    pub(super) fn drive_up(&mut self, conn: u64) {
        let Some(up) = self.ups.get_mut(&conn) else {
            return;
        };
        up.sock.queued = false;
        if up.connecting && !self.finish_connect(conn) {
            return;
        }
        let Some(up) = self.ups.get_mut(&conn) else {
            return;
        };
        if up.sock.stage == Stage::Tls {
            let target = Arc::clone(&up.target);
            if let Some(connector) = &target.connector {
                let begin = |tcp| connector.connect(&target.name, tcp);
                if let Err(words) = up.sock.shake(begin) {
                    self.fail_up(conn, &format!("TLS: {words}"), false);
                    return;
                }
            } else {
                up.sock.stage = Stage::Http;
            }
            if up.sock.stage == Stage::Http {
                let request = std::mem::take(&mut up.request);
                up.sock.push(Chunk::octets(request));
            }
        }
        self.read_up(conn);
        self.mark_up(conn);
        let congested = self.is_congested(conn);
        if self
            .ups
            .get(&conn)
            .is_some_and(|u| u.sock.readable && u.sock.stage != Stage::Tls && !congested)
        {
            self.enqueue_up(conn);
        }
    }

    /// Whether the connection has come about; if it failed, the next address
    /// is tried.
    fn finish_connect(&mut self, conn: u64) -> bool {
        let Some(up) = self.ups.get_mut(&conn) else {
            return false;
        };
        match up.sock.connected() {
            Ok(true) => {
                up.connecting = false;
                true
            }
            Ok(false) => false,
            Err(error) => {
                if let Some(up) = self.ups.remove(&conn) {
                    let (target, next) = (up.target, up.next);
                    self.connect(conn, target, next, up.request, up.exchange, Some(error));
                }
                false
            }
        }
    }

    /// Whether the client has so much to take that no more is read for it.
    fn is_congested(&self, conn: u64) -> bool {
        let bound = self.backlog();
        self.socks.get(&conn).is_some_and(|s| s.waiting > bound)
    }

    /// Whether the upstream has so much to take that no more is read for it.
    pub(super) fn is_backed_up(&self, conn: u64) -> bool {
        let bound = self.backlog();
        self.ups.get(&conn).is_some_and(|u| u.sock.waiting > bound)
    }

    pub(super) fn backlog(&self) -> usize {
        BACKLOG.min(self.engine.scenario().bounds.out / 2)
    }

    fn read_up(&mut self, conn: u64) {
        let mut budget = TURN;
        while budget > 0 && !self.is_congested(conn) {
            let Some(up) = self.ups.get_mut(&conn) else {
                return;
            };
            if !up.sock.readable || up.sock.stage == Stage::Tls {
                return;
            }
            let n = match up.sock.read(&mut self.buffer) {
                Ok(None) => continue,
                Ok(Some(0)) => {
                    self.on_up_end(conn, false);
                    return;
                }
                Ok(Some(n)) => n,
                Err(error) => {
                    log::debug!("conn {conn}, upstream: {error}");
                    let reset = error.kind() == io::ErrorKind::ConnectionReset;
                    self.on_up_end(conn, reset);
                    return;
                }
            };
            budget = budget.saturating_sub(n);
            match up.sock.stage {
                Stage::Tls | Stage::Asked | Stage::Deaf => {}
                Stage::Http => {
                    up.exchange.feed(&self.buffer[..n]);
                    self.on_answer(conn, false);
                }
                Stage::Ws => {
                    up.sock.reader.feed(&self.buffer[..n]);
                    self.on_up_frames(conn);
                }
            }
        }
    }

    fn on_up_end(&mut self, conn: u64, reset: bool) {
        match self.ups.get(&conn).map(|u| u.sock.stage) {
            Some(Stage::Http) => self.on_answer(conn, true),
            Some(Stage::Ws) => {
                self.ups.remove(&conn);
                self.tell_up(conn, FromUpstream::Gone { reset });
            }
            Some(Stage::Tls | Stage::Asked | Stage::Deaf) | None => {
                self.ups.remove(&conn);
            }
        }
    }

    fn on_answer(&mut self, conn: u64, ended: bool) {
        let Some(up) = self.ups.get_mut(&conn) else {
            return;
        };
        match up.exchange.answer(ended) {
            Ok(None) => {}
            Ok(Some(Answer::Open {
                subprotocol,
                headers,
                rest,
            })) => {
                up.sock.stage = Stage::Ws;
                up.sock.reader.feed(&rest);
                if let Some(sock) = self.socks.get_mut(&conn) {
                    sock.extra = headers;
                }
                let subprotocol = subprotocol.as_deref();
                self.tell_up(conn, FromUpstream::Open { subprotocol });
                self.on_up_frames(conn);
            }
            Ok(Some(Answer::Refused(response))) => {
                self.ups.remove(&conn);
                self.tell_up(conn, FromUpstream::Refused(&response));
            }
            Err(why) => self.fail_up(conn, why, false),
        }
    }

    fn fail_up(&mut self, conn: u64, why: &str, late: bool) {
        self.ups.remove(&conn);
        self.tell_up(conn, FromUpstream::Failed { why, late });
    }

    fn on_up_frames(&mut self, conn: u64) {
        loop {
            let Some(up) = self.ups.get_mut(&conn) else {
                return;
            };
            if up.sock.stage != Stage::Ws {
                return;
            }
            match up.sock.reader.next() {
                Ok(None) => return,
                Ok(Some(Event::Message { octets, binary })) => {
                    let octets = &octets[..];
                    self.tell_up(conn, FromUpstream::Message { octets, binary });
                }
                Ok(Some(Event::Ping(octets))) => self.tell_up(conn, FromUpstream::Ping(&octets)),
                Ok(Some(Event::Pong(octets))) => self.tell_up(conn, FromUpstream::Pong(&octets)),
                Ok(Some(Event::Close { code, reason })) => {
                    let payload = ws::close_payload(code, "");
                    self.push_up_frame(conn, Opcode::Close, &payload);
                    self.part(conn, true);
                    let reason = &reason[..];
                    self.tell_up(conn, FromUpstream::Close { code, reason });
                }
                Err(error) => {
                    log::debug!("conn {conn}, upstream: {error}");
                    self.ups.remove(&conn);
                    self.tell_up(conn, FromUpstream::Gone { reset: false });
                }
            }
        }
    }

    fn tell_up(&mut self, conn: u64, what: FromUpstream<'_>) {
        self.tell(Input::Upstream { conn, what });
    }

    fn push_up_frame(&mut self, conn: u64, opcode: Opcode, payload: &[u8]) {
        let mask = (self.masks.next() as u32).to_be_bytes();
        if let Some(up) = self
            .ups
            .get_mut(&conn)
            .filter(|u| u.sock.stage == Stage::Ws)
        {
            let mut wire = Vec::with_capacity(payload.len() + 14);
            ws::write_masked(opcode, payload, mask, &mut wire);
            up.sock.push(Chunk::octets(wire));
            self.mark_up(conn);
        }
    }

    fn mark_up(&mut self, conn: u64) {
        if let Some(up) = self.ups.get_mut(&conn) {
            if !std::mem::replace(&mut up.sock.dirty, true) {
                self.unflushed_ups.push_back(conn);
            }
        }
    }

    pub(super) fn flush_up(&mut self, conn: u64) {
        let bound = self.backlog();
        let Some(up) = self.ups.get_mut(&conn) else {
            return;
        };
        up.sock.dirty = false;
        let before = up.sock.waiting;
        match up.sock.flush() {
            Ok(Flushed::Enough | Flushed::Fin | Flushed::Pause(_)) => {
                // The client's turn, if it waited for this.
                if before > bound && up.sock.waiting <= bound {
                    self.enqueue(conn);
                }
            }
            Ok(Flushed::Rst) => {
                self.ups.remove(&conn);
            }
            Err(error) => {
                log::debug!("conn {conn}, upstream: {error}");
                let reset = error.kind() == io::ErrorKind::ConnectionReset;
                self.on_up_end(conn, reset);
            }
        }
    }

    /// The time for dialling is over.
    pub(super) fn dial_is_late(&mut self, conn: u64) {
        if self.ups.get(&conn).is_some_and(Up::is_dialling) {
            self.fail_up(conn, "no answer to the upgrade in time", true);
        }
    }

    /// The time for parting is over.
    pub(super) fn farewell_is_late(&mut self, conn: u64) {
        if self
            .ups
            .get(&conn)
            .is_some_and(|u| u.sock.stage == Stage::Deaf)
        {
            self.ups.remove(&conn);
        }
    }
}
