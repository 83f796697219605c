//! What happened, in one total order.

use crate::http::{Headers, shown_path};
use crate::wire::Frame;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// One thing that happened.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// Position in the total order, from 1 without gaps.
    pub seq: u64,
    /// When, since the broker's start.
    pub at: Duration,
    /// On which connection, from 1 in the order of accept; 0 for none.
    pub conn: u64,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A TCP connection was accepted.
    Tcp,
    /// An HTTP request came.
    Upgrade {
        /// The path with its query.
        path: String,
        /// The request's headers.
        headers: Headers,
    },
    /// The upgrade was answered with 101.
    Open {
        /// The agreed subprotocol.
        subprotocol: Option<String>,
    },
    /// The request was answered with another status than 101.
    Http {
        /// That status.
        status: u16,
    },
    /// A STOMP frame came from the client.
    Recv(Frame),
    /// A STOMP frame was handed to the wire for the client.
    Sent(Frame),
    /// A heart-beat came.
    BeatIn,
    /// A heart-beat was sent.
    BeatOut,
    /// A WebSocket ping came.
    Ping(Vec<u8>),
    /// A WebSocket pong came.
    Pong(Vec<u8>),
    /// The client's Close frame came.
    CloseIn {
        /// Its code, if it had one.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// The broker sent a Close frame.
    CloseOut {
        /// Its code.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The scenario misbehaved; the words say how.
    Fault(String),
    /// The scenario set a mark.
    Mark(String),
    /// The scenario wrote a line.
    Log(String),
    /// A signal was given.
    Signal(String),
    /// Something worth a look, mostly a breach by the client.
    Note(Note),
    /// The listener came up or went down.
    Listening(bool),
    /// The connection is over.
    Closed(How),
}

/// Something that a test may want to forbid or expect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A frame other than CONNECT or DISCONNECT came on a session whose token
    /// is dead.
    SentWhileSuspended {
        /// Its command.
        command: String,
    },
    /// A CONNECT came although the identity has a live session.
    ConnectWhileLive {
        /// Its connection, which may be the same one.
        other: u64,
    },
    /// The frame broke a rule of STOMP; the words are those of the ERROR.
    Refused {
        /// The `message` header of the ERROR.
        message: String,
    },
    /// The octets broke a rule of WebSocket.
    WebSocket {
        /// The code of the Close that answers it.
        code: u16,
        /// Which rule.
        why: String,
    },
    /// The request was no HTTP, or TLS failed, or the like.
    Handshake(String),
    /// No octet came for longer than the agreed tolerance.
    HeartBeatLost {
        /// For how long.
        silent: Duration,
    },
    /// The client does not read: more octets wait than the bound allows.
    SlowConsumer {
        /// How many octets wait.
        waiting: usize,
    },
    /// A MESSAGE was dropped because a bound was reached; said once per
    /// subscription.
    Dropped {
        /// The subscription's id.
        subscription: String,
    },
    /// The script triggered itself too often in one moment, and was cut short.
    ScriptLoop,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// The client sent the first Close frame.
    Peer {
        /// Its code, if it had one.
        code: Option<u16>,
    },
    /// The broker sent the first Close frame.
    Broker {
        /// Its code.
        code: u16,
        /// Whether the client answered with its own.
        answered: bool,
    },
    /// The client ended TCP without a Close frame.
    PeerGone,
    /// The broker ended TCP with FIN and without a Close frame.
    Fin,
    /// The broker reset TCP.
    Rst,
    /// The request was answered without an upgrade.
    Http,
    /// The handshake failed, or the connection broke; in words.
    Failed(String),
    /// The broker was stopped.
    Stopped,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Upgrade { path, headers } => {
                write!(f, "upgrade {} {headers:?}", shown_path(path))
            }
            Self::Open { subprotocol } => write!(f, "open {subprotocol:?}"),
            Self::Http { status } => write!(f, "http {status}"),
            Self::Recv(frame) => write!(f, "recv {frame}"),
            Self::Sent(frame) => write!(f, "sent {frame}"),
            Self::BeatIn => f.write_str("beat in"),
            Self::BeatOut => f.write_str("beat out"),
            Self::Ping(octets) => write!(f, "ping [{} octets]", octets.len()),
            Self::Pong(octets) => write!(f, "pong [{} octets]", octets.len()),
            Self::CloseIn { code, reason } => write!(f, "close in {code:?} {reason:?}"),
            Self::CloseOut { code, reason } => write!(f, "close out {code} {reason:?}"),
            Self::Fault(words) => write!(f, "fault {words}"),
            Self::Mark(name) => write!(f, "mark {name}"),
            Self::Log(words) => write!(f, "log {words}"),
            Self::Signal(name) => write!(f, "signal {name}"),
            Self::Note(note) => write!(f, "note {note:?}"),
            Self::Listening(up) => write!(f, "listening {up}"),
            Self::Closed(how) => write!(f, "closed {how:?}"),
        }
    }
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seq,
            at,
            conn,
            what,
        } = self;
        write!(f, "#{seq} {:.3}s conn {conn} {what}", at.as_secs_f64())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Entry {
    /// The frame that came from the client with this entry.
    pub fn received(&self) -> Option<&Frame> {
        if let What::Recv(frame) = &self.what {
            Some(frame)
        } else {
            None
        }
    }

    /// The frame that went to the client with this entry.
    pub fn sent(&self) -> Option<&Frame> {
        if let What::Sent(frame) = &self.what {
            Some(frame)
        } else {
            None
        }
    }

    /// Whether a frame with this command came from the client.
    pub fn is_recv(&self, command: &str) -> bool {
        self.received().is_some_and(|f| f.command == command)
    }

    /// Whether a frame with this command went to the client.
    pub fn is_sent(&self, command: &str) -> bool {
        self.sent().is_some_and(|f| f.command == command)
    }

    /// Whether the scenario set this mark here.
    pub fn is_mark(&self, name: &str) -> bool {
        matches!(&self.what, What::Mark(m) if m == name)
    }

    /// The note of this entry.
    pub fn note(&self) -> Option<&Note> {
        if let What::Note(note) = &self.what {
            Some(note)
        } else {
            None
        }
    }

    fn weight(&self) -> usize {
        match &self.what {
            What::Recv(frame) | What::Sent(frame) => 200 + frame.body.len(),
            What::Tcp
            | What::Upgrade { .. }
            | What::Open { .. }
            | What::Http { .. }
            | What::BeatIn
            | What::BeatOut
            | What::Ping(_)
            | What::Pong(_)
            | What::CloseIn { .. }
            | What::CloseOut { .. }
            | What::Fault(_)
            | What::Mark(_)
            | What::Log(_)
            | What::Signal(_)
            | What::Note(_)
            | What::Listening(_)
            | What::Closed(_) => 100,
        }
    }
}

