//! S12-SUB, S12-UNS: who gets what.

use super::{Case, SECOND, accepts, bodies, case, reaction, recorded, refuses, variant};
use crate::broker::lab::Lab;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::Frame;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    case("S12-SUB-001", |lab| {
        refuses(lab, "SUBSCRIBE\nid:0\nreceipt:r1\n\n\0")
    }),
    case("S12-SUB-002", |lab| {
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SUBSCRIBE\ndestination:{dest}\nreceipt:r1\n\n\0"));
        let refusal = peer.refusal();
        match refusal.receipt {
            Some(receipt) => Ok(Outcome::NonStrict(format!("taken: {receipt}"))),
            None if refusal.happened() => Ok(Outcome::Ok),
            None => Ok(Outcome::NonStrict(
                "neither refused nor answered".to_owned(),
            )),
        }
    }),
    case("S12-SUB-003", |lab| {
        let other = lab.other();
        super::recorded_each(
            lab,
            &format!(
                "SUBSCRIBE\nid:0\ndestination:{{dest}}\n\n\0SUBSCRIBE\nid:0\ndestination:{other}\nreceipt:r1\n\n\0"
            ),
        )
    }),
    case("S12-SUB-004", |lab| {
        let other = lab.other();
        let mut first = lab.consumer()?;
        let mut second = lab.consumer_of(&other, "")?;
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SEND\ndestination:{dest}\n\n1\0"));
        peer.send(format!("SEND\ndestination:{other}\n\n2\0"));
        super::body_is(&first.message()?, b"1")?;
        super::body_is(&second.message()?, b"2")
    }),
    case("S12-SUB-005", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        for n in 1..=3 {
            peer.send(lab.fill(&format!("SEND\ndestination:{{dest}}\n\n{n}\0")));
        }
        in_order(&bodies(&consumer.messages(3)?), &["1", "2", "3"])
    }),
    case("S12-SUB-006", |lab| {
        let Some(bad) = lab.target().bad.clone() else {
            return Ok(Outcome::Unimplemented(
                "no destination is known that the broker refuses (--bad-dest)".to_owned(),
            ));
        };
        refuses(
            lab,
            &format!("SUBSCRIBE\nid:0\ndestination:{bad}\nreceipt:r1\n\n\0"),
        )
    }),
    variant("S12-SUB-007", "default", |lab| {
        let dest = lab.dest.clone();
        let mut consumer = lab.consumer_of(&dest, "")?;
        consumer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        consumer.message()?;
        leave(lab, consumer)?;
        let mut again = lab.consumer()?;
        again.no_message(SECOND)?;
        Ok(Outcome::Ok)
    }),
    variant("S12-SUB-007", "bogus", |lab| {
        recorded(
            lab,
            "SUBSCRIBE\nid:0\ndestination:{dest}\nack:bogus\nreceipt:r1\n\n\0",
        )
    }),
    case("S12-SUB-008", |lab| {
        let mut consumer = lab.consumer()?;
        unsubscribe(lab, &mut consumer, "0")?;
        let dest = lab.dest.clone();
        lab.subscribe(&mut consumer, "0", &dest, "")?;
        consumer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        consumer.message()?;
        Ok(Outcome::Ok)
    }),
    variant("S12-SUB-009", "topic", |lab| {
        let topic = lab.topic.clone();
        let mut consumer = lab.consumer_of(&topic, "")?;
        lab.subscribe(&mut consumer, "1", &topic, "")?;
        consumer.send(lab.fill("SEND\ndestination:{topic}\n\nx\0"));
        let got = consumer.messages(2)?;
        let mut ids = got.iter().map(named).collect::<Result<Vec<&str>, _>>()?;
        ids.sort_unstable();
        if ids == ["0", "1"] {
            Ok(Outcome::Ok)
        } else {
            violated(format!("one event came to the subscriptions {ids:?}"))
        }
    }),
    variant("S12-SUB-009", "queue", |lab| {
        if !lab.caps.queue {
            return Ok(Outcome::Unimplemented(
                "the broker has no queues".to_owned(),
            ));
        }
        let dest = lab.dest.clone();
        let mut consumer = lab.consumer_of(&dest, "")?;
        lab.subscribe(&mut consumer, "1", &dest, "")?;
        consumer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        consumer.message()?;
        consumer.no_message(SECOND / 2)?;
        Ok(Outcome::Ok)
    }),
    case("S12-SUB-010", |lab| accepts_subscribe(lab, "x-conf:1\n")),
    case("S12-UNS-001", |lab| {
        let mut peer = lab.consumer()?;
        peer.send(lab.fill("UNSUBSCRIBE\ndestination:{dest}\nreceipt:r1\n\n\0"));
        let refusal = peer.refusal();
        match refusal.receipt {
            Some(receipt) => Ok(Outcome::NonStrict(format!("taken: {receipt}"))),
            None if refusal.happened() => Ok(Outcome::Ok),
            None => Ok(Outcome::NonStrict(
                "neither refused nor answered".to_owned(),
            )),
        }
    }),
    case("S12-UNS-002", |lab| {
        let mut peer = lab.connect()?;
        peer.send("UNSUBSCRIBE\nid:nosuch\nreceipt:r1\n\n\0");
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("S12-UNS-003", |lab| {
        let topic = lab.topic.clone();
        let mut consumer = lab.consumer_of(&topic, "")?;
        unsubscribe(lab, &mut consumer, "0")?;
        let mut peer = lab.connect()?;
        for _ in 0..5 {
            peer.send(lab.fill("SEND\ndestination:{topic}\n\nx\0"));
        }
        consumer.no_message(SECOND * 2)?;
        Ok(Outcome::Ok)
    }),
    case("S12-UNS-005", |lab| {
        let topic = lab.topic.clone();
        let mut consumer = lab.consumer_of(&topic, "")?;
        lab.subscribe(&mut consumer, "1", &topic, "")?;
        unsubscribe(lab, &mut consumer, "0")?;
        consumer.rest();
        consumer.send(lab.fill("SEND\ndestination:{topic}\n\nx\0"));
        let message = consumer.message()?;
        named(&message)?;
        super::has(&message, "subscription", "1")
    }),
];

/// Whose a message is, is another question than whether it says so.
fn named(message: &Frame) -> Result<&str, Outcome> {
    let id = message.header("subscription");
    id.ok_or_else(|| Outcome::Inconclusive(format!("MESSAGE without subscription: {message}")))
}

pub(super) fn in_order(got: &[String], wanted: &[&str]) -> Verdict {
    if got == wanted {
        Ok(Outcome::Ok)
    } else {
        violated(format!("expected {wanted:?}, got {got:?}"))
    }
}

fn accepts_subscribe(lab: &mut Lab, more: &str) -> Verdict {
    if !lab.caps.receipts {
        return accepts(lab, "SEND\ndestination:{dest}\nreceipt:r1\n\nx\0");
    }
    let mut peer = lab.connect()?;
    peer.send(lab.fill(&format!(
        "SUBSCRIBE\nid:0\ndestination:{{dest}}\nreceipt:r1\n{more}\n\0"
    )));
    peer.receipt("r1")?;
    Ok(Outcome::Ok)
}

/// Ends a subscription, and waits until that is certain.
pub(super) fn unsubscribe(
    lab: &Lab,
    peer: &mut crate::broker::peer::Peer,
    id: &str,
) -> Result<(), Outcome> {
    peer.send(format!("UNSUBSCRIBE\nid:{id}\nreceipt:uns\n\n\0"));
    if lab.caps.receipts {
        peer.receipt("uns")?;
    } else {
        peer.until(lab.scaled(SECOND / 2), |p| p.is_gone().then_some(()));
    }
    Ok(())
}

/// Goes in good order, so that nothing unacknowledged is with the broker.
pub(super) fn leave(lab: &Lab, mut peer: crate::broker::peer::Peer) -> Result<(), Outcome> {
    peer.send("DISCONNECT\nreceipt:bye\n\n\0");
    peer.until(lab.scaled(Duration::from_secs(2)), |p| {
        let answered = p.is_gone() || p.close.is_some();
        answered.then_some(())
    });
    Ok(())
}
