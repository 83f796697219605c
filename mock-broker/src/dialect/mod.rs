//! How known brokers differ from the specification and from one another, as
//! data: one [`Dialect`] each.
//!
//! The names `DLX-..` are those of the project's list of deviations; what has
//! no such name was seen on a running broker.

mod brokers;

use crate::wire::Rules;
use std::time::Duration;

/// The manners of a broker. [`Dialect::STOMP`] is what the specification
/// says; the others deviate where the real ones do, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dialect {
    /// The word in scenario files.
    pub name: &'static str,
    /// Which subprotocols are known beside those of STOMP.
    pub subprotocols: &'static [&'static str],
    /// The subprotocol that is named if no offered one is known, offered or
    /// not.
    pub unasked_subprotocol: Option<&'static str>,
    /// The `server` header of CONNECTED; `None` leaves it out.
    pub server: Option<&'static str>,
    /// How octets are read (DLX-12, DLX-13, DLX-18, DLX-23, DLX-28, DLX-36).
    pub rules: Rules,
    /// How frames are cut into WebSocket messages, and which ones are heard.
    pub messages: Messages,
    /// A LF follows every frame (DLX-16).
    pub trailing_lf: bool,
    /// CONNECTED is escaped like any other frame (DLX-12).
    pub connected_escapes: bool,
    /// Nothing that is sent is escaped (DLX-20, DLX-36).
    pub no_escapes: bool,
    /// When MESSAGE has a content-length.
    pub content_length: ContentLength,
    /// The heart-beat itself (DLX-01).
    pub beat: &'static [u8],
    /// What CONNECTED says of heart-beats (DLX-14, DLX-22, DLX-27).
    pub heart_beat: HeartBeat,
    /// For how much longer than agreed a client may be silent: this part of
    /// the interval (DLX-19, DLX-43), but at least `grace`.
    pub tolerance: f64,
    /// See `tolerance`.
    pub grace: Duration,
    /// A client that agreed to no heart-beats may be silent for so long
    /// (DLX-22).
    pub idle: Option<Duration>,
    /// Which frames are confirmed (DLX-26).
    pub receipts: Receipts,
    /// `receipt-id` asks for a receipt as `receipt` does (DLX-02).
    pub receipt_id_header: bool,
    /// A receipt on CONNECT is answered inside of CONNECTED.
    pub connect_receipt: bool,
    /// ERROR names the receipt that the refused frame asked for (DLX-09).
    pub error_receipt: bool,
    /// ERROR says codes at all: `message` and `code`, unless the scenario wants
    /// other places (DLX-05).
    pub error_codes: bool,
    /// Every ERROR has a `version` header (DLX-09).
    pub error_version: bool,
    /// What breaches end in.
    pub endings: Endings,
    /// The Close after DISCONNECT.
    pub farewell: (u16, &'static str),
    /// CONNECT without `host` is refused.
    pub host_required: bool,
    /// SUBSCRIBE of 1.1 and 1.2 needs an `id`.
    pub id_required: bool,
    /// Unknown `ack` modes count as `auto`.
    pub any_ack_mode: bool,
    /// BEGIN of an open transaction changes nothing.
    pub begin_twice: bool,
    /// SEND with a `message-id` is refused.
    pub message_id_refused: bool,
    /// The sender's `receipt` and `transaction` reach the consumer.
    pub leaks: bool,
    /// MESSAGE also has `expires`, `priority` and `timestamp`.
    pub jms_headers: bool,
    /// How ack ids look.
    pub ack_id: AckId,
    /// A cumulative ACK settles the older messages of all subscriptions of
    /// the connection (DLX-15).
    pub ack_connection_wide: bool,
    /// What NACK does (DLX-21, DLX-26).
    pub nack: Nack,
    /// Where messages go that nobody wants.
    pub dead_letters: Option<&'static str>,
    /// What transactions do (DLX-21, DLX-26).
    pub transactions: Transactions,
    /// SUBSCRIBE's `selector` is heeded.
    pub selectors: bool,
    /// SUBSCRIBE's header that bounds the unacknowledged messages.
    pub prefetch: Option<&'static str>,
    /// How destinations are named.
    pub naming: Naming,
    /// How patterns of topics are written.
    pub wildcards: Wildcards,
    /// What marks a durable subscription.
    pub durable: Durable,
    /// What a scenario file leaves out is so: tokens end as
    /// [`OnExpiry`](crate::OnExpiry) says, ...
    pub on_expiry: crate::OnExpiry,
    /// ... and identities have one session (DLX-04).
    pub single_session: bool,
}

/// How frames and WebSocket messages go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// A message holds exactly one frame or one LF (DLX-17).
    pub one_frame: bool,
    /// Binary messages are not heard.
    pub binary_ignored: bool,
    /// Text messages are answered with Close 1003 (websockify).
    pub text_refused: bool,
    /// What is sent is binary (DLX-24), even if it is UTF-8.
    pub send_binary: bool,
    /// What is sent is text, even if it is not UTF-8.
    pub send_text: bool,
    /// Larger messages are answered with Close 1009.
    pub largest: Option<usize>,
}

/// When MESSAGE has a content-length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentLength {
    /// Always.
    Always,
    /// If there is a body.
    WithBody,
    /// If the SEND had one.
    AsSent,
}

