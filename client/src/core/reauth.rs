//! Tokens that end: fetched ahead, replaced on the same socket or by a redial.

use std::time::{Duration, Instant};

use super::{
    Core, Intent, Link, Phase,
    io::{Key, Output, Reply, Ticket},
    operations::{Kind, Operation, Replayed},
    outbox::Entry,
    replies::Request,
    subscriptions::State,
    timers::Once,
};
use crate::{
    auth::{Token, TokenReason},
    config::Credentials,
    dialect::Reauth,
    error::{AuthError, BrokerError, Error, Stage},
    event::Event,
    frame::Frame,
};

/// How far a reauthentication on the live socket has come.
#[derive(Debug, Default)]
pub(super) struct Reauthentication {
    suspended_at: Option<Instant>,
    /// The receipt id of the CONNECT that has been sent.
    asked: Option<u64>,
    /// CONNECTs to which CONNECTED may yet come.
    unanswered: u32,
    /// The CONNECT that CONNECTED has answered; its RECEIPT is under way.
    settled: Option<u64>,
    /// A 401 came that may have answered the CONNECT.
    doubted: bool,
}

/// Whether a 401 answers the CONNECT that was sent on the live socket.
enum Verdict {
    /// It names another receipt, or no CONNECT has been sent.
    Elsewhere,
    /// It names none: it may answer a frame that had left before.
    Unclear,
    Refused,
}

/// How much longer the answer to a CONNECT is awaited after a 401 that may have
/// been it. A second CONNECT on a session that has accepted the first would cost
/// both; a new connection costs little.
const DOUBT: Duration = Duration::from_secs(2);

impl Reauthentication {
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn is_asked_with(&self, id: u64) -> bool {
        self.asked == Some(id)
    }

    /// Takes note of a CONNECTED, if a CONNECT may have caused it.
    pub(super) fn take_answer(&mut self) -> bool {
        let is_due = self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        is_due
    }

    pub(super) fn take_settled(&mut self, id: u64) -> bool {
        self.settled.take_if(|settled| *settled == id).is_some()
    }
}

impl Core {
    /// Asks the token source, unless it has been asked already.
    pub(super) fn fetch(&mut self, now: Instant, reason: TokenReason) {
        let ticket = self.next_ticket();
        if self.tokens.fetch(ticket, reason) {
            let limit = now + self.config.timeouts.token;
            self.timers.arm(Once::Fetch, limit);
            self.outputs.push_back(Output::NeedToken(ticket, reason));
        }
    }

    /// The held token will end soon; the live session is not touched.
    pub(super) fn renew(&mut self, now: Instant) {
        self.fetch(now, TokenReason::Renew);
    }

    pub(super) fn token(&mut self, now: Instant, ticket: Ticket, answer: Result<Token, AuthError>) {
        let Some(reason) = self.tokens.answers(ticket) else {
            return;
        };
        self.timers.disarm(Once::Fetch);
        match answer {
            Ok(token) => {
                let refused = reason == TokenReason::Refused;
                let renew = self.tokens.keep(now, token, refused, &mut self.rng);
                match renew {
                    Some(at) => self.timers.arm(Once::Renew, at),
                    None => self.timers.disarm(Once::Renew),
                }
                self.token_held(now);
            }
            Err(e) => self.token_failed(now, Error::Auth(e)),
        }
    }

    fn token_held(&mut self, now: Instant) {
        match self.phase {
            Phase::Dialing if self.link == Link::None => self.open(),
            Phase::Suspended if !self.reauth.is_asked() => self.rebind(now),
            Phase::Online => self.rotate_if_due(now),
            Phase::Idle
            | Phase::Dialing
            | Phase::Handshaking
            | Phase::Suspended
            | Phase::Waiting
            | Phase::Closing
            | Phase::Closed => {}
        }
    }

    pub(super) fn fetch_expired(&mut self, now: Instant) {
        self.tokens.give_up();
        self.token_failed(now, Error::Timeout(Stage::Token));
    }

