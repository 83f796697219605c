//! SEND and what becomes of it.

use hobnail_mock_broker::script::{Rule, act, on};

use super::{app::Send, ms, pair::Pair, secs};
use crate::{
    config::Limits,
    core::{Command, Input, Phase, Reply, Waiter},
    error::{Error, Misuse, Stage},
    event::Event,
};

fn no_receipts() -> Pair {
    Pair::online_with(
        |c| c,
        |s| s.rule(Rule::on(on::sending("RECEIPT")).then(act::drop_it())),
    )
}

#[test]
fn a_receipt_ends_the_call_and_calls_end_in_order() {
    let mut p = Pair::online();
    let begun = p.now;
    let calls: Vec<_> = (0..5).map(|n| p.publish(&n.to_string())).collect();
    p.pass(secs(1));
    for call in calls {
        p.expect_ok(call);
        assert_eq!(p.ended_at(call) - begun, ms(20));
    }
    let bodies: Vec<_> = p
        .sent("SEND")
        .iter()
        .map(|s| s.frame().body.clone())
        .collect();
    assert_eq!(bodies, [b"0", b"1", b"2", b"3", b"4"]);
    p.finish();
}

#[test]
fn a_receipt_that_comes_too_late_is_counted() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            s.rule(
                Rule::on(on::sending("RECEIPT"))
                    .times(1)
                    .then(act::delay(secs(40))),
            )
        },
    );
    let call = p.publish("x");
    p.pass(secs(50));
    assert!(matches!(p.expect_err(call), Error::Timeout(Stage::Receipt)));
    assert_eq!(p.core.metrics.late_receipts, 1);
    assert_eq!(p.core.phase(), Phase::Online);
    p.finish();
}

#[test]
fn a_call_without_an_answer_ends_at_its_deadline() {
    let mut p = no_receipts();
    let begun = p.now;
    let call = p.send(Send::new("x").within(secs(7)));
    p.pass(secs(8));
    assert!(matches!(p.expect_err(call), Error::Timeout(Stage::Receipt)));
    assert_eq!(p.ended_at(call) - begun, secs(7));
}

#[test]
fn a_frame_that_never_left_says_so() {
    let mut p = Pair::online();
    p.writable = false;
    let call = p.send(Send::new("x").within(secs(2)));
    p.pass(secs(3));
    assert!(matches!(p.expect_err(call), Error::Timeout(Stage::Outbox)));
    p.unblock();
    p.pass(secs(1));
    assert!(
        p.sent("SEND").is_empty(),
        "it left after its call had ended"
    );
    p.finish();
}

fn offline_with_room_for(outbox: usize) -> Pair {
    let limits = Limits {
        outbox,
        ..Limits::default()
    };
    let mut p = Pair::online_with(|c| c.limits(limits), |s| s);
    p.listening = false;
    p.lose();
    p
}

#[test]
fn frames_that_wait_too_long_free_their_room_while_there_is_no_connection() {
    let mut p = offline_with_room_for(1000);
    let silent = p.send(Send::new(&"x".repeat(400)).silent().within(secs(10)));
    let told = p.send(Send::new(&"x".repeat(400)).within(secs(20)));
    assert_eq!(silent, Waiter::NONE);
    assert!(!p.core.has_room(1, 400));
    p.pass(secs(11));
    assert_eq!(p.count(|e| matches!(e, Event::Expired { frames: 1 })), 1);
    assert!(p.core.has_room(1, 400));
    assert!(!p.core.has_room(1, 600));
    p.pass(secs(10));
    assert!(matches!(p.expect_err(told), Error::Timeout(Stage::Outbox)));
    assert!(p.core.has_room(1, 1000));
    assert_eq!(p.core.metrics.expired, 1);
    p.finish();
}

#[test]
fn a_frame_that_waits_too_long_frees_its_room_when_its_call_ends() {
    let mut p = offline_with_room_for(1000);
    for _ in 0..3 {
        let call = p.send(Send::new(&"x".repeat(600)).within(secs(2)));
        assert!(!p.core.has_room(1, 600));
        let begun = p.now;
        while p.answer(call).is_none() {
            p.pass(ms(1));
        }
        assert!(p.now - begun <= secs(2) + ms(10));
        assert!(p.core.has_room(1, 1000));
        assert!(matches!(p.expect_err(call), Error::Timeout(Stage::Outbox)));
    }
    p.finish();
}

#[test]
fn frames_that_may_leave_again_count_against_the_outbox_until_they_are_confirmed() {
    let limits = Limits {
        outbox: 1000,
        ..Limits::default()
    };
    let mut p = Pair::online_with(
        |c| c.limits(limits),
        |s| {
            s.rule(
                Rule::on(on::sending("RECEIPT"))
                    .times(1)
                    .then(act::delay(secs(5))),
            )
        },
    );
    let call = p.send(Send::new(&"x".repeat(600)).replay());
    assert_eq!(p.sent("SEND").len(), 1);
    assert!(!p.core.has_room(1, 600), "it may come back");
    p.pass(secs(6));
    p.expect_ok(call);
    assert!(p.core.has_room(1, 600));
    p.finish();
}

#[test]
fn a_frame_that_can_never_fit_is_misuse() {
    let limits = Limits {
        outbox: 100,
        ..Limits::default()
    };
    let mut p = Pair::online_with(|c| c.limits(limits), |s| s);
    let call = p.publish(&"x".repeat(200));
    assert!(matches!(
        p.expect_err(call),
        Error::Misuse(Misuse::TooLarge { limit: 100, .. })
    ));
}

#[test]
fn a_call_whose_deadline_has_passed_already_ends_at_once() {
    let mut p = Pair::online();
    let call = p.send(Send::new("x").within(ms(0)));
    assert!(matches!(p.expect_err(call), Error::Timeout(Stage::Outbox)));
    p.send(Send::new("x").silent().within(ms(0)));
    assert_eq!(p.count(|e| matches!(e, Event::Expired { frames: 1 })), 1);
    assert!(p.sent("SEND").is_empty());
}

#[test]
fn an_ack_of_a_connection_that_has_ended_is_refused_here() {
    let mut p = Pair::online();
    let epoch = p.core.epoch();
    p.lose();
    p.until_phase(Phase::Online);
    let ack = p.ack("a-1", epoch);
    assert!(matches!(
        p.expect_err(ack),
        Error::Misuse(Misuse::StaleDelivery)
    ));
    assert!(p.sent("ACK").is_empty());
    p.finish();
}

#[test]
fn counters_can_be_had_at_any_time() {
    let mut p = Pair::online();
    p.publish("x");
    p.finish();
    let waiter = Waiter(p.app.calls.len() as u64);
    p.app.calls.last_mut().unwrap().answer = None;
    p.input(Input::Command(Command::Metrics { waiter }));
    match p.answer(waiter) {
        Some(Ok(Reply::Metrics(m))) => {
            assert_eq!((m.connections, m.frames_out), (1, 3));
        }
        other => panic!("{other:?}"),
    }
}
