//! Subscriptions that are refused, missed or repeated.

use hobnail_mock_broker::engine::Input as Broker;

use super::{app::Send, ms, pair::Pair, secs};
use crate::{
    core::{AckMode, Command, Dedupe, Input, Key, Phase, Subscribe, Waiter},
    dialect::Dialect,
    event::Event,
    health::Stall,
};

fn refusals(p: &Pair, id: &str) -> Vec<u64> {
    p.events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Refused {
                subscription,
                retry_in,
                ..
            } if subscription == id => Some(retry_in.as_secs()),
            _ => None,
        })
        .collect()
}

/// The broker ends one subscription and says so.
fn cancel(p: &mut Pair) {
    p.broker(Broker::Message {
        conn: 1,
        octets: b"UNSUBSCRIBE\nid:a\n\n\0",
        binary: false,
    });
    p.inject("ERROR\nsubscription:a\nmessage:Server cancelled subscription\n\n\0");
}

fn restored(p: &Pair, id: &str) -> usize {
    p.count(|e| matches!(e, Event::Restored { subscription } if subscription == id))
}

#[test]
fn a_restored_subscription_that_is_refused_is_put_aside_and_the_others_live() {
    let mut p = Pair::online();
    for id in ["a", "b", "c"] {
        p.subscribed(&format!("/topic/{id}"));
    }
    // From now on the broker refuses one of them, and does not say which.
    p.refuse_destination = Some("/topic/b");
    p.lose();
    p.pass(secs(3600));
    assert_eq!(p.core.phase(), Phase::Online);
    assert!(p.ended.is_empty());
    let waits = refusals(&p, "b");
    assert_eq!(waits[..5], [5, 10, 20, 40, 80]);
    assert!(waits.len() < 12, "{waits:?}");
    assert!(refusals(&p, "a").is_empty() && refusals(&p, "c").is_empty());
    // What the others miss when it is tried again is a moment.
    p.gaps.clear();
    p.pass(secs(3 * 3600));
    assert!(!p.gaps.is_empty());
    for (id, since, until) in &p.gaps {
        assert!(["a", "c"].contains(&&**id));
        assert!(*until - *since < secs(11), "{:?}", *until - *since);
    }
    let health = p.core.health(p.instant());
    assert_eq!((health.confirmed, health.subscriptions), (2, 3));
    assert_eq!(health.stalls, [Stall::Subscriptions]);
    // The broker changes its mind.
    p.refuse_destination = None;
    p.pass(secs(3700));
    assert_eq!(restored(&p, "b"), 1);
    assert!(p.core.health(p.instant()).is_progressing());
    p.finish();
}

#[test]
fn one_that_the_broker_cancelled_alone_is_asked_for_again_on_the_same_connection() {
    let mut p = Pair::online_with(|c| c.dialect(Dialect::RABBITMQ), |s| s);
    p.subscribed("/topic/a");
    p.subscribed("/topic/b");
    cancel(&mut p);
    p.pass(secs(1));
    assert_eq!(refusals(&p, "a"), [5]);
    assert!(!p.core.health(p.instant()).is_progressing());
    p.pass(secs(5));
    assert_eq!(restored(&p, "a"), 1);
    assert_eq!(p.conns, 1);
    let (id, since, until) = &p.gaps[0];
    assert_eq!(id, "a");
    assert!((secs(5)..secs(6)).contains(&(*until - *since)));
    p.finish();
}

#[test]
fn one_in_quarantine_can_be_given_up_without_a_word_to_the_broker() {
    let mut p = Pair::online_with(|c| c.dialect(Dialect::RABBITMQ), |s| s);
    let key = p.subscribed("/topic/a");
    p.inject("ERROR\nsubscription:a\nmessage:Server cancelled subscription\n\n\0");
    p.pass(secs(1));
    let call = p.unsubscribe(key);
    p.expect_ok(call);
    assert_eq!(p.ended, [key]);
    p.pass(secs(60));
    assert_eq!(p.commands(1), ["CONNECT", "SUBSCRIBE"]);
    p.finish();
}

