//! What a queue does not hold in memory: its items on disk, and those on their
//! way there. The order is ring, disk, `fresh`.

mod writing;

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};

use super::{DiskLimits, Evict, Item, Left, Notify, Parting, Pushed, Queue, State};
use crate::{
    config::{Overflow, QueueLimits},
    metrics::Depth,
};

pub(super) struct Backlog<T> {
    limits: QueueLimits,
    disk: DiskLimits,
    /// The items in the ring: their numbers, and whether they are on disk, too.
    held: VecDeque<(u64, bool)>,
    /// Items that have been taken and are still on disk.
    stale: u64,
    /// Not written yet; the thread that writes has copies of the first `writing`.
    fresh: VecDeque<(u64, T, usize)>,
    fresh_octets: usize,
    writing: usize,
    /// The number of the next item.
    next: u64,
    /// On disk and not in the ring: from this number on, so many.
    unloaded_from: u64,
    unloaded: u64,
    unloaded_octets: u64,
    high: (u64, u64),
    /// The ring is to be written, too.
    save: bool,
    /// What comes now is the last: it goes to disk, however much waits to be written.
    last: bool,
    /// The writing thread knows that there is work.
    nudged: bool,
    /// The disk does not do what it should.
    failed: bool,
    parting: Option<Parting>,
}

/// Whether an item can go the way of the disk.
#[derive(PartialEq, Eq)]
enum Room {
    Enough,
    /// What is about to be written must be written first.
    Soon,
    /// The disk is full, or does not do what it should.
    None,
}

/// So many items that have been taken lie on disk at most before they are
/// removed, but for those that are taken during one write.
const STALE: u64 = 64;

impl<T> Backlog<T> {
    fn new(limits: QueueLimits, disk: DiskLimits, left: Left) -> Self {
        Self {
            limits,
            disk,
            held: VecDeque::new(),
            stale: 0,
            fresh: VecDeque::new(),
            fresh_octets: 0,
            writing: 0,
            next: left.next,
            unloaded_from: left.first,
            unloaded: left.messages,
            unloaded_octets: left.octets,
            high: (left.messages, left.octets),
            save: false,
            last: false,
            nudged: false,
            failed: false,
            parting: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.unloaded).unwrap_or(usize::MAX) + self.fresh.len()
    }

    /// Whether something will enter the ring without being pushed.
    pub(super) fn is_coming(&self) -> bool {
        !self.failed && self.len() > 0
    }

    pub(super) fn add_to(&self, depth: Depth) -> Depth {
        Depth {
            messages: depth.messages + self.fresh.len(),
            octets: depth.octets + self.fresh_octets,
            spilled_messages: self.unloaded,
            spilled_octets: self.unloaded_octets,
            high_spilled_messages: self.high.0,
            high_spilled_octets: self.high.1,
            ..depth
        }
    }

    fn room(&self, size: usize) -> Room {
        let to_come = self.unloaded_octets + (self.fresh_octets + size) as u64;
        let fits_on_disk = self.unloaded == 0
            || self.disk.overflow == Overflow::DropOldest
            || (self.unloaded + (self.fresh.len() as u64) < self.disk.messages
                && to_come <= self.disk.octets);
        let fits_in_memory = self.fresh.is_empty()
            || (self.fresh.len() < self.limits.messages
                && self.fresh_octets + size <= self.limits.octets);
        match (fits_on_disk, fits_in_memory) {
            (true, true) => Room::Enough,
            // At the end nothing is read any more, and little can come.
            (true, false) if self.last => Room::Enough,
            (true, false) if !self.failed => Room::Soon,
            (true | false, _) => Room::None,
        }
    }

    /// Drops the oldest of what waits for a disk that fails, until an item of
    /// `size` octets has room. Returns how many that were.
    fn drop_fresh(&mut self, size: usize) -> u64 {
        let mut dropped = 0;
        while self.room(size) == Room::None {
            let Some((.., size)) = self.fresh.remove(self.writing) else {
                break;
            };
            self.fresh_octets -= size;
            dropped += 1;
        }
        dropped
    }

