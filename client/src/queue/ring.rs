//! What a queue holds, and which of it goes when there is no room.

use std::collections::{HashMap, VecDeque};

use super::{Item, Pushed};
use crate::config::{Overflow, QueueLimits};

/// The items of a queue, oldest first, within two bounds.
pub(super) struct Ring<T> {
    items: VecDeque<(T, usize)>,
    octets: usize,
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

    /// Whether an item of `size` octets has room; one always has in an empty ring.
    pub(super) fn fits(&self, size: usize) -> bool {
        self.items.is_empty()
            || (self.items.len() < self.limits.messages
                && self.octets.saturating_add(size) <= self.limits.octets)
    }

    /// Whether at most half of each bound is used.
    pub(super) fn is_half_empty(&self) -> bool {
        self.items.len() <= self.limits.messages / 2 && self.octets <= self.limits.octets / 2
    }

    /// Adds an item by the queue's policy. `keep`: nothing that is here may be
    /// lost, nor the item.
    #[inline]
    pub(super) fn push(&mut self, item: T, size: usize, keep: bool) -> Pushed<T> {
        if let Overflow::LatestBy(header) = self.limits.overflow {
            return self.replace(item, size, header, keep);
        }
        if self.fits(size) {
            self.add(item, size);
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
                self.add(item, size);
                Pushed::Dropped(dropped)
            }
        }
    }

    /// The item takes the place of the one that has its key.
    fn replace(&mut self, item: T, size: usize, header: &str, keep: bool) -> Pushed<T> {
        let key = item.key(header);
        if let Some(at) = key.as_ref().and_then(|key| self.latest.get(key)) {
            let place = usize::try_from(at - self.gone).unwrap_or(usize::MAX);
            if let Some(slot) = self.items.get_mut(place) {
                self.octets = self.octets - slot.1 + size;
                *slot = (item, size);
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
        self.add(item, size);
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
    #[inline]
    pub(super) fn add(&mut self, mut item: T, size: usize) {
        // A small item keeps the block alive that it was read into. With few
        // of them that is cheaper than copying.
        let many =
            self.items.len() > self.limits.messages / 2 || self.octets > self.limits.octets / 2;
        if many && size < SMALL {
            item.detach();
        }
        self.octets += size;
        self.items.push_back((item, size));
        self.high.0 = self.high.0.max(self.items.len());
        self.high.1 = self.high.1.max(self.octets);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        let (item, size) = self.items.pop_front()?;
        self.octets -= size;
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
        self.items.iter().map(|(item, _)| item)
    }
}

/// Items below this size are copied out of the block they were read into once
/// many of them wait.
const SMALL: usize = 8 << 10;
