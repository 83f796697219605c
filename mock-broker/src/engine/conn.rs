//! What the engine knows of one connection.

use super::dice::Dice;
use super::relay::Relay;
use crate::http::Request;
use crate::rng::Rng;
use crate::script::START;
use crate::script::units::glob;
use crate::script::{Between, Cut, Direction, HeadFault, Kind, Span};
use crate::wire::{Decoder, Frame, Limits, Version};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Most octets that wait for the end of one session's suspension.
const MOST_WAITING: usize = 256 << 20;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Accepted; the request has not come.
    Tcp,
    /// The request is being answered.
    Upgrade,
    /// The request is plain HTTP, and is being answered.
    Plain,
    /// Frames flow.
    Open,
    /// It was ended; nothing more is sent or heard.
    Over,
}

pub(super) struct Conn {
    pub(super) phase: Phase,
    /// When it was accepted.
    pub(super) since: Duration,
    /// Who came, for people to see.
    pub(super) peer: Option<SocketAddr>,
    /// Since when the request, or then the first frame, is awaited.
    pub(super) awaited: Duration,
    /// A rule leaves its handshake unanswered.
    pub(super) hung: bool,
    pub(super) request: Option<Request>,
    pub(super) decoder: Decoder,
    pub(super) version: Version,
    /// The version which the subprotocol names.
    pub(super) promised: Option<Version>,
    pub(super) session: Option<Session>,
    /// The other end, in a proxy.
    pub(super) relay: Option<Box<Relay>>,
    /// DISCONNECT came: nothing that follows is heard.
    pub(super) farewell: bool,
    pub(super) connected_at: Option<Duration>,
    /// How many fitting frames each rule has seen here.
    pub(super) counts: BTreeMap<usize, u64>,
    pub(super) frames_in: u64,
    pub(super) frames_out: u64,
    pub(super) bytes_out: u64,
    pub(super) shapes: Shapes,
    pub(super) held: BTreeMap<String, Vec<Frame>>,
    pub(super) beats: Beats,
    pub(super) mute_pong: bool,
    pub(super) holes: Holes,
    /// Which destinations are silent, and until when.
    pub(super) silences: Silences,
    /// Lists of actions that wait in a `delay`.
    pub(super) delayed: usize,
    /// The state that rules may ask for; `None` is `"start"`.
    pub(super) state: Option<Box<str>>,
    /// When the last octet came or left.
    pub(super) active: Duration,
    pub(super) gathered: Gathered,
    pub(super) dice: Dice,
}

/// Where a rule's trigger has come to. A part of it is named by the rule's
/// position and its own.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Conditions that have come true by a timer.
    pub(super) met: BTreeSet<(usize, usize)>,
    /// Spans since a mark that are running.
    pub(super) running: BTreeSet<(usize, usize)>,
    /// Rules of several conditions that have fired.
    pub(super) fired: BTreeSet<usize>,
    /// Idle triggers that have fired, and wait for the next octet.
    pub(super) idle: BTreeSet<(usize, usize)>,
    /// The random numbers of each rule.
    pub(super) dice: BTreeMap<usize, Rng>,
}

/// Destinations of which nothing is delivered, and until when.
#[derive(Debug, Default)]
pub(super) struct Silences(Vec<(String, Option<Duration>)>);

impl Silences {
    pub(super) fn add(&mut self, pattern: String, until: Option<Duration>) {
        self.0.retain(|(p, _)| *p != pattern);
        self.0.push((pattern, until));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn covers(&self, destination: &str, now: Duration) -> bool {
        self.0.iter().any(|(pattern, until)| {
            until.is_none_or(|until| now < until) && glob(pattern, destination)
        })
    }
}

/// The two directions in which nothing gets through, each with the number of
/// the hole, by which stale timers are told.
#[derive(Debug, Default)]
pub(super) struct Holes {
    inward: Option<u64>,
    outward: Option<u64>,
    last: u64,
}

impl Holes {
    /// Opens one; its number.
    pub(super) fn open(&mut self, direction: Direction) -> u64 {
        self.last += 1;
        if direction != Direction::Out {
            self.inward = Some(self.last);
        }
        if direction != Direction::In {
            self.outward = Some(self.last);
        }
        self.last
    }

    /// Closes what is still open of a hole; whether anything was.
    pub(super) fn close(&mut self, number: u64) -> bool {
        let before = self.direction();
        self.inward = self.inward.filter(|n| *n != number);
        self.outward = self.outward.filter(|n| *n != number);
        before != self.direction()
    }

    /// What gets lost now.
    pub(super) fn direction(&self) -> Option<Direction> {
        match (self.inward, self.outward) {
            (Some(_), Some(_)) => Some(Direction::Both),
            (Some(_), None) => Some(Direction::In),
            (None, Some(_)) => Some(Direction::Out),
            (None, None) => None,
        }
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.inward.is_some()
    }
}

impl Conn {
    pub(super) fn new(limits: Limits, since: Duration, dice: Dice) -> Self {
        Self {
            phase: Phase::Tcp,
            since,
            peer: None,
            awaited: since,
            hung: false,
            request: None,
            decoder: Decoder::with_limits(Version::V1_2, limits),
            version: Version::V1_2,
            promised: None,
            session: None,
            relay: None,
            farewell: false,
            connected_at: None,
            counts: BTreeMap::new(),
            frames_in: 0,
            frames_out: 0,
            bytes_out: 0,
            shapes: Shapes::default(),
            held: BTreeMap::new(),
            beats: Beats::default(),
            mute_pong: false,
            holes: Holes::default(),
            silences: Silences::default(),
            delayed: 0,
            state: None,
            active: Duration::ZERO,
            gathered: Gathered::default(),
            dice,
        }
    }

