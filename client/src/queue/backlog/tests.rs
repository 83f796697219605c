use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;
use crate::queue::{Outcome, Popped, Work};

#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn take(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

impl Notify for Count {
    fn notify(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A disk that does by the letter what it is told, and may refuse.
#[derive(Default)]
struct Disk {
    items: BTreeMap<u64, u32>,
    refuses: bool,
    lost: u64,
}

impl Disk {
    fn left(&self) -> Left {
        let first = self.items.keys().next().copied().unwrap_or(0);
        Left {
            first,
            next: self.items.keys().next_back().map_or(0, |n| n + 1),
            messages: self.items.len() as u64,
            octets: self.items.len() as u64 * SIZE as u64,
        }
    }

    fn run(&mut self, queue: &Queue<u32>) {
        let work = queue.work();
        if self.refuses {
            queue.failed(&work);
            return;
        }
        let outcome = self.perform(&work);
        queue.done(&work, outcome);
    }

    fn perform(&mut self, work: &Work<u32>) -> Outcome<u32> {
        let mut outcome = Outcome::default();
        if work.parting == Some(Parting::Discard) {
            self.items.clear();
            return outcome;
        }
        if let Some(below) = work.remove_below {
            self.items.retain(|number, _| *number >= below);
        }
        if let Some(load) = work.load {
            let mut octets = 0;
            for (number, item) in self.items.range(load.from..load.below) {
                let fits = octets + SIZE <= load.octets || outcome.loaded.is_empty();
                if outcome.loaded.len() == load.messages || !fits {
                    break;
                }
                octets += SIZE;
                outcome.loaded.push((*number, *item, SIZE));
                outcome.next = Some(number + 1);
            }
        }
        if let Some(evict) = work.evict {
            let loaded = outcome.loaded.len() as u64;
            let from = outcome.next.unwrap_or(evict.from);
            let by_octets = evict.octets.div_ceil(SIZE as u64);
            let over = evict.messages.max(by_octets).saturating_sub(loaded);
            let goes: Vec<_> = self
                .items
                .range(from..evict.below)
                .map(|(n, _)| *n)
                .collect();
            for number in goes.into_iter().take(usize::try_from(over).unwrap()) {
                self.items.remove(&number);
                outcome.lost += 1;
                outcome.lost_octets += SIZE as u64;
                outcome.next = Some(number + 1);
            }
        }
        self.lost += outcome.lost;
        self.items.extend(work.write.iter().copied());
        outcome
    }
}

const SIZE: usize = 10;

fn limits(messages: usize) -> QueueLimits {
    QueueLimits {
        messages,
        octets: 1 << 20,
        overflow: Overflow::Spill,
    }
}

fn disk_limits(messages: u64, overflow: Overflow) -> DiskLimits {
    DiskLimits {
        messages,
        octets: 1 << 30,
        overflow,
    }
}

struct Rig {
    queue: Queue<u32>,
    producer: Arc<Count>,
    spiller: Arc<Count>,
}

fn rig(limits: QueueLimits, disk: DiskLimits, left: Left) -> Rig {
    let (producer, spiller) = (Arc::<Count>::default(), Arc::<Count>::default());
    let notify = |count: &Arc<Count>| Arc::<Count>::clone(count) as Arc<dyn Notify>;
    Rig {
        queue: Queue::spilling(limits, notify(&producer), notify(&spiller), disk, left),
        producer,
        spiller,
    }
}

fn random(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Takes everything, letting the disk run whenever the queue asks for it.
fn rest(rig: &Rig, disk: &mut Disk) -> Vec<u32> {
    let mut all = Vec::new();
    loop {
        match rig.queue.try_pop() {
            Popped::Item(n) => all.push(n),
            Popped::Empty | Popped::Ended if rig.spiller.take() => disk.run(&rig.queue),
            Popped::Empty | Popped::Ended => return all,
        }
    }
}

#[test]
fn what_spills_comes_back_in_order_and_nothing_is_lost_whatever_the_disk_does_when() {
    for seed in 1..400 {
        let mut next = random(seed);
        let memory = 2 + next(7) as usize;
        let mut disk = Disk::default();
        let mut rig = rig(
            limits(memory),
            disk_limits(20, Overflow::Pause),
            Left::default(),
        );
        let (mut pushed, mut taken) = (0, 0);
        let mut parked = false;
        for _ in 0..600 {
            match next(13) {
                12 => {
                    let mut all = VecDeque::new();
                    rig.queue.try_pop_all(&mut all);
                    for n in all {
                        assert_eq!(n, taken, "seed {seed}");
                        taken += 1;
                    }
                }
                0..=4 => {
                    // A producer that was refused waits to be told.
                    parked &= !rig.producer.take();
                    if !parked {
                        match rig.queue.push(pushed, false) {
                            Pushed::Done => pushed += 1,
                            Pushed::Full(_) => parked = true,
                            Pushed::Dropped(_) | Pushed::Failed | Pushed::Ended => {
                                panic!("nothing is dropped")
                            }
                        }
                    }
                }
                5..=7 => match rig.queue.try_pop() {
                    Popped::Item(n) => {
                        assert_eq!(n, taken, "seed {seed}");
                        taken += 1;
                    }
                    Popped::Empty => {}
                    Popped::Ended => panic!("it has not ended"),
                },
                8 => rig.queue.save(),
                9 if next(3) == 0 => disk.refuses = !disk.refuses,
                10 if next(20) == 0 => {
                    // Restart: the next queue goes on where this one stops.
                    disk.refuses = false;
                    rig.queue.part(Parting::Keep);
                    disk.run(&rig.queue);
                    let left = disk.left();
                    assert_eq!(left.messages, u64::from(pushed - taken), "seed {seed}");
                    rig = self::rig(limits(memory), disk_limits(20, Overflow::Pause), left);
                    parked = false;
                }
                _ => {
                    if rig.spiller.take() {
                        disk.run(&rig.queue);
                    }
                }
            }
            let depth = rig.queue.depth();
            assert!(depth.messages <= memory.max(2), "seed {seed}: {depth:?}");
            // What was in memory at a restart comes on top of the bound.
            let bound = 20 + memory as u64;
            assert!(depth.spilled_messages <= bound, "seed {seed}: {depth:?}");
            let known = depth.messages as u64 + depth.spilled_messages;
            assert_eq!(known, u64::from(pushed - taken), "seed {seed}");
        }
        disk.refuses = false;
        disk.run(&rig.queue);
        let rest = rest(&rig, &mut disk);
        let expected: Vec<_> = (taken..pushed).collect();
        assert_eq!(rest, expected, "seed {seed}");
        if parked {
            assert!(
                rig.producer.take(),
                "seed {seed}: the producer waits for ever"
            );
        }
        disk.run(&rig.queue);
        assert!(disk.items.is_empty(), "seed {seed}: {:?}", disk.items);
    }
}

#[test]
fn what_was_on_disk_and_not_taken_survives_a_kill_and_little_comes_twice() {
    for seed in 1..400 {
        let mut next = random(seed);
        let mut disk = Disk::default();
        let rig = rig(
            limits(8),
            disk_limits(1000, Overflow::Pause),
            Left::default(),
        );
        let (mut pushed, mut taken) = (0, 0);
        for _ in 0..next(500) {
            match next(3) {
                0 => {
                    if matches!(rig.queue.push(pushed, false), Pushed::Done) {
                        pushed += 1;
                    }
                }
                1 => {
                    if let Popped::Item(n) = rig.queue.try_pop() {
                        assert_eq!(n, taken);
                        taken += 1;
                    }
                }
                _ => {
                    if rig.spiller.take() {
                        disk.run(&rig.queue);
                    }
                }
            }
        }
        let on_disk: Vec<_> = disk
            .items
            .values()
            .copied()
            .filter(|n| *n >= taken)
            .collect();
        let twice = disk.items.len() - on_disk.len();
        drop(rig);
        let left = disk.left();
        let rig = self::rig(limits(8), disk_limits(1000, Overflow::Pause), left);
        let rest = rest(&rig, &mut disk);
        assert!(
            rest.is_sorted() && rest.ends_with(&on_disk),
            "seed {seed}: {rest:?}"
        );
        assert!(twice as u64 <= STALE, "seed {seed}");
    }
}

#[test]
fn what_is_written_at_once_is_on_disk_though_it_would_fit_in_memory() {
    let mut disk = Disk::default();
    let rig = rig(
        limits(100),
        disk_limits(1000, Overflow::Pause),
        Left::default(),
    );
    for n in 0..3 {
        rig.queue.push(n, false);
    }
    assert!(!rig.spiller.take(), "there is room in memory");
    rig.queue.save();
    rig.queue.push(3, true);
    assert!(rig.spiller.take());
    disk.run(&rig.queue);
    assert_eq!(disk.items.len(), 4);
    rig.queue.push(4, true);
    assert!(rig.spiller.take());
    assert_eq!(rig.queue.work().write.len(), 1, "nothing is written twice");
    assert_eq!(rest(&rig, &mut disk), [0, 1, 2, 3, 4]);
}

/// Pushes 0..100 while the disk runs after each, and returns what of it is
/// dropped at once and what comes out.
fn overflown(overflow: Overflow, refuses: bool) -> (Rig, u64, Vec<u32>, Disk) {
    let mut disk = Disk {
        refuses,
        ..Disk::default()
    };
    let rig = rig(limits(8), disk_limits(10, overflow), Left::default());
    let mut dropped = 0;
    for n in 0..100 {
        match rig.queue.push(n, false) {
            Pushed::Dropped(more) => dropped += more,
            Pushed::Done => {}
            Pushed::Failed | Pushed::Full(_) | Pushed::Ended => break,
        }
        if rig.spiller.take() {
            disk.run(&rig.queue);
        }
    }
    disk.refuses = false;
    disk.run(&rig.queue);
    let rest = rest(&rig, &mut disk);
    (rig, dropped, rest, disk)
}

#[test]
fn a_full_disk_obeys_the_policy_and_what_is_dropped_is_counted() {
    let (_, dropped, rest, disk) = overflown(Overflow::DropNewest, false);
    assert_eq!((dropped, disk.lost), (86, 0));
    assert!(rest.iter().copied().eq(0..14));
    let (_, dropped, rest, disk) = overflown(Overflow::DropOldest, false);
    assert_eq!((dropped, disk.lost), (0, 86));
    // What is in memory is read next and stays.
    assert!(rest.iter().copied().eq((0..4).chain(90..100)), "{rest:?}");
    for overflow in [Overflow::Pause, Overflow::Fail] {
        let (_, dropped, rest, disk) = overflown(overflow, false);
        assert_eq!((dropped, disk.lost), (0, 0));
        assert!(rest.iter().copied().eq(0..14), "{rest:?}");
    }
}

#[test]
fn a_disk_that_fails_leaves_the_memory_and_the_policy() {
    let (_, dropped, rest, _) = overflown(Overflow::DropNewest, true);
    assert_eq!(dropped, 92);
    assert!(rest.iter().copied().eq(0..8), "{rest:?}");
    let (_, dropped, rest, _) = overflown(Overflow::DropOldest, true);
    assert_eq!(dropped, 92);
    assert!(rest.iter().copied().eq((0..4).chain(96..100)), "{rest:?}");
    let (_, dropped, rest, _) = overflown(Overflow::Pause, true);
    assert_eq!(dropped, 0);
    assert!(rest.iter().copied().eq(0..8), "{rest:?}");
}

#[test]
fn what_must_be_kept_waits_though_the_policy_would_drop_it() {
    for overflow in [Overflow::DropNewest, Overflow::Fail] {
        let mut disk = Disk::default();
        let rig = rig(limits(2), disk_limits(1, overflow), Left::default());
        let mut n = 0;
        while matches!(rig.queue.push(n, true), Pushed::Done) {
            disk.run(&rig.queue);
            n += 1;
        }
        assert!(matches!(rig.queue.push(n, true), Pushed::Full(_)));
        assert!(rest(&rig, &mut disk).iter().copied().eq(0..n));
        assert!(rig.producer.take());
    }
}

#[test]
fn a_spool_that_lacks_what_it_was_said_to_hold_is_no_wait_for_ever() {
    let mut disk = Disk::default();
    let left = Left {
        first: 3,
        next: 9,
        messages: 6,
        octets: 60,
    };
    let rig = rig(limits(8), disk_limits(10, Overflow::Pause), left);
    rig.queue.push(7, false);
    assert_eq!(rest(&rig, &mut disk), [7]);
    assert_eq!(rig.queue.depth().spilled_messages, 0);
}

#[test]
fn what_comes_once_nobody_takes_anything_is_dropped_if_it_were_to_be_kept() {
    for (parting, dropped) in [(Parting::Keep, true), (Parting::Discard, false)] {
        let rig = rig(limits(4), disk_limits(20, Overflow::Pause), Left::default());
        rig.queue.part(parting);
        match rig.queue.push(0, false) {
            Pushed::Dropped(1) => assert!(dropped, "{parting:?}"),
            Pushed::Ended => assert!(!dropped, "{parting:?}"),
            Pushed::Done | Pushed::Dropped(_) | Pushed::Full(_) | Pushed::Failed => {
                panic!("nobody will take it")
            }
        }
    }
}

#[test]
fn discarding_leaves_nothing() {
    let mut disk = Disk::default();
    let rig = rig(limits(2), disk_limits(10, Overflow::Pause), Left::default());
    for n in 0..3 {
        rig.queue.push(n, false);
    }
    disk.run(&rig.queue);
    assert!(!disk.items.is_empty());
    rig.queue.abandon(true);
    assert!(rig.spiller.take());
    disk.run(&rig.queue);
    assert!(disk.items.is_empty());
    assert!(matches!(rig.queue.push(4, false), Pushed::Ended));
}

#[test]
fn many_threads_take_everything_once() {
    let disk = Mutex::new(Disk::default());
    let rig = rig(
        limits(8),
        disk_limits(1000, Overflow::Pause),
        Left::default(),
    );
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Popped::Item(n) = rig.queue.pop(None) {
                    all.lock().unwrap().push(n);
                }
            });
        }
        scope.spawn(|| {
            let mut mine = VecDeque::new();
            while let Popped::Item(_) = rig.queue.pop_all(&mut mine, None) {
                all.lock().unwrap().extend(mine.drain(..));
            }
        });
        scope.spawn(|| {
            while all.lock().unwrap().len() < 2000 {
                if rig.spiller.take() {
                    disk.lock().unwrap().run(&rig.queue);
                }
                std::thread::yield_now();
            }
            rig.queue.end();
        });
        let mut n = 0;
        while n < 2000 {
            match rig.queue.push(n, false) {
                Pushed::Done => n += 1,
                Pushed::Full(_) => std::thread::yield_now(),
                Pushed::Dropped(_) | Pushed::Failed | Pushed::Ended => panic!("it is kept"),
            }
        }
    });
    let mut all = all.into_inner().unwrap();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..2000));
}
