//! Heart-beats, both ways.

use std::time::Duration;

use hobnail_mock_broker::script::{Rule, act, on};

use super::{app::Send, ms, pair::Pair, secs, wire::Sent};
use crate::{
    core::{Input, Phase},
    dialect::Dialect,
    error::{Error, LinkError},
    event::Event,
};

/// The longest time for which nothing left, once the session was live.
fn longest_silence(p: &Pair) -> Duration {
    let live = p.events[0].0;
    let left = p.left.iter().skip(1).map(|left| left.at);
    let times: Vec<_> = std::iter::once(live).chain(left).collect();
    times
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap()
}

#[test]
fn on_an_idle_link_a_beat_leaves_before_the_interval_ends() {
    let mut p = Pair::online();
    p.pass(secs(600));
    assert!(
        longest_silence(&p) <= secs(8) + ms(1),
        "{:?}",
        longest_silence(&p)
    );
    let beats = p
        .left
        .iter()
        .filter(|l| matches!(l.what, Sent::Beat))
        .count();
    assert!((74..=76).contains(&beats), "{beats}");
    assert_eq!(p.core.metrics.beats_out, beats as u64);
    assert_eq!(p.conns, 1);
    p.finish();
}

/// With the beats that come it wakes up 14 times a minute: each time to some end.
#[test]
fn on_an_idle_link_the_client_wakes_up_for_its_beats_only() {
    for latency in [0, 10, 3_000] {
        let mut p = Pair::online();
        p.latency = ms(latency);
        p.pass(secs(60));
        let before = (p.timeouts, p.core.metrics.beats_out);
        p.pass(secs(600));
        let (woken, beats) = (p.timeouts - before.0, p.core.metrics.beats_out - before.1);
        assert_eq!(woken, beats);
        assert!((74..=76).contains(&beats), "{beats}");
    }
}

/// ActiveMQ skips a beat if anything left in the interval before.
#[test]
fn a_broker_that_beats_after_two_intervals_lives_by_its_dialect() {
    let mut p = Pair::online_with(|c| c.dialect(Dialect::ACTIVEMQ), |s| s);
    p.half_open();
    p.pass(secs(24));
    assert_eq!(p.core.phase(), Phase::Online);
    p.pass(secs(2));
    assert_eq!(p.core.phase(), Phase::Waiting);
}

#[test]
fn on_a_busy_link_nothing_is_late_and_no_beat_is_wasted() {
    let mut p = Pair::online();
    for n in 0..100 {
        p.send(Send::new(&n.to_string()).silent());
        p.pass(ms(7_900));
    }
    assert!(longest_silence(&p) <= secs(8) + ms(1));
    assert_eq!(p.core.metrics.beats_out, 0);
    p.finish();
}

#[test]
fn on_a_link_that_is_used_now_and_then_nothing_is_late() {
    for pause in [1, 500, 3_000, 8_001, 9_999, 11_000, 24_000] {
        let mut p = Pair::online();
        for n in 0..20 {
            p.send(Send::new(&n.to_string()).silent());
            p.pass(ms(pause));
        }
        assert!(longest_silence(&p) <= secs(8) + ms(1), "{pause}");
    }
}

#[test]
fn beats_do_not_pile_up_behind_a_link_without_room() {
    let mut p = Pair::online_with(|c| c.heart_beat(secs(10), secs(0)), |s| s);
    p.half_open();
    p.writable = false;
    p.pass(secs(60));
    let before = p.left.len();
    p.unblock();
    assert_eq!(p.left.len() - before, 1);
}

#[test]
fn a_silent_broker_is_found_after_one_and_a_half_intervals() {
    for (theirs, limit) in [(10_000, ms(15_000)), (500, ms(1_500)), (200, ms(1_200))] {
        let mut p = Pair::online_with(
            |c| c.heart_beat(secs(0), ms(200)),
            |s| {
                s.heart_beat(theirs, 0)
                    .rule(Rule::on(on::connected()).then(act::beats_stop()))
            },
        );
        let heard = p.now;
        p.until_phase(Phase::Waiting);
        let limit = limit.max(ms(theirs) + secs(1));
        assert_eq!(p.now - heard, limit);
        let silent = |e: &LinkError| matches!(e, LinkError::Silent { silent } if *silent == limit);
        let Some((
            _,
            Event::Disconnected {
                cause: Error::Link(e),
                ..
            },
        )) = p.events.last()
        else {
            panic!();
        };
        assert!(silent(e), "{e}");
    }
}

#[test]
fn any_octet_is_life() {
    let mut p = Pair::online_with(
        |c| c,
        |s| s.rule(Rule::on(on::connected()).then(act::beats_stop())),
    );
    for _ in 0..10 {
        p.pass(secs(14));
        p.inject("\n");
        p.pass(ms(10));
    }
    p.pass(secs(14));
    p.inject("MESSAGE\nsubscr");
    p.pass(secs(14));
    p.input(Input::Octets);
    p.pass(secs(14));
    p.inject("iption:a\nmessage-id:1\ndestination:/a\n\nx\0");
    p.pass(secs(14));
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 1));
    assert_eq!(p.core.metrics.unrouted, 1);
    p.pass(secs(2));
    assert_eq!(p.core.phase(), Phase::Waiting);
}

#[test]
fn a_half_open_link_is_found_and_made_anew() {
    let mut p = Pair::online();
    p.half_open();
    p.pass(secs(60));
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 2));
    p.finish();
}

#[test]
fn without_an_agreement_there_are_no_beats_and_no_silence() {
    let mut p = Pair::online_with(|c| c.heart_beat(secs(0), secs(0)), |s| s);
    p.pass(secs(3600));
    assert_eq!((p.core.phase(), p.left.len()), (Phase::Online, 1));
    p.finish();
}

#[test]
fn an_unreadable_agreement_is_told() {
    let mut p = Pair::with(
        1,
        |c| c,
        |s| s.rule(Rule::on(on::sending("CONNECTED")).then(act::set("heart-beat", "often"))),
    );
    let connect = p.connect();
    p.until(|p| p.answer(connect).is_some());
    assert!(matches!(p.expect_err(connect), Error::Protocol(_)));
    p.until_phase(Phase::Closed);
    p.check_end();
}
