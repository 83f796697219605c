//! S12-RCT: what a RECEIPT promises.

use super::acks::receive;
use super::{Case, SECOND, ack_of, case, variant};
use crate::broker::lab::Lab;
use crate::broker::peer::Peer;
use crate::grade::{Outcome, Verdict, violated};
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    case("S12-RCT-101", |lab| {
        answered(lab, "", "SEND\ndestination:{dest}\nreceipt:r1\n\nx\0")
    }),
    case("S12-RCT-102", |lab| {
        answered(
            lab,
            "",
            "SUBSCRIBE\nid:0\ndestination:{dest}\nreceipt:r1\n\n\0",
        )
    }),
    case("S12-RCT-103", |lab| {
        answered(
            lab,
            "SUBSCRIBE\nid:0\ndestination:{dest}\n\n\0",
            "UNSUBSCRIBE\nid:0\nreceipt:r1\n\n\0",
        )
    }),
    case("S12-RCT-104", |lab| settled(lab, "ACK")),
    case("S12-RCT-105", |lab| settled(lab, "NACK")),
    case("S12-RCT-106", |lab| {
        answered(lab, "", "BEGIN\ntransaction:t1\nreceipt:r1\n\n\0")
    }),
    case("S12-RCT-107", |lab| {
        answered(
            lab,
            "BEGIN\ntransaction:t1\n\n\0",
            "COMMIT\ntransaction:t1\nreceipt:r1\n\n\0",
        )
    }),
    case("S12-RCT-108", |lab| {
        answered(
            lab,
            "BEGIN\ntransaction:t1\n\n\0",
            "ABORT\ntransaction:t1\nreceipt:r1\n\n\0",
        )
    }),
    case("S12-RCT-109", |lab| {
        answered(lab, "", "DISCONNECT\nreceipt:r1\n\n\0")
    }),
    case("S12-RCT-001", |lab| {
        lab.needs_receipts()?;
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nreceipt:a\\cb\\\\c d,\u{e9}\n\nx\0"));
        peer.receipt("a:b\\c d,\u{e9}")?;
        Ok(Outcome::Ok)
    }),
    case("S12-RCT-002", |lab| {
        lab.needs_receipts()?;
        let mut peer = lab.connect()?;
        for n in 1..=50 {
            peer.send(lab.fill(&format!("SEND\ndestination:{{dest}}\n\n{n}\0")));
        }
        peer.send(lab.fill("SEND\ndestination:{dest}\nreceipt:r1\n\n51\0"));
        peer.receipt("r1")?;
        peer.reset();
        lab.consumer()?.messages(51)?;
        Ok(Outcome::Ok)
    }),
    case("S12-RCT-003", |lab| {
        let mut peer = lab.connect()?;
        for n in 1..=100 {
            peer.send(lab.fill(&format!("SEND\ndestination:{{dest}}\n\n{n}\0")));
        }
        peer.send("DISCONNECT\nreceipt:r1\n\n\0");
        peer.until(lab.scaled(SECOND * 5), |p| {
            (p.is_gone() || p.close.is_some()).then_some(())
        });
        drop(peer);
        lab.consumer()?.messages(100)?;
        Ok(Outcome::Ok)
    }),
    case("S12-RCT-004", |lab| {
        lab.needs_receipts()?;
        let mut peer = lab.connect()?;
        for n in 0..20 {
            let receipt = if n % 2 == 0 {
                format!("receipt:r{n}\n")
            } else {
                String::new()
            };
            peer.send(lab.fill(&format!("SEND\ndestination:{{dest}}\n{receipt}\nx\0")));
        }
        let wanted: BTreeSet<String> = (0..20).step_by(2).map(|n| format!("r{n}")).collect();
        let mut got = BTreeSet::new();
        let due = lab.scaled(SECOND * 2);
        peer.until(due, |p| p.is_gone().then_some(()));
        for frame in peer.rest() {
            let id = frame.header("receipt-id").unwrap_or_default().to_owned();
            if frame.command == "RECEIPT" && !(wanted.contains(&id) && got.insert(id)) {
                return violated(format!("one that nobody waits for: {frame}"));
            }
        }
        match wanted.difference(&got).next() {
            Some(missing) => violated(format!("no RECEIPT {missing}")),
            None => Ok(Outcome::Ok),
        }
    }),
    variant("S12-RCT-005", "", |lab| {
        let mut peer = lab.connect()?;
        peer.send("SEND\nreceipt:r1\n\nx\0");
        match peer.refusal().receipt {
            Some(receipt) => violated(format!("a frame without destination got {receipt}")),
            None => Ok(Outcome::Ok),
        }
    }),
];

fn due(lab: &Lab, frame: &str) -> Duration {
    lab.scaled(if frame.starts_with("DISCONNECT") {
        SECOND * 5
    } else {
        SECOND * 2
    })
}

/// The frame is answered by its RECEIPT, `before` having been sent.
fn answered(lab: &mut Lab, before: &str, frame: &str) -> Verdict {
    lab.needs_receipts()?;
    let mut peer = lab.connect()?;
    if !before.is_empty() {
        peer.send(lab.fill(before));
    }
    peer.send(lab.fill(frame));
    wait(&mut peer, due(lab, frame))
}

fn settled(lab: &mut Lab, verb: &str) -> Verdict {
    lab.needs_receipts()?;
    let (mut peer, got) = receive(lab, "client-individual", 1)?;
    let ack = ack_of(&got[0])?;
    peer.send(format!("{verb}\nid:{ack}\nreceipt:r1\n\n\0"));
    wait(&mut peer, due(lab, verb))
}

fn wait(peer: &mut Peer, within: Duration) -> Verdict {
    peer.expect("RECEIPT r1", within, |f| {
        f.command == "RECEIPT" && f.header("receipt-id") == Some("r1")
    })?;
    Ok(Outcome::Ok)
}
