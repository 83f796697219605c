//! Back-off: of an endpoint, or of a token source.

use std::time::Duration;

use crate::{config::Backoff, rng::Rng};

/// The next delay: doubling up to a maximum, with jitter, and back to the first
/// only after a session has been stable.
#[derive(Debug)]
pub(super) struct Redial {
    settings: Backoff,
    attempts: u32,
}

impl Redial {
    pub(super) fn new(settings: Backoff) -> Self {
        Self {
            settings,
            attempts: 0,
        }
    }

    pub(super) fn next_delay(&mut self, rng: &mut Rng) -> Duration {
        let doubled = 1_u32
            .checked_shl(self.attempts)
            .and_then(|factor| self.settings.initial.checked_mul(factor))
            .unwrap_or(self.settings.max);
        self.attempts = self.attempts.saturating_add(1);
        let base = doubled.min(self.settings.max);
        let spread = base / 100 * self.settings.jitter_percent;
        base - spread + rng.up_to(spread * 2)
    }

    pub(super) fn stable(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_maximum_within_the_jitter_and_start_anew_when_stable() {
        let mut rng = Rng::new(7);
        let mut redial = Redial::new(Backoff::default());
        for base in [5, 10, 20, 40, 60, 60, 60] {
            let delay = redial.next_delay(&mut rng).as_secs_f64();
            let base = f64::from(base);
            assert!((base * 0.8..=base * 1.2).contains(&delay), "{base} {delay}");
        }
        redial.stable();
        assert!(redial.next_delay(&mut rng) <= Duration::from_secs(6));
    }

    #[test]
    fn a_thousand_attempts_do_not_overflow() {
        let mut rng = Rng::new(7);
        let mut redial = Redial::new(Backoff::default());
        for _ in 0..1000 {
            assert!(redial.next_delay(&mut rng) <= Duration::from_secs(72));
        }
    }
}
