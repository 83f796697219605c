//! SUBSCRIBE, UNSUBSCRIBE, and where a MESSAGE goes.

use hobnail_mock_broker::{
    engine::Input as Broker,
    script::{Rule, act, on},
};

use super::{app::Send, ms, pair::Pair, secs};
use crate::{
    core::{AckMode, Phase},
    error::{Error, Misuse, Stage},
};

#[test]
fn a_subscription_is_made_when_its_receipt_came() {
    let mut p = Pair::online();
    let begun = p.now;
    let (key, call) = p.subscribe("/topic/a");
    p.until(|p| p.answer(call).is_some());
    p.expect_ok(call);
    assert_eq!(p.ended_at(call) - begun, ms(20));
    p.broker(Broker::Publish {
        destination: "/topic/a",
        headers: &[],
        body: b"hello",
    });
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 1);
    assert_eq!((p.messages[0].1, p.messages[0].2), (key, 1));
    assert_eq!(p.messages[0].3.body(), b"hello");
    p.finish();
    assert_eq!(p.ended, [key]);
}

#[test]
fn an_id_that_is_taken_is_misuse() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    let (_, again) = p.subscribe("/topic/a");
    match p.expect_err(again) {
        Error::Misuse(Misuse::DuplicateSubscription(id)) => assert_eq!(id, "a"),
        other => panic!("{other}"),
    }
    assert_eq!(p.sent("SUBSCRIBE").len(), 1);
    p.finish();
}

#[test]
fn an_unsubscribe_is_done_when_its_receipt_came_and_frees_the_id() {
    let mut p = Pair::online();
    let key = p.subscribed("/topic/a");
    let call = p.unsubscribe(key);
    assert!(p.is_pending(call));
    p.pass(secs(1));
    p.expect_ok(call);
    assert_eq!(p.ended, [key]);
    p.subscribed("/topic/a");
    p.finish();
}

#[test]
fn a_second_unsubscribe_does_not_leave() {
    let mut p = Pair::online();
    let key = p.subscribed("/topic/a");
    let first = p.unsubscribe(key);
    let second = p.unsubscribe(key);
    p.pass(secs(1));
    p.expect_ok(first);
    p.expect_ok(second);
    assert_eq!(p.sent("UNSUBSCRIBE").len(), 1);
    assert_eq!(p.core.phase(), Phase::Online);
    p.finish();
}

#[test]
fn a_subscription_that_was_asked_for_before_there_was_a_session_leaves_once() {
    let mut p = Pair::new();
    let (_, before) = p.subscribe("/topic/early");
    p.connect();
    let (_, during) = p.subscribe("/topic/a");
    p.publish("x");
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    p.expect_ok(before);
    p.expect_ok(during);
    assert_eq!(p.commands(1), ["CONNECT", "SUBSCRIBE", "SUBSCRIBE", "SEND"]);
    assert_eq!(p.conns, 1);
    p.finish();
}

#[test]
fn a_subscription_that_was_not_confirmed_in_time_does_not_exist() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            s.rule(
                Rule::on(on::sending("RECEIPT"))
                    .times(1)
                    .then(act::delay(secs(20))),
            )
        },
    );
    let (key, call) = p.subscribe_as("a", "/topic/a", AckMode::Auto, secs(5));
    p.pass(secs(6));
    assert!(matches!(p.expect_err(call), Error::Timeout(Stage::Receipt)));
    assert_eq!(p.ended, [key]);
    assert_eq!(p.sent("UNSUBSCRIBE").len(), 1, "the broker was not told");
    p.subscribed("/topic/a");
    p.pass(secs(30));
    assert_eq!(p.conns, 1);
    p.finish();
}

#[test]
fn what_was_given_up_on_a_lost_connection_is_not_taken_back_on_the_next() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            s.rule(
                Rule::on(on::sending("RECEIPT"))
                    .times(1)
                    .then(act::drop_it()),
            )
        },
    );
    let (_, call) = p.subscribe_as("a", "/topic/a", AckMode::Auto, secs(5));
    p.pass(secs(4));
    p.writable = false;
    p.pass(secs(2));
    assert!(p.answer(call).is_some());
    p.lose();
    p.unblock();
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert!(p.sent("UNSUBSCRIBE").is_empty());
    assert_eq!(p.core.phase(), Phase::Online);
    p.finish();
}

#[test]
fn an_unsubscribe_that_could_not_leave_in_time_leaves_later() {
    let mut p = Pair::online();
    let key = p.subscribed("/topic/a");
    p.writable = false;
    let call = p.unsubscribe_within(key, secs(2));
    p.pass(secs(3));
    assert!(matches!(p.expect_err(call), Error::Timeout(Stage::Outbox)));
    p.unblock();
    p.pass(secs(1));
    assert_eq!(p.sent("UNSUBSCRIBE").len(), 1);
    p.subscribed("/topic/a");
    p.finish();
}

#[test]
fn an_unsubscribe_before_the_confirmation_ends_the_call_that_waits_for_it() {
    let mut p = Pair::online();
    let (key, subscribe) = p.subscribe("/topic/a");
    let unsubscribe = p.unsubscribe(key);
    p.pass(secs(1));
    p.expect_ok(unsubscribe);
    assert!(matches!(
        p.expect_err(subscribe),
        Error::Misuse(Misuse::UnknownSubscription(_))
    ));
    assert_eq!(p.conns, 1);
    p.finish();
}

#[test]
fn a_subscription_that_never_left_is_forgotten_without_a_word() {
    let mut p = Pair::new();
    let (key, subscribe) = p.subscribe("/topic/a");
    let unsubscribe = p.unsubscribe(key);
    p.expect_ok(unsubscribe);
    assert!(p.answer(subscribe).is_some());
    p.go_online();
    p.pass(secs(1));
    assert_eq!(p.commands(1), ["CONNECT"]);
    p.finish();
}

#[test]
fn a_message_for_nobody_is_counted_and_does_no_harm() {
    let mut p = Pair::online();
    p.inject("MESSAGE\nsubscription:who\nmessage-id:1\ndestination:/a\n\nx\0");
    p.inject("MESSAGE\nmessage-id:1\ndestination:/a\n\nx\0");
    p.pass(secs(1));
    assert_eq!(p.core.metrics.unrouted, 2);
    assert_eq!(p.core.phase(), Phase::Online);
    p.finish();
}

#[test]
fn an_id_with_escapes_finds_its_messages() {
    let mut p = Pair::online();
    let (_, call) = p.subscribe_as("a:b", "/topic/a", AckMode::Auto, secs(5));
    p.pass(secs(1));
    p.expect_ok(call);
    p.broker(Broker::Publish {
        destination: "/topic/a",
        headers: &[],
        body: b"x",
    });
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 1);
    p.finish();
}

#[test]
fn frames_split_and_joined_anywhere_are_the_same_frames() {
    let mut p = Pair::online_with(
        |c| c,
        |s| s.rule(Rule::on(on::connected()).then(act::split_every(3))),
    );
    p.subscribed("/queue/a");
    for n in 0..20 {
        p.send(Send::new(&n.to_string()));
    }
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 20);
    p.inject("\n\nMESSAGE\nsubscription:a\nmessage-id:1\ndestination:/a\n\nx\0\n");
    p.inject("MESSAGE\nsubscription:a\nmessage-id:2\ndestination:/a\ncontent-length:3\n\n\0\n\0\0RECEIPT\nreceipt-id:77\n\n\0");
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 22);
    assert_eq!(p.core.metrics.late_receipts, 1);
    p.finish();
}
