//! Requests and replies.

use std::sync::Arc;

use hobnail_mock_broker::{
    engine::Input as Broker,
    script::{Rule, act, on},
};

use super::{app::Send, ms, pair::Pair, secs};
use crate::{
    config::Limits,
    core::{Command, DrainStep, Input, Phase, Replies, Reply, Waiter},
    dialect::Dialect,
    error::{Error, Misuse, Stage, Undrained},
};

fn replies(p: &Pair) -> Arc<Replies> {
    Arc::new(Replies::new(&p.config, "me".into()))
}

/// A request without a reply so far.
fn ask(p: &mut Pair, body: &str) -> Waiter {
    p.send(Send::new(body).asking(&replies(p)))
}

/// The reply to the n-th frame with a receipt, if the client is subscribed.
fn reply(p: &mut Pair, n: u64, body: &str) {
    let replies = replies(p);
    p.broker(Broker::Publish {
        destination: &replies.destination,
        headers: &[("correlation-id", &replies.correlation(n))],
        body: body.as_bytes(),
    });
    p.pass(secs(1));
}

fn answer(p: &Pair, call: Waiter) -> String {
    match p.answer(call) {
        Some(Ok(Reply::Message { frame })) => String::from_utf8_lossy(frame.body()).into(),
        other => panic!("{other:?}"),
    }
}

fn asked(p: &Pair) -> Vec<String> {
    let ids = p.sent("SEND").into_iter();
    ids.map(|left| left.header("correlation-id").unwrap().to_owned())
        .collect()
}

fn refusing() -> Pair {
    Pair::online_with(
        |c| c,
        |s| {
            let refused = act::plain_error("not for you");
            s.rule(Rule::on(on::recv("SUBSCRIBE")).times(1).then(refused))
        },
    )
}

#[test]
fn the_first_request_waits_for_the_subscription_that_all_share() {
    let mut p = Pair::online();
    let begun = p.now;
    let calls = [ask(&mut p, "a"), ask(&mut p, "b")];
    p.until(|p| p.sent("SEND").len() == 2);
    assert_eq!(p.now - begun, ms(20), "one round trip");
    let to = p.sent("SEND")[0].header("reply-to").unwrap().to_owned();
    assert_eq!(
        p.sent("SUBSCRIBE")[0].header("destination"),
        Some(to.as_str())
    );
    p.pass(secs(1));
    // In whatever order they come.
    reply(&mut p, 2, "to b");
    assert!(p.is_pending(calls[0]));
    reply(&mut p, 1, "to a");
    assert_eq!(
        [answer(&p, calls[0]), answer(&p, calls[1])],
        ["to a", "to b"]
    );
    let third = ask(&mut p, "c");
    reply(&mut p, 3, "to c");
    assert_eq!(answer(&p, third), "to c");
    assert_eq!(p.core.metrics.replies, 3);
    assert!(
        p.messages.is_empty() && p.events.len() == 1,
        "{:?}",
        p.events
    );
    p.finish();
    assert_eq!(
        p.commands(1),
        ["CONNECT", "SUBSCRIBE", "SEND", "SEND", "SEND", "DISCONNECT"]
    );
}

#[test]
fn replies_that_nobody_waits_for_are_counted_and_end_nothing() {
    let mut p = Pair::online();
    let done = ask(&mut p, "a");
    p.pass(secs(1));
    reply(&mut p, 1, "yes");
    let waits = ask(&mut p, "b");
    reply(&mut p, 1, "once more");
    reply(&mut p, 7, "never asked");
    for id in ["correlation-id:you-2\n", "correlation-id:me-x\n", ""] {
        p.inject(format!("MESSAGE\nsubscription:me\n{id}\nx\0"));
    }
    p.pass(secs(1));
    assert_eq!(answer(&p, done), "yes");
    assert!(p.is_pending(waits));
    assert_eq!(
        (p.core.metrics.replies, p.core.metrics.late_replies),
        (1, 5)
    );
    p.pass(secs(30));
    assert!(matches!(p.expect_err(waits), Error::Timeout(Stage::Reply)));
    reply(&mut p, 2, "too late");
    assert_eq!(p.core.metrics.late_replies, 6);
    assert_eq!(p.core.operations.len(), 0);
    p.finish();
}

