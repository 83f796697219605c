//! ERROR, and octets that are no STOMP.

use hobnail_mock_broker::script::{Rule, act, on};

use super::{app::Send, ms, pair::Pair, secs};
use crate::{
    core::Phase,
    dialect::Dialect,
    error::{Error, ProtocolError},
    event::Event,
};

/// A broker that answers nothing but CONNECT.
fn mute(client: impl FnOnce(crate::config::Builder) -> crate::config::Builder) -> Pair {
    Pair::online_with(client, |s| {
        s.rule(Rule::on(on::recv("S*")).then(act::drop_it()))
    })
}

fn is_broker(e: &Error, code: Option<u16>) -> bool {
    matches!(e, Error::Broker(e) if e.code() == code)
}

#[test]
fn an_error_with_a_receipt_id_ends_that_call_at_once() {
    let mut p = mute(|c| c);
    let first = p.publish("1");
    let second = p.publish("2");
    let begun = p.now;
    p.inject("ERROR\nreceipt-id:2\nmessage:no such queue\n\n\0");
    p.until(|p| p.answer(second).is_some());
    assert_eq!(p.now - begun, ms(10));
    assert!(is_broker(&p.expect_err(second), None));
    p.until_phase(Phase::Waiting);
    assert!(matches!(p.expect_err(first), Error::Lost));
}

#[test]
fn an_error_without_one_blames_the_only_call_under_way() {
    let mut p = mute(|c| c);
    let only = p.send(Send::new("1").replay());
    p.inject("ERROR\nmessage:500 broken\n\n\0");
    p.until_phase(Phase::Waiting);
    assert!(is_broker(&p.expect_err(only), Some(500)));
    p.finish();
}

#[test]
fn an_error_without_one_blames_all_calls_if_there_are_several() {
    let mut p = mute(|c| c);
    let send = p.publish("1");
    let (key, subscribe) = p.subscribe("/topic/a");
    p.inject("ERROR\nmessage:broken\n\n\0");
    p.until_phase(Phase::Waiting);
    assert!(is_broker(&p.expect_err(send), None));
    assert!(is_broker(&p.expect_err(subscribe), None));
    assert_eq!(p.ended, [key]);
    p.finish();
}

#[test]
fn an_error_about_a_call_that_is_over_blames_nobody_else() {
    let mut p = mute(|c| c);
    let over = p.send(Send::new("1").within(secs(1)));
    p.pass(secs(2));
    assert!(p.answer(over).is_some());
    let other = p.send(Send::new("2").replay());
    p.inject("ERROR\nreceipt-id:1\nmessage:broken\n\n\0");
    p.until_phase(Phase::Waiting);
    assert!(p.is_pending(other));
    p.finish();
}

#[test]
fn a_conflict_blames_no_call() {
    let mut p = mute(|c| c);
    let send = p.send(Send::new("1").replay());
    p.inject("ERROR\ncode:409\nmessage:connected elsewhere\n\n\0");
    p.until_phase(Phase::Waiting);
    assert!(p.is_pending(send));
    p.finish();
}

#[test]
fn an_error_ends_the_session_even_if_the_broker_leaves_the_socket_open() {
    let mut p = Pair::online();
    p.half_open();
    let conn = p.wire.as_ref().unwrap().conn;
    p.ends.get_mut(&conn).unwrap().cut = false;
    p.inject("ERROR\nmessage:broken\n\n\0");
    p.until_phase(Phase::Closing);
    p.half_open();
    let begun = p.now;
    p.until_phase(Phase::Waiting);
    assert_eq!(p.now - begun, secs(5), "the limit of a close");
    p.until_phase(Phase::Online);
    p.finish();
}

#[test]
fn what_follows_an_error_is_void() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    p.inject("ERROR\nmessage:x\n\n\0MESSAGE\nsubscription:a\nmessage-id:1\ndestination:/a\n\n\0");
    p.until_phase(Phase::Waiting);
    assert!(p.messages.is_empty());
    p.finish();
}

#[test]
fn an_error_that_names_a_subscription_costs_only_that_one_where_the_dialect_says_so() {
    let cancelled = "ERROR\nsubscription:a\nmessage:Server cancelled subscription\n\n\0";
    let mut p = Pair::online_with(|c| c.dialect(Dialect::RABBITMQ), |s| s);
    let key = p.subscribed("/topic/a");
    let other = p.subscribed("/topic/b");
    p.broker(hobnail_mock_broker::engine::Input::Message {
        conn: 1,
        octets: b"UNSUBSCRIBE\nid:a\n\n\0",
        binary: false,
    });
    p.inject(cancelled);
    p.pass(secs(1));
    assert_eq!((p.core.phase(), p.ended.clone()), (Phase::Online, vec![]));
    let refused =
        |e: &Event| matches!(e, Event::Refused { subscription, .. } if subscription == "a");
    assert_eq!(p.count(refused), 1);
    p.pass(secs(10));
    assert_eq!(p.sent("SUBSCRIBE").len(), 3, "it is asked for again");
    p.finish();
    assert_eq!(p.ended, [key, other]);

    let mut p = Pair::online();
    p.subscribed("/topic/a");
    p.inject(cancelled);
    p.until_phase(Phase::Waiting);
    assert!(p.ended.is_empty());
    p.finish();
}

#[test]
fn octets_that_are_no_stomp_are_told_and_the_connection_is_made_anew() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    p.inject("<html>Bad Gateway</html>\n\n\0");
    p.until_phase(Phase::Waiting);
    assert_eq!(p.closes, [1002]);
    let decode = |e: &Event| match e {
        Event::Disconnected {
            cause: Error::Protocol(e),
            retry_in: Some(_),
        } => {
            matches!(**e, ProtocolError::Decode(_))
        }
        _ => false,
    };
    assert_eq!(p.count(decode), 1);
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE"]);
    p.finish();
}

#[test]
fn a_frame_that_only_clients_send_breaks_the_protocol() {
    for octets in [
        "SEND\ndestination:/a\n\nx\0",
        "CONNECTED\nversion:1.2\n\n\0",
    ] {
        let mut p = Pair::online();
        p.inject(octets);
        p.until_phase(Phase::Waiting);
        p.finish();
    }
}
