//! S12-FRM: how frames are built.

use super::{
    Case, SECOND, accepts, body_is, carries, case, has, reaction, recorded, refuses, variant,
};
use crate::broker::lab::Lab;
use crate::grade::{Outcome, Verdict, violated};
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    case("S12-FRM-001", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.2", ""));
        lab.connected(&mut peer)?;
        Ok(Outcome::Ok)
    }),
    case("S12-FRM-002", |lab| {
        accepts(lab, "SEND\ndestination:{dest}\nreceipt:r1\n\nx\0")
    }),
    case("S12-FRM-003", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SEND\r\ndestination:{dest}\r\nreceipt:r1\r\n\r\nhi\0\r\n"));
        if lab.caps.receipts {
            peer.receipt("r1")?;
        }
        body_is(&consumer.message()?, b"hi")
    }),
    case("S12-FRM-004", |lab| {
        accepts(lab, "SEND\ndestination:{dest}\r\nreceipt:r1\n\r\nhi\0")
    }),
    case("S12-FRM-005", |lab| {
        let message = lab.pass("SEND\r\ndestination:{dest}\r\nk:v\r\n\r\nx\0")?;
        has(&message, "k", "v")
    }),
    case("S12-FRM-006", |lab| {
        let mut peer = lab.connect()?;
        peer.send("DISCONNECT\n\n\0");
        match peer.any(lab.scaled(SECOND)) {
            Some(frame) if frame.command == "ERROR" => violated(format!("{frame}")),
            Some(_) | None => Ok(Outcome::Ok),
        }
    }),
    case("S12-FRM-007", |lab| {
        lab.needs_receipts()?;
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SUBSCRIBE\nid:0\ndestination:{dest}\nreceipt:r1\n\n"));
        if let Some(frame) = peer.pick(lab.scaled(SECOND), |f| f.command != "CONNECTED") {
            return violated(format!("{frame} before the NUL had been sent"));
        }
        peer.send("\0");
        peer.receipt("r1")?;
        Ok(Outcome::Ok)
    }),
    case("S12-FRM-008", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        peer.send(
            lab.fill("SEND\ndestination:{dest}\n\nx\0\n\n\r\n\nSEND\ndestination:{dest}\n\ny\0"),
        );
        let first = consumer.message();
        body_is(&lab.blame(first, &mut peer)?, b"x")?;
        let second = consumer.message();
        body_is(&lab.blame(second, &mut peer)?, b"y")
    }),
    case("S12-FRM-009", |lab| {
        let mut peer = lab.open()?;
        peer.send(format!("\n\n{}", lab.connect_frame("1.2", "")));
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("S12-FRM-010", |lab| {
        refuses(lab, "send\ndestination:{dest}\nreceipt:r1\n\nx\0")
    }),
    case("S12-FRM-011", |lab| {
        refuses(lab, "SEND\nDestination:{dest}\nreceipt:r1\n\nx\0")
    }),
    case("S12-FRM-012", |lab| {
        refuses(lab, "SEND\ndestination:{dest}\n:v\nreceipt:r1\n\nx\0")
    }),
    case("S12-FRM-013", |lab| carries(lab, "k:", "k", "")),
    case("S12-FRM-014", |lab| {
        refuses(lab, "SEND\ndestination:{dest}\nnocolon\nreceipt:r1\n\nx\0")
    }),
    case("S12-FRM-015", |lab| {
        carries(lab, "k:\u{20ac}", "k", "\u{20ac}")
    }),
    case("S12-FRM-016", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.2", "conf-x:a:b\n"));
        lab.connected(&mut peer)?;
        Ok(Outcome::Ok)
    }),
    case("S12-FRM-017", |lab| {
        recorded(lab, "SEND\ndestination:{dest}\nk:a:b\nreceipt:r1\n\nx\0")
    }),
    case("S12-FRM-018", |lab| {
        body_is(&lab.pass("SEND\ndestination:{dest}\n\n\n  x\0")?, b"\n  x")
    }),
    case("S12-FRM-019", |lab| {
        refuses(lab, "SEND\ndestination:{dest}\nk:a\rb\nreceipt:r1\n\nx\0")
    }),
    variant("S12-FRM-020", "octets", |lab| {
        pieces(lab, |frame| frame.iter().map(|o| vec![*o]).collect())
    }),
    variant("S12-FRM-020", "every-cut", every_cut),
    case("S12-FRM-021", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        let one = |body| lab.fill(&format!("SEND\ndestination:{{dest}}\n\n{body}\0"));
        peer.send(["1", "2", "3"].map(one).concat());
        for body in [b"1", b"2", b"3"] {
            let got = consumer.message();
            body_is(&lab.blame(got, &mut peer)?, body)?;
        }
        Ok(Outcome::Ok)
    }),
    case("S12-FRM-022", |lab| {
        recorded(lab, "SEND\ndestination:{dest}\nk:a\0b\n\nx\0")
    }),
];

/// One frame in many WebSocket messages.
fn pieces(lab: &mut Lab, cut: fn(&[u8]) -> Vec<Vec<u8>>) -> Verdict {
    let mut consumer = lab.consumer()?;
    let mut peer = lab.connect()?;
    let frame = lab.fill("SEND\ndestination:{dest}\nk:v\n\nin pieces\0");
    for piece in cut(frame.as_bytes()) {
        peer.send(piece);
    }
    let got = consumer.message();
    body_is(&lab.blame(got, &mut peer)?, b"in pieces")
}

/// One frame in two WebSocket messages, at every place.
fn every_cut(lab: &mut Lab) -> Verdict {
    let mut consumer = lab.consumer()?;
    let mut peer = lab.connect()?;
    let frame = lab.fill("SEND\r\ndestination:{dest}\r\ncontent-length:3\r\n\r\nx\0y\0\n");
    for at in 1..frame.len() {
        let (head, tail) = frame.as_bytes().split_at(at);
        peer.send(head);
        peer.send(tail);
        let got = lab
            .blame(consumer.message(), &mut peer)
            .map_err(|outcome| outcome.reworded(|words| format!("cut at {at}: {words}")))?;
        body_is(&got, b"x\0y")?;
    }
    consumer.no_message(Duration::from_millis(100))?;
    Ok(Outcome::Ok)
}
