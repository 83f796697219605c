//! Queues and subscriptions: data only.

use super::delivery::Label;
use super::message::Item;
use super::topics::Topics;
use crate::dialect::Wildcards;
use crate::script::Bounds;
use crate::selector::Selector;
use crate::wire::Version;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Where a message goes, or a subscription comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Queue(String),
    Topic(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AckMode {
    Auto,
    Client,
    Individual,
}

/// What a subscription asks for.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) conn: u64,
    /// The id on the wire; 1.0 may do without.
    pub(super) id: Option<String>,
    pub(super) target: Target,
    pub(super) ack: AckMode,
    /// Most unacknowledged messages.
    pub(super) prefetch: usize,
    pub(super) selector: Option<Selector>,
}

#[derive(Debug)]
pub(super) struct Sub {
    pub(super) wish: Wish,
    /// Deliveries that wait for their ACK, oldest first.
    pub(super) unacked: BTreeMap<u64, Item>,
    /// Octets in `unacked` and `backlog`.
    octets: usize,
    /// What came from a topic while there was no room.
    backlog: VecDeque<Item>,
    /// Waits for ACKs and is no consumer of its queue meanwhile.
    parked: bool,
    /// Whether a drop was noted already.
    pub(super) noted: bool,
    label: Option<Arc<Label>>,
}

impl Sub {
    /// How many messages of a topic wait for room.
    pub(super) fn queued(&self) -> usize {
        self.backlog.len()
    }

    /// Its header, as it stands on the wire.
    pub(super) fn label(&mut self, version: Version) -> Arc<Label> {
        match &self.label {
            Some(label) if label.is_for(version) => Arc::clone(label),
            Some(_) | None => {
                let label = Arc::new(Label::new(self.wish.id.as_deref(), version));
                self.label = Some(Arc::clone(&label));
                label
            }
        }
    }

    fn wants(&self, item: &Item) -> bool {
        let selector = self.wish.selector.as_ref();
        selector.is_none_or(|s| s.wants(&*item.message))
    }
}

#[derive(Debug, Default)]
struct Queue {
    /// In the order of their places.
    items: VecDeque<Item>,
    octets: usize,
    /// Round robin: the front is next.
    consumers: VecDeque<u64>,
    /// No consumer wants any of so many at the front.
    scanned: usize,
}

impl Queue {
    fn join(&mut self, no: u64) {
        self.consumers.push_back(no);
        self.scanned = 0;
    }

    /// Puts an item where it was.
    fn put_back(&mut self, item: Item) {
        let at = self.items.partition_point(|i| i.place < item.place);
        self.octets += item.octets();
        self.items.insert(at, item);
        self.scanned = self.scanned.min(at);
    }

    fn is_idle(&self) -> bool {
        self.items.is_empty() && self.consumers.is_empty()
    }
}

/// What became of a message that a topic has for a subscription.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Deliver,
    Kept,
    Unwanted,
    Dropped,
}

/// All queues and subscriptions.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) subs: BTreeMap<u64, Sub>,
    pub(super) topics: Topics,
    queues: BTreeMap<String, Queue>,
    /// Queues that may have something to deliver, oldest first.
    dirty: VecDeque<String>,
    /// Subscriptions to topics that have a backlog and room.
    ready: BTreeSet<u64>,
    next: u64,
    bounds: Bounds,
}