/// What CONNECTED says of heart-beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeartBeat {
    /// What the scenario says.
    Own,
    /// The client's pair swapped; with seconds, cut to whole ones, at least
    /// one (DLX-14).
    Mirrored {
        /// Whole seconds only.
        seconds: bool,
    },
    /// What the scenario says, but never faster than so many milliseconds
    /// (DLX-22).
    Floor(u64),
    /// `0,0` (DLX-27).
    None,
}

/// Which frames are confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipts {
    /// Every one that asks.
    All,
    /// Only DISCONNECT (DLX-26).
    Disconnect,
    /// All but DISCONNECT: the Close overtakes its RECEIPT.
    NotDisconnect,
}

/// What a breach ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// ERROR, then Close with this code.
    Error(u16),
    /// ERROR, and the connection goes on (DLX-06, DLX-07, DLX-08).
    ErrorOpen,
    /// Close without ERROR (DLX-10, DLX-11).
    Close(u16, &'static str),
    /// It is taken for good.
    Fine,
}

/// What each kind of breach ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endings {
    /// A frame that cannot be done as it stands.
    pub frame: Ending,
    /// An unknown command.
    pub command: Ending,
    /// Octets that are no frame.
    pub octets: Ending,
    /// A content-length that is wrong.
    pub length: Ending,
    /// Wrong credentials.
    pub login: Ending,
    /// No common version.
    pub version: Ending,
    /// CONNECT on a live session (DLX-44).
    pub second_connect: Ending,
    /// A subscription id in use.
    pub twin: Ending,
    /// No heart-beat.
    pub silence: Ending,
    /// SUBSCRIBE with a token that has ended, where that does nothing by
    /// itself.
    pub stale_token: Ending,
}

impl Endings {
    /// Everything ends in the same.
    pub const fn all(ending: Ending) -> Self {
        Self {
            frame: ending,
            command: ending,
            octets: ending,
            length: ending,
            login: ending,
            version: ending,
            second_connect: ending,
            twin: ending,
            silence: ending,
            stale_token: Ending::Fine,
        }
    }
}

/// How ack ids look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckId {
    /// `a-17`.
    Plain,
    /// `T_<subscription>@@session-..@@17`, as RabbitMQ's.
    Rabbit,
    /// `ID:<session>:17`, as ActiveMQ's: its colons are escaped on the wire.
    Colons,
}

/// What NACK does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nack {
    /// The message is delivered again, until it was delivered as often as the
    /// scenario allows; then it is a dead letter.
    Again,
    /// The message is delivered again, without end.
    Forever,
    /// The message is a dead letter at once.
    Bury,
    /// The same as ACK (DLX-21).
    Ack,
    /// Nothing; nor does ACK (DLX-26).
    Nothing,
}

/// What transactions do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transactions {
    /// What the specification says.
    Full,
    /// ACK and NACK take effect at once (DLX-21).
    SendsOnly,
    /// Nothing: every frame takes effect at once (DLX-26).
    Ignored,
}

/// How destinations are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `/queue/..` and `/amq/queue/..` are queues, `/temp-queue/..` a queue of
    /// one's own, everything else a topic.
    Free,
    /// Everything is a topic: the simple broker knows no queues.
    Topics,
    /// `/queue/x`, `/topic/x`, `/exchange/x[/key]`, `/amq/queue/x` with `x`
    /// free of slashes; other prefixes are refused, names without a slash are
    /// queues; `/temp-queue/x` only as `reply-to`.
    Rabbit,
}

/// How patterns of topics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wildcards {
    /// What stands between the segments of a name.
    pub separators: &'static [char],
    /// Stands for one segment.
    pub one: &'static str,
    /// Each stands for any number of segments.
    pub many: &'static [&'static str],
    /// Stands at the end for one segment or more.
    pub rest: Option<&'static str>,
}

/// What marks a durable subscription: it outlives its session and keeps what
/// comes meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// There are none.
    None,
    /// `durable:true` on SUBSCRIBE; its name is the `id`, for each `client-id`
    /// or identity. UNSUBSCRIBE with `durable:true` ends it.
    Header,
    /// `activemq.subscriptionName` on SUBSCRIBE, with a `client-id`.
    Named,
}

impl Dialect {
    /// All that have a name.
    pub const ALL: [Self; 7] = [
        Self::STOMP,
        Self::RABBITMQ,
        Self::ACTIVEMQ,
        Self::ARTEMIS,
        Self::SPRING_SIMPLE,
        Self::EMQX,
        Self::CONTACT_CENTRE,
    ];

    /// The dialect of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name == name)
    }

    /// The same broker behind a websockify bridge: everything is binary, and
    /// the only subprotocol is `binary`.
    #[must_use]
    pub const fn behind_websockify(mut self) -> Self {
        self.messages = Messages {
            one_frame: false,
            binary_ignored: false,
            text_refused: true,
            send_binary: true,
            send_text: false,
            largest: None,
        };
        self.subprotocols = &["binary"];
        self.unasked_subprotocol = None;
        self
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::STOMP
    }
}

/// Dialects are told by their names.
impl std::fmt::Display for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
