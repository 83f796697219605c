//! What is counted, and what is told about how the session stands.

use hobnail_mock_broker::script::{Rule, act, on};

use super::{app::Send, ms, pair::Pair, secs};
use crate::{
    core::{Input, Phase},
    dialect::Dialect,
    error::{Error, LinkError, Misuse},
    event::Event,
    health::Stall,
};

fn stalls(p: &Pair) -> Vec<Stall> {
    p.core.health(p.instant()).stalls
}

#[test]
fn the_round_trip_of_receipts_is_measured_from_leaving_to_receipt() {
    let mut p = Pair::online();
    p.latency = ms(30);
    p.writable = false;
    let first = p.publish("1");
    p.pass(secs(2));
    p.unblock();
    p.until(|p| p.answer(first).is_some());
    let trip = p.core.metrics.round_trip;
    assert_eq!((trip.count, trip.last, trip.longest), (1, ms(60), ms(60)));
    p.latency = ms(10);
    let second = p.publish("2");
    p.until(|p| p.answer(second).is_some());
    let trip = p.core.metrics.round_trip;
    assert_eq!((trip.count, trip.last, trip.longest), (2, ms(20), ms(60)));
    assert!(trip.smoothed < ms(60) && trip.smoothed > ms(50));
    p.finish();
}

#[test]
fn losses_are_counted_by_their_cause() {
    let mut p = Pair::online_with(
        |c| c,
        |s| {
            s.rule(Rule::on(on::upgrade()).conn(3).then(act::http(503, "no")))
                .rule(
                    Rule::on(on::connected())
                        .conn(4)
                        .then(act::plain_error("x")),
                )
                .rule(Rule::on(on::connected()).conn(5).then(act::error(409)))
        },
    );
    p.lose();
    p.until_phase(Phase::Online);
    p.inject_close(1001);
    p.until(|p| p.conns == 6 && p.core.phase() == Phase::Online);
    p.inject("<html>");
    p.inject("\n\n\0");
    p.until_phase(Phase::Waiting);
    p.until_phase(Phase::Online);
    p.half_open();
    p.until_phase(Phase::Waiting);
    let l = p.core.metrics.losses;
    assert_eq!((l.lost, l.closed, l.refused, l.broker), (1, 1, 1, 1));
    assert_eq!((l.conflict, l.protocol, l.silent), (1, 1, 1));
    assert_eq!((l.timeout, l.token, l.other, l.unreachable), (0, 0, 0, 0));
    p.finish();
}

#[test]
fn octets_and_the_outbox_are_counted() {
    let mut p = Pair::online();
    let before = p.core.snapshot();
    p.writable = false;
    for n in 0..5 {
        p.send(Send::new(&n.to_string()).silent());
    }
    let during = p.core.snapshot();
    assert_eq!(during.outbox.messages, 5);
    assert!(during.outbox.octets > 5 * 30);
    p.unblock();
    p.pass(secs(1));
    let after = p.core.snapshot();
    assert_eq!((after.outbox.messages, after.outbox.octets), (0, 0));
    assert_eq!(after.outbox.high_messages, 5);
    assert_eq!(
        after.octets_out - before.octets_out,
        during.outbox.octets as u64
    );
    assert_eq!(before.octets_in, after.octets_in);
    p.finish();
}

#[test]
fn a_beat_that_leaves_late_and_one_that_does_not_come_are_counted() {
    let mut p = Pair::online();
    assert_eq!(p.core.beats.out(), Some(secs(10)));
    // A program that was held up for 12 s.
    p.now += secs(12);
    p.input(Input::Octets);
    p.input(Input::Timeout);
    let metrics = &p.core.metrics;
    assert_eq!((metrics.beats_late, metrics.beats_missed), (1, 1));
    let stamp = metrics.beats_out;
    p.pass(secs(60));
    let metrics = &p.core.metrics;
    assert!(metrics.beats_out > stamp);
    assert_eq!(metrics.beats_late, 1);
    p.finish();
}

#[test]
fn connected_is_not_the_same_as_making_progress() {
    let mut p = Pair::online_with(
        |c| c,
        |s| s.rule(Rule::on(on::recv("SEND")).then(act::drop_it())),
    );
    let health = p.core.health(p.instant());
    assert!(health.connected && health.is_progressing());
    assert_eq!(health.heard, Some(ms(0)));

    // The broker does not answer.
    p.publish("1");
    p.pass(secs(4));
    assert!(stalls(&p).is_empty());
    p.pass(secs(2));
    assert_eq!(stalls(&p), [Stall::Receipt]);

    // Nothing leaves.
    p.writable = false;
    p.send(Send::new("2").silent());
    p.pass(secs(6));
    assert_eq!(stalls(&p), [Stall::Outbox, Stall::Receipt]);
    p.unblock();
    assert_eq!(stalls(&p), [Stall::Receipt]);

    // The broker falls silent, and is then given up.
    p.half_open();
    let mut silent = false;
    while p.core.phase() == Phase::Online {
        p.pass(secs(1));
        silent |= stalls(&p).contains(&Stall::Silent);
    }
    assert!(silent);
    let health = p.core.health(p.instant());
    assert!(!health.connected && !health.is_progressing());
    assert!(health.stalls.is_empty() && health.heard.is_none());
    p.finish();
}

#[test]
fn every_event_can_be_written_as_json_that_names_it() {
    let mut p = Pair::online_with(|c| c.dialect(Dialect::RABBITMQ), |s| s);
    p.subscribed("/topic/a");
    p.inject("ERROR\nsubscription:a\nmessage:404 gone\n\n\0");
    p.pass(secs(1));
    p.lose();
    p.until_phase(Phase::Online);
    p.pass(secs(10));
    let call = p.close();
    p.until(|p| p.answer(call).is_some());
    let mut names = Vec::new();
    for (_, event) in &p.events {
        let json = serde_json::to_value(event).unwrap();
        names.push(json["event"].as_str().unwrap().to_owned());
        if let Event::Refused { .. } = event {
            assert_eq!(json["cause"]["kind"], "broker");
            assert_eq!(json["cause"]["code"], 404);
            assert_eq!(json["subscription"], "a");
        }
        if let Event::Connected(_) = event {
            assert_eq!(json["version"], "1.2");
        }
    }
    assert_eq!(
        names,
        [
            "connected",
            "refused",
            "disconnected",
            "connected",
            "restored",
            "closed"
        ]
    );
    let rest = [
        Event::Suspended,
        Event::Resumed { after: ms(3) },
        Event::Restored {
            subscription: "a".into(),
        },
        Event::Gap {
            subscription: "a".into(),
            since: std::time::SystemTime::UNIX_EPOCH,
            until: std::time::SystemTime::UNIX_EPOCH,
        },
        Event::Conflict { count: 1 },
        Event::TokenFailed {
            cause: Error::Misuse(Misuse::NoDestination),
        },
        Event::SlowConsumer {
            subscription: "a".into(),
            dropped: 7,
        },
        Event::Overflowed {
            subscription: "a".into(),
        },
        Event::SpoolFailed {
            subscription: "a".into(),
            cause: "full".into(),
        },
        Event::Expired { frames: 1 },
        Event::Closed {
            cause: Some(LinkError::Lost("x".into()).into()),
        },
    ];
    for event in rest {
        let json = serde_json::to_value(&event).unwrap();
        assert!(json["event"].is_string(), "{event:?}");
    }
}
