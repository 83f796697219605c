//! What goes into the core and what comes out of it.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;

use super::replies::Replies;
use crate::{
    auth::{Token, TokenReason},
    config::Endpoint,
    error::{AuthError, Error, LinkError, RegionError},
    event::Event,
    frame::{Frame, Piece, Version},
    health::Health,
    metrics::Metrics,
};

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The application wants something.
    Command(Command),
    /// The upgrade is done; STOMP may start.
    LinkUp(Ticket),
    /// One complete WebSocket data message: part of a STOMP frame, one, or many.
    Message(Piece),
    /// Octets arrived, though perhaps not a whole message yet.
    Octets,
    /// The link is gone.
    LinkDown(Ticket, &'a LinkError),
    /// The token source answered.
    Token(Ticket, Result<Token, AuthError>),
    /// The region source answered.
    Region(Ticket, Result<Endpoint, RegionError>),
    /// The application gave headers for a SUBSCRIBE, or says why not.
    Headers(Ticket, Result<Vec<(String, String)>, String>),
    /// `next_deadline` has come.
    Timeout,
}

/// What is to be done.
#[derive(Debug)]
pub enum Output {
    /// Open a link; its answers carry the ticket.
    Open {
        /// Where to.
        endpoint: Endpoint,
        /// The ticket.
        ticket: Ticket,
    },
    /// Close the link after what is queued, with a WebSocket Close frame.
    Close {
        /// The close code.
        code: u16,
    },
    /// Drop the link at once. No `LinkDown` follows.
    Abort,
    /// Ask the token source; the answer carries the ticket.
    NeedToken(Ticket, TokenReason),
    /// Ask the region source; the answer carries the ticket.
    NeedRegion(Ticket),
    /// This endpoint is good: keep it for the next run.
    Remember(Endpoint),
    /// End a call.
    Reply(Waiter, Result<Reply, Error>),
    /// Hand a MESSAGE to a subscription's queue.
    Deliver {
        /// The subscription.
        key: Key,
        /// The connection it came over.
        epoch: u64,
        /// The frame.
        frame: Frame,
    },
    /// No message will come for this subscription any more, for this reason
    /// unless the application asked for it.
    Ended(Key, Option<Error>),
    /// Ask the application for the headers of a subscription that are made
    /// anew for every SUBSCRIBE; the answer carries the ticket.
    NeedHeaders(Ticket, Key),
    /// Tell the application.
    Event(Event),
    /// Tell the application that a subscription was not served for some time.
    Gap {
        /// Its id.
        subscription: String,
        /// When something was last heard before.
        since: Instant,
        /// When it was confirmed again.
        until: Instant,
    },
}

/// Names one attempt, so that a stale answer is harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

/// Names a call that waits; [`Waiter::NONE`] for one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiter(pub u64);

impl Waiter {
    /// Nobody waits.
    pub const NONE: Self = Self(0);
}

/// Names a subscription within one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

impl From<Key> for u64 {
    fn from(key: Key) -> Self {
        key.0.into()
    }
}

/// How a call ends well.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It is done, or confirmed.
    Done,
    /// A step of a drain is done.
    Drained,
    /// What a request was answered.
    Message {
        /// The reply.
        frame: Box<Frame>,
    },
    /// The counters.
    Metrics(Box<Metrics>),
    /// How the session stands.
    Health(Box<Health>),
}

