//! Lost connections: back-off, and what is replayed.

use hobnail_mock_broker::{
    engine::Input as Broker,
    script::{OnExpiry, Rule, act, on},
};

use super::{
    app::Send,
    pair::{Pair, no_source},
    secs,
};
use crate::{
    core::{AckMode, Phase},
    dialect::Dialect,
    error::{Error, Stage},
    event::Event,
};

/// The delays that were announced, in seconds.
fn delays(p: &Pair) -> Vec<f64> {
    p.events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Disconnected { retry_in, .. } => Some(retry_in.unwrap().as_secs_f64()),
            _ => None,
        })
        .collect()
}

fn is_near(delay: f64, base: f64) -> bool {
    (base * 0.8..=base * 1.2).contains(&delay)
}

#[test]
fn delays_double_from_5_to_60_seconds_with_jitter() {
    let mut p = Pair::online();
    p.listening = false;
    p.lose();
    p.until(|p| delays(p).len() == 7);
    let told = delays(&p);
    for (delay, base) in told.iter().zip([5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]) {
        assert!(is_near(*delay, base), "{told:?}");
    }
    assert!(told.iter().any(|d| d.fract() != 0.0), "no jitter");
    p.finish();
}

#[test]
fn the_delay_begins_anew_only_after_a_stable_session() {
    let mut p = Pair::online();
    for _ in 0..3 {
        p.pass(secs(29));
        p.lose();
        p.until_phase(Phase::Online);
    }
    assert!(is_near(delays(&p)[2], 20.0));
    p.pass(secs(31));
    p.lose();
    assert!(is_near(delays(&p)[3], 5.0));
    p.finish();
}

#[test]
fn a_close_that_nobody_asked_for_is_a_loss() {
    let mut p = Pair::online();
    p.inject_close(1000);
    p.until_phase(Phase::Waiting);
    p.until_phase(Phase::Online);
    assert_eq!(p.conns, 2);
    p.finish();
}

#[test]
fn subscriptions_are_made_again_in_their_order_before_anything_else_leaves() {
    let mut p = Pair::online();
    for id in ["c", "a", "b"] {
        p.subscribed(&format!("/topic/{id}"));
    }
    p.lose();
    let send = p.publish("x");
    let (_, fourth) = p.subscribe("/topic/d");
    p.until_phase(Phase::Online);
    // All of them without waiting for each other.
    assert_eq!(
        p.commands(2),
        [
            "CONNECT",
            "SUBSCRIBE",
            "SUBSCRIBE",
            "SUBSCRIBE",
            "SUBSCRIBE",
            "SEND"
        ]
    );
    let ids: Vec<_> = p
        .sent("SUBSCRIBE")
        .iter()
        .skip(3)
        .map(|s| s.header("id").unwrap())
        .collect();
    assert_eq!(ids, ["c", "a", "b", "d"]);
    assert_eq!(p.count(|e| matches!(e, Event::Restored { .. })), 0);
    p.pass(secs(1));
    assert_eq!(p.count(|e| matches!(e, Event::Restored { .. })), 3);
    p.expect_ok(send);
    p.expect_ok(fourth);
    p.finish();
}

#[test]
fn a_thousand_subscriptions_are_restored_in_one_round_trip() {
    let mut p = Pair::online();
    for n in 0..1_000 {
        p.subscribe(&format!("/topic/{n}"));
    }
    p.pass(secs(1));
    p.lose();
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    let left: Vec<_> = p.sent("SUBSCRIBE").iter().map(|s| s.at).collect();
    let is_it = |event: &Event| matches!(event, Event::Restored { .. });
    let restored = p.events.iter().filter(|(_, event)| is_it(event));
    let restored: Vec<_> = restored.map(|(at, _)| *at).collect();
    assert_eq!((left.len(), restored.len()), (2_000, 1_000));
    // None of them waits for the RECEIPT of another.
    assert_eq!(left[1_000], left[1_999]);
    assert!(
        left[1_999] < restored[0],
        "{:?} {:?}",
        left[1_999],
        restored[0]
    );
    assert_eq!(restored[0], restored[999]);
    p.finish();
}

