//! A refused token: replaced on the same socket, or by a redial.

use hobnail_mock_broker::{
    engine::Input as Broker,
    script::{OnExpiry, Rule, act, on},
};

use super::{
    app::Send,
    ms,
    pair::{Pair, no_source},
    secs,
    source::Answer,
};
use crate::{
    auth::TokenReason,
    core::Phase,
    dialect::Dialect,
    error::{Error, Stage},
    event::Event,
};

/// A live session with a token, where 401 leads to a CONNECT on the same socket.
fn in_band() -> Pair {
    in_band_with(|s| s.suspend_grace(ms(0)))
}

fn in_band_with(
    broker: impl FnOnce(hobnail_mock_broker::script::Builder) -> hobnail_mock_broker::script::Builder,
) -> Pair {
    Pair::online_with(
        |c| c.dialect(Dialect::CONTACT_CENTRE).token_source(no_source),
        |s| {
            broker(
                s.auth_bearer(secs(3600))
                    .single_session(true)
                    .receipt_id_header(true),
            )
        },
    )
}

fn redial() -> Pair {
    Pair::online_with(
        |c| c.token_source(no_source),
        |s| s.auth_bearer(secs(3600)).on_expiry(OnExpiry::ErrorClose),
    )
}

fn expire(p: &mut Pair) {
    p.broker(Broker::Expire("all"));
}

fn resumed(p: &Pair) -> usize {
    p.count(|e| matches!(e, Event::Resumed { .. }))
}

#[test]
fn with_a_held_token_a_refusal_costs_one_round_trip() {
    let mut p = in_band();
    p.subscribed("/topic/a");
    // Renewed before its end, and held.
    p.until(|p| p.source.given.len() == 2);
    p.pass(secs(1));
    assert_eq!(p.sent("CONNECT").len(), 1, "the live session was touched");
    let first = p.source.given[0].clone();
    p.broker(Broker::Expire(&first));
    let refused = p.now;
    p.until_phase(Phase::Suspended);
    assert_eq!(p.now - refused, ms(10));
    p.until_phase(Phase::Online);
    assert_eq!(p.now - refused, ms(30));
    assert_eq!(p.presented(), p.source.given.iter().collect::<Vec<_>>());
    assert_eq!((p.conns, resumed(&p)), (1, 1));
    // A confirmed subscription belongs to the user, not to the token.
    assert_eq!(p.commands(1), ["CONNECT", "SUBSCRIBE", "CONNECT"]);
    p.broker(Broker::Publish {
        destination: "/topic/a",
        headers: &[],
        body: b"x",
    });
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 1);
    assert_eq!(p.core.metrics.late_receipts, 0);
    p.finish();
}

#[test]
fn with_a_cold_fetch_nothing_leaves_until_the_new_token_is_accepted() {
    let mut p = in_band();
    let key = p.subscribed("/topic/a");
    expire(&mut p);
    p.until_phase(Phase::Suspended);
    let refused = p.now;
    let send = p.publish("x");
    let (_, subscribe) = p.subscribe("/topic/b");
    let unsubscribe = p.unsubscribe(key);
    p.until_phase(Phase::Online);
    assert_eq!(p.now - refused, ms(320), "a fetch and a round trip");
    assert_eq!(p.source.asked.last().unwrap().1, TokenReason::Refused);
    p.pass(secs(1));
    for call in [send, subscribe, unsubscribe] {
        p.expect_ok(call);
    }
    assert_eq!(
        p.commands(1),
        [
            "CONNECT",
            "SUBSCRIBE",
            "CONNECT",
            "SUBSCRIBE",
            "SEND",
            "UNSUBSCRIBE"
        ]
    );
    p.finish();
}

#[test]
fn beats_stop_while_suspended_and_go_on_afterwards() {
    let mut p = in_band();
    p.source.latency = secs(20);
    expire(&mut p);
    p.until_phase(Phase::Suspended);
    let before = p.left.len();
    p.pass(secs(19));
    assert_eq!(p.left.len(), before);
    p.pass(secs(60));
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 1));
    assert!(p.core.metrics.beats_out >= 5);
    p.finish();
}

