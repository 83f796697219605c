//! Topics, queues and subscriptions: data only.

use crate::wire::Frame;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Where messages go that nobody wants.
pub(super) const DEAD_LETTERS: &str = "/queue/DLQ";

/// Whether a destination is a queue; every other one is a topic.
pub(super) fn is_queue(destination: &str) -> bool {
    destination.starts_with("/queue/")
}

/// A message as it was published.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) no: u64,
    pub(super) destination: String,
    /// The publisher's own headers.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A message on its way, with how often it was delivered.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) message: Arc<Message>,
    pub(super) deliveries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckMode {
    Auto,
    Client,
    Individual,
}

#[derive(Debug)]
pub(super) struct Sub {
    pub(super) conn: u64,
    /// The id on the wire; 1.0 may do without.
    pub(super) id: Option<String>,
    pub(super) destination: String,
    pub(super) ack: AckMode,
    /// Deliveries that wait for their ACK, oldest first.
    pub(super) unacked: BTreeMap<u64, Item>,
    /// Waits for ACKs and is no consumer meanwhile.
    parked: bool,
    /// Whether a drop was noted already.
    pub(super) noted: bool,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Round robin: the front is next.
    consumers: VecDeque<u64>,
}

/// All destinations and subscriptions.
#[derive(Debug, Default)]
pub(super) struct Hub {
    pub(super) subs: BTreeMap<u64, Sub>,
    topics: BTreeMap<String, BTreeSet<u64>>,
    queues: BTreeMap<String, Queue>,
    /// Queues that may have something to deliver.
    dirty: BTreeSet<String>,
    next: u64,
    max_queue: usize,
    pub(super) max_unacked: usize,
}

impl Hub {
    pub(super) fn new(max_queue: usize, max_unacked: usize) -> Self {
        Self {
            max_queue,
            max_unacked,
            ..Self::default()
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn subscribe(
        &mut self,
        conn: u64,
        id: Option<String>,
        destination: &str,
        ack: AckMode,
    ) -> u64 {
        let no = self.number();
        let destination = destination.to_owned();
        if is_queue(&destination) {
            self.queues
                .entry(destination.clone())
                .or_default()
                .consumers
                .push_back(no);
            self.dirty.insert(destination.clone());
        } else {
            self.topics
                .entry(destination.clone())
                .or_default()
                .insert(no);
        }
        let unacked = BTreeMap::new();
        let sub = Sub {
            conn,
            id,
            destination,
            ack,
            unacked,
            parked: false,
            noted: false,
        };
        self.subs.insert(no, sub);
        no
    }

    /// Ends a subscription; what a queue delivered to it and was not
    /// acknowledged goes back to the front, in order.
    pub(super) fn unsubscribe(&mut self, no: u64) -> Option<Sub> {
        let mut sub = self.subs.remove(&no)?;
        if let Some(topic) = self.topics.get_mut(&sub.destination) {
            topic.remove(&no);
            if topic.is_empty() {
                self.topics.remove(&sub.destination);
            }
        }
        if let Some(queue) = self.queues.get_mut(&sub.destination) {
            queue.consumers.retain(|c| *c != no);
            while let Some((_, item)) = sub.unacked.pop_last() {
                queue.items.push_front(item);
            }
            if queue.items.is_empty() && queue.consumers.is_empty() {
                self.queues.remove(&sub.destination);
            } else {
                self.dirty.insert(sub.destination.clone());
            }
        }
        Some(sub)
    }

    /// The subscriptions of a topic, in the order in which they were made.
    pub(super) fn audience(&self, topic: &str) -> Vec<u64> {
        self.topics
            .get(topic)
            .map(|t| t.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Whether a queue can take so many more messages.
    pub(super) fn has_room(&self, queue: &str, more: usize) -> bool {
        self.queues.get(queue).map_or(0, |q| q.items.len()) + more <= self.max_queue
    }

    /// Puts a message at the tail of a queue.
    pub(super) fn enqueue(&mut self, queue: &str, item: Item) {
        self.queues
            .entry(queue.to_owned())
            .or_default()
            .items
            .push_back(item);
        self.dirty.insert(queue.to_owned());
    }

    /// The next message of a queue and the consumer whose turn it is.
    pub(super) fn next_delivery(&mut self) -> Option<(u64, Item)> {
        while let Some(name) = self.dirty.first().cloned() {
            let Some(queue) = self.queues.get_mut(&name) else {
                self.dirty.remove(&name);
                continue;
            };
            while !queue.items.is_empty() {
                let Some(no) = queue.consumers.pop_front() else {
                    break;
                };
                let Some(sub) = self.subs.get_mut(&no) else {
                    continue;
                };
                if sub.unacked.len() >= self.max_unacked {
                    sub.parked = true;
                    continue;
                }
                queue.consumers.push_back(no);
                if let Some(item) = queue.items.pop_front() {
                    return Some((no, item));
                }
            }
            if queue.items.is_empty() && queue.consumers.is_empty() {
                self.queues.remove(&name);
            }
            self.dirty.remove(&name);
        }
        None
    }

    /// Takes deliveries off a subscription: one, or (cumulatively) all up to
    /// it. A consumer that waited for ACKs is one again.
    pub(super) fn settle(&mut self, no: u64, delivery: u64) -> Vec<(u64, Item)> {
        let Some(sub) = self.subs.get_mut(&no) else {
            return Vec::new();
        };
        let settled = if sub.ack == AckMode::Client {
            let rest = sub.unacked.split_off(&(delivery + 1));
            std::mem::replace(&mut sub.unacked, rest)
                .into_iter()
                .collect()
        } else {
            sub.unacked
                .remove(&delivery)
                .map(|item| (delivery, item))
                .into_iter()
                .collect()
        };
        if sub.parked && sub.unacked.len() < self.max_unacked {
            sub.parked = false;
            if let Some(queue) = self.queues.get_mut(&sub.destination) {
                queue.consumers.push_back(no);
                self.dirty.insert(sub.destination.clone());
            } else {
                self.queues
                    .entry(sub.destination.clone())
                    .or_default()
                    .consumers
                    .push_back(no);
            }
        }
        settled
    }
}

/// What of a SEND reaches the consumers: everything but what belongs to the
/// frame itself, and nothing that could pass for the broker's own word.
pub(super) fn user_headers(frame: &Frame) -> Vec<(String, String)> {
    const OWN: [&str; 9] = [
        "destination",
        "receipt",
        "transaction",
        "content-length",
        "subscription",
        "message-id",
        "ack",
        "redelivered",
        "receipt-id",
    ];
    frame
        .headers
        .iter()
        .filter(|(n, _)| !OWN.contains(&n.as_str()))
        .cloned()
        .collect()
}
