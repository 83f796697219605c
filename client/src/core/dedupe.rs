//! What a subscription remembers of the messages that it has had.

use std::collections::{HashSet, VecDeque};

use super::io::Dedupe;
use crate::frame::Frame;

/// The last values of one header, a bounded number of them.
#[derive(Debug)]
pub(super) struct Window {
    header: &'static str,
    most: usize,
    seen: HashSet<Box<[u8]>>,
    order: VecDeque<Box<[u8]>>,
}

/// Values beyond this many octets are not remembered: an id is short.
const LONGEST: usize = 1024;

impl Window {
    pub(super) fn new(dedupe: &Dedupe) -> Self {
        Self {
            header: dedupe.header,
            most: dedupe.window,
            seen: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether the message has come before; if not it has now.
    pub(super) fn has_seen(&mut self, message: &Frame) -> bool {
        let Some(value) = message.raw_header(self.header.as_bytes()) else {
            return false;
        };
        if self.seen.contains(value) {
            return true;
        }
        if value.len() <= LONGEST && self.most > 0 {
            if self.order.len() == self.most {
                if let Some(oldest) = self.order.pop_front() {
                    self.seen.remove(&oldest);
                }
            }
            self.seen.insert(value.into());
            self.order.push_back(value.into());
        }
        false
    }
}
