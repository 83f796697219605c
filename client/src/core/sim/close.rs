//! The end that was asked for: bounded, and as graceful as the peer lets it be.

use hobnail_mock_broker::script::{Direction, Rule, act, on};

use super::{
    app::Send,
    ms,
    pair::{Pair, no_source},
    secs,
};
use crate::{
    core::{Phase, Reply, Waiter},
    dialect::Dialect,
    error::Error,
    event::Event,
};

#[test]
fn a_close_lets_frames_leave_disconnects_and_says_1000() {
    let mut p = Pair::online();
    let calls: Vec<_> = (0..3).map(|n| p.publish(&n.to_string())).collect();
    let close = p.close();
    let begun = p.now;
    let late = p.publish("late");
    assert!(matches!(p.expect_err(late), Error::Closed));
    p.until(|p| p.answer(close).is_some());
    p.expect_ok(close);
    for call in calls {
        p.expect_ok(call);
    }
    assert_eq!(
        p.commands(1),
        ["CONNECT", "SEND", "SEND", "SEND", "DISCONNECT"]
    );
    assert!(p.sent("DISCONNECT")[0].header("receipt").is_some());
    assert_eq!(
        p.now - begun,
        ms(40),
        "a round trip each for SEND and DISCONNECT"
    );
    assert!(matches!(
        p.events.last(),
        Some((_, Event::Closed { cause: None }))
    ));
    assert_eq!(p.count(|e| matches!(e, Event::Unconfirmed)), 0);
    p.check_end();
}

#[test]
fn an_end_that_answers_disconnect_is_success_whatever_it_looks_like() {
    let closes: [fn(&mut Pair); 4] = [
        |p| p.inject_close(1000),
        |p| p.inject_close(1008),
        Pair::lose,
        |p| p.inject("ERROR\nmessage:late\n\n\0"),
    ];
    for end in closes {
        let mut p = Pair::online_with(
            |c| c,
            |s| s.rule(Rule::on(on::recv("DISCONNECT")).then(act::drop_it())),
        );
        let close = p.close();
        assert_eq!(p.sent("DISCONNECT").len(), 1);
        end(&mut p);
        p.until(|p| p.answer(close).is_some());
        p.expect_ok(close);
        assert_eq!(p.conns, 1);
        assert_eq!(p.count(|e| matches!(e, Event::Unconfirmed)), 1);
        p.check_end();
    }
}

#[test]
fn with_a_silent_peer_a_close_ends_at_its_deadline() {
    let mut p = Pair::online();
    p.half_open();
    let call = p.send(Send::new("x").within(secs(60)));
    let again = p.send(Send::new("y").replay().within(secs(60)));
    let begun = p.now;
    let close = p.close_within(secs(8));
    p.until(|p| !p.sent("DISCONNECT").is_empty());
    assert_eq!(
        p.now - begun,
        secs(4),
        "half of the time for what was under way"
    );
    p.until(|p| !p.closes.is_empty());
    assert_eq!(p.now - begun, secs(6));
    p.until(|p| p.answer(close).is_some());
    assert_eq!(p.now - begun, secs(8));
    p.expect_ok(close);
    assert!(matches!(p.expect_err(call), Error::Lost));
    assert!(matches!(p.expect_err(again), Error::Lost));
    p.check_end();
}

#[test]
fn with_a_link_without_room_a_close_ends_at_its_deadline() {
    let mut p = Pair::online();
    p.writable = false;
    let call = p.publish("x");
    p.half_open();
    let begun = p.now;
    let close = p.close();
    p.until(|p| p.answer(close).is_some());
    assert!(p.now - begun <= secs(5) + ms(2));
    assert!(matches!(p.expect_err(call), Error::Closed));
    p.check_end();
}

#[test]
fn a_close_in_no_time_is_possible() {
    let mut p = Pair::online();
    p.half_open();
    let close = p.close_within(ms(0));
    p.until(|p| p.answer(close).is_some());
    p.check_end();
}

