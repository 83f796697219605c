//! What comes from clients: octets, requests, WebSocket frames.

use super::sock::{Sock, Stage};
use super::{Server, TURN};
use crate::engine::{Input, Plan};
use crate::faults::Chunk;
use crate::http::{self, Parsed, Response};
use crate::script::TlsFault;
use crate::transcript::{How, Note};
use crate::ws::{self, Event};

/// A buffer that is longer is not kept for the next message.
const MOST_SPARE: usize = 64 << 10;

/// A TLS record: the fatal alert `handshake_failure`.
const ALERT: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 40];

/// What a client gets that asks before it sends a body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Server {
    pub(super) fn wake(&mut self, conn: u64, event: &mio::event::Event) {
        let tls = self.tls.is_some();
        if let Some(sock) = self.socks.get_mut(&conn) {
            // TLS may have to write in order to read, and the other way round.
            let any = event.is_error() || tls;
            sock.readable |= any || event.is_readable() || event.is_read_closed();
            sock.writable |= any || event.is_writable() || event.is_write_closed();
            self.enqueue(conn);
        }
    }

    pub(super) fn enqueue(&mut self, conn: u64) {
        if let Some(sock) = self.socks.get_mut(&conn) {
            if !std::mem::replace(&mut sock.queued, true) {
                self.ready.push_back(conn);
            }
        }
    }

    /// Lets one connection do what it can.
    pub(super) fn drive(&mut self, conn: u64) {
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        sock.queued = false;
        if sock.stage == Stage::Tls && !sock.is_deaf() {
            if sock.tls_fault == Some(TlsFault::Alert) {
                self.alert(conn);
            } else if let Some(tls) = &self.tls {
                let acceptor = tls.acceptor(sock.tls_fault);
                if let Err(words) = sock.shake(|tcp| acceptor.accept(tcp)) {
                    self.fail(conn, format!("TLS: {words}"));
                    return;
                }
            }
        }
        self.read(conn);
        self.mark(conn);
        let more = |s: &Sock| s.readable && !s.is_deaf() && s.stage != Stage::Tls;
        if self
            .socks
            .get(&conn)
            .is_some_and(|s| more(s) && !Self::is_clogged(s))
            && !self.is_backed_up(conn)
        {
            self.enqueue(conn);
        }
    }

    /// Answers the hello with an alert, and ends. The hello is read first, or
    /// the end would be a reset that overtakes the alert.
    fn alert(&mut self, conn: u64) {
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        match sock.read(&mut self.buffer) {
            Ok(None) => {}
            Ok(Some(0)) | Err(_) => self.close(conn, How::PeerGone),
            Ok(Some(_)) => {
                sock.stage = Stage::Deaf;
                self.end(conn, How::Failed("TLS: alert sent".to_owned()));
                self.push(conn, Chunk::octets(ALERT.to_vec()));
                self.push(conn, Chunk::Fin);
                self.hurry(conn);
            }
        }
    }

    /// Whether more came before the answer than a decent client sends.
    fn is_clogged(sock: &Sock) -> bool {
        sock.stage == Stage::Asked && sock.head.len() > 4 * http::MAX_HEAD
    }

    fn read(&mut self, conn: u64) {
        let mut budget = TURN;
        while budget > 0 && !self.is_backed_up(conn) {
            let Some(sock) = self.socks.get_mut(&conn) else {
                return;
            };
            let able = sock.readable && !sock.is_deaf() && sock.stage != Stage::Tls;
            if !able || Self::is_clogged(sock) {
                return;
            }
            let n = match sock.read(&mut self.buffer) {
                Ok(None) => continue,
                Ok(Some(0)) => {
                    let how = sock.ending.clone().unwrap_or(How::PeerGone);
                    self.close(conn, how);
                    return;
                }
                Ok(Some(n)) => n,
                Err(error) => {
                    log::debug!("conn {conn}: {error}");
                    let how = sock.ending.clone().unwrap_or(How::PeerGone);
                    self.close(conn, how);
                    return;
                }
            };
            budget = budget.saturating_sub(n);
            match sock.stage {
                Stage::Tls | Stage::Deaf => {}
                Stage::Asked => sock.head.extend_from_slice(&self.buffer[..n]),
                Stage::Http => {
                    sock.head.extend_from_slice(&self.buffer[..n]);
                    self.on_head(conn);
                }
                Stage::Ws => {
                    sock.reader.feed(&self.buffer[..n]);
                    self.on_frames(conn);
                }
            }
        }
    }

    fn on_head(&mut self, conn: u64) {
        let Some(sock) = self.socks.get_mut(&conn) else {
            return;
        };
        if sock.head.len() < sock.awaits {
            return;
        }
        match http::parse(&sock.head) {
            Ok(Parsed::Partial) => {}
            Ok(Parsed::Body { length, expects }) => {
                sock.awaits = length;
                if expects {
                    self.push(conn, Chunk::octets(CONTINUE.to_vec()));
                }
            }
            Ok(Parsed::Whole(request, length)) => {
                sock.head.drain(..length);
                sock.key = request
                    .headers
                    .get("Sec-WebSocket-Key")
                    .unwrap_or_default()
                    .to_owned();
                sock.stage = Stage::Asked;
                self.tell(Input::Request {
                    conn,
                    request: &request,
                });
            }
            Err(error) => {
                sock.stage = Stage::Deaf;
                let note = Note::Handshake(error.to_string());
                self.tell(Input::Note { conn, note: &note });
                let response = Response::text(error.status(), &format!("{error}\n"));
                self.answer(conn, &response, &Plan::default());
            }
        }
    }

    pub(super) fn on_frames(&mut self, conn: u64) {
        let mut told = false;
        // What was read at once came at once.
        let now = self.now();
        loop {
            let Some(sock) = self.socks.get_mut(&conn) else {
                return;
            };
            if sock.stage != Stage::Ws || sock.is_deaf() {
                return;
            }
            // One for all connections: ten thousand would cost too much.
            sock.reader.spare = std::mem::take(&mut self.spare);
            let event = match sock.reader.next() {
                Ok(Some(event)) => event,
                Ok(None) => {
                    self.spare = std::mem::take(&mut sock.reader.spare);
                    if !told {
                        self.tell_at(now, Input::Alive { conn });
                    }
                    return;
                }
                Err(error) => {
                    // Nothing after a breach can be understood.
                    sock.stage = Stage::Deaf;
                    self.tell(Input::Breach {
                        conn,
                        code: error.code,
                        why: error.why,
                    });
                    return;
                }
            };
            told = true;
            match event {
                Event::Message { octets, binary } => {
                    let input = Input::Message {
                        conn,
                        octets: &octets,
                        binary,
                    };
                    self.tell_at(now, input);
                    if octets.capacity() <= MOST_SPARE {
                        self.spare = octets;
                    }
                }
                Event::Ping(octets) => self.tell(Input::Ping {
                    conn,
                    octets: &octets,
                }),
                Event::Pong(octets) => self.tell(Input::Pong {
                    conn,
                    octets: &octets,
                }),
                Event::Close { code, reason } => {
                    sock.stage = Stage::Deaf;
                    match &mut sock.ending {
                        Some(How::Broker { answered, .. }) => *answered = true,
                        Some(_) => {}
                        None => {
                            sock.ending = Some(How::Peer { code });
                            let mut wire = Vec::new();
                            ws::write_close(code, "", &mut wire);
                            sock.push(Chunk::octets(wire));
                        }
                    }
                    sock.push(Chunk::Fin);
                    self.hurry(conn);
                    self.tell(Input::Close {
                        conn,
                        code,
                        reason: &reason,
                    });
                    self.mark(conn);
                    self.obey();
                }
            }
        }
    }

    fn fail(&mut self, conn: u64, words: String) {
        let note = Note::Handshake(words.clone());
        self.tell(Input::Note { conn, note: &note });
        self.close(conn, How::Failed(words));
    }

    /// Drops the socket and tells the engine.
    pub(super) fn close(&mut self, conn: u64, how: How) {
        if self.socks.remove(&conn).is_some() {
            let now = self.now();
            self.engine.handle(now, Input::Closed { conn, how: &how });
            self.obey();
        }
    }
}