/// What the application wants.
#[derive(Debug)]
pub enum Command {
    /// Connect. Answered when the session is live.
    Connect {
        /// Who waits.
        waiter: Waiter,
    },
    /// Let an encoded frame leave.
    Publish(Outgoing),
    /// Nobody waits any more for the reply to a request.
    Forget {
        /// The request, by the receipt id that it carries.
        request: u64,
    },
    /// Make a subscription. Answered when its RECEIPT came.
    Subscribe {
        /// What to subscribe to.
        subscribe: Subscribe,
        /// Who waits.
        waiter: Waiter,
        /// When the call ends at the latest.
        deadline: Instant,
    },
    /// End a subscription. Answered when its RECEIPT came.
    Unsubscribe {
        /// Which.
        key: Key,
        /// More headers, as they are to be written.
        headers: Vec<(String, String)>,
        /// Who waits.
        waiter: Waiter,
        /// When the call ends at the latest.
        deadline: Instant,
    },
    /// Make a step towards the end; answered when it is done.
    Drain {
        /// Which.
        step: DrainStep,
        /// Who waits.
        waiter: Waiter,
        /// When it is answered at the latest.
        deadline: Instant,
    },
    /// End the client: let queued frames leave, DISCONNECT, close.
    Close {
        /// Who waits.
        waiter: Waiter,
        /// When it ends at the latest.
        deadline: Instant,
    },
    /// Copy the counters.
    Metrics {
        /// Who waits.
        waiter: Waiter,
    },
    /// Say how the session stands.
    Health {
        /// Who waits.
        waiter: Waiter,
    },
}

/// The steps of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DrainStep {
    /// No new messages: UNSUBSCRIBE what needs no acknowledging, and refuse
    /// whatever else comes. Publishing goes on.
    Unsubscribe,
    /// No new frames either: UNSUBSCRIBE all, let frames leave, have them answered.
    Settle,
}

/// An encoded client frame on its way out.
#[derive(Debug)]
pub struct Outgoing {
    /// The octets, with the final NUL.
    pub octets: Bytes,
    /// The oldest version in which these octets mean what they should.
    pub needs: Version,
    /// The receipt id that the frame carries.
    pub receipt: Option<u64>,
    /// Who waits for the receipt.
    pub waiter: Waiter,
    /// Until when it may wait to leave, and for its RECEIPT.
    pub deadline: Instant,
    /// Whether it leaves again on the next connection if this one ends before
    /// the RECEIPT came.
    pub replay: bool,
    /// The connection to which an ACK or NACK belongs.
    pub epoch: Option<u64>,
    /// The transaction to which the frame belongs.
    pub transaction: Option<(u64, TransactionStep)>,
    /// Where a reply is awaited, if the frame is a request. It carries a receipt id.
    pub replies: Option<Arc<Replies>>,
}

/// What a frame does to its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// BEGIN.
    Begin,
    /// A frame within it.
    Within,
    /// COMMIT or ABORT.
    End,
}

/// How a subscription acknowledges (STOMP 1.2 §SUBSCRIBE ack header).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AckMode {
    /// Delivery is acknowledgement. The default.
    #[default]
    Auto,
    /// ACK is cumulative.
    Client,
    /// ACK is for one message.
    ClientIndividual,
}

impl AckMode {
    /// The value of the `ack` header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Client => "client",
            Self::ClientIndividual => "client-individual",
        }
    }
}

/// A subscription as it is sent, and sent again on every new connection.
#[derive(Debug, Clone)]
pub struct Subscribe {
    /// Its name within the client; chosen by the caller, never used twice.
    pub key: Key,
    /// The `id` header.
    pub id: String,
    /// The `destination` header.
    pub destination: String,
    /// The `ack` header.
    pub ack: AckMode,
    /// More headers (`selector` among them).
    pub headers: Vec<(String, String)>,
    /// Headers that were made for the first SUBSCRIBE, if others are to be made
    /// for each that follows.
    pub fresh: Option<Vec<(String, String)>>,
    /// Whether its MESSAGEs are compared with those before.
    pub dedupe: Option<Dedupe>,
}

/// Drops a MESSAGE that has come before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedupe {
    /// The header that tells messages apart.
    pub header: &'static str,
    /// How many values are remembered.
    pub window: usize,
}

/// A transaction's id as it stands in a header.
pub(crate) fn transaction_text(id: u64) -> String {
    format!("t{id}")
}