    /// A failed fetch is a failed connection attempt if one waits for it, and
    /// otherwise a reason to ask again later.
    fn token_failed(&mut self, now: Instant, cause: Error) {
        self.tell(Event::TokenFailed {
            cause: cause.clone(),
        });
        let is_final = !cause.is_retryable();
        let intent = if is_final {
            Intent::Fail(cause)
        } else {
            Intent::Wait(cause)
        };
        match self.phase {
            Phase::Dialing if self.link == Link::None => self.give_up(now, 1000, intent),
            Phase::Suspended => self.give_up(now, 1000, intent),
            // The session may yet live long; if it needs a token it will ask.
            Phase::Handshaking | Phase::Online | Phase::Waiting | Phase::Dialing if is_final => {}
            Phase::Handshaking | Phase::Online | Phase::Waiting | Phase::Dialing => {
                let again = now + self.tokens.next_delay(&mut self.rng);
                self.timers.arm(Once::Renew, again);
            }
            Phase::Idle | Phase::Closing | Phase::Closed => {}
        }
    }

    /// An ERROR with code 401. Returns false if it is to be treated like any other.
    pub(super) fn unauthorised(&mut self, now: Instant, frame: &Frame) -> bool {
        if !matches!(self.config.credentials, Credentials::Token { .. }) {
            return false;
        }
        match self.phase {
            Phase::Handshaking => self.refused_token(now, Intent::Redial),
            Phase::Online => {
                self.tokens.refused();
                if self.tokens.is_hopeless(now, self.config.backoff.initial) {
                    let error = BrokerError::new(Some(401), frame.clone());
                    self.give_up(now, 1000, Intent::Wait(error.into()));
                    return true;
                }
                match self.config.dialect.reauth {
                    Reauth::Redial => {
                        self.metrics.losses.token += 1;
                        self.give_up(now, 1000, Intent::Redial);
                        true
                    }
                    Reauth::InBand => {
                        self.suspend(now);
                        true
                    }
                }
            }
            Phase::Suspended => {
                match self.verdict(frame) {
                    // A frame that crossed the first 401 on the wire.
                    Verdict::Elsewhere => return true,
                    Verdict::Unclear => {
                        self.doubt(now);
                        return true;
                    }
                    Verdict::Refused => {}
                }
                let final_refusal = self.tokens.refused();
                if final_refusal {
                    return false;
                }
                self.reauth.unanswered = self.reauth.unanswered.saturating_sub(1);
                self.operations.take(|o| o.kind == Kind::Rebind);
                self.reauth.asked = None;
                self.timers.disarm(Once::Open);
                self.present_or_fetch(now);
                true
            }
            Phase::Idle | Phase::Dialing | Phase::Waiting | Phase::Closing | Phase::Closed => false,
        }
    }

    fn refused_token(&mut self, now: Instant, intent: Intent) -> bool {
        if self.tokens.refused() {
            return false;
        }
        self.give_up(now, 1000, intent);
        true
    }

    fn verdict(&self, frame: &Frame) -> Verdict {
        match (self.reauth.asked, frame.header("receipt-id")) {
            (None, _) => Verdict::Elsewhere,
            (Some(_), None) => Verdict::Unclear,
            (Some(asked), Some(id)) if *id == *super::receipt_text(asked) => Verdict::Refused,
            (Some(_), Some(_)) => Verdict::Elsewhere,
        }
    }

