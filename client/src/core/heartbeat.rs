//! Heart-beats (STOMP 1.2 §Heart-beating): two independent deadlines.

use std::time::{Duration, Instant};

use crate::config::HeartBeat;

/// The agreed intervals and when something last moved. Activity only stores a
/// time stamp, from which the deadlines follow: a timer on the wheel would have
/// to be armed anew with each message, or wake up for nothing.
#[derive(Debug)]
pub(super) struct Beats {
    /// Whether the session lives, so that beats are due.
    live: bool,
    out: Option<Duration>,
    incoming: Option<Duration>,
    limit: Duration,
    last_sent: Instant,
    last_heard: Instant,
}

impl Beats {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            live: false,
            out: None,
            incoming: None,
            limit: Duration::ZERO,
            last_sent: now,
            last_heard: now,
        }
    }

    /// Computes what is agreed: per direction the larger of the sender's promise
    /// and the receiver's wish, or nothing if either is 0.
    pub(super) fn agree(&mut self, now: Instant, own: HeartBeat, theirs: (u64, u64)) {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        self.out = agreed(ms(own.outgoing), theirs.1);
        self.incoming = agreed(ms(own.incoming), theirs.0);
        if let Some(interval) = self.incoming {
            let tolerant = interval
                .checked_mul(own.tolerance_percent)
                .map_or(Duration::MAX, |d| d / 100);
            let floor = interval.saturating_add(Duration::from_secs(1));
            self.limit = tolerant.max(floor);
        }
        self.last_sent = now;
        self.last_heard = now;
    }

    pub(super) fn start(&mut self) {
        self.live = true;
    }

    pub(super) fn stop(&mut self) {
        self.live = false;
    }

    #[cfg(test)]
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    pub(super) fn out(&self) -> Option<Duration> {
        self.out
    }

    pub(super) fn incoming(&self) -> Option<Duration> {
        self.incoming
    }

    pub(super) fn sent(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    pub(super) fn silent(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_heard)
    }

    /// How many whole intervals have passed without an octet.
    pub(super) fn missed(&self, now: Instant) -> u64 {
        match self.incoming {
            Some(interval) if self.silent(now) > interval => {
                let missed = self.silent(now).as_millis() / interval.as_millis().max(1);
                u64::try_from(missed).unwrap_or(u64::MAX)
            }
            Some(_) | None => 0,
        }
    }

    /// Whether a beat that leaves now breaks the promise.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.out
            .is_some_and(|interval| now.saturating_duration_since(self.last_sent) > interval)
    }

    pub(super) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Whether a beat must leave: a fifth of the interval early, for a broker
    /// without tolerance.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.send_at().is_some_and(|at| at <= now)
    }

    /// Whether the peer counts as dead.
    pub(super) fn is_dead(&self, now: Instant) -> bool {
        self.dead_at().is_some_and(|at| at <= now)
    }

    /// The earlier of both.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match (self.send_at(), self.dead_at()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn send_at(&self) -> Option<Instant> {
        let interval = self.out.filter(|_| self.live)?;
        self.last_sent.checked_add(interval - interval / 5)
    }

    fn dead_at(&self) -> Option<Instant> {
        self.incoming.filter(|_| self.live)?;
        self.last_heard.checked_add(self.limit)
    }
}

fn agreed(promise: u64, wish: u64) -> Option<Duration> {
    (promise != 0 && wish != 0).then(|| Duration::from_millis(promise.max(wish)))
}

/// Reads a `heart-beat` header: two decimal numbers and a comma.
pub(super) fn parse(value: &str) -> Option<(u64, u64)> {
    let (a, b) = value.split_once(',')?;
    let number = |text: &str| {
        (!text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()))
            .then(|| text.parse().unwrap_or(u64::from(u32::MAX)))
    };
    Some((
        number(a)?.min(u64::from(u32::MAX)),
        number(b)?.min(u64::from(u32::MAX)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beats(own: (u64, u64), theirs: (u64, u64)) -> Beats {
        let now = super::super::some_instant();
        let mut beats = Beats::new(now);
        let own = HeartBeat {
            outgoing: Duration::from_millis(own.0),
            incoming: Duration::from_millis(own.1),
            ..HeartBeat::default()
        };
        beats.agree(now, own, theirs);
        beats.start();
        beats
    }

    #[test]
    fn the_larger_wins_and_zero_means_none() {
        let ms = |n| Some(Duration::from_millis(n));
        for (own, theirs, out, incoming) in [
            ((1000, 2000), (500, 3000), ms(3000), ms(2000)),
            ((0, 1000), (1000, 1000), None, ms(1000)),
            ((1000, 0), (1000, 1000), ms(1000), None),
            ((1000, 1000), (0, 0), None, None),
            ((10, 10), (0, 5000), ms(5000), None),
            ((10, 10), (5000, 0), None, ms(5000)),
        ] {
            let b = beats(own, theirs);
            assert_eq!(
                (b.out(), b.incoming()),
                (out, incoming),
                "{own:?} {theirs:?}"
            );
        }
    }

    #[test]
    fn the_limit_is_half_as_much_again_and_at_least_a_second_more() {
        let b = beats((0, 10_000), (10_000, 0));
        assert_eq!(b.dead_at().unwrap() - b.last_heard, Duration::from_secs(15));
        let b = beats((0, 100), (100, 0));
        assert_eq!(
            b.dead_at().unwrap() - b.last_heard,
            Duration::from_millis(1100)
        );
    }

    #[test]
    fn only_two_plain_numbers_are_a_heart_beat_header() {
        assert_eq!(parse("0,0"), Some((0, 0)));
        assert_eq!(
            parse("100,99999999999999999999"),
            Some((100, u64::from(u32::MAX)))
        );
        for bad in ["", "1", "1,", ",1", "-1,5", "1, 2", "1,2,3", "a,b", "+1,1"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
