//! SWS: how STOMP lies in WebSocket messages.

use super::{Case, SECOND, body_is, case, reaction, variant};
use crate::broker::handshake::Upgrade;
use crate::broker::lab::Lab;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::ws;

pub(super) const CASES: &[Case] = &[
    variant("SWS-SUB-001", "v12", |lab| chosen(lab, "v12.stomp")),
    variant("SWS-SUB-001", "v11", |lab| chosen(lab, "v11.stomp")),
    variant("SWS-SUB-001", "v10", |lab| chosen(lab, "v10.stomp")),
    variant("SWS-SUB-001", "all", |lab| {
        chosen(lab, "v10.stomp, v11.stomp, v12.stomp")
    }),
    case("SWS-SUB-002", |lab| {
        let upgrade = Upgrade {
            subprotocols: Some("v11.stomp".to_owned()),
            ..lab.upgrade()
        };
        let mut peer = lab.handshake(&upgrade)?;
        let protocol = peer
            .answer
            .header("Sec-WebSocket-Protocol")
            .unwrap_or("none")
            .to_owned();
        peer.send(lab.connect_frame("1.0,1.1,1.2", ""));
        let connected = lab.connected(&mut peer)?;
        let version = connected.header("version").unwrap_or("none");
        Ok(Outcome::Info(format!(
            "subprotocol {protocol}, version {version}"
        )))
    }),
    case("SWS-SUB-003", |lab| {
        let upgrade = Upgrade {
            subprotocols: None,
            ..lab.upgrade()
        };
        let mut peer = lab.handshake(&upgrade)?;
        if peer.answer.status != 101 {
            return Ok(Outcome::Info(format!("refused by {}", peer.answer.status)));
        }
        peer.send(lab.connect_frame("1.2", ""));
        lab.connected(&mut peer)?;
        Ok(Outcome::Ok)
    }),
    case("SWS-TYP-001", |lab| {
        let mut peer = lab.open()?;
        peer.send_binary(lab.connect_frame("1.2", ""));
        lab.connected(&mut peer)?;
        let kinds = if peer.messages.iter().all(|(o, _)| *o == ws::TEXT) {
            "text"
        } else {
            "binary"
        };
        Ok(Outcome::Info(format!("answered as {kinds}")))
    }),
    case("SWS-TYP-002", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        let mut frame = lab
            .fill("SEND\ndestination:{dest}\ncontent-length:2\n\n")
            .into_bytes();
        frame.extend_from_slice(&[0xff, 0xfe, 0]);
        peer.send_binary(frame);
        let got = consumer.message();
        let message = lab.blame(got, &mut peer)?;
        // That text messages are UTF-8 is held against all traffic.
        match consumer.messages.last() {
            Some((ws::BINARY, _)) => body_is(&message, &[0xff, 0xfe]),
            Some(_) | None => violated("octets that are no UTF-8 came in a text message"),
        }
    }),
    case("SWS-TYP-003", |lab| {
        let mut peer = lab.connect()?;
        let frame = lab.fill("SEND\ndestination:{dest}\nreceipt:r1\n\nx\0");
        let (head, tail) = frame.as_bytes().split_at(9);
        peer.send(head);
        peer.send_binary(tail);
        Ok(Outcome::Info(reaction(&mut peer)))
    }),
    case("SWS-MAP-001", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        let frame = lab.fill("SEND\ndestination:{dest}\n\ntwo halves\0");
        let (head, tail) = frame.as_bytes().split_at(frame.len() / 2);
        peer.send(head);
        peer.send(tail);
        let got = consumer.message();
        body_is(&lab.blame(got, &mut peer)?, b"two halves")
    }),
    case("SWS-MAP-002", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        let frame = lab.fill("SEND\ndestination:{dest}\n\nx\0\n");
        peer.send(frame.repeat(2));
        let first = consumer.message();
        lab.blame(first, &mut peer)?;
        let second = consumer.message();
        lab.blame(second, &mut peer)?;
        Ok(Outcome::Ok)
    }),
    variant("SWS-MAP-003", "", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        let body = format!("a{}", "\u{1f600}".repeat(100_000));
        peer.send(lab.fill(&format!("SEND\ndestination:{{dest}}\n\n{body}\0")));
        let got = consumer.message();
        body_is(&lab.blame(got, &mut peer)?, body.as_bytes())
    })
    .slow(),
    case("SWS-MAP-004", |lab| {
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        peer.send("");
        peer.send(lab.fill("SEND\ndestination:{dest}\n\nx\0"));
        peer.send("");
        let got = consumer.message();
        body_is(&lab.blame(got, &mut peer)?, b"x")
    }),
    variant("SWS-MAP-005", "", |lab| {
        let (mut peer, _) = lab.connect_as("1.2", "heart-beat:0,1000\n")?;
        let before = peer.messages.len();
        peer.until(lab.scaled(SECOND * 4), |p| {
            (p.beats.len() > 1).then_some(())
        });
        if peer.beats.is_empty() {
            return Ok(Outcome::Unimplemented(
                "the broker sends no heart-beats".to_owned(),
            ));
        }
        match peer.messages[before..]
            .iter()
            .find(|(_, length)| !matches!(length, 1 | 2))
        {
            Some((_, length)) => violated(format!("a heart-beat in a message of {length} octets")),
            None => Ok(Outcome::Ok),
        }
    })
    .slow(),
    case("SWS-END-001", |lab| {
        let mut peer = lab.connect()?;
        peer.send("SEND\n\nx\0");
        let refusal = peer.refusal();
        match (&refusal.error, &peer.close) {
            (Some(_), Some(_)) => Ok(Outcome::Ok),
            (Some(_), None) if peer.is_gone() => violated("TCP ended without a Close after ERROR"),
            (Some(_), None) => violated("no Close after ERROR"),
            (None, _) => violated(refusal.words()),
        }
    }),
    case("SWS-EXT-001", |lab| {
        let upgrade = Upgrade {
            headers: vec![(
                "Sec-WebSocket-Extensions".to_owned(),
                "permessage-deflate".to_owned(),
            )],
            ..lab.upgrade()
        };
        let mut peer = lab.handshake(&upgrade)?;
        if peer.answer.header("Sec-WebSocket-Extensions").is_some() {
            // The judge speaks no deflate; sending plain messages stays legal.
            return Ok(Outcome::Info("permessage-deflate was agreed".to_owned()));
        }
        peer.send(lab.connect_frame("1.2", ""));
        lab.connected(&mut peer)?;
        Ok(Outcome::Ok)
    }),
];

/// Which of the offered is chosen.
fn chosen(lab: &mut Lab, list: &str) -> Verdict {
    let upgrade = Upgrade {
        subprotocols: Some(list.to_owned()),
        ..lab.upgrade()
    };
    let peer = lab.handshake(&upgrade)?;
    if peer.answer.status != 101 {
        return Ok(Outcome::Info(format!("refused by {}", peer.answer.status)));
    }
    match peer.answer.header("Sec-WebSocket-Protocol") {
        None => violated("no subprotocol in the answer"),
        Some(one) if list.split(", ").any(|l| l == one) => Ok(Outcome::Ok),
        Some(other) => violated(format!("{other} was not offered")),
    }
}
