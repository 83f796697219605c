//! What no broker should say, and some do; and a clock that jumps.

use hobnail_mock_broker::{
    engine::Input as Broker,
    script::{Rule, act, on},
};

use super::{app::Send, ms, pair::Pair, secs};
use crate::{
    core::{Input, Phase},
    error::{Error, LinkError, ProtocolError, Stage},
    event::Event,
    frame::DecodeErrorKind,
};

fn losses(p: &Pair) -> usize {
    p.count(|e| matches!(e, Event::Disconnected { .. }))
}

#[test]
fn receipts_that_nobody_asked_for_are_counted_and_end_no_call() {
    let mut p = Pair::online();
    p.writable = false;
    let call = p.publish("x");
    for octets in [
        "RECEIPT\nreceipt-id:99\n\n\0",
        "RECEIPT\nreceipt-id:s99\n\n\0",
        "RECEIPT\nreceipt-id:somebody-else\n\n\0",
        "RECEIPT\nreceipt-id:99999999999999999999999\n\n\0",
        "RECEIPT\nreceipt-id:\n\n\0",
        "RECEIPT\n\n\0",
    ] {
        p.inject(octets);
    }
    p.pass(secs(1));
    assert_eq!(p.core.metrics.late_receipts, 6);
    assert!(p.is_pending(call));
    p.unblock();
    p.pass(secs(1));
    p.expect_ok(call);
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 1));
    p.finish();
}

#[test]
fn what_only_looks_like_a_receipt_confirms_nothing() {
    let mut p = Pair::online();
    let key = p.subscribed("/topic/a");
    p.latency = secs(1);
    let (begun, call) = (p.now, p.publish("x"));
    p.settle();
    let id = p.core.operations.only_sent().expect("it has left");
    let body = format!("RECEIPT\nreceipt-id:{id}\n\n\0");
    let id = &p.core.subscriptions.get(key).expect("it is there").spec.id;
    p.inject(format!(
        "MESSAGE\nsubscription:{id}\nmessage-id:1\ndestination:/topic/a\ncontent-length:{}\n\n",
        body.len()
    ));
    p.inject(body);
    p.inject("\0");
    p.until(|p| p.answer(call).is_some());
    assert_eq!((p.messages.len(), p.ended_at(call) - begun), (1, secs(2)));
    p.expect_ok(call);
    p.finish();
}

#[test]
fn in_1_0_a_message_that_names_no_subscription_goes_by_its_destination() {
    let mut p = Pair::online_with(|c| c.allow_1_0(true), |s| s.versions(&["1.0"]));
    p.subscribed("/topic/a");
    let key = p.subscribed("/topic/b");
    p.inject("MESSAGE\nmessage-id:1\ndestination:/topic/b\n\nx\0");
    p.inject("MESSAGE\nmessage-id:2\ndestination:/topic/c\n\nx\0");
    p.pass(secs(1));
    let keys: Vec<_> = p.messages.iter().map(|(_, key, ..)| *key).collect();
    assert_eq!((keys, p.core.metrics.unrouted), (vec![key], 1));
    p.finish();
}

#[test]
fn messages_for_unknown_ids_are_counted_and_reach_nobody() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    for octets in [
        "MESSAGE\nsubscription:b\nmessage-id:1\ndestination:/topic/a\n\nx\0",
        "MESSAGE\nsubscription:A\nmessage-id:2\ndestination:/topic/a\n\nx\0",
        "MESSAGE\nsubscription:\nmessage-id:3\ndestination:/topic/a\n\nx\0",
        "MESSAGE\nmessage-id:4\ndestination:/topic/a\n\nx\0",
    ] {
        p.inject(octets);
    }
    p.pass(secs(1));
    assert_eq!((p.core.metrics.unrouted, p.messages.len()), (4, 0));
    assert_eq!((p.core.phase(), p.conns), (Phase::Online, 1));
    p.finish();
}

#[test]
fn late_messages_of_an_id_that_is_dead_are_counted_and_reach_nobody() {
    let mut p = Pair::online();
    let key = p.subscribed("/topic/a");
    let call = p.unsubscribe(key);
    p.pass(secs(1));
    p.expect_ok(call);
    p.inject("MESSAGE\nsubscription:a\nmessage-id:1\ndestination:/topic/a\n\nx\0");
    p.pass(secs(1));
    assert_eq!((p.core.metrics.unrouted, p.messages.len()), (1, 0));
    p.finish();
}

#[test]
fn a_second_connected_breaks_the_protocol_and_the_connection_is_made_anew() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    let call = p.send(Send::new("x").replay());
    p.inject("CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0");
    p.until_phase(Phase::Waiting);
    assert_eq!(p.closes, [1002]);
    let told = |e: &Event| match e {
        Event::Disconnected {
            cause: Error::Protocol(e),
            ..
        } => matches!(
            **e,
            ProtocolError::Unexpected {
                command: "CONNECTED",
                ..
            }
        ),
        _ => false,
    };
    assert_eq!(p.count(told), 1);
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    p.expect_ok(call);
    assert_eq!(
        p.core.beats.incoming(),
        Some(secs(10)),
        "the old one counts"
    );
    p.finish();
}

