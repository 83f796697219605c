//! A drain: no new messages, then no new frames, and an account of what is left.

use hobnail_mock_broker::{
    engine::Input as Broker,
    script::{Rule, act, on},
};

use super::{app::Send, ms, pair::Pair, secs};
use crate::{
    core::{
        AckMode, Command,
        DrainStep::{self, Settle, Unsubscribe},
        Input, Key, Reply, Waiter,
    },
    error::{Error, Undrained},
};

impl Pair {
    fn drain(&mut self, step: DrainStep, within: std::time::Duration) -> Waiter {
        let waiter = self.call(format!("drain {step:?}"), Some(self.now + within));
        self.input(Input::Command(Command::Drain {
            step,
            waiter,
            deadline: self.instant() + within,
        }));
        waiter
    }

    fn drained(&mut self, step: DrainStep) {
        let call = self.drain(step, secs(10));
        self.until(|p| p.answer(call).is_some());
        assert!(matches!(self.answer(call), Some(Ok(Reply::Drained))));
    }

    fn left(&self, call: Waiter) -> Undrained {
        match self.expect_err(call) {
            Error::Undrained(left) => *left,
            other => panic!("{other}"),
        }
    }

    fn acknowledging(&mut self, destination: &str) -> Key {
        let mode = AckMode::ClientIndividual;
        let (key, call) = self.subscribe_as("each", destination, mode, secs(30));
        self.until(|p| p.answer(call).is_some());
        self.expect_ok(call);
        key
    }
}

fn publish(p: &mut Pair, destination: &str) {
    p.broker(Broker::Publish {
        destination,
        headers: &[],
        body: b"x",
    });
}

#[test]
fn a_drain_unsubscribes_with_receipts_and_then_waits_for_what_is_under_way() {
    let mut p = Pair::online();
    let (a, b) = (p.subscribed("/topic/a"), p.subscribed("/topic/b"));
    let begun = p.now;
    p.drained(Unsubscribe);
    assert_eq!(p.now - begun, ms(20), "one round trip for both");
    assert_eq!(p.ended, [a, b]);
    let receipts = p.sent("UNSUBSCRIBE");
    assert!(receipts.iter().all(|left| left.header("receipt").is_some()));
    let call = p.publish("a reply to what was handed out");
    p.drained(Settle);
    p.expect_ok(call);
    let late = p.publish("late");
    assert!(matches!(p.expect_err(late), Error::Closed));
    p.finish();
    assert_eq!(
        p.commands(1),
        [
            "CONNECT",
            "SUBSCRIBE",
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "UNSUBSCRIBE",
            "SEND",
            "DISCONNECT"
        ]
    );
}

#[test]
fn what_comes_before_the_receipt_of_its_unsubscribe_is_handed_out() {
    let mut p = Pair::online();
    let key = p.subscribed("/topic/a");
    let call = p.drain(Unsubscribe, secs(10));
    publish(&mut p, "/topic/a");
    p.until(|p| p.answer(call).is_some());
    assert_eq!(p.messages.len(), 1);
    assert_eq!(p.messages[0].1, key);
    p.finish();
}

#[test]
fn what_must_be_acknowledged_stays_with_the_broker_and_can_be_until_the_second_step() {
    let mut p = Pair::online();
    p.acknowledging("/queue/a");
    publish(&mut p, "/queue/a");
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 1);
    let ack = p.messages[0].3.header("ack").unwrap().into_owned();
    p.drained(Unsubscribe);
    publish(&mut p, "/queue/a");
    p.pass(secs(1));
    assert_eq!(p.messages.len(), 1, "the second came too late");
    assert_eq!(p.core.metrics.undelivered, 1);
    p.ack(&ack, 1);
    p.drained(Settle);
    p.finish();
    assert_eq!(
        p.commands(1),
        ["CONNECT", "SUBSCRIBE", "ACK", "UNSUBSCRIBE", "DISCONNECT"]
    );
}

#[test]
fn nothing_is_subscribed_to_once_a_drain_has_begun() {
    let mut p = Pair::online();
    let (early, waits) = p.subscribe("/topic/early");
    p.drained(Unsubscribe);
    let (late, refused) = p.subscribe("/topic/late");
    for call in [waits, refused] {
        assert!(matches!(p.expect_err(call), Error::Closed));
    }
    assert_eq!(p.ended, [early, late]);
    p.finish();
}

#[test]
fn at_its_deadline_a_drain_names_what_is_left() {
    let mut p = Pair::online_with(
        |c| c,
        |s| s.rule(Rule::on(on::recv("UNSUBSCRIBE")).then(act::drop_it())),
    );
    p.subscribed("/topic/a");
    p.subscribed("/topic/b");
    let begun = p.now;
    let first = p.drain(Unsubscribe, secs(3));
    p.until(|p| p.answer(first).is_some());
    assert!(p.now - begun <= secs(3) + ms(2));
    assert_eq!(p.left(first).subscriptions, ["a", "b"]);
    p.half_open();
    p.writable = false;
    let calls = [p.publish("x"), p.publish("y")];
    p.send(Send::new("z").silent());
    let second = p.drain(Settle, secs(3));
    p.until(|p| p.answer(second).is_some());
    let left = p.left(second);
    assert_eq!((left.publishes, left.frames), (2, 1));
    assert_eq!(
        left.to_string(),
        "left are 2 RECEIPTs, 1 frames that had not left"
    );
    assert!(
        calls.iter().all(|call| p.is_pending(*call)),
        "the close ends them"
    );
    p.unblock();
    let close = p.close();
    p.until(|p| p.answer(close).is_some());
    p.check_end();
}

#[test]
fn a_lost_connection_ends_the_subscriptions_and_repeats_what_may_be() {
    let mut p = Pair::online();
    p.acknowledging("/queue/a");
    p.subscribed("/topic/a");
    let call = p.send(Send::new("again").replay());
    let drain = p.drain(Unsubscribe, secs(25));
    p.lose();
    p.until(|p| p.answer(drain).is_some());
    p.expect_ok(drain);
    assert_eq!(p.ended.len(), 2);
    p.drained(Settle);
    p.expect_ok(call);
    p.finish();
    assert_eq!(p.commands(2), ["CONNECT", "SEND", "DISCONNECT"]);
}

#[test]
fn a_client_that_ends_answers_its_drain() {
    let mut p = Pair::online_with(|c| c.reconnect(false), |s| s);
    p.half_open();
    p.publish("x");
    let drain = p.drain(Settle, secs(25));
    p.lose();
    assert!(matches!(p.expect_err(drain), Error::Link(_)));
    let late = p.drain(Unsubscribe, secs(1));
    assert!(matches!(p.expect_err(late), Error::Closed));
    p.check_end();
}

#[test]
fn of_two_drains_the_earlier_deadline_ends_both() {
    let mut p = Pair::online();
    p.half_open();
    p.publish("x");
    let begun = p.now;
    let long = p.drain(Settle, secs(20));
    let short = p.drain(Settle, secs(2));
    p.until(|p| p.answer(long).is_some());
    assert!(p.now - begun <= secs(2) + ms(2));
    assert_eq!((p.left(long).publishes, p.left(short).publishes), (1, 1));
    let close = p.close();
    p.until(|p| p.answer(close).is_some());
    p.check_end();
}