#[test]
fn a_receipt_that_comes_after_the_reply_is_not_late() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            let slow = act::delay(secs(5));
            s.rule(Rule::on(on::sending("RECEIPT").nth(2)).then(slow))
        },
    );
    let call = ask(&mut p, "a");
    p.pass(secs(1));
    reply(&mut p, 1, "yes");
    assert_eq!(answer(&p, call), "yes");
    assert_eq!(p.core.operations.len(), 1, "its RECEIPT is awaited");
    p.pass(secs(5));
    assert_eq!(p.core.operations.len(), 0);
    assert_eq!(p.core.metrics.late_receipts, 0);
    p.finish();
}

#[test]
fn rabbitmq_subscribes_by_itself() {
    let mut p = Pair::online_with(|c| c.dialect(Dialect::RABBITMQ), |s| s);
    let call = ask(&mut p, "a");
    p.pass(secs(1));
    assert_eq!(p.sent("SEND")[0].header("reply-to"), Some("/temp-queue/me"));
    for id in ["/temp-queue/you", "/temp-queue/me"] {
        p.inject(format!(
            "MESSAGE\nsubscription:{id}\ncorrelation-id:me-1\n\nyes\0"
        ));
    }
    p.pass(secs(1));
    assert_eq!(answer(&p, call), "yes");
    assert_eq!((p.core.metrics.replies, p.core.metrics.unrouted), (1, 1));
    p.finish();
    assert_eq!(p.commands(1), ["CONNECT", "SEND", "DISCONNECT"]);
}

#[test]
fn a_destination_that_was_given_is_subscribed_to_whatever_the_dialect() {
    let mut p = Pair::online_with(
        |c| c.dialect(Dialect::RABBITMQ).reply_to("/queue/desk-7"),
        |s| s,
    );
    let call = ask(&mut p, "a");
    p.pass(secs(1));
    reply(&mut p, 1, "yes");
    assert_eq!(answer(&p, call), "yes");
    assert_eq!(
        p.sent("SUBSCRIBE")[0].header("destination"),
        Some("/queue/desk-7")
    );
    p.finish();
}

#[test]
fn a_loss_ends_a_request_that_has_left_and_repeats_it_if_it_may_be() {
    let mut p = Pair::online();
    let replies = replies(&p);
    let once = ask(&mut p, "once");
    let again = p.send(Send::new("again").asking(&replies).replay());
    p.pass(secs(1));
    assert_eq!(p.core.operations.under_way(), 2, "both are confirmed");
    p.writable = false;
    let unsent = ask(&mut p, "unsent");
    p.lose();
    assert!(matches!(p.expect_err(once), Error::Lost));
    p.writable = true;
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE", "SEND", "SEND"]);
    assert_eq!(asked(&p), ["me-1", "me-2", "me-2", "me-3"]);
    reply(&mut p, 2, "yes");
    reply(&mut p, 3, "and yes");
    assert_eq!([answer(&p, again), answer(&p, unsent)], ["yes", "and yes"]);
    assert_eq!(
        p.count(|e| matches!(e, crate::event::Event::Restored { .. })),
        0,
        "nobody has asked for that subscription"
    );
    p.finish();
}

#[test]
fn who_is_not_let_in_to_hear_replies_learns_why() {
    let mut p = refusing();
    let calls = [ask(&mut p, "a"), ask(&mut p, "b")];
    p.pass(secs(1));
    for call in calls {
        assert!(matches!(p.expect_err(call), Error::Broker(_)));
    }
    assert!(p.sent("SEND").is_empty());
    p.until_phase(Phase::Online);
    let next = ask(&mut p, "c");
    p.pass(secs(1));
    reply(&mut p, 3, "yes");
    assert_eq!(answer(&p, next), "yes");
    p.finish();
}

