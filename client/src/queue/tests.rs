use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::*;
use crate::config::Overflow;

#[derive(Default)]
struct Count(AtomicUsize);

impl Notify for Count {
    fn notify(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// What the tests of the backlog put in.
impl Item for u32 {
    fn size(&self) -> usize {
        10
    }

    fn key(&self, _: &str) -> Option<Box<[u8]>> {
        None
    }

    fn detach(&mut self) {}
}

/// A number that counts as so many octets.
#[derive(Clone)]
struct Weighed {
    number: u32,
    size: usize,
}

impl Item for Weighed {
    fn size(&self) -> usize {
        self.size
    }

    /// Numbers are of one kind if their last digits are.
    fn key(&self, header: &str) -> Option<Box<[u8]>> {
        assert_eq!(header, "digit");
        (self.number < 900).then(|| vec![(self.number % 10) as u8].into())
    }

    fn detach(&mut self) {}
}

/// A queue of numbers.
struct Numbers(Queue<Weighed>);

impl Numbers {
    fn push(&self, number: u32, size: usize, keep: bool) -> Pushed<u32> {
        pushed_number(self.0.push(Weighed { number, size }, keep))
    }

    fn try_pop(&self) -> Popped<u32> {
        popped_number(self.0.try_pop())
    }

    fn pop(&self, deadline: Option<Instant>) -> Popped<u32> {
        popped_number(self.0.pop(deadline))
    }

    /// All at once, and what came of it.
    fn try_pop_all(&self) -> (Vec<u32>, Popped<usize>) {
        let mut items = VecDeque::new();
        let popped = self.0.try_pop_all(&mut items);
        (items.iter().map(|one| one.number).collect(), popped)
    }
}

impl std::ops::Deref for Numbers {
    type Target = Queue<Weighed>;

    fn deref(&self) -> &Queue<Weighed> {
        &self.0
    }
}

fn popped_number(popped: Popped<Weighed>) -> Popped<u32> {
    match popped {
        Popped::Item(one) => Popped::Item(one.number),
        Popped::Empty => Popped::Empty,
        Popped::Ended => Popped::Ended,
    }
}

fn pushed_number(pushed: Pushed<Weighed>) -> Pushed<u32> {
    match pushed {
        Pushed::Done => Pushed::Done,
        Pushed::Dropped(dropped) => Pushed::Dropped(dropped),
        Pushed::Full(one) => Pushed::Full(one.number),
        Pushed::Failed => Pushed::Failed,
        Pushed::Ended => Pushed::Ended,
    }
}

fn queue(messages: usize, octets: usize, overflow: Overflow) -> (Numbers, Arc<Count>) {
    let count = Arc::new(Count::default());
    let limits = QueueLimits {
        messages,
        octets,
        overflow,
    };
    let queue = Queue::new(limits, Arc::<Count>::clone(&count));
    (Numbers(queue), count)
}

#[test]
fn pause_refuses_what_does_not_fit_and_notifies_once_half_is_free() {
    let (q, count) = queue(4, 1000, Overflow::Pause);
    for n in 0..4 {
        assert!(matches!(q.push(n, 1, false), Pushed::Done));
    }
    assert!(matches!(q.push(4, 1, false), Pushed::Full(4)));
    assert_eq!(q.try_pop(), Popped::Item(0));
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    assert_eq!(q.try_pop(), Popped::Item(1));
    assert_eq!(q.try_pop(), Popped::Item(2));
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

#[test]
fn drop_oldest_keeps_the_newest_within_both_bounds() {
    let (q, _) = queue(3, 10, Overflow::DropOldest);
    assert!(matches!(q.push(1, 4, false), Pushed::Done));
    assert!(matches!(q.push(2, 4, false), Pushed::Done));
    assert!(matches!(q.push(3, 8, false), Pushed::Dropped(2)));
    assert_eq!(q.try_pop(), Popped::Item(3));
    assert_eq!(q.try_pop(), Popped::Empty);
}

#[test]
fn one_item_larger_than_the_bound_enters_an_empty_queue() {
    let (q, _) = queue(3, 10, Overflow::Pause);
    assert!(matches!(q.push(1, 100, false), Pushed::Done));
    assert!(matches!(q.push(2, 1, false), Pushed::Full(2)));
}

#[test]
fn what_is_there_can_be_taken_after_the_end() {
    let (q, _) = queue(3, 10, Overflow::Pause);
    q.push(1, 1, false);
    q.end();
    assert!(matches!(q.push(2, 1, false), Pushed::Ended));
    assert_eq!(q.pop(None), Popped::Item(1));
    assert_eq!(q.pop(None), Popped::Ended);
}

#[test]
fn waiting_ends_at_the_deadline_and_at_the_next_item() {
    let (q, _) = queue(3, 10, Overflow::Pause);
    assert_eq!(
        q.pop(Some(clock::after(Duration::from_millis(5)))),
        Popped::Empty
    );
    std::thread::scope(|scope| {
        let taken = scope.spawn(|| q.pop(Some(clock::after(Duration::from_secs(10)))));
        q.push(7, 1, false);
        assert_eq!(taken.join().unwrap(), Popped::Item(7));
    });
}

fn taken(q: &Numbers) -> Vec<u32> {
    std::iter::from_fn(|| match q.try_pop() {
        Popped::Item(n) => Some(n),
        Popped::Empty | Popped::Ended => None,
    })
    .collect()
}

#[test]
fn drop_newest_keeps_the_oldest_and_counts_what_came_too_late() {
    let (q, count) = queue(3, 100, Overflow::DropNewest);
    for n in 1..=3 {
        assert!(matches!(q.push(n, 1, false), Pushed::Done));
    }
    assert!(matches!(q.push(4, 1, false), Pushed::Dropped(1)));
    assert_eq!(taken(&q), [1, 2, 3]);
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
}

#[test]
fn fail_refuses_what_does_not_fit_and_keeps_what_is_there() {
    let (q, _) = queue(2, 100, Overflow::Fail);
    q.push(1, 1, false);
    q.push(2, 1, false);
    assert!(matches!(q.push(3, 1, false), Pushed::Failed));
    q.end();
    assert_eq!(taken(&q), [1, 2]);
    assert_eq!(q.pop(None), Popped::Ended);
}

#[test]
fn latest_by_keeps_one_of_each_kind_in_the_place_of_the_first() {
    let (q, _) = queue(3, 100, Overflow::LatestBy("digit"));
    for n in [11, 12] {
        assert!(matches!(q.push(n, 1, false), Pushed::Done));
    }
    assert!(matches!(q.push(21, 1, false), Pushed::Dropped(1)));
    // What has no kind stands for itself.
    assert!(matches!(q.push(900, 1, false), Pushed::Done));
    // No room: the oldest goes, whatever its kind.
    assert!(matches!(q.push(13, 1, false), Pushed::Dropped(1)));
    assert_eq!(taken(&q), [12, 900, 13]);
    // A kind that was taken begins anew, at the end.
    assert!(matches!(q.push(22, 1, false), Pushed::Done));
    assert!(matches!(q.push(23, 1, false), Pushed::Done));
    assert!(matches!(q.push(32, 1, false), Pushed::Dropped(1)));
    assert_eq!(taken(&q), [32, 23]);
}

#[test]
fn latest_by_obeys_the_bound_in_octets_when_the_newer_is_larger() {
    let (q, _) = queue(10, 10, Overflow::LatestBy("digit"));
    q.push(1, 4, false);
    q.push(2, 4, false);
    q.push(3, 2, false);
    assert!(matches!(q.push(13, 6, false), Pushed::Dropped(2)));
    assert_eq!(taken(&q), [2, 13]);
    q.push(1, 4, false);
    assert!(matches!(q.push(11, 60, false), Pushed::Dropped(1)));
    assert_eq!(taken(&q), [11], "one larger than the bound may enter");
}

#[test]
fn latest_by_agrees_with_a_slow_model_over_many_random_runs() {
    let mut random = 7_u64;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for _ in 0..200 {
        let bound = 1 + (next() % 6) as usize;
        let (q, _) = queue(bound, 1000, Overflow::LatestBy("digit"));
        let mut model: Vec<u32> = Vec::new();
        for _ in 0..200 {
            if next() % 3 == 0 {
                let front = (!model.is_empty()).then(|| model.remove(0));
                let popped = front.map_or(Popped::Empty, Popped::Item);
                assert_eq!(q.try_pop(), popped);
                continue;
            }
            let n = (next() % 900) as u32;
            match model.iter().position(|m| m % 10 == n % 10) {
                Some(at) => model[at] = n,
                None => {
                    if model.len() == bound {
                        model.remove(0);
                    }
                    model.push(n);
                }
            }
            q.push(n, 1, false);
        }
        assert_eq!(taken(&q), model);
    }
}

#[test]
fn all_that_is_there_is_taken_at_once_behind_what_was_taken_before() {
    for overflow in EVERY {
        let (q, _) = queue(4, 1000, overflow);
        let mut items = VecDeque::new();
        assert_eq!(q.0.try_pop_all(&mut items), Popped::Empty);
        let soon = clock::after(Duration::from_millis(5));
        assert_eq!(q.pop_all(&mut items, Some(soon)), Popped::Empty);
        for (first, count) in [(0, 4), (4, 1), (5, 3)] {
            for n in first..first + count {
                assert!(matches!(q.push(n, 1, false), Pushed::Done), "{overflow:?}");
            }
            let popped = q.0.try_pop_all(&mut items);
            assert_eq!(popped, Popped::Item(count as usize), "{overflow:?}");
            let depth = q.depth();
            assert_eq!((depth.messages, depth.octets), (0, 0), "{overflow:?}");
        }
        q.push(8, 1, false);
        q.end();
        assert_eq!(q.pop_all(&mut items, None), Popped::Item(1));
        assert_eq!(q.pop_all(&mut items, None), Popped::Ended);
        assert!(items.iter().map(|one| one.number).eq(0..9), "{overflow:?}");
    }
}

#[test]
fn memory_is_exchanged_unless_that_is_of_no_use_to_the_queue() {
    let push = |q: &Numbers| {
        for n in 0..4 {
            assert!(matches!(q.push(n, 1, false), Pushed::Done));
        }
    };
    for overflow in EVERY {
        let (q, _) = queue(4, 1000, overflow);
        // Nothing is there, or so much memory is never needed.
        let mut large = VecDeque::with_capacity(1_000);
        assert_eq!(q.0.try_pop_all(&mut large), Popped::Empty);
        assert!(large.capacity() >= 1_000, "{overflow:?}");
        push(&q);
        assert_eq!(q.0.try_pop_all(&mut large), Popped::Item(4));
        assert!(large.capacity() >= 1_000, "{overflow:?}");
        push(&q);
        assert_eq!(q.0.try_pop_all(&mut large), Popped::Item(4));
        assert_eq!(large.len(), 8);
    }
    let (q, _) = queue(4, 1000, Overflow::Pause);
    let mut used = VecDeque::with_capacity(6);
    push(&q);
    assert_eq!(q.0.try_pop_all(&mut used), Popped::Item(4));
    assert!(used.capacity() < 6, "the queue's own");
}

#[test]
fn whoever_takes_all_takes_what_is_in_hand_first() {
    let (q, _) = in_hand(Overflow::Pause);
    assert!(matches!(q.push(4, 10, false), Pushed::Done));
    assert_eq!(q.try_pop_all(), (vec![1, 2, 3, 4], Popped::Item(4)));
    assert_eq!((q.hand.holds(), q.len()), ((0, 0), 0));
    for n in 5..9 {
        assert!(matches!(q.push(n, 10, false), Pushed::Done), "all is room");
    }
    assert_eq!(q.try_pop(), Popped::Item(5));
}

#[test]
fn whoever_takes_all_wakes_a_producer_once() {
    let (q, count) = in_hand(Overflow::Pause);
    assert!(matches!(q.push(4, 10, false), Pushed::Done));
    assert!(matches!(q.push(5, 10, false), Pushed::Full(5)));
    assert_eq!(q.try_pop_all().0, [1, 2, 3, 4]);
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

#[test]
fn whoever_waits_for_all_is_woken_by_the_first() {
    let (q, _) = queue(3, 10, Overflow::Pause);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut items = VecDeque::new();
            q.pop_all(&mut items, Some(clock::after(Duration::from_secs(30))))
        });
        q.push(7, 1, false);
        assert_eq!(waiting.join().unwrap(), Popped::Item(1));
    });
}