/// A copy of what happened, oldest first.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The entries that are still held.
    pub entries: Vec<Entry>,
    /// How many older ones were dropped because the ring was full.
    pub dropped: u64,
}

impl Deref for Transcript {
    type Target = [Entry];
    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

/// The deadline passed, or the broker stopped, before the entry came.
#[derive(Clone, Debug, Error)]
#[error("{}; {seen} entries seen, the last ones:{}", self.reason(), self.tail())]
pub struct WaitError {
    /// Whether the broker was stopped (or else the deadline passed).
    pub stopped: bool,
    /// How long was waited.
    pub waited: Duration,
    /// How many matching entries were found before (for `wait_for_nth`).
    pub found: usize,
    /// How many entries were looked at.
    pub seen: u64,
    /// The last few entries, oldest first.
    pub last: Vec<Entry>,
}

impl WaitError {
    fn reason(&self) -> String {
        let what = if self.stopped {
            "the broker stopped"
        } else {
            "no such entry"
        };
        format!("{what} within {:?} ({} found)", self.waited, self.found)
    }

    fn tail(&self) -> String {
        self.last.iter().map(|e| format!("\n  {e}")).collect()
    }
}

/// The bounded ring behind a [`Transcript`]; clones share it.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    ring: Mutex<Ring>,
    grown: Condvar,
}

#[derive(Debug)]
struct Ring {
    entries: VecDeque<Entry>,
    octets: usize,
    next: u64,
    waiters: usize,
    stopped: bool,
    max_entries: usize,
    max_octets: usize,
}