#[test]
fn an_error_without_headers_ends_the_session_and_it_is_made_anew() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    p.inject("ERROR\n\n\0");
    p.until_phase(Phase::Waiting);
    let told = |e: &Event| match e {
        Event::Disconnected {
            cause: Error::Broker(e),
            ..
        } => e.code().is_none() && e.message().is_empty(),
        _ => false,
    };
    assert_eq!(p.count(told), 1);
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE"]);
    p.finish();
}

#[test]
fn an_absurd_content_length_is_told_and_nothing_is_reserved_for_it() {
    for octets in [
        "MESSAGE\nsubscription:a\ncontent-length:9223372036854775808\n\nx\0",
        "MESSAGE\nsubscription:a\ncontent-length:18446744073709551615\n\nx\0",
        "MESSAGE\nsubscription:a\ncontent-length:99999999999999999999999999\n\nx\0",
        "MESSAGE\nsubscription:a\ncontent-length:-1\n\nx\0",
        "MESSAGE\nsubscription:a\ncontent-length:0x10\n\nx\0",
    ] {
        let mut p = Pair::online();
        p.subscribed("/topic/a");
        p.inject(octets);
        p.until_phase(Phase::Waiting);
        let told = |e: &Event| match e {
            Event::Disconnected {
                cause: Error::Protocol(e),
                ..
            } => match &**e {
                ProtocolError::Decode(e) => matches!(
                    e.kind(),
                    DecodeErrorKind::ContentLength(_) | DecodeErrorKind::TooLarge { .. }
                ),
                _ => false,
            },
            _ => false,
        };
        assert_eq!(p.count(told), 1, "{octets}");
        assert!(p.messages.is_empty());
        p.until_phase(Phase::Online);
        p.finish();
    }
}

#[test]
fn an_endpoint_that_accepts_and_never_speaks_is_given_up_at_the_limit_and_tried_again() {
    let mut p = Pair::with(
        1,
        |c| c.persistent(true),
        |s| s.rule(Rule::on(on::upgrade()).times(2).then(act::hang())),
    );
    let connect = p.connect();
    p.pass(secs(29));
    assert!(p.is_pending(connect));
    p.pass(secs(2));
    // The first connect may take as long as one attempt.
    assert!(p.answer(connect).is_some());

    let mut p = Pair::online_with(
        |c| c,
        |s| s.rule(Rule::on(on::upgrade()).conns(2..=3).then(act::hang())),
    );
    p.lose();
    p.until_phase(Phase::Online);
    let silent = |e: &Event| match e {
        Event::Disconnected {
            cause: Error::Link(e),
            retry_in: Some(_),
        } => matches!(
            **e,
            LinkError::Timeout {
                stage: Stage::Upgrade,
                ..
            }
        ),
        _ => false,
    };
    assert_eq!(p.count(silent), 2);
    assert_eq!(p.core.phase(), Phase::Online);
    p.finish();
}

#[test]
fn a_system_that_slept_for_an_hour_redials_at_once_and_says_one_thing() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    let waits = p.send(Send::new("x").within(secs(20)));
    p.half_open();
    let beats = p.core.metrics.beats_out;
    p.now += secs(3600);
    p.input(Input::Timeout);
    assert_eq!(losses(&p), 1);
    assert!(
        p.core.metrics.beats_out <= beats + 1,
        "beats are not made up for"
    );
    assert!(
        p.answer(waits).is_some(),
        "deadlines that passed have passed"
    );
    let woke = p.now;
    p.until_phase(Phase::Online);
    assert!(p.now - woke < secs(7));
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE"]);
    let gap = &p.gaps[0];
    assert!(gap.2 - gap.1 > secs(3600), "{gap:?}");
    p.finish();
}

#[test]
fn a_system_that_slept_hears_what_is_waiting_before_it_judges() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    p.now += secs(3600);
    // The reactor reads first.
    p.input(Input::Octets);
    p.input(Input::Timeout);
    assert_eq!((losses(&p), p.core.phase()), (0, Phase::Online));
    assert!(p.core.metrics.beats_missed >= 359);
    p.pass(secs(1));
    assert!(p.core.metrics.beats_late <= 1);
}

#[test]
fn a_clock_that_stands_still_or_steps_a_little_back_changes_nothing() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    p.pass(secs(3));
    for back in [ms(1), secs(2)] {
        let now = p.now;
        p.now -= back;
        p.input(Input::Octets);
        p.input(Input::Timeout);
        p.now = now;
    }
    p.pass(secs(60));
    assert_eq!((losses(&p), p.core.phase()), (0, Phase::Online));
    p.broker(Broker::Publish {
        destination: "/topic/a",
        headers: &[],
        body: b"x",
    });
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 1);
    p.finish();
}