    /// The number below which everything has been taken.
    fn taken_below(&self) -> u64 {
        match (self.held.front(), self.fresh.front()) {
            (Some((number, _)), _) => *number,
            (None, _) if self.unloaded > 0 => self.unloaded_from,
            (None, Some((number, ..))) => *number,
            (None, None) => self.next,
        }
    }

    fn wants_work(&self, ring_is_low: bool) -> bool {
        (self.unloaded > 0 && ring_is_low)
            || self.fresh.len() > self.writing
            || self.save
            || self.parting.is_some()
            || self.stale >= STALE
            || (self.held.is_empty() && self.stale > 0)
    }

    /// What is on disk and not in the ring goes beyond its bound so far.
    fn excess(&self) -> Option<Evict> {
        let (below, ..) = self.fresh.front()?;
        let messages = self.unloaded + self.fresh.len() as u64;
        let octets = self.unloaded_octets + self.fresh_octets as u64;
        let evict = Evict {
            from: self.unloaded_from,
            below: *below,
            messages: messages.saturating_sub(self.disk.messages),
            octets: octets.saturating_sub(self.disk.octets),
        };
        let is_over = evict.messages > 0 || evict.octets > 0;
        (is_over && self.unloaded > 0 && self.disk.overflow == Overflow::DropOldest)
            .then_some(evict)
    }

    /// An item of the ring is on disk.
    fn stored(&mut self, number: u64) {
        match self.held.binary_search_by_key(&number, |(n, _)| *n) {
            Ok(at) => self.held[at].1 = true,
            // It was taken meanwhile.
            Err(_) => self.stale += 1,
        }
    }

    fn left_disk(&mut self, messages: u64, octets: u64) {
        self.unloaded = self.unloaded.saturating_sub(messages);
        self.unloaded_octets = self.unloaded_octets.saturating_sub(octets);
    }
}

impl<T: Item + Clone> State<T> {
    /// Whether the ring is to be filled up.
    fn is_low(&self) -> bool {
        self.backlog.is_some() && self.ring.is_half_empty()
    }

    /// What need not go to disk does not.
    fn bypass(&mut self) {
        while let Some(backlog) = &self.backlog {
            if backlog.unloaded > 0 || backlog.writing > 0 {
                return;
            }
            let Some((.., size)) = backlog.fresh.front() else {
                return;
            };
            if !self.ring.fits(*size) {
                return;
            }
            self.enter_ring(false);
        }
    }

    /// The first of `fresh` enters the ring.
    fn enter_ring(&mut self, stored: bool) {
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        if let Some((number, item, size)) = backlog.fresh.pop_front() {
            backlog.fresh_octets -= size;
            backlog.held.push_back((number, stored));
            self.ring.add(item);
        }
    }
}

impl<T: Item + Clone> Queue<T> {
    /// A queue that goes on on disk.
    pub(crate) fn spilling(
        limits: QueueLimits,
        producer: Arc<dyn Notify>,
        spiller: Arc<dyn Notify>,
        disk: DiskLimits,
        left: Left,
    ) -> Self {
        // Half of the memory is for what is on its way to the disk.
        let limits = QueueLimits {
            messages: (limits.messages / 2).max(1),
            octets: limits.octets / 2,
            ..limits
        };
        let mut queue = Self::new(limits, producer);
        let state = queue
            .state
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        state.backlog = Some(Box::new(Backlog::new(limits, disk, left)));
        queue.spiller = Some(spiller);
        queue.nudge(&mut queue.lock());
        queue
    }

