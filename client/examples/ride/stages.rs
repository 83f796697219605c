//! The storms, one after the other.

use std::{
    error::Error,
    thread,
    time::{Duration, Instant},
};

use super::{road::Road, timeline::Timeline};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long a stage may take before the ride is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Calls that must arrive in a stage.
const CALLS: usize = 300;

pub(crate) fn all(roads: &[Road], timeline: &Timeline) -> Result<()> {
    timeline.headline("every STOMP frame cut at every octet over WebSocket messages");
    signal(roads, "cut");
    calls_arrive(roads)?;

    timeline.headline("RFC 6455 continuations of 7 octets with pings between");
    signal(roads, "fragment");
    calls_arrive(roads)?;
    signal(roads, "plain");

    timeline.headline("tokens end mid-stream: 401, CONNECT on the same socket with the held one");
    let began: Vec<_> = roads.iter().map(Road::moment).collect();
    let before = counts(roads, |road| road.ledger.rotations());
    until(roads, "a rotation of each session", |i, road| {
        road.ledger.rotations() >= before[i] + 2
    })?;
    interruptions(roads, &began, timeline, "with the token that was held")?;

    timeline.headline("a token is revoked with the one that was held: 401, fetched anew");
    let began: Vec<_> = roads.iter().map(Road::moment).collect();
    let before = counts(roads, |road| road.ledger.rotations());
    for road in roads {
        road.broker.expire_token("desk");
    }
    until(roads, "a new token", |i, road| {
        road.ledger.rotations() > before[i]
    })?;
    interruptions(roads, &began, timeline, "with all its tokens revoked")?;

    timeline.headline("a second client with the same name: 409 for both");
    let before = counts(roads, |road| road.ledger.conflicts());
    for road in roads {
        let words = match road.intrude() {
            Ok(_) => "was let in".to_owned(),
            Err(e) => e.to_string(),
        };
        timeline.line(road.name, "second", &words);
    }
    until(roads, "a conflict", |i, road| {
        road.ledger.conflicts() > before[i]
    })?;
    calls_arrive(roads)?;

    for (name, words) in [
        ("fin", "1006: the connections end without a Close"),
        (
            "fin-within-frame",
            "1006: the connections end within a frame",
        ),
        ("reset", "1006: the connections are reset"),
        (
            "half-open",
            "half-open: the broker falls silent, heart-beats find out",
        ),
    ] {
        timeline.headline(words);
        let before = counts(roads, |road| road.ledger.reconnects());
        signal(roads, name);
        until(roads, "two new connections", |i, road| {
            road.ledger.reconnects() >= before[i] + 2
        })?;
        calls_arrive(roads)?;
    }
    Ok(())
}

/// Says how long nothing came after a 401.
fn interruptions(roads: &[Road], began: &[u64], timeline: &Timeline, how: &str) -> Result<()> {
    until(roads, "a frame after a 401", |i, road| {
        !road.interruptions(began[i]).is_empty()
    })?;
    for (road, since) in roads.iter().zip(began) {
        let longest = road.interruptions(*since).into_iter().max();
        let ms = longest.unwrap_or_default().as_secs_f64() * 1e3;
        let text = format!("{ms:.1} ms from ERROR 401 to the first frame after it, {how}");
        timeline.line(road.name, "broker", &text);
    }
    Ok(())
}

fn signal(roads: &[Road], name: &str) {
    for road in roads {
        road.broker.signal(name);
    }
}

fn counts(roads: &[Road], count: impl Fn(&Road) -> u64) -> Vec<u64> {
    roads.iter().map(count).collect()
}

fn calls_arrive(roads: &[Road]) -> Result<()> {
    let before: Vec<_> = roads.iter().map(|road| road.ledger.arrived()).collect();
    until(roads, "calls", |i, road| {
        road.ledger.arrived() >= before[i] + CALLS
    })
}

fn until(roads: &[Road], what: &str, done: impl Fn(usize, &Road) -> bool) -> Result<()> {
    let limit = Instant::now() + PATIENCE;
    for (i, road) in roads.iter().enumerate() {
        while !done(i, road) {
            if Instant::now() > limit {
                return Err(
                    format!("{}: {what} did not come within {PATIENCE:?}", road.name).into(),
                );
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(())
}
