//! WS: RFC 6455 as a broker must keep it.

use super::{Case, SECOND, case, variant};
use crate::broker::handshake::Upgrade;
use crate::broker::lab::Lab;
use crate::broker::peer::Peer;
use crate::grade::{Outcome, Verdict, violated};
use crate::wire::ws::{self, Lay};

pub(super) const CASES: &[Case] = &[
    variant("WS-HSK-004", "ours", |lab| {
        offered(lab, "v12.stomp, v11.stomp", &["v12.stomp", "v11.stomp"])
    }),
    variant("WS-HSK-004", "foreign", |lab| {
        let upgrade = Upgrade {
            subprotocols: Some("mqtt".to_owned()),
            ..lab.upgrade()
        };
        let peer = lab.handshake(&upgrade)?;
        match (
            peer.answer.status,
            peer.answer.header("Sec-WebSocket-Protocol"),
        ) {
            (101, Some(other)) if other != "mqtt" => violated(format!("{other} was not offered")),
            _ => Ok(Outcome::Ok),
        }
    }),
    case("WS-HSK-008", |lab| {
        let upgrade = Upgrade {
            version: 12,
            ..lab.upgrade()
        };
        let peer = lab.handshake(&upgrade)?;
        match (
            peer.answer.status,
            peer.answer.header("Sec-WebSocket-Version"),
        ) {
            (400..=499, Some(list)) if list.contains("13") => Ok(Outcome::Ok),
            (status @ 400..=499, _) => Ok(Outcome::NonStrict(format!(
                "{status} without Sec-WebSocket-Version: 13"
            ))),
            (status, _) => violated(format!("answered by {status}")),
        }
    }),
    case("WS-FRM-002", |lab| {
        let mut peer = lab.open()?;
        let lay = Lay {
            mask: None,
            ..peer.masked(peer.opcode)
        };
        peer.lay(lay, lab.connect_frame("1.2", "").as_bytes());
        fails(&mut peer)
    }),
    case("WS-FRM-003", |lab| lab.connect().map(|_| Outcome::Ok)),
    case("WS-FRM-005", |lab| {
        let mut peer = lab.open()?;
        let lay = Lay {
            rsv: 4,
            ..peer.masked(peer.opcode)
        };
        peer.lay(lay, lab.connect_frame("1.2", "").as_bytes());
        fails(&mut peer)
    }),
    variant("WS-FRM-006", "3", |lab| opcode(lab, 3)),
    variant("WS-FRM-006", "B", |lab| opcode(lab, 11)),
    case("WS-FRM-007", |lab| {
        let mut peer = lab.connect()?;
        let lay = Lay {
            wide: true,
            ..peer.masked(peer.opcode)
        };
        peer.lay(lay, b"\n\n\n\n\n");
        let gone = peer.ends_within(SECOND) || peer.close.is_some();
        Ok(Outcome::Info(
            if gone {
                "a long form without need is refused"
            } else {
                "a long form without need is taken"
            }
            .to_owned(),
        ))
    }),
    case("WS-FRM-008", |lab| {
        let connect = lab.connect_frame("1.2", "");
        for at in (1..connect.len()).step_by(7) {
            let mut peer = lab.open()?;
            let (head, tail) = connect.as_bytes().split_at(at);
            fragments(&mut peer, &[head, tail]);
            lab.connected(&mut peer)?;
        }
        Ok(Outcome::Ok)
    }),
    case("WS-FRM-009", |lab| {
        let mut peer = lab.open()?;
        let connect = lab.connect_frame("1.2", "");
        let (head, tail) = connect.as_bytes().split_at(9);
        let (middle, tail) = tail.split_at(9);
        let first = Lay {
            fin: false,
            ..peer.masked(peer.opcode)
        };
        peer.lay(first, head);
        peer.ping(b"p1");
        let second = Lay {
            fin: false,
            ..peer.masked(ws::CONTINUATION)
        };
        peer.lay(second, middle);
        let third = peer.masked(ws::CONTINUATION);
        peer.lay(third, tail);
        lab.connected(&mut peer)?;
        if peer.pongs == [b"p1"] {
            Ok(Outcome::Ok)
        } else {
            violated(format!("{} pongs came before CONNECTED", peer.pongs.len()))
        }
    }),
    variant("WS-FRM-010", "interleaved", |lab| {
        let mut peer = lab.open()?;
        let first = Lay {
            fin: false,
            ..peer.masked(peer.opcode)
        };
        peer.lay(first, b"CONN");
        peer.send("ECT");
        fails(&mut peer)
    }),
    variant("WS-FRM-010", "no-start", |lab| {
        let mut peer = lab.open()?;
        let lay = peer.masked(ws::CONTINUATION);
        peer.lay(lay, lab.connect_frame("1.2", "").as_bytes());
        fails(&mut peer)
    }),
    case("WS-FRM-011", |lab| {
        let mut peer = lab.open()?;
        let connect = lab.connect_frame("1.2", "");
        let octets: Vec<&[u8]> = connect.as_bytes().chunks(1).collect();
        fragments(&mut peer, &octets);
        lab.connected(&mut peer)?;
        Ok(Outcome::Ok)
    }),
    variant("WS-FRM-012", "long-ping", |lab| {
        let mut peer = lab.open()?;
        peer.ping(&[b'x'; 126]);
        fails(&mut peer)
    }),
    variant("WS-FRM-012", "ping-in-fragments", |lab| {
        let mut peer = lab.open()?;
        let lay = Lay {
            fin: false,
            ..peer.masked(ws::PING)
        };
        peer.lay(lay, b"x");
        fails(&mut peer)
    }),
    variant("WS-CTL-001", "before-connect", |lab| {
        let mut peer = lab.open()?;
        pongs(lab, &mut peer)
    }),
    variant("WS-CTL-001", "in-session", |lab| {
        let mut peer = lab.connect()?;
        pongs(lab, &mut peer)
    }),
    case("WS-CTL-002", |lab| {
        let mut peer = lab.connect()?;
        let lay = peer.masked(ws::PONG);
        peer.lay(lay, b"unasked");
        if peer.ends_within(SECOND) || peer.close.is_some() {
            return violated("the broker closed");
        }
        Ok(Outcome::Ok)
    }),
    case("WS-CTL-003", |lab| {
        let mut peer = lab.connect()?;
        peer.send_close(&1000_u16.to_be_bytes());
        peer.ends_within(SECOND * 2);
        match &peer.close {
            Some((Some(1000) | None, _)) => Ok(Outcome::Ok),
            Some((Some(code), _)) => Ok(Outcome::NonStrict(format!("answered by {code}"))),
            None => violated("no Close came back"),
        }
    }),
    case("WS-CTL-004", |lab| {
        let topic = lab.topic.clone();
        let mut peer = lab.consumer_of(&topic, "")?;
        let mut other = lab.connect()?;
        peer.send_close(&1000_u16.to_be_bytes());
        for _ in 0..20 {
            other.send(lab.fill("SEND\ndestination:{topic}\n\nx\0"));
        }
        peer.ends_within(SECOND * 2);
        // That no frame follows the Close is held against all traffic.
        Ok(Outcome::Ok)
    }),
    case("WS-CTL-005", |lab| {
        let mut peer = lab.connect()?;
        peer.send_close(&1000_u16.to_be_bytes());
        if peer.ends_within(SECOND * 2) {
            Ok(Outcome::Ok)
        } else {
            violated("TCP was still open 2 s after the Close")
        }
    }),
    case("WS-TXT-001", |lab| {
        takes_text(lab)?;
        let mut consumer = lab.consumer()?;
        let mut peer = lab.connect()?;
        let mut frame = lab.fill("SEND\ndestination:{dest}\n\n").into_bytes();
        frame.extend_from_slice(b"\xff\0");
        peer.send(frame);
        if peer.ends_within(SECOND * 2) || peer.close.is_some() {
            return Ok(Outcome::Ok);
        }
        match consumer.any(SECOND) {
            Some(frame) => Ok(Outcome::NonStrict(format!("passed on: {frame}"))),
            None => violated("a text message that is no UTF-8 was swallowed"),
        }
    }),
    case("WS-TXT-002", |lab| {
        takes_text(lab)?;
        let mut peer = lab.open()?;
        let connect = lab.connect_frame("1.2", "conf-x:\u{20ac}\n");
        let at = connect.find('\u{20ac}').unwrap_or_default() + 1;
        let (head, tail) = connect.as_bytes().split_at(at);
        fragments(&mut peer, &[head, tail]);
        lab.connected(&mut peer)?;
        Ok(Outcome::Ok)
    }),
    case("WS-TXT-003", |lab| {
        lab.pass("SEND\ndestination:{dest}\n\nx\0")
            .map(|_| Outcome::Ok)
    }),
    case("WS-CLS-001", |lab| {
        let mut peer = lab.connect()?;
        peer.send_close(&1006_u16.to_be_bytes());
        peer.ends_within(SECOND * 2);
        Ok(Outcome::Info(closing(&peer)))
    }),
    case("WS-CLS-002", |lab| {
        let mut peer = lab.connect()?;
        peer.send_close(&[3]);
        peer.ends_within(SECOND * 2);
        match &peer.close {
            Some((Some(1002), _)) => Ok(Outcome::Ok),
            _ if peer.is_gone() => Ok(Outcome::NonStrict(closing(&peer))),
            _ => violated(closing(&peer)),
        }
    }),
    case("WS-CLS-1000", |lab| {
        let mut peer = lab.connect()?;
        peer.send("DISCONNECT\nreceipt:r1\n\n\0");
        peer.ends_within(SECOND * 3);
        Ok(Outcome::Info(format!(
            "after DISCONNECT: {}",
            closing(&peer)
        )))
    }),
    case("WS-CLS-1002", |lab| {
        let mut peer = lab.connect()?;
        peer.send("SEND\n\nx\0");
        peer.ends_within(SECOND * 3);
        Ok(Outcome::Info(format!("after ERROR: {}", closing(&peer))))
    }),
    case("WS-CLS-1003", |lab| {
        let mut peer = lab.open()?;
        peer.send_binary(lab.connect_frame("1.2", ""));
        peer.ends_within(SECOND);
        Ok(Outcome::Info(format!(
            "after a binary message: {}",
            closing(&peer)
        )))
    }),
    case("WS-CLS-1007", |lab| {
        let mut peer = lab.connect()?;
        peer.send(b"SEND\nk:\xff\n\n\0");
        peer.ends_within(SECOND * 2);
        Ok(Outcome::Info(format!(
            "after invalid UTF-8: {}",
            closing(&peer)
        )))
    }),
    case("WS-CLS-1008", |lab| {
        let mut peer = lab.open()?;
        let right = lab.target().passcode.clone().unwrap_or_default();
        peer.send(
            lab.connect_frame("1.2", "")
                .replace(&format!("passcode:{right}\n"), "passcode:wrong\n"),
        );
        peer.ends_within(SECOND * 2);
        Ok(Outcome::Info(format!(
            "after a wrong passcode: {}",
            closing(&peer)
        )))
    }),
];