impl Hub {
    pub(super) fn new(wildcards: Wildcards, bounds: Bounds) -> Self {
        Self {
            subs: BTreeMap::new(),
            topics: Topics::new(wildcards),
            queues: BTreeMap::new(),
            dirty: VecDeque::new(),
            ready: BTreeSet::new(),
            next: 0,
            bounds,
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn subscribe(&mut self, mut wish: Wish) -> u64 {
        let no = self.number();
        wish.prefetch = wish.prefetch.clamp(1, self.bounds.unacked.max(1));
        match &wish.target {
            Target::Queue(name) => {
                let name = name.clone();
                self.queue(&name).join(no);
            }
            Target::Topic(name) => self.topics.insert(name, no),
        }
        let sub = Sub {
            wish,
            unacked: BTreeMap::new(),
            octets: 0,
            backlog: VecDeque::new(),
            parked: false,
            noted: false,
            label: None,
        };
        self.subs.insert(no, sub);
        no
    }

    /// A queue that is about to change.
    fn queue(&mut self, name: &str) -> &mut Queue {
        if self.dirty.back().is_none_or(|d| d != name) {
            self.dirty.push_back(name.to_owned());
        }
        self.queues.entry(name.to_owned()).or_default()
    }

    /// Ends a subscription; what a queue delivered to it and was not
    /// acknowledged goes back to its place.
    pub(super) fn unsubscribe(&mut self, no: u64) -> Option<Sub> {
        let mut sub = self.subs.remove(&no)?;
        self.ready.remove(&no);
        match &sub.wish.target {
            Target::Topic(name) => self.topics.remove(name, no),
            Target::Queue(name) => {
                let queue = self.queue(name);
                queue.consumers.retain(|c| *c != no);
                for (_, item) in std::mem::take(&mut sub.unacked) {
                    queue.put_back(item);
                }
                if queue.is_idle() {
                    self.queues.remove(name);
                }
            }
        }
        Some(sub)
    }

    /// Ends a queue with all it holds, and its subscriptions.
    pub(super) fn delete_queue(&mut self, name: &str) {
        let Some(queue) = self.queues.remove(name) else {
            return;
        };
        for no in queue.consumers {
            self.subs.remove(&no);
        }
    }

    pub(super) fn has_consumers(&self, name: &str) -> bool {
        let is = |sub: &Sub| matches!(&sub.wish.target, Target::Queue(n) if n == name);
        self.subs.values().any(is)
    }

    /// Whether a queue can take so many more messages of so many octets.
    pub(super) fn has_room(&self, queue: &str, more: usize, octets: usize) -> bool {
        match self.queues.get(queue) {
            Some(q) => {
                q.items.len() + more <= self.bounds.queue
                    && q.octets.saturating_add(octets) <= self.bounds.queue_octets
            }
            None => {
                self.queues.len() < self.bounds.queues
                    && more <= self.bounds.queue
                    && octets <= self.bounds.queue_octets
            }
        }
    }

    /// Puts a message at the tail of a queue.
    pub(super) fn enqueue(&mut self, name: &str, mut item: Item) {
        item.place = self.number();
        let queue = self.queue(name);
        queue.octets += item.octets();
        queue.items.push_back(item);
    }

    /// Puts a message back to where it was in its queue.
    pub(super) fn put_back(&mut self, name: &str, item: Item) {
        self.queue(name).put_back(item);
    }

    /// Offers a topic's message to a subscription.
    pub(super) fn offer(&mut self, no: u64, item: &Item) -> Offer {
        let Some(sub) = self.subs.get_mut(&no).filter(|sub| sub.wants(item)) else {
            return Offer::Unwanted;
        };
        if sub.wish.ack == AckMode::Auto {
            return Offer::Deliver;
        }
        let waiting = sub.unacked.len() + sub.backlog.len();
        let octets = sub.octets.saturating_add(item.octets());
        if waiting >= self.bounds.unacked || octets > self.bounds.unacked_octets {
            return Offer::Dropped;
        }
        if sub.backlog.is_empty() && sub.unacked.len() < sub.wish.prefetch {
            return Offer::Deliver;
        }
        sub.octets = octets;
        sub.backlog.push_back(item.clone());
        Offer::Kept
    }

    /// A topic's message goes to its subscription again, before all others.
    pub(super) fn offer_again(&mut self, no: u64, item: Item) {
        if let Some(sub) = self.subs.get_mut(&no) {
            sub.octets += item.octets();
            sub.backlog.push_front(item);
            self.ready.insert(no);
        }
    }

    /// A delivery waits for its ACK from now on.
    pub(super) fn expect_ack(&mut self, no: u64, delivery: u64, item: Item) {
        if let Some(sub) = self.subs.get_mut(&no) {
            sub.octets += item.octets();
            sub.unacked.insert(delivery, item);
        }
    }

    /// The next message of a queue or a backlog, and whose turn it is.
    pub(super) fn next_delivery(&mut self) -> Option<(u64, Item)> {
        while let Some(no) = self.ready.first().copied() {
            if let Some(sub) = self.subs.get_mut(&no) {
                if sub.unacked.len() < sub.wish.prefetch {
                    if let Some(item) = sub.backlog.pop_front() {
                        sub.octets -= item.octets();
                        return Some((no, item));
                    }
                }
            }
            self.ready.remove(&no);
        }
        while let Some(name) = self.dirty.front() {
            if let Some(queue) = self.queues.get_mut(name) {
                let next = next_of(queue, &mut self.subs, self.bounds.unacked_octets);
                if next.is_some() {
                    return next;
                }
                if queue.is_idle() {
                    self.queues.remove(name);
                }
            }
            self.dirty.pop_front();
        }
        None
    }

    /// Takes deliveries off a subscription: one, or (cumulatively) all up to
    /// it. A consumer that waited for ACKs is one again.
    pub(super) fn settle(&mut self, no: u64, delivery: u64) -> Vec<(u64, Item)> {
        let Some(sub) = self.subs.get_mut(&no) else {
            return Vec::new();
        };
        let settled: Vec<(u64, Item)> = if sub.wish.ack == AckMode::Client {
            let rest = sub.unacked.split_off(&(delivery + 1));
            std::mem::replace(&mut sub.unacked, rest)
                .into_iter()
                .collect()
        } else {
            let one = sub.unacked.remove(&delivery);
            one.map(|item| (delivery, item)).into_iter().collect()
        };
        self.settled(no, &settled);
        settled
    }

    /// Takes one delivery off a subscription, whatever its ack mode.
    pub(super) fn settle_one(&mut self, no: u64, delivery: u64) -> Option<Item> {
        let item = self.subs.get_mut(&no)?.unacked.remove(&delivery)?;
        let settled = [(delivery, item)];
        self.settled(no, &settled);
        let [(_, item)] = settled;
        Some(item)
    }

    fn settled(&mut self, no: u64, settled: &[(u64, Item)]) {
        let Some(sub) = self.subs.get_mut(&no) else {
            return;
        };
        sub.octets -= settled.iter().map(|(_, item)| item.octets()).sum::<usize>();
        if !sub.backlog.is_empty() {
            self.ready.insert(no);
        }
        if std::mem::take(&mut sub.parked) {
            if let Target::Queue(name) = &sub.wish.target {
                let name = name.clone();
                self.queue(&name).join(no);
            }
        }
    }
}

/// The first message of a queue that somebody wants and has room for.
fn next_of(
    queue: &mut Queue,
    subs: &mut BTreeMap<u64, Sub>,
    most_octets: usize,
) -> Option<(u64, Item)> {
    let mut turn = 0;
    while let Some(item) = queue.items.get(queue.scanned) {
        let Some(no) = queue.consumers.get(turn).copied() else {
            if turn == 0 {
                // Nobody is there at all: that says nothing about the item.
                return None;
            }
            turn = 0;
            queue.scanned += 1;
            continue;
        };
        let Some(sub) = subs.get_mut(&no) else {
            queue.consumers.remove(turn);
            continue;
        };
        let full = sub.unacked.len() >= sub.wish.prefetch || sub.octets >= most_octets;
        if sub.wish.ack != AckMode::Auto && full {
            // It waits for ACKs elsewhere.
            sub.parked = true;
            queue.consumers.remove(turn);
        } else if sub.wants(item) {
            let item = queue.items.remove(queue.scanned)?;
            queue.octets -= item.octets();
            queue.consumers.remove(turn);
            queue.consumers.push_back(no);
            return Some((no, item));
        } else {
            turn += 1;
        }
    }
    None
}
