//! S12-TXN: all or nothing.

use super::acks::{left, nothing_left, receive};
use super::subscriptions::in_order;
use super::{Case, SECOND, bodies, case, recorded, recorded_each, refuses, variant};
use crate::broker::lab::Lab;
use crate::broker::peer::Peer;
use crate::grade::{Outcome, Verdict};

pub(super) const CASES: &[Case] = &[
    variant("S12-TXN-001", "begin", |lab| {
        refuses(lab, "BEGIN\nreceipt:r1\n\n\0")
    }),
    variant("S12-TXN-001", "commit", |lab| {
        refuses(lab, "COMMIT\nreceipt:r1\n\n\0")
    }),
    variant("S12-TXN-001", "abort", |lab| {
        refuses(lab, "ABORT\nreceipt:r1\n\n\0")
    }),
    case("S12-TXN-002", |lab| {
        recorded_each(
            lab,
            "BEGIN\ntransaction:t1\n\n\0BEGIN\ntransaction:t1\nreceipt:r1\n\n\0",
        )
    }),
    case("S12-TXN-003", visible_at_commit),
    case("S12-TXN-004", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = begun(lab)?;
        finish(lab, &mut peer, "ABORT")?;
        consumer.no_message(SECOND * 2)?;
        Ok(Outcome::Ok)
    }),
    variant("S12-TXN-005", "commit", |lab| {
        recorded(lab, "COMMIT\ntransaction:nosuch\nreceipt:r1\n\n\0")
    }),
    variant("S12-TXN-005", "abort", |lab| {
        recorded(lab, "ABORT\ntransaction:nosuch\nreceipt:r1\n\n\0")
    }),
    variant("S12-TXN-005", "send", |lab| {
        recorded(
            lab,
            "SEND\ndestination:{dest}\ntransaction:nosuch\nreceipt:r1\n\nx\0",
        )
    }),
    case("S12-TXN-006", |lab| {
        let mut consumer = lab.consumer()?;
        let peer = begun(lab)?;
        super::subscriptions::leave(lab, peer)?;
        consumer.no_message(SECOND * 2)?;
        Ok(Outcome::Ok)
    }),
    case("S12-TXN-007", |lab| {
        let mut consumer = lab.consumer()?;
        begun(lab)?.reset();
        consumer.no_message(SECOND * 2)?;
        Ok(Outcome::Ok)
    }),
    variant("S12-TXN-008", "abort", |lab| {
        let (mut consumer, got) = receive(lab, "client", 1)?;
        consumer.send("BEGIN\ntransaction:t1\n\n\0");
        tx_ack(&mut consumer, &got[0])?;
        finish(lab, &mut consumer, "ABORT")?;
        consumer.reset();
        left(lab, &["1"])
    }),
    variant("S12-TXN-008", "commit", |lab| {
        let (mut consumer, got) = receive(lab, "client", 1)?;
        consumer.send("BEGIN\ntransaction:t1\n\n\0");
        tx_ack(&mut consumer, &got[0])?;
        finish(lab, &mut consumer, "COMMIT")?;
        consumer.reset();
        nothing_left(lab)
    }),
    variant("S12-TXN-009", "two-connections", |lab| {
        let mut consumer = lab.consumer()?;
        let mut first = begun(lab)?;
        let mut second = begun(lab)?;
        finish(lab, &mut first, "ABORT")?;
        finish(lab, &mut second, "COMMIT")?;
        in_order(&bodies(&consumer.messages(2)?), &["1", "2"])
    }),
    variant("S12-TXN-009", "again", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = begun(lab)?;
        finish(lab, &mut peer, "COMMIT")?;
        peer.send_each(
            &lab.fill("BEGIN\ntransaction:t1\n\n\0SEND\ndestination:{dest}\ntransaction:t1\n\n3\0"),
        );
        finish(lab, &mut peer, "COMMIT")?;
        in_order(&bodies(&consumer.messages(3)?), &["1", "2", "3"])
    }),
];

/// What is sent in a transaction is seen at its COMMIT, and not before.
pub(super) fn visible_at_commit(lab: &mut Lab) -> Verdict {
    let mut consumer = lab.consumer()?;
    let mut peer = begun(lab)?;
    consumer
        .no_message(SECOND)
        .map_err(|outcome| outcome.reworded(|words| format!("before COMMIT: {words}")))?;
    finish(lab, &mut peer, "COMMIT")?;
    in_order(&bodies(&consumer.messages(2)?), &["1", "2"])
}

/// A session with the transaction `t1` open, and messages 1 and 2 in it.
fn begun(lab: &mut Lab) -> Result<Peer, Outcome> {
    let mut peer = lab.connect()?;
    peer.send("BEGIN\ntransaction:t1\n\n\0");
    for n in 1..=2 {
        peer.send(lab.fill(&format!(
            "SEND\ndestination:{{dest}}\ntransaction:t1\n\n{n}\0"
        )));
    }
    Ok(peer)
}

fn finish(lab: &Lab, peer: &mut Peer, verb: &str) -> Result<(), Outcome> {
    peer.send(format!("{verb}\ntransaction:t1\nreceipt:done\n\n\0"));
    if lab.caps.receipts {
        peer.receipt("done")?;
    }
    Ok(())
}

/// An ACK within `t1`; its RECEIPT may come with the COMMIT only.
fn tx_ack(peer: &mut Peer, message: &crate::wire::stomp::Frame) -> Result<(), Outcome> {
    let ack = super::ack_of(message)?;
    peer.send(format!("ACK\nid:{ack}\ntransaction:t1\n\n\0"));
    Ok(())
}
