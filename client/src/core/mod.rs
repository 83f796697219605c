//! Every protocol decision, and nothing else: no I/O, no clock, no thread.
//!
//! Hand in what happened with [`Core::handle`], then drain [`Core::poll`] to
//! `None`; pull frames with [`Core::poll_transmit`] while the link can write;
//! come back with [`Input::Timeout`] at [`Core::next_deadline`].

mod broker_error;
mod calls;
mod close;
mod connect;
mod dedupe;
mod drain;
mod endpoints;
mod headers;
mod health;
mod heartbeat;
mod io;
mod lines;
mod loss;
mod operations;
mod outbox;
mod pass;
mod phase;
mod quarantine;
mod reauth;
mod receive;
mod redial;
mod region;
mod replies;
mod rotate;
mod subscriptions;
mod suspects;
mod timers;
mod tokens;
mod transactions;
mod transmit;

#[cfg(test)]
mod sim;

/// A moment for tests to count from.
#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "tests need a first moment, and only one"
)]
fn some_instant() -> Instant {
    Instant::now()
}

use std::{collections::VecDeque, sync::Arc, time::Instant};

pub(crate) use io::transaction_text;
pub use io::{
    AckMode, Command, Dedupe, DrainStep, Input, Key, Outgoing, Output, Reply, Subscribe, Ticket,
    TransactionStep, Waiter,
};
pub(crate) use operations::{receipt_headers, receipt_text};
pub use pass::Passing;
pub use phase::Phase;
pub use replies::Replies;

use crate::{
    config::Config,
    error::Error,
    event::Event,
    frame::{DecodeLimits, Decoder, Frame, Piece, Version},
    metrics::Metrics,
    rng::Rng,
};
use endpoints::Endpoints;
use heartbeat::Beats;
use operations::Operations;
use outbox::Outbox;
use subscriptions::Subscriptions;
use timers::Timers;
use tokens::Tokens;
use transactions::Transactions;

/// One STOMP session over any number of connections.
#[derive(Debug)]
pub struct Core {
    config: Arc<Config>,
    phase: Phase,
    link: Link,
    /// Tickets given out so far.
    tickets: u64,
    /// Connections that came up so far; the number of the present one.
    epoch: u64,
    version: Version,
    decoder: Decoder,
    timers: Timers,
    outputs: VecDeque<Output>,
    /// Messages that come before all `outputs`: most of what a core puts out,
    /// and much smaller than the rest.
    deliveries: VecDeque<(Key, Frame)>,
    /// Calls that were confirmed, before all `outputs`, too.
    confirmed: VecDeque<Waiter>,
    outbox: Outbox,
    /// Where frames without a body are written.
    written: bytes::BytesMut,
    operations: Operations,
    requests: replies::Requests,
    subscriptions: Subscriptions,
    /// Subscriptions whose SUBSCRIBE is to leave before anything else.
    replay: VecDeque<Key>,
    suspects: suspects::Suspects,
    transactions: Transactions,
    beats: Beats,
    endpoints: Endpoints,
    /// The region source has been asked.
    region: Option<Ticket>,
    /// Whether the wait for the next attempt is only for an endpoint's sake.
    may_hurry: bool,
    /// Connection attempts since the last stable session.
    attempts: u32,
    /// When there was the last stable session, or the first attempt after it.
    troubled_since: Option<Instant>,
    /// Sessions in a row that ended before they were stable.
    short_sessions: u32,
    /// Whether the session that is live, or ended last, was stable.
    was_stable: Option<bool>,
    /// The session is to be rotated as soon as there is a token.
    rotation_due: bool,
    tokens: Tokens,
    reauth: reauth::Reauthentication,
    /// What follows when the link is gone, if that was decided already.
    intent: Option<Intent>,
    graceful: Option<close::Graceful>,
    drain: drain::Drain,
    connect_waiters: Vec<Waiter>,
    close_waiters: Vec<Waiter>,
    /// 409 answers since the last stable session.
    conflicts: u32,
    ever_online: bool,
    /// Why the last attempt failed or the last connection ended.
    last_cause: Option<Error>,
    rng: Rng,
    metrics: Metrics,
    /// A subscription was refused that had been in quarantine before.
    refused_again: bool,
    /// Expired frames that no event has told of.
    expired: u64,
}

/// The link as the core sees it. There is never a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    None,
    Opening(Ticket),
    Up(Ticket),
    Closing(Ticket),
}

/// What follows when the link is gone.
#[derive(Debug)]
enum Intent {
    /// Connect again without delay.
    Redial,
    /// Connect again after the back-off.
    Wait(Error),
    /// Give up for good.
    Fail(Error),
    /// The application asked to end.
    End,
}

impl Core {
    /// A session that has not been asked to connect. `seed` feeds the jitter.
    #[must_use]
    pub fn new(config: Arc<Config>, seed: u64, now: Instant) -> Self {
        let limits = config.limits;
        Self {
            phase: Phase::Idle,
            link: Link::None,
            tickets: 0,
            epoch: 0,
            version: Version::V1_2,
            decoder: Decoder::new(DecodeLimits {
                frame: limits.frame,
                headers: limits.headers,
                header_octets: limits.header_octets,
            }),
            timers: Timers::new(now),
            outputs: VecDeque::new(),
            deliveries: VecDeque::new(),
            confirmed: VecDeque::new(),
            outbox: Outbox::new(limits.outbox, limits.operations),
            written: bytes::BytesMut::new(),
            operations: Operations::default(),
            requests: replies::Requests::default(),
            subscriptions: Subscriptions::default(),
            replay: VecDeque::new(),
            suspects: suspects::Suspects::default(),
            transactions: Transactions::default(),
            beats: Beats::new(now),
            endpoints: Endpoints::new(&config),
            region: None,
            may_hurry: false,
            attempts: 0,
            troubled_since: None,
            short_sessions: 0,
            was_stable: None,
            rotation_due: false,
            tokens: Tokens::new(config.backoff),
            reauth: reauth::Reauthentication::default(),
            intent: None,
            graceful: None,
            drain: drain::Drain::default(),
            connect_waiters: Vec::new(),
            close_waiters: Vec::new(),
            conflicts: 0,
            ever_online: false,
            last_cause: None,
            rng: Rng::new(seed),
            metrics: Metrics::default(),
            refused_again: false,
            expired: 0,
            config,
        }
    }

