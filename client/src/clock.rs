//! The one place that reads the clock.

use std::time::{Duration, Instant};

/// Now. Sampled once per turn of the reactor, and once per call that has a deadline.
#[expect(
    clippy::disallowed_methods,
    reason = "everything below takes time as an argument"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// So long from now; a time too far away to represent is a year away.
pub(crate) fn after(delay: Duration) -> Instant {
    let now = now();
    now.checked_add(delay)
        .unwrap_or(now + Duration::from_secs(365 * 24 * 3600))
}