#[test]
fn taking_all_and_one_by_one_agrees_with_a_slow_model_over_many_random_runs() {
    let mut random = 9_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for run in 0..500 {
        let bound = 1 + next(9) as usize;
        let overflow = EVERY[next(4) as usize];
        let (q, _) = queue(bound, 20, overflow);
        let (mut model, mut taken): (Vec<u32>, _) = (Vec::new(), VecDeque::new());
        let octets = |model: &[u32]| model.iter().map(|n| n % 7).sum::<u32>();
        for n in 0..200 {
            match next(5) {
                0 => {
                    let front = (!model.is_empty()).then(|| model.remove(0));
                    let popped = front.map_or(Popped::Empty, Popped::Item);
                    assert_eq!(q.try_pop(), popped, "{overflow:?} {run}");
                }
                1 => {
                    if next(3) == 0 {
                        taken.clear();
                    }
                    let before = taken.len();
                    let popped = match model.len() {
                        0 => Popped::Empty,
                        count => Popped::Item(count),
                    };
                    assert_eq!(q.0.try_pop_all(&mut taken), popped, "{overflow:?} {run}");
                    let new = taken.iter().skip(before).map(|one| one.number);
                    assert!(new.eq(model.drain(..)), "{overflow:?} {run}");
                }
                _ => {
                    let last = q.push(n, (n % 7) as usize, false);
                    let fits = |model: &[u32]| {
                        model.is_empty() || model.len() < bound && octets(model) + n % 7 <= 20
                    };
                    let place = model.iter().position(|m| m % 10 == n % 10);
                    let is_latest = matches!(overflow, Overflow::LatestBy(_));
                    if let Some(place) = place.filter(|_| is_latest) {
                        model[place] = n;
                        while octets(&model) > 20 && model.len() > 1 {
                            model.remove(0);
                        }
                        continue;
                    }
                    while (is_latest || overflow == Overflow::DropOldest) && !fits(&model) {
                        model.remove(0);
                    }
                    let refused = match last {
                        Pushed::Full(_) => overflow == Overflow::Pause,
                        Pushed::Dropped(1) => overflow == Overflow::DropNewest,
                        Pushed::Dropped(_) | Pushed::Done | Pushed::Failed | Pushed::Ended => false,
                    };
                    assert_eq!(refused, !fits(&model), "{overflow:?} {run}");
                    if !refused {
                        model.push(n);
                    }
                }
            }
            let depth = q.depth();
            let known = (depth.messages, depth.octets as u32);
            assert_eq!(known, (model.len(), octets(&model)), "{overflow:?} {run}");
        }
    }
}

