use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use super::*;
use crate::{config::Overflow, rng::Rng};

mod all;
mod in_hand;

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
    let mut rng = Rng::new(7);
    let mut next = move || rng.next();
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