impl Journal {
    /// A ring for so many entries and so many octets of bodies.
    pub fn new(max_entries: usize, max_octets: usize) -> Self {
        let ring = Ring {
            entries: VecDeque::new(),
            octets: 0,
            next: 1,
            waiters: 0,
            stopped: false,
            max_entries: max_entries.max(1),
            max_octets,
        };
        Self(Arc::new(Shared {
            ring: Mutex::new(ring),
            grown: Condvar::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, at: Duration, conn: u64, what: What) {
        let mut ring = self.lock();
        let entry = Entry {
            seq: ring.next,
            at,
            conn,
            what,
        };
        log::trace!(target: "mock_broker", "{entry}");
        ring.next += 1;
        ring.octets += entry.weight();
        ring.entries.push_back(entry);
        while ring.entries.len() > ring.max_entries
            || (ring.octets > ring.max_octets && ring.entries.len() > 1)
        {
            let weight = ring.entries.pop_front().map_or(0, |e| e.weight());
            ring.octets -= weight;
        }
        if ring.waiters > 0 {
            self.0.grown.notify_all();
        }
    }

    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.0.grown.notify_all();
    }

    /// A copy of what is held now.
    pub fn snapshot(&self) -> Transcript {
        let ring = self.lock();
        let entries: Vec<Entry> = ring.entries.iter().cloned().collect();
        Transcript {
            dropped: ring.next - 1 - entries.len() as u64,
            entries,
        }
    }

    /// The entries from `seq` on: those that are held, or else the next ones
    /// that come. None come within `timeout`: nothing.
    ///
    /// # Errors
    /// [`WaitError`] when the broker stopped and there are no more.
    pub fn follow(&self, seq: u64, timeout: Duration) -> Result<Vec<Entry>, WaitError> {
        let begin = Instant::now();
        let mut ring = self.lock();
        loop {
            let skip = ring.skip_to(seq);
            let left = timeout.saturating_sub(begin.elapsed());
            if skip < ring.entries.len() || (left.is_zero() && !ring.stopped) {
                return Ok(ring.entries.iter().skip(skip).cloned().collect());
            }
            if ring.stopped {
                return Err(ring.give_up(begin.elapsed(), 0));
            }
            ring = self.sleep(ring, left);
        }
    }

    fn sleep<'a>(&self, mut ring: MutexGuard<'a, Ring>, left: Duration) -> MutexGuard<'a, Ring> {
        ring.waiters += 1;
        let woken = self.0.grown.wait_timeout(ring, left);
        let mut ring = woken.unwrap_or_else(PoisonError::into_inner).0;
        ring.waiters -= 1;
        ring
    }

    /// The `nth` entry (from 1) for which `pred` holds: looks at what is held,
    /// then waits for more, until the deadline.
    ///
    /// # Errors
    /// [`WaitError`] when the deadline passes or the broker stops first.
    pub fn wait_for_nth(
        &self,
        nth: usize,
        timeout: Duration,
        mut pred: impl FnMut(&Entry) -> bool,
    ) -> Result<Entry, WaitError> {
        let begin = Instant::now();
        let (mut seq, mut found) = (0, 0);
        let mut ring = self.lock();
        loop {
            let skip = ring.skip_to(seq);
            for entry in ring.entries.iter().skip(skip) {
                if pred(entry) {
                    found += 1;
                    if found >= nth.max(1) {
                        return Ok(entry.clone());
                    }
                }
            }
            seq = ring.next;
            let left = timeout.saturating_sub(begin.elapsed());
            if left.is_zero() || ring.stopped {
                return Err(ring.give_up(begin.elapsed(), found));
            }
            ring = self.sleep(ring, left);
        }
    }
}

impl Ring {
    fn give_up(&self, waited: Duration, found: usize) -> WaitError {
        let skip = self.entries.len().saturating_sub(20);
        WaitError {
            stopped: self.stopped,
            waited,
            found,
            seen: self.next - 1,
            last: self.entries.iter().skip(skip).cloned().collect(),
        }
    }

    /// How many held entries come before `seq`.
    fn skip_to(&self, seq: u64) -> usize {
        let first = self.entries.front().map_or(self.next, |e| e.seq);
        usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_is_bounded_and_says_what_it_dropped() {
        let journal = Journal::new(3, 1 << 20);
        for i in 0..5 {
            journal.push(Duration::from_secs(i), i, What::Tcp);
        }
        let transcript = journal.snapshot();
        assert_eq!(transcript.dropped, 2);
        assert_eq!(
            transcript.iter().map(|e| e.seq).collect::<Vec<_>>(),
            [3, 4, 5]
        );
        assert_eq!(journal.follow(5, Duration::ZERO).unwrap().len(), 1);
        assert_eq!(journal.follow(6, Duration::ZERO).unwrap(), []);
    }

    #[test]
    fn waiting_scans_what_is_there_then_what_comes() {
        let journal = Journal::new(10, 1 << 20);
        journal.push(Duration::ZERO, 1, What::Tcp);
        assert!(
            journal
                .wait_for_nth(1, Duration::ZERO, |e| e.conn == 1)
                .is_ok()
        );
        let writer = journal.clone();
        let thread = std::thread::spawn(move || {
            writer.push(Duration::ZERO, 2, What::Tcp);
            writer.push(Duration::ZERO, 3, What::Tcp);
        });
        let third = journal
            .wait_for_nth(3, Duration::from_secs(10), |_| true)
            .unwrap();
        assert_eq!(third.conn, 3);
        thread.join().unwrap();
    }

    #[test]
    fn a_failed_wait_shows_the_last_entries() {
        let journal = Journal::new(10, 1 << 20);
        journal.push(Duration::ZERO, 1, What::Mark("x".to_owned()));
        let error = journal
            .wait_for_nth(1, Duration::ZERO, |_| false)
            .unwrap_err();
        assert!(error.to_string().contains("mark x"), "{error}");
        journal.stop();
        let error = journal
            .wait_for_nth(1, Duration::from_secs(9), |_| false)
            .unwrap_err();
        assert!(error.stopped);
    }
}