/// Those that end with what does not fit are for others.
const EVERY: [Overflow; 4] = [
    Overflow::Pause,
    Overflow::DropOldest,
    Overflow::DropNewest,
    Overflow::LatestBy("digit"),
];

#[test]
fn what_must_be_kept_is_not_dropped_by_any_policy() {
    for overflow in [
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::Fail,
        Overflow::LatestBy("digit"),
    ] {
        let (q, _) = queue(2, 100, overflow);
        assert!(matches!(q.push(1, 1, true), Pushed::Done));
        assert!(matches!(q.push(2, 1, true), Pushed::Done));
        assert!(
            matches!(q.push(3, 1, true), Pushed::Full(3)),
            "{overflow:?}"
        );
        assert_eq!(taken(&q), [1, 2]);
    }
}

#[test]
fn items_without_octets_are_bounded_by_their_number() {
    for overflow in [Overflow::DropOldest, Overflow::LatestBy("digit")] {
        let (q, _) = queue(3, usize::MAX, overflow);
        for n in 1_000..1_100 {
            q.push(n, 0, false);
        }
        assert_eq!(taken(&q), [1_097, 1_098, 1_099], "{overflow:?}");
    }
}

#[test]
fn depths_and_high_water_marks_are_told() {
    let (q, _) = queue(4, 100, Overflow::Pause);
    for n in 0..3 {
        q.push(n, 10, false);
    }
    q.try_pop();
    q.try_pop();
    let depth = q.depth();
    assert_eq!((depth.messages, depth.octets), (1, 10));
    assert_eq!((depth.high_messages, depth.high_octets), (3, 30));
}

