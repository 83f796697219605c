//! The held token: fetched once at a time, renewed before it ends, replaced when refused.

use std::time::{Duration, Instant};

use super::{io::Ticket, redial::Redial};
use crate::{
    auth::{Token, TokenReason},
    config::Backoff,
    rng::Rng,
};

/// What is known about tokens. Says when to fetch; never fetches.
#[derive(Debug)]
pub(super) struct Tokens {
    backoff: Redial,
    presented_ends: Option<Instant>,
    held: Option<Held>,
    fetching: Option<(Ticket, TokenReason)>,
    /// The token of the CONNECT that was answered last, or is under way, came
    /// from a fetch that followed a refusal.
    presented_fresh: bool,
    /// The last one was refused and none has been fetched since.
    refused: bool,
    accepted_at: Option<Instant>,
    /// Refusals in a row that came soon after the token had been accepted.
    quick: u32,
}

/// A broker that goes on accepting tokens and refusing them at once is not
/// asked again without delay more often than this.
const QUICK_REFUSALS: u32 = 3;

/// No token is renewed earlier than this after it was fetched, however short
/// its life is: its source is not to be asked in a loop.
const EARLIEST_RENEWAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Held {
    token: Token,
    ends: Option<Instant>,
    /// Fetched because another was refused.
    fresh: bool,
    /// Has stood in a CONNECT.
    presented: bool,
}

impl Tokens {
    pub(super) fn new(settings: Backoff) -> Self {
        Self {
            backoff: Redial::new(settings),
            presented_ends: None,
            held: None,
            fetching: None,
            presented_fresh: false,
            refused: false,
            accepted_at: None,
            quick: 0,
        }
    }

    /// How long to leave a source alone that has failed.
    pub(super) fn next_delay(&mut self, rng: &mut Rng) -> Duration {
        self.backoff.next_delay(rng)
    }

    /// When the token of the present session ends, if it says so.
    pub(super) fn presented_ends(&self) -> Option<Instant> {
        self.presented_ends
    }

    /// Whether another token than the one of the present session is at hand.
    pub(super) fn has_next(&self, now: Instant) -> bool {
        self.usable(now) && self.held.as_ref().is_some_and(|h| !h.presented)
    }

    /// The token for the next CONNECT, if one is held that has not ended.
    pub(super) fn usable(&self, now: Instant) -> bool {
        self.held
            .as_ref()
            .is_some_and(|h| h.ends.is_none_or(|ends| now < ends))
    }

    /// The token, to be written into a CONNECT now.
    pub(super) fn present(&mut self) -> Option<&Token> {
        let held = self.held.as_mut()?;
        held.presented = true;
        self.presented_fresh = held.fresh;
        self.presented_ends = held.ends;
        Some(&held.token)
    }

    /// The broker accepted what was presented.
    pub(super) fn accepted(&mut self, now: Instant) {
        self.presented_fresh = false;
        self.refused = false;
        self.accepted_at = Some(now);
        if let Some(held) = &mut self.held {
            held.fresh = false;
        }
    }

    /// The broker refused what was presented. Returns whether that was a token
    /// fetched after an earlier refusal: asking once more would be pointless.
    pub(super) fn refused(&mut self) -> bool {
        if self.held.as_ref().is_some_and(|h| h.presented) {
            self.held = None;
        }
        self.refused = true;
        std::mem::take(&mut self.presented_fresh)
    }

    /// Whether a token that had been accepted was refused `soon` after, for the
    /// umpteenth time.
    pub(super) fn is_hopeless(&mut self, now: Instant, soon: Duration) -> bool {
        let quick = self
            .accepted_at
            .is_some_and(|at| now.saturating_duration_since(at) < soon);
        self.quick = if quick { self.quick + 1 } else { 0 };
        self.quick > QUICK_REFUSALS
    }

    /// Why a token would be asked for now.
    pub(super) fn reason(&self) -> TokenReason {
        if self.refused {
            TokenReason::Refused
        } else {
            TokenReason::Connect
        }
    }

    /// Begins a fetch, unless one is under way. One refresh serves every reason.
    pub(super) fn fetch(&mut self, ticket: Ticket, reason: TokenReason) -> bool {
        if self.fetching.is_some() {
            return false;
        }
        self.fetching = Some((ticket, reason));
        true
    }

    /// Why the token that this answers was asked for, if it is the one that is
    /// waited for; it ends the wait.
    pub(super) fn answers(&mut self, ticket: Ticket) -> Option<TokenReason> {
        let (_, reason) = self.fetching.take_if(|(waited, _)| *waited == ticket)?;
        Some(reason)
    }

    /// The fetch took too long; its answer will be ignored.
    pub(super) fn give_up(&mut self) {
        self.fetching = None;
    }

    /// Keeps a token. Returns when to renew it: at 80 % of its life, a little
    /// earlier at random, so that many clients do not ask at once.
    pub(super) fn keep(
        &mut self,
        now: Instant,
        token: Token,
        after_refusal: bool,
        rng: &mut Rng,
    ) -> Option<Instant> {
        let lifetime = token.lifetime();
        self.backoff.stable();
        self.refused = false;
        self.held = Some(Held {
            token,
            ends: lifetime.and_then(|life| now.checked_add(life)),
            fresh: after_refusal,
            presented: false,
        });
        lifetime.and_then(|life| {
            let renew = life / 5 * 4 - rng.up_to(life / 20);
            now.checked_add(renew.max(EARLIEST_RENEWAL))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fetch_at_a_time_and_stale_answers_do_not_count() {
        let mut t = Tokens::new(Backoff::default());
        assert!(t.fetch(Ticket(1), TokenReason::Connect));
        assert!(!t.fetch(Ticket(2), TokenReason::Refused));
        assert_eq!(t.answers(Ticket(2)), None);
        assert_eq!(t.answers(Ticket(1)), Some(TokenReason::Connect));
        assert_eq!(t.answers(Ticket(1)), None);
    }

    #[test]
    fn a_refused_token_is_dropped_but_a_renewed_one_that_waits_is_kept() {
        let now = super::super::some_instant();
        let mut rng = Rng::new(1);
        let mut t = Tokens::new(Backoff::default());
        t.keep(now, Token::new("old"), false, &mut rng);
        t.present();
        t.accepted(now);
        t.keep(now, Token::new("new"), false, &mut rng);
        assert!(!t.refused());
        assert_eq!(t.present().unwrap().reveal(), "new");
        assert!(!t.refused());
        assert!(!t.usable(now));
    }

    #[test]
    fn a_refusal_of_a_token_fetched_after_a_refusal_is_final() {
        let now = super::super::some_instant();
        let mut rng = Rng::new(1);
        let mut t = Tokens::new(Backoff::default());
        t.keep(now, Token::new("a"), false, &mut rng);
        t.present();
        assert!(!t.refused());
        t.keep(now, Token::new("b"), true, &mut rng);
        t.present();
        assert!(t.refused());
    }

    #[test]
    fn renewal_comes_between_75_and_80_percent_of_life() {
        let now = super::super::some_instant();
        let mut rng = Rng::new(3);
        for _ in 0..100 {
            let token = Token::new("x").expires_in(Duration::from_secs(100));
            let at = Tokens::new(Backoff::default())
                .keep(now, token, false, &mut rng)
                .unwrap()
                - now;
            assert!((75.0..=80.0).contains(&at.as_secs_f64()), "{at:?}");
        }
    }
}
