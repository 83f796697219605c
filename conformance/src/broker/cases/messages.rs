//! S12-MSG: what a MESSAGE carries.

use super::acks::receive;
use super::{Case, SECOND, case, has, variant};
use crate::broker::lab::Lab;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::stomp::encode;
use std::collections::BTreeSet;

pub(super) const CASES: &[Case] = &[
    case("S12-MSG-001", |lab| {
        let message = lab.pass("SEND\ndestination:{dest}\n\nx\0")?;
        match message.header("destination") {
            Some(_) => Ok(Outcome::Ok),
            None => violated(format!("no destination: {message}")),
        }
    }),
    case("S12-MSG-002", |lab| {
        let message = lab.pass("SEND\ndestination:{dest}\n\nx\0")?;
        has(&message, "destination", &lab.dest)
    }),
    variant("S12-MSG-003", "", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        for _ in 0..1000 {
            peer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        }
        let mut seen = BTreeSet::new();
        for message in consumer.messages(1000)? {
            match message.header("message-id") {
                Some(id) if !id.is_empty() => {
                    if !seen.insert(id.to_owned()) {
                        return violated(format!("message-id {id} was given twice"));
                    }
                }
                Some(_) | None => return violated(format!("no message-id: {message}")),
            }
        }
        Ok(Outcome::Ok)
    })
    .slow(),
    variant("S12-MSG-004", "plain", |lab| subscription(lab, "0")),
    variant("S12-MSG-004", "escapes", |lab| subscription(lab, "a:b\\c")),
    variant("S12-MSG-004", "utf-8", |lab| {
        subscription(lab, "\u{e9}\u{20ac}")
    }),
    variant("S12-MSG-004", "zeros", |lab| subscription(lab, "00")),
    variant("S12-MSG-005", "client", |lab| acks(lab, "client")),
    variant("S12-MSG-005", "client-individual", |lab| {
        acks(lab, "client-individual")
    }),
    case("S12-MSG-006", |lab| {
        let (mut consumer, first) = receive(lab, "client", 50)?;
        let other = lab.other();
        lab.subscribe(&mut consumer, "1", &other, "ack:client\n")?;
        for _ in 0..50 {
            consumer.send(format!("SEND\ndestination:{other}\n\nx\0"));
        }
        let second = consumer.messages(50)?;
        let mut seen = BTreeSet::new();
        for message in first.iter().chain(&second) {
            let ack = super::ack_of(message)?;
            if !seen.insert(ack.clone()) {
                return violated(format!("ack {ack} was given twice"));
            }
        }
        Ok(Outcome::Ok)
    }),
    case("S12-MSG-007", super::sends::user_headers),
];

/// A MESSAGE names the subscription as SUBSCRIBE did.
fn subscription(lab: &mut Lab, id: &str) -> Verdict {
    let mut peer = lab.connect()?;
    let escaped = encode(id);
    peer.send(lab.fill(&format!(
        "SUBSCRIBE\nid:{escaped}\ndestination:{{dest}}\nreceipt:s\n\n\0"
    )));
    if lab.caps.receipts {
        peer.receipt("s")?;
    } else {
        peer.until(lab.scaled(SECOND / 2), |p| p.is_gone().then_some(()));
    }
    peer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
    has(&peer.message()?, "subscription", id)
}

fn acks(lab: &mut Lab, mode: &str) -> Verdict {
    let (_consumer, got) = receive(lab, mode, 3)?;
    match got
        .iter()
        .find(|m| m.header("ack").is_none_or(str::is_empty))
    {
        Some(message) => violated(format!("no ack: {message}")),
        None => Ok(Outcome::Ok),
    }
}
