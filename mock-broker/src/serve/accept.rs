//! Taking connections in.

use super::sock::Sock;
use super::{CONTROL, Server, token};
use crate::engine::Input;
use mio::{Interest, Token};
use std::io;

/// Connections at most.
const MOST: usize = 65_536;

impl Server {
    pub(super) fn accept(&mut self, door: Token) {
        loop {
            let mut stream = match self.port.accept(door) {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    // Mostly too many open files: the next turn tries again.
                    log::warn!("accept: {error}");
                    self.starved = true;
                    return;
                }
            };
            if self.socks.len() >= MOST {
                continue;
            }
            let conn = self.next;
            let token = token(conn);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Err(error) = self.poll.registry().register(&mut stream, token, interest) {
                log::warn!("register: {error}");
                continue;
            }
            if let Err(error) = stream.set_nodelay(true) {
                log::debug!("nodelay: {error}");
            }
            self.next += 1;
            let peer = stream.peer_addr().ok();
            let sock = Sock::new(stream, self.tls.is_some(), self.max_message());
            self.socks.insert(conn, sock);
            self.tell(Input::Tcp { conn });
            self.engine.set_peer(conn, peer);
            self.enqueue(conn);
        }
    }

    pub(super) fn accept_control(&mut self) {
        while let Some(port) = &self.control {
            let mut stream = match port.accept(CONTROL) {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    log::warn!("accept: {error}");
                    self.starved = true;
                    return;
                }
            };
            if self.socks.len() >= MOST {
                continue;
            }
            let conn = self.engine.control_conn();
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            if let Err(error) = registry.register(&mut stream, token(conn), interest) {
                log::warn!("register: {error}");
                continue;
            }
            let sock = Sock::new(stream, false, self.max_message());
            self.socks.insert(conn, sock);
            self.tell(Input::Tcp { conn });
            self.enqueue(conn);
        }
    }

    pub(super) fn max_message(&self) -> usize {
        self.engine.scenario().limits.body.saturating_add(1 << 20)
    }
}
