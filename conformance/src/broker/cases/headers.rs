//! S12-HDR: content-length, content-type, receipt, repeated headers.

use super::{
    Case, SECOND, accepts, body_is, carries, case, has, reaction, recorded, refuses, variant,
};
use crate::broker::lab::Lab;
use crate::grade::{Outcome, Verdict, violated};

pub(super) const CASES: &[Case] = &[
    case("S12-HDR-001", |lab| {
        lab.needs_receipts()?;
        let mut peer = lab.connect()?;
        peer.send(
            lab.fill("SUBSCRIBE\nid:0\ndestination:{dest}\ncontent-length:0\nreceipt:r1\n\n\0"),
        );
        peer.receipt("r1")?;
        Ok(Outcome::Ok)
    }),
    case("S12-HDR-002", |lab| {
        body_is(
            &lab.pass("SEND\ndestination:{dest}\ncontent-length:5\n\na\0b\0c\0")?,
            b"a\0b\0c",
        )
    }),
    case("S12-HDR-003", |lab| {
        refuses(
            lab,
            "SEND\ndestination:{dest}\ncontent-length:3\nreceipt:r1\n\nabcdef\0",
        )
    }),
    case("S12-HDR-004", |lab| {
        let message = lab.pass("SEND\ndestination:{dest}\n\nfour\0")?;
        has(&message, "content-length", "4")
    }),
    case("S12-HDR-005", |lab| {
        let message = lab.pass("SEND\ndestination:{dest}\ncontent-length:3\n\na\0b\0")?;
        has(&message, "content-length", "3")
    }),
    case("S12-HDR-006", |lab| {
        let text = "\u{e9}\u{20ac}\u{1f600}";
        let frame = format!("SEND\ndestination:{{dest}}\ncontent-length:9\n\n{text}\0");
        let message = lab.pass(&frame)?;
        body_is(&message, text.as_bytes())?;
        match message.header("content-length") {
            Some("9") | None => Ok(Outcome::Ok),
            Some(other) => violated(format!("content-length:{other} for 9 octets")),
        }
    }),
    case("S12-HDR-007", |lab| {
        body_is(&lab.pass("SEND\ndestination:{dest}\n\nab\0")?, b"ab")
    }),
    case("S12-HDR-008", |lab| {
        body_is(
            &lab.pass("SEND\ndestination:{dest}\ncontent-length:0\n\n\0")?,
            b"",
        )
    }),
    case("S12-HDR-009", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SEND\ndestination:{dest}\ncontent-length:10\n\n12345"));
        if let Some(frame) = peer.pick(lab.scaled(SECOND), |f| f.command != "CONNECTED") {
            return violated(format!("{frame} while half of the body was on its way"));
        }
        peer.send("67890\0");
        let got = consumer.message();
        body_is(&lab.blame(got, &mut peer)?, b"1234567890")
    }),
    variant("S12-HDR-010", "letters", |lab| length(lab, "abc")),
    variant("S12-HDR-010", "negative", |lab| length(lab, "-1")),
    variant("S12-HDR-010", "signed", |lab| length(lab, "+3")),
    variant("S12-HDR-010", "padded", |lab| length(lab, " 3")),
    variant("S12-HDR-010", "trailing-space", |lab| length(lab, "3 ")),
    variant("S12-HDR-010", "exponent", |lab| length(lab, "1e3")),
    variant("S12-HDR-010", "overflow", |lab| {
        length(lab, "99999999999999999999")
    }),
    case("S12-HDR-011", |lab| {
        carries(lab, "content-type:text/plain", "content-type", "text/plain")
    }),
    case("S12-HDR-013", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        let mut frame = lab
            .fill("SEND\ndestination:{dest}\ncontent-length:2\n\n")
            .into_bytes();
        frame.extend_from_slice(&[0xff, 0xfe, 0]);
        peer.send_binary(frame);
        let got = consumer.message();
        body_is(&lab.blame(got, &mut peer)?, &[0xff, 0xfe])
    }),
    case("S12-HDR-014", |lab| {
        carries(lab, "content-type:text/html", "content-type", "text/html")
    }),
    variant("S12-HDR-015", "xml", |lab| {
        carries(
            lab,
            "content-type:application/xml;charset=utf-8",
            "content-type",
            "application/xml;charset=utf-8",
        )
    }),
    variant("S12-HDR-015", "html", |lab| {
        carries(
            lab,
            "content-type:text/html;charset=utf-16",
            "content-type",
            "text/html;charset=utf-16",
        )
    }),
    case("S12-HDR-017", |lab| {
        carries(
            lab,
            "content-type:application/x-conf",
            "content-type",
            "application/x-conf",
        )
    }),
    case("S12-HDR-018", |lab| {
        lab.needs_receipts()?;
        accepts(lab, "SEND\ndestination:{dest}\nreceipt:r1\n\nx\0")
    }),
    case("S12-HDR-019", |lab| {
        let mut peer = lab.open()?;
        peer.send(lab.connect_frame("1.2", "receipt:r0\n"));
        let first = reaction(&mut peer);
        let then = reaction(&mut peer);
        Ok(Outcome::Info(format!("{first}; then {then}")))
    }),
    case("S12-HDR-020", |lab| {
        let other = lab.other();
        let mut wrong = lab.consumer_of(&other, "")?;
        let mut right = lab.consumer()?;
        let mut peer = lab.connect()?;
        let frame = format!("SEND\ndestination:{{dest}}\ndestination:{other}\nk:1\nk:2\n\nx\0");
        peer.send(lab.fill(&frame));
        let got = right.message();
        let message = lab.blame(got, &mut peer)?;
        has(&message, "k", "1")?;
        wrong.no_message(SECOND / 2)?;
        Ok(Outcome::Ok)
    }),
    variant("S12-HDR-021", "content-length", |lab| {
        let frame = "SEND\ndestination:{dest}\ncontent-length:3\ncontent-length:1\n\nabc\0";
        body_is(&lab.pass(frame)?, b"abc")
    }),
    variant("S12-HDR-021", "receipt", |lab| {
        lab.needs_receipts()?;
        let mut peer = lab.connect()?;
        peer.send(lab.fill("SEND\ndestination:{dest}\nreceipt:a\nreceipt:b\n\nx\0"));
        peer.receipt("a")?;
        match peer.pick(lab.scaled(SECOND / 2), |f| f.command == "RECEIPT") {
            Some(second) => violated(format!("a second one: {second}")),
            None => Ok(Outcome::Ok),
        }
    }),
    case("S12-HDR-022", |lab| {
        let message = lab.pass("SEND\ndestination:{dest}\nk:1\nk:2\n\nx\0")?;
        let values: Vec<&str> = message
            .headers
            .iter()
            .filter(|(n, _)| n == "k")
            .map(|(_, v)| v.as_str())
            .collect();
        Ok(Outcome::Info(format!("k: {}", values.join(", "))))
    }),
];

/// A `content-length` that is no plain number; `recorded` fails who hangs.
fn length(lab: &mut Lab, value: &str) -> Verdict {
    recorded(
        lab,
        &format!("SEND\ndestination:{{dest}}\ncontent-length:{value}\nreceipt:r1\n\nabc\0"),
    )
}