/// Taken by one consumer at once, three of four are in hand.
fn in_hand(overflow: Overflow) -> (Numbers, Arc<Count>) {
    let (q, count) = queue(4, 100, overflow);
    for n in 0..4 {
        assert!(matches!(q.push(n, 10, false), Pushed::Done));
    }
    assert_eq!(q.try_pop(), Popped::Item(0));
    assert_eq!(q.hand.holds(), (3, 30), "{overflow:?}");
    (q, count)
}

#[test]
fn what_is_in_hand_counts_as_held() {
    let (q, _) = in_hand(Overflow::Pause);
    let depth = q.depth();
    assert_eq!((depth.messages, depth.octets), (3, 30));
    assert_eq!((depth.high_messages, depth.high_octets), (4, 40));
    assert_eq!(q.len(), 3);
    assert!(matches!(q.push(4, 70, false), Pushed::Done));
    assert!(matches!(q.push(5, 1, false), Pushed::Full(5)));
    assert_eq!(q.depth().high_octets, 100);
    assert_eq!(taken(&q), [1, 2, 3, 4]);
    assert_eq!((q.depth().messages, q.depth().octets), (0, 0));
}

#[test]
fn room_that_was_made_in_hand_is_seen_at_once() {
    for overflow in [Overflow::DropNewest, Overflow::Fail, Overflow::Pause] {
        let (q, _) = in_hand(overflow);
        assert_eq!(q.try_pop(), Popped::Item(1));
        for n in 4..6 {
            assert!(matches!(q.push(n, 10, false), Pushed::Done), "{overflow:?}");
        }
        assert!(!matches!(q.push(6, 10, false), Pushed::Done));
        assert_eq!(taken(&q), [2, 3, 4, 5]);
    }
}

