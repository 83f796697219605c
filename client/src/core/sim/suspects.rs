//! Brokers that close without a word when they dislike a SUBSCRIBE.

use std::time::Duration;

use super::{ms, pair::Pair, secs};
use crate::{
    core::Phase,
    error::{Error, LinkError},
    event::Event,
};

fn refusals(p: &Pair, id: &str) -> Vec<Duration> {
    p.events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Refused {
                subscription,
                cause: Error::Link(cause),
                retry_in,
            } if subscription == id => {
                assert!(matches!(**cause, LinkError::Closed { code: 1000, .. }));
                Some(*retry_in)
            }
            _ => None,
        })
        .collect()
}

fn restored(p: &Pair, id: &str) -> usize {
    p.count(|e| matches!(e, Event::Restored { subscription } if subscription == id))
}

fn three() -> Pair {
    let mut p = Pair::online();
    for id in ["a", "b", "c"] {
        p.subscribed(&format!("/topic/{id}"));
    }
    p.pass(secs(60));
    p
}

#[test]
fn one_that_the_broker_closes_upon_is_found_out_and_put_aside() {
    let mut p = three();
    p.close_upon = |destination| destination == "/topic/b";
    p.lose();
    p.until(|p| restored(p, "c") > 0);
    // One round to learn that it is one of them, one to learn which.
    assert_eq!((p.conns, refusals(&p, "b")), (4, vec![secs(5)]));
    assert_eq!(p.core.phase(), Phase::Online);
    p.gaps.clear();
    p.pass(secs(3600));
    assert!(refusals(&p, "a").is_empty() && refusals(&p, "c").is_empty());
    let waits: Vec<_> = refusals(&p, "b").iter().map(Duration::as_secs).collect();
    assert_eq!(waits[..6], [5, 10, 20, 40, 80, 160]);
    assert!(waits.len() < 12, "{waits:?}");
    // What the others miss when it is tried again is a moment.
    assert!(!p.gaps.is_empty());
    for (id, since, until) in &p.gaps {
        assert!(*until - *since < secs(11), "{id}: {:?}", *until - *since);
    }
    // The broker changes its mind.
    p.close_upon = |_| false;
    p.pass(secs(3700));
    assert_eq!(restored(&p, "b"), 1);
    assert!(p.core.health(p.instant()).is_progressing());
    p.finish();
}

#[test]
fn a_new_one_that_the_broker_closes_upon_is_refused_and_the_others_live() {
    let mut p = three();
    p.close_upon = |destination| destination == "/topic/d";
    let (_, call) = p.subscribe("/topic/d");
    p.pass(secs(1));
    let error = p.expect_err(call);
    assert!(
        matches!(&error, Error::Link(e) if matches!(**e, LinkError::Closed { code: 1000, .. })),
        "{error:?}"
    );
    assert_eq!((p.conns, p.core.phase()), (3, Phase::Online));
    assert_eq!(restored(&p, "a"), 2);
    p.finish();
}

#[test]
fn a_broker_that_closes_upon_all_of_them_finds_all_of_them_when_it_is_well_again() {
    let mut p = three();
    p.close_upon = |_| true;
    p.lose();
    p.pass(secs(3 * 3600));
    // Now it is only one of them: its waits go on from there.
    p.close_upon = |destination| destination == "/topic/b";
    let before = refusals(&p, "b").len();
    p.pass(secs(600));
    assert!(
        refusals(&p, "b")[before..]
            .iter()
            .all(|wait| *wait < secs(400))
    );
    assert!(restored(&p, "a") > 0 && restored(&p, "c") > 0);
    p.close_upon = |_| true;
    p.lose();
    p.pass(secs(3 * 3600));
    p.close_upon = |_| false;
    // No longer than the longest back-off.
    p.pass(secs(75));
    for id in ["a", "b", "c"] {
        assert!(restored(&p, id) > 0, "{id}");
    }
    p.finish();
}

#[test]
fn a_broker_that_closes_upon_the_second_one_whichever_it_is_sees_no_storm() {
    let mut p = three();
    p.close_upon = |destination| destination != "/topic/a";
    p.lose();
    let before = p.conns;
    p.pass(secs(3600));
    assert!(p.conns - before < 100, "{} connections", p.conns - before);
    assert_eq!(p.core.phase(), Phase::Online);
    p.finish();
}

#[test]
fn a_connection_that_the_network_cuts_once_makes_no_suspects() {
    let mut p = three();
    p.lose();
    p.until_phase(Phase::Online);
    // All three have left, none is answered.
    p.pass(ms(1));
    p.lose();
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    let last: Vec<_> = p.commands(3);
    assert_eq!(last, ["CONNECT", "SUBSCRIBE", "SUBSCRIBE", "SUBSCRIBE"]);
    assert_eq!(restored(&p, "c"), 1);
    assert!(p.count(|e| matches!(e, Event::Refused { .. })) == 0);
    p.finish();
}
