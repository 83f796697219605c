//! What comes and what leaves over the link.

use std::time::Instant;

use super::{BATCH, Reactor};
use crate::{
    core::{Input, Phase},
    net::{Link, LinkEvent, Upgraded},
};

/// WebSocket messages read in one turn before everything else has its go.
const RUN: usize = 1024;

impl Reactor {
    /// Moves the link along and hands what it has to the core.
    pub(super) fn read(&mut self, now: Instant) {
        self.read_run(now);
        self.drain(now);
    }

    fn read_run(&mut self, now: Instant) {
        for _ in 0..RUN {
            let may_read = self.may_read();
            let Some((ticket, link)) = &mut self.link else {
                return;
            };
            let ticket = *ticket;
            match link.poll(now, self.poll.registry(), may_read) {
                LinkEvent::Message(piece) => {
                    self.gathered += piece.octets().len();
                    self.core.handle(now, Input::Message(piece));
                    if self.gathered >= self.batch || !self.core.is_quiet() {
                        self.check_suspended(now);
                        self.drain(now);
                    }
                }
                LinkEvent::Up(Upgraded { subprotocol, peer }) => {
                    log::info!("WebSocket to {peer} is open, subprotocol {subprotocol:?}");
                    self.heard = 0;
                    self.feed(now, Input::LinkUp(ticket));
                    self.mailbox.set_epoch(self.core.epoch());
                }
                LinkEvent::Resolve { host, port } => {
                    self.offload.resolve(&self.mailbox, ticket, host, port);
                }
                LinkEvent::Idle => return self.hear(now, !may_read),
                LinkEvent::Full if self.gathered > 0 && self.batch > BATCH => {}
                // Once what was read has been taken away.
                LinkEvent::Full => break,
                LinkEvent::Down(error) => {
                    self.link = None;
                    self.mailbox.set_epoch(0);
                    self.feed(now, Input::LinkDown(ticket, &error));
                }
            }
        }
        self.more = true;
        self.reads_on = true;
        self.hear(now, false);
    }

    /// Whether the link may be read: not while a queue is full, but for
    /// CONNECTED, before which no message can come.
    fn may_read(&self) -> bool {
        !self.delivery.is_paused() || self.core.phase() == Phase::Handshaking
    }

    /// Any octet is life; so is one that has come to wait while reading is
    /// paused, and so are so many that the peer may have no room for another.
    fn hear(&mut self, now: Instant, paused: bool) {
        let Some((_, link)) = &mut self.link else {
            return;
        };
        let waiting = if paused { link.octets_waiting() } else { 0 };
        let more = waiting > self.waiting || waiting >= Link::MANY;
        self.waiting = waiting;
        let octets = link.octets_read();
        if octets != self.heard || more {
            self.heard = octets;
            self.core.handle(now, Input::Octets);
        }
    }

    pub(super) fn write(&mut self, now: Instant) {
        // What was still leaving has kept back what comes after it; once it has
        // left, no event tells of a socket that is writable all the time.
        while self.write_run(now) {}
        self.passed = false;
        self.drain(now);
    }

    /// Pulls frames while the link takes them, and writes. Whether there is more
    /// to try.
    fn write_run(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some((_, link)) = &mut self.link {
            if !link.wants_frame() {
                break;
            }
            let Some(octets) = self.core.poll_transmit(now) else {
                break;
            };
            any = true;
            if let Err(e) = link.send(octets) {
                log::debug!("a frame could not be queued: {e}");
                break;
            }
        }
        let Some((_, link)) = &mut self.link else {
            return false;
        };
        if !any && link.is_flushed() {
            return false;
        }
        // A failed write is told by the next read, after what the peer still had
        // to say.
        if let Err(e) = link.flush() {
            log::debug!("writing failed: {e}");
            self.more = true;
            return false;
        }
        // TLS may have to read before it writes on, though the socket takes more.
        link.is_flushed() && link.wants_frame()
    }
}
