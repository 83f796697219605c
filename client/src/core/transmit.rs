//! What leaves, and when it may.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::{
    Core, Phase,
    io::{Key, Outgoing},
    operations::{Kind, Operation, receipt_headers},
    outbox::Entry,
    subscriptions::State,
    timers::Timer,
};
use crate::{
    dialect::BeatOctet,
    error::{Error, Misuse},
    frame::{Command, EncodeError, Encoder, Version},
};

impl Core {
    /// The next frame or heart-beat to hand to the link; one WebSocket message.
    /// Pull only while the link can write: pulling is the backpressure.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if !matches!(self.link, super::Link::Up(_)) {
            return None;
        }
        let next = self.outbox.pop_urgent().or_else(|| self.next_frame(now));
        self.drain_progress();
        let octets = next?;
        self.leaves(now, octets.len());
        Some(octets)
    }

    fn next_frame(&mut self, now: Instant) -> Option<Bytes> {
        match self.phase {
            Phase::Online => {}
            Phase::Closing if self.graceful.as_ref().is_some_and(|g| !g.disconnected) => {}
            Phase::Idle
            | Phase::Dialing
            | Phase::Handshaking
            | Phase::Suspended
            | Phase::Waiting
            | Phase::Closing
            | Phase::Closed => return None,
        }
        if self.suspects.cautious && self.operations.awaits_subscribe() {
            return None;
        }
        if self.awaits_headers() {
            return None;
        }
        while let Some(key) = self.replay.pop_front() {
            if let Some(octets) = self.write_subscribe(now, key) {
                return Some(octets);
            }
            if self.awaits_headers() {
                return None;
            }
        }
        if !self.operations.awaits_subscribe() {
            self.suspects.acquit();
        }
        while let Some(entry) = self.pop_entry() {
            let octets = match entry {
                Entry::Frame(outgoing) => self.release(now, outgoing),
                Entry::Subscribe(key) => self.write_subscribe(now, key),
                Entry::Unsubscribe {
                    id,
                    headers,
                    receipt,
                    epoch,
                } if epoch == self.epoch => self.write_unsubscribe(now, &id, &headers, receipt),
                // The broker forgot the subscription with the connection.
                Entry::Unsubscribe { .. } => None,
            };
            if octets.is_some() {
                self.tell_expired();
                return octets;
            }
        }
        self.tell_expired();
        if self.disconnect_due() {
            return self.write_disconnect(now);
        }
        None
    }

    /// What comes after the beginning of a rotation waits for the next session.
    fn pop_entry(&mut self) -> Option<Entry> {
        if let Some(left) = self.graceful.as_mut().and_then(|g| g.rotates.as_mut()) {
            *left = left.checked_sub(1)?;
        }
        let entry = self.outbox.pop();
        if let (None, Some(graceful)) = (&entry, &mut self.graceful) {
            graceful.rotates = graceful.rotates.map(|_| 0);
        }
        entry
    }

    /// A frame of the application, if it still makes sense on this connection.
    fn release(&mut self, now: Instant, outgoing: Outgoing) -> Option<Bytes> {
        if let Err(error) = self.admit(now, &outgoing) {
            if let Some((id, step)) = outgoing.transaction {
                self.transactions.spoil(id, step);
            }
            let operation = outgoing.receipt.and_then(|id| self.operations.remove(id));
            match (operation, error) {
                (Some(operation), error) => self.failed(now, operation, error),
                // The broker delivers again what was not acknowledged.
                (None, Error::Misuse(Misuse::StaleDelivery)) => {}
                (None, _) if outgoing.receipt.is_none() => self.expired += 1,
                (None, _) => {}
            }
            return None;
        }
        let outgoing = self.hold_request(outgoing)?;
        if let Some(id) = outgoing.receipt {
            self.operations.sent(now, id);
        }
        Some(outgoing.octets)
    }

    fn admit(&mut self, now: Instant, outgoing: &Outgoing) -> Result<(), Error> {
        let operation = outgoing.receipt.map(|id| self.operations.get(id));
        if outgoing.deadline <= now || matches!(operation, Some(None)) {
            let left = operation.flatten().is_some_and(Operation::has_left);
            return Err(Error::Timeout(self.stage_of(left)));
        }
        if outgoing.needs > self.version {
            return Err(Misuse::Version(self.version).into());
        }
        if outgoing.epoch.is_some_and(|epoch| epoch != self.epoch) {
            return Err(Misuse::StaleDelivery.into());
        }
        match outgoing.transaction {
            Some((id, step)) if !self.transactions.admit(id, step) => Err(Error::Lost),
            Some(_) | None => Ok(()),
        }
    }

    /// SUBSCRIBE (STOMP 1.2 §SUBSCRIBE), always with a receipt.
    fn write_subscribe(&mut self, now: Instant, key: Key) -> Option<Bytes> {
        let subscription = self.subscriptions.get_mut(key)?;
        let times = match subscription.state {
            State::Wanted => 1,
            State::Overdue => 2,
            // It waited in two places, and left from the other.
            State::Asked(_) | State::Confirmed | State::Leaving | State::Quarantined => {
                return None;
            }
        };
        let receipt = self.operations.own_id();
        subscription.state = State::Asked(times);
        let spec = &subscription.spec;
        let dialect = self.config.dialect;
        let buffer = &mut self.written;
        let written = written(buffer, Command::Subscribe, self.version, |frame| {
            frame.header("id", &spec.id)?;
            frame.header("destination", &spec.destination)?;
            frame.header("ack", spec.ack.as_str())?;
            for (name, value) in spec.headers.iter().chain(spec.fresh.iter().flatten()) {
                frame.header(name, value)?;
            }
            receipt_headers(frame, dialect, receipt);
            Ok(())
        });
        // The making call has its own deadline.
        let waits = subscription.timer.is_some();
        let limit = now + self.config.timeouts.open;
        let timer = (!waits).then(|| self.timers.insert(limit, Timer::Operation(receipt)));
        let operation = Operation {
            kind: Kind::Subscribe(key),
            waiter: super::Waiter::NONE,
            timer,
            sent: Some(now),
            ends: false,
        };
        match written {
            Ok(octets) => {
                self.operations.insert(receipt, operation);
                Some(octets)
            }
            Err(e) => {
                self.failed(now, operation, e.into());
                None
            }
        }
    }

    /// UNSUBSCRIBE (STOMP 1.2 §UNSUBSCRIBE).
    fn write_unsubscribe(
        &mut self,
        now: Instant,
        id: &str,
        headers: &[(String, String)],
        receipt: Option<u64>,
    ) -> Option<Bytes> {
        if receipt.is_some_and(|id| !self.operations.sent(now, id)) {
            return None;
        }
        let dialect = self.config.dialect;
        let buffer = &mut self.written;
        let written = written(buffer, Command::Unsubscribe, self.version, |frame| {
            frame.header("id", id)?;
            for (name, value) in headers {
                frame.header(name, value)?;
            }
            if let Some(id) = receipt {
                receipt_headers(frame, dialect, id);
            }
            Ok(())
        });
        match written {
            Ok(octets) => Some(octets),
            Err(e) => {
                if let Some(operation) = receipt.and_then(|id| self.operations.remove(id)) {
                    self.failed(now, operation, e.into());
                }
                None
            }
        }
    }

    /// DISCONNECT (STOMP 1.2 §DISCONNECT).
    fn write_disconnect(&mut self, now: Instant) -> Option<Bytes> {
        let receipt = self.operations.own_id();
        self.graceful.as_mut()?.disconnected = true;
        self.operations.insert(
            receipt,
            Operation {
                kind: Kind::Disconnect,
                waiter: super::Waiter::NONE,
                timer: None,
                sent: Some(now),
                ends: false,
            },
        );
        let dialect = self.config.dialect;
        let buffer = &mut self.written;
        written(buffer, Command::Disconnect, self.version, |frame| {
            receipt_headers(frame, dialect, receipt);
            Ok(())
        })
        .ok()
    }

    pub(super) fn beat_octet(&self) -> Bytes {
        Bytes::from_static(match self.config.dialect.heart_beat {
            BeatOctet::Eol => b"\n",
            BeatOctet::Nul => b"\0",
        })
    }
}

/// Writes a frame without a body. Those of a replay come one after another in the
/// same memory, which is used again once they have left.
fn written(
    buffer: &mut BytesMut,
    command: Command,
    version: Version,
    headers: impl FnOnce(&mut Encoder<'_>) -> Result<(), EncodeError>,
) -> Result<Bytes, EncodeError> {
    buffer.clear();
    if buffer.capacity() < USUAL {
        buffer.reserve(FRAMES);
    }
    let mut frame = Encoder::new(buffer, command, version);
    headers(&mut frame)?;
    frame.finish(b"")?;
    Ok(buffer.split().freeze())
}

/// Octets of most frames without a body.
const USUAL: usize = 128;
/// Octets of memory for frames without a body.
const FRAMES: usize = 1 << 10;
