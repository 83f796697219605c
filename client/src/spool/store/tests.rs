use std::{
    os::unix::fs::PermissionsExt as _,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use redb::backends::InMemoryBackend;

use std::{io, sync::Arc};

use super::*;
use crate::{
    config::{Overflow, QueueLimits},
    queue::{DiskLimits, Notify, Popped, Pushed, Queue},
    rng::Rng,
};

struct Nobody;

impl Notify for Nobody {
    fn notify(&self) {}
}

/// A MESSAGE with a number in its body, and the body's length.
fn message(number: u32, length: usize) -> Message {
    let text = format!("{number:0length$}");
    let octets = format!("MESSAGE\nsubscription:a\nmessage-id:m\\c{number}\n\n{text}\0");
    let mut decoder = Decoder::new(DecodeLimits::default());
    decoder.push(Bytes::from(octets));
    Message::new(decoder.next_frame().unwrap().unwrap(), None)
}

fn number(message: &Message) -> u32 {
    assert!(message.message_id().starts_with("m:"));
    message.text().unwrap().parse().unwrap()
}

fn queue(left: Left, overflow: Overflow) -> Queue<Message> {
    let limits = QueueLimits {
        messages: 8,
        octets: 100_000,
        overflow: Overflow::Spill,
    };
    let disk = DiskLimits {
        messages: 1_000_000,
        octets: 100_000,
        overflow,
    };
    Queue::spilling(limits, Arc::new(Nobody), Arc::new(Nobody), disk, left)
}

/// One turn of the thread that writes. Returns how many messages were lost.
fn turn(store: &Store, id: &str, queue: &Queue<Message>) -> Result<u64, SpoolError> {
    let work = queue.work();
    match store.commit(&[(id, &work)]) {
        Ok(outcomes) => {
            let outcome = outcomes.into_iter().next().unwrap();
            let lost = outcome.lost;
            queue.done(&work, outcome);
            Ok(lost)
        }
        Err(e) => {
            queue.failed(&work);
            Err(e)
        }
    }
}

fn push(queue: &Queue<Message>, message: Message) -> bool {
    match queue.push(message, false) {
        Pushed::Done => true,
        Pushed::Full(_) => false,
        Pushed::Dropped(_) | Pushed::Failed | Pushed::Ended => panic!("neither dropped nor ended"),
    }
}

/// Takes everything.
fn rest(store: &Store, id: &str, queue: &Queue<Message>) -> Vec<u32> {
    let mut all = Vec::new();
    let mut idle = 0;
    while idle < 3 {
        match queue.try_pop() {
            Popped::Item(message) => {
                all.push(number(&message));
                idle = 0;
            }
            Popped::Empty | Popped::Ended => {
                turn(store, id, queue).unwrap();
                idle += 1;
            }
        }
    }
    all
}

fn fill(store: &Store, id: &str, numbers: std::ops::Range<u32>) -> Queue<Message> {
    let queue = queue(store.left(id).unwrap(), Overflow::Pause);
    for n in numbers {
        assert!(push(&queue, message(n, 100)));
        turn(store, id, &queue).unwrap();
    }
    queue
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    (folder, path)
}

#[test]
fn what_was_written_is_read_by_the_next_who_opens_the_file() {
    let (_folder, path) = folder();
    let store = Store::open(&path, true).unwrap();
    let a = fill(&store, "a", 0..100);
    let b = fill(&store, "b", 500..600);
    drop((a, b, store));
    let store = Store::open(&path, true).unwrap();
    // The first four were in memory only.
    let a = queue(store.left("a").unwrap(), Overflow::Pause);
    let b = queue(store.left("b").unwrap(), Overflow::Pause);
    assert!(rest(&store, "a", &a).into_iter().eq(4..100));
    assert!(rest(&store, "b", &b).into_iter().eq(504..600));
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(store.left("a").unwrap(), Left::default());
}

#[test]
fn a_queue_that_parts_leaves_everything_and_one_that_is_discarded_nothing() {
    let (_folder, path) = folder();
    let store = Store::open(&path, true).unwrap();
    let a = fill(&store, "a", 0..30);
    let b = fill(&store, "b", 0..30);
    a.part(Parting::Keep);
    turn(&store, "a", &a).unwrap();
    let listed = store.list().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!((&*listed[0].subscription, listed[0].messages), ("a", 30));
    b.part(Parting::Discard);
    turn(&store, "b", &b).unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    let again = queue(store.left("a").unwrap(), Overflow::Pause);
    assert!(rest(&store, "a", &again).into_iter().eq(0..30));
    store.forget("a").unwrap();
    store.forget("never was").unwrap();
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn counts_stay_true_over_random_use_and_restarts() {
    let (_folder, path) = folder();
    let mut rng = Rng::new(11);
    let mut next = move |limit| rng.below(limit);
    let mut store = Store::open(&path, false).unwrap();
    let mut queue = queue(Left::default(), Overflow::Pause);
    let (mut pushed, mut taken) = (0, 0);
    for _ in 0..1500 {
        match next(40) {
            0..=17 => {
                let length = 10 + next(9000) as usize;
                pushed += u32::from(push(&queue, message(pushed, length)));
            }
            18..=32 => {
                if let Popped::Item(message) = queue.try_pop() {
                    assert_eq!(number(&message), taken);
                    taken += 1;
                }
            }
            33 if next(4) == 0 => {
                queue.part(Parting::Keep);
                turn(&store, "a", &queue).unwrap();
                drop(store);
                store = Store::open(&path, true).unwrap();
                let left = store.left("a").unwrap();
                assert_eq!(left.messages, u64::from(pushed - taken));
                queue = self::queue(left, Overflow::Pause);
            }
            _ => {
                turn(&store, "a", &queue).unwrap();
            }
        }
    }
    assert!(pushed > 100, "{pushed}");
    assert!(rest(&store, "a", &queue).into_iter().eq(taken..pushed));
}

#[test]
fn the_oldest_on_disk_go_within_the_bound_in_octets() {
    let (_folder, path) = folder();
    let store = Store::open(&path, true).unwrap();
    let queue = queue(Left::default(), Overflow::DropOldest);
    let mut lost = 0;
    for n in 0..500 {
        assert!(push(&queue, message(n, 1000)));
        lost += turn(&store, "a", &queue).unwrap();
        let octets = store.list().unwrap().first().map_or(0, |all| all.octets);
        assert!(octets <= 101_100, "{octets}");
    }
    let rest = rest(&store, "a", &queue);
    assert_eq!(rest.len() as u64 + lost, 500);
    assert!(rest.is_sorted() && rest.ends_with(&[499]), "{rest:?}");
    assert!(rest.len() > 90, "{}", rest.len());
}

#[test]
fn a_file_that_is_drained_gets_smaller() {
    let (_folder, path) = folder();
    let mut store = Store::open(&path, true).unwrap();
    let limits = QueueLimits {
        messages: 1000,
        octets: 100 << 20,
        overflow: Overflow::Spill,
    };
    let disk = DiskLimits {
        messages: 1000,
        octets: 100 << 20,
        overflow: Overflow::Pause,
    };
    let queue = Queue::spilling(
        limits,
        Arc::new(Nobody),
        Arc::new(Nobody),
        disk,
        Left::default(),
    );
    for n in 0..1000 {
        assert!(push(&queue, message(n, 30_000)));
        if n % 50 == 0 {
            turn(&store, "a", &queue).unwrap();
        }
    }
    turn(&store, "a", &queue).unwrap();
    let full = fs::metadata(&path).unwrap().len();
    assert!(rest(&store, "a", &queue).into_iter().eq(0..1000));
    drop(queue);
    store.shrink().unwrap();
    let empty = fs::metadata(&path).unwrap().len();
    assert!(full > 10 << 20, "{full}");
    drop(fill(&store, "a", 0..30));
    store.shrink().unwrap();
    assert_eq!(store.left("a").unwrap().messages, 26);
    assert!(empty < full / 4, "{full}, then {empty}");
}

#[test]
fn the_file_is_for_its_owner_only() {
    let (_folder, path) = folder();
    drop(Store::open(&path, true).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(&path, true).unwrap());
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn one_file_is_for_one_store() {
    let (_folder, path) = folder();
    let first = Store::open(&path, true).unwrap();
    let second = Store::open(&path, true).err();
    assert!(
        matches!(second, Some(SpoolError::InUse { .. })),
        "{second:?}"
    );
    drop(first);
    Store::open(&path, true).unwrap();
}

#[test]
fn a_file_of_something_else_is_refused_and_left_as_it_was() {
    let (folder, path) = folder();
    for octets in [
        &b"x"[..],
        b"not a spool, but a letter to my aunt",
        b"redb\x1A\x0A\xA9\x0D",
    ] {
        fs::write(&path, octets).unwrap();
        let refused = Store::open(&path, true).err();
        assert!(
            matches!(refused, Some(SpoolError::Foreign { .. })),
            "{refused:?}"
        );
        assert_eq!(fs::read(&path).unwrap(), octets);
    }
    let other = folder.path().join("other");
    let database = Database::create(&other).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(TableDefinition::<u64, u64>::new("prices"))
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = Store::open(&other, true).err();
    assert!(
        matches!(refused, Some(SpoolError::Foreign { .. })),
        "{refused:?}"
    );
    let refused = Store::open(folder.path(), true).err();
    assert!(
        matches!(refused, Some(SpoolError::Io { .. })),
        "{refused:?}"
    );
    let refused = Store::open(&folder.path().join("no/such"), true).err();
    assert!(
        matches!(refused, Some(SpoolError::Io { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_later_format_is_refused() {
    let (_folder, path) = folder();
    let store = Store::open(&path, true).unwrap();
    store
        .write(|transaction| {
            transaction.open_table(ABOUT)?.insert("format", 2)?;
            Ok(())
        })
        .unwrap();
    drop(store);
    let refused = Store::open(&path, true).err();
    assert!(
        matches!(refused, Some(SpoolError::Foreign { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_damaged_file_is_an_error_or_gives_what_was_written_in_order() {
    let (_folder, path) = folder();
    let store = Store::open(&path, true).unwrap();
    drop(fill(&store, "a", 0..300));
    drop(store);
    let whole = fs::read(&path).unwrap();
    let (mut refused, mut read) = (0, 0);
    let mut rng = Rng::new(3);
    for round in 0..60 {
        let random = rng.next();
        let mut octets = whole.clone();
        let at = (random % octets.len() as u64) as usize;
        match round % 3 {
            0 => octets[at % 4096] ^= 1 << (random % 8),
            1 => octets[at] ^= 0xFF,
            _ => octets.truncate(at.max(1)),
        }
        fs::write(&path, &octets).unwrap();
        let opened = Store::open(&path, true).and_then(|store| {
            let left = store.left("a")?;
            Ok((store, left))
        });
        match opened {
            Err(
                SpoolError::Corrupt { .. } | SpoolError::Foreign { .. } | SpoolError::Io { .. },
            ) => {
                refused += 1;
            }
            Err(e) => panic!("{e:?}"),
            Ok((store, left)) => {
                let rest = rest(&store, "a", &queue(left, Overflow::Pause));
                assert!(
                    rest.is_sorted() && rest.iter().all(|n| *n < 300),
                    "{rest:?}"
                );
                read += 1;
            }
        }
    }
    assert!(refused > 10 && read > 0, "{refused} refused, {read} read");
}

/// A disk that is full from some number of writes on, for as long as it is said to be.
#[derive(Debug, Clone)]
struct Full {
    inner: Arc<InMemoryBackend>,
    full: Arc<AtomicBool>,
    writes: Arc<AtomicUsize>,
}

impl StorageBackend for Full {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn read(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.inner.read(offset, length)
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.inner.set_len(length)
    }
    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        self.inner.sync_data(eventual)
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let left = self.writes.load(Ordering::SeqCst);
        if self.full.load(Ordering::SeqCst) {
            if left == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.writes.store(left - 1, Ordering::SeqCst);
        }
        self.inner.write(offset, data)
    }
}

#[test]
fn a_disk_that_is_full_at_any_write_loses_nothing() {
    let path = Path::new("memory");
    for writes in 0..20 {
        let disk = Full {
            inner: Arc::default(),
            full: Arc::default(),
            writes: Arc::new(AtomicUsize::new(writes)),
        };
        let store = Store::open_on(path, disk.clone(), false).unwrap();
        let queue = fill(&store, "a", 0..20);
        disk.full.store(true, Ordering::SeqCst);
        let mut pushed = 20;
        let mut error = None;
        while error.is_none() {
            pushed += u32::from(push(&queue, message(pushed, 2000)));
            error = turn(&store, "a", &queue).err();
        }
        assert!(
            matches!(&error, Some(SpoolError::Io { source, .. })
            if source.kind() == io::ErrorKind::StorageFull),
            "{error:?}"
        );
        while push(&queue, message(pushed, 2000)) {
            pushed += 1;
        }
        drop(store);
        disk.full.store(false, Ordering::SeqCst);
        let store = Store::open_on(path, disk, true).unwrap();
        assert!(
            rest(&store, "a", &queue).into_iter().eq(0..pushed),
            "after {writes} writes"
        );
    }
}
