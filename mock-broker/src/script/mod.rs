//! The scenario: how the broker is set up, and what goes wrong.
//!
//! The same words exist as Rust functions and as JSON, see
//! [`Scenario::from_json`].

pub mod act;
mod action;
mod builder;
mod expect;
mod http;
mod oauth;
pub(crate) mod parse;
mod raw;
mod rule;
mod sight;
mod trigger;
pub(crate) mod units;
#[cfg(test)]
mod vocabulary;

pub use action::{
    Action, BeatAction, Between, Corrupt, Direction, ErrorAction, EventKind, Garbage, HeadFault,
    Kind, Order, RawAs, Shape, ShapeAction, Storm, TlsFault,
};
pub use builder::Builder;
pub use expect::{Assertion, Claim};
pub use http::HttpRule;
pub use oauth::{OAuth, OAuthClient, Refresh};
pub use parse::ScenarioError;
pub use rule::{Conns, Rule};
pub use sight::{ConnOf, Seen, Sight, seen};
pub(crate) use trigger::is_command;
pub use trigger::{FrameTrigger, Origin, Stage, Trigger, on};
pub use units::{Cut, Size, Span};

use crate::dialect::Dialect;
use crate::wire::{Limits, Version};
use std::collections::BTreeMap;
use std::time::Duration;

/// The state in which each connection begins.
pub const START: &str = "start";
/// The state for which no rule is needed: nothing follows it.
pub const END: &str = "end";

/// How the broker is set up, and its rules. The default is a correct broker
/// that lets everybody in.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scenario {
    /// A name for reports.
    pub name: String,
    /// What it is there for, for readers.
    pub about: String,
    /// The seed of everything random (default 0): `p`, `pick`, ranges,
    /// `shuffle`, jitter, garbage, what storms say, masking keys, session ids and
    /// tokens.
    ///
    /// The same scenario that is told the same things in the same order has the
    /// same transcript, octet for octet; in virtual time ([`crate::engine`]) with
    /// all its times, over sockets but for them. A client that waits for each
    /// answer before it goes on is told the same each time. What is not promised
    /// is the order of what races: connections of their own, two storms, a
    /// timer (`after`, `every`, heart-beats) and a frame; and with it the
    /// numbers of messages and of issued tokens. Yet each connection and each
    /// rule on it, each storm and the heart-beats of each connection draw from a
    /// stream of their own, so that a race changes none of their choices. What a
    /// client makes up itself (its key, its masks) is not the seed's either.
    pub seed: u64,
    /// Which broker it acts like (default [`Dialect::STOMP`]).
    pub dialect: Dialect,
    /// Where an ERROR says its code (default `message` and `code`).
    pub error_codes: Vec<CodePlace>,
    /// Destinations that are answered with ERROR 403.
    pub forbidden: Forbidden,
    /// The accepted versions (default all three).
    pub versions: Vec<Version>,
    /// Subprotocols that are preferred to `v12.stomp`, `v11.stomp` and
    /// `v10.stomp` (default none).
    pub subprotocols: Vec<String>,
    /// How often the broker can send heart-beats and wants them, in
    /// milliseconds; 0 is never (default 10000 and 10000).
    pub heart_beat: (u64, u64),
    /// The only path that is upgraded (default any).
    pub path: Option<String>,
    /// Whether TLS is spoken, with a certificate of its own authority (default
    /// false). [`Listen::tls`](crate::Listen::tls) turns it on as well.
    pub tls: bool,
    /// Who may connect (default everybody).
    pub auth: Auth,
    /// One live session per identity (default false). The identity is the
    /// `login`; with tokens it is the one the token was issued for, or else a
    /// `login` other than `Bearer`, or else the same for all. Who has none is
    /// not limited.
    pub single_session: bool,
    /// What becomes of a live session whose token ends.
    pub on_expiry: OnExpiry,
    /// For so long after the suspension, frames that were on their way are
    /// still processed (default zero).
    pub suspend_grace: Duration,
    /// Whether `receipt-id` is accepted beside `receipt` on client frames
    /// (default false).
    pub receipt_id_header: bool,
    /// Whether CONNECT must carry `host`, as 1.1 and 1.2 ask (default true).
    pub require_host: bool,
    /// Deliveries of a message before a NACK sends it to `/queue/DLQ`
    /// (default 5).
    pub max_deliveries: u32,
    /// Bounds on received frames.
    pub limits: Limits,
    /// Bounds on what the broker keeps.
    pub bounds: Bounds,
    /// What goes wrong, in order.
    pub rules: Vec<Rule>,
    /// What answers plain HTTP, in order.
    pub http: Vec<HttpRule>,
    /// What must, may and must not be seen.
    pub expect: Vec<Assertion>,
}

/// Where an ERROR says its code (DLX-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodePlace {
    /// The first word of the `message` header.
    Message,
    /// The `code` header.
    Code,
    /// The `status` header.
    Status,
    /// A JSON body, as `{"code":401}`.
    Body,
}