#[test]
fn a_request_that_is_given_up_leaves_nothing_behind() {
    let mut p = Pair::online();
    let forget = |p: &mut Pair, request| p.input(Input::Command(Command::Forget { request }));
    let early = ask(&mut p, "before its subscription");
    forget(&mut p, 1);
    p.pass(secs(1));
    p.writable = false;
    let waits = ask(&mut p, "before it has left");
    forget(&mut p, 2);
    p.unblock();
    p.pass(secs(1));
    assert!(p.sent("SEND").is_empty());
    let late = ask(&mut p, "when it had left");
    p.pass(secs(1));
    forget(&mut p, 3);
    forget(&mut p, 3);
    forget(&mut p, 99);
    assert_eq!(p.core.operations.len(), 0);
    reply(&mut p, 3, "too late");
    assert_eq!(p.core.metrics.late_replies, 1);
    for call in [early, waits, late] {
        assert!(matches!(p.expect_err(call), Error::Closed));
    }
    p.finish();
}

#[test]
fn requests_are_as_many_as_they_may_be() {
    let limits = Limits {
        requests: 2,
        ..Limits::default()
    };
    let mut p = Pair::online_with(|c| c.limits(limits), |s| s);
    let first = ask(&mut p, "a");
    ask(&mut p, "b");
    let third = ask(&mut p, "c");
    assert!(matches!(
        p.expect_err(third),
        Error::Misuse(Misuse::TooManyRequests(2))
    ));
    let publish = p.publish("others are not bound by that");
    p.pass(secs(1));
    p.expect_ok(publish);
    reply(&mut p, 1, "yes");
    assert_eq!(answer(&p, first), "yes");
    let fourth = ask(&mut p, "d");
    p.pass(secs(1));
    assert!(p.is_pending(fourth));
    p.finish();
}

#[test]
fn an_error_ends_the_request_that_it_names_but_none_that_was_confirmed() {
    let mut p = Pair::online();
    let confirmed = ask(&mut p, "a");
    p.pass(secs(1));
    let refused = ask(&mut p, "b");
    p.inject("ERROR\nmessage:no\n\n\0");
    p.until_phase(Phase::Waiting);
    assert!(matches!(p.expect_err(refused), Error::Broker(_)));
    assert!(matches!(p.expect_err(confirmed), Error::Lost));
    p.finish();
}

#[test]
fn a_new_token_on_the_same_socket_does_not_end_a_request_that_was_confirmed() {
    let mut p = Pair::online_with(
        |c| {
            c.dialect(Dialect::CONTACT_CENTRE)
                .token_source(super::pair::no_source)
        },
        |s| s.auth_bearer(secs(3600)).receipt_id_header(true),
    );
    let call = ask(&mut p, "a");
    p.pass(secs(1));
    p.broker(Broker::Expire("all"));
    p.until_phase(Phase::Suspended);
    let waits = ask(&mut p, "b");
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.conns, 1);
    reply(&mut p, 1, "yes");
    reply(&mut p, 2, "and yes");
    assert_eq!([answer(&p, call), answer(&p, waits)], ["yes", "and yes"]);
    p.finish();
}

#[test]
fn a_drain_waits_for_replies_and_names_those_that_do_not_come() {
    let mut p = Pair::online();
    let call = ask(&mut p, "a");
    p.pass(secs(1));
    let drain = |p: &mut Pair| {
        let waiter = p.call("drain", Some(p.now + secs(5)));
        let command = Command::Drain {
            step: DrainStep::Settle,
            waiter,
            deadline: p.instant() + secs(5),
        };
        p.input(Input::Command(command));
        p.pass(secs(6));
        waiter
    };
    let left = drain(&mut p);
    let Error::Undrained(left) = p.expect_err(left) else {
        panic!("{:?}", p.answer(left));
    };
    let expected = Undrained {
        requests: 1,
        ..Undrained::default()
    };
    assert_eq!(*left, expected);
    assert_eq!(left.to_string(), "left are 1 replies");
    reply(&mut p, 1, "yes");
    assert_eq!(answer(&p, call), "yes");
    let done = drain(&mut p);
    p.expect_ok(done);
    p.finish();
}