    /// If nothing clearer comes soon, the token is presented on a new
    /// connection, where the answer can only mean that.
    fn doubt(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.reauth.doubted, true) {
            let patience = DOUBT.min(self.config.timeouts.open);
            self.timers.arm(Once::Open, now + patience);
        }
    }

    /// Nothing leaves until a new token is accepted.
    fn suspend(&mut self, now: Instant) {
        self.phase.advance(Phase::Suspended);
        self.reauth.reset();
        self.reauth.suspended_at = Some(now);
        self.beats.stop();
        self.doubt_transactions();
        self.outbox.clear_urgent();
        self.outbox.forget_abandoned();
        self.timers.disarm(Once::Stable);
        self.tell(Event::Suspended);
        self.present_or_fetch(now);
    }

    /// The 401 may have answered a frame of a transaction whose COMMIT had left,
    /// too: a RECEIPT for that one would not say that all of it took effect.
    fn doubt_transactions(&mut self) {
        for (_, operation) in self.operations.take(|o| o.ends && o.sent.is_some()) {
            self.timers.cancel(operation.timer);
            self.reply(operation.waiter, Err(Error::Lost));
        }
    }

    fn present_or_fetch(&mut self, now: Instant) {
        if self.tokens.usable(now) {
            self.rebind(now);
        } else {
            self.fetch(now, self.tokens.reason());
        }
    }

    /// CONNECT with the new token on the live socket.
    fn rebind(&mut self, now: Instant) {
        let id = self.operations.own_id();
        match self.connect_frame(Some(id)) {
            Ok(octets) => self.outbox.push_urgent(octets),
            Err(e) => return self.give_up(now, 1000, Intent::Fail(e.into())),
        }
        self.reauth.asked = Some(id);
        self.reauth.doubted = false;
        self.reauth.unanswered += 1;
        self.operations.insert(
            id,
            Operation {
                kind: Kind::Rebind,
                waiter: super::Waiter::NONE,
                timer: None,
                sent: Some(now),
                ends: false,
            },
        );
        self.timers.arm(Once::Open, now + self.config.timeouts.open);
    }

    /// CONNECTED, or the RECEIPT of the CONNECT, came.
    pub(super) fn rebound(&mut self, now: Instant, frame: Option<&Frame>) {
        let asked = self.reauth.asked;
        let unanswered = self.reauth.unanswered;
        match frame {
            Some(frame) => {
                if let Err(e) = self.negotiate(now, frame) {
                    return self.give_up(now, 1002, Intent::Fail(e.into()));
                }
                self.operations.take(|o| o.kind == Kind::Rebind);
            }
            None => {
                self.beats.sent(now);
                self.beats.heard(now);
            }
        }
        self.timers.disarm(Once::Open);
        self.tokens.accepted(now);
        let since = self.reauth.suspended_at;
        self.reauth.reset();
        self.reauth.unanswered = unanswered;
        self.reauth.settled = asked.filter(|_| frame.is_some());
        self.phase.advance(Phase::Online);
        self.metrics.rebinds += 1;
        self.plan_rotation(now);
        self.beats.start();
        self.timers
            .arm(Once::Stable, now + self.config.backoff.stable_after);
        // What had left without an answer met a broker that had stopped
        // listening; a transaction may lack some of it.
        self.transactions.abort();
        self.unconfirmed();
        self.subscriptions.unheard();
        self.begin_replay(now);
        self.tell(Event::Resumed {
            after: since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)),
        });
    }

    /// What had left and was not confirmed: kept to leave again where the
    /// application said so, else answered.
    pub(super) fn unconfirmed(&mut self) {
        let gone = self.operations.take(|o| {
            let is_own = matches!(o.kind, Kind::Disconnect);
            o.unconfirmed().is_some() && !is_own
        });
        for (id, mut operation) in gone.into_iter().rev() {
            match &mut operation.kind {
                Kind::Publish(Some(replayed))
                | Kind::Request(Request {
                    replayed: Some(replayed),
                    ..
                }) => {
                    replayed.left = true;
                    let entry = Entry::again(id, replayed);
                    self.outbox.push_front(entry);
                    operation.sent = None;
                    self.operations.insert(id, operation);
                }
                Kind::Publish(None) | Kind::Request(_) => {
                    self.timers.cancel(operation.timer);
                    self.reply(operation.waiter, Err(Error::Lost));
                }
                Kind::Subscribe(key) => {
                    let key = *key;
                    self.timers.cancel(operation.timer);
                    self.not_heard(key);
                }
                Kind::Unsubscribe(key) => {
                    let key = *key;
                    let Some(subscription) = self.subscriptions.get(key) else {
                        continue;
                    };
                    self.outbox.push_front(Entry::Unsubscribe {
                        id: subscription.spec.id.clone(),
                        headers: subscription.farewell.clone(),
                        receipt: Some(id),
                        epoch: self.epoch,
                    });
                    operation.sent = None;
                    self.operations.insert(id, operation);
                }
                Kind::Disconnect | Kind::Rebind => {}
            }
        }
    }

    /// A SUBSCRIBE met a broker that did not listen. If its UNSUBSCRIBE waits
    /// already, both are done.
    fn not_heard(&mut self, key: Key) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        if subscription.state != State::Leaving {
            subscription.state = State::Wanted;
            return;
        }
        self.forget(key);
        for (_, operation) in self.operations.take(|o| o.kind == Kind::Unsubscribe(key)) {
            self.timers.cancel(operation.timer);
            self.reply(operation.waiter, Ok(Reply::Done));
        }
    }
}

impl Entry {
    fn again(id: u64, replayed: &Replayed) -> Self {
        Self::Frame(super::Outgoing {
            octets: replayed.octets.clone(),
            needs: replayed.needs,
            receipt: Some(id),
            waiter: super::Waiter::NONE,
            deadline: replayed.deadline,
            replay: true,
            epoch: None,
            transaction: None,
            replies: replayed.replies.clone(),
        })
    }
}