#[test]
fn calls_wait_for_the_end_of_the_suspension_under_their_deadlines() {
    let mut p = in_band();
    p.source.latency = secs(10);
    expire(&mut p);
    p.until_phase(Phase::Suspended);
    let impatient = p.send(Send::new("1").within(secs(2)));
    let patient = p.send(Send::new("2").within(secs(20)));
    p.pass(secs(15));
    assert!(matches!(
        p.expect_err(impatient),
        Error::Timeout(Stage::Suspended)
    ));
    p.expect_ok(patient);
    assert_eq!(p.sent("SEND").len(), 1);
    p.finish();
}

#[test]
fn what_was_under_way_is_settled_when_the_session_resumes() {
    // The broker answers what comes too late with 401, and keeps the socket.
    let mut p = in_band_with(|s| {
        s.suspend_grace(secs(60)).rule(
            Rule::on(on::recv("S*"))
                .times(4)
                .then(act::error(401).keep_open()),
        )
    });
    let lost = p.publish("lost");
    let first = p.send(Send::new("1").replay());
    let second = p.send(Send::new("2").replay());
    let (_, subscribe) = p.subscribe("/topic/a");
    p.until_phase(Phase::Suspended);
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert!(matches!(p.expect_err(lost), Error::Lost));
    for call in [first, second, subscribe] {
        p.expect_ok(call);
    }
    assert_eq!((p.conns, resumed(&p)), (1, 1));
    let again: Vec<_> = p.commands(1).split_off(5);
    assert_eq!(again, ["CONNECT", "SUBSCRIBE", "SEND", "SEND"]);
    let bodies: Vec<_> = p
        .sent("SEND")
        .iter()
        .map(|s| s.frame().body.clone())
        .collect();
    assert_eq!(bodies[3..], [b"1".to_vec(), b"2".to_vec()]);
    p.finish();
}

#[test]
fn an_unsubscribe_that_was_refused_with_the_token_leaves_again() {
    let mut p = in_band_with(|s| {
        s.suspend_grace(secs(60)).rule(
            Rule::on(on::recv("UNSUBSCRIBE"))
                .times(1)
                .then(act::error(401).keep_open()),
        )
    });
    let key = p.subscribed("/topic/a");
    let call = p.unsubscribe(key);
    p.pass(secs(2));
    p.expect_ok(call);
    assert_eq!((p.sent("UNSUBSCRIBE").len(), resumed(&p)), (2, 1));
    p.subscribed("/topic/a");
    p.finish();
}

#[test]
fn a_subscription_given_up_while_suspended_is_not_taken_back_later() {
    let mut p = in_band_with(|s| {
        s.suspend_grace(secs(60)).rule(
            Rule::on(on::recv("SUBSCRIBE"))
                .times(2)
                .then(act::error(401).keep_open()),
        )
    });
    p.source.latency = secs(5);
    let (_, given_up) = p.subscribe_as("a", "/topic/a", crate::core::AckMode::Auto, secs(2));
    let (key, _) = p.subscribe("/topic/b");
    p.until_phase(Phase::Suspended);
    let unsubscribe = p.unsubscribe(key);
    p.expect_ok(unsubscribe);
    p.until_phase(Phase::Online);
    p.pass(secs(2));
    assert!(matches!(p.expect_err(given_up), Error::Timeout(_)));
    assert!(p.sent("UNSUBSCRIBE").is_empty());
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 1));
    p.finish();
}

#[test]
fn a_refusal_without_a_receipt_id_may_answer_a_frame_that_had_left_before() {
    let mut p = in_band();
    p.until(|p| p.source.given.len() == 2);
    p.pass(secs(1));
    let first = p.source.given[0].clone();
    p.broker(Broker::Expire(&first));
    p.until_phase(Phase::Suspended);
    // The held token has been presented; now comes the answer to an older frame.
    p.inject("ERROR\ncode:401\nmessage:token expired\n\n\0");
    p.pass(secs(5));
    assert_eq!(
        (p.core.phase(), p.conns, resumed(&p)),
        (Phase::Online, 1, 1)
    );
    assert_eq!(p.sent("CONNECT").len(), 2);
    p.finish();
}

