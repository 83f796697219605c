//! All of a transaction takes effect, or nothing of it.

use hobnail_mock_broker::script::{Rule, act, on};

use super::{app::Send, pair::Pair, secs};
use crate::{
    core::{Phase, Waiter},
    dialect::Dialect,
    error::{Error, Stage},
    frame::Command,
};

#[test]
fn a_transaction_is_begun_filled_and_committed() {
    let mut p = Pair::online();
    p.subscribed("/queue/a");
    let begin = p.transaction(Command::Begin, 1);
    let send = p.send(Send::new("x").part_of(1));
    p.pass(secs(1));
    assert!(p.messages.is_empty());
    let commit = p.transaction(Command::Commit, 1);
    p.pass(secs(1));
    for call in [begin, send, commit] {
        p.expect_ok(call);
    }
    assert_eq!(p.messages.len(), 1);
    p.finish();
}

#[test]
fn a_transaction_dies_with_its_connection() {
    let mut p = Pair::online();
    let begin = p.transaction(Command::Begin, 1);
    p.pass(secs(1));
    p.expect_ok(begin);
    p.lose();
    let send = p.send(Send::new("x").part_of(1));
    let commit = p.transaction(Command::Commit, 1);
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert!(matches!(p.expect_err(send), Error::Lost));
    assert!(matches!(p.expect_err(commit), Error::Lost));
    assert_eq!(p.commands(2), ["CONNECT"]);
    p.finish();
}

#[test]
fn a_transaction_that_waited_as_a_whole_for_the_connection_survives() {
    let mut p = Pair::online();
    p.subscribed("/queue/a");
    p.lose();
    let calls = [
        p.transaction(Command::Begin, 1),
        p.send(Send::new("x").part_of(1)),
        p.transaction(Command::Commit, 1),
    ];
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    for call in calls {
        p.expect_ok(call);
    }
    assert_eq!(p.messages.len(), 1);
    p.finish();
}

#[test]
fn a_frame_of_a_transaction_is_never_replayed_into_another_connection() {
    let mut p = Pair::online();
    p.transaction(Command::Begin, 1);
    p.pass(secs(1));
    p.half_open();
    let send = p.send(Send::new("x").replay().part_of(1));
    p.lose();
    assert!(matches!(p.expect_err(send), Error::Lost));
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT"]);
    assert_eq!(p.core.phase(), Phase::Online);
    p.finish();
}

#[test]
fn a_commit_does_not_follow_a_frame_that_did_not_leave() {
    let mut p = Pair::online();
    p.subscribed("/queue/a");
    let begin = p.transaction(Command::Begin, 1);
    p.pass(secs(1));
    p.expect_ok(begin);
    p.writable = false;
    let silent = p.send(Send::new("first").silent().within(secs(2)).part_of(1));
    assert_eq!(silent, Waiter::NONE);
    let second = p.send(Send::new("second").part_of(1));
    let commit = p.transaction(Command::Commit, 1);
    p.pass(secs(3));
    p.unblock();
    p.pass(secs(3));
    assert!(matches!(p.expect_err(second), Error::Lost));
    assert!(matches!(p.expect_err(commit), Error::Lost));
    assert!(p.messages.is_empty(), "half a transaction was committed");
    assert_eq!(p.core.phase(), Phase::Online);
    p.finish();
}

#[test]
fn nothing_of_a_transaction_leaves_whose_begin_did_not() {
    let mut p = Pair::new();
    let send = Send {
        within: secs(2),
        ..Send::new("")
    };
    let send = Send {
        transaction: Some((1, crate::core::TransactionStep::Begin)),
        ..send
    };
    let begin = p.frame(
        Command::Begin,
        &[("transaction", "tx1".to_owned())],
        &send,
        None,
    );
    let within = p.send(Send::new("x").part_of(1));
    p.pass(secs(3));
    assert!(matches!(p.expect_err(begin), Error::Timeout(Stage::Outbox)));
    p.go_online();
    p.pass(secs(1));
    assert!(matches!(p.expect_err(within), Error::Lost));
    assert_eq!(p.commands(1), ["CONNECT"]);
    p.finish();
}

#[test]
fn a_suspension_aborts_what_may_lack_a_frame() {
    let mut p = Pair::with(
        1,
        |c| {
            c.dialect(Dialect::CONTACT_CENTRE)
                .token_source(super::pair::no_source)
        },
        |s| s.auth_bearer(secs(3600)).suspend_grace(secs(1)),
    );
    p.go_online();
    let begin = p.transaction(Command::Begin, 1);
    p.pass(secs(1));
    p.expect_ok(begin);
    p.broker(hobnail_mock_broker::engine::Input::Expire("all"));
    p.until(|p| p.core.phase() == Phase::Suspended);
    p.until_phase(Phase::Online);
    let commit = p.transaction(Command::Commit, 1);
    assert!(matches!(p.expect_err(commit), Error::Lost));
    p.finish();
}

#[test]
fn a_commit_is_not_confirmed_by_a_broker_that_may_have_refused_a_part() {
    let refuses = Rule::on(on::recv("SEND"))
        .times(1)
        .then(act::error(401).keep_open());
    let mut p = Pair::online_with(
        |c| {
            c.dialect(Dialect::CONTACT_CENTRE)
                .token_source(super::pair::no_source)
        },
        |s| {
            s.auth_bearer(secs(3600))
                .suspend_grace(secs(1))
                .rule(refuses)
        },
    );
    p.transaction(Command::Begin, 1);
    p.send(Send::new("x").part_of(1).silent());
    let commit = p.transaction(Command::Commit, 1);
    p.pass(secs(1));
    // It said RECEIPT all the same.
    assert!(p.core.metrics.late_receipts >= 1);
    assert!(matches!(p.expect_err(commit), Error::Lost));
    p.finish();
}