#[test]
fn the_oldest_is_dropped_though_it_is_in_hand() {
    let (q, _) = in_hand(Overflow::DropOldest);
    assert!(matches!(q.push(4, 10, false), Pushed::Done));
    assert!(matches!(q.push(5, 10, false), Pushed::Dropped(1)));
    assert!(matches!(q.push(6, 80, false), Pushed::Dropped(2)));
    assert_eq!(taken(&q), [4, 5, 6]);
}

#[test]
fn a_producer_that_waits_is_told_though_consumers_had_all_in_hand() {
    let (q, count) = in_hand(Overflow::Pause);
    assert!(matches!(q.push(4, 10, false), Pushed::Done));
    assert!(matches!(q.push(5, 10, false), Pushed::Full(5)));
    assert_eq!(q.try_pop(), Popped::Item(1));
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    assert_eq!(q.try_pop(), Popped::Item(2));
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(matches!(q.push(5, 10, false), Pushed::Done));
    assert_eq!(taken(&q), [3, 4, 5]);
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}

#[test]
fn what_is_in_hand_goes_with_the_rest() {
    let (q, _) = in_hand(Overflow::Pause);
    q.push(4, 1, false);
    assert_eq!(q.clear(), 4, "all are counted");
    assert_eq!(q.try_pop(), Popped::Empty);
    let (q, count) = in_hand(Overflow::Pause);
    q.push(4, 1, false);
    assert!(matches!(q.push(5, 1, false), Pushed::Full(5)));
    q.abandon(true);
    assert_eq!(count.0.load(Ordering::SeqCst), 1, "nobody waits for room");
    assert_eq!(q.pop(None), Popped::Ended);
    assert_eq!(q.depth().messages, 0);
    // The end takes nothing from who reads on.
    let (q, _) = in_hand(Overflow::Pause);
    q.end();
    assert_eq!(taken(&q), [1, 2, 3]);
    assert_eq!(q.pop(None), Popped::Ended);
}

