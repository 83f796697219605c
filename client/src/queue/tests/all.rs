//! All that is there, taken at once.

use super::*;

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
    let mut rng = Rng::new(9);
    let mut next = move |limit| rng.below(limit);
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
