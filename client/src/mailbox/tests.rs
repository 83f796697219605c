//! Who wakes a reactor, and for what.

use mio::{Events, Poll, Token, Waker};

use super::*;
use crate::{config::Builder, core::Passing, frame::Version, run::Letter, slot::Slot};

/// What a reactor would wait with.
struct Sleeper {
    poll: Poll,
    mailbox: Mailbox,
}

impl Sleeper {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let config = Builder::new("ws://broker.test/").build().unwrap();
        let mailbox = Mailbox::new(Arc::new(config), waker);
        mailbox.rise();
        Self { poll, mailbox }
    }

    /// Nothing is there, and it sleeps.
    fn sleep(&self, lightly: bool) -> bool {
        self.mailbox.sleep(lightly, false, |_| true)
    }

    fn was_woken(&mut self) -> bool {
        let mut events = Events::with_capacity(4);
        self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        !events.is_empty()
    }

    fn publish(&self, size: usize, slot: Option<&Arc<Slot>>) {
        self.post(size, slot, false);
    }

    fn post(&self, size: usize, slot: Option<&Arc<Slot>>, pace: bool) {
        let deadline = clock::after(Duration::from_secs(10));
        let frame = Passing {
            size,
            needs: Version::V1_0,
            deadline,
            receipt: None,
        };
        let body = vec![b'x'; size - 1];
        let letter = Letter {
            frame: &frame,
            head: b"",
            body: &body,
            slot,
        };
        self.mailbox.post_frame(&letter, deadline, pace).unwrap();
    }

    fn empty(&self) {
        self.mailbox.rise();
        let (mut urgent, mut posts) = (VecDeque::new(), VecDeque::new());
        while !self.mailbox.is_empty() {
            self.mailbox.take(&mut urgent, &mut posts, |_, _| true);
            urgent.clear();
            for post in posts.drain(..) {
                if let Post::Run(run) = post {
                    self.mailbox.done(run.len(), Some(run));
                }
            }
        }
    }
}

#[test]
fn one_that_sleeps_is_woken_for_any_frame_and_only_once() {
    let mut sleeper = Sleeper::new();
    for _ in 0..3 {
        assert!(!sleeper.sleep(false));
        assert!(!sleeper.was_woken());
        sleeper.publish(100, None);
        assert!(sleeper.was_woken());
        sleeper.publish(100, None);
        assert!(!sleeper.was_woken(), "it is awake");
        sleeper.empty();
    }
}

#[test]
fn one_that_dozes_is_woken_once_there_is_much() {
    let mut sleeper = Sleeper::new();
    for _ in 0..3 {
        assert!(!sleeper.sleep(true));
        for _ in 1..MANY / 100 {
            sleeper.publish(100, None);
            assert!(!sleeper.was_woken());
        }
        sleeper.publish(200, None);
        assert!(sleeper.was_woken());
        sleeper.empty();
    }
}

#[test]
fn one_that_dozes_is_woken_by_whoever_waits() {
    let mut sleeper = Sleeper::new();
    let slot = Arc::new(Slot::default());
    let deadline = clock::after(Duration::from_secs(10));
    let wakes: [&dyn Fn(&Sleeper); 4] = [
        &|s| s.publish(100, Some(&slot)),
        &|s| s.mailbox.notify(),
        &|s| {
            let health = |waiter| Command::Health { waiter };
            s.mailbox.ask(deadline, None, health).unwrap();
        },
        &|s| {
            let waiter = crate::core::Waiter::NONE;
            s.mailbox
                .post_now(Post::of(Command::Close { waiter, deadline }));
        },
    ];
    for wake in wakes {
        assert!(!sleeper.sleep(true));
        sleeper.publish(100, None);
        assert!(!sleeper.was_woken());
        wake(&sleeper);
        assert!(sleeper.was_woken());
        sleeper.empty();
    }
}

#[test]
fn what_is_there_before_it_sleeps_keeps_it_awake() {
    let mut sleeper = Sleeper::new();
    for lightly in [false, true] {
        sleeper.publish(100, None);
        assert!(sleeper.sleep(lightly));
        sleeper.empty();
        assert!(!sleeper.sleep(lightly));
        assert!(!sleeper.was_woken());
        sleeper.mailbox.rise();
    }
}

#[test]
fn callers_are_held_up_once_by_a_reactor_that_takes_nothing() {
    const SIZE: usize = 4 << 10;
    let sleeper = Sleeper::new();
    for _ in 0..3 {
        for _ in 0..PACED / SIZE {
            sleeper.post(SIZE, None, true);
        }
        assert!(!sleeper.mailbox.lock().stalled, "nobody was held up");
        let began = clock::now();
        sleeper.post(SIZE, None, true);
        assert!(clock::now() >= began + PACE);
        // If each of them were held up it would take five seconds.
        for _ in 0..500 {
            sleeper.post(SIZE, None, true);
        }
        assert!(clock::now() < began + 250 * PACE);
        sleeper.empty();
    }
}