/// Destinations that nobody may use, as patterns in which `*` stands for any
/// text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forbidden {
    /// Nobody may send there.
    pub send: Vec<String>,
    /// Nobody may subscribe there.
    pub subscribe: Vec<String>,
}

/// Bounds on what the broker keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Octets that may wait for one connection that does not read; beyond
    /// that it is reset (default 32 MiB).
    pub out: usize,
    /// Messages that wait in one queue; a SEND beyond that is refused
    /// (default 100 000).
    pub queue: usize,
    /// Octets of headers and bodies that wait in one queue; a SEND beyond that
    /// is refused (default 256 MiB).
    pub queue_octets: usize,
    /// Queues; a SEND or SUBSCRIBE that needs one more is refused (default
    /// 100 000).
    pub queues: usize,
    /// Subscriptions and temporary queues of one session (default 10 000).
    pub subscriptions: usize,
    /// Frames kept for one suspended session; more are dropped and noted
    /// (default 10 000).
    pub held: usize,
    /// Unacknowledged messages of one subscription; queues then wait, topic
    /// messages are dropped and noted (default 10 000).
    pub unacked: usize,
    /// Octets of headers and bodies that one subscription has not acknowledged
    /// (default 256 MiB).
    pub unacked_octets: usize,
    /// Frames in one open transaction, and open transactions of one session
    /// (default 10 000).
    pub transaction: usize,
    /// Entries of the transcript (default 100 000).
    pub transcript: usize,
    /// Octets of headers, bodies and words in the transcript (default 128 MiB).
    pub transcript_octets: usize,
    /// How long a connection may take to send its whole request, and then its
    /// first frame (default 30 s).
    pub handshake: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            out: 32 << 20,
            queue: 100_000,
            queue_octets: 256 << 20,
            queues: 100_000,
            subscriptions: 10_000,
            held: 10_000,
            unacked: 10_000,
            unacked_octets: 256 << 20,
            transaction: 10_000,
            transcript: 100_000,
            transcript_octets: 128 << 20,
            handshake: Duration::from_secs(30),
        }
    }
}

/// Who may connect. With neither table everybody may.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// `login` and `passcode`.
    pub basic: BTreeMap<String, String>,
    /// Tokens.
    pub bearer: Option<Bearer>,
    /// The token endpoint.
    pub oauth: OAuth,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth")
            .field("basic", &self.basic.keys().collect::<Vec<_>>())
            .field("bearer", &self.bearer)
            .field("oauth", &self.oauth)
            .finish()
    }
}

/// How tokens are taken.
///
/// A token is CONNECT's header named by `header`, its `Authorization` (as
/// `Bearer x`), its `passcode`, or the `Authorization` of the upgrade: the
/// first of these that is there. A renewal must carry its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The life of a token that was not issued, from when it is first seen.
    pub ttl: Duration,
    /// One more header of CONNECT or of the upgrade that may carry the token.
    pub header: Option<String>,
    /// Whether only issued tokens are accepted (default false).
    pub issued_only: bool,
    /// For so long after its end a token is still accepted (default zero).
    pub leeway: Duration,
}

impl Bearer {
    /// Only issued tokens.
    pub(crate) fn issued() -> Self {
        Self {
            ttl: Duration::from_secs(3600),
            header: None,
            issued_only: true,
            leeway: Duration::ZERO,
        }
    }
}

/// What becomes of a live session whose token ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExpiry {
    /// ERROR 401; the session is suspended, the socket stays open and waits
    /// for a CONNECT with a live token.
    #[default]
    Suspend,
    /// ERROR 401 and Close.
    ErrorClose,
    /// Nothing: the session lives on.
    Nothing,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: String::new(),
            about: String::new(),
            seed: 0,
            dialect: Dialect::STOMP,
            error_codes: vec![CodePlace::Message, CodePlace::Code],
            forbidden: Forbidden::default(),
            versions: vec![Version::V1_0, Version::V1_1, Version::V1_2],
            subprotocols: Vec::new(),
            heart_beat: (10_000, 10_000),
            path: None,
            tls: false,
            auth: Auth::default(),
            single_session: false,
            on_expiry: OnExpiry::default(),
            suspend_grace: Duration::ZERO,
            receipt_id_header: false,
            require_host: true,
            max_deliveries: 5,
            limits: Limits::default(),
            bounds: Bounds::default(),
            rules: Vec::new(),
            http: Vec::new(),
            expect: Vec::new(),
        }
    }
}

impl Scenario {
    /// Starts from the default.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Reads a scenario file.
    ///
    /// # Errors
    /// [`ScenarioError`] names the line, the column and, for a misspelt word,
    /// the nearest known one.
    pub fn from_json(text: &str) -> Result<Self, ScenarioError> {
        parse::scenario(text)
    }
}
