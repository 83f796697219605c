//! What a queue holds, and which of it goes when there is no room.

use std::collections::{HashMap, VecDeque};

use super::{Item, Pushed, taking::move_all};
use crate::config::{Overflow, QueueLimits};

/// The items of a queue, oldest first, within two bounds.
pub(super) struct Ring<T> {
    items: VecDeque<T>,
    octets: usize,
    /// Items and octets that consumers have in hand: they have no room here, but
    /// count.
    pub(super) lent: (usize, usize),
    limits: QueueLimits,
    /// How many items have been taken off the front since the beginning.
    gone: u64,
    /// For [`Overflow::LatestBy`]: where the item of each key stands, counted
    /// as `gone` is.
    latest: HashMap<Box<[u8]>, u64>,
    /// The most that was ever held.
    pub(super) high: (usize, usize),
}

impl<T: Item> Ring<T> {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self {
            items: VecDeque::new(),
            octets: 0,
            lent: (0, 0),
            limits,
            gone: 0,
            latest: HashMap::new(),
            high: (0, 0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    #[cfg(feature = "spill")]
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How much counts: what is here, and what is lent.
    #[inline]
    fn all(&self) -> (usize, usize) {
        let (items, octets) = self.lent;
        (self.items.len() + items, self.octets.saturating_add(octets))
    }

    /// Whether an item of `size` octets has room; one always has in an empty ring.
    #[inline]
    pub(super) fn fits(&self, size: usize) -> bool {
        let (items, octets) = self.all();
        items == 0
            || (items < self.limits.messages && octets.saturating_add(size) <= self.limits.octets)
    }

    /// Whether something is lent, and an item of `size` octets has no room.
    #[inline]
    pub(super) fn lacks_what_is_lent(&self, size: usize) -> bool {
        self.lent.0 > 0 && !self.fits(size)
    }

    /// Whether at most half of each bound is used.
    #[inline]
    pub(super) fn is_half_empty(&self) -> bool {
        let (items, octets) = self.all();
        items <= self.limits.messages / 2 && octets <= self.limits.octets / 2
    }

    /// Whether a new item may take the place of an old one.
    pub(super) fn replaces(&self) -> bool {
        matches!(self.limits.overflow, Overflow::LatestBy(_))
    }

    /// As [`is_half_empty`](Self::is_half_empty), with an item of `size` octets more.
    #[inline]
    pub(super) fn stays_half_empty(&self, size: usize) -> bool {
        let (items, octets) = self.all();
        items < self.limits.messages / 2 && octets.saturating_add(size) <= self.limits.octets / 2
    }

    /// Whether it is worth while, and allowed, to lend all items at once.
    pub(super) fn lends(&self) -> bool {
        self.items.len() > 1 && !self.replaces()
    }

    /// Puts all items into `hand`, which is empty. Returns their octets.
    pub(super) fn lend(&mut self, hand: &mut VecDeque<T>) -> usize {
        let octets = self.octets;
        self.give(hand);
        self.lent = (hand.len(), octets);
        octets
    }

    /// Puts all items behind those that are in `items`, which need not be counted.
    pub(super) fn give(&mut self, items: &mut VecDeque<T>) {
        let most = self.most_memory();
        move_all(&mut self.items, items, most);
        self.octets = 0;
    }

    /// For so many items there may be memory, which grows by doubling.
    pub(super) fn most_memory(&self) -> usize {
        self.limits.messages.saturating_mul(2)
    }

    /// What is left of what was lent, and so many octets, comes before all else again.
    pub(super) fn take_back(&mut self, hand: &mut VecDeque<T>, octets: usize) {
        hand.append(&mut self.items);
        std::mem::swap(&mut self.items, hand);
        self.octets += octets;
        self.lent = (0, 0);
    }

    /// Adds an item by the queue's policy. `keep`: nothing that is here may be
    /// lost, nor the item.
    pub(super) fn push(&mut self, item: T, keep: bool) -> Pushed<T> {
        let size = item.size();
        if let Overflow::LatestBy(header) = self.limits.overflow {
            return self.replace(item, header, keep);
        }
        if self.fits(size) {
            self.add(item);
            return Pushed::Done;
        }
        match self.limits.overflow {
            _ if keep => Pushed::Full(item),
            Overflow::Pause => Pushed::Full(item),
            // Who spills asks for room before; this is for one who cannot.
            #[cfg(feature = "spill")]
            Overflow::Spill => Pushed::Full(item),
            Overflow::DropNewest => Pushed::Dropped(1),
            Overflow::Fail => Pushed::Failed,
            Overflow::DropOldest | Overflow::LatestBy(_) => {
                let dropped = self.make_room(size);
                self.add(item);
                Pushed::Dropped(dropped)
            }
        }
    }

    /// The item takes the place of the one that has its key.
    fn replace(&mut self, item: T, header: &str, keep: bool) -> Pushed<T> {
        let size = item.size();
        let key = item.key(header);
        if let Some(at) = key.as_ref().and_then(|key| self.latest.get(key)) {
            let place = usize::try_from(at - self.gone).unwrap_or(usize::MAX);
            if let Some(slot) = self.items.get_mut(place) {
                self.octets = self.octets - slot.size() + size;
                *slot = item;
                // The newer one may be larger.
                let more = self
                    .drop_while(|ring| ring.octets > ring.limits.octets && ring.items.len() > 1);
                return Pushed::Dropped(1 + more);
            }
        }
        if keep && !self.fits(size) {
            return Pushed::Full(item);
        }
        let dropped = self.make_room(size);
        if let Some(key) = key {
            let place = self.gone + self.items.len() as u64;
            self.latest.insert(key, place);
        }
        self.add(item);
        match dropped {
            0 => Pushed::Done,
            dropped => Pushed::Dropped(dropped),
        }
    }

    /// Drops the oldest until an item of `size` octets has room. Returns how many.
    fn make_room(&mut self, size: usize) -> u64 {
        self.drop_while(|ring| !ring.fits(size))
    }

    fn drop_while(&mut self, full: impl Fn(&Self) -> bool) -> u64 {
        let mut dropped = 0;
        while full(self) && self.pop().is_some() {
            dropped += 1;
        }
        dropped
    }

    /// Adds an item for which there is room, or which must not wait for any.
    pub(super) fn add(&mut self, mut item: T) {
        // A small item keeps the block alive that it was read into. With few
        // of them that is cheaper than copying.
        if !self.is_half_empty() && item.size() < SMALL {
            item.detach();
        }
        self.append(item);
        self.note();
    }

    /// Adds an item as it is; to be [noted](Self::note), once for several.
    #[inline(always)]
    pub(super) fn append(&mut self, item: T) {
        self.octets += item.size();
        self.items.push_back(item);
    }

    /// Keeps the most that was held.
    pub(super) fn note(&mut self) {
        let (items, octets) = self.all();
        self.high = (self.high.0.max(items), self.high.1.max(octets));
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.octets -= item.size();
        if let Overflow::LatestBy(header) = self.limits.overflow {
            if let Some(key) = item.key(header) {
                if self.latest.get(&key) == Some(&self.gone) {
                    self.latest.remove(&key);
                }
            }
        }
        self.gone += 1;
        Some(item)
    }

    /// Drops everything. Returns how many that were.
    pub(super) fn clear(&mut self) -> u64 {
        let dropped = self.items.len() as u64;
        self.items.clear();
        self.latest.clear();
        self.octets = 0;
        self.gone += dropped;
        dropped
    }

    #[cfg(feature = "spill")]
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }
}

/// Items below this size are copied out of the block they were read into once
/// many of them wait.
const SMALL: usize = 8 << 10;
