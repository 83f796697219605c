//! The short way of a message to many subscriptions: its octets are made once
//! and shared, and each subscription adds only its own header.
//!
//! It is gone only where nothing of the script, of the dialect or of an
//! acknowledgement makes one delivery differ from another; the octets are the
//! same as on the long way.

use super::conn::{Conn, Phase};
use super::message::Message;
use super::{Engine, Output, Plan};
use crate::wire::{Frame, Version, encode};
use std::collections::VecDeque;
use std::sync::Arc;

const COMMAND: &str = "MESSAGE";
const SUBSCRIPTION: &str = "subscription";

/// One message to many who each get a copy of their own may come to this.
const MOST_OCTETS: usize = 1 << 30;

/// The `subscription` header of one subscription.
#[derive(Debug)]
pub(crate) struct Label {
    id: Option<String>,
    version: Version,
    /// The command's line, and the header's.
    octets: Vec<u8>,
}

/// A MESSAGE for one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    message: Arc<Message>,
    label: Arc<Label>,
}

impl Label {
    pub(super) fn new(id: Option<&str>, version: Version) -> Self {
        let mut frame = Frame::new(COMMAND);
        if let Some(id) = id {
            frame = frame.with(SUBSCRIPTION, id);
        }
        let mut octets = encode(&frame, version);
        // The blank line and the NUL belong to the tail.
        octets.truncate(octets.len() - 2);
        Self {
            id: id.map(str::to_owned),
            version,
            octets,
        }
    }

    pub(super) fn is_for(&self, version: Version) -> bool {
        self.version == version
    }

    /// Puts the header where it belongs in a frame.
    pub(crate) fn put_on(&self, frame: &mut Frame) {
        if let Some(id) = &self.id {
            frame
                .headers
                .insert(0, (SUBSCRIPTION.to_owned(), id.clone()));
        }
    }
}

impl Delivery {
    fn new(message: Arc<Message>, label: Arc<Label>) -> Self {
        Self { message, label }
    }

    /// The parts of its octets on the wire; the second is shared.
    pub(crate) fn parts(&self) -> (&[u8], &Arc<Vec<u8>>) {
        let tail = self.message.tail(self.label.version);
        (&self.label.octets, tail)
    }

    /// Octets on the wire.
    pub(crate) fn len(&self) -> usize {
        let (own, shared) = self.parts();
        own.len() + shared.len()
    }

    fn concat(&self) -> Vec<u8> {
        let (own, shared) = self.parts();
        [own, shared].concat()
    }

    /// Whether it can go as text.
    pub(crate) fn is_text(&self) -> bool {
        self.message.is_text()
    }

    pub(crate) fn label(&self) -> Arc<Label> {
        Arc::clone(&self.label)
    }

    /// What tells its message from others.
    pub(crate) fn message_no(&self) -> u64 {
        self.message.no
    }

    /// Its frame without what its label puts on, for the transcript.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        self.message.pack(COMMAND, out);
    }

    /// How many octets [`Delivery::pack`] writes at most.
    pub(crate) fn packed_size(&self) -> usize {
        COMMAND.len() + self.message.packed_size()
    }
}

/// What the engine wants done.
#[derive(Debug)]
pub(crate) enum Step {
    Output(Output),
    Deliver { conn: u64, delivery: Delivery },
}

impl Step {
    pub(super) fn output(self) -> Output {
        match self {
            Self::Output(output) => output,
            Self::Deliver { conn, delivery } => Output::Message {
                conn,
                octets: delivery.concat(),
                binary: !delivery.is_text(),
                how: Plan::default(),
            },
        }
    }
}

/// What the engine wants done, in order.
#[derive(Debug, Default)]
pub(super) struct Steps {
    steps: VecDeque<Step>,
    /// Octets of messages that are not shared.
    octets: usize,
}

impl Steps {
    pub(super) fn push_back(&mut self, output: Output) {
        self.octets += own_octets(&output);
        self.steps.push_back(Step::Output(output));
    }

    fn deliver(&mut self, conn: u64, delivery: Delivery) {
        self.steps.push_back(Step::Deliver { conn, delivery });
    }

    pub(super) fn pop_front(&mut self) -> Option<Step> {
        let step = self.steps.pop_front()?;
        if let Step::Output(output) = &step {
            self.octets -= own_octets(output);
        }
        Some(step)
    }

    /// Whether one input has made so much that no more copies of a message
    /// should follow.
    pub(super) fn are_too_many(&self) -> bool {
        self.octets > MOST_OCTETS
    }
}

fn own_octets(output: &Output) -> usize {
    if let Output::Message { octets, .. } = output {
        octets.len()
    } else {
        0
    }
}

impl Conn {
    /// Whether what is sent goes out as it is.
    fn is_plain(&self) -> bool {
        self.phase == Phase::Open
            && self.relay.is_none()
            && !self.is_suspended()
            && self.silences.is_empty()
            && self.shapes.are_plain()
    }
}

impl Engine {
    /// Whether no delivery is looked at on its way.
    pub(super) fn is_unwatched(&self) -> bool {
        let w = &self.watches;
        !w.send && !w.frames_out && !w.bytes_out && self.silences.is_empty()
    }

    /// Sends a message the short way; false if it must go the long one.
    pub(super) fn deliver_shared(&mut self, no: u64, message: &Arc<Message>) -> bool {
        let now = self.now;
        let Some(sub) = self.hub.subs.get_mut(&no) else {
            return false;
        };
        let conn = sub.wish.conn;
        let Some(c) = self.conns.get_mut(&conn).filter(|c| c.is_plain()) else {
            return false;
        };
        let label = sub.label(c.version);
        let delivery = Delivery::new(Arc::clone(message), label);
        c.beats.last_out = now;
        c.active = now;
        let woken = !c.gathered.idle.is_empty();
        c.frames_out += 1;
        c.bytes_out += delivery.len() as u64;
        self.journal.push_delivery(now, conn, &delivery);
        self.outputs.deliver(conn, delivery);
        if woken {
            self.active(conn);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Journal;
    use std::time::Duration;

    #[test]
    fn the_short_way_gives_the_octets_of_the_long_one() {
        for version in [Version::V1_0, Version::V1_1, Version::V1_2] {
            for id in [None, Some("a:b\n\\")] {
                let send = Frame::new("SEND")
                    .with("destination", "/t:\n")
                    .body(b"x\0\xff");
                let message = Message {
                    headers: vec![("k:".to_owned(), "v\r".to_owned())],
                    measured: version != Version::V1_1,
                    source: Arc::new(send),
                    ..Message::default()
                };
                let label = Arc::new(Label::new(id, version));
                let delivery = Delivery::new(Arc::new(message), label);
                let journal = Journal::new(9, 9999);
                journal.push_delivery(Duration::ZERO, 1, &delivery);
                let told = journal.snapshot();
                let long = told[0].sent().unwrap();
                assert_eq!(delivery.concat(), encode(long, version));
                assert_eq!(long.header(SUBSCRIPTION), id);
                assert!(!delivery.is_text());
            }
        }
    }
}