    /// Takes in what happened. Call [`poll`](Self::poll) to `None` afterwards;
    /// the answers of `poll_transmit` and `next_deadline` may have changed.
    #[inline(always)]
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Command(command) => self.command(now, command),
            Input::LinkUp(ticket) => self.link_up(now, ticket),
            Input::Message(piece) => self.message(now, piece),
            Input::Octets => {
                self.metrics.beats_missed += self.beats.missed(now);
                self.beats.heard(now);
            }
            Input::LinkDown(ticket, error) => self.link_down(now, ticket, error),
            Input::Token(ticket, answer) => self.token(now, ticket, answer),
            Input::Region(ticket, answer) => self.region(now, ticket, answer),
            Input::Headers(ticket, answer) => self.headers(now, ticket, answer),
            Input::Timeout => self.timeout(now),
        }
        self.drain_progress();
    }

    /// The next thing to do. Changes after `handle` and `poll_transmit`: a frame
    /// that may not leave any more is answered there.
    pub fn poll(&mut self) -> Option<Output> {
        match self.deliveries.pop_front() {
            Some((key, frame)) => Some(Output::Deliver {
                key,
                epoch: self.epoch,
                frame,
            }),
            None => match self.confirmed.pop_front() {
                Some(waiter) => Some(Output::Reply(waiter, Ok(Reply::Done))),
                None => self.outputs.pop_front(),
            },
        }
    }

    /// Calls that a RECEIPT has ended well: what [`poll`](Self::poll) gives next, to
    /// be taken together.
    pub fn confirmed(&mut self) -> &mut VecDeque<Waiter> {
        &mut self.confirmed
    }

    /// Messages of the present connection: what [`poll`](Self::poll) gives before
    /// all else, to be taken together.
    pub fn deliveries(&mut self) -> &mut VecDeque<(Key, Frame)> {
        &mut self.deliveries
    }

    /// Whether [`poll`](Self::poll) has nothing but deliveries and calls that were
    /// confirmed. Changes as `poll` does.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.outputs.is_empty()
    }

    /// When [`Input::Timeout`] is due: may be early, never late. Changes after
    /// `handle` and `poll_transmit`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match (self.timers.next_deadline(), self.beats.next_deadline()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Where the session stands. Changes only after `handle`.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The number of the present connection, from 1; ACK and NACK belong to one.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The negotiated version; 1.2 before there is one.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether so many frames, together of `size` octets, may be published now.
    /// Changes after `handle` and `poll_transmit`.
    #[must_use]
    pub fn has_room(&self, frames: usize, size: usize) -> bool {
        let held = self.operations.octets() + self.requests.octets();
        self.outbox.has_room(frames, size, held)
            && self.operations.len() + frames <= self.config.limits.operations
    }

    /// Begins with this endpoint, as it prints itself, if it is one of those given.
    pub fn prefer(&mut self, endpoint: &str) {
        self.endpoints.prefer(endpoint);
    }

    /// Messages were dropped because a queue was full.
    pub fn dropped(&mut self, messages: u64) {
        self.metrics.dropped += messages;
    }

    #[inline(never)]
    fn message(&mut self, now: Instant, piece: Piece) {
        if !matches!(self.link, Link::Up(_)) {
            return;
        }
        // Those of one read come at the same time.
        if self.beats.last_heard() != now {
            self.metrics.beats_missed += self.beats.missed(now);
            self.beats.heard(now);
        }
        self.metrics.octets_in += piece.octets().len() as u64;
        if let Some(id) = receive::plain_receipt(piece.octets()) {
            if self.decoder.pass_over(piece.octets().len()) {
                self.metrics.frames_in += 1;
                return self.receipt(now, Some(id));
            }
        }
        match self.decoder.take(piece) {
            Ok(frame) => self.receive(now, frame),
            Err(piece) => self.pieces(now, piece),
        }
    }

    /// Part of a frame, many frames, or one that is read with more care.
    fn pieces(&mut self, now: Instant, piece: Piece) {
        self.decoder.push(piece);
        loop {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => self.receive(now, frame),
                Ok(None) => return,
                Err(e) => return self.protocol_failure(now, e.into()),
            }
            // A frame may have ended the session; what follows it is void.
            if !matches!(self.link, Link::Up(_)) {
                return;
            }
        }
    }

    fn next_ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn reply(&mut self, waiter: Waiter, result: Result<Reply, Error>) {
        if waiter != Waiter::NONE {
            self.outputs.push_back(Output::Reply(waiter, result));
        }
    }

    fn confirm(&mut self, waiter: Waiter) {
        if self.outputs.is_empty() && waiter != Waiter::NONE {
            self.confirmed.push_back(waiter);
        } else {
            self.reply(waiter, Ok(Reply::Done));
        }
    }

    /// A subscription is over. That to replies is nobody's.
    fn ended(&mut self, key: Key, cause: Option<Error>) {
        if key != replies::REPLIES {
            self.outputs.push_back(Output::Ended(key, cause));
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