    /// `keep`: nothing may be dropped, and the item is written at once.
    pub(super) fn push_spilling(&self, state: &mut State<T>, mut item: T, keep: bool) -> Pushed<T> {
        let size = item.size();
        let fits = state.ring.fits(size);
        let Some(backlog) = &mut state.backlog else {
            return Pushed::Full(item);
        };
        if state.ended {
            return match backlog.parting {
                // Who goes on where this queue stops will miss it.
                Some(Parting::Keep) => Pushed::Dropped(1),
                Some(Parting::Discard) | None => Pushed::Ended,
            };
        }
        let straight = fits && backlog.unloaded == 0 && backlog.fresh.is_empty();
        let mut dropped = 0;
        if !straight {
            let room = backlog.room(size);
            if room == Room::None && !keep {
                match backlog.disk.overflow {
                    Overflow::DropNewest => return Pushed::Dropped(1),
                    Overflow::Fail => return Pushed::Failed,
                    Overflow::DropOldest => dropped = backlog.drop_fresh(size),
                    Overflow::Pause | Overflow::LatestBy(_) | Overflow::Spill => {}
                }
            }
            if room != Room::Enough && dropped == 0 {
                state.producer_waiting = true;
                self.nudge(state);
                return Pushed::Full(item);
            }
        }
        let number = backlog.next;
        backlog.next += 1;
        backlog.save |= keep;
        if straight {
            backlog.held.push_back((number, false));
            state.ring.add(item);
            if state.consumers_waiting > 0 {
                self.filled.notify_one();
            }
        } else {
            item.detach();
            backlog.fresh_octets += size;
            backlog.fresh.push_back((number, item, size));
        }
        self.nudge(state);
        match dropped {
            0 => Pushed::Done,
            dropped => Pushed::Dropped(dropped),
        }
    }

    /// An item was taken from the ring.
    pub(super) fn taken_spilling(&self, state: &mut State<T>) {
        if let Some(backlog) = &mut state.backlog {
            if let Some((_, true)) = backlog.held.pop_front() {
                backlog.stale += 1;
            }
        }
        if state.is_low() {
            state.bypass();
            self.resume(state);
            if state.consumers_waiting > 0 && !state.ring.is_empty() {
                self.filled.notify_all();
            }
        }
        self.nudge(state);
    }

    /// Writes to disk what is in memory, as soon as that can be done.
    pub(crate) fn save(&self) {
        let mut state = self.lock();
        self.save_all(&mut state);
    }

    /// What is still to come is the rest: it is not refused because of what waits to
    /// be written.
    pub(crate) fn last_call(&self) {
        if let Some(backlog) = &mut self.lock().backlog {
            backlog.last = true;
        }
    }

    pub(super) fn save_all(&self, state: &mut State<T>) {
        if let Some(backlog) = &mut state.backlog {
            backlog.save = true;
        }
        self.nudge(state);
    }

    /// Nobody takes anything any more.
    pub(crate) fn part(&self, parting: Parting) {
        let mut state = self.lock();
        state.ended = true;
        self.hand.forget();
        self.taken.notify_all();
        let Some(backlog) = &mut state.backlog else {
            return;
        };
        if backlog.parting.is_none() {
            backlog.parting = Some(parting);
            backlog.save = parting == Parting::Keep;
        }
        self.nudge(&mut state);
        if std::mem::take(&mut state.producer_waiting) {
            self.producer.notify();
        }
        self.filled.notify_all();
    }

    /// The producer goes on once there is room for more than one item.
    fn resume(&self, state: &mut State<T>) {
        if !state.producer_waiting {
            return;
        }
        let Some(backlog) = &state.backlog else {
            return;
        };
        if backlog.fresh.len() <= backlog.limits.messages / 2
            && backlog.fresh_octets <= backlog.limits.octets / 2
            && backlog.room(0) == Room::Enough
        {
            state.producer_waiting = false;
            self.producer.notify();
        }
    }

    /// Wakes the writing thread if it has work and does not know.
    fn nudge(&self, state: &mut State<T>) {
        let is_low = state.is_low();
        let Some(backlog) = &mut state.backlog else {
            return;
        };
        if !backlog.nudged && backlog.wants_work(is_low) {
            backlog.nudged = true;
            if let Some(spiller) = &self.spiller {
                spiller.notify();
            }
        }
    }
}

#[cfg(test)]
mod tests;
