//! Numbers, published all the while and each until it is confirmed. None that was
//! confirmed may be missing, though some may come twice.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use hobnail::{AckMode, Error, Handle, Misuse, Subscription};

use crate::broker::LIMIT;

/// How many are under way at once.
const WINDOW: usize = 16;

/// A publisher in a thread of its own.
pub(crate) struct Load {
    confirmed: Arc<AtomicU32>,
    enough: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(handle: &Handle, queue: &str) -> Self {
        let (handle, queue) = (handle.clone(), queue.to_owned());
        let (confirmed, enough) = <(Arc<AtomicU32>, Arc<AtomicBool>)>::default();
        let (count, stop) = (Arc::clone(&confirmed), Arc::clone(&enough));
        let publish = move || {
            let (mut next, mut pending) = (0_u32, VecDeque::new());
            loop {
                while pending.len() < WINDOW && !stop.load(Ordering::SeqCst) {
                    let number = next.to_string();
                    let publish = handle.send(&*queue).header("persistent", "true");
                    let publish = publish.body(&number).replay().timeout(2 * LIMIT);
                    pending.push_back(publish.begin().unwrap());
                    next += 1;
                }
                let Some(oldest) = pending.pop_front() else {
                    return;
                };
                oldest.wait().unwrap();
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        Self {
            confirmed,
            enough,
            thread: Some(std::thread::spawn(publish)),
        }
    }

    /// How many are confirmed.
    pub(crate) fn confirmed(&self) -> u32 {
        self.confirmed.load(Ordering::SeqCst)
    }

    /// Ends it; all that were published are confirmed then.
    pub(crate) fn stop(mut self) -> u32 {
        self.enough.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
        self.confirmed()
    }
}

/// Whatever fails, the publisher must end.
impl Drop for Load {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::SeqCst);
    }
}

/// The numbers that came back.
pub(crate) struct Numbers {
    subscription: Subscription,
    seen: BTreeSet<u32>,
    /// All below were seen.
    whole: u32,
    twice: u32,
}

impl Numbers {
    pub(crate) fn of(handle: &Handle, queue: &str) -> Self {
        let request = handle.subscription(queue).ack(AckMode::ClientIndividual);
        Self {
            subscription: request.subscribe().unwrap(),
            seen: BTreeSet::new(),
            whole: 0,
            twice: 0,
        }
    }

    pub(crate) fn id(&self) -> &str {
        self.subscription.id()
    }

    /// How many came more than once.
    pub(crate) fn twice(&self) -> u32 {
        self.twice
    }

    /// Reads and acknowledges one, if one comes in time.
    pub(crate) fn read(&mut self, limit: Duration) -> bool {
        let Some(message) = self.subscription.recv_timeout(limit).unwrap() else {
            return false;
        };
        let number = message.text().unwrap().parse().unwrap();
        self.twice += u32::from(!self.seen.insert(number));
        while self.seen.contains(&self.whole) {
            self.whole += 1;
        }
        match message.ack() {
            // The connection ended meanwhile; it comes again.
            Ok(()) | Err(Error::Misuse(Misuse::StaleDelivery)) => {}
            Err(e) => panic!("{e}"),
        }
        true
    }

    /// Reads until all below this one were seen.
    pub(crate) fn read_until(&mut self, end: u32) {
        let deadline = Instant::now() + LIMIT;
        while self.whole < end {
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.read(left) {
                let missing = (self.whole..end).filter(|n| !self.seen.contains(n));
                panic!("of {end}: {:?} are missing", missing.collect::<Vec<_>>());
            }
        }
    }

    /// Reads on until so many more than now are confirmed and seen.
    pub(crate) fn read_more(&mut self, load: &Load, more: u32) {
        self.read_until(load.confirmed() + more);
    }
}
