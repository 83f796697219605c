//! Planned rotation, for brokers that never tell that a token has ended.

use hobnail_mock_broker::script::OnExpiry;

use super::{
    app::Send,
    pair::{Pair, no_source},
    secs,
    source::Answer,
};
use crate::{
    config::{Builder, Rotate},
    core::Phase,
    event::Event,
    frame::Command,
};

fn rotating(client: impl FnOnce(Builder) -> Builder) -> Pair {
    let mut p = Pair::with(
        1,
        |c| client(c.token_source(no_source).rotate(Rotate::Planned)),
        |s| s.auth_bearer(secs(3600)).on_expiry(OnExpiry::Nothing),
    );
    p.source.usual = Answer::lives(secs(100));
    p.go_online();
    p
}

fn rotations(p: &Pair) -> usize {
    p.count(|e| matches!(e, Event::Rotating))
}

#[test]
fn a_session_is_begun_anew_before_its_token_ends() {
    let mut p = rotating(|c| c);
    p.subscribed("/topic/a");
    let first = p.now;
    p.until(|p| p.conns == 2 && p.core.phase() == Phase::Online);
    let at = p.now - first;
    assert!((secs(89)..secs(96)).contains(&at), "{at:?}");
    assert_eq!(p.commands(1), ["CONNECT", "SUBSCRIBE", "DISCONNECT"]);
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE"]);
    assert_eq!(p.presented(), p.source.given.iter().collect::<Vec<_>>());
    let lost = |e: &Event| matches!(e, Event::Disconnected { .. });
    assert_eq!((rotations(&p), p.count(lost)), (1, 0));
    assert_eq!(p.core.metrics.rotations, 1);
    // And again, as often as it takes.
    p.pass(secs(1_000));
    assert!(rotations(&p) >= 10, "{}", rotations(&p));
    assert_eq!(p.count(lost), 0);
    p.finish();
}

#[test]
fn without_a_plan_a_session_outlives_its_token() {
    let mut p = rotating(|c| c.rotate(Rotate::Never));
    p.pass(secs(1_000));
    assert_eq!(p.conns, 1);
    p.finish();
}

#[test]
fn under_load_nothing_is_lost_and_the_order_is_kept() {
    let mut p = rotating(|c| c);
    let mut calls = Vec::new();
    for n in 0..3_000 {
        calls.push(p.send(Send::new(&n.to_string()).within(secs(60))));
        p.pass(super::ms(100));
    }
    p.pass(secs(5));
    for call in calls {
        p.expect_ok(call);
    }
    assert!(rotations(&p) >= 3);
    let bodies: Vec<u32> = p
        .sent("SEND")
        .iter()
        .map(|s| String::from_utf8_lossy(&s.frame().body).parse().unwrap())
        .collect();
    assert_eq!(
        bodies,
        (0..3_000).collect::<Vec<_>>(),
        "each once, in order"
    );
    p.finish();
}

#[test]
fn without_the_next_token_the_session_is_kept_until_there_is_one() {
    let mut p = rotating(|c| c);
    p.source.usual = Answer::Fails { fatal: false };
    p.pass(secs(400));
    assert_eq!((p.conns, rotations(&p)), (1, 0));
    p.source.usual = Answer::lives(secs(100));
    p.until(|p| p.conns == 2 && p.core.phase() == Phase::Online);
    assert_eq!(rotations(&p), 1);
    p.finish();
}

#[test]
fn an_open_transaction_is_waited_for_but_not_beyond_the_token() {
    let mut p = rotating(|c| c);
    p.pass(secs(85));
    let begin = p.transaction(Command::Begin, 1);
    p.pass(secs(11));
    assert_eq!(rotations(&p), 0);
    let commit = p.transaction(Command::Commit, 1);
    p.until(|p| p.conns == 2 && p.core.phase() == Phase::Online);
    p.expect_ok(begin);
    p.expect_ok(commit);
    p.transaction(Command::Begin, 2);
    p.pass(secs(150));
    assert!(p.conns >= 3, "a transaction without an end is none");
    p.finish();
}

#[test]
fn a_close_during_a_rotation_is_the_end() {
    let mut p = rotating(|c| c);
    p.until(|p| rotations(p) == 1);
    assert_eq!(p.core.phase(), Phase::Closing);
    let close = p.close();
    p.until(|p| p.answer(close).is_some());
    p.expect_ok(close);
    assert_eq!(p.conns, 1);
    p.check_end();
}

#[test]
fn a_loss_during_a_rotation_is_a_loss_like_any_other() {
    let mut p = rotating(|c| c);
    p.half_open();
    p.until(|p| p.conns == 2 && p.core.phase() == Phase::Online);
    p.finish();
}

#[test]
fn a_rotation_goes_back_to_the_first_endpoint_if_asked_to() {
    for fail_back in [false, true] {
        let mut p = Pair::with(
            1,
            |c| {
                c.token_source(no_source)
                    .rotate(Rotate::Planned)
                    .fallback("ws://b.test/stomp")
                    .fail_back(fail_back)
            },
            |s| s.auth_bearer(secs(3600)).on_expiry(OnExpiry::Nothing),
        );
        p.source.usual = Answer::lives(secs(100));
        p.dead.insert(
            "broker.test",
            crate::error::LinkError::Lost("refused".into()),
        );
        p.go_online();
        p.dead.clear();
        p.until(|p| p.conns == 3);
        let expected = if fail_back { "broker.test" } else { "b.test" };
        assert_eq!(p.opened[2].1, expected);
        p.until_phase(Phase::Online);
        p.finish();
    }
}
