//! The delivery queue alone: what it costs to hand a message over, for each of what may
//! happen when it is full.
//!
//! `cargo bench -p hobnail --bench queue`

mod support;

use std::{sync::Arc, thread};

use bytes::Bytes;
use divan::{Bencher, black_box};
use hobnail::{
    config::{Overflow, QueueLimits},
    frame::{DecodeLimits, Decoder, Frame},
    queue::{Item, Notify, Popped, Pushed, Queue},
};
use support::{Length, message};

/// Handed over in one turn of a measurement.
const MESSAGES: usize = 1_000;

/// As a subscription has it if nothing else is said.
const ROOM: usize = 1_024;

/// As many as come in one read.
const RUN: usize = 64;

const EVERY: [Overflow; 5] = [
    Overflow::Pause,
    Overflow::DropOldest,
    Overflow::DropNewest,
    Overflow::LatestBy("message-id"),
    Overflow::Fail,
];

fn main() {
    divan::main();
}

#[derive(Clone)]
struct One(Frame);

impl Item for One {
    fn size(&self) -> usize {
        self.0.body().len()
    }

    fn key(&self, header: &str) -> Option<Box<[u8]>> {
        self.0.raw_header(header.as_bytes()).map(Into::into)
    }

    fn detach(&mut self) {}
}

/// The thread that waits for room.
struct Producer(thread::Thread);

impl Notify for Producer {
    fn notify(&self) {
        self.0.unpark();
    }
}

/// A queue for what this thread produces.
fn queue(messages: usize, overflow: Overflow) -> Arc<Queue<One>> {
    let limits = QueueLimits {
        messages,
        octets: usize::MAX,
        overflow,
    };
    Arc::new(Queue::new(limits, Arc::new(Producer(thread::current()))))
}

/// A thousand messages with ids of their own.
fn messages() -> Vec<One> {
    let mut decoder = Decoder::new(DecodeLimits::default());
    for nth in 0..MESSAGES {
        decoder.push(Bytes::from(message(nth, 300, Length::Said)));
    }
    std::iter::from_fn(|| decoder.next_frame().expect("it is STOMP"))
        .map(One)
        .collect()
}

/// With these in it, as far as they have room.
fn filled(queue: Arc<Queue<One>>, all: &[One]) -> Arc<Queue<One>> {
    for one in all {
        queue.push(one.clone(), false);
    }
    queue
}

/// One goes in, one comes out, on one thread, in a queue that is half full.
#[divan::bench(args = EVERY)]
fn one_by_one(bencher: Bencher<'_, '_>, overflow: Overflow) {
    let all = messages();
    let queue = filled(queue(ROOM, overflow), &all[..ROOM / 2]);
    bencher
        .counter(MESSAGES)
        .with_inputs(|| all.clone())
        .bench_local_values(|all| {
            for one in all {
                assert!(!matches!(queue.push(one, false), Pushed::Full(_)));
                black_box(queue.try_pop());
            }
        });
}

/// As the reactor does it: as many as came at once go in together.
#[divan::bench(args = EVERY)]
fn in_runs(bencher: Bencher<'_, '_>, overflow: Overflow) {
    let queue = queue(ROOM, overflow);
    let all = messages();
    bencher
        .counter(MESSAGES)
        .with_inputs(|| all.clone())
        .bench_local_values(|all| {
            let mut all = all.into_iter();
            while all.len() > 0 {
                let mut run = all.by_ref().take(RUN);
                queue.push_all(&mut || run.next(), false);
                while let Popped::Item(one) = queue.try_pop() {
                    black_box(one);
                }
            }
        });
}

/// Into a queue that stays full: nobody takes anything. One that pauses hands the
/// message back, and one that fails is not asked twice.
#[divan::bench(args = [EVERY[0], EVERY[1], EVERY[2], EVERY[3]])]
fn when_full(bencher: Bencher<'_, '_>, overflow: Overflow) {
    let all = messages();
    let queue = filled(queue(MESSAGES / 2, overflow), &all);
    bencher
        .counter(MESSAGES)
        .with_inputs(|| all.clone())
        .bench_local_values(|all| {
            for one in all {
                black_box(queue.push(one, false));
            }
        });
}

/// From one thread to another that waits for them; the first waits too where the policy
/// is to pause, and drops otherwise. One that fails has room for all.
#[divan::bench(args = EVERY)]
fn across_threads(bencher: Bencher<'_, '_>, overflow: Overflow) {
    const TURNS: usize = 50;
    let room = if overflow == Overflow::Fail {
        TURNS * MESSAGES
    } else {
        ROOM
    };
    let all = messages();
    bencher
        .counter(TURNS * MESSAGES)
        .with_inputs(|| (queue(room, overflow), all.clone()))
        .bench_local_values(|(queue, all)| {
            let other = Arc::clone(&queue);
            let consumer = thread::spawn(move || {
                let mut taken = 0;
                while let Popped::Item(one) = other.pop(None) {
                    black_box(one);
                    taken += 1;
                }
                taken
            });
            for _ in 0..TURNS {
                for run in all.chunks(RUN) {
                    hand_over(&queue, run);
                }
            }
            queue.end();
            let taken = consumer.join().expect("it does not panic");
            let dropping = !matches!(overflow, Overflow::Pause | Overflow::Fail);
            assert!(dropping || taken == TURNS * MESSAGES);
        });
}

/// Until all are in the queue.
fn hand_over(queue: &Queue<One>, run: &[One]) {
    let mut left = run.iter().cloned();
    let mut held = None;
    loop {
        let (_, last) = queue.push_all(&mut || held.take().or_else(|| left.next()), false);
        match last {
            Pushed::Full(one) => {
                held = Some(one);
                thread::park();
            }
            Pushed::Done | Pushed::Dropped(_) => return,
            Pushed::Failed | Pushed::Ended => panic!("it has room for all"),
        }
    }
}
