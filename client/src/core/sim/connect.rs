//! From nothing to a live session.

use hobnail_mock_broker::script::{Rule, act, on};

use super::{ms, pair::Pair, secs};
use crate::{
    core::Phase,
    error::{Error, LinkError, ProtocolError, Stage},
    event::Event,
    frame::Version,
};

#[test]
fn connect_ends_when_the_broker_has_said_connected() {
    let mut p = Pair::new();
    let connect = p.connect();
    p.until(|p| p.answer(connect).is_some());
    p.expect_ok(connect);
    // There and back for the link, there and back for CONNECT.
    assert_eq!(p.ended_at(connect), ms(40));
    assert_eq!(p.core.phase(), Phase::Online);
    let sent = p.sent("CONNECT");
    assert_eq!(sent[0].header("accept-version"), Some("1.1,1.2"));
    assert_eq!(sent[0].header("host"), Some("broker.test"));
    assert_eq!(sent[0].header("heart-beat"), Some("10000,10000"));
    assert_eq!(sent[0].header("receipt"), None);
    let Event::Connected(said) = &p.events[0].1 else {
        panic!()
    };
    assert_eq!((said.version, said.connection), (Version::V1_2, 1));
    assert_eq!(
        (said.beats_out, said.beats_in),
        (Some(secs(10)), Some(secs(10)))
    );
    p.finish();
}

#[test]
fn login_and_passcode_stand_in_connect() {
    let p = Pair::online_with(
        |c| c.login("anna", "secret"),
        |s| s.auth_basic("anna", "secret"),
    );
    let sent = p.sent("CONNECT");
    assert_eq!(sent[0].header("login"), Some("anna"));
    assert_eq!(sent[0].header("passcode"), Some("secret"));
}

#[test]
fn a_version_that_was_not_offered_is_refused_for_good() {
    for (answer, chosen) in [
        ("CONNECTED\nversion:1.0\n\n\0", "1.0"),
        ("CONNECTED\n\n\0", "1.0"),
        ("CONNECTED\nversion:2.0\n\n\0", "2.0"),
    ] {
        let mut p = Pair::with(
            1,
            |c| c.persistent(true),
            |s| s.rule(Rule::on(on::recv("CONNECT")).then(act::drop_it())),
        );
        let connect = p.connect();
        p.until(|p| !p.sent("CONNECT").is_empty());
        p.inject(answer);
        p.until(|p| p.answer(connect).is_some());
        match p.expect_err(connect) {
            Error::Protocol(e) => match *e {
                ProtocolError::Version { chosen: told, .. } => assert_eq!(told, chosen),
                other => panic!("{other}"),
            },
            other => panic!("{other}"),
        }
        assert_eq!(p.closes, [1002]);
        p.until_phase(Phase::Closed);
        p.check_end();
    }
}

#[test]
fn a_broker_of_1_0_is_accepted_where_that_was_asked_for() {
    let mut p = Pair::online_with(|c| c.allow_1_0(true), |s| s.versions(&["1.0"]));
    assert_eq!(p.core.version(), Version::V1_0);
    assert_eq!(
        p.sent("CONNECT")[0].header("accept-version"),
        Some("1.0,1.1,1.2")
    );
    let send = p.publish("x");
    p.pass(secs(1));
    p.expect_ok(send);
    p.finish();
}

#[test]
fn a_first_connect_that_fails_is_told_at_once() {
    let mut p = Pair::new();
    p.listening = false;
    let connect = p.connect();
    p.pass(secs(1));
    assert!(matches!(p.expect_err(connect), Error::Link(_)));
    assert_eq!(p.conns, 1);
    p.check_end();
}

#[test]
fn a_persistent_first_connect_is_tried_again_until_it_succeeds() {
    let mut p = Pair::with(1, |c| c.persistent(true), |s| s);
    p.listening = false;
    let connect = p.connect();
    p.pass(secs(3));
    assert!(p.is_pending(connect));
    p.listening = true;
    p.until(|p| p.answer(connect).is_some());
    p.expect_ok(connect);
    assert_eq!(p.conns, 2);
    p.finish();
}

#[test]
fn a_persistent_first_connect_ends_at_its_limit_and_says_what_was_wrong() {
    let mut p = Pair::with(1, |c| c.persistent(true), |s| s);
    p.listening = false;
    let connect = p.connect();
    p.until(|p| p.answer(connect).is_some());
    assert_eq!(p.ended_at(connect), secs(30));
    assert!(matches!(p.expect_err(connect), Error::Link(e) if matches!(*e, LinkError::Lost(_))));
    p.check_end();
}

#[test]
fn a_persistent_first_connect_bears_a_conflict() {
    let mut p = Pair::with(
        1,
        |c| c.persistent(true),
        |s| s.rule(Rule::on(on::recv("CONNECT")).times(1).then(act::error(409))),
    );
    let connect = p.connect();
    p.until(|p| p.answer(connect).is_some());
    p.expect_ok(connect);
    p.finish();
}

#[test]
fn a_broker_that_never_says_connected_is_given_up() {
    let mut p = Pair::with(
        1,
        |c| c,
        |s| s.rule(Rule::on(on::recv("CONNECT")).then(act::drop_it())),
    );
    let connect = p.connect();
    p.until(|p| p.answer(connect).is_some());
    match p.expect_err(connect) {
        Error::Link(e) => {
            assert!(
                matches!(
                    *e,
                    LinkError::Timeout {
                        stage: Stage::Open,
                        ..
                    }
                ),
                "{e}"
            );
        }
        other => panic!("{other}"),
    }
    p.until_phase(Phase::Closed);
    p.check_end();
}

#[test]
fn everyone_who_asks_to_connect_is_answered_when_the_session_is_live() {
    let mut p = Pair::new();
    let first = p.connect();
    let second = p.connect();
    assert!(p.is_pending(first) && p.is_pending(second));
    p.until_phase(Phase::Online);
    p.expect_ok(first);
    p.expect_ok(second);
    let third = p.connect();
    p.expect_ok(third);
    assert_eq!(p.conns, 1);
    p.finish();
}

#[test]
fn a_frame_that_comes_before_connected_breaks_the_protocol() {
    let mut p = Pair::with(
        1,
        |c| c,
        |s| s.rule(Rule::on(on::recv("CONNECT")).then(act::drop_it())),
    );
    let connect = p.connect();
    p.until(|p| !p.sent("CONNECT").is_empty());
    p.inject("MESSAGE\nsubscription:a\nmessage-id:1\ndestination:/a\n\nx\0");
    p.until(|p| p.answer(connect).is_some());
    assert!(matches!(p.expect_err(connect), Error::Protocol(_)));
    p.until_phase(Phase::Closed);
    p.check_end();
}

#[test]
fn a_refused_connect_is_told_at_once_though_the_broker_leaves_the_socket_open() {
    let mut p = Pair::with(
        1,
        |c| c,
        |s| s.rule(Rule::on(on::recv("CONNECT")).then(act::drop_it())),
    );
    let connect = p.connect();
    p.until(|p| !p.sent("CONNECT").is_empty());
    p.inject("ERROR\nmessage:Bad CONNECT\n\n\0");
    let begun = p.now;
    p.until_phase(Phase::Closing);
    p.half_open();
    p.until(|p| p.answer(connect).is_some());
    assert!(matches!(p.expect_err(connect), Error::Broker(_)));
    assert_eq!(p.now - begun, ms(10), "the ERROR's way to the client");
    assert_eq!(p.closes, [1000]);
    p.until_phase(Phase::Closed);
    assert_eq!(p.count(|e| matches!(e, Event::Closed { .. })), 1);
    p.check_end();
}
