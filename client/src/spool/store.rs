//! The file: messages by subscription and number, in a `redb` database.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use bytes::{BufMut, Bytes, BytesMut};
use redb::{
    Builder, Database, ReadableTable, StorageBackend, StorageError, Table, TableDefinition,
    TableHandle as _, WriteTransaction, backends::FileBackend,
};

use super::file::{Fault, any_error, guard, io_error, open_private};
use crate::{
    error::SpoolError,
    frame::{DecodeLimits, Decoder, Frame, Version},
    message::Message,
    queue::{Evict, Left, Load, Outcome, Parting, Work},
};

/// By id of the subscription and number: the version of STOMP, then the frame
/// without its NUL.
const MESSAGES: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("messages");

/// How many messages each subscription has, and how many octets of frames.
const COUNTS: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("counts");

/// What the file is.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("hobnail spool");

const FORMAT: u64 = 1;

/// For pages; the messages in memory are the queues'.
const CACHE: usize = 256 << 10;

/// A file of this size that holds nothing is worth the work to make it small.
const LARGE: u64 = 4 << 20;

pub(super) struct Store {
    /// Taken out only to be dropped with care.
    database: Option<Database>,
    path: PathBuf,
}

/// Messages on disk for a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spooled {
    /// Id of the subscription.
    pub subscription: String,
    /// How many messages.
    pub messages: u64,
    /// Octets of their frames.
    pub octets: u64,
}

