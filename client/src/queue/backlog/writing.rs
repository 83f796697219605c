//! What the thread that writes to disk is to do, and what came of it.

use crate::queue::{Item, Load, Outcome, Parting, Queue, State, Work};

impl<T: Item + Clone> State<T> {
    /// The first of `fresh` is on disk.
    fn written(&mut self) {
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        let Some((number, size)) = backlog.fresh.front().map(|(n, _, size)| (*n, *size)) else {
            return;
        };
        if backlog.unloaded == 0 && self.ring.fits(size) {
            return self.enter_ring(true);
        }
        backlog.fresh.pop_front();
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

impl<T: Item + Clone> Queue<T> {
    /// What is to be done now.
    pub(crate) fn work(&self) -> Work<T> {
        let mut state = self.lock();
        let state = &mut *state;
        let is_low = state.is_low();
        let mut work = Work::default();
        let Some(backlog) = &mut state.backlog else {
            return work;
        };
        backlog.nudged = false;
        work.parting = backlog.parting;
        if work.parting == Some(Parting::Discard) {
            return work;
        }
        work.stale = std::mem::take(&mut backlog.stale);
        work.remove_below = (work.stale > 0).then(|| backlog.taken_below());
        if backlog.unloaded > 0 && is_low && work.parting.is_none() {
            let (messages, octets) = (state.ring.len(), state.ring.octets());
            work.load = Some(Load {
                from: backlog.unloaded_from,
                below: backlog.fresh.front().map_or(backlog.next, |(n, ..)| *n),
                messages: backlog.limits.messages.saturating_sub(messages).max(1),
                octets: backlog.limits.octets.saturating_sub(octets),
            });
        }
        work.evict = backlog.excess();
        if std::mem::take(&mut backlog.save) {
            let items = backlog.held.iter().zip(state.ring.iter());
            let unsaved = items.filter(|((_, stored), _)| !stored);
            work.write
                .extend(unsaved.map(|((number, _), item)| (*number, item.clone())));
        }
        work.fresh = backlog.fresh.len();
        backlog.writing = work.fresh;
        let fresh = backlog.fresh.iter();
        work.write
            .extend(fresh.map(|(number, item, _)| (*number, item.clone())));
        work
    }

    /// It is done, and this came of it.
    pub(crate) fn done(&self, work: &Work<T>, outcome: Outcome<T>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(backlog) = &mut state.backlog else {
            return;
        };
        backlog.failed = false;
        backlog.writing = 0;
        match (outcome.next, work.load) {
            (Some(next), _) => backlog.unloaded_from = next,
            (None, Some(load)) => {
                // Whatever was counted is not there.
                log::warn!("the spool lacks {} messages", backlog.unloaded);
                backlog.unloaded_from = load.below;
                (backlog.unloaded, backlog.unloaded_octets) = (0, 0);
            }
            (None, None) => {}
        }
        backlog.left_disk(outcome.lost, outcome.lost_octets);
        for (number, item, size) in outcome.loaded {
            backlog.left_disk(1, size as u64);
            backlog.held.push_back((number, true));
            state.ring.add(item);
        }
        let ring = work.write.len() - work.fresh;
        for (number, _) in &work.write[..ring] {
            backlog.stored(*number);
        }
        for _ in 0..work.fresh {
            state.written();
        }
        self.resume(state);
        self.nudge(state);
        drop(guard);
        self.filled.notify_all();
    }

    /// It could not be done. Returns whether that is news.
    pub(crate) fn failed(&self, work: &Work<T>) -> bool {
        let mut state = self.lock();
        let Some(backlog) = &mut state.backlog else {
            return false;
        };
        backlog.writing = 0;
        backlog.stale += work.stale;
        backlog.save |= work.write.len() > work.fresh;
        let news = !std::mem::replace(&mut backlog.failed, true);
        state.bypass();
        self.resume(&mut state);
        // A producer that waits is told that its policy speaks now.
        if news && std::mem::take(&mut state.producer_waiting) {
            self.producer.notify();
        }
        self.filled.notify_all();
        news
    }
}
