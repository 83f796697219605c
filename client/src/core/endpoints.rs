//! Where to connect next: the list, what is known of each, and the waits between.

use std::time::{Duration, Instant};

use super::redial::Redial;
use crate::{
    config::{Backoff, Config, Endpoint},
    error::{Error, LinkError},
    rng::Rng,
};

/// A server that asks for more patience than this does not get it.
const LONGEST_WISH: Duration = Duration::from_secs(3600);

/// All endpoints: those of the configuration in their order, then the one that a
/// region source has named, if it is none of them.
#[derive(Debug)]
pub(super) struct Endpoints {
    list: Vec<Known>,
    configured: usize,
    settings: Backoff,
    /// The one that is connected to, or will be next.
    current: usize,
    /// The one on which a session was live last.
    good: usize,
}

#[derive(Debug)]
struct Known {
    endpoint: Endpoint,
    backoff: Redial,
    /// Its back-off ends.
    free_at: Option<Instant>,
    /// It has failed since any session was live.
    failed: bool,
}

impl Known {
    fn new(endpoint: Endpoint, settings: Backoff) -> Self {
        Self {
            endpoint,
            backoff: Redial::new(settings),
            free_at: None,
            failed: false,
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        self.free_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}

impl Endpoints {
    pub(super) fn new(config: &Config) -> Self {
        let all = std::iter::once(&config.endpoint).chain(&config.fallbacks);
        let mut list: Vec<Known> = Vec::new();
        for endpoint in all {
            if !list.iter().any(|known| known.endpoint == *endpoint) {
                list.push(Known::new(endpoint.clone(), config.backoff));
            }
        }
        Self {
            configured: list.len(),
            list,
            settings: config.backoff,
            current: 0,
            good: 0,
        }
    }

    pub(super) fn current(&self) -> &Endpoint {
        &self.list[self.current].endpoint
    }

    /// Begins with this one, if it is in the list.
    pub(super) fn prefer(&mut self, text: &str) {
        let found = |known: &Known| known.endpoint.to_string() == text;
        if let Some(n) = self.list.iter().position(found) {
            self.current = n;
            self.good = n;
        }
    }

    /// A session is live. Returns whether that is news.
    pub(super) fn live(&mut self) -> bool {
        for known in &mut self.list {
            known.failed = false;
        }
        std::mem::replace(&mut self.good, self.current) != self.current
    }

    /// The session has been live for long.
    pub(super) fn stable(&mut self) {
        let known = &mut self.list[self.current];
        known.backoff.stable();
        known.free_at = None;
    }

    /// The present one failed: it is not asked again before its back-off, and
    /// what the server itself wished, are over.
    pub(super) fn blame(&mut self, now: Instant, cause: &Error, rng: &mut Rng) {
        let known = &mut self.list[self.current];
        let delay = known.backoff.next_delay(rng);
        let wish = wish(cause, self.settings, rng).unwrap_or_default();
        known.failed = true;
        known.free_at = Some(now + delay.max(wish));
    }

    /// How long to wait for the present one.
    pub(super) fn stay(&self, now: Instant) -> Duration {
        self.list[self.current].wait(now)
    }

    /// Turns to the one that is free first; among equals to the last good one,
    /// then by their order. Returns how long to wait for it.
    pub(super) fn turn(&mut self, now: Instant) -> Duration {
        let good = self.good;
        let first = (0..self.list.len()).min_by_key(|n| (self.list[*n].wait(now), *n != good, *n));
        self.current = first.unwrap_or(self.current);
        self.stay(now)
    }

    /// Whether another than the present one has not failed yet.
    pub(super) fn has_another(&self) -> bool {
        let mut others = self.list.iter().enumerate();
        others.any(|(n, known)| n != self.current && !known.failed)
    }

    /// Whether each has failed since any session was live.
    pub(super) fn all_failed(&self) -> bool {
        self.list.iter().all(|known| known.failed)
    }

    /// A region source has named this one, and no link is open: it is next,
    /// unless its back-off runs. Returns whether it is.
    pub(super) fn name(&mut self, now: Instant, endpoint: Endpoint) -> bool {
        let found = self.list.iter().position(|k| k.endpoint == endpoint);
        let n = found.unwrap_or_else(|| {
            self.list.truncate(self.configured);
            self.list.push(Known::new(endpoint, self.settings));
            self.list.len() - 1
        });
        self.good = n;
        self.current = self.current.min(self.list.len() - 1);
        if !self.list[n].wait(now).is_zero() {
            return false;
        }
        self.current = n;
        true
    }

    /// Goes back to the first one, unless its back-off runs.
    pub(super) fn fail_back(&mut self, now: Instant) {
        if self.list[0].wait(now).is_zero() {
            self.current = 0;
        }
    }
}

/// How long the server asks to be left alone.
fn wish(cause: &Error, settings: Backoff, rng: &mut Rng) -> Option<Duration> {
    let Error::Link(e) = cause else { return None };
    if let LinkError::Refused(refusal) = &**e {
        let header = |name: &str| {
            let found = refusal.headers.iter();
            let mut found = found.filter(|(n, _)| n.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.trim())
        };
        let text = header("retry-after")?;
        let seconds = text.parse().map(Duration::from_secs).ok();
        // By the server's own clock, for ours may be wrong.
        let wish = seconds.or_else(|| {
            let (at, now) = (http_date(text)?, http_date(header("date")?)?);
            Some(Duration::from_secs(at.saturating_sub(now)))
        });
        return wish.map(|wish| wish.min(LONGEST_WISH));
    }
    match close_code(cause)? {
        // IANA's registry of close codes: come back after 5 to 30 seconds.
        SERVICE_RESTART => Some(settings.initial + rng.up_to(settings.initial * 5)),
        TRY_AGAIN_LATER => Some(settings.max),
        _ => None,
    }
}

const SERVICE_RESTART: u16 = 1012;
const TRY_AGAIN_LATER: u16 = 1013;

/// Whether the server itself sends its clients away.
pub(super) fn sends_away(cause: &Error) -> bool {
    matches!(close_code(cause), Some(SERVICE_RESTART | TRY_AGAIN_LATER))
}

fn close_code(cause: &Error) -> Option<u16> {
    let Error::Link(e) = cause else { return None };
    if let LinkError::Closed { code, .. } = **e {
        return Some(code);
    }
    None
}

/// Seconds since some moment, of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next().filter(|m| m.len() == 3)?;
    let month = (MONTHS.find(month)? / 3) as u64;
    let year: u64 = words.next()?.parse().ok().filter(|y| *y < 10_000)?;
    let mut time = words.next()?.split(':').map(str::parse::<u64>);
    let mut next = || time.next()?.ok().filter(|n| *n < 61);
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    // Years that begin in March: the leap day is their last.
    let (year, month) = if month < 2 {
        (year.checked_sub(1)?, month + 10)
    } else {
        (year, month - 2)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 306 + 5) / 10 + day;
    Some(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Refusal, Stage};

    #[test]
    fn dates_are_told_apart_by_seconds() {
        let at = |text: &str| http_date(text).unwrap();
        let leap = at("Thu, 29 Feb 2024 23:59:30 GMT");
        assert_eq!(at("Fri, 01 Mar 2024 00:00:10 GMT") - leap, 40);
        let year = at("Sun, 31 Dec 2023 23:59:59 GMT");
        assert_eq!(at("Mon, 01 Jan 2024 00:00:00 GMT") - year, 1);
        assert_eq!(at("Wed, 01 Jan 2025 00:00:00 GMT") - year, 366 * 86_400 + 1);
        for bad in [
            "",
            "soon",
            "Sun, x Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 1:2:3",
        ] {
            assert_eq!(http_date(bad), None, "{bad}");
        }
    }

    fn refusal(headers: &[(&str, &str)]) -> Error {
        let headers = headers.iter().map(|(n, v)| ((*n).into(), (*v).into()));
        LinkError::Refused(Box::new(Refusal {
            stage: Stage::Upgrade,
            status: 503,
            headers: headers.collect(),
            body: Vec::new(),
            hint: None,
        }))
        .into()
    }

    #[test]
    fn a_server_may_ask_for_patience_but_not_for_ever() {
        let mut rng = Rng::new(1);
        let mut of = |headers: &[(&str, &str)]| {
            wish(&refusal(headers), Backoff::default(), &mut rng).map(|w| w.as_secs())
        };
        assert_eq!(of(&[("Retry-After", " 120 ")]), Some(120));
        assert_eq!(of(&[("retry-after", "99999999")]), Some(3600));
        let date = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let after = ("Retry-After", "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(of(&[date, after]), Some(30));
        assert_eq!(of(&[after]), None, "our clock is not asked");
        for bad in ["", "-5", "soon", "1e9"] {
            assert_eq!(of(&[("Retry-After", bad)]), None, "{bad}");
        }
    }

    #[test]
    fn restarting_servers_are_left_alone_for_5_to_30_seconds_and_busy_ones_longer() {
        let mut rng = Rng::new(1);
        let mut of = |code| {
            let reason = String::new();
            let cause = LinkError::Closed { code, reason }.into();
            wish(&cause, Backoff::default(), &mut rng).map(|w| w.as_secs())
        };
        for _ in 0..50 {
            assert!((5..=30).contains(&of(1012).unwrap()));
        }
        assert_eq!(of(1013), Some(60));
        assert_eq!(of(1001), None);
    }
}