#[test]
fn a_restored_subscription_without_a_receipt_is_asked_for_once_more() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            s.rule(
                Rule::on(on::recv("SUBSCRIBE"))
                    .conn(2)
                    .times(1)
                    .then(act::drop_it()),
            )
        },
    );
    p.subscribed("/topic/a");
    p.lose();
    p.until_phase(Phase::Online);
    p.pass(secs(11));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE", "SUBSCRIBE"]);
    assert_eq!(p.count(|e| matches!(e, Event::Restored { .. })), 1);
    p.pass(secs(60));
    assert_eq!(p.conns, 2);
    p.finish();
}

#[test]
fn a_restored_subscription_that_is_never_confirmed_costs_the_connection() {
    let mut p = Pair::online_with(
        |c| c,
        |s| s.rule(Rule::on(on::recv("SUBSCRIBE")).conn(2).then(act::drop_it())),
    );
    p.subscribed("/topic/a");
    p.lose();
    p.until_phase(Phase::Online);
    p.until(|p| p.conns == 3 && p.core.phase() == Phase::Online);
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE", "SUBSCRIBE"]);
    p.pass(secs(1));
    assert_eq!(p.count(|e| matches!(e, Event::Restored { .. })), 1);
    p.finish();
}

#[test]
fn the_first_receipt_counts_even_if_it_comes_after_the_second_question() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            // The second SUBSCRIBE is not even heard, or it would be refused.
            s.rule(
                Rule::on(on::recv("SUBSCRIBE"))
                    .conn(2)
                    .times(2)
                    .then(act::seq(vec![
                        vec![act::delay(secs(12)), act::pass()],
                        vec![act::drop_it()],
                    ])),
            )
        },
    );
    p.subscribed("/topic/a");
    p.lose();
    p.until_phase(Phase::Online);
    p.pass(secs(60));
    assert_eq!((p.conns, p.core.phase()), (2, Phase::Online));
    assert_eq!(p.count(|e| matches!(e, Event::Restored { .. })), 1);
    assert_eq!(p.core.metrics.late_receipts, 0);
    p.finish();
}

#[test]
fn a_second_question_that_is_refused_as_one_too_many_does_not_end_the_subscription() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            s.rule(
                Rule::on(on::sending("RECEIPT"))
                    .conn(2)
                    .then(act::drop_it()),
            )
        },
    );
    p.subscribed("/topic/a");
    p.lose();
    p.until(|p| p.conns == 3 && p.core.phase() == Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.count(|e| matches!(e, Event::Refused { .. })), 0);
    assert_eq!(p.count(|e| matches!(e, Event::Restored { .. })), 1);
    p.finish();
}

#[test]
fn what_had_not_left_survives_a_loss_and_what_had_is_told() {
    let mut p = Pair::online();
    p.half_open();
    let left = p.publish("left");
    let first = p.send(Send::new("1").replay());
    let second = p.send(Send::new("2").replay());
    p.writable = false;
    let waits = p.publish("3");
    let third = p.send(Send::new("4").replay());
    p.lose();
    p.unblock();
    assert!(matches!(p.expect_err(left), Error::Lost));
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    for call in [first, second, waits, third] {
        p.expect_ok(call);
    }
    let bodies: Vec<_> = p
        .sent("SEND")
        .iter()
        .filter(|s| s.conn == 2)
        .map(|s| String::from_utf8(s.frame().body.clone()).unwrap())
        .collect();
    assert_eq!(bodies, ["1", "2", "3", "4"]);
    p.finish();
}

#[test]
fn what_is_replayed_keeps_its_order_through_many_losses() {
    let mut p = Pair::online();
    let mut calls = Vec::new();
    for n in 0..5 {
        p.half_open();
        calls.push(p.send(Send {
            within: secs(600),
            ..Send::new(&n.to_string()).replay()
        }));
        p.lose();
        p.until_phase(Phase::Online);
    }
    p.pass(secs(1));
    for call in calls {
        p.expect_ok(call);
    }
    let last: Vec<_> = p
        .sent("SEND")
        .iter()
        .rev()
        .take(5)
        .rev()
        .map(|s| s.frame().body[0])
        .collect();
    assert_eq!(last, b"01234");
    p.finish();
}

