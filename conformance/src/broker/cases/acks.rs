//! S12-ACM, S12-ACK, S12-NAK: who has a message.

use super::subscriptions::leave;
use super::{Case, SECOND, ack_of, bodies, case, reaction, recorded, refuses, variant};
use crate::broker::lab::Lab;
use crate::broker::peer::Peer;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::{Frame, encode};

pub(super) const CASES: &[Case] = &[
    case("S12-ACM-001", |lab| {
        let (consumer, _) = receive(lab, "auto", 1)?;
        leave(lab, consumer)?;
        nothing_left(lab)
    }),
    case("S12-ACM-003", |lab| {
        let (consumer, _) = receive(lab, "client", 1)?;
        consumer.reset();
        let mut again = lab.consumer()?;
        let due = lab.scaled(SECOND * 10);
        Ok(match again.pick(due, |f| f.command == "MESSAGE") {
            Some(_) => Outcome::Ok,
            None => Outcome::Info("not redelivered within 10 s".to_owned()),
        })
    }),
    case("S12-ACM-004", |lab| {
        let (mut consumer, got) = receive(lab, "client", 3)?;
        settle(lab, &mut consumer, "ACK", &got[2], "")?;
        consumer.reset();
        nothing_left(lab)
    }),
    case("S12-ACM-005", |lab| {
        let other = lab.other();
        let dest = lab.dest.clone();
        let mut consumer = lab.consumer_of(&dest, "ack:client\n")?;
        lab.subscribe(&mut consumer, "1", &other, "ack:client\n")?;
        consumer.send(format!("SEND\ndestination:{other}\n\nb\0"));
        consumer.message()?;
        consumer.send(lab.fill("SEND\ndestination:{dest}\n\na\0"));
        let last = consumer.message()?;
        settle(lab, &mut consumer, "ACK", &last, "")?;
        consumer.reset();
        let mut again = lab.consumer_of(&other, "")?;
        super::body_is(&again.message()?, b"b")?;
        nothing_left(lab)
    }),
    case("S12-ACM-006", |lab| {
        let (mut consumer, got) = receive(lab, "client-individual", 3)?;
        settle(lab, &mut consumer, "ACK", &got[2], "")?;
        consumer.reset();
        left(lab, &["1", "2"])
    }),
    case("S12-ACK-001", |lab| {
        let (mut consumer, got) = receive(lab, "client", 1)?;
        let (ack, id) = (got[0].header("ack"), got[0].header("message-id"));
        if ack == id {
            return Ok(Outcome::Info(
                "ack and message-id are the same here".to_owned(),
            ));
        }
        let id = encode(id.unwrap_or_default());
        consumer.send(format!("ACK\nid:{id}\nreceipt:r1\n\n\0"));
        let refusal = consumer.refusal();
        if refusal.error.is_some() || !lab.caps.queue {
            return Ok(Outcome::Ok);
        }
        consumer.reset();
        left(lab, &["1"])
    }),
    case("S12-ACK-002", |lab| {
        let (mut consumer, got) = receive(lab, "client", 1)?;
        let id = encode(got[0].header("message-id").unwrap_or_default());
        consumer.send(format!(
            "ACK\nsubscription:0\nmessage-id:{id}\nreceipt:r1\n\n\0"
        ));
        super::refused(&mut consumer)
    }),
    variant("S12-ACK-003", "unknown", |lab| {
        recorded(lab, "ACK\nid:nosuch\nreceipt:r1\n\n\0")
    }),
    variant("S12-ACK-003", "twice", |lab| {
        let (mut consumer, got) = receive(lab, "client-individual", 1)?;
        settle(lab, &mut consumer, "ACK", &got[0], "")?;
        let ack = ack_of(&got[0])?;
        consumer.send(format!("ACK\nid:{ack}\nreceipt:r2\n\n\0"));
        Ok(Outcome::Info(reaction(&mut consumer)))
    }),
    case("S12-ACK-004", |lab| {
        if !lab.caps.tx {
            return Ok(Outcome::Unimplemented(
                "the broker has no transactions".to_owned(),
            ));
        }
        let (mut consumer, got) = receive(lab, "client", 1)?;
        consumer.send("BEGIN\ntransaction:t1\n\n\0");
        let ack = ack_of(&got[0])?;
        consumer.send(format!("ACK\nid:{ack}\ntransaction:t1\nreceipt:r1\n\n\0"));
        Ok(Outcome::Info(reaction(&mut consumer)))
    }),
    case("S12-ACK-005", |lab| {
        let (mut consumer, got) = receive(lab, "client", 1)?;
        settle(lab, &mut consumer, "ACK", &got[0], "")?;
        if !lab.caps.queue {
            return Ok(Outcome::Ok);
        }
        consumer.reset();
        nothing_left(lab)
    }),
    case("S12-ACK-006", |lab| {
        let (mut consumer, _) = receive(lab, "client", 1)?;
        consumer.no_message(SECOND * 3)?;
        consumer.reset();
        left(lab, &["1"])
    }),
    case("S12-NAK-001", |lab| {
        if !lab.caps.nack {
            return Ok(Outcome::Unimplemented("needs nack".to_owned()));
        }
        refuses(lab, "NACK\nreceipt:r1\n\n\0")
    }),
    case("S12-NAK-002", |lab| {
        let (mut consumer, got) = receive(lab, "client-individual", 1)?;
        settle(lab, &mut consumer, "NACK", &got[0], "")?;
        let due = lab.scaled(SECOND * 5);
        Ok(Outcome::Info(match consumer.any(due) {
            Some(frame) if frame.command == "MESSAGE" => "redelivered".to_owned(),
            Some(frame) => format!("{frame}"),
            None => "not redelivered within 5 s".to_owned(),
        }))
    }),
    variant("S12-NAK-003", "client", |lab| {
        let (mut consumer, got) = receive(lab, "client", 3)?;
        settle(lab, &mut consumer, "NACK", &got[2], "")?;
        let ack = ack_of(&got[0])?;
        consumer.rest();
        consumer.send(format!("ACK\nid:{ack}\nreceipt:r9\n\n\0"));
        Ok(Outcome::Info(format!(
            "ACK of the first: {}",
            reaction(&mut consumer)
        )))
    }),
    variant("S12-NAK-003", "individual", |lab| {
        let (mut consumer, got) = receive(lab, "client-individual", 3)?;
        settle(lab, &mut consumer, "NACK", &got[1], "")?;
        consumer.reset();
        let mut again = lab.consumer()?;
        let mut found = bodies(&again.messages(2)?);
        found.retain(|body| body != "2");
        if found.is_empty() {
            return violated("a NACK of one message settled the others");
        }
        Ok(Outcome::Ok)
    }),
];