type Records<'t> = Table<'t, (&'static str, u64), &'static [u8]>;

impl Store {
    /// Opens the file, or makes it, for nobody else to read. `check`: everything
    /// in it is read once.
    pub(super) fn open(path: &Path, check: bool) -> Result<Self, SpoolError> {
        let file = open_private(path).map_err(|e| io_error(path, e))?;
        let backend = guard(path, || {
            FileBackend::new(file).map_err(|e| any_error(path, e.into()))
        })?;
        Self::open_on(path, backend, check)
    }

    pub(super) fn open_on(
        path: &Path,
        backend: impl StorageBackend,
        check: bool,
    ) -> Result<Self, SpoolError> {
        let database = guard(path, || {
            let mut builder = Builder::new();
            builder
                .set_cache_size(CACHE)
                .create_with_file_format_v3(true);
            let mut database = builder
                .create_with_backend(backend)
                .map_err(|e| any_error(path, e.into()))?;
            if check
                && !database
                    .check_integrity()
                    .map_err(|e| any_error(path, e.into()))?
            {
                let text = "a checksum is wrong; the state before was restored".to_owned();
                return Err(SpoolError::Corrupt {
                    path: path.to_owned(),
                    text,
                });
            }
            Ok(database)
        })?;
        let store = Self {
            database: Some(database),
            path: path.to_owned(),
        };
        store.identify()?;
        Ok(store)
    }

    /// Finds out whether a database is a spool of this format; an empty one becomes it.
    fn identify(&self) -> Result<(), SpoolError> {
        let foreign = |text: String| SpoolError::Foreign {
            path: self.path.clone(),
            text,
        };
        self.write(|transaction| {
            let mut names = transaction.list_tables()?;
            if names.any(|name| name.name() == ABOUT.name()) {
                let about = transaction.open_table(ABOUT)?;
                let format = about.get("format")?.map(|format| format.value());
                return Ok(match format {
                    Some(FORMAT) => Ok(()),
                    other => Err(foreign(format!("its format is {other:?}, not {FORMAT}"))),
                });
            }
            drop(names);
            if transaction.list_tables()?.next().is_some() {
                return Ok(Err(foreign(
                    "it is a database of something else".to_owned(),
                )));
            }
            transaction.open_table(ABOUT)?.insert("format", FORMAT)?;
            transaction.open_table(MESSAGES)?;
            transaction.open_table(COUNTS)?;
            Ok(Ok(()))
        })?
    }

    /// What lies here for a subscription.
    pub(super) fn left(&self, id: &str) -> Result<Left, SpoolError> {
        self.read(|database| {
            let transaction = database.begin_read()?;
            let counts = transaction.open_table(COUNTS)?;
            let Some((messages, octets)) = counts.get(id)?.map(|counts| counts.value()) else {
                return Ok(Left::default());
            };
            let records = transaction.open_table(MESSAGES)?;
            let mut range = records.range((id, 0)..=(id, u64::MAX))?;
            let mut first_and_last = [None; 2];
            for (place, record) in first_and_last
                .iter_mut()
                .zip([range.next(), range.next_back()])
            {
                *place = record.transpose()?.map(|(key, _)| key.value().1);
            }
            let [first, last] = first_and_last;
            let last = last.or(first);
            let (Some(first), Some(last)) = (first, last) else {
                return Ok(Left::default());
            };
            Ok(Left {
                first,
                next: last + 1,
                messages,
                octets,
            })
        })
    }

    /// What lies here for all subscriptions.
    pub(super) fn list(&self) -> Result<Vec<Spooled>, SpoolError> {
        self.read(|database| {
            let counts = database.begin_read()?.open_table(COUNTS)?;
            let mut all = Vec::new();
            for row in counts.iter()? {
                let (id, counts) = row?;
                let (messages, octets) = counts.value();
                all.push(Spooled {
                    subscription: id.value().to_owned(),
                    messages,
                    octets,
                });
            }
            Ok(all)
        })
    }

    /// Forgets what lies here for a subscription.
    pub(super) fn forget(&self, id: &str) -> Result<(), SpoolError> {
        self.write(|transaction| {
            discard(&mut transaction.open_table(MESSAGES)?, id)?;
            transaction.open_table(COUNTS)?.remove(id)?;
            Ok(())
        })
    }

    /// Does the work of several queues in one transaction: all of it, or nothing.
    pub(super) fn commit(
        &self,
        batch: &[(&str, &Work<Message>)],
    ) -> Result<Vec<Outcome<Message>>, SpoolError> {
        if batch.iter().all(|(_, work)| work.is_empty()) {
            return Ok(batch.iter().map(|_| Outcome::default()).collect());
        }
        if batch.iter().all(|(_, work)| work.only_loads()) {
            return self.read(|database| {
                let records = database.begin_read()?.open_table(MESSAGES)?;
                let load = |(id, work): &(&str, &Work<Message>)| {
                    let mut outcome = Outcome::default();
                    if let Some(span) = &work.load {
                        load(&records, id, span, &mut outcome)?;
                    }
                    Ok(outcome)
                };
                batch.iter().map(load).collect()
            });
        }
        self.write(|transaction| {
            let mut records = transaction.open_table(MESSAGES)?;
            let mut counts = transaction.open_table(COUNTS)?;
            let mut outcomes = Vec::with_capacity(batch.len());
            for (id, work) in batch {
                outcomes.push(perform(&mut records, &mut counts, id, work)?);
            }
            Ok(outcomes)
        })
    }

    /// Gives the space of a file back that holds nothing any more.
    pub(super) fn shrink(&mut self) -> Result<(), SpoolError> {
        let large = fs::metadata(&self.path).is_ok_and(|file| file.len() > LARGE);
        if !large || !self.list()?.is_empty() {
            return Ok(());
        }
        let (path, database) = (&self.path, &mut self.database);
        guard(path, || {
            let database = database.as_mut().ok_or(SpoolError::Busy)?;
            let compacted = database.compact().map(drop);
            compacted.map_err(|e| any_error(path, e.into()))
        })
    }

    fn read<R>(&self, work: impl FnOnce(&Database) -> Result<R, Fault>) -> Result<R, SpoolError> {
        guard(&self.path, || {
            let database = self.database.as_ref().ok_or(SpoolError::Busy)?;
            work(database).map_err(|fault| any_error(&self.path, fault))
        })
    }

    fn write<R>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<R, Fault>,
    ) -> Result<R, SpoolError> {
        self.read(|database| {
            let transaction = database.begin_write()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }
}

/// A database that has failed may do so again while it is dropped.
impl Drop for Store {
    fn drop(&mut self) {
        let database = self.database.take();
        if catch_unwind(AssertUnwindSafe(|| drop(database))).is_err() {
            log::warn!("{} was not closed in order", self.path.display());
        }
    }
}

fn perform(
    records: &mut Records<'_>,
    counts: &mut Table<'_, &'static str, (u64, u64)>,
    id: &str,
    work: &Work<Message>,
) -> Result<Outcome<Message>, Fault> {
    let mut outcome = Outcome::default();
    if work.parting == Some(Parting::Discard) {
        discard(records, id)?;
        counts.remove(id)?;
        return Ok(outcome);
    }
    let found = counts.get(id)?.map(|counts| counts.value());
    let (mut messages, mut octets) = found.unwrap_or_default();
    let mut gone = (0_u64, 0_u64);
    if let Some(below) = work.remove_below {
        records.retain_in((id, 0)..(id, below), |_, value| {
            gone.0 += 1;
            gone.1 += size(value) as u64;
            false
        })?;
    }
    if let Some(span) = &work.load {
        load(records, id, span, &mut outcome)?;
    }
    if let Some(span) = &work.evict {
        evict(records, id, span, &mut outcome, &mut gone)?;
    }
    messages = messages.saturating_sub(gone.0);
    octets = octets.saturating_sub(gone.1);
    let mut value = BytesMut::new();
    for (number, message) in &work.write {
        let frame = message.frame();
        value.clear();
        value.put_u8(version_octet(frame.version()));
        value.extend_from_slice(frame.octets());
        let before = records.insert((id, *number), &value[..])?;
        if before.is_none() {
            messages += 1;
            octets += frame.len() as u64;
        }
    }
    if messages > 0 {
        counts.insert(id, (messages, octets))?;
    } else {
        counts.remove(id)?;
    }
    Ok(outcome)
}

fn load(
    records: &impl ReadableTable<(&'static str, u64), &'static [u8]>,
    id: &str,
    span: &Load,
    outcome: &mut Outcome<Message>,
) -> Result<(), Fault> {
    let mut room = span.octets;
    for record in records.range((id, span.from)..(id, span.below))? {
        let (key, value) = record?;
        let (number, value) = (key.value().1, value.value());
        let size = size(value);
        if outcome.loaded.len() == span.messages || (size > room && !outcome.loaded.is_empty()) {
            break;
        }
        room = room.saturating_sub(size);
        outcome.next = Some(number + 1);
        match message(value) {
            Some(message) => outcome.loaded.push((number, message, size)),
            None => {
                outcome.lost += 1;
                outcome.lost_octets += size as u64;
            }
        }
    }
    Ok(())
}

fn evict(
    records: &mut Records<'_>,
    id: &str,
    span: &Evict,
    outcome: &mut Outcome<Message>,
    gone: &mut (u64, u64),
) -> Result<(), Fault> {
    let loaded: usize = outcome.loaded.iter().map(|(.., size)| size).sum();
    let mut over = (
        span.messages
            .saturating_sub(outcome.loaded.len() as u64 + outcome.lost),
        span.octets
            .saturating_sub(loaded as u64 + outcome.lost_octets),
    );
    let mut below = outcome.next.unwrap_or(span.from);
    let from = below;
    for record in records.range((id, from)..(id, span.below))? {
        if over == (0, 0) {
            break;
        }
        let (key, value) = record?;
        let size = size(value.value()) as u64;
        below = key.value().1 + 1;
        over = (over.0.saturating_sub(1), over.1.saturating_sub(size));
        outcome.lost += 1;
        outcome.lost_octets += size;
        *gone = (gone.0 + 1, gone.1 + size);
        outcome.next = Some(below);
    }
    records.retain_in((id, from)..(id, below), |_, _| false)?;
    Ok(())
}

fn discard(records: &mut Records<'_>, id: &str) -> Result<(), StorageError> {
    records.retain_in((id, 0)..=(id, u64::MAX), |_, _| false)
}

/// The octets of a record's frame.
fn size(value: &[u8]) -> usize {
    value.len().saturating_sub(1)
}

fn message(value: &[u8]) -> Option<Message> {
    let frame = frame(value);
    if frame.is_none() {
        log::warn!("a message in the spool cannot be read");
    }
    // What comes from disk cannot be acknowledged: its connection is no more.
    Some(Message::new(frame?, None))
}

fn frame(value: &[u8]) -> Option<Frame> {
    let (version, octets) = value.split_first()?;
    let mut whole = BytesMut::with_capacity(octets.len() + 1);
    whole.extend_from_slice(octets);
    whole.put_u8(0);
    let mut decoder = Decoder::new(DecodeLimits {
        frame: usize::MAX,
        headers: usize::MAX,
        header_octets: usize::MAX,
    });
    decoder.set_version(version_of(*version)?);
    decoder.push(Bytes::from(whole));
    decoder.next_frame().ok()?
}

fn version_octet(version: Version) -> u8 {
    match version {
        Version::V1_0 => 10,
        Version::V1_1 => 11,
        Version::V1_2 => 12,
    }
}

fn version_of(octet: u8) -> Option<Version> {
    let all = [Version::V1_0, Version::V1_1, Version::V1_2];
    all.into_iter()
        .find(|version| version_octet(*version) == octet)
}

#[cfg(test)]
mod tests;