#[test]
fn whoever_waits_until_all_is_taken_is_told_of_the_last_in_hand() {
    let (q, _) = in_hand(Overflow::Pause);
    let soon = || clock::after(Duration::from_millis(5));
    let long = || clock::after(Duration::from_secs(30));
    assert_eq!(q.wait_taken(true, soon()), 3);
    std::thread::scope(|scope| {
        let consumer = scope.spawn(|| taken(&q));
        assert_eq!(q.wait_taken(true, long()), 0);
        assert_eq!(consumer.join().unwrap(), [1, 2, 3]);
    });
    // All at once, its taker may be at work until he asks for more.
    q.push(8, 1, false);
    std::thread::scope(|scope| {
        let (more, asks) = std::sync::mpsc::channel::<()>();
        let q = &q;
        let consumer = scope.spawn(move || {
            assert_eq!(q.try_pop_all().0, [8]);
            asks.recv().unwrap();
            assert_eq!(q.try_pop_all().1, Popped::Empty);
            asks.recv().ok();
        });
        assert_eq!(q.wait_taken(false, long()), 0);
        assert_eq!(q.wait_taken(true, soon()), 1);
        more.send(()).unwrap();
        assert_eq!(q.wait_taken(true, long()), 0);
        drop(more);
        consumer.join().unwrap();
    });
    q.push(9, 1, false);
    std::thread::scope(|scope| {
        scope.spawn(|| q.pop(None)).join().unwrap();
        assert_eq!(q.wait_taken(false, soon()), 0);
        assert_eq!(q.wait_taken(true, soon()), 1, "its taker may be at work");
        // Another that finds nothing says nothing of that one.
        scope.spawn(|| q.try_pop()).join().unwrap();
        assert_eq!(q.wait_taken(true, soon()), 1);
    });
}

#[test]
fn whoever_waits_until_all_is_taken_is_told_that_all_is_dropped() {
    let (q, _) = in_hand(Overflow::Pause);
    let long = clock::after(Duration::from_secs(30));
    std::thread::scope(|scope| {
        let left = scope.spawn(|| q.wait_taken(false, long));
        while q.hand.lock().watchers == 0 {
            std::thread::yield_now();
        }
        assert_eq!(q.clear(), 3);
        assert_eq!(left.join().unwrap(), 0);
    });
    assert!(clock::now() < long);
}

#[test]
fn several_consumers_get_all_in_order_whatever_the_policy() {
    const EACH: u32 = 20_000;
    for overflow in [Overflow::Pause, Overflow::DropOldest, Overflow::DropNewest] {
        let (q, _) = queue(64, 1_000, overflow);
        let (taken, dropped) = std::thread::scope(|scope| {
            let one_by_one = || {
                let mut mine = Vec::new();
                while let Popped::Item(n) = q.pop(None) {
                    mine.push(n);
                }
                mine
            };
            let all_at_once = || {
                let (mut mine, mut all) = (Vec::new(), VecDeque::new());
                while let Popped::Item(count) = q.pop_all(&mut all, None) {
                    assert_eq!(all.len(), count);
                    mine.extend(all.drain(..).map(|one| one.number));
                }
                mine
            };
            let consumers = [
                scope.spawn(one_by_one),
                scope.spawn(one_by_one),
                scope.spawn(all_at_once),
                scope.spawn(all_at_once),
            ];
            let mut dropped = 0;
            let mut rest = 0..EACH;
            let mut held = None;
            while rest.start < EACH || held.is_some() {
                let mut run = 0;
                let mut next = || {
                    run += 1;
                    let number = (run <= 50).then(|| held.take().or_else(|| rest.next()))??;
                    let size = (number % 7) as usize;
                    Some(Weighed { number, size })
                };
                let (more, last) = q.push_all(&mut next, false);
                dropped += more;
                if let Pushed::Full(one) = last {
                    held = Some(one.number);
                    std::thread::yield_now();
                }
            }
            q.end();
            let taken = consumers.into_iter().map(|c| c.join().unwrap());
            (taken.collect::<Vec<_>>(), dropped)
        });
        for mine in &taken {
            assert!(mine.is_sorted(), "{overflow:?}");
        }
        let depth = q.depth();
        assert!(depth.high_messages <= 64 && depth.high_octets <= 1_000);
        let taken: usize = taken.iter().map(Vec::len).sum();
        assert_eq!(taken as u64 + dropped, u64::from(EACH), "{overflow:?}");
    }
}
