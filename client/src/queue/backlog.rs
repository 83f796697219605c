//! What a queue does not hold in memory: its items on disk, and those on their
//! way there. The order is ring, disk, `fresh`.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};

use super::{Item, Notify, Pushed, Queue, State};
use crate::{config::QueueLimits, metrics::Depth};

pub(super) struct Backlog<T> {
    limits: QueueLimits,
    /// Octets that may lie on disk.
    most: u64,
    /// Numbers of the items in the ring.
    numbers: VecDeque<u64>,
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
    /// The lowest and the highest number on disk, taken items included.
    on_disk: Option<(u64, u64)>,
    /// The ring is to be written, too.
    save: bool,
    /// The writing thread knows that there is work.
    nudged: bool,
    /// The disk does not do what it should.
    failed: bool,
    parting: Option<Parting>,
}

/// What becomes of what nobody will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parting {
    /// It is there for the next subscription of this id.
    Keep,
    Discard,
}

/// What the writing thread is to do.
pub(crate) struct Work<T> {
    /// Items below this number have been taken.
    pub(crate) remove_below: Option<u64>,
    pub(crate) write: Vec<(u64, T)>,
    /// How many of those count as new.
    fresh: usize,
    pub(crate) load: Option<Load>,
    pub(crate) parting: Option<Parting>,
}

/// What has room in memory. One message always has, if the ring is empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) from: u64,
    pub(crate) messages: usize,
    pub(crate) octets: usize,
}

impl<T> Work<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.remove_below.is_none() && self.write.is_empty() && self.load.is_none()
    }
}

/// What lay on disk before the queue was made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Left {
    pub(crate) first: u64,
    /// One above the last.
    pub(crate) next: u64,
    pub(crate) messages: u64,
    pub(crate) octets: u64,
}

impl<T> Backlog<T> {
    fn new(limits: QueueLimits, most: u64, left: Left) -> Self {
        Self {
            limits,
            most,
            numbers: VecDeque::new(),
            fresh: VecDeque::new(),
            fresh_octets: 0,
            writing: 0,
            next: left.next,
            unloaded_from: left.first,
            unloaded: left.messages,
            unloaded_octets: left.octets,
            high: (left.messages, left.octets),
            on_disk: (left.messages > 0).then(|| (left.first, left.next - 1)),
            save: false,
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

    fn has_room(&self, size: usize) -> bool {
        let in_memory = self.fresh.is_empty()
            || (self.fresh.len() < self.limits.messages
                && self.fresh_octets + size <= self.limits.octets);
        let to_come = self.unloaded_octets + (self.fresh_octets + size) as u64;
        in_memory && (self.unloaded == 0 || to_come <= self.most)
    }

    /// The number below which everything has been taken.
    fn taken_below(&self) -> u64 {
        match (self.numbers.front(), self.fresh.front()) {
            (Some(number), _) => *number,
            (None, _) if self.unloaded > 0 => self.unloaded_from,
            (None, Some((number, ..))) => *number,
            (None, None) => self.next,
        }
    }

    fn wants_work(&self, ring_is_low: bool, ring_is_empty: bool) -> bool {
        let taken = self.taken_below();
        (self.unloaded > 0 && ring_is_low)
            || self.fresh.len() > self.writing
            || self.save
            || self.parting.is_some()
            || (ring_is_empty && self.on_disk.is_some_and(|(low, _)| low < taken))
    }

    fn wrote(&mut self, number: u64) {
        self.on_disk = Some(match self.on_disk {
            None => (number, number),
            Some((low, high)) => (low.min(number), high.max(number)),
        });
    }
}

impl<T: Item + Clone> State<T> {
    /// Whether the ring is to be filled up.
    fn is_low(&self) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| {
            self.ring.len() <= backlog.limits.messages / 2
                && self.ring.octets() <= backlog.limits.octets / 2
        })
    }

    /// What need not go to disk does not.
    fn bypass(&mut self) {
        while let Some(backlog) = &mut self.backlog {
            if backlog.unloaded > 0 || backlog.writing > 0 {
                return;
            }
            let Some(size) = backlog.fresh.front().map(|(_, _, size)| *size) else {
                return;
            };
            if !self.ring.fits(size) {
                return;
            }
            self.enter_ring();
        }
    }

    /// The first of `fresh` enters the ring.
    fn enter_ring(&mut self) {
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        if let Some((number, item, size)) = backlog.fresh.pop_front() {
            backlog.fresh_octets -= size;
            backlog.numbers.push_back(number);
            self.ring.add(item, size);
        }
    }
}

impl<T: Item + Clone> Queue<T> {
    /// A queue that goes on on disk. `most`: octets that may lie there.
    pub(crate) fn spilling(
        limits: QueueLimits,
        producer: Arc<dyn Notify>,
        spiller: Arc<dyn Notify>,
        most: u64,
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
        state.backlog = Some(Box::new(Backlog::new(limits, most, left)));
        queue.spiller = Some(spiller);
        queue
    }

    pub(super) fn push_spilling(&self, state: &mut State<T>, item: T, size: usize) -> Pushed<T> {
        let fits = state.ring.fits(size);
        let Some(backlog) = &mut state.backlog else {
            return Pushed::Full(item);
        };
        let straight = fits && backlog.unloaded == 0 && backlog.fresh.is_empty();
        if !straight && !backlog.has_room(size) {
            state.producer_waiting = true;
            self.nudge(state);
            return Pushed::Full(item);
        }
        let number = backlog.next;
        backlog.next += 1;
        if straight {
            backlog.numbers.push_back(number);
            state.ring.add(item, size);
            if state.consumers_waiting > 0 {
                self.filled.notify_one();
            }
        } else {
            let mut item = item;
            item.detach();
            backlog.fresh_octets += size;
            backlog.fresh.push_back((number, item, size));
            self.nudge(state);
        }
        Pushed::Done
    }

