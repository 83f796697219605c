//! What must happen at some time, on the sockets' side.

use super::Server;
use super::sock::Stage;
use crate::faults::Chunk;
use std::time::Duration;

/// How long the peer's Close and its FIN are awaited.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
pub(super) enum Alarm {
    /// A pause between dripped octets is over.
    Resume,
    /// The peer did not answer our Close, or our FIN, or does not read.
    Impatience,
    /// The upstream has not answered the upgrade.
    Dial,
    /// The upstream does not take its end.
    Farewell,
}

impl Server {
    /// A connection whose end has begun must come to it.
    pub(super) fn hurry(&mut self, conn: u64) {
        if let Some(sock) = self.socks.get(&conn) {
            let pauses = sock.pauses();
            self.alarm(conn, PATIENCE + pauses, Alarm::Impatience);
        }
    }

    pub(super) fn alarm(&mut self, conn: u64, after: Duration, alarm: Alarm) {
        self.alarm_no += 1;
        self.alarms
            .insert((self.now() + after, self.alarm_no), (conn, alarm));
    }

    pub(super) fn ring(&mut self) {
        let now = self.now();
        while let Some(entry) = self.alarms.first_entry().filter(|e| e.key().0 <= now) {
            let (conn, alarm) = entry.remove();
            match alarm {
                Alarm::Dial => self.dial_is_late(conn),
                Alarm::Farewell => self.farewell_is_late(conn),
                Alarm::Resume | Alarm::Impatience => {}
            }
            let Some(sock) = self.socks.get_mut(&conn) else {
                continue;
            };
            match alarm {
                Alarm::Dial | Alarm::Farewell => {}
                Alarm::Resume => {
                    sock.paused = false;
                    self.flush(conn);
                }
                // A half-open connection stays half open.
                Alarm::Impatience if sock.hole.is_some() => self.hurry(conn),
                Alarm::Impatience => {
                    if !sock.finished {
                        // With something unread a plain close would be a reset.
                        // FIN goes out even to a peer that takes nothing.
                        sock.discard();
                        (sock.writable, sock.paused) = (true, false);
                        sock.stage = Stage::Deaf;
                        sock.push(Chunk::Fin);
                        self.flush(conn);
                    } else if let Some(how) = sock.ending.clone() {
                        self.close(conn, how);
                    }
                }
            }
        }
    }
}
