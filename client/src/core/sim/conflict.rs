//! 409: the identity is connected elsewhere.

use hobnail_mock_broker::script::{Rule, act, on};

use super::{pair::Pair, secs};
use crate::{core::Phase, error::Error, event::Event};

fn conflicts(p: &Pair) -> usize {
    p.count(|e| matches!(e, Event::Conflict { .. }))
}

#[test]
fn a_conflict_is_borne_with_back_off_and_an_event_each_time() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            s.rule(
                Rule::on(on::recv("CONNECT"))
                    .conns(2..=4)
                    .then(act::error(409)),
            )
        },
    );
    p.subscribed("/topic/a");
    p.inject("ERROR\ncode:409\nmessage:already connected\n\n\0");
    let begun = p.now;
    p.until(|p| p.conns == 5 && p.core.phase() == Phase::Online);
    assert_eq!(conflicts(&p), 4);
    assert!(p.now - begun > secs(50), "it did not wait");
    assert_eq!(p.closes, [1008; 4]);
    p.pass(secs(1));
    assert_eq!(p.commands(5), ["CONNECT", "SUBSCRIBE"]);
    p.finish();
}

#[test]
fn too_many_conflicts_in_a_row_are_fatal() {
    let mut p = Pair::online_with(
        |c| c.conflict_limit(3),
        |s| {
            s.rule(
                Rule::on(on::recv("CONNECT"))
                    .conns(2..=99)
                    .then(act::error(409)),
            )
        },
    );
    p.lose();
    p.until_phase(Phase::Closed);
    assert_eq!(conflicts(&p), 4);
    let closed = |e: &Event| matches!(e, Event::Closed { cause: Some(Error::Broker(e)) } if e.code() == Some(409));
    assert_eq!(p.count(closed), 1);
    p.check_end();
}

#[test]
fn a_stable_session_makes_old_conflicts_forgotten() {
    let mut p = Pair::online_with(|c| c.conflict_limit(2), |s| s);
    for _ in 0..6 {
        p.pass(secs(31));
        p.inject("ERROR\ncode:409\n\n\0");
        p.until_phase(Phase::Waiting);
        p.until_phase(Phase::Online);
    }
    assert_eq!(conflicts(&p), 6);
    p.finish();
}

#[test]
fn a_session_that_is_being_given_up_does_not_become_stable() {
    let mut p = Pair::online_with(|c| c.conflict_limit(2), |s| s);
    for n in 1..=3 {
        p.pass(secs(28));
        p.inject("ERROR\ncode:409\n\n\0");
        p.until_phase(Phase::Closing);
        // The broker does not answer the Close: the wait for it outlasts the
        // moment at which the session would have been stable.
        p.half_open();
        if n < 3 {
            p.until_phase(Phase::Online);
        }
    }
    p.until_phase(Phase::Closed);
    assert_eq!(conflicts(&p), 3);
    p.check_end();
}