#[test]
fn what_may_have_left_is_lost_if_the_client_ends_before_it_could_leave_again() {
    let mut p = Pair::online();
    p.half_open();
    let maybe = p.send(Send::new("1").replay());
    p.listening = false;
    p.lose();
    let never = p.publish("2");
    let close = p.close();
    p.expect_ok(close);
    assert!(matches!(p.expect_err(maybe), Error::Lost));
    assert!(matches!(p.expect_err(never), Error::Closed));
    p.check_end();
}

#[test]
fn a_replayed_frame_ends_at_its_deadline_like_any_other() {
    let mut p = Pair::online();
    p.writable = false;
    let call = p.send(Send::new("1").replay().within(secs(10)));
    p.listening = false;
    p.lose();
    p.pass(secs(11));
    assert!(matches!(p.expect_err(call), Error::Timeout(Stage::Outbox)));
    p.finish();
}

#[test]
fn a_frame_that_has_left_once_is_never_said_not_to_have_left() {
    for (suspended, within) in [(false, 10), (true, 3)] {
        let mut p = Pair::online_with(
            |c| c.dialect(Dialect::CONTACT_CENTRE).token_source(no_source),
            |s| {
                s.auth_bearer(secs(3600))
                    .on_expiry(OnExpiry::Suspend)
                    .receipt_id_header(true)
                    .rule(
                        Rule::on(on::sending("RECEIPT").matching("receipt-id", "1"))
                            .then(act::drop_it()),
                    )
            },
        );
        let call = p.send(Send::new("1").replay().within(secs(within)));
        p.pass(secs(1));
        if suspended {
            p.source.latency = secs(20);
            p.broker(Broker::Expire("all"));
            p.until_phase(Phase::Suspended);
        } else {
            p.listening = false;
            p.lose();
        }
        p.pass(secs(within));
        let e = p.expect_err(call);
        assert!(matches!(e, Error::Timeout(Stage::Receipt)), "{e:?}");
        p.finish();
    }
}

#[test]
fn an_unsubscribe_under_way_is_done_when_the_connection_ends() {
    let mut p = Pair::online();
    let key = p.subscribed("/topic/a");
    let queued = p.subscribed("/topic/b");
    p.half_open();
    let left = p.unsubscribe(key);
    p.writable = false;
    let waits = p.unsubscribe(queued);
    p.lose();
    p.unblock();
    p.expect_ok(left);
    p.expect_ok(waits);
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT"]);
    assert_eq!(p.ended, [key, queued]);
    p.finish();
}

#[test]
fn a_subscription_that_was_not_confirmed_before_the_loss_is_made_on_the_next_connection() {
    let mut p = Pair::online();
    p.half_open();
    let (_, left) = p.subscribe("/topic/a");
    p.writable = false;
    let (_, waits) = p.subscribe("/topic/b");
    let (_, ends) = p.subscribe_as("c", "/topic/c", AckMode::Auto, secs(2));
    p.lose();
    p.unblock();
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    p.expect_ok(left);
    p.expect_ok(waits);
    assert!(matches!(p.expect_err(ends), Error::Timeout(Stage::Outbox)));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE", "SUBSCRIBE"]);
    assert_eq!(p.count(|e| matches!(e, Event::Restored { .. })), 0);
    p.finish();
}

#[test]
fn without_reconnection_a_loss_is_the_end() {
    let mut p = Pair::online_with(|c| c.reconnect(false), |s| s);
    let key = p.subscribed("/topic/a");
    p.lose();
    assert_eq!(p.core.phase(), Phase::Closed);
    assert_eq!(p.ended, [key]);
    let last = |e: &Event| matches!(e, Event::Disconnected { retry_in: None, .. });
    assert_eq!(p.count(last), 1);
    p.check_end();
}