#[test]
fn a_refusal_that_may_answer_an_older_frame_puts_no_second_connect_on_a_live_session() {
    let mut p = in_band();
    p.source.latency = ms(1);
    expire(&mut p);
    p.until(|p| p.sent("CONNECT").len() == 2);
    // The broker accepts that CONNECT while the answers to older frames arrive.
    for _ in 0..3 {
        p.inject("ERROR\ncode:401\nmessage:token expired\n\n\0");
    }
    p.pass(secs(30));
    assert_eq!(p.sent("CONNECT").len(), 2);
    assert_eq!(p.count(|e| matches!(e, Event::Conflict { .. })), 0);
    assert_eq!(
        (p.core.phase(), p.conns, resumed(&p)),
        (Phase::Online, 1, 1)
    );
    p.finish();
}

#[test]
fn a_refusal_that_stays_unclear_leads_to_a_new_connection_with_the_same_token() {
    let mut p = in_band_with(|s| {
        s.rule(
            Rule::on(on::recv("CONNECT"))
                .conn(1)
                .times(2)
                .then(act::seq(vec![vec![act::pass()], vec![act::drop_it()]])),
        )
    });
    expire(&mut p);
    p.until(|p| p.sent("CONNECT").len() == 2);
    let asked = p.now;
    p.inject("ERROR\ncode:401\nmessage:token expired\n\n\0");
    p.until(|p| p.conns == 2 && p.core.phase() == Phase::Online);
    assert!(p.now - asked < secs(3), "{:?}", p.now - asked);
    let presented = p.presented();
    assert_eq!(presented[1], presented[2]);
    assert_eq!(p.source.asked.len(), 2);
    p.finish();
}

#[test]
fn the_receipt_of_the_connect_ends_the_suspension_too() {
    let mut p = in_band_with(|s| {
        s.rule(
            Rule::on(on::sending("CONNECTED"))
                .conn(1)
                .times(2)
                .then(act::seq(vec![
                    vec![act::pass()],
                    vec![act::delay(secs(2)), act::pass()],
                ])),
        )
    });
    expire(&mut p);
    p.until_phase(Phase::Suspended);
    p.until_phase(Phase::Online);
    assert_eq!(resumed(&p), 1);
    let call = p.publish("x");
    // CONNECTED follows, and is nothing unheard of.
    p.pass(secs(5));
    p.expect_ok(call);
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 1));
    p.finish();
}

#[test]
fn if_the_socket_closes_instead_the_session_is_dialled_anew_at_once() {
    let mut p = in_band();
    p.subscribed("/topic/a");
    expire(&mut p);
    p.until_phase(Phase::Suspended);
    let refused = p.now;
    p.inject_close(1008);
    p.until_phase(Phase::Online);
    assert!(p.now - refused < secs(1), "no back-off");
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE"]);
    assert_eq!(p.source.asked.len(), 2, "one fetch serves both");
    p.finish();
}

#[test]
fn a_frame_that_crossed_the_refusal_may_cost_the_socket_but_not_the_session() {
    let mut p = in_band();
    expire(&mut p);
    let call = p.send(Send::new("x").replay());
    p.pass(secs(3));
    p.expect_ok(call);
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 2));
    p.finish();
}

#[test]
fn a_broker_that_does_not_answer_the_new_connect_is_dialled_anew() {
    let mut p = in_band_with(|s| {
        s.rule(
            Rule::on(on::recv("CONNECT"))
                .conn(1)
                .times(2)
                .then(act::seq(vec![vec![act::pass()], vec![act::drop_it()]])),
        )
    });
    expire(&mut p);
    p.pass(secs(20));
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 2));
    p.finish();
}

#[test]
fn a_refusal_on_the_live_session_is_followed_by_a_redial_without_delay() {
    let mut p = redial();
    p.subscribed("/topic/a");
    let refused = p.now;
    expire(&mut p);
    p.until(|p| p.conns == 2 && p.core.phase() == Phase::Online);
    assert!(p.now - refused < secs(1));
    assert_eq!(p.source.asked.last().unwrap().1, TokenReason::Refused);
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE"]);
    p.finish();
}