/// A consumer of the case's queue that got messages `1` to `count`.
pub(super) fn receive(
    lab: &mut Lab,
    ack: &str,
    count: usize,
) -> Result<(Peer, Vec<Frame>), Outcome> {
    let dest = lab.dest.clone();
    let mut consumer = lab.consumer_of(&dest, &format!("ack:{ack}\n"))?;
    for n in 1..=count {
        consumer.send(lab.fill(&format!("SEND\ndestination:{{dest}}\n\n{n}\0")));
    }
    let got = consumer.messages(count)?;
    Ok((consumer, got))
}

/// Sends ACK or NACK, and waits until that is certain.
pub(super) fn settle(
    lab: &Lab,
    peer: &mut Peer,
    verb: &str,
    message: &Frame,
    more: &str,
) -> Result<(), Outcome> {
    let ack = ack_of(message)?;
    peer.send(format!("{verb}\nid:{ack}\n{more}receipt:settled\n\n\0"));
    if lab.caps.receipts {
        peer.receipt("settled")?;
    } else {
        peer.until(lab.scaled(SECOND / 2), |p| p.is_gone().then_some(()));
    }
    Ok(())
}

/// A new consumer finds nothing.
pub(super) fn nothing_left(lab: &mut Lab) -> Verdict {
    let mut again = lab.consumer()?;
    again.no_message(SECOND * 2)?;
    Ok(Outcome::Ok)
}

/// A new consumer finds just these, in any order.
pub(super) fn left(lab: &mut Lab, wanted: &[&str]) -> Verdict {
    let mut again = lab.consumer()?;
    let mut found = bodies(&again.messages(wanted.len())?);
    found.sort();
    if found != wanted {
        return violated(format!("expected {wanted:?} again, got {found:?}"));
    }
    again.no_message(SECOND / 2)?;
    Ok(Outcome::Ok)
}