#[test]
fn a_quarantine_outlives_a_lost_connection() {
    let mut p = Pair::online_with(|c| c.dialect(Dialect::RABBITMQ), |s| s);
    p.subscribed("/topic/a");
    p.subscribed("/topic/b");
    for _ in 0..4 {
        p.inject("ERROR\nsubscription:a\nmessage:Server cancelled subscription\n\n\0");
        p.pass(ms(20));
    }
    // Refused again and again: the last wait is 40 s.
    assert_eq!(refusals(&p, "a"), [5, 10, 20, 40]);
    p.lose();
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE"]);
    p.pass(secs(40));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE", "SUBSCRIBE"]);
    assert_eq!(restored(&p, "a"), 1);
    p.finish();
}

#[test]
fn a_gap_is_told_from_the_last_octet_to_the_confirmation_and_only_of_what_was_restored() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    p.pass(secs(3));
    p.broker(Broker::Publish {
        destination: "/topic/a",
        headers: &[],
        body: b"last",
    });
    p.pass(secs(2));
    let heard = p.messages[0].0;
    p.lose();
    let (_, fresh) = p.subscribe("/topic/new");
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    p.expect_ok(fresh);
    let confirmed = p
        .events
        .iter()
        .find(|(_, e)| matches!(e, Event::Restored { .. }));
    let confirmed = confirmed.unwrap().0;
    assert_eq!(p.gaps, [("a".to_owned(), heard, confirmed)]);
    let gaps = p.core.metrics.gaps;
    assert_eq!((gaps.count, gaps.longest), (1, confirmed - heard));
    // The next loss has a gap of its own.
    p.lose();
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.gaps.len(), 3);
    assert!(p.gaps[1].1 >= confirmed);
    p.finish();
}

#[test]
fn a_gap_over_several_failed_attempts_begins_where_it_began() {
    let mut p = Pair::online();
    p.subscribed("/topic/a");
    let heard = p.now;
    p.listening = false;
    p.lose();
    p.pass(secs(100));
    p.listening = true;
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    assert_eq!(p.gaps.len(), 1);
    assert!(p.gaps[0].1 <= heard && p.gaps[0].2 - p.gaps[0].1 > secs(90));
    p.finish();
}

fn subscribe_with(p: &mut Pair, fresh: Option<&str>, dedupe: Option<Dedupe>) -> Key {
    let key = Key(77);
    let headers = |value: &str| vec![("x-from".to_owned(), value.to_owned())];
    let deadline = p.instant() + secs(30);
    p.input(Input::Command(Command::Subscribe {
        subscribe: Subscribe {
            key,
            id: "a".into(),
            destination: "/topic/a".into(),
            ack: AckMode::Auto,
            headers: Vec::new(),
            fresh: fresh.map(headers),
            dedupe,
        },
        waiter: Waiter::NONE,
        deadline,
    }));
    p.pass(secs(1));
    key
}

#[test]
fn what_has_come_before_is_dropped_within_the_window_and_counted() {
    let mut p = Pair::online();
    let dedupe = Dedupe {
        header: "message-id",
        window: 2,
    };
    subscribe_with(&mut p, None, Some(dedupe));
    for (id, n) in [("1", 1), ("2", 2), ("1", 2), ("2", 2), ("3", 3), ("1", 4)] {
        let octets = format!("MESSAGE\nsubscription:a\nmessage-id:{id}\ndestination:/a\n\n\0");
        p.inject(octets);
        p.pass(ms(50));
        assert_eq!(p.messages.len(), n, "{id}");
    }
    // Without the header every message is new.
    for n in 5..7 {
        p.inject("MESSAGE\nsubscription:a\ndestination:/a\n\n\0");
        p.pass(ms(50));
        assert_eq!(p.messages.len(), n);
    }
    assert_eq!(p.core.metrics.duplicates, 2);
    p.finish();
}