    /// Whether a rule that asks for a state is for this connection now.
    pub(super) fn is_in(&self, state: &str) -> bool {
        self.state.as_deref().unwrap_or(START) == state
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.session.as_ref().is_some_and(|s| s.suspended.is_some())
    }
}

/// A STOMP session, from CONNECTED on. It holds a token: no `Debug`.
#[derive(Default)]
pub(super) struct Session {
    pub(super) identity: Option<String>,
    pub(super) token: Option<String>,
    /// The `client-id` of its CONNECT.
    pub(super) client: Option<String>,
    /// The `session` header of its CONNECTED.
    pub(super) id: String,
    /// The keys of its temporary queues, by the names it has for them.
    pub(super) temps: BTreeMap<String, String>,
    /// Subscriptions by their id.
    pub(super) subs: BTreeMap<String, u64>,
    /// The subscription of each delivery that waits for its ACK.
    pub(super) pending: BTreeMap<u64, u64>,
    pub(super) transactions: BTreeMap<String, Vec<Step>>,
    /// Octets in them.
    pub(super) in_doubt: usize,
    /// Since when, if it is.
    pub(super) suspended: Option<Duration>,
    /// MESSAGEs that wait for the end of the suspension.
    pub(super) waiting: VecDeque<Frame>,
    /// Octets in `waiting`.
    pub(super) waiting_octets: usize,
}

/// One step of a transaction.
#[derive(Debug)]
pub(super) enum Step {
    Send(Arc<Frame>),
    Settle { delivery: u64, nack: bool },
}

impl Step {
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Send(frame) => frame.octets(),
            Self::Settle { .. } => 0,
        }
    }
}

impl Session {
    /// Keeps a frame for the end of the suspension, if the bounds allow.
    pub(super) fn keep(&mut self, frame: Frame, most: usize) -> Result<(), Frame> {
        let octets = self.waiting_octets + frame.octets();
        if self.waiting.len() >= most || octets > MOST_WAITING {
            return Err(frame);
        }
        self.waiting_octets = octets;
        self.waiting.push_back(frame);
        Ok(())
    }

    /// What was kept.
    pub(super) fn take_waiting(&mut self) -> VecDeque<Frame> {
        self.waiting_octets = 0;
        std::mem::take(&mut self.waiting)
    }
}

/// The ways frames are laid on the wire, each for so many frames.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    pub(super) split: Sticky<Cut>,
    pub(super) frag: Sticky<(Cut, Option<Between>)>,
    pub(super) join: Sticky<(usize, Duration)>,
    pub(super) kind: Sticky<Kind>,
    pub(super) head: Sticky<HeadFault>,
    /// Octets at a time, and the pause after each piece.
    pub(super) drip: Sticky<(usize, Duration)>,
    /// Frames that wait to be joined: how many, and their octets.
    pub(super) joined: (usize, Vec<u8>),
    pub(super) join_generation: u64,
    /// FIN comes after so many octets of the next WebSocket frame.
    pub(super) cut: Option<usize>,
    pub(super) turn: bool,
}

impl Shapes {
    /// Whether frames are laid on the wire one by one, whole.
    pub(super) fn are_plain(&self) -> bool {
        let set = self.split.is_set()
            || self.frag.is_set()
            || self.join.is_set()
            || self.kind.is_set()
            || self.head.is_set()
            || self.drip.is_set();
        !set && self.joined.0 == 0 && self.cut.is_none()
    }
}

/// A setting that holds for a number of frames, or for good.
#[derive(Debug)]
pub(super) struct Sticky<T>(Option<(T, Option<u64>)>);

impl<T> Default for Sticky<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone> Sticky<T> {
    pub(super) fn set(&mut self, value: T, next: Option<u64>) {
        self.0 = (next != Some(0)).then_some((value, next));
    }

    /// The setting for one frame.
    pub(super) fn take(&mut self) -> Option<T> {
        let (value, next) = self.0.as_mut()?;
        let value = value.clone();
        match next {
            Some(1) => self.0 = None,
            Some(n) => *n -= 1,
            None => {}
        }
        Some(value)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }
}

/// The heart-beats of a connection.
#[derive(Debug)]
pub(super) struct Beats {
    /// What was agreed for the broker's.
    pub(super) out: Option<Duration>,
    /// How long the client may be silent.
    pub(super) tolerance: Option<Duration>,
    pub(super) last_in: Duration,
    pub(super) last_out: Duration,
    pub(super) stopped: bool,
    /// At how many times the agreed interval a beat is sent: a little early,
    /// so that a client without any tolerance is content.
    pub(super) factor: f64,
    pub(super) jitter: Option<Span>,
    pub(super) octets: Vec<u8>,
    /// So many at a time.
    pub(super) burst: u32,
    pub(super) generation: u64,
}

impl Default for Beats {
    fn default() -> Self {
        Self {
            out: None,
            tolerance: None,
            last_in: Duration::ZERO,
            last_out: Duration::ZERO,
            stopped: false,
            factor: 0.8,
            jitter: None,
            octets: b"\n".to_vec(),
            burst: 1,
            generation: 0,
        }
    }
}