#[test]
fn a_second_refusal_with_a_fresh_token_is_fatal_and_says_so() {
    for dialect in [Dialect::STOMP, Dialect::CONTACT_CENTRE] {
        let mut p = Pair::online_with(
            |c| c.dialect(dialect).token_source(no_source),
            |s| {
                s.bearer(hobnail_mock_broker::script::Bearer {
                    ttl: secs(3600),
                    header: None,
                    issued_only: true,
                    leeway: secs(0),
                })
            },
        );
        p.source.usual = Answer::Forged;
        let call = p.publish("x");
        p.pass(secs(1));
        p.expect_ok(call);
        expire(&mut p);
        p.until_phase(Phase::Closed);
        let Some((
            _,
            Event::Closed {
                cause: Some(Error::Auth(e)),
            },
        )) = p.events.last()
        else {
            panic!("{:?}", p.events.last());
        };
        assert!(e.fatal && e.text.contains("401"), "{e}");
        assert_eq!(p.source.asked.len(), 2);
        p.check_end();
    }
}

#[test]
fn a_broker_that_accepts_every_token_and_refuses_it_at_once_is_not_asked_in_a_loop() {
    for dialect in [Dialect::STOMP, Dialect::CONTACT_CENTRE] {
        let mut p = Pair::online_with(
            |c| c.dialect(dialect).token_source(no_source),
            |s| {
                s.auth_bearer(secs(3600)).rule(
                    Rule::on(on::sending("CONNECTED"))
                        .then(act::pass())
                        .then(act::expire_all()),
                )
            },
        );
        p.source.latency = ms(1);
        p.pass(secs(600));
        assert!(
            p.source.asked.len() < 60,
            "{} questions",
            p.source.asked.len()
        );
        p.finish();
    }
}

#[test]
fn after_a_rebind_with_a_held_token_the_next_question_is_no_refusal() {
    let mut p = in_band();
    p.until(|p| p.source.given.len() == 2);
    p.pass(secs(1));
    let first = p.source.given[0].clone();
    p.broker(Broker::Expire(&first));
    p.until_phase(Phase::Suspended);
    p.until_phase(Phase::Online);
    // The held token ends while there is no connection.
    p.listening = false;
    p.source.usual = Answer::Fails { fatal: false };
    p.lose();
    p.pass(secs(3700));
    p.listening = true;
    p.source.usual = Answer::lives(secs(3600));
    p.until_phase(Phase::Online);
    assert!(
        p.source
            .asked
            .iter()
            .all(|(_, r)| *r != TokenReason::Refused)
    );
}

#[test]
fn a_conflict_while_suspended_is_a_conflict() {
    let mut p = in_band();
    expire(&mut p);
    p.until_phase(Phase::Suspended);
    p.inject("ERROR\ncode:409\nmessage:connected elsewhere\n\n\0");
    p.until_phase(Phase::Waiting);
    assert_eq!(p.count(|e| matches!(e, Event::Conflict { count: 1 })), 1);
    p.finish();
}

#[test]
fn silence_is_not_looked_for_while_suspended_but_the_wait_is_bounded() {
    let mut p = in_band();
    p.source.next.push_back(Answer::Silence);
    expire(&mut p);
    p.until_phase(Phase::Suspended);
    let begun = p.now;
    p.until_phase(Phase::Waiting);
    assert!(p.now - begun <= secs(31));
    let limit = |e: &Event| {
        matches!(
            e,
            Event::TokenFailed {
                cause: Error::Timeout(Stage::Token)
            }
        )
    };
    assert_eq!(p.count(limit), 1);
    p.finish();
}

#[test]
fn a_loss_while_suspended_is_told_to_those_whose_frames_had_left() {
    let mut p = in_band();
    p.half_open();
    let lost = p.publish("x");
    let waits = p.send(Send::new("y").replay());
    let conn = p.conns;
    p.ends.get_mut(&conn).unwrap().cut = false;
    p.inject("ERROR\ncode:401\n\n\0");
    p.until_phase(Phase::Suspended);
    p.lose();
    assert!(matches!(p.expect_err(lost), Error::Lost));
    assert!(p.is_pending(waits));
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    p.expect_ok(waits);
    p.finish();
}
