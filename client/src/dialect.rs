//! What differs between brokers, as data.

/// How a broker departs from the letter of STOMP, or which of its freedoms it takes.
///
/// The reader of this library is lenient towards every known broker; a dialect
/// says what the writer and the session do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// The octet of an outgoing heart-beat.
    pub heart_beat: BeatOctet,
    /// After how many hundredths of the agreed interval, at the least, a silent
    /// broker is dead; see
    /// [`HeartBeat::tolerance_percent`](crate::config::HeartBeat).
    pub beat_tolerance: u32,
    /// The header that asks for a RECEIPT.
    pub receipt_header: ReceiptHeader,
    /// What follows an ERROR with code 401.
    pub reauth: Reauth,
    /// The WebSocket subprotocols offered, most wanted first.
    pub subprotocols: &'static [&'static str],
    /// What kind of WebSocket messages carry the frames.
    pub messages: MessageKind,
    /// Whether header values of CONNECT are escaped (STOMP says no; RabbitMQ and
    /// ActiveMQ decode them all the same).
    pub connect_escaping: bool,
    /// Whether ACK and NACK name the subscription in 1.2, too, as brokers want
    /// that took over 1.1's rule (OpenMQ).
    pub ack_subscription: bool,
    /// Whether an ERROR that names a subscription ends only that subscription.
    pub subscription_errors: bool,
    /// The header of SUBSCRIBE that says how many unacknowledged messages may be
    /// under way, if there is one.
    pub prefetch_header: Option<&'static str>,
    /// Where the replies to requests come.
    pub replies: ReplyQueue,
    /// The `login` that stands beside a token in `passcode`, if any.
    pub bearer_login: Option<&'static str>,
    /// A header of CONNECT that says `Bearer <token>`, beside `passcode`, if the
    /// broker looks there.
    pub bearer_header: Option<&'static str>,
}

impl Dialect {
    /// The letter of STOMP 1.2. The default.
    pub const STOMP: Self = Self {
        heart_beat: BeatOctet::Eol,
        beat_tolerance: 100,
        receipt_header: ReceiptHeader::Receipt,
        reauth: Reauth::Redial,
        subprotocols: &["v12.stomp", "v11.stomp"],
        messages: MessageKind::Text,
        connect_escaping: false,
        ack_subscription: false,
        subscription_errors: false,
        prefetch_header: None,
        replies: ReplyQueue::Subscribed("/queue/"),
        bearer_login: None,
        bearer_header: None,
    };

    /// Contact-centre gateways: NUL heart-beats, `receipt-id` beside `receipt`,
    /// reauthentication on the same socket, `login:Bearer`. Gateways that want a
    /// subprotocol of their own, such as `v10.stomp.<vendor>`, get it from
    /// [`with_subprotocols`](Self::with_subprotocols).
    pub const CONTACT_CENTRE: Self = Self {
        heart_beat: BeatOctet::Nul,
        receipt_header: ReceiptHeader::Both,
        reauth: Reauth::InBand,
        bearer_login: Some("Bearer"),
        ..Self::STOMP
    };

    /// RabbitMQ's Web-STOMP plugin.
    ///
    /// It decodes escapes in CONNECT, ends a single subscription with an ERROR
    /// that names it, and never confirms DISCONNECT but closes. It never tells
    /// that a token has ended: see [`Rotate::Planned`](crate::config::Rotate).
    ///
    /// RabbitMQ 3.10 ends a session whose client has promised heart-beats if it
    /// publishes fast enough to be held back by flow control (a thousand frames
    /// at once). Such publishers do better with
    /// [`heart_beat`](crate::Builder::heart_beat) 0 outwards.
    pub const RABBITMQ: Self = Self {
        connect_escaping: true,
        subscription_errors: true,
        prefetch_header: Some("prefetch-count"),
        replies: ReplyQueue::Implied("/temp-queue/"),
        ..Self::STOMP
    };

    /// ActiveMQ Classic.
    ///
    /// It decodes escapes in CONNECT. One frame in each WebSocket message, and
    /// a heart-beat that is exactly one LF, are what every dialect here writes
    /// but [`CONTACT_CENTRE`](Self::CONTACT_CENTRE).
    ///
    /// After traffic its next heart-beat comes up to two intervals later, so it is
    /// not dead before two and a half.
    pub const ACTIVEMQ: Self = Self {
        beat_tolerance: 250,
        connect_escaping: true,
        prefetch_header: Some("activemq.prefetchSize"),
        replies: ReplyQueue::Subscribed("/temp-queue/"),
        ..Self::STOMP
    };

    /// The same dialect with other subprotocols.
    #[must_use]
    pub const fn with_subprotocols(self, subprotocols: &'static [&'static str]) -> Self {
        Self {
            subprotocols,
            ..self
        }
    }

    /// The same dialect in BINARY WebSocket messages, as bridges from WebSocket
    /// to TCP want them. Such a bridge knows no subprotocol of STOMP either:
    /// websockify, for one, is spoken to with
    /// `Dialect::ACTIVEMQ.with_binary_messages().with_subprotocols(&[])`.
    #[must_use]
    pub const fn with_binary_messages(self) -> Self {
        Self {
            messages: MessageKind::Binary,
            ..self
        }
    }

    /// The same dialect with the subscription named in ACK and NACK.
    #[must_use]
    pub const fn with_ack_subscription(self) -> Self {
        Self {
            ack_subscription: true,
            ..self
        }
    }

    /// The same dialect with the token in a header of CONNECT as well, such as
    /// `Authorization`, as `Bearer <token>`.
    #[must_use]
    pub const fn with_bearer_header(self, name: &'static str) -> Self {
        Self {
            bearer_header: Some(name),
            ..self
        }
    }

    /// The same dialect with another way of reauthentication.
    #[must_use]
    pub const fn with_reauth(self, reauth: Reauth) -> Self {
        Self { reauth, ..self }
    }
}

impl Default for Dialect {
    fn default() -> Self {
        Self::STOMP
    }
}

/// Where the replies to a client's requests come: to a destination that begins so,
/// and ends with a name that no other client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyQueue {
    /// The client subscribes to it.
    Subscribed(&'static str),
    /// A `reply-to` header that names it makes it and subscribes to it; SUBSCRIBE
    /// is refused.
    Implied(&'static str),
}

/// What kind of WebSocket messages carry the frames; what arrives may be either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// TEXT; BINARY for a frame that is not UTF-8.
    Text,
    /// BINARY.
    Binary,
}

/// The octet of an outgoing heart-beat (STOMP 1.2 §Heart-beating says EOL).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeatOctet {
    /// One LF.
    Eol,
    /// One NUL.
    Nul,
}

/// The header with which a client frame asks for a RECEIPT (STOMP 1.2 §Header receipt).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptHeader {
    /// `receipt`, as STOMP says.
    Receipt,
    /// `receipt-id`.
    ReceiptId,
    /// Both headers with the same value.
    Both,
}

/// What follows an ERROR with code 401 on a live session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reauth {
    /// Close the socket and connect again with a new token, without back-off.
    Redial,
    /// CONNECT with a new token on the same socket; redial if the socket closes.
    InBand,
}
