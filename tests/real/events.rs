//! What clients tell, waited for.

use std::time::{Duration, Instant};

use hobnail::{Connected, Error, Event, Handle};

use crate::broker::LIMIT;

/// Waits for the next event that is wanted; what comes before it is dropped.
pub(crate) fn event<T>(handle: &Handle, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let (events, deadline) = (handle.events(), Instant::now() + LIMIT);
    let mut others = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(event) = events.recv_timeout(left) else {
            panic!("the event did not come; these did: {others:#?}");
        };
        others.push(event.clone());
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

/// The n-th connection is live.
pub(crate) fn connected(handle: &Handle, connection: u64) -> Connected {
    event(handle, |event| match event {
        Event::Connected(c) => (c.connection == connection).then_some(*c),
        _ => None,
    })
}

/// A connection is live to this endpoint.
pub(crate) fn connected_to(handle: &Handle, endpoint: &str) -> Connected {
    event(handle, |event| match event {
        Event::Connected(c) => (c.endpoint == endpoint).then_some(*c),
        _ => None,
    })
}

/// A connection was lost: why, and when the next attempt begins.
pub(crate) fn disconnected(handle: &Handle) -> (Error, Option<Duration>) {
    event(handle, |event| match event {
        Event::Disconnected { cause, retry_in } => Some((cause, retry_in)),
        _ => None,
    })
}

/// The next subscription that is restored on the present connection.
pub(crate) fn restored(handle: &Handle) -> String {
    event(handle, |event| match event {
        Event::Restored { subscription } => Some(subscription),
        Event::Disconnected { .. } | Event::Refused { .. } => panic!("{event:?}"),
        _ => None,
    })
}

/// The next subscription that may have missed something, and for how long.
pub(crate) fn gap(handle: &Handle) -> (String, Duration) {
    event(handle, |event| match event {
        Event::Gap {
            subscription,
            since,
            until,
        } => Some((subscription, until.duration_since(since).unwrap())),
        _ => None,
    })
}

/// The next subscription that is put aside.
pub(crate) fn refused(handle: &Handle) -> (String, Error) {
    event(handle, |event| match event {
        Event::Refused {
            subscription,
            cause,
            ..
        } => Some((subscription, cause)),
        _ => None,
    })
}