    /// An item was taken from the ring.
    pub(super) fn taken_spilling(&self, state: &mut State<T>) {
        if let Some(backlog) = &mut state.backlog {
            backlog.numbers.pop_front();
        }
        if state.is_low() {
            state.bypass();
            self.resume(state);
        }
        self.nudge(state);
    }

    /// Writes to disk what is in memory, as soon as that can be done.
    pub(crate) fn save(&self) {
        let mut state = self.lock();
        if let Some(backlog) = &mut state.backlog {
            backlog.save = true;
        }
        self.nudge(&mut state);
    }

    /// Nobody takes anything any more.
    pub(crate) fn part(&self, parting: Parting) {
        let mut state = self.lock();
        state.ended = true;
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
    }

    /// What is to be done now.
    pub(crate) fn work(&self) -> Work<T> {
        let mut state = self.lock();
        let state = &mut *state;
        let is_low = state.is_low();
        let mut work = Work {
            remove_below: None,
            write: Vec::new(),
            fresh: 0,
            load: None,
            parting: None,
        };
        let Some(backlog) = &mut state.backlog else {
            return work;
        };
        backlog.nudged = false;
        work.parting = backlog.parting;
        if work.parting == Some(Parting::Discard) {
            return work;
        }
        let taken = backlog.taken_below();
        work.remove_below = backlog
            .on_disk
            .filter(|(low, _)| *low < taken)
            .map(|_| taken);
        if std::mem::take(&mut backlog.save) {
            let items = backlog.numbers.iter().copied();
            work.write.extend(items.zip(state.ring.iter().cloned()));
        }
        work.fresh = backlog.fresh.len();
        backlog.writing = work.fresh;
        let fresh = backlog.fresh.iter();
        work.write
            .extend(fresh.map(|(number, item, _)| (*number, item.clone())));
        if backlog.unloaded > 0 && is_low && work.parting.is_none() {
            let (messages, octets) = (state.ring.len(), state.ring.octets());
            work.load = Some(Load {
                from: backlog.unloaded_from,
                messages: backlog.limits.messages.saturating_sub(messages).max(1),
                octets: backlog.limits.octets.saturating_sub(octets),
            });
        }
        work
    }

    /// It is done; this was loaded.
    pub(crate) fn done(&self, work: &Work<T>, loaded: Vec<(u64, T, usize)>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(backlog) = &mut state.backlog else {
            return;
        };
        backlog.failed = false;
        backlog.writing = 0;
        if let Some(below) = work.remove_below {
            backlog.on_disk = backlog
                .on_disk
                .filter(|(_, high)| *high >= below)
                .map(|(_, high)| (below, high));
        }
        for (number, _) in &work.write {
            backlog.wrote(*number);
        }
        if let (Some(load), true) = (work.load, loaded.is_empty()) {
            // Whatever was counted is not there.
            log::warn!("the spool lacks {} messages", backlog.unloaded);
            backlog.unloaded_from = load.from + backlog.unloaded;
            (backlog.unloaded, backlog.unloaded_octets) = (0, 0);
        }
        for (number, item, size) in loaded {
            backlog.unloaded_from = number + 1;
            backlog.unloaded = backlog.unloaded.saturating_sub(1);
            backlog.unloaded_octets = backlog.unloaded_octets.saturating_sub(size as u64);
            backlog.numbers.push_back(number);
            state.ring.add(item, size);
        }
        for _ in 0..work.fresh {
            self.written(state);
        }
        self.resume(state);
        self.nudge(state);
        drop(guard);
        self.filled.notify_all();
    }

    /// The first of `fresh` is on disk.
    fn written(&self, state: &mut State<T>) {
        let Some(size) = state
            .backlog
            .as_ref()
            .and_then(|b| b.fresh.front().map(|(_, _, size)| *size))
        else {
            return;
        };
        let fits = state.ring.fits(size);
        let Some(backlog) = &mut state.backlog else {
            return;
        };
        if fits && backlog.unloaded == 0 {
            return state.enter_ring();
        }
        if let Some((number, ..)) = backlog.fresh.pop_front() {
            backlog.fresh_octets -= size;
            if backlog.unloaded == 0 {
                backlog.unloaded_from = number;
            }
            backlog.unloaded += 1;
            backlog.unloaded_octets += size as u64;
            backlog.high.0 = backlog.high.0.max(backlog.unloaded);
            backlog.high.1 = backlog.high.1.max(backlog.unloaded_octets);
        }
    }

    /// It could not be done. Returns whether that is news.
    pub(crate) fn failed(&self, work: &Work<T>) -> bool {
        let mut state = self.lock();
        let Some(backlog) = &mut state.backlog else {
            return false;
        };
        backlog.writing = 0;
        backlog.save |= work.write.len() > work.fresh;
        let news = !std::mem::replace(&mut backlog.failed, true);
        state.bypass();
        self.resume(&mut state);
        self.filled.notify_all();
        news
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
            && backlog.has_room(0)
        {
            state.producer_waiting = false;
            self.producer.notify();
        }
    }

    /// Wakes the writing thread if it has work and does not know.
    fn nudge(&self, state: &mut State<T>) {
        let (is_low, is_empty) = (state.is_low(), state.ring.is_empty());
        let Some(backlog) = &mut state.backlog else {
            return;
        };
        if !backlog.nudged && backlog.wants_work(is_low, is_empty) {
            backlog.nudged = true;
            if let Some(spiller) = &self.spiller {
                spiller.notify();
            }
        }
    }
}
