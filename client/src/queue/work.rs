//! What the thread that writes to disk is to do for one queue, and what came of it.

/// What becomes of what nobody will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parting {
    /// It is there for the next subscription of this id.
    Keep,
    Discard,
}

/// What is to be done now, in this order.
#[derive(Debug)]
pub(crate) struct Work<T> {
    /// Items below this number have been taken.
    pub(crate) remove_below: Option<u64>,
    /// Move items from disk to memory.
    pub(crate) load: Option<Load>,
    /// Drop items on disk in favour of newer ones.
    pub(crate) evict: Option<Evict>,
    pub(crate) write: Vec<(u64, T)>,
    pub(crate) parting: Option<Parting>,
    /// How many of `write` count as new; they are its last.
    pub(super) fresh: usize,
    /// How many taken items `remove_below` stands for.
    pub(super) stale: u64,
}

impl<T> Default for Work<T> {
    fn default() -> Self {
        Self {
            remove_below: None,
            load: None,
            evict: None,
            write: Vec::new(),
            parting: None,
            fresh: 0,
            stale: 0,
        }
    }
}

impl<T> Work<T> {
    /// Whether the disk has nothing to do with it.
    pub(crate) fn is_empty(&self) -> bool {
        self.load.is_none() && self.only_loads()
    }

    /// Whether nothing on disk is changed by it.
    pub(crate) fn only_loads(&self) -> bool {
        self.remove_below.is_none()
            && self.evict.is_none()
            && self.write.is_empty()
            && self.parting != Some(Parting::Discard)
    }
}

/// Items from a number on and below another, as many as have room in memory; at
/// least one if `messages` is not 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) from: u64,
    pub(crate) below: u64,
    pub(crate) messages: usize,
    pub(crate) octets: usize,
}

/// The oldest items from a number on and below another, so many and so many
/// octets at least, what was loaded counted in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evict {
    pub(crate) from: u64,
    pub(crate) below: u64,
    pub(crate) messages: u64,
    pub(crate) octets: u64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) loaded: Vec<(u64, T, usize)>,
    /// Items that are on disk no more and will never be taken: evicted, or unreadable.
    pub(crate) lost: u64,
    pub(crate) lost_octets: u64,
    /// The number after the last that was loaded or lost.
    pub(crate) next: Option<u64>,
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self {
            loaded: Vec::new(),
            lost: 0,
            lost_octets: 0,
            next: None,
        }
    }
}

/// What lay on disk before the queue was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) first: u64,
    /// One above the last.
    pub(crate) next: u64,
    pub(crate) messages: u64,
    pub(crate) octets: u64,
}

/// What may lie on disk, and what happens when it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskLimits {
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    pub(crate) overflow: crate::config::Overflow,
}