#[test]
fn what_came_before_a_loss_is_remembered_after_it() {
    let mut p = Pair::online();
    let dedupe = Dedupe {
        header: "message-id",
        window: 100,
    };
    subscribe_with(&mut p, None, Some(dedupe));
    let message = "MESSAGE\nsubscription:a\nmessage-id:7\ndestination:/a\n\n\0";
    p.inject(message);
    p.pass(secs(1));
    p.lose();
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    p.inject(message);
    p.pass(secs(1));
    assert_eq!((p.messages.len(), p.core.metrics.duplicates), (1, 1));
    p.finish();
}

#[test]
fn headers_are_made_anew_for_every_subscribe_and_what_follows_waits_for_them() {
    let mut p = Pair::online();
    subscribe_with(&mut p, Some("1"), None);
    p.subscribed("/topic/b");
    assert!(p.asked.is_empty(), "the first were made by the caller");
    p.lose();
    p.publish("later");
    p.until_phase(Phase::Online);
    p.pass(secs(1));
    let (ticket, key) = p.asked.pop().unwrap();
    // Its key is the larger, so it is the last in order; what precedes has left.
    assert_eq!(key, Key(77));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE"]);
    let fresh = vec![("x-from".to_owned(), "2".to_owned())];
    p.input(Input::Headers(ticket, Ok(fresh)));
    p.pass(secs(1));
    assert_eq!(p.commands(2), ["CONNECT", "SUBSCRIBE", "SUBSCRIBE", "SEND"]);
    let values: Vec<_> = p
        .sent("SUBSCRIBE")
        .iter()
        .filter_map(|left| left.header("x-from"))
        .map(str::to_owned)
        .collect();
    assert_eq!(values, ["1", "2"]);
    // A stale answer is harmless.
    p.input(Input::Headers(ticket, Err("late".into())));
    p.pass(secs(60));
    assert!(refusals(&p, "a").is_empty());
    p.finish();
}

#[test]
fn headers_that_do_not_come_put_their_subscription_aside_and_hold_up_nobody_for_long() {
    for answer in [None, Some("it panicked")] {
        let mut p = Pair::online();
        subscribe_with(&mut p, Some("1"), None);
        p.lose();
        let later = p.send(Send::new("later"));
        p.until_phase(Phase::Online);
        p.pass(ms(50));
        let (ticket, _) = p.asked.pop().unwrap();
        if let Some(text) = answer {
            p.input(Input::Headers(ticket, Err(text.into())));
        }
        p.until(|p| !refusals(p, "a").is_empty());
        p.pass(secs(1));
        p.expect_ok(later);
        assert_eq!(refusals(&p, "a"), [5]);
        // It is asked for again, with headers.
        p.pass(secs(5));
        let (ticket, _) = p.asked.pop().unwrap();
        p.input(Input::Headers(ticket, Ok(Vec::new())));
        p.pass(secs(1));
        assert_eq!(restored(&p, "a"), 1);
        p.finish();
    }
}

#[test]
fn ids_stay_the_same_and_nothing_is_made_twice_over_many_losses() {
    let mut p = Pair::online();
    for id in ["c", "a", "b"] {
        p.subscribed(&format!("/queue/{id}"));
    }
    for round in 2..12 {
        p.lose();
        p.until_phase(Phase::Online);
        p.pass(secs(40));
        let ids: Vec<_> = p
            .sent("SUBSCRIBE")
            .iter()
            .filter(|left| left.conn == round)
            .map(|left| left.header("id").unwrap().to_owned())
            .collect();
        assert_eq!(ids, ["c", "a", "b"]);
        let receipts = p
            .sent("SUBSCRIBE")
            .iter()
            .all(|l| l.header("receipt").is_some());
        assert!(receipts);
    }
    assert_eq!(p.gaps.len(), 30);
    p.finish();
}