#[test]
fn a_client_can_be_closed_in_every_phase() {
    type Way = fn() -> Pair;
    let ways: [(Phase, Way); 7] = [
        (Phase::Idle, Pair::new),
        (Phase::Dialing, || {
            let mut p = Pair::with(1, |c| c.token_source(no_source), |s| s);
            p.connect();
            p
        }),
        (Phase::Dialing, || {
            let mut p = Pair::new();
            p.connect();
            p
        }),
        (Phase::Handshaking, || {
            let mut p = Pair::new();
            p.connect();
            p.until_phase(Phase::Handshaking);
            p
        }),
        (Phase::Suspended, || {
            let mut p = Pair::online_with(
                |c| c.token_source(no_source).dialect(Dialect::CONTACT_CENTRE),
                |s| s.auth_bearer(secs(60)),
            );
            p.inject("ERROR\ncode:401\n\n\0");
            p.until_phase(Phase::Suspended);
            p
        }),
        (Phase::Waiting, || {
            let mut p = Pair::online();
            p.lose();
            p
        }),
        (Phase::Closing, || {
            let mut p = Pair::online();
            p.inject("ERROR\nmessage:x\n\n\0");
            p.until_phase(Phase::Closing);
            p
        }),
    ];
    for half_open in [false, true] {
        for (phase, way) in ways {
            let mut p = way();
            assert_eq!(p.core.phase(), phase);
            let conns = p.conns;
            let (_, subscribe) = p.subscribe("/topic/x");
            let publish = p.publish("x");
            if half_open && p.wire.is_some() {
                p.half_open();
            }
            let begun = p.now;
            let close = p.close_within(secs(2));
            let late = p.publish("late");
            assert!(matches!(p.expect_err(late), Error::Closed), "{phase:?}");
            p.until(|p| p.answer(close).is_some());
            p.expect_ok(close);
            assert!(
                p.now - begun <= secs(2) + ms(2),
                "{phase:?} {:?}",
                p.now - begun
            );
            assert!(
                matches!(p.expect_err(subscribe), Error::Closed),
                "{phase:?}"
            );
            assert!(matches!(p.expect_err(publish), Error::Closed), "{phase:?}");
            p.pass(secs(100));
            assert_eq!(p.conns, conns, "{phase:?}");
            p.check_end();
        }
    }
}

#[test]
fn a_close_during_a_close_is_answered_with_it_and_may_make_it_shorter() {
    let mut p = Pair::online();
    p.half_open();
    let begun = p.now;
    let first = p.close_within(secs(20));
    p.pass(secs(1));
    let second = p.close_within(secs(2));
    p.until(|p| p.answer(first).is_some());
    assert!(p.now - begun <= secs(3) + ms(2), "{:?}", p.now - begun);
    p.expect_ok(first);
    p.expect_ok(second);
    let third = p.close();
    assert!(matches!(p.answer(third), Some(Ok(Reply::Done))));
    p.check_end();
}

#[test]
fn an_end_before_disconnect_has_left_is_told_and_leads_to_no_new_connection() {
    let ends: [fn(&mut Pair); 4] = [
        Pair::lose,
        |p| p.inject("ERROR\nmessage:broken\n\n\0"),
        |p| p.inject("no stomp\n\n\0"),
        |p| p.inject("ERROR\ncode:401\n\n\0"),
    ];
    for end in ends {
        let mut p = Pair::online_with(
            |c| c.token_source(no_source),
            |s| {
                s.auth_bearer(secs(60))
                    .rule(Rule::on(on::recv("SEND")).then(act::drop_it()))
            },
        );
        p.publish("x");
        let close = p.close();
        end(&mut p);
        p.until(|p| p.answer(close).is_some());
        p.expect_err(close);
        p.pass(secs(100));
        assert_eq!(p.conns, 1);
        p.check_end();
    }
}

#[test]
fn nobody_needs_to_wait_for_a_close() {
    let mut p = Pair::online();
    let deadline = p.instant() + secs(5);
    p.input(crate::core::Input::Command(crate::core::Command::Close {
        waiter: Waiter::NONE,
        deadline,
    }));
    p.until_phase(Phase::Closed);
    p.check_end();
}

#[test]
fn messages_are_still_delivered_while_a_close_waits() {
    let mut p = Pair::online_with(
        |c| c,
        |s| s.rule(Rule::on(on::recv("DISCONNECT")).then(act::blackhole(Direction::In))),
    );
    p.subscribed("/topic/a");
    p.close();
    p.inject("MESSAGE\nsubscription:a\nmessage-id:1\ndestination:/a\n\nx\0");
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 1);
    p.until_phase(Phase::Closed);
    p.check_end();
}

#[test]
fn a_closed_client_answers_every_call_at_once() {
    let mut p = Pair::online();
    p.finish();
    let publish = p.publish("x");
    let (_, subscribe) = p.subscribe("/topic/a");
    let connect = p.connect();
    for call in [publish, subscribe, connect] {
        assert!(matches!(p.expect_err(call), Error::Closed));
    }
    p.check_end();
}
