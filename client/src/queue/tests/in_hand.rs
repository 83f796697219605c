//! What consumers have taken together.

use super::*;

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