/// The broker must fail the connection.
fn fails(peer: &mut Peer) -> Verdict {
    if peer.ends_within(SECOND * 2) || peer.close.is_some() {
        return Ok(Outcome::Ok);
    }
    match peer.rest().first() {
        Some(frame) => violated(format!("expected the end of the connection, got {frame}")),
        None => violated("expected the end of the connection, it stayed open"),
    }
}

fn closing(peer: &Peer) -> String {
    match (&peer.close, peer.eof) {
        (Some((Some(code), reason)), _) => format!("Close {code} \"{reason}\""),
        (Some((None, _)), _) => "a Close without a code".to_owned(),
        (None, Some(true)) => "a reset".to_owned(),
        (None, Some(false)) => "the end of the stream without a Close".to_owned(),
        (None, None) => "left open".to_owned(),
    }
}

fn opcode(lab: &mut Lab, opcode: u8) -> Verdict {
    let mut peer = lab.open()?;
    let lay = peer.masked(opcode);
    peer.lay(lay, b"");
    fails(&mut peer)
}

fn takes_text(lab: &Lab) -> Result<(), Outcome> {
    match lab.target().binary {
        true => Err(Outcome::Unimplemented(
            "with --binary no text is sent".to_owned(),
        )),
        false => Ok(()),
    }
}

/// One message in several fragments.
fn fragments(peer: &mut Peer, parts: &[&[u8]]) {
    for (n, part) in parts.iter().enumerate() {
        let opcode = if n == 0 {
            peer.opcode
        } else {
            ws::CONTINUATION
        };
        let lay = Lay {
            fin: n + 1 == parts.len(),
            ..peer.masked(opcode)
        };
        peer.lay(lay, part);
    }
}

fn pongs(lab: &Lab, peer: &mut Peer) -> Verdict {
    for size in [0, 5, 125] {
        let payload = vec![b'p'; size];
        peer.pongs.clear();
        peer.ping(&payload);
        let due = lab.scaled(SECOND);
        let pong = peer.until(due, |p| p.pongs.first().cloned());
        match pong {
            Some(pong) if pong == payload => {}
            Some(pong) => {
                return violated(format!(
                    "a pong of {} octets to a ping of {size}",
                    pong.len()
                ));
            }
            None => return violated(format!("no pong to a ping of {size} octets")),
        }
    }
    Ok(Outcome::Ok)
}

/// What is offered, and which answers are right.
fn offered(lab: &mut Lab, list: &str, right: &[&str]) -> Verdict {
    let upgrade = Upgrade {
        subprotocols: Some(list.to_owned()),
        ..lab.upgrade()
    };
    let peer = lab.handshake(&upgrade)?;
    match peer.answer.header("Sec-WebSocket-Protocol") {
        None => Ok(Outcome::Ok),
        Some(chosen) if right.contains(&chosen) => Ok(Outcome::Ok),
        Some(chosen) => violated(format!("{chosen} was not offered")),
    }
}
